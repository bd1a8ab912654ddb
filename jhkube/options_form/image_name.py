"""How images are named: `registry.example.org/team/lab:tag`; pure."""

from __future__ import annotations

import re

__all__ = ["NoSuchImage", "is_repository", "split_image"]

_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"""(?P<path>{_PATH_PART}(?:/{_PATH_PART})*)
         (?: : (?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}) )?
         (?: @ (?P<digest>sha256:[0-9a-f]{{64}}) )?""",
    re.VERBOSE,
)
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")


class NoSuchImage(ValueError):
    """An image that somebody asked for is not to be had; the message is a sentence for that person."""


def split_image(image: str) -> tuple[str, str, str]:
    """Return the registry's host, the repository's path, and the tag or digest of an image.

    What is left out is what a container runtime takes for it: `docker.io`, `library/`, `latest`.

    Raises
    ------
    NoSuchImage
        Where the text can be no image.

    Examples
    --------
    >>> split_image("jupyter/base-notebook")
    ('docker.io', 'jupyter/base-notebook', 'latest')
    """
    host, slash, rest = image.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, rest = "docker.io", image
    match = _IMAGE.fullmatch(rest)
    if match is None or not _HOST.fullmatch(host):
        raise NoSuchImage("This is not an image: one is written like registry.example.org/team/lab:tag.")
    path = match["path"]
    if host == "docker.io" and "/" not in path:
        path = f"library/{path}"
    return host.lower(), path, match["digest"] or match["tag"] or "latest"


def is_repository(text: str) -> bool:
    """Whether a text is a repository with its registry's host, without a tag."""
    host, _, path = text.partition("/")
    return bool(_HOST.fullmatch(host) and re.fullmatch(rf"{_PATH_PART}(?:/{_PATH_PART})*", path))

"""How images are named: `registry.example.org/team/lab:tag`."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

__all__ = [
    "ATTACHED_TAG",
    "NoSuchImage",
    "full_name",
    "is_digest",
    "is_image",
    "is_repository",
    "split_image",
    "split_repository",
]

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*")
_IMAGE = re.compile(
    rf"""(?P<path>{_PATH.pattern})
         (?: : (?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}) )?
         (?: @ (?P<digest>{_DIGEST.pattern}) )?""",
    re.VERBOSE,
)
_HOST_PART = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(
    rf"(?P<name>{_HOST_PART}(?:\.{_HOST_PART})*|\[(?P<ipv6>[0-9a-fA-F:.]+)\])(?::(?P<port>[0-9]{{1,5}}))?"
)

ATTACHED_TAG = re.compile(r"sha(?:256|512)-[0-9a-f]{64}(?:\.[A-Za-z0-9_.-]+)?")
"""A tag of what belongs to an image and cannot be run: `sha256-….sig` and `.att` of cosign, and the specification's
own for a registry without the Referrers API (OCI distribution specification, Referrers Tag Schema)."""

_HUB_HOSTS = ("index.docker.io", "registry-1.docker.io", "docker.io")


class NoSuchImage(ValueError):
    """An image that somebody asked for is not to be had; the message is a sentence for that person."""


def is_digest(text: str) -> bool:
    """Return whether a text is a digest that images are run by: `sha256:` or `sha512:` and its hex."""
    return _DIGEST.fullmatch(text) is not None


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
    if match is None or not _is_host(host):
        raise NoSuchImage("This is not an image: one is written like registry.example.org/team/lab:tag.")
    return *split_repository(f"{host}/{match['path']}"), match["digest"] or match["tag"] or "latest"


def full_name(image: str) -> str:
    """Return an image as nodes name it: Docker Hub's short names written out.

    Examples
    --------
    >>> full_name("docker.io/debian@sha256:" + "0" * 64)[:33]
    'docker.io/library/debian@sha256:0'
    """
    try:
        host, path, reference = split_image(image)
    except NoSuchImage:
        return image
    return f"{host}/{path}{'@' if is_digest(reference) else ':'}{reference}"


def split_repository(name: str) -> tuple[str, str]:
    """Return the host and the path by which a registry is asked for a repository.

    Examples
    --------
    >>> split_repository("docker.io/python")
    ('docker.io', 'library/python')
    """
    host, _, path = name.partition("/")
    host = host.lower()
    if host in _HUB_HOSTS:
        host = "docker.io"
        path = path if "/" in path else f"library/{path}"
    return host, path


def is_image(text: str) -> bool:
    """Return whether a text is an image: a path, with or without a registry's host, a tag and a digest."""
    try:
        split_image(text)
    except NoSuchImage:
        return False
    return True


def is_repository(text: str) -> bool:
    """Return whether a text is a repository with its registry's host, without a tag."""
    host, _, path = text.partition("/")
    return _is_host(host) and _PATH.fullmatch(path) is not None


def _is_host(text: str) -> bool:
    """Return whether a text is a host that can be asked, with or without a port."""
    match = _HOST.fullmatch(text)
    if match is None or len(match["name"]) > 253 or not 0 < int(match["port"] or 1) < 65536:
        return False
    try:
        return match["ipv6"] is None or bool(IPv6Address(match["ipv6"]))
    except ValueError:
        return False

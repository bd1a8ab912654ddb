"""What must not be printed: the secrets of a configuration, taken out of what errors of others say; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from traitlets.config import Config

from jhkube.redaction import HIDDEN, is_elsewhere, is_secret_name

__all__ = ["redactor"]

SHORTEST = 6
"""Characters: what is shorter is in any sentence by chance."""


def redactor(config: Config, environ: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that takes the secrets of a configuration and its environment out of a text.

    Examples
    --------
    >>> redactor(Config(), {"GITHUB_CLIENT_SECRET": "mumble"})("not 'mumble'")
    "not '…'"
    """
    found = {text for text in _secrets(config, environ) if len(text) >= SHORTEST}
    ordered = sorted(found, key=len, reverse=True)

    def redacted(text: str) -> str:
        for each in ordered:
            text = text.replace(each, HIDDEN)
        return text

    return redacted


def _secrets(config: Config, environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        yield from _parts(name, value)
    for section in config.values():
        if isinstance(section, Config):
            for name, value in section.items():
                yield from _parts(name, value)


def _parts(name: str, value: Any) -> Iterator[str]:
    """Yield the texts of a value that are secrets: all of them by the name, or the password in a URL."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _parts(f"{name}.{key}", item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _parts(name, item)
    elif isinstance(value, bytes):
        yield from _parts(name, value.decode(errors="replace"))
    elif isinstance(value, str):
        if is_secret_name(name) and not is_elsewhere(value):
            yield value
            yield from (part.strip() for part in value.split(";"))
        elif "://" in value and "@" in value:
            try:
                yield urlsplit(value).password or ""
            except ValueError:
                return

"""From the text of a tag to what it says about its image, and tags in a menu's order; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from .image_tag import ARCHITECTURES, ImageTag, TagKind
from .schemes import CALVER, DEFAULT_ALIASES, GIT, LSST, SEMVER, TagScheme, alias_scheme, join_name

__all__ = ["DEFAULT_SCHEMES", "ImageTag", "TagKind", "TagScheme", "parse_tag", "sort_tags"]

DEFAULT_SCHEMES: Final = (alias_scheme(DEFAULT_ALIASES), LSST, CALVER, SEMVER, GIT)
"""What is tried unless the operator says otherwise: the most telling first.

Dates go before versions, which would take `2026.11.20` for one, and commits last, since a date or the
name of a week can be made of hexadecimal digits as well.
"""

# the grammar of a tag in the OCI distribution specification: what is not of it cannot be pulled
_LEGAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")

LONGEST_NAME: Final = 128

_PREFIXES: Final = tuple(f"{name}-" for name in ARCHITECTURES)
_SUFFIXES: Final = tuple(separator + name for name in ARCHITECTURES for separator in "-_")


def parse_tag(text: str, schemes: Iterable[TagScheme] = DEFAULT_SCHEMES) -> ImageTag:
    """Return what a tag says, by the first scheme that knows it; of kind `other` where none does.

    No text makes it raise, not even one that can be no tag.

    Parameters
    ----------
    text
        A tag, as a registry lists it.
    schemes
        What to try, in order.

    Examples
    --------
    >>> parse_tag("w_2026_46").display_name
    'Weekly 2026, week 46 (9–15 Nov)'
    >>> parse_tag("r27_0_0_rc1").kind
    <TagKind.CANDIDATE: 'candidate'>
    """
    if _LEGAL.fullmatch(text) is None:
        return ImageTag(text, TagKind.OTHER, _readable(text))
    body, architecture = _split_architecture(text)
    for scheme in schemes:
        if tag := scheme.read(text, body, architecture):
            return tag
    name = join_name(body, architecture) if architecture else text
    return ImageTag(text, TagKind.OTHER, name, (), None, architecture)


def sort_tags(tags: Iterable[ImageTag]) -> list[ImageTag]:
    """Return the tags as a menu shows them: kind by kind, newest first, generic images first."""
    return sorted(tags, key=_order, reverse=True)


def _order(tag: ImageTag) -> tuple[object, ...]:
    return tag.order


def _split_architecture(text: str) -> tuple[str, str]:
    """Return a tag without the architecture that it begins or ends with, and that."""
    if text.endswith(_SUFFIXES):
        for suffix in _SUFFIXES:
            if text.endswith(suffix) and len(suffix) < len(text):
                return text[: -len(suffix)], ARCHITECTURES[suffix[1:]]
    if text.startswith(_PREFIXES):
        for prefix in _PREFIXES:
            if text.startswith(prefix) and len(prefix) < len(text):
                return text[len(prefix) :], ARCHITECTURES[prefix[:-1]]
    return text, ""


def _readable(text: str) -> str:
    """Return text that can be shown: nothing that moves the cursor, hides, or turns the writing round."""
    shown = text[:LONGEST_NAME]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in shown)
    return shown + "…" * (len(text) > LONGEST_NAME) or "(empty)"

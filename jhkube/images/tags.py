"""From the text of a tag to what it says about its image, and tags in a menu's order."""

from __future__ import annotations

import re
from collections.abc import Iterable
from operator import attrgetter
from typing import Final

from .image_tag import ARCHITECTURES, LEGAL_TAG, ImageTag, TagKind
from .scheme_config import schemes_from_config
from .schemes import TagScheme, join_name

__all__ = [
    "DEFAULT_SCHEMES",
    "ImageTag",
    "TagKind",
    "TagScheme",
    "parse_tag",
    "schemes_from_config",
    "sort_tags",
]

DEFAULT_SCHEMES: Final = schemes_from_config()
"""What is tried unless the operator says otherwise: every shipped scheme."""

LONGEST_NAME: Final = 128

# x86_64-python-3.12, w_2026_46-arm64, 1.2.3_amd64
_PREFIXES: Final = tuple(f"{name}-" for name in ARCHITECTURES)
_SUFFIXES: Final = tuple(separator + name for name in ARCHITECTURES for separator in "-_")
_BEGINS = re.compile(f"({'|'.join(ARCHITECTURES)})-(.+)")
_ENDS = re.compile(f"(.+)[-_]({'|'.join(ARCHITECTURES)})")


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
    if LEGAL_TAG.fullmatch(text) is None:
        return ImageTag(text, TagKind.OTHER, _readable(text))
    body, architecture = _split_architecture(text)
    for scheme in schemes:
        if tag := scheme.read(text, body, architecture):
            return tag
    name = join_name(body, architecture) if architecture else text
    return ImageTag(text, TagKind.OTHER, name, architecture=architecture)


def sort_tags(tags: Iterable[ImageTag]) -> list[ImageTag]:
    """Return the tags as a menu shows them: kind by kind, newest first, generic images first."""
    return sorted(tags, key=attrgetter("order"), reverse=True)


def _split_architecture(text: str) -> tuple[str, str]:
    """Return a tag without the architecture that it begins or ends with, and that."""
    # a plain look first, since few tags name one
    if text.endswith(_SUFFIXES) and (match := _ENDS.fullmatch(text)):
        return match[1], ARCHITECTURES[match[2]]
    if text.startswith(_PREFIXES) and (match := _BEGINS.fullmatch(text)):
        return match[2], ARCHITECTURES[match[1]]
    return text, ""


def _readable(text: str) -> str:
    """Return text that can be shown: nothing that moves the cursor, hides, or turns the writing round."""
    shown = text[:LONGEST_NAME]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in shown)
    if not shown.strip():
        return "(empty)"
    return shown + "…" if len(text) > LONGEST_NAME else shown

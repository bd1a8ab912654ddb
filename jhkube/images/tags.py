"""From the text of a tag to what it says about its image, and tags in a menu's order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from heapq import merge
from operator import attrgetter
from typing import Final

from .image_name import ATTACHED_TAG
from .image_tag import ARCHITECTURES, LEGAL_TAG, ImageTag, TagKind
from .scheme_config import schemes_from_config
from .schemes import TagScheme, join_name

__all__ = [
    "DEFAULT_SCHEMES",
    "ImageTag",
    "KnownTags",
    "TagKind",
    "parse_tag",
    "read_tags",
    "sort_tags",
]

DEFAULT_SCHEMES: Final = schemes_from_config()
"""What is tried unless the operator says otherwise: every shipped scheme."""

LONGEST_NAME: Final = 128

SORTED_AT_ONCE: Final = 1000
"""How many tags are sorted in one step, during which no other thread runs: a millisecond's work."""

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


@dataclass(frozen=True, slots=True)
class KnownTags:
    """A repository's tags, read."""

    tags: Mapping[str, ImageTag] = field(default_factory=dict)
    """By text, in the registry's order."""

    order: Sequence[ImageTag] = ()
    """Newest first."""

    moving: Sequence[str] = ()
    """Those that move from image to image, newest first."""

    new: Sequence[str] = ()
    """Those that the reading before did not have."""


def read_tags(
    listed: Sequence[str], before: KnownTags, schemes: Sequence[TagScheme], moving: Sequence[str] = ()
) -> KnownTags:
    """Return what a registry listed, read; what was read before is taken from there.

    Tags of what belongs to an image and cannot be run, such as its signature, are left out.

    It takes a second for 50,000 tags and is made for a thread: no step of it keeps others from running for more than
    some milliseconds, as one sort of them all would.

    Parameters
    ----------
    listed
        All tags of a repository.
    before
        What was read the last time.
    schemes
        What to try, in order.
    moving
        Shell patterns of tags that, like aliases, move from image to image.
    """
    tags: dict[str, ImageTag] = {}
    new: list[ImageTag] = []
    for text in listed:
        if text.startswith("sha") and ATTACHED_TAG.fullmatch(text):
            continue
        tag = before.tags.get(text)
        if tag is None:
            tag = parse_tag(text, schemes)
            new.append(tag)
        tags[text] = tag
    if not new and len(tags) == len(before.tags):
        return replace(before, new=())
    keyed = [(tag.order, tag) for tag in new]
    runs = [
        sorted(keyed[start : start + SORTED_AT_ONCE], reverse=True) for start in range(0, len(new), SORTED_AT_ONCE)
    ]
    kept = [(tag.order, tag) for tag in before.order if tag.tag in tags]
    order = [tag for _, tag in merge(kept, *runs, reverse=True)]
    moves = [
        tag.tag
        for tag in order
        if tag.kind is TagKind.ALIAS or (moving and any(fnmatchcase(tag.tag, each) for each in moving))
    ]
    return KnownTags(tags, order, moves, new=[tag.tag for tag in new])


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

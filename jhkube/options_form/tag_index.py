"""All tags in one compact block of JSON, for the form's search; pure, and made once for a menu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from .entries import MenuEntry
from .tags import TagKind

__all__ = ["KIND_TITLES", "LARGEST", "TagIndex", "tag_index"]

KIND_TITLES: Final = {
    TagKind.ALIAS: "Current",
    TagKind.RELEASE: "Releases",
    TagKind.CANDIDATE: "Release candidates",
    TagKind.WEEKLY: "Weekly builds",
    TagKind.DAILY: "Daily builds",
    TagKind.EXPERIMENTAL: "Experimental",
    TagKind.BUILD: "Builds of a commit",
    TagKind.OTHER: "Other",
}
"""How people call a kind, as the heading of several."""

LARGEST: Final = 220_000
"""The most bytes of tags that are sent with the form; the rest can be typed, but not searched."""

KEPT: Final = 4
"""For how many lists of images the block is kept: one for each group of people that sees another list."""

EPOCH: Final = 719_163
"""1970-01-01 as an ordinal of Python's dates."""


@dataclass(frozen=True, slots=True)
class TagIndex:
    """The block, and what it holds."""

    json: Markup
    """`{"complete": …, "groups": [[title, prefix, "tag tag …", "day step …"], …]}`, safe inside a script
    element."""

    count: int
    """How many tags can be searched."""


_made: dict[int, tuple[tuple[MenuEntry, ...], TagIndex]] = {}


def tag_index(entries: tuple[MenuEntry, ...]) -> TagIndex:
    """Return the block for all tags of these images; the same tuple gives the same block without work.

    A group is one kind of tag of one repository. Its dates are days since 1970, each as the difference to
    the date before it, and empty where a tag has none.
    """
    kept = _made.get(id(entries))
    if kept is not None and kept[0] is entries:
        return kept[1]
    index = _build(entries)
    while len(_made) >= KEPT:
        del _made[next(iter(_made))]
    # The tuple is kept along, so that no other can come to have its id.
    _made[id(entries)] = (entries, index)
    return index


def _build(entries: tuple[MenuEntry, ...]) -> TagIndex:
    groups: dict[tuple[str, TagKind], tuple[list[str], list[str]]] = {}
    latest: dict[tuple[str, TagKind], int] = {}
    room, count, complete = LARGEST, 0, True
    for entry in entries:
        repository = entry.repository
        for tag in (entry.tag, *entry.aliases):
            room -= len(tag.tag) + 4
            if room < 0:
                complete = False
                break
            key = repository, tag.kind
            group = groups.get(key)
            if group is None:
                group = groups[key] = [], []
            group[0].append(tag.tag)
            count += 1
            if tag.date is None:
                group[1].append("")
            else:
                day = tag.date.toordinal() - EPOCH
                group[1].append(str(day - latest.get(key, 0)))
                latest[key] = day
    several = len({repository for repository, _ in groups}) > 1
    listed: list[list[Any]] = []
    for (repository, kind), (tags, days) in groups.items():
        dates = " ".join(days) if any(days) else ""
        listed.append([KIND_TITLES[kind], f"{repository}:" if several else "", " ".join(tags), dates])
    return TagIndex(htmlsafe_json_dumps({"complete": complete, "groups": listed}), count)

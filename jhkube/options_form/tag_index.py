"""All tags in one compact block of JSON, for the form's search; made once for a menu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from jhkube.images.entries import MenuEntry
from jhkube.images.image_tag import TagKind

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

LARGEST: Final = 250_000
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


_made: list[tuple[tuple[MenuEntry, ...], TagIndex]] = []


def tag_index(entries: tuple[MenuEntry, ...]) -> TagIndex:
    """Return the block for all tags of these images; the same images give the same block without work.

    A group is one kind of tag of one repository. Its dates are days since 1970, each as the difference to the
    date before it, and empty where a tag has none.
    """
    for kept, index in _made:
        # Entries are kept from menu to menu, so that this compares what is one object: 10,000 in 0.1 ms.
        if kept is entries or kept == entries:
            return index
    index = _build(entries)
    del _made[: max(len(_made) - KEPT + 1, 0)]
    _made.append((entries, index))
    return index


@dataclass(slots=True)
class _Group:
    """One kind of tag of one repository, while its texts are put together."""

    tags: list[str]
    steps: list[str]
    last: int = 0
    """The last date, in days since 1970."""


def _build(entries: tuple[MenuEntry, ...]) -> TagIndex:
    groups: dict[tuple[str, TagKind], _Group] = {}
    room, complete = LARGEST, True
    repository, kind, group = "", None, _Group([], [])
    for entry in entries:
        for tag in (entry.tag, *entry.aliases) if entry.aliases else (entry.tag,):
            # Tags come kind by kind: most are of the group of the one before.
            if tag.kind is not kind or entry.repository is not repository:
                repository, kind = entry.repository, tag.kind
                group = groups.setdefault((repository, kind), _Group([], []))
            step = ""
            if tag.date is not None:
                day = tag.date.toordinal() - EPOCH
                step = str(day - group.last)
                group.last = day
            room -= len(tag.tag) + len(step) + 2
            if room < 0:
                complete = False
                break
            group.tags.append(tag.tag)
            group.steps.append(step)
        if not complete:
            break
    several = len({repository for repository, _ in groups}) > 1
    listed: list[list[Any]] = [
        [
            KIND_TITLES[kind],
            f"{repository}:" if several else "",
            # No tag has a space in it, but a registry may send what it wants.
            group.tags if any(" " in tag for tag in group.tags) else " ".join(group.tags),
            " ".join(group.steps) if any(group.steps) else "",
        ]
        for (repository, kind), group in groups.items()
        if group.tags
    ]
    count = sum(len(group.tags) for group in groups.values())
    return TagIndex(htmlsafe_json_dumps({"complete": complete, "groups": listed}), count)

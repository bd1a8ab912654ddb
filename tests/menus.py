"""Menus made of nothing but tags, for tests that need no registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jhkube.images.details import ImageDetails
from jhkube.images.entries import Menu, MenuEntry
from jhkube.images.image_tag import TagKind
from jhkube.images.tags import parse_tag, sort_tags


def menu(
    repositories: Mapping[str, Mapping[str, str]],
    refreshed_at: float | None,
    details: Mapping[str, ImageDetails] | None = None,
    errors: Iterable[str] = (),
) -> Menu:
    """Return the menu of some repositories, each with its tags and their digests, or empty texts for digests."""
    entries: list[MenuEntry] = []
    for repository, digests in repositories.items():
        tags = sort_tags(map(parse_tag, digests))
        for tag in tags:
            digest = digests[tag.tag]
            same = [other for other in tags if digest and digests[other.tag] == digest] or [tag]
            main = next((other for other in same if other.kind is not TagKind.ALIAS), same[0])
            if tag is main:
                others = tuple(other for other in same if other is not tag)
                entries.append(MenuEntry(repository, tag, digest, others, (details or {}).get(digest)))
    return Menu(tuple(entries), refreshed_at, tuple(errors))

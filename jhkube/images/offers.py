"""What of the menu is offered to somebody: the operator's rules, applied."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import chain
from typing import Any

from .entries import Menu, MenuEntry, MenuPart
from .image_tag import ImageTag, TagKind
from .offer_rules import KindRule, OfferRule, tag_matches

__all__ = ["Offer", "offer_for", "offered_to_anybody"]


@dataclass(frozen=True, eq=False)
class Offer:
    """What one person can choose from."""

    entries: tuple[MenuEntry, ...]
    """What is offered at once, in the order to show it."""

    default: MenuEntry | None
    """What is chosen beforehand; None where nothing is offered."""

    all_entries_allowed: bool
    """Whether everything else can be had by search."""

    all_entries: tuple[MenuEntry, ...]
    """All that can be had, newest first; the offered ones alone where `all_entries_allowed` is false."""

    custom_patterns: tuple[str, ...]
    """What an image that is typed must match as a whole; empty where none may be typed."""

    refreshed_at: float | None = None
    """When the menu was last refreshed, in seconds since 1970."""

    errors: tuple[str, ...] = ()
    """The menu's sentences about registries that failed."""

    _find: Callable[[str], MenuEntry | None] = field(default=lambda text: None, repr=False)
    _may_have: Callable[[MenuEntry], bool] = field(default=lambda entry: False, repr=False)

    def find(self, text: str) -> MenuEntry | None:
        """Return the image that a tag, `repository:tag` or `repository@digest` names, if it can be had."""
        for entry in self.entries:
            if any(tag.tag == text for tag in entry.tags):
                return entry
        found = self._find(text)
        return found if found is not None and (found in self.entries or self._may_have(found)) else None

    @property
    def custom_allowed(self) -> bool:
        """Whether any image may be typed."""
        return bool(self.custom_patterns)

    def allows_custom(self, image: str) -> bool:
        """Whether a typed image matches one of the operator's patterns, as a whole.

        Of `lab:v1@sha256:…` the digest is run, whatever the tag is: it has to match without the tag, too.
        """
        named = {image, re.sub(r":[^/@]*@", "@", image)}
        return all(any(_whole(pattern).fullmatch(each) for pattern in self.custom_patterns) for each in named)


def offer_for(
    menu: Menu,
    rules: Sequence[OfferRule],
    groups: Collection[str],
    today: date | None = None,
    *,
    prefer_named: bool = False,
) -> Offer:
    """Return what somebody of these hub groups can choose from: all that any of the rules gives.

    Parameters
    ----------
    menu
        The images there are.
    rules
        The operator's; the first that names an existing default decides it.
    groups
        The user's hub groups.
    today
        What ages are counted from; the day of the menu's refresh, where it is left out, so that a registry
        that is down for a month does not empty the menu.
    prefer_named
        Whether rules for everybody count only where no rule names one of the groups.
    """
    mine = [rule for rule in rules if rule.is_for(groups)]
    if prefer_named and (named := [rule for rule in mine if rule.groups]):
        mine = named
    today = today or _day(menu.refreshed_at)
    offered: dict[str, MenuEntry] = {}
    default = None
    for rule in mine:
        if default is None:
            default = next(_named(menu, rule, rule.default), None)
        for entry in _offered(menu, rule, today):
            offered.setdefault(entry.reference, entry)
    if default is not None:
        offered.setdefault(default.reference, default)
    entries = tuple(offered.values())
    searchable = tuple(rule for rule in mine if rule.all_tags)
    return Offer(
        entries=entries,
        default=default or next(iter(entries), None),
        all_entries_allowed=bool(searchable),
        all_entries=_searchable(menu, searchable) if searchable else entries,
        custom_patterns=tuple(dict.fromkeys(pattern for rule in mine for pattern in rule.custom_images)),
        refreshed_at=menu.refreshed_at,
        errors=menu.errors,
        _find=menu.find,
        _may_have=lambda entry: any(not rule.excludes(entry) for rule in searchable),
    )


def offered_to_anybody(menu: Menu, rules: Iterable[OfferRule], today: date | None = None) -> dict[str, MenuEntry]:
    """Return all that some rule offers at once, by reference: what is chosen beforehand, what is pinned, and the
    rest."""
    today = today or _day(menu.refreshed_at)
    rules = tuple(rules)
    chosen = (entry for rule in rules for entry in _named(menu, rule, rule.default))
    pinned = (entry for rule in rules for entry in _named(menu, rule, rule.pinned))
    offered = (entry for rule in rules for entry in _offered(menu, rule, today))
    found: dict[str, MenuEntry] = {}
    for entry in chain(chosen, pinned, offered):
        found.setdefault(entry.reference, entry)
    return found


def _named(menu: Menu, rule: OfferRule, names: Iterable[str]) -> Iterator[MenuEntry]:
    """Yield the images that the operator named, in each of the rule's repositories."""
    for name in names:
        for part in menu.parts:
            entry = part.by_tag.get(name.removeprefix(f"{part.repository}:"))
            if entry is not None and not rule.excludes(entry):
                yield entry


def _offered(menu: Menu, rule: OfferRule, today: date) -> Iterator[MenuEntry]:
    yield from _named(menu, rule, rule.pinned)
    for kind, wanted in rule.kinds.items():
        for part in menu.parts:
            if not rule.repositories or part.repository in rule.repositories:
                yield from _newest(part, rule, kind, wanted, today)


def _newest(part: MenuPart, rule: OfferRule, kind: TagKind, wanted: KindRule, today: date) -> Iterator[MenuEntry]:
    """Yield a repository's newest images of one kind, as many as are wanted.

    An image with two tags of the kind counts once, and `w_2026_46-arm64` does not count next to `w_2026_46`.
    """
    counted: set[str] = set()
    generic: set[tuple[Any, ...]] = set()
    for tag in part.by_kind.get(kind, ()):
        if wanted.count is not None and len(counted) >= wanted.count:
            return
        entry = part.by_tag[tag.tag]
        if not wanted.admits(tag, today) or rule.excludes(entry):
            continue
        if rule.include and not tag_matches(rule.include, part.repository, tag):
            continue
        if tag.architecture and _version_key(tag) in generic:
            continue
        if not tag.architecture:
            generic.add(_version_key(tag))
        if entry.tag.tag not in counted:
            counted.add(entry.tag.tag)
            yield entry


def _version_key(tag: ImageTag) -> tuple[Any, ...]:
    """Return what is compared of a tag before its architecture and its text."""
    return tag.order[:-2]


def _searchable(menu: Menu, rules: tuple[OfferRule, ...]) -> tuple[MenuEntry, ...]:
    if any(not rule.exclude and not rule.repositories for rule in rules):
        return menu.entries
    return menu.filtered(rules, lambda entry: any(not rule.excludes(entry) for rule in rules))


@lru_cache(maxsize=256)
def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _day(instant: float | None) -> date:
    return datetime.fromtimestamp(instant, UTC).date() if instant is not None else date.max

"""What of the menu is offered to whom: the operator's rules, applied; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fnmatch import translate
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from jhkube.operator_fields import ConfigError, Fields, nearest, read_items

from .entries import Menu, MenuEntry, MenuPart
from .tags import ImageTag, TagKind

__all__ = ["DEFAULT_OFFERS", "KindRule", "Offer", "OfferRule", "offer_for", "parse_offers"]

DEFAULT_OFFERS: Final[list[dict[str, Any]]] = [
    {
        "kinds": {
            "alias": None,
            "release": 3,
            "candidate": 1,
            "weekly": 4,
            "daily": 3,
            "build": 3,
            "other": 5,
        },
        "default": ["recommended", "stable", "latest"],
        "all_tags": True,
    }
]
"""What is offered where the operator says nothing: to everybody the newest few, and the rest by search."""

KIND_FIELDS = ("count", "minimum_version", "maximum_age_days", "minimum_age_days")
RULE_FIELDS = (
    "groups",
    "repositories",
    "kinds",
    "include",
    "exclude",
    "pinned",
    "default",
    "all_tags",
    "custom_images",
)


@dataclass(frozen=True, slots=True)
class KindRule:
    """How much of one kind of tag is offered."""

    count: int | None = None
    """At most so many images of a repository, the newest; None for all."""

    minimum_version: tuple[int, ...] = ()
    """The oldest version offered, as far as it is written: `(27,)` lets 27.0.1 in."""

    maximum_age_days: int | None = None
    """Days after its date at which a tag is no longer offered; tags without a date always are."""

    minimum_age_days: int = 0
    """Days that others shall have tried an image before it is offered; tags without a date always are."""

    def admits(self, tag: ImageTag, today: date) -> bool:
        """Whether a tag is neither too old nor too young."""
        if self.minimum_version:
            version = tag.version[: len(self.minimum_version)]
            if version and version < self.minimum_version:
                return False
        if tag.date is None:
            return True
        age = (today - tag.date).days
        return self.minimum_age_days <= max(age, 0) and (
            self.maximum_age_days is None or age <= self.maximum_age_days
        )


@dataclass(frozen=True, slots=True, eq=False)
class OfferRule:
    """One rule of the operator's: what its groups are offered."""

    groups: frozenset[str] = frozenset()
    """Hub groups that the rule is for; empty for everybody."""

    repositories: frozenset[str] = frozenset()
    """Repositories, with host, that it speaks of; empty for all."""

    kinds: Mapping[TagKind, KindRule] = field(default_factory=dict)
    """How much of which kind, in the order in which they are shown; a kind left out is not offered."""

    include: tuple[str, ...] = ()
    """Patterns, one of which a tag must match as a whole to be offered; empty for all."""

    exclude: tuple[str, ...] = ()
    """Patterns of tags that this rule does not let anybody have, in "all tags" neither."""

    pinned: tuple[str, ...] = ()
    """Tags, or `repository:tag`, that are offered in any case, first."""

    default: tuple[str, ...] = ()
    """Tags of which the first that exists is chosen beforehand."""

    all_tags: bool = False
    """Whether everything else can be had by search."""

    custom_images: tuple[str, ...] = ()
    """Regular expressions for images that may be typed; each matches the whole text."""

    def is_for(self, groups: Collection[str]) -> bool:
        """Whether somebody of these groups falls under the rule."""
        return not self.groups or not self.groups.isdisjoint(groups)

    def excludes(self, entry: MenuEntry) -> bool:
        """Whether the rule keeps an image back: another repository, or a tag of it that is excluded."""
        if self.repositories and entry.repository not in self.repositories:
            return True
        return bool(self.exclude) and any(_matches(self.exclude, entry.repository, tag) for tag in entry.tags)


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


def offer_for(menu: Menu, rules: Sequence[OfferRule], groups: Collection[str], today: date | None = None) -> Offer:
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
    """
    mine = [rule for rule in rules if rule.is_for(groups)]
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

    An image with two tags of the kind counts once, and `w_2026_46-arm64` does not count beside `w_2026_46`.
    """
    counted: set[str] = set()
    generic: set[tuple[Any, ...]] = set()
    for tag in part.by_kind.get(kind, ()):
        if wanted.count is not None and len(counted) >= wanted.count:
            return
        entry = part.by_tag[tag.tag]
        if not wanted.admits(tag, today) or rule.excludes(entry):
            continue
        if rule.include and not _matches(rule.include, part.repository, tag):
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


def _matches(patterns: tuple[str, ...], repository: str, tag: ImageTag) -> bool:
    """Whether a tag, or `repository:tag` for patterns with a slash, matches a shell pattern as a whole."""
    of_tag, of_both = _shell(patterns)
    if of_tag is not None and of_tag.match(tag.tag):
        return True
    return of_both is not None and of_both.match(f"{repository}:{tag.tag}") is not None


@lru_cache(maxsize=256)
def _shell(patterns: tuple[str, ...]) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
    """Return one regular expression for all patterns of tags, and one for those of `repository:tag`."""
    of_tag = [translate(pattern) for pattern in patterns if "/" not in pattern]
    of_both = [translate(pattern) for pattern in patterns if "/" in pattern]
    return (
        re.compile("|".join(of_tag)) if of_tag else None,
        re.compile("|".join(of_both)) if of_both else None,
    )


@lru_cache(maxsize=256)
def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _day(instant: float | None) -> date:
    return datetime.fromtimestamp(instant, UTC).date() if instant is not None else date.max


def parse_offers(config: Any) -> tuple[OfferRule, ...]:
    """Return the rules that an operator wrote as a list of dicts.

    Raises
    ------
    ConfigError
        Naming the rule and the field: `offers[1].kinds.weekly: …`.

    Examples
    --------
    >>> rules = parse_offers([{"kinds": {"weekly": 3}, "all_tags": True}])
    >>> rules[0].kinds[TagKind.WEEKLY].count
    3
    """
    return tuple(_rule(where, item) for where, item in read_items("offers", config))


def _rule(where: str, item: Any) -> OfferRule:
    fields = Fields(where, item, RULE_FIELDS)
    patterns = _texts(where, item, "custom_images")
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"{where}.custom_images: {pattern!r} is no regular expression: {error}") from None
    kinds = item.get("kinds") or {}
    if not isinstance(kinds, Mapping):
        raise ConfigError(f"{where}.kinds: should be a dict by kind, such as {{'weekly': 4}}, not {kinds!r}")
    return OfferRule(
        groups=fields.words("groups"),
        repositories=fields.words("repositories"),
        kinds={_kind(where, name): _kind_rule(f"{where}.kinds.{name}", rule) for name, rule in kinds.items()},
        include=_texts(where, item, "include"),
        exclude=_texts(where, item, "exclude"),
        pinned=_texts(where, item, "pinned"),
        default=_texts(where, item, "default"),
        all_tags=fields.flag("all_tags"),
        custom_images=patterns,
    )


def _kind(where: str, name: Any) -> TagKind:
    try:
        return TagKind(name)
    except ValueError:
        kinds = [kind.value for kind in TagKind]
        hint = nearest(str(name), kinds) or f"; there are {', '.join(kinds)}"
        raise ConfigError(f"{where}.kinds: there is no kind {name!r}{hint}") from None


def _kind_rule(where: str, rule: Any) -> KindRule:
    if rule is None or rule == "all":
        return KindRule()
    if isinstance(rule, int) and not isinstance(rule, bool) and rule >= 0:
        return KindRule(count=rule)
    if not isinstance(rule, Mapping):
        raise ConfigError(f"{where}: should be a number, 'all', or a dict of {', '.join(KIND_FIELDS)}")
    fields = Fields(where, rule, KIND_FIELDS)
    version = str(rule.get("minimum_version") or "")
    if version and not re.fullmatch(r"\d{1,9}([._]\d{1,9})*", version):
        raise ConfigError(f"{where}.minimum_version: should be numbers with points, such as '27.0', not {version!r}")
    return KindRule(
        count=fields.count("count") if fields.has("count") else None,
        minimum_version=tuple(map(int, re.split(r"[._]", version))) if version else (),
        maximum_age_days=fields.count("maximum_age_days") if fields.has("maximum_age_days") else None,
        minimum_age_days=fields.count("minimum_age_days"),
    )


def _texts(where: str, item: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of texts in the operator's order."""
    value = item.get(name)
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError(f"{where}.{name}: should be a list of texts, not {value!r}")
    for text in value:
        if not isinstance(text, str) or not text:
            raise ConfigError(f"{where}.{name}: should be a list of texts, not one with {text!r}")
    return tuple(value)

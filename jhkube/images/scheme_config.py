"""From what an operator configures to the schemes by which tags are read; pure."""

from __future__ import annotations

import datetime
import difflib
import re
import string
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from .image_tag import ARCHITECTURES, LEGAL_TAG, ImageTag, TagKind
from .lsst import LSST
from .schemes import (
    CALVER,
    DEFAULT_ALIASES,
    GIT,
    SEMVER,
    TagScheme,
    alias_scheme,
    day,
    day_name,
    join_name,
    monday,
    week_name,
)

__all__ = ["DEFAULT_NAMES", "schemes_from_config"]

ALIAS: Final = "alias"

_SHIPPED: Final = {scheme.name: scheme for scheme in (LSST, CALVER, SEMVER, GIT)}

DEFAULT_NAMES: Final = (ALIAS, *_SHIPPED)
"""The shipped schemes, the most telling first.

Dates go before versions, which would take `2026.11.20` for one, and commits last, since a date or the
name of a week can be made of hexadecimal digits as well.
"""

_REQUIRED: Final = ("name", "kind", "pattern")
_KEYS: Final = (*_REQUIRED, "display")
_GROUPS: Final = ("year", "month", "day", "week", "version", "prerelease", "architecture", "extra")
_COMPUTED: Final = ("tag", "date", "week_span")

Item = TypeVar("Item")

_NUMBER = re.compile("[0-9]+")


def schemes_from_config(
    names: Iterable[str] = DEFAULT_NAMES,
    aliases: Iterable[str] = DEFAULT_ALIASES,
    custom: Iterable[Mapping[str, str]] = (),
) -> tuple[TagScheme, ...]:
    """Return the schemes to read tags by, in the order in which they are tried.

    Parameters
    ----------
    names
        Names of schemes: of those that are shipped (`alias`, `lsst`, `calver`, `semver`, `git`) and of the
        custom ones. Those not named stand in front: custom ones, and `alias` before them.
    aliases
        Tags that move from image to image, matched exactly; the first is shown first. None at all are
        allowed: then there are no aliases.
    custom
        The operator's own schemes. Each has a `name`; a `kind` (`weekly`, `release`, …); a `pattern`, a
        regular expression matched against the whole tag; and, optional, a `display` with the pattern's
        groups in braces. The groups `year`, `month`, `day`, `week`, `version`, `prerelease`, `architecture`
        and `extra` say what they are called; a tag whose date does not exist is not of the scheme.
        Besides groups, a display may have `{tag}`, `{date}` (Fri 20 Nov 2026) and `{week_span}`
        (2026, week 46 (9–15 Nov)).

    Raises
    ------
    ValueError
        Where something is unknown, twice there, or cannot be; with what would be right.

    Examples
    --------
    >>> schemes = schemes_from_config(
    ...     ["nightly", "lsst"],
    ...     aliases=["recommended"],
    ...     custom=[
    ...         {
    ...             "name": "nightly",
    ...             "kind": "daily",
    ...             "pattern": r"nightly-(?P<year>\\d{4})(?P<month>\\d\\d)(?P<day>\\d\\d)",
    ...             "display": "Nightly of {date}",
    ...         }
    ...     ],
    ... )
    >>> [scheme.name for scheme in schemes]
    ['alias', 'nightly', 'lsst']
    """
    own: dict[str, TagScheme] = {}
    for place, entry in enumerate(_list(custom, "custom tag schemes"), 1):
        scheme = _custom_scheme(entry, place)
        if scheme.name in own:
            raise ValueError(f"two custom tag schemes are called {scheme.name!r}")
        own[scheme.name] = scheme
    known = {ALIAS: alias_scheme(_aliases(aliases)), **own, **_SHIPPED}
    order: dict[str, TagScheme] = {}
    for name in _list(names, "tag schemes"):
        if not isinstance(name, str) or name not in known:
            raise ValueError(f"there is no tag scheme {name!r}{_nearest(name, known)}")
        if name in order:
            raise ValueError(f"the tag scheme {name!r} is named twice")
        order[name] = known[name]
    front = [known[name] for name in (ALIAS, *own) if name not in order]
    return (*front, *order.values())


def _list(values: Iterable[Item], what: str) -> list[Item]:
    """Return the values as a list; text or a mapping, which can be iterated as well, is a mistake."""
    if isinstance(values, str | bytes | Mapping):
        raise ValueError(f"{what} are a list, not {values!r}")
    return list(values)


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'semver'?`, or all there are where none is near."""
    near = difflib.get_close_matches(str(word).lower(), known := list(map(str, known)), 1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"


def _aliases(aliases: Iterable[str]) -> list[str]:
    aliases = _list(aliases, "aliases")
    for alias in aliases:
        if not isinstance(alias, str) or not LEGAL_TAG.fullmatch(alias):
            raise ValueError(
                f"the alias {alias!r} can be no tag: up to 128 letters, digits, '_', '.' and '-', "
                "the first a letter, a digit or '_'"
            )
        if aliases.count(alias) > 1:
            raise ValueError(f"the alias {alias!r} is named twice")
    return aliases


def _custom_scheme(entry: Mapping[str, str], place: int) -> TagScheme:
    """Return the scheme that an entry of the configuration describes, the `place`-th of them."""
    if not isinstance(entry, Mapping):
        raise ValueError(f"custom tag scheme {place} is {entry!r}, not a mapping with {', '.join(_KEYS)}")
    what = f"custom tag scheme {entry.get('name', place)!r}"
    for key, value in entry.items():
        if key not in _KEYS:
            raise ValueError(f"{what} has a {key!r}{_nearest(key, _KEYS)}")
        if not isinstance(value, str):
            raise ValueError(f"{what}: its {key} is {value!r}, not a text")
    for key in _REQUIRED:
        if not entry.get(key):
            raise ValueError(f"{what} has no {key!r}")
    if entry["name"] in DEFAULT_NAMES:
        raise ValueError(f"{what} has the name of a shipped one: call it otherwise")
    if entry["kind"] not in list(TagKind):
        raise ValueError(f"{what}: there is no kind {entry['kind']!r}{_nearest(entry['kind'], TagKind)}")
    try:
        pattern = re.compile(entry["pattern"], re.ASCII)
    except re.error as error:
        raise ValueError(f"{what}: its pattern is no regular expression: {error}") from None
    groups = set(pattern.groupindex)
    if groups & {"day", "month", "week"} and "year" not in groups:
        raise ValueError(f"{what}: its pattern has a date without a group 'year'")
    if "day" in groups and "month" not in groups:
        raise ValueError(f"{what}: its pattern has a group 'day' without a group 'month'")
    display = entry.get("display", "{tag}")
    _check_display(display, {*groups, *_COMPUTED}, what)
    return TagScheme(entry["name"], _reader(TagKind(entry["kind"]), pattern, display))


def _check_display(display: str, fields: set[str], what: str) -> None:
    """Raise where a display is not text with nothing but these fields in braces."""
    try:
        parts = list(string.Formatter().parse(display))
    except ValueError as error:
        raise ValueError(f"{what}: its display is not well-formed: {error}") from None
    for _, name, format_spec, conversion in parts:
        if name is None:
            continue
        if name not in fields:
            raise ValueError(f"{what}: its display has {{{name}}}{_nearest(name, sorted(fields))}")
        if format_spec or conversion:
            raise ValueError(f"{what}: its display formats {{{name}}}; write the name alone")


def _reader(kind: TagKind, pattern: re.Pattern[str], display: str) -> Callable[[str, str, str], ImageTag | None]:
    """Return what reads tags by a pattern whose groups are named after what they are."""

    def read(text: str, body: str, architecture: str) -> ImageTag | None:
        match = pattern.fullmatch(text)
        if match is None:
            if body == text or (match := pattern.fullmatch(body)) is None:
                return None
        else:
            architecture = ""
        said = {name: value or "" for name, value in match.groupdict().items()}
        date, numbers = _date(said)
        if date is None and (said.get("year") or said.get("week")):
            return None
        version = tuple(int(number) for number in _NUMBER.findall(said.get("version", "")))
        shown = {**said, "tag": match[0], "date": "", "week_span": ""}
        if date is not None:
            shown["date"] = day_name(date)
            if said.get("week"):
                shown["week_span"] = week_name(numbers[0], numbers[1], date)
        named = said.get("architecture", "")
        architecture = ARCHITECTURES.get(named, named) or architecture
        name = display.format_map(shown).strip() or match[0]
        return ImageTag(
            text,
            kind,
            join_name(name, "" if named else architecture),
            version or numbers,
            date,
            architecture,
            said.get("extra", ""),
            said.get("prerelease", ""),
        )

    return read


def _date(said: Mapping[str, str]) -> tuple[datetime.date | None, tuple[int, ...]]:
    """Return the first day of what the groups name, and its numbers; no day where there is none such."""
    year, month, number, week = (said.get(name, "") for name in ("year", "month", "day", "week"))
    digits = [part for part in (year, month, number, week) if part]
    if not year or not all(_NUMBER.fullmatch(part) and len(part) <= 4 for part in digits):
        return None, ()
    if week:
        return monday(year, week), (int(year), int(week))
    date = day(year, month or "1", number or "1")
    return date, tuple(int(part) for part in (year, month, number) if part)

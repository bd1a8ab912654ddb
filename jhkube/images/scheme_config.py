"""Schemes that an operator configures: which of them read tags, in what order, and their own."""

from __future__ import annotations

import datetime
import re
import string
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainValidator, ValidationInfo, field_validator

from jhkube.operator_errors import nearest, not_wanted, shown
from jhkube.operator_models import ConfigError, NamedModel, read_named
from jhkube.operator_types import Text

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

__all__ = ["DEFAULT_NAMES", "CustomScheme", "Kind", "parse_aliases", "schemes_from_config"]

ALIAS: Final = "alias"

_SHIPPED: Final = {scheme.name: scheme for scheme in (LSST, CALVER, SEMVER, GIT)}

DEFAULT_NAMES: Final = (ALIAS, *_SHIPPED)
"""The shipped schemes, the most telling first.

Dates go before versions, which would take `2026.11.20` for one, and commits last, since a date or the
name of a week can be made of hexadecimal digits as well.
"""

_COMPUTED: Final = ("tag", "date", "week_span")

_NUMBER = re.compile("[0-9]+")


def tag_kind(name: Any) -> TagKind:
    """Return the kind of this name; raises ValueError with the nearest one where there is none."""
    if not isinstance(name, str):
        raise not_wanted(f"a kind of tag: {', '.join(TagKind)}")
    try:
        return TagKind(name)
    except ValueError:
        raise ValueError(f"there is no kind {name!r}{_hint(name, TagKind)}") from None


Kind = Annotated[TagKind, BeforeValidator(tag_kind)]


def _compiled(pattern: Any) -> re.Pattern[str]:
    """Compile a pattern whose groups can be a tag's date."""
    if not isinstance(pattern, str) or not pattern:
        raise not_wanted("a regular expression for the whole tag")
    try:
        compiled = re.compile(pattern, re.ASCII)
    except re.error as error:
        raise ValueError(f"should be a regular expression: {error}") from None
    groups = set(compiled.groupindex)
    if groups & {"day", "month", "week"} and "year" not in groups:
        raise ValueError("has a date without a group 'year'")
    if "day" in groups and "month" not in groups:
        raise ValueError("has a group 'day' without a group 'month'")
    return compiled


class CustomScheme(NamedModel):
    """An operator's own way of writing tags."""

    name: Text
    """What `schemes` calls it."""

    kind: Kind
    """What sort of image its tags name."""

    pattern: Annotated[re.Pattern[str], PlainValidator(_compiled, json_schema_input_type=str)]
    """Matched against the whole tag; its groups are named after what they are."""

    display: Text = "{tag}"
    """What a person reads, with the pattern's groups in braces."""

    @field_validator("name")
    @classmethod
    def _not_shipped(cls, name: str) -> str:
        if name in DEFAULT_NAMES:
            raise ValueError(f"{name!r} is the name of a shipped scheme: choose another")
        return name

    @field_validator("display")
    @classmethod
    def _known_groups(cls, display: str, info: ValidationInfo) -> str:
        pattern = info.data.get("pattern")
        if pattern is not None:
            _check_display(display, {*pattern.groupindex, *_COMPUTED})
        return display


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
    ConfigError
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
    own = {
        each.name: TagScheme(each.name, _reader(each.kind, each.pattern, each.display))
        for each in read_named(CustomScheme, "custom_schemes", custom, "scheme")
    }
    known = {ALIAS: alias_scheme(parse_aliases(aliases)), **own, **_SHIPPED}
    order: dict[str, TagScheme] = {}
    for place, name in enumerate(_list(names, "schemes")):
        if not isinstance(name, str):
            raise ConfigError(f"schemes[{place}]: should be the name of a tag scheme, not {shown(name)}")
        if name not in known:
            raise ConfigError(f"schemes[{place}]: there is no tag scheme {name!r}{_hint(name, known)}")
        if name in order:
            raise ConfigError(f"schemes[{place}]: the tag scheme {name!r} is named twice")
        order[name] = known[name]
    front = [known[name] for name in (ALIAS, *own) if name not in order]
    return (*front, *order.values())


def parse_aliases(aliases: Any) -> list[str]:
    """Return the aliases of a configured list; raises ConfigError for one that cannot be a tag."""
    listed: list[str] = _list(aliases, "aliases")
    for place, alias in enumerate(listed):
        if not isinstance(alias, str) or not LEGAL_TAG.fullmatch(alias):
            raise ConfigError(
                f"aliases[{place}]: {shown(alias)} cannot be a tag, which has up to 128 letters, digits, '_', '.' "
                "and '-', the first a letter, a digit or '_'"
            )
        if alias in listed[:place]:
            raise ConfigError(f"aliases[{place}]: {alias!r} is named twice")
    return listed


def _list(values: Any, where: str) -> list[Any]:
    """Return the values as a list; text or a mapping, which can be iterated as well, is a mistake."""
    if not isinstance(values, list | tuple):
        raise ConfigError(f"{where}: should be a list of texts, not {shown(values)}")
    return list(values)


def _hint(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'semver'?`, or all there are where none is near."""
    names = list(map(str, known))
    return nearest(word.lower(), names) or f"; there are {', '.join(names)}"


def _check_display(display: str, fields: set[str]) -> None:
    """Raise where a display is not text with nothing but these fields in braces."""
    try:
        parts = list(string.Formatter().parse(display))
    except ValueError as error:
        raise ValueError(f"is not well-formed: {error}") from None
    for _, name, format_spec, conversion in parts:
        if name is None:
            continue
        if name not in fields:
            raise ValueError(f"has {{{name}}}{_hint(name, sorted(fields))}")
        if format_spec or conversion:
            raise ValueError(f"formats {{{name}}}; write the name alone")


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
            version=version or numbers,
            date=date,
            architecture=architecture,
            extra=said.get("extra", ""),
            prerelease=said.get("prerelease", ""),
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

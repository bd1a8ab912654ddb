"""The grammars of tags that jhkube ships: each reads a tag written its way, or says it is not."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from .image_tag import ImageTag, TagKind

__all__ = [
    "CALVER",
    "DEFAULT_ALIASES",
    "FLAGS",
    "GIT",
    "SEMVER",
    "YEAR",
    "TagScheme",
    "alias_scheme",
    "cycle_numbers",
    "day",
    "day_name",
    "join_name",
    "monday",
    "week_name",
]


@dataclass(frozen=True, slots=True)
class TagScheme:
    """A way of writing tags."""

    name: str
    """What an operator calls it in the configuration."""

    read: Callable[[str, str, str], ImageTag | None]
    """From a tag, the same without its architecture, and the architecture: what it says, or `None`."""


MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONG_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

WEEK: Final = datetime.timedelta(days=6)
LAST_MONDAY: Final = datetime.date.max - WEEK

FLAGS: Final = re.ASCII | re.IGNORECASE
"""How the grammars are compiled: no digit but 0 to 9, and upper case as well."""

YEAR: Final = "((?:19|20|21)[0-9]{2})"
"""A year as one may be in a tag: four digits of these centuries; others are versions, not dates."""


def day(year: str, month: str, number: str = "1") -> datetime.date | None:
    """Return the day, or `None` where the calendar has none such."""
    try:
        return datetime.date(int(year), int(month), int(number))
    except ValueError:
        return None


def monday(year: str, week: str) -> datetime.date | None:
    """Return the Monday of an ISO week, or `None` where the year has no such week."""
    try:
        first = datetime.date.fromisocalendar(int(year), int(week), 1)
    except ValueError:
        return None
    return first if first < LAST_MONDAY else None


def day_name(date: datetime.date) -> str:
    """Return `Fri 20 Nov 2026`."""
    return f"{WEEKDAYS[date.weekday()]} {date.day} {MONTHS[date.month - 1]} {date.year}"


def week_name(year: int, week: int, first: datetime.date) -> str:
    """Return `2026, week 46 (9–15 Nov)`."""
    last = first + WEEK
    if first.month == last.month:
        days = f"{first.day}–{last.day} {MONTHS[first.month - 1]}"
    elif first.year == last.year:
        days = f"{first.day} {MONTHS[first.month - 1]} – {last.day} {MONTHS[last.month - 1]}"
    else:
        days = f"{first.day} Dec {first.year} – {last.day} Jan {last.year}"
    return f"{year}, week {week} ({days})"


def join_name(name: str, *parts: str) -> str:
    """Return a display name of what there is: `Weekly 2026, week 46 (9–15 Nov) · nosudo · arm64`."""
    return " · ".join([name, *filter(None, parts)]) if any(parts) else name


DEFAULT_ALIASES: Final = (
    "recommended",
    "latest",
    "stable",
    "latest_release",
    "latest_candidate",
    "latest_weekly",
    "latest_daily",
    "latest_experimental",
    "lts",
    "edge",
    "nightly",
    "main",
    "master",
    "dev",
)
"""The names that move from image to image unless the operator says otherwise; the first is shown first."""

# recommended_c0045.003: the alias for those who run a cycle
_ALIAS_OF_CYCLE = re.compile(r"(.+)_c([0-9]{1,9}(?:\.[0-9]{1,9})?)", FLAGS)


def cycle_numbers(text: str | None) -> tuple[int, ...]:
    """Return the numbers of an LSST cycle, `(45, 3)` of `0045.003`; none for none."""
    return tuple(map(int, text.split("."))) if text else ()


def alias_scheme(aliases: Iterable[str]) -> TagScheme:
    """Return the scheme that knows these names, matched exactly, and shows them in this order."""
    places = {alias: -place for place, alias in enumerate(aliases)}

    def read(text: str, body: str, architecture: str) -> ImageTag | None:
        place = places.get(text)
        if place is not None:
            return ImageTag(text, TagKind.ALIAS, _words(text), precedence=place)
        cycle = ""
        place = places.get(body)
        if place is None and "_c" in body and (match := _ALIAS_OF_CYCLE.fullmatch(body)):
            body, cycle = match.groups()
            place = places.get(body)
        if place is None:
            return None
        name = join_name(_words(body), cycle and f"cycle {cycle}", architecture)
        return ImageTag(
            text,
            TagKind.ALIAS,
            name,
            architecture=architecture,
            cycle=cycle_numbers(cycle),
            precedence=place,
        )

    return TagScheme("alias", read)


def _words(name: str) -> str:
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:] if words else name


# 1.2.3, whole: of a longer one nothing is the version
_NUMBERS = r"([0-9]{1,9}(?:\.[0-9]{1,18}){0,4})(?!\.?[0-9])"
# -rc.1, b2, .dev4, -slim, _build.5
_SUFFIX = r"(?:([-_.]?)([0-9a-z].*))?"
# rc.1, beta, dev4, rc.1-slim: a release's variants have names of any sort, its candidates only these
_PRERELEASE = re.compile(
    r"((?:a|alpha|b|beta|c|rc|pre|preview|prerelease|dev|snapshot|canary|nightly|next|m|milestone)"
    r"(?:[-.]?[0-9]+)?(?:\.[0-9a-z]+)*)(?:[-_](.+))?",
    FLAGS,
)
# 0.dev.git.6969, 4: semver's numeric identifiers; longer is a stamp
_NUMERIC_PRERELEASE = re.compile(r"([0-9]{1,5}(?:\.[0-9a-z]+)*)(?:[-_](.+))?", FLAGS)
_VERSION = re.compile(r"(v?)" + _NUMBERS + _SUFFIX, FLAGS)


def _suffix(separator: str | None, suffix: str | None, numeric: bool) -> tuple[str, str] | None:
    """Return what follows a version as its pre-release and the rest, or `None` where it cannot follow one."""
    if not suffix:
        return "", ""
    if separator == "_":
        return "", suffix
    match = _PRERELEASE.fullmatch(suffix)
    if match is None and numeric and separator == "-":
        match = _NUMERIC_PRERELEASE.fullmatch(suffix)
    if match is not None:
        return match[1], match[2] or ""
    return ("", suffix) if separator else None


def _read_version(text: str, architecture: str, numbers: str, suffix: tuple[str, str], product: str = "") -> ImageTag:
    prerelease, extra = suffix
    if product:
        name = f"{_product_name(product)} {numbers}"
        kind = TagKind.CANDIDATE if prerelease else TagKind.RELEASE
    elif prerelease:
        kind, name = TagKind.CANDIDATE, f"Release candidate {numbers}"
    else:
        kind, name = TagKind.RELEASE, f"Release {numbers}"
    if prerelease:
        name += f" {prerelease}"
    return ImageTag(
        text,
        kind,
        join_name(name, extra, architecture),
        version=tuple(map(int, numbers.split("."))),
        architecture=architecture,
        extra=extra,
        prerelease=prerelease,
        product=product,
    )


def _read_semver(text: str, body: str, architecture: str) -> ImageTag | None:
    if body[0] not in "0123456789vV":
        return None
    match = _VERSION.fullmatch(body)
    if match is None:
        return None
    v, numbers, separator, rest = match.groups()
    dots = numbers.count(".")
    if not (v or dots):
        return None
    suffix = _suffix(separator, rest, dots >= 2)
    return None if suffix is None else _read_version(text, architecture, numbers, suffix)


SEMVER: Final = TagScheme("semver", _read_semver)
"""Versions by semver.org, as tags can carry them, and Python's spelling of them."""


# 2026-11-20, 2026.11.20, 20261120, each with a rest
_DAY = re.compile(rf"(v?){YEAR}([-._]?)([0-9]{{2}})\3([0-9]{{2}})(?:[-._T](.+))?", FLAGS)
# 2026.11, 2026.11-rc1, 2026.11-slim
_MONTH = re.compile(rf"v?{YEAR}[-.]([0-9]{{2}})(?:([-_]|(?=[a-z]))([0-9a-z].*))?", FLAGS)
# notebook-7.2.1, python-3.13.0rc1
_PRODUCT = re.compile(r"([a-z][a-z0-9_]*(?:-[a-z][a-z0-9_]*)*)-" + _NUMBERS + _SUFFIX, FLAGS)

PRODUCTS: Final = {
    "cuda": "CUDA",
    "hadoop": "Hadoop",
    "hub": "JupyterHub",
    "java": "Java",
    "julia": "Julia",
    "lab": "JupyterLab",
    "notebook": "Notebook",
    "python": "Python",
    "pytorch": "PyTorch",
    "r": "R",
    "scala": "Scala",
    "spark": "Spark",
    "tensorflow": "TensorFlow",
    "ubuntu": "Ubuntu",
}
"""What docker-stacks name versions of in their tags, and how it is written for a person."""


def _product_name(product: str) -> str:
    return " ".join(PRODUCTS.get(word, word) for word in product.split("-"))


def _read_product(text: str, body: str, architecture: str) -> ImageTag | None:
    match = _PRODUCT.fullmatch(body)
    if match is None:
        return None
    product, numbers, separator, rest = match.groups()
    product = product.lower()
    dots = numbers.count(".")
    if not (dots or product.rpartition("-")[2] in PRODUCTS):
        return None
    suffix = _suffix(separator, rest, dots >= 2)
    return None if suffix is None else _read_version(text, architecture, numbers, suffix, product)


def _read_calver(text: str, body: str, architecture: str) -> ImageTag | None:
    if not body[0].isdigit() and not (body[0] in "vV" and body[1:2].isdigit()):
        return _read_product(text, body, architecture) if "-" in body else None
    if match := _DAY.fullmatch(body):
        v, year, separator, month, number, rest = match.groups()
        date = day(year, month, number)
        if date is None or (v and separator == "."):
            return None
        return ImageTag(
            text,
            TagKind.DAILY,
            join_name(f"Daily {day_name(date)}", rest or "", architecture),
            version=(date.year, date.month, date.day),
            date=date,
            architecture=architecture,
            extra=rest or "",
        )
    if match := _MONTH.fullmatch(body):
        year, month, separator, rest = match.groups()
        date = day(year, month)
        suffix = _suffix(separator, rest, False)
        if date is None or suffix is None:
            return None
        prerelease, extra = suffix
        name = f"Release candidate {year}.{month} {prerelease}" if prerelease else f"Release {year}.{month}"
        name += f" ({LONG_MONTHS[date.month - 1]} {year})"
        return ImageTag(
            text,
            TagKind.CANDIDATE if prerelease else TagKind.RELEASE,
            join_name(name, extra, architecture),
            version=(date.year, date.month),
            date=date,
            architecture=architecture,
            extra=extra,
            prerelease=prerelease,
        )
    return None


CALVER: Final = TagScheme("calver", _read_calver)
"""Dates as tags, and the versions of what is inside, as jupyter/docker-stacks write both."""


# sha-abc1234, 666416b385e8
_COMMIT = re.compile(r"(?:(?:sha|git)-)?([0-9a-f]{7,40})", FLAGS)
SHOWN_DIGITS: Final = 12


def _read_git(text: str, body: str, architecture: str) -> ImageTag | None:
    match = _COMMIT.fullmatch(body)
    if match is None:
        return None
    commit = match[1]
    shown = commit if len(commit) <= SHOWN_DIGITS else commit[:SHOWN_DIGITS] + "…"
    return ImageTag(text, TagKind.BUILD, join_name(f"Build {shown}", architecture), architecture=architecture)


GIT: Final = TagScheme("git", _read_git)
"""Commits: `sha-` and 7 to 40 hexadecimal digits, or the digits alone."""

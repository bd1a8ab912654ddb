"""The grammars of tags that jhkube ships: each reads a tag written its way, or says it is not; pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from .image_tag import ImageTag, TagKind

__all__ = ["CALVER", "DEFAULT_ALIASES", "GIT", "LSST", "SEMVER", "TagScheme", "alias_scheme", "join_name"]


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

_FLAGS: Final = re.ASCII | re.IGNORECASE

# 2026: nothing was tagged before 1900, and a longer number is not a year
_YEAR = "((?:19|20|21)[0-9]{2})"


def day(year: str, month: str, number: str = "1") -> datetime.date | None:
    """Return the day, or `None` where the calendar has none such."""
    try:
        return datetime.date(int(year), int(month), int(number))
    except ValueError:
        return None


def monday(year: str, week: str) -> datetime.date | None:
    """Return the Monday of an ISO week, or `None` where the year has no such week."""
    try:
        return datetime.date.fromisocalendar(int(year), int(week), 1)
    except ValueError:
        return None


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
    return " · ".join([name, *filter(None, parts)])


# --- aliases


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
_ALIAS_OF_CYCLE = re.compile(r"(.+)_c([0-9]{1,9}(?:\.[0-9]{1,9})?)", _FLAGS)


def _cycle(text: str | None) -> tuple[int, ...]:
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
            text, TagKind.ALIAS, name, (), None, architecture, cycle=_cycle(cycle), precedence=place
        )

    return TagScheme("alias", read)


def _words(name: str) -> str:
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:] if words else name


# --- lsst: https://sqr-059.lsst.io, and the tags before it


# _c0045.003, _rsp19 (either first), _nosudo
_PARTS = r"(?:_rsp([0-9]{1,9}))?(?:_c([0-9]{1,9}(?:\.[0-9]{1,9})?))?(?:_rsp([0-9]{1,9}))?(?:[_-](.+))?"
# r27_0_1, r17_0, r27_0_0_rc1; a longer number is a stamp, not a patch; a spoilt rc is not a release
_CANDIDATE = r"(?:[_-](rc[0-9]{1,9}))?+(?![_-]rc)"
_RELEASE = re.compile(r"r([0-9]{1,4})_([0-9]{1,4})(?:_([0-9]{1,4})(?![0-9]))?+" + _CANDIDATE + _PARTS, _FLAGS)
# r170
_OLD_RELEASE = re.compile(r"r([0-9]{2})([0-9])()" + _CANDIDATE + _PARTS, _FLAGS)
# w_2026_46, w201742
_WEEKLY = re.compile(rf"w_?{_YEAR}(?:_([0-9]{{1,2}})|([0-9]{{2}}))" + _PARTS, _FLAGS)
# d_2026_11_20, d20171113
_DAILY = re.compile(
    rf"d_?{_YEAR}(?:_([0-9]{{1,2}})_([0-9]{{1,2}})|([0-9]{{2}})([0-9]{{2}}))" + _PARTS, _FLAGS
)
# exp_w_2026_46_nosudo, e20171113
_EXPERIMENTAL = re.compile(r"(?:exp|e)[_-](.+)", _FLAGS)


def _parts_name(name: str, cycle: str | None, rsp: str | None, rest: str | None, architecture: str) -> str:
    if not (cycle or rsp or rest or architecture):
        return name
    return join_name(
        name, f"cycle {cycle}" if cycle else "", f"RSP build {rsp}" if rsp else "", rest or "", architecture
    )


def _read_release(text: str, body: str, architecture: str) -> ImageTag | None:
    match = _RELEASE.fullmatch(body) or _OLD_RELEASE.fullmatch(body)
    if match is None:
        return None
    major, minor, patch, candidate, rsp, cycle, later_rsp, rest = match.groups()
    rsp = rsp or later_rsp
    version: tuple[int, ...] = (int(major), int(minor), int(patch)) if patch else (int(major), int(minor))
    name = ".".join(map(str, version))
    if candidate:
        candidate = candidate.lower()
        kind, name = TagKind.CANDIDATE, f"Release candidate {name} {candidate}"
    else:
        kind, name = TagKind.RELEASE, f"Release {name}"
    return ImageTag(
        text,
        kind,
        _parts_name(name, cycle, rsp, rest, architecture),
        version,
        None,
        architecture,
        rest or "",
        candidate or "",
        "",
        _cycle(cycle),
        int(rsp) if rsp else None,
    )


def _read_weekly(text: str, body: str, architecture: str) -> ImageTag | None:
    match = _WEEKLY.fullmatch(body)
    if match is None:
        return None
    year, week, old_week, rsp, cycle, later_rsp, rest = match.groups()
    first = monday(year, week or old_week)
    if first is None:
        return None
    rsp = rsp or later_rsp
    version = (int(year), int(week or old_week))
    return ImageTag(
        text,
        TagKind.WEEKLY,
        _parts_name(f"Weekly {week_name(*version, first)}", cycle, rsp, rest, architecture),
        version,
        first,
        architecture,
        rest or "",
        "",
        "",
        _cycle(cycle),
        int(rsp) if rsp else None,
    )


def _read_daily(text: str, body: str, architecture: str) -> ImageTag | None:
    match = _DAILY.fullmatch(body)
    if match is None:
        return None
    year, month, number, old_month, old_number, rsp, cycle, later_rsp, rest = match.groups()
    date = day(year, month or old_month, number or old_number)
    if date is None:
        return None
    rsp = rsp or later_rsp
    return ImageTag(
        text,
        TagKind.DAILY,
        _parts_name(f"Daily {day_name(date)}", cycle, rsp, rest, architecture),
        (date.year, date.month, date.day),
        date,
        architecture,
        rest or "",
        "",
        "",
        _cycle(cycle),
        int(rsp) if rsp else None,
    )


def _read_experimental(text: str, body: str, architecture: str) -> ImageTag | None:
    if body[1].isdigit():
        rest = body[1:]
        inside = _read_daily(text, "d" + rest, architecture) or _read_weekly(text, "w" + rest, architecture)
        if inside is None:
            return None
    elif match := _EXPERIMENTAL.fullmatch(body):
        rest = match[1]
        reader = _LSST_READERS.get(rest[0])
        if reader is None:
            inside = _read_calver(text, rest, architecture)
        else:
            inside = None if reader is _read_experimental else reader(text, rest, architecture)
    else:
        return None
    if inside is None:
        name = join_name(f"Experimental {rest}", architecture)
        return ImageTag(text, TagKind.EXPERIMENTAL, name, (), None, architecture, rest)
    return ImageTag(
        text,
        TagKind.EXPERIMENTAL,
        f"Experimental {inside.display_name}",
        inside.version,
        inside.date,
        architecture,
        inside.extra,
        inside.prerelease,
        inside.product,
        inside.cycle,
        inside.rsp_build,
    )


_LSST_READERS: Final = {
    letter: read
    for letters, read in {
        "rR": _read_release,
        "wW": _read_weekly,
        "dD": _read_daily,
        "eE": _read_experimental,
    }.items()
    for letter in letters
}


def _read_lsst(text: str, body: str, architecture: str) -> ImageTag | None:
    reader = _LSST_READERS.get(body[0])
    return reader(text, body, architecture) if reader and len(body) > 1 else None


LSST: Final = TagScheme("lsst", _read_lsst)
"""The tags of the Rubin Science Platform, https://sqr-059.lsst.io, and its predecessors'."""


# --- versions


# 1.2.3
_NUMBERS = r"([0-9]{1,9}(?:\.[0-9]{1,18}){0,4})"
# -rc.1, b2, .dev4, -slim, _build.5
_SUFFIX = r"(?:([-_.]?)([0-9a-z].*))?"
# rc.1, beta, dev4, rc.1-slim: a release's variants have names of any sort, its candidates only these
_PRERELEASE = re.compile(
    r"((?:a|alpha|b|beta|c|rc|pre|preview|prerelease|dev|snapshot|canary|nightly|next|m|milestone)"
    r"(?:[-.]?[0-9]+)?(?:\.[0-9a-z]+)*)(?:[-_](.+))?",
    _FLAGS,
)
# 0.dev.git.6969, 4: semver's numeric identifiers; longer is a stamp
_NUMERIC_PRERELEASE = re.compile(r"([0-9]{1,5}(?:\.[0-9a-z]+)*)(?:[-_](.+))?", _FLAGS)
_VERSION = re.compile(r"(v?)" + _NUMBERS + _SUFFIX, _FLAGS)


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


def _read_version(
    text: str, architecture: str, numbers: str, suffix: tuple[str, str], product: str = ""
) -> ImageTag:
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
        join_name(name, extra, architecture) if extra or architecture else name,
        tuple(map(int, numbers.split("."))),
        None,
        architecture,
        extra,
        prerelease,
        product,
    )


def _read_semver(text: str, body: str, architecture: str) -> ImageTag | None:
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


# --- calver


# 2026-11-20, 2026.11.20, 20261120, each with a rest
_DAY = re.compile(rf"(v?){_YEAR}([-._]?)([0-9]{{2}})\3([0-9]{{2}})(?:[-._T](.+))?", _FLAGS)
# 2026.11, 2026.11-rc1, 2026.11-slim
_MONTH = re.compile(rf"v?{_YEAR}[-.]([0-9]{{2}})(?:([-_]|(?=[a-z]))([0-9a-z].*))?", _FLAGS)
# notebook-7.2.1, python-3.13.0rc1
_PRODUCT = re.compile(r"([a-z][a-z0-9_]*(?:-[a-z][a-z0-9_]*)*)-" + _NUMBERS + _SUFFIX, _FLAGS)

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
            (date.year, date.month, date.day),
            date,
            architecture,
            rest or "",
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
            (date.year, date.month),
            date,
            architecture,
            extra,
            prerelease,
        )
    return None


CALVER: Final = TagScheme("calver", _read_calver)
"""Dates as tags, and the versions of what is inside, as jupyter/docker-stacks write both."""


# --- git


# sha-abc1234, 666416b385e8
_COMMIT = re.compile(r"(?:(?:sha|git)-)?([0-9a-f]{7,40})", _FLAGS)
SHOWN_DIGITS: Final = 12


def _read_git(text: str, body: str, architecture: str) -> ImageTag | None:
    match = _COMMIT.fullmatch(body)
    if match is None:
        return None
    commit = match[1]
    shown = commit if len(commit) <= SHOWN_DIGITS else commit[:SHOWN_DIGITS] + "…"
    return ImageTag(text, TagKind.BUILD, join_name(f"Build {shown}", architecture), (), None, architecture)


GIT: Final = TagScheme("git", _read_git)
"""Commits: `sha-` and 7 to 40 hexadecimal digits, or the digits alone."""

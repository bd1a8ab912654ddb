"""The tags of LSST's notebook images, now https://sqr-059.lsst.io, and of the years before it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Final

from .image_tag import ImageTag, TagKind
from .schemes import (
    CALVER,
    FLAGS,
    YEAR,
    TagScheme,
    cycle_numbers,
    day,
    day_name,
    join_name,
    monday,
    week_name,
)

__all__ = ["LSST"]

# _c0045.003, _rsp19 (either first), _nosudo
_PARTS = r"(?:_rsp([0-9]{1,9}))?(?:_c([0-9]{1,9}(?:\.[0-9]{1,9})?))?(?:_rsp([0-9]{1,9}))?(?:[_-](.+))?"
# _rc1; one that is spoilt must not make a release of the tag, so what was tried is not tried otherwise
_CANDIDATE = r"(?:[_-](rc[0-9]{1,9}))?+(?![_-]rc)"
# r27_0_1, r17_0, r27_0_0_rc1; a longer number is a stamp, not a patch
_RELEASE = re.compile(r"r([0-9]{1,4})_([0-9]{1,4})(?:_([0-9]{1,4})(?![0-9]))?+" + _CANDIDATE + _PARTS, FLAGS)
# r170
_OLD_RELEASE = re.compile(r"r([0-9]{2})([0-9])()" + _CANDIDATE + _PARTS, FLAGS)
# w_2026_46, w201742
_WEEKLY = re.compile(rf"w_?{YEAR}(?:_([0-9]{{1,2}})|([0-9]{{2}}))" + _PARTS, FLAGS)
# d_2026_11_20, d20171113
_DAILY = re.compile(rf"d_?{YEAR}(?:_([0-9]{{1,2}})_([0-9]{{1,2}})|([0-9]{{2}})([0-9]{{2}}))" + _PARTS, FLAGS)
# exp_w_2026_46_nosudo, exp_nosudo
_EXPERIMENTAL = re.compile(r"(?:exp|e)[_-](.+)", FLAGS)


def _image_tag(
    text: str,
    kind: TagKind,
    name: str,
    version: tuple[int, ...],
    date: datetime.date | None,
    architecture: str,
    parts: tuple[str | None, ...],
    experimental: bool,
    candidate: str = "",
) -> ImageTag:
    """Return a tag whose name is followed by the optional parts, as the groups of `_PARTS` have them."""
    rsp, cycle, later_rsp, rest = parts
    rsp = rsp or later_rsp
    if cycle or rsp or rest or architecture:
        name = join_name(
            name,
            f"cycle {cycle}" if cycle else "",
            f"RSP build {rsp}" if rsp else "",
            rest or "",
            architecture,
        )
    if experimental:
        kind, name = TagKind.EXPERIMENTAL, f"Experimental {name}"
    return ImageTag(
        text,
        kind,
        name,
        version=version,
        date=date,
        architecture=architecture,
        extra=rest or "",
        prerelease=candidate,
        cycle=cycle_numbers(cycle),
        rsp_build=int(rsp) if rsp else None,
    )


def _read_release(text: str, body: str, architecture: str, experimental: bool = False) -> ImageTag | None:
    match = _RELEASE.fullmatch(body) or _OLD_RELEASE.fullmatch(body)
    if match is None:
        return None
    groups = match.groups()
    major, minor, patch, candidate = groups[:4]
    version: tuple[int, ...] = (int(major), int(minor), int(patch)) if patch else (int(major), int(minor))
    name = ".".join(map(str, version))
    if candidate:
        candidate = candidate.lower()
        kind, name = TagKind.CANDIDATE, f"Release candidate {name} {candidate}"
    else:
        kind, name = TagKind.RELEASE, f"Release {name}"
    return _image_tag(text, kind, name, version, None, architecture, groups[4:], experimental, candidate or "")


def _read_weekly(text: str, body: str, architecture: str, experimental: bool = False) -> ImageTag | None:
    match = _WEEKLY.fullmatch(body)
    if match is None:
        return None
    groups = match.groups()
    year, week, old_week = groups[:3]
    week = week or old_week
    first = monday(year, week)
    if first is None:
        return None
    version = (int(year), int(week))
    name = f"Weekly {week_name(*version, first)}"
    return _image_tag(text, TagKind.WEEKLY, name, version, first, architecture, groups[3:], experimental)


def _read_daily(text: str, body: str, architecture: str, experimental: bool = False) -> ImageTag | None:
    match = _DAILY.fullmatch(body)
    if match is None:
        return None
    groups = match.groups()
    year, month, number, old_month, old_number = groups[:5]
    date = day(year, month or old_month, number or old_number)
    if date is None:
        return None
    version = (date.year, date.month, date.day)
    name = f"Daily {day_name(date)}"
    return _image_tag(text, TagKind.DAILY, name, version, date, architecture, groups[5:], experimental)


_Reader = Callable[[str, str, str, bool], ImageTag | None]
_READERS: Final[dict[str, _Reader]] = {
    letter: read
    for letters, read in (("rR", _read_release), ("wW", _read_weekly), ("dD", _read_daily))
    for letter in letters
}


def _read_experimental(text: str, body: str, architecture: str) -> ImageTag | None:
    if body[1].isdigit():
        # e20171113, e201742: commits begin with an e as well, so nothing but a date will do
        digits = body[1:]
        return _read_daily(text, "d" + digits, architecture, True) or _read_weekly(
            text, "w" + digits, architecture, True
        )
    match = _EXPERIMENTAL.fullmatch(body)
    if match is None:
        return None
    inside = match[1]
    read = _READERS.get(inside[0])
    if read and (tag := read(text, inside, architecture, True)):
        return tag
    date = None
    if inside[0].isdigit() and (dated := CALVER.read(text, inside, "")):
        date, inside = dated.date, dated.display_name
    return ImageTag(
        text,
        TagKind.EXPERIMENTAL,
        join_name(f"Experimental {inside}", architecture),
        date=date,
        architecture=architecture,
        extra=match[1],
    )


def _read(text: str, body: str, architecture: str) -> ImageTag | None:
    if len(body) < 2:
        return None
    letter = body[0]
    if letter in "eE":
        return _read_experimental(text, body, architecture)
    read = _READERS.get(letter)
    return read(text, body, architecture, False) if read else None


LSST: Final = TagScheme("lsst", _read)
"""Releases, candidates, weeklies, dailies and experimentals of the Rubin Science Platform."""

"""What a tag says about its image: a value with a total order."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import total_ordering
from typing import Any, Final

__all__ = ["ARCHITECTURES", "LEGAL_TAG", "ImageTag", "TagKind"]

LEGAL_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""A whole tag by the OCI distribution specification, "Pulling manifests": nothing else can be pulled."""


class TagKind(StrEnum):
    """What sort of image a tag names, in the order in which a menu shows them."""

    ALIAS = "alias"
    """A name that moves from image to image: `latest`, `recommended`."""

    RELEASE = "release"
    """A version that somebody released: `r27_0_1`, `1.2.3`, `2026.11`."""

    CANDIDATE = "candidate"
    """A version on its way to a release: `r27_0_0_rc1`, `1.2.3-rc.1`."""

    WEEKLY = "weekly"
    """The build of an ISO week: `w_2026_46`."""

    DAILY = "daily"
    """The build of a day: `d_2026_11_20`, `2026-11-20`."""

    EXPERIMENTAL = "experimental"
    """Somebody's trial: `exp_w_2026_46_nosudo`."""

    BUILD = "build"
    """The build of a commit: `sha-abc1234`."""

    OTHER = "other"
    """Everything that no scheme knows."""

    def __init__(self, value: str) -> None:
        self.rank = -len(type(self).__members__)
        """The place in the order of tags: a menu shows the highest first."""

        self.is_dated = value in {"weekly", "daily", "experimental", "build"}
        """Whether the date decides which of two is newer, before any version."""


ARCHITECTURES: Final = {
    "amd64": "amd64",
    "x86_64": "amd64",
    "arm64": "arm64",
    "aarch64": "arm64",
    "armv7": "arm/v7",
    "armhf": "arm/v7",
    "i386": "386",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
"""The architectures a tag may name, each as OCI image indexes call it, and after a slash its variant."""

_GENERIC: Final = 1
"""The rank of an image for every architecture: above each of the others, so that it is shown before them."""

_ARCHITECTURE_RANK: Final = {name: -place for place, name in enumerate(dict.fromkeys(ARCHITECTURES.values()))} | {
    "": _GENERIC
}

_UNKNOWN: Final = -len(_ARCHITECTURE_RANK)

_DIGITS: Final = re.compile("([0-9]+)")
_IDENTIFIER: Final = re.compile("[0-9]+|[a-z]+")

_BACKWARDS: Final = {code: 0x10FFFF - code for code in range(128)}
_AFTER_ALL: Final = chr(0x10FFFF)
_BEFORE_ALL: Final = _AFTER_ALL * 2


def _number(digits: str) -> tuple[int, str]:
    """Return a key that orders digits as numbers, of any length, without converting them."""
    digits = digits.lstrip("0")
    return len(digits), digits


def _natural(text: str) -> tuple[Any, ...]:
    """Return a key under which `build-9` is before `build-10`: text and numbers by turns."""
    if not text:
        return ()
    parts: list[Any] = _DIGITS.split(text)
    parts[1::2] = map(_number, parts[1::2])
    return tuple(parts)


def _prerelease(text: str) -> tuple[Any, ...]:
    """Return a key for what follows a version: `alpha` < `beta2` < `rc2` < `rc10`, numbers before words.

    The order of semver.org, section 11, save that `rc10` without a dot counts as well as `rc.10` with one.
    """
    return tuple(
        (0, *_number(part)) if part[0] <= "9" else (1, 0, part) for part in _IDENTIFIER.findall(text.lower())
    )


def _alphabetical(text: str) -> str:
    """Return a key that is smaller for text later in the alphabet, so that newest first reads from a to z."""
    return text.translate(_BACKWARDS) + _AFTER_ALL


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class ImageTag:
    """A tag and what it says about its image.

    Tags are totally ordered: within a kind the older is less than the newer, and a kind that a menu shows
    later is less than one it shows first; so the reverse of the order is the order of a menu. Two tags are
    equal where their texts, kinds and everything that the order looks at are.

    Examples
    --------
    >>> ImageTag("w_2026_46", TagKind.WEEKLY, "Weekly 2026, week 46", version=(2026, 46)).kind
    <TagKind.WEEKLY: 'weekly'>
    """

    tag: str
    """The text as the registry has it."""

    kind: TagKind
    """What sort of image it names."""

    display_name: str
    """What a person reads; printable text, not HTML."""

    version: tuple[int, ...] = ()
    """The numbers of the version: `(27, 0, 1)`; year and week of a weekly; empty where there are none."""

    date: datetime.date | None = None
    """The first day of the time that the tag names: a day itself, a week's Monday, a month's first."""

    architecture: str = ""
    """`amd64`, `arm64`, `arm/v7`, … as in `ARCHITECTURES`; empty for an image of any or unknown architecture."""

    extra: str = ""
    """The free rest of the tag: a stamp, a build's metadata, a variant such as `slim`."""

    prerelease: str = ""
    """What makes a candidate of a version: `rc1`, `beta.2`."""

    product: str = ""
    """Whose version it is, where the tag says so: `python` of `python-3.12`."""

    cycle: tuple[int, ...] = ()
    """The numbers of an LSST cycle: `(45, 3)` of `_c0045.003`."""

    rsp_build: int | None = None
    """The number of the LSST build machinery: 19 of `_rsp19`."""

    precedence: int = 0
    """The place among tags of its kind that neither age nor version decides; the highest is shown first."""

    @property
    def order(self) -> tuple[Any, ...]:
        """The key by which tags are compared."""
        rest = self.tag if self.kind is TagKind.OTHER else self.extra
        return (
            self.kind.rank,
            self.precedence,
            _alphabetical(self.product) if self.product else _BEFORE_ALL,
            self.date.toordinal() if self.date and self.kind.is_dated else 0,
            self.version,
            _prerelease(self.prerelease) if self.prerelease else (),
            self.cycle,
            -1 if self.rsp_build is None else self.rsp_build,
            _natural(rest) if rest else (),
            _ARCHITECTURE_RANK.get(self.architecture, _UNKNOWN),
            self.tag,
        )

    def __eq__(self, other: object) -> bool:
        return self.order == other.order if isinstance(other, ImageTag) else NotImplemented

    def __lt__(self, other: object) -> bool:
        return self.order < other.order if isinstance(other, ImageTag) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.tag)

    def __str__(self) -> str:
        return self.tag

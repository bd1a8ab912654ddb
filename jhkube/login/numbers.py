"""Numeric ids for people and groups: from a provider's ids, from tables, or derived from names; never shared."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Container, Mapping
from dataclasses import dataclass, field

__all__ = ["DerivedIds", "IdError", "Numbers", "NumericIds", "UnknownNumber"]


class IdError(ValueError):
    """An id that cannot be used; the message says why, and which setting would change that."""


class UnknownNumber(ValueError):
    """A uid that the configuration does not tell; the message says what would."""


@dataclass(frozen=True, slots=True)
class NumericIds:
    """How a provider's numeric ids become uids and gids.

    GitHub numbers people and organizations in one series and teams in another. Ids of the first series stand
    for themselves; what cannot (too low, too high) is moved into a window of its own, and so are all teams.
    The windows do not overlap and no other id may lie in one, so no two ids ever become the same number.
    """

    minimum: int = 1000
    """The lowest number given: those below belong to the system."""

    maximum: int = 2**31 - 1
    """The highest number given; Kubernetes takes no higher one as `runAsUser`."""

    low_offset: int | None = None
    """Added to ids below the minimum; None refuses them."""

    high_offset: int | None = None
    """Added to ids above the maximum, so a negative number; None refuses them."""

    team_offset: int = 1_000_000_000
    """Added to the ids of teams."""

    team_count: int = 900_000_000
    """The size of the window for teams: the first id of a team that is refused."""

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= self.maximum:
            raise ValueError(f"minimum_id {self.minimum} is not between 1 and maximum_id {self.maximum}")
        windows = self.windows()
        for name, window in windows.items():
            if window.start < self.minimum or window.stop > self.maximum + 1 or not window:
                raise ValueError(
                    f"{name} leads to {window.start} to {window.stop - 1}, "
                    f"which is not within minimum_id {self.minimum} and maximum_id {self.maximum}"
                )
        names = list(windows)
        for index, name in enumerate(names):
            for other in names[index + 1 :]:
                if _overlap(windows[name], windows[other]):
                    raise ValueError(f"the numbers that {name} and {other} lead to overlap")

    def account(self, number: int, what: str) -> int:
        """Return the uid of a person's id, or the gid of an organization's; `what` names it in errors.

        Raises
        ------
        IdError
            Where the id is out of range and no offset is configured, or it lies where moved ids do.
        """
        if number < 1:
            raise IdError(f"{what} has the id {number}, which is none")
        if number < self.minimum:
            if self.low_offset is None:
                raise IdError(f"{what} has the id {number}, below minimum_id {self.minimum}; set low_id_offset")
            return number + self.low_offset
        if number > self.maximum:
            if self.high_offset is None:
                raise IdError(f"{what} has the id {number}, above maximum_id {self.maximum}; set high_id_offset")
            moved = number + self.high_offset
            if moved not in self.windows()["high_id_offset"]:
                raise IdError(f"{what} has the id {number}, which high_id_offset does not bring below maximum_id")
            return moved
        for name, window in self.windows().items():
            if number in window:
                raise IdError(f"{what} has the id {number}, where {name} moves other ids")
        return number

    def team(self, number: int, what: str) -> int:
        """Return the gid of a team's id; raises `IdError` where it lies outside of the window."""
        if not 1 <= number < self.team_count:
            raise IdError(f"{what} has the team id {number}; there is room for those below {self.team_count}")
        return number + self.team_offset

    def windows(self) -> dict[str, range]:
        """Return the ranges that ids are moved to, by the setting's name."""
        windows = {"team_gid_offset": range(self.team_offset, self.team_offset + self.team_count)}
        if self.low_offset is not None and self.minimum > 1:
            windows["low_id_offset"] = range(self.low_offset + 1, self.low_offset + self.minimum)
        if self.high_offset is not None:
            windows["high_id_offset"] = range(self.maximum + 1 + self.high_offset, self.maximum + 1)
        return windows


@dataclass(frozen=True, slots=True)
class DerivedIds:
    """Numbers derived from names, for providers that have none.

    The number is `first + h mod (last - first + 1)`, h being the first 8 bytes, big-endian, of the SHA-256 of
    `jhkube:<kind>:<name>` in UTF-8, or with a secret of the HMAC-SHA-256 (RFC 2104). The rule is part of jhkube's
    contract: the same name has the same number on every hub with the same range and secret, for good.

    Without a secret everybody can compute the numbers, and find a name that has a certain number.
    """

    kind: str
    """`uid` or `gid`."""

    first: int
    last: int
    secret: str = field(default="", repr=False, kw_only=True)
    """The key of the HMAC; empty for the plain hash."""

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last <= 2**31 - 1:
            raise ValueError(f"not a range of {self.kind}s: {self.first} to {self.last}")

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    def __call__(self, name: str) -> int:
        """Return the number of a name."""
        text = f"jhkube:{self.kind}:{name}".encode()
        digest = hmac.digest(self.secret.encode(), text, "sha256") if self.secret else hashlib.sha256(text).digest()
        return self.first + int.from_bytes(digest[:8], "big") % (self.last - self.first + 1)


def _overlap(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where uids and gids come from."""

    uids: DerivedIds
    gids: DerivedIds
    minimum: int = 1000
    maximum: int = 2**31 - 1
    uid_table: Mapping[str, int] = field(default_factory=dict)
    """By immutable `sub`."""
    gid_table: Mapping[str, int] = field(default_factory=dict)
    """By the group's name here."""

    def __post_init__(self) -> None:
        if self.uids.first <= self.gids.last and self.gids.first <= self.uids.last:
            raise ValueError("uid_range and gid_range overlap: a person's own group has the person's number")
        for trait, derived in (("uid_range", self.uids), ("gid_range", self.gids)):
            if derived.first < self.minimum or derived.last > self.maximum:
                raise ValueError(f"{trait} is not within minimum_id {self.minimum} and maximum_id {self.maximum}")
        for trait, table in (("uids", self.uid_table), ("gids", self.gid_table)):
            numbers: dict[int, str] = {}
            for name, number in table.items():
                self.given(number, f"{trait}[{name!r}]")
                other = numbers.setdefault(number, name)
                if other != name:
                    raise ValueError(f"{trait} gives {number} to {other!r} and {name!r}")
        people = {number: name for name, number in self.uid_table.items()}
        for name, number in self.gid_table.items():
            if number in people:
                raise ValueError(
                    f"uids gives {number} to {people[number]!r}, whose own group it is, and gids to {name!r}"
                )

    def claimed(self, number: int, what: str, *, uids: Container[str] = (), gids: Container[str] = ()) -> int:
        """Return a number that a claim gives; `what` names it in errors.

        Parameters
        ----------
        number
            The number.
        what
            What has it.
        uids, gids
            The names in the tables whose number it may be.

        Raises
        ------
        IdError
            Where it is out of range, could be derived for somebody else, or a table gives it to somebody else.
        """
        for trait, table, own in (("uids", self.uid_table, uids), ("gids", self.gid_table, gids)):
            for name, other in table.items():
                if other == number and name not in own:
                    raise IdError(f"{what} is {number}, which {trait} gives to {name!r}")
        return self.given(number, what)

    def given(self, number: int, what: str) -> int:
        """Return a number that a claim or a table gives; `what` names it in errors.

        Raises
        ------
        IdError
            Where it is out of range, or could be derived for somebody else.
        """
        if not self.minimum <= number <= self.maximum:
            raise IdError(f"{what} is {number}, not within minimum_id {self.minimum} and maximum_id {self.maximum}")
        if number in self.uids or number in self.gids:
            raise IdError(f"{what} is {number}, which lies in uid_range or gid_range: those are for derived numbers")
        return number

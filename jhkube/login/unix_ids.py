"""Numeric ids for people and groups, from a provider's ids or from names; pure, and never shared."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

__all__ = ["DerivedIds", "IdError", "NumericIds"]


class IdError(ValueError):
    """An id that cannot be used; the message says why, and which setting would change that."""


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
        windows = self._windows()
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
            if moved not in self._windows()["high_id_offset"]:
                raise IdError(f"{what} has the id {number}, which high_id_offset does not bring below maximum_id")
            return moved
        for name, window in self._windows().items():
            if number in window:
                raise IdError(f"{what} has the id {number}, where {name} moves other ids")
        return number

    def team(self, number: int, what: str) -> int:
        """Return the gid of a team's id; raises `IdError` where it lies outside of the window."""
        if not 1 <= number < self.team_count:
            raise IdError(f"{what} has the team id {number}; there is room for those below {self.team_count}")
        return number + self.team_offset

    def _windows(self) -> dict[str, range]:
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

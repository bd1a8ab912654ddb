"""A person as CILogon describes them, with numbers from claims, from tables, or derived from names; pure."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field

from jhkube.identity import UnixGroup, UserIdentity
from jhkube.login.claims import ClaimedGroup
from jhkube.login.group_rules import by_priority
from jhkube.login.unix_ids import DerivedIds, IdError
from jhkube.login.unix_names import account_name, group_name

__all__ = ["CILogonAccount", "Numbers", "renamed"]


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


@dataclass(frozen=True, slots=True)
class CILogonAccount:
    """A person, as their claims have them."""

    subject: str
    """The immutable `sub`."""

    name: str
    email: str
    groups: tuple[ClaimedGroup, ...]
    """Under their names here, most important first."""

    uid: int | None = None
    """The number in a claim."""

    gid: int | None = None
    """The primary group's number in a claim."""

    def identity(self, hub_name: str, numbers: Numbers) -> UserIdentity:
        """Return who the person is to unix and git, without the groups that `unusable_groups` tells of.

        Raises
        ------
        IdError
            Where the person's own number cannot be used, or the name is one of the system's.
        """
        try:
            name = account_name(hub_name)
        except ValueError as error:
            raise IdError(f"{error}; username_map can give the person another one") from None
        uid = self._uid(numbers)
        gid = uid
        if self.gid not in (None, uid):
            mine = {group.name for group in self.groups}
            gid = numbers.claimed(self.gid, f"the gid of {self.subject}", gids=mine)
        return UserIdentity(
            name=name,
            uid=uid,
            gid=gid,
            subject=f"cilogon:{self.subject}",
            full_name=self.name,
            email=self.email,
            groups=self._unix_groups(numbers)[0],
        )

    def unusable_groups(self, numbers: Numbers) -> tuple[str, ...]:
        """Return, for each group that is no unix group, the reason."""
        return self._unix_groups(numbers)[1]

    def _unix_groups(self, numbers: Numbers) -> tuple[tuple[UnixGroup, ...], tuple[str, ...]]:
        found: list[UnixGroup] = []
        reasons: list[str] = []
        by_gid: dict[int, str] = {}
        by_name: dict[str, str] = {}
        for group in self.groups:
            unix_name = group_name(group.name)
            try:
                gid = _gid(group, unix_name, numbers)
            except IdError as error:
                reasons.append(str(error))
                continue
            other = by_gid.get(gid) or by_name.get(unix_name)
            if other is not None:
                reasons.append(
                    f"the groups {other!r} and {group.name!r} would be one, {unix_name} with gid {gid}; it stays the "
                    "first one's"
                )
                continue
            by_gid[gid] = by_name[unix_name] = group.name
            found.append(UnixGroup(unix_name, gid))
        return tuple(found), tuple(reasons)

    def _uid(self, numbers: Numbers) -> int:
        if self.subject in numbers.uid_table:
            return numbers.uid_table[self.subject]
        if self.uid is not None:
            return numbers.claimed(self.uid, f"the uid of {self.subject}")
        return numbers.uids(self.subject)


def renamed(
    groups: Iterable[ClaimedGroup], rules: Callable[[str], str | None], priority: Iterable[str]
) -> tuple[ClaimedGroup, ...]:
    """Return groups under their names here, each once, in the order of `priority` for the provider's names.

    Raises
    ------
    IdError
        Where two groups with different numbers come to have one name.
    """
    by_name = {group.name: group for group in groups}
    merged: dict[str, ClaimedGroup] = {}
    for name in by_priority(by_name, priority):
        here, gid = rules(name), by_name[name].gid
        if here is None:
            continue
        known = merged.get(here)
        if known and None not in (known.gid, gid) and known.gid != gid:
            raise IdError(f"group_rules makes one group {here!r} of two with the gids {known.gid} and {gid}")
        merged[here] = ClaimedGroup(here, known.gid if known and known.gid is not None else gid)
    return tuple(merged.values())


def _gid(group: ClaimedGroup, unix_name: str, numbers: Numbers) -> int:
    if group.name in numbers.gid_table:
        return numbers.gid_table[group.name]
    if group.gid is None:
        return numbers.gids(unix_name)
    return numbers.claimed(group.gid, f"the gid of {group.name!r}")

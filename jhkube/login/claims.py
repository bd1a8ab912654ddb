"""What the claims of an OpenID provider say about a person, and the identity that they make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jhkube.identity import UnixGroup, UserIdentity
from jhkube.login.names import account_name, by_priority, group_name
from jhkube.login.numbers import IdError, Numbers

__all__ = [
    "ClaimError",
    "ClaimedAccount",
    "ClaimedGroup",
    "claim",
    "full_name",
    "groups_in",
    "name_claim",
    "number_in",
    "renamed",
    "text_claim",
    "verified_email",
]


LONGEST = 255
"""The most characters that the hub's database has room for in a group's name."""


AROUND = " \t\r\n"
"""What may stand around the groups of one string. Other white space is part of a name, which is then none here."""


class ClaimError(ValueError):
    """A claim that cannot be understood; the message says which, and what it should be."""


@dataclass(frozen=True, slots=True)
class ClaimedGroup:
    """A group in a claim."""

    name: str
    gid: int | None = None
    """The group's number, where the claim has one."""


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim; dots in `name` lead into objects where there is no claim of the whole name."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def groups_in(value: Any, *, name_key: str = "name", gid_key: str = "id") -> tuple[ClaimedGroup, ...]:
    """Return the groups in a claim, each once, in the claim's order.

    A name that is longer than 255 characters, has some that cannot be printed, or begins or ends with white space
    is left out.

    Parameters
    ----------
    value
        A list of strings, one string, a string with `;` between groups, or a list of objects; None for no groups.
        In a string `\\;` is a semicolon of a group's name, as Shibboleth writes it.
    name_key, gid_key
        Where objects have the group's name and its number; a number that is none is left out.

    Raises
    ------
    ClaimError
        For any other shape, and for one group with two numbers.

    Examples
    --------
    >>> [group.name for group in groups_in("observatory; telescope-ops")]
    ['observatory', 'telescope-ops']
    """
    items: Iterable[Any]
    if value is None:
        items = ()
    elif isinstance(value, str):
        items = (part.replace("\\;", ";").strip(AROUND) for part in re.split(r"(?<!\\);", value))
    elif isinstance(value, Mapping):
        items = (value,)
    elif isinstance(value, (list, tuple, set, frozenset)):
        items = value
    else:
        raise ClaimError(f"groups are a list or a string, not {type(value).__name__}")
    found: dict[str, int | None] = {}
    for item in items:
        group = _group(item, name_key, gid_key)
        if not _is_name(group.name):
            continue
        known = found.get(group.name)
        if None not in (known, group.gid) and known != group.gid:
            raise ClaimError(f"the group {group.name!r} has the numbers {known} and {group.gid}")
        found[group.name] = group.gid if known is None else known
    return tuple(ClaimedGroup(name, gid) for name, gid in found.items())


def _is_name(text: str) -> bool:
    """Whether the hub can keep a group of this name: one such text must not keep all its members out.

    `admins` with a space at its end is another group to the provider, and the same to some databases.
    """
    return 0 < len(text) <= LONGEST and text.isprintable() and text == text.strip()


def _group(item: Any, name_key: str, gid_key: str) -> ClaimedGroup:
    if isinstance(item, str):
        return ClaimedGroup(item)
    if isinstance(item, Mapping) and isinstance(item.get(name_key), str):
        return ClaimedGroup(item[name_key], _number(item.get(gid_key)))
    raise ClaimError(f"a group is a string, or an object with {name_key!r}, and not {type(item).__name__}")


def number_in(claims: Mapping[str, Any], names: Iterable[str]) -> int | None:
    """Return the first of these claims that is there, as a number; None where none is there.

    Raises
    ------
    ClaimError
        Where the first is no number: passing on to the next would give the person other numbers than before.
    """
    for name in names:
        value = claim(claims, name)
        if value is None or value == "":
            continue
        number = _number(value)
        if number is None:
            raise ClaimError(f"the claim {name} is no number")
        return number
    return None


def _number(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,20}\s*", value):
        return int(value)
    return None


def text_claim(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim that is one text, or a number; raises `ClaimError` where it is missing or anything else."""
    value = claims.get(name)
    if value is None or value == "":
        raise ClaimError(f"the claim {name} is missing")
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise ClaimError(f"the claim {name} is a {type(value).__name__}, and not one text")
    if re.search("[\ud800-\udfff]", str(value)):
        # JSON may have halves of characters in it, of which no number can be derived.
        raise ClaimError(f"the claim {name} has an incomplete Unicode character")
    return str(value)


def name_claim(claims: Mapping[str, Any], name: str) -> str:
    """Return the claim that a person's name here is made of.

    Raises
    ------
    ClaimError
        Where it is missing or no text; and for an e-mail address that the provider says nobody has verified: at some
        providers people can write there what they like.
    """
    value = text_claim(claims, name)
    if name == "email" and not verified_email(claims):
        raise ClaimError(f"the address in the claim {name} is not verified")
    return value


def full_name(claims: Mapping[str, Any]) -> str:
    """Return the display name: `name`, or the given and the family name; empty where there is none."""
    parts = [claims.get("name")] if claims.get("name") else [claims.get("given_name"), claims.get("family_name")]
    return " ".join(part for part in parts if isinstance(part, str) and part)


def verified_email(claims: Mapping[str, Any]) -> str:
    """Return the e-mail address; empty where there is none, or the provider says that it is not verified."""
    verified, email = claims.get("email_verified"), claims.get("email")
    return email if isinstance(email, str) and str(verified).lower() not in ("false", "0") else ""


@dataclass(frozen=True, slots=True)
class ClaimedAccount:
    """A person, as their claims have them."""

    provider: str
    """What an identity's subject begins with: `cilogon:`."""

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
            subject=f"{self.provider}{self.subject}",
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

"""What the claims of an OpenID provider say about a person, in all the shapes that they come in; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ClaimError",
    "ClaimedGroup",
    "claim",
    "full_name",
    "groups_in",
    "number_in",
    "subject_claim",
    "text_claim",
    "verified_email",
]


LONGEST = 255
"""The most characters that the hub's database has room for in a group's name."""


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

    A name that is longer than 255 characters, or has some that cannot be printed, is left out.

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
        items = (part.replace("\\;", ";") for part in re.split(r"(?<!\\);", value))
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
    """Whether the hub can keep a group of this name: one such text must not keep all its members out."""
    return 0 < len(text) <= LONGEST and text.isprintable()


def _group(item: Any, name_key: str, gid_key: str) -> ClaimedGroup:
    if isinstance(item, str):
        return ClaimedGroup(item.strip())
    if isinstance(item, Mapping) and isinstance(item.get(name_key), str):
        return ClaimedGroup(item[name_key].strip(), _number(item.get(gid_key)))
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
    return str(value)


def subject_claim(claims: Mapping[str, Any]) -> str:
    """Return the immutable `sub`; raises `ClaimError` where there is none."""
    return text_claim(claims, "sub")


def full_name(claims: Mapping[str, Any]) -> str:
    """Return the display name: `name`, or the given and the family name; empty where there is none."""
    parts = [claims.get("name")] if claims.get("name") else [claims.get("given_name"), claims.get("family_name")]
    return " ".join(part for part in parts if isinstance(part, str) and part)


def verified_email(claims: Mapping[str, Any]) -> str:
    """Return the e-mail address; empty where there is none, or the provider says that it is not verified."""
    verified, email = claims.get("email_verified"), claims.get("email")
    return email if isinstance(email, str) and verified not in (False, "false") else ""

"""Who somebody would be, from what an operator says of them and not from a provider; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jhkube.identity import UnixGroup, UserIdentity
from jhkube.login.cilogon_config import CILogonConfig
from jhkube.login.github_config import GitHubConfig
from jhkube.login.unix_ids import IdError
from jhkube.login.unix_names import account_name, group_name

__all__ = ["UnknownNumber", "stand_in"]


class UnknownNumber(ValueError):
    """A uid that the configuration does not tell; the message says what would."""


def stand_in(
    authenticator: Any,
    name: str,
    groups: Mapping[str, int | None],
    *,
    subject: str = "",
    uid: int | None = None,
    gid: int | None = None,
) -> UserIdentity:
    """Return the identity that somebody would have.

    Parameters
    ----------
    authenticator
        The hub's authenticator, whose rules give numbers.
    name
        The hub's user name.
    groups
        Hub group to gid, None where the configuration is to tell it. A group whose gid nothing tells is no unix
        group.
    subject
        The provider's id of the person, as identities carry it: `github:1234`, `cilogon:http://…`.
    uid, gid
        The numbers, where they are known; the gid is the uid where it is not given.

    Raises
    ------
    UnknownNumber
        Where nothing tells the uid.
    IdError
        Where the subject's number cannot be used.
    """
    own = _uid(authenticator, subject) if uid is None else uid
    found = {group: _gid(authenticator, group) if given is None else given for group, given in groups.items()}
    return UserIdentity(
        name=account_name(name),
        uid=own,
        gid=own if gid is None else gid,
        subject=subject,
        groups=tuple(UnixGroup(group_name(group), number) for group, number in found.items() if number is not None),
    )


def _uid(authenticator: Any, subject: str) -> int:
    provider, _, key = subject.partition(":")
    if isinstance(authenticator, GitHubConfig):
        if provider == "github" and key.isdecimal():
            return authenticator.numeric_ids.account(int(key), f"the account {key}")
        raise UnknownNumber("with GitHub the uid is the account's id: give it as --subject github:ID")
    if isinstance(authenticator, CILogonConfig):
        numbers = authenticator.numbers
        if provider == "cilogon" and key:
            return numbers.uid_table[key] if key in numbers.uid_table else numbers.uids(key)
        raise UnknownNumber(
            "with CILogon the uid is a claim's, or derived from `sub`: give it as --subject cilogon:SUB"
        )
    if subject:
        raise IdError(f"{type(authenticator).__name__} gives nobody a number: give --uid")
    raise UnknownNumber(f"{type(authenticator).__name__} gives nobody a number")


def _gid(authenticator: Any, group: str) -> int | None:
    if not isinstance(authenticator, CILogonConfig):
        return None
    numbers = authenticator.numbers
    return numbers.gid_table[group] if group in numbers.gid_table else numbers.gids(group_name(group))

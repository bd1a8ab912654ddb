# mypy: allow-untyped-calls
"""Who has which derived number, so that two who would share one are found."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jupyterhub import crypto, orm

from jhkube.identity import AUTH_STATE_KEY, UnixGroup, UserIdentity
from jhkube.login.unix_ids import DerivedIds, IdError
from jhkube.login.unix_names import group_name

__all__ = ["IdRegistry", "kept_auth_states"]

AT_ONCE = 50
"""Users whose auth_state is decrypted between two chances for other requests."""


AuthState = Mapping[str, Any] | None
Reader = Callable[[], Awaitable[AuthState]]


def kept_auth_states(db: Any) -> list[Reader]:
    """Return what decrypts the auth_state of each user in the hub's database."""
    return [partial(_decrypted, kept) for (kept,) in db.query(orm.User.encrypted_auth_state) if kept is not None]


async def _decrypted(encrypted: bytes) -> AuthState:
    with contextlib.suppress(ValueError, crypto.InvalidToken, crypto.EncryptionUnavailable):
        state: AuthState = await crypto.decrypt(encrypted)
        return state
    return None


class IdRegistry:
    """The numbers of everybody whom the hub knows, learned once from its database and kept in memory.

    Gids from claims and tables are the provider's to keep apart, but none may be that of a person's own group. Uids
    are all checked, since two identity providers may number from one.

    Parameters
    ----------
    gids
        How numbers are derived from groups' unix names.
    log
        Where two who have one number already are told.
    groups_of
        Returns the groups in an auth_state as they are called here: different ones can have one unix name, which
        takes `night:ops` and `night_ops` for the same.
    configured
        Groups whose derived numbers are theirs before any login: those that the configuration names.
    """

    def __init__(
        self,
        gids: DerivedIds,
        log: logging.Logger,
        groups_of: Callable[[Mapping[str, Any]], Iterable[str]] = lambda auth_state: (),
        configured: Iterable[str] = (),
    ) -> None:
        self._gids, self._log, self._groups_of = gids, log, groups_of
        self._people: dict[int, tuple[str, str]] = {}
        self._primary: dict[str, tuple[int, int]] = {}
        self._groups: dict[int, str] = {}
        for name in sorted(configured):
            self._groups.setdefault(gids(group_name(name)), name)
        self._told: set[tuple[int, str]] = set()
        self._loading = asyncio.Lock()
        self._is_loaded = False

    async def load(self, kept: Callable[[], Iterable[Reader]]) -> None:
        """Learn the numbers that are in use; the first call does it, later ones wait for it.

        Parameters
        ----------
        kept
            Returns, for each user of the hub, what decrypts their auth_state.
        """
        async with self._loading:
            if self._is_loaded:
                return
            readers = list(kept())
            for start in range(0, len(readers), AT_ONCE):
                for state in await asyncio.gather(*(read() for read in readers[start : start + AT_ONCE])):
                    self._learn(state)
            self._is_loaded = True

    def _learn(self, auth_state: Mapping[str, Any] | None) -> None:
        found = (auth_state or {}).get(AUTH_STATE_KEY)
        if not auth_state or not found:
            return
        try:
            self.note(UserIdentity.from_dict(found), self._groups_of(auth_state))
        except ValueError as error:
            self._log.error("among the users known so far: %s", error)

    def note(self, identity: UserIdentity, names: Iterable[str] = ()) -> UserIdentity:
        """Keep a person's numbers; return the person without the groups whose number is another's.

        Parameters
        ----------
        identity
            The person.
        names
            What the person's groups are called here; a group that is not among them has its unix name.

        Raises
        ------
        IdError
            Where the person's own number is another person's, or an own group's is.
        """
        called = {group_name(name): name for name in names}
        name, owner = self._people.get(identity.uid, (identity.name, identity.subject))
        # A person may have two names here, and an account that was handed over another person.
        if owner != identity.subject and name != identity.name:
            raise IdError(f"uid {identity.uid} of {identity.subject} is {owner}'s already; set it in `uids`")
        self._check_own_group(identity)
        kept = tuple(
            each for each in identity.groups if self._is_free(each, called.get(each.name, each.name), identity)
        )
        self._people[identity.uid] = (identity.name, identity.subject)
        self._primary[identity.subject] = (identity.uid, identity.gid)
        self._groups.update({each.gid: called.get(each.name, each.name) for each in kept if each.gid in self._gids})
        return replace(identity, groups=kept)

    def _check_own_group(self, identity: UserIdentity) -> None:
        """Refuse a primary group that is another person's own, and an own group that others have as theirs."""
        if identity.gid != identity.uid:
            owner = self._own_group(identity.gid, identity)
            if owner is not None:
                raise IdError(
                    f"gid {identity.gid} of {identity.subject} is the uid of {owner}, whose own group it is"
                )
            return
        for subject, (uid, gid) in self._primary.items():
            if gid == identity.uid != uid and subject != identity.subject:
                raise IdError(
                    f"uid {identity.uid} of {identity.subject} is the gid of {subject}, so their own group would be "
                    "another's; set it in `uids`"
                )

    def _own_group(self, gid: int, identity: UserIdentity) -> str | None:
        """Return another person whose own group has this number."""
        name, subject = self._people.get(gid, ("", ""))
        if subject in ("", identity.subject) or name == identity.name or self._primary[subject] != (gid, gid):
            return None
        return subject

    def _is_free(self, group: UnixGroup, called: str, identity: UserIdentity) -> bool:
        owner = self._own_group(group.gid, identity)
        if owner is None and group.gid in self._gids:
            other = self._groups.get(group.gid, called)
            owner = f"the group {other}" if other != called else None
        if owner is None:
            return True
        if (group.gid, called) not in self._told:
            self._told.add((group.gid, called))
            self._log.error(
                "the group %s is no unix group here: its gid %d is that of %s; set it in `gids`, or make them one by "
                "`group_rules`",
                *(called, group.gid, owner),
            )
        return False

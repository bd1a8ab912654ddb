# mypy: allow-untyped-calls
"""Who has which derived number, so that two who would share one are found."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from jupyterhub import crypto, orm

from jhkube.identity import AUTH_STATE_KEY, UserIdentity
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

    Numbers from claims and tables are somebody else's to keep apart for groups; for people they are checked too,
    since two identity providers may number from one.

    Parameters
    ----------
    gids
        How numbers are derived from groups' unix names.
    log
        Where two who have one number already are told.
    groups_of
        Returns the groups in an auth_state as they are called here: different ones can have one unix name, which
        takes `night:ops` and `night_ops` for the same.
    """

    def __init__(
        self,
        gids: DerivedIds,
        log: logging.Logger,
        groups_of: Callable[[Mapping[str, Any]], Iterable[str]] = lambda auth_state: (),
    ) -> None:
        self._gids, self._log, self._groups_of = gids, log, groups_of
        self._people: dict[int, tuple[str, str]] = {}
        self._groups: dict[int, str] = {}
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

    def note(self, identity: UserIdentity, names: Iterable[str] = ()) -> None:
        """Keep a person's numbers.

        Parameters
        ----------
        identity
            The person.
        names
            What the person's groups are called here; a group that is not among them has its unix name.

        Raises
        ------
        IdError
            Where one of them is another person's or group's.
        """
        called = {group_name(name): name for name in names}
        groups = {each.gid: called.get(each.name, each.name) for each in identity.groups if each.gid in self._gids}
        name, owner = self._people.get(identity.uid, (identity.name, identity.subject))
        # A person may have two names here, and an account that was handed over another person.
        if owner != identity.subject and name != identity.name:
            raise IdError(f"uid {identity.uid} of {identity.subject} is {owner}'s already; set it in `uids`")
        for gid, group in groups.items():
            other = self._groups.get(gid, group)
            if other != group:
                raise IdError(
                    f"gid {gid} of the group {group} is {other}'s already; set it in `gids`, or make them one by "
                    "`group_rules`"
                )
        self._people[identity.uid] = (identity.name, identity.subject)
        self._groups.update(groups)

# mypy: allow-untyped-calls
"""To whom a name and a number belong: to the person who had them first, whoever has them at the provider later."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jupyterhub import crypto, orm
from jupyterhub.orm import new_token

from jhkube.identity import AUTH_STATE_KEY, UnixGroup, UserIdentity
from jhkube.login.errors import Refused
from jhkube.login.names import group_name
from jhkube.login.numbers import DerivedIds, IdError
from jhkube.login.servers import RunningServers

__all__ = ["NameOwners", "NumberOwners", "kept_auth_states"]

ARRIVAL = 60.0
"""Seconds in which a first login is surely written down."""

AT_ONCE = 50
"""Users whose auth_state is decrypted between two chances for other requests."""

AuthState = Mapping[str, Any] | None
Reader = Callable[[], Awaitable[AuthState]]


class NameOwners:
    """Compares who comes with who came before under the same name, by the provider's immutable id.

    Parameters
    ----------
    provider
        The provider's name, for messages.
    setting
        What an operator writes before a trait's name: `GitHubOrgAuthenticator`.
    handovers
        `account_handovers`: hub user names, each with the id of who has the account from now on.
    accepts_unknown
        Whether a name of which nobody knows whose it was goes to whoever comes first.
    subject_of
        Returns whose auth_state it is, by the provider's immutable id; None where it does not tell.
    servers
        The running servers: those of an old owner end.
    log
        Where it is told.
    """

    def __init__(
        self,
        provider: str,
        setting: str,
        handovers: Mapping[str, str],
        *,
        accepts_unknown: bool,
        subject_of: Callable[[Mapping[str, Any]], str | None],
        servers: RunningServers,
        log: logging.Logger,
    ) -> None:
        self._provider, self._setting, self._handovers = provider, setting, handovers
        self._accepts_unknown, self._subject_of = accepts_unknown, subject_of
        self._servers, self._log = servers, log
        self._arrivals: dict[str, tuple[str, float]] = {}

    def new_owner(self, name: str, auth_state: Mapping[str, Any] | None) -> str | None:
        """Return who has an account by `account_handovers`, where that is not whose auth_state this is."""
        owner = self._handovers.get(name)
        return owner if owner is not None and self._subject_of(auth_state or {}) not in (None, owner) else None

    def check(self, name: str, subject: str, user: Any, before: Mapping[str, Any] | None) -> bool:
        """Return whether an account changes hands by this login.

        Parameters
        ----------
        name, subject
            Who comes: the hub user name, and the provider's immutable id.
        user, before
            The hub's user of that name and their auth_state; None where there is none.

        Raises
        ------
        Refused
            Where the name is another person's.
        """
        former = self._subject_of(before or {})
        owner = self._handovers.get(name) or former
        had_owner = bool(user and user.encrypted_auth_state)
        if owner is None and had_owner:
            self._check_unknown(name, subject, is_readable=before is not None)
        owner = owner or self._arrived(name, subject)
        if owner != subject:
            self._log.error(
                "%s (%s) is refused: the account here is %s's; %s.account_handovers can hand it over",
                *(name, subject, owner, self._setting),
            )
            raise Refused(
                f"The account {name} on this hub belongs to somebody who had this name at {self._provider} before. "
                "If it is yours, please tell the hub's operators: they can hand it over to you."
            )
        return had_owner and name in self._handovers and former != subject

    def _arrived(self, name: str, subject: str) -> str:
        """Return who came first under a name that the hub has not yet written down: two may come at once."""
        now = time.monotonic()
        self._arrivals = {key: value for key, value in self._arrivals.items() if now - value[1] < ARRIVAL}
        return self._arrivals.setdefault(name, (subject, now))[0]

    def _check_unknown(self, name: str, subject: str, *, is_readable: bool) -> None:
        if self._accepts_unknown:
            self._log.warning("%s is taken for %s: the hub's auth_state does not tell whose it was", subject, name)
            return
        self._log.error(
            "%s (%s) is refused: nobody knows whose account it is, as its auth_state is %s; see %s.unknown_identity",
            *(name, subject, "another authenticator's" if is_readable else "not readable with the present keys"),
            self._setting,
        )
        raise Refused(f"This hub cannot tell whether the account {name} is yours. Please tell its operators.")

    async def end_what_is_anothers(
        self,
        handler: Any,
        user: Any,
        subject: str,
        *,
        is_handed_over: bool,
        under_way: asyncio.Future[Any] | None,
    ) -> None:
        """Stop the servers that were made for somebody else; of an account that is handed over, end everything.

        Parameters
        ----------
        handler
            The login's handler.
        user, subject
            The hub's user, and who has come under that name.
        is_handed_over
            What `check` returned.
        under_way
            The refresh of the old owner's session that runs now: it would write their auth_state over the new one's.

        Raises
        ------
        Refused
            Where something of the old owner's does not end in time.
        """
        if is_handed_over:
            self._log.warning(
                "%s is handed over to %s: its servers stop, its sessions and tokens end", user.name, subject
            )
            _end_sessions(handler.db, user)
        others = [
            spawner
            for spawner in user.spawners.values()
            if spawner.active and (is_handed_over or getattr(spawner, "made_for", "") not in ("", subject))
        ]
        ending: set[asyncio.Future[Any]] = {
            asyncio.ensure_future(self._servers.end(handler, user, each)) for each in others if not each.pending
        }
        if is_handed_over and under_way is not None:
            ending.add(under_way)
        if ending:
            await asyncio.wait(ending, timeout=handler.slow_stop_timeout)
        if any(each.active for each in others) or not all(each.done() for each in ending):
            raise Refused(
                f"The account {user.name} is being handed over to you, but a server of its former owner "
                "is still running. "
                "Please log in again in a minute; if it does not end, tell the hub's operators."
            )
        if is_handed_over:
            for name in list(user.spawners):
                # They remember what the old owner chose.
                del user.spawners[name]
            for server in user.orm_user.orm_spawners.values():
                # A claim that does not say whose it is would be taken for the new owner's by what is known here.
                server.state = {}
            handler.db.commit()


def _end_sessions(db: Any, user: Any) -> None:
    """End every right that the owner so far has had or given: none of them says whose it is.

    The note of a token, such as `Server at /user/ada/`, is a text that anybody can write. What the last servers were
    started with goes too, since it may be an image of the old owner's own.
    """
    account = user.orm_user
    account.cookie_id = new_token()
    rights = (account.api_tokens, account.oauth_codes, account.shares, account.share_codes, account.shared_with_me)
    for right in (right for each in rights for right in each):
        db.delete(right)
    for server in account.orm_spawners.values():
        server.user_options = None
    db.commit()


def kept_auth_states(db: Any) -> list[Reader]:
    """Return what decrypts the auth_state of each user in the hub's database."""
    return [partial(_decrypted, kept) for (kept,) in db.query(orm.User.encrypted_auth_state) if kept is not None]


async def _decrypted(encrypted: bytes) -> AuthState:
    with contextlib.suppress(ValueError, crypto.InvalidToken, crypto.EncryptionUnavailable):
        state: AuthState = await crypto.decrypt(encrypted)
        return state
    return None


class NumberOwners:
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
        self._of_gid: dict[int, dict[str, None]] = {}
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
        # Also the gids that somebody had before; they are few, and those who have them now are told from them.
        self._of_gid.setdefault(identity.gid, {})[identity.subject] = None
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
        for subject in self._of_gid.get(identity.uid, ()):
            uid, gid = self._primary[subject]
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

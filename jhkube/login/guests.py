# mypy: allow-untyped-calls
"""Guests: who may come in without an account at the provider, who they are, and when they are removed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import logging
import secrets
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from jupyterhub import orm
from jupyterhub.utils import maybe_future
from sqlalchemy.exc import SQLAlchemyError

from jhkube.identity import AUTH_STATE_KEY, GUEST_PREFIX, GUEST_SUBJECT, UserIdentity, is_guest_name
from jhkube.login.errors import TooManyGuests
from jhkube.login.servers import RunningServers

__all__ = ["GuestLimits", "Guests"]

HOUR: Final = 3600.0

ARRIVAL: Final = 60.0
"""Seconds in which a guest's account is surely in the hub's database."""

LOOKS_EVERY: Final = 60.0
"""Seconds between two looks for guests who are due to be removed, at most."""

FIRST_LOOK: Final = 2.0
"""Seconds after the hub's start to the first of them."""

REMOVED_IN: Final = 300.0
"""Seconds that the removal of one guest may take; the next look goes on with it."""


@dataclass(frozen=True, slots=True)
class GuestLimits:
    """Who gets in and how long they stay; times in seconds. The traits of these names say more."""

    group: str
    idle_timeout: float
    max_age: float
    limit: int
    per_address: int
    per_hour: int
    ids: range


class Guests:
    """Makes guests, and removes those who are idle.

    Parameters
    ----------
    limits
        Who gets in, and how long they stay; None where there are no guests any more, so that all are removed.
    servers
        What stops the servers of guests.
    log
        Where it is told.
    """

    def __init__(self, limits: GuestLimits | None, servers: RunningServers, log: logging.Logger) -> None:
        self._limits, self._servers, self._log = limits, servers, log
        self._admitted: deque[tuple[float, str]] = deque()
        self._arriving: dict[str, tuple[float, int]] = {}
        self._uids: dict[str, int] = {}
        self._removing: asyncio.Task[None] | None = None

    # Coming in.

    async def new_guest(self, handler: Any) -> dict[str, Any]:
        """Return the auth model of a new guest: their name, their group and their identity.

        Parameters
        ----------
        handler
            The handler of the request, which knows its address and the hub's users.

        Raises
        ------
        TooManyGuests
            Where somebody of this address may not become a guest now.
        """
        limits = self._limits
        assert limits is not None
        now = time.monotonic()
        self._arriving = {name: each for name, each in self._arriving.items() if now - each[0] < ARRIVAL}
        there = {user.name for user in _guests_in(handler.db)}
        if len(there | self._arriving.keys()) >= limits.limit:
            raise TooManyGuests("This hub has no room for more guests at the moment. Please try again later.")
        self.admit(_address(handler.request), now)
        name = _new_name()
        # Taken before anything is awaited, so that two who come at once are counted both.
        self._arriving[name] = (now, -1)
        uid = await self._free_uid(handler, there)
        self._arriving[name] = (now, uid)
        self._uids[name] = uid
        identity = UserIdentity(
            name=name,
            uid=uid,
            gid=uid,
            subject=f"{GUEST_SUBJECT}{secrets.token_hex(16)}",
            full_name="Guest",
            login=name,
        )
        state = {AUTH_STATE_KEY: identity.to_dict()}
        return {"name": name, "admin": False, "groups": [limits.group], "auth_state": state}

    def admit(self, address: str, now: float) -> None:
        """Count somebody who becomes a guest.

        Parameters
        ----------
        address
            Where they come from, as the hub sees it.
        now
            The time in seconds, by a clock that never goes back.

        Raises
        ------
        TooManyGuests
            Where too many came within an hour, from this address or from all.
        """
        assert self._limits is not None
        while self._admitted and now - self._admitted[0][0] >= HOUR:
            self._admitted.popleft()
        network = _network(address)
        mine = [when for when, each in self._admitted if each == network]
        if len(mine) >= self._limits.per_address:
            text = "Too many guests came from your address. Please try again in an hour, or log in."
            raise TooManyGuests(text, HOUR - (now - mine[0]))
        if len(self._admitted) >= self._limits.per_hour:
            text = "Too many guests came to this hub within an hour. Please try again later, or log in."
            raise TooManyGuests(text, HOUR - (now - self._admitted[0][0]))
        self._admitted.append((now, network))

    async def _free_uid(self, handler: Any, there: set[str]) -> int:
        """Return a number that no guest has now."""
        assert self._limits is not None
        self._uids = {name: uid for name, uid in self._uids.items() if name in there or name in self._arriving}
        for name in there - self._uids.keys():
            user = handler.find_user(name)
            # They may be removed meanwhile.
            identity = ((await user.get_auth_state() or {}) if user else {}).get(AUTH_STATE_KEY) or {}
            self._uids[name] = int(identity.get("uid", -1))
        taken = {*self._uids.values(), *(uid for _, uid in self._arriving.values())}
        while True:
            # At random: files that an earlier guest may have left on a shared volume are nobody's soon.
            uid = self._limits.ids.start + secrets.randbelow(len(self._limits.ids))
            if uid not in taken:
                return uid

    # Staying, and going.

    def may_stay(self, auth_state: Mapping[str, Any] | None) -> bool:
        """Say whether the session of a guest goes on."""
        return self._limits is not None and is_guest(auth_state)

    def begin(self, app: Any) -> None:
        """Begin to remove guests who are due, in the hub's process.

        Parameters
        ----------
        app
            JupyterHub's application.
        """
        self._removing = asyncio.ensure_future(self._keep_removing(app))

    async def _keep_removing(self, app: Any) -> None:
        every = LOOKS_EVERY if self._limits is None else min(LOOKS_EVERY, max(self._limits.idle_timeout / 4, 1))
        # The hub's application is not complete yet.
        await asyncio.sleep(FIRST_LOOK)
        while True:
            left = await self._remove_all(app)
            if self._limits is None and not left:
                return
            await asyncio.sleep(every)

    async def _remove_all(self, app: Any) -> int:
        """Remove the guests who are due; return how many there are still."""
        left = 0
        try:
            there = _guests_in(app.db)
        except SQLAlchemyError as error:
            self._note(app.db, error)
            return 1
        for orm_user in there:
            try:
                async with asyncio.timeout(REMOVED_IN):
                    left += not await self._removed(app, app.users[orm_user])
            except Exception as error:
                left += 1
                self._note(app.db, error)
        return left

    def _note(self, db: Any, error: Exception) -> None:
        """Tell that something kept guests from being removed; the next look tries it again."""
        self._log.warning("A guest is not removed yet: %s: %s", type(error).__name__, error)
        if isinstance(error, SQLAlchemyError):
            # The session is the hub's own: without this, each later question of anybody's would fail too.
            with contextlib.suppress(SQLAlchemyError):
                db.rollback()

    async def is_over(self, user: Any) -> bool:
        """Say whether a guest's time is over, so that nothing of theirs starts any more.

        Parameters
        ----------
        user
            Anybody, as the hub knows them.
        """
        if not is_guest_name(user.name) or not self._is_due(user.orm_user):
            return False
        auth_state = await user.get_auth_state()
        if auth_state is None:
            # Encrypted with a key that is lost. Nobody else with such a name has an auth_state: a login is refused.
            return user.orm_user.encrypted_auth_state is not None
        return is_guest(auth_state)

    async def _removed(self, app: Any, user: Any) -> bool:
        """Remove a guest who is due, with everything of theirs; return whether they are gone."""
        if not await self.is_over(user):
            return False
        for spawner in list(user.spawners.values()):
            if spawner.active and not spawner.pending:
                await self._servers.end(app, user, spawner, "is of a guest whose time is over")
        # A start may have begun meanwhile.
        if any(spawner.active for spawner in user.spawners.values()):
            return False
        await user.delete_spawners()
        await maybe_future(app.authenticator.delete_user(user))
        if any(spawner.active for spawner in user.spawners.values()):
            return False
        name = user.name
        app.users.delete(user)
        self._uids.pop(name, None)
        self._arriving.pop(name, None)
        self._log.info("Removed the guest %s and everything of theirs", name)
        return True

    def _is_due(self, orm_user: Any) -> bool:
        if self._limits is None:
            return True
        created: datetime = orm_user.created
        now = datetime.now(UTC).replace(tzinfo=None)
        last = max(created, orm_user.last_activity or created)
        is_old = self._limits.max_age > 0 and now - created > timedelta(seconds=self._limits.max_age)
        return is_old or now - last > timedelta(seconds=self._limits.idle_timeout)


def is_guest(auth_state: Mapping[str, Any] | None) -> bool:
    """Say whether an auth_state is one that was written for a guest."""
    subject = ((auth_state or {}).get(AUTH_STATE_KEY) or {}).get("subject")
    return str(subject or "").startswith(GUEST_SUBJECT)


def _guests_in(db: Any) -> list[Any]:
    """Return the hub's records of users with the names of guests."""
    columns: Any = orm.User
    named = db.query(columns).filter(columns.name.startswith(GUEST_PREFIX))
    return [user for user in named if is_guest_name(user.name)]


def _new_name() -> str:
    """Return a name that nobody can guess."""
    return GUEST_PREFIX + base64.b32encode(secrets.token_bytes(13)).decode().lower()[:20]


def _address(request: Any) -> str:
    """Return the address that a request comes from: the last that no trusted proxy has.

    tornado's `remote_ip` is no answer: it believes `X-Real-Ip`, which the hub's proxy lets pass from anybody.
    """
    context = request.connection.context
    told = [each.strip() for each in reversed(request.headers.get("X-Forwarded-For", "").split(",")) if each.strip()]
    stranger = next((each for each in told if each not in context.trusted_downstream), None)
    if stranger or told:
        return str(stranger or told[-1])
    return str(context.address[0]) if isinstance(context.address, tuple) else ""


def _network(address: str) -> str:
    """Return what an address is counted by: one person has all addresses of an IPv6 network of 64 bits."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)

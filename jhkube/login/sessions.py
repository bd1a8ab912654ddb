# mypy: allow-untyped-calls
"""A session's life after the login: refreshed, kept through outages, ended when the provider says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

from tornado import web
from tornado.httpclient import HTTPClientError
from traitlets import Float, Integer, default

from jhkube.identity import AUTH_STATE_KEY
from jhkube.login.errors import NoAccount, ProviderUnavailable, Refused, TokenLimited, TokenRejected
from jhkube.login.known import KNOWN_KEY, Known, stamp
from jhkube.login.leavers import Leavers
from jhkube.metrics import POD_TOKEN_UPDATES, SESSION_REFRESHES, TOKEN_RENEWALS

__all__ = ["MEMORY_KEY", "VISIT", "Sessions", "Visit"]

MEMORY_KEY = "jhkube_answers"
"""The key of auth_state for what the provider answered last, so that it can be asked for changes only."""

TOKEN_KEYS = ("access_token", "refresh_token", "id_token", "scope", "token_response")
"""The keys of auth_state that a new token changes."""


@dataclass
class Visit:
    """One time that the provider is asked about a person."""

    remembered: Mapping[str, Any] = field(default_factory=dict)
    """What it answered the last time; empty at a login."""

    learned: dict[str, Any] = field(default_factory=dict)
    """What it answered now, in the same shape."""

    is_stale: bool = False
    """Whether part of the answer is that of the last time."""


VISIT: ContextVar[Visit] = ContextVar("jhkube_visit")
"""The visit under way: upstream's methods, which stand in between, have no parameter for it."""


class Sessions(Leavers, Known):
    """Refreshes as both authenticators make them."""

    refresh_timeout = Float(
        5.0,
        min=0.1,
        config=True,
        help="""
        Seconds for which a refresh may hold up a person's request. After that the request goes on with what is known,
        and the refresh ends in the background.

        Example::

            c.GitHubOrgAuthenticator.refresh_timeout = 2
        """,
    )

    token_renewal_margin = Integer(
        3600,
        min=0,
        config=True,
        help="""
        Seconds before its end at which a token that expires is exchanged for a new one, by the next refresh; there is
        one before every spawn. Never more than half of the token's life is cut off. Running servers are given the new
        token.

        Example::

            c.GitHubOrgAuthenticator.token_renewal_margin = 2 * 3600
        """,
    )

    expired_token_grace = Integer(
        8 * 3600,
        min=0,
        config=True,
        help="""
        Seconds for which a session goes on after its token has ended by itself and there is no refresh token: nothing
        new can be learned about the person then. CILogon's tokens live 15 minutes, and not every client gets refresh
        tokens. 0 asks for a new login at once.

        Example::

            c.CILogonGroupAuthenticator.expired_token_grace = 3600
        """,
    )

    @default("enable_auth_state")
    def _enable_auth_state_default(self) -> bool:
        return True

    @default("manage_groups")
    def _manage_groups_default(self) -> bool:
        return True

    @default("auth_refresh_strict")
    def _auth_refresh_strict_default(self) -> bool:
        # jupyterhub 6.1 would let API tokens pass after a refresh that said no: who has left would stay in.
        return True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._flights: dict[int, asyncio.Future[bool | dict[str, Any]]] = {}
        self._pauses: dict[int, float] = {}
        self._late: dict[int, _Late] = {}
        self._tasks: set[asyncio.Future[None]] = set()

    async def check_identity(self, db: Any, auth_model: Mapping[str, Any]) -> None:
        """Raise `Refused` where a person's numbers are another's; called before they are kept."""

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> bool | dict[str, Any]:
        """Return what has changed about a person, True where nothing did or nothing can be known, False to log out.

        Refreshes of one person at the same time are one: a refresh token that rotates can be used once.
        """
        if not self.enable_auth_state:
            return True
        flight = self._flights.get(user.id)
        outcome = None if flight else await self._late_outcome(user)
        if outcome is None:
            if flight is None:
                flight = asyncio.ensure_future(self._refresh(user, handler))
                self._flights[user.id] = flight
                flight.add_done_callback(lambda _: self._flights.pop(user.id, None))
            # Not cancelled when time is up: a new token that is under way would be lost with it.
            done, _ = await asyncio.wait({flight}, timeout=self.refresh_timeout)
            outcome = flight.result() if done else await self._overdue(user, flight)
        if outcome is False and handler is not None and not hasattr(handler, "_token_authenticated"):
            # jupyterhub 6.1 reads this attribute next, and its pages without API tokens never set it.
            handler._token_authenticated = False
        return dict(outcome) if isinstance(outcome, dict) else outcome

    async def _overdue(self, user: Any, flight: asyncio.Future[bool | dict[str, Any]]) -> bool:
        """Let a refresh end in the background, its outcome being that of the next one."""
        self.log.info("%s: a refresh took longer than %s s; it goes on", user.name, self.refresh_timeout)
        auth_state = await user.get_auth_state() or {}
        token = auth_state.get("access_token")

        def keep(flight: asyncio.Future[bool | dict[str, Any]]) -> None:
            # That nothing was learned, or nothing new, is no news for later.
            if not flight.cancelled() and flight.exception() is None and flight.result() is not True:
                self._late[user.id] = _Late(flight.result(), token, time.monotonic())

        flight.add_done_callback(keep)
        self._count("unknown")
        hook: Any = self.refresh_user_hook
        return hook is not None or await self.still_known(user, auth_state)

    async def _late_outcome(self, user: Any) -> bool | dict[str, Any] | None:
        """Return what a refresh found out after its time was up; None where that is old, or of another login."""
        late = self._late.pop(user.id, None)
        if late is None or time.monotonic() - late.since > self.auth_refresh_age + self.refresh_timeout:
            return None
        token = (await user.get_auth_state() or {}).get("access_token")
        # A hook's outcome may leave auth_state out.
        renewed = (
            (late.outcome.get("auth_state") or {}).get("access_token") if isinstance(late.outcome, dict) else None
        )
        return late.outcome if token in (late.token, renewed) else None

    async def _refresh(self, user: Any, handler: Any) -> bool | dict[str, Any]:
        auth_state = await user.get_auth_state()
        if self.refresh_user_hook is not None:
            refreshed = await self._call_refresh_user_hook(user, auth_state)
            if refreshed is not None:
                return refreshed  # type: ignore[no-any-return]
        if not auth_state or not auth_state.get("token_response"):
            self.log.info("%s: nothing is known of the last login, so another is needed", user.name)
            self._count("ended")
            return False
        if self._pauses.get(user.id, 0.0) > time.monotonic():
            return await self._unknown(user, auth_state)
        try:
            model = await self._current_model(user, auth_state, handler)
            if not await self._may_stay(user, model):
                raise Refused("nothing lets the person in any more")
            await self.check_identity(user.db, model)
        except ProviderUnavailable as problem:
            self._pauses[user.id] = time.monotonic() + problem.retry_after
            if isinstance(problem, TokenLimited):
                self.log.info(
                    "%s: %s limits the requests about them: %s", user.name, self.login_service, problem.what
                )
            return await self._unknown(user, auth_state)
        except TokenRejected as error:
            if self.is_in_grace(auth_state):
                self.log.debug("%s: the token has ended, and there is no refresh token to ask with", user.name)
                self._count("unknown")
                return True
            self.log.warning("%s: the session ends: %s", user.name, error)
            self._count("ended")
            if not _has_ended(auth_state):
                self.stop_servers(user, handler)
            return False
        except (web.HTTPError, HTTPClientError) as error:
            self.log.warning("%s: the session ends: %s", user.name, error)
            self._count("ended")
            if isinstance(error, Refused) and not isinstance(error, NoAccount):
                self.stop_servers(user, handler)
            return False
        self._pauses.pop(user.id, None)
        if VISIT.get().is_stale:
            if not await self.still_known(user, auth_state):
                self._count("ended")
                return False
            model["auth_state"][KNOWN_KEY] = auth_state.get(KNOWN_KEY, int(time.time()))
        else:
            stamp(model["auth_state"], auth_state)
        is_known = _is_known(user, auth_state, model)
        self._count("unchanged" if is_known else "changed")
        return True if is_known and model["auth_state"] == auth_state else model

    async def _unknown(self, user: Any, auth_state: dict[str, Any]) -> bool:
        goes_on = await self.still_known(user, auth_state)
        self._count("unknown" if goes_on else "ended")
        return goes_on

    def _count(self, result: str) -> None:
        SESSION_REFRESHES.labels(self.login_service, result).inc()

    async def _current_model(self, user: Any, auth_state: dict[str, Any], handler: Any) -> dict[str, Any]:
        """Return the person's model as of now, with a new token where the old one has ended or soon will."""
        state = auth_state
        if self._ends_soon(state):
            try:
                state = await self._renewed(user, state, handler)
            except ProviderUnavailable:
                self.log.debug("%s: no new token now; the old one still holds", user.name)
        try:
            return await self._visited(user, state)
        except TokenRejected:
            if state is not auth_state or not state.get("refresh_token"):
                raise
        state = await self._renewed(user, state, handler)
        return await self._visited(user, state)

    async def _visited(self, user: Any, auth_state: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the provider about the person; return their model, under the name that they have here."""
        VISIT.set(Visit(auth_state.get(MEMORY_KEY) or {}))
        token_info = auth_state["token_response"]
        user_info = await self.token_to_user(token_info)
        name = self.normalize_username(self.user_info_to_username(user_info))
        if name != user.name:
            self.log.info("%s is now called %s by %s, and keeps the name here", user.name, name, self.login_service)
        state = self.build_auth_state_dict(token_info, user_info)
        if isawaitable(state):
            state = await state
        if self.modify_auth_state_hook is not None:
            state = await self._call_modify_auth_state_hook(state)
        # The hub's name and not the provider's: who renames themselves to an administrator gains nothing.
        admin = True if user.name in self.admin_users else None
        model: dict[str, Any] = {"name": user.name, "admin": admin, "auth_state": state}
        model = await self.update_auth_model(model)
        if self.manage_groups:
            model = await self._apply_managed_groups(model)
        before, now = auth_state.get(AUTH_STATE_KEY) or {}, model["auth_state"][AUTH_STATE_KEY]
        if before and before.get("subject") != now["subject"]:
            raise TokenRejected("the token is another person's")
        if before and (before.get("uid"), before.get("gid")) != (now["uid"], now["gid"]):
            self.log.warning(
                "%s had uid %s and gid %s, and has uid %s and gid %s now: files at home belong to the old ones",
                *(user.name, before.get("uid"), before.get("gid"), now["uid"], now["gid"]),
            )
        return model

    async def _may_stay(self, user: Any, model: dict[str, Any]) -> bool:
        """Say whether the person would be let in if they came now: the login's own questions, asked again."""
        for question in (self.check_blocked_users, self.check_allowed):
            if question == self.check_allowed and self.allow_all:
                continue
            reply = question(user.name, model)
            if not (await reply if isawaitable(reply) else reply):
                return False
        return True

    async def _renewed(self, user: Any, auth_state: dict[str, Any], handler: Any) -> dict[str, Any]:
        """Exchange the refresh token; return auth_state with the new tokens, kept and told to running servers."""
        refresh_token = auth_state["refresh_token"]
        try:
            info = await self.get_token_info(handler, self.build_refresh_token_request_params(refresh_token))
        except (TokenRejected, ProviderUnavailable) as error:
            result = "rejected" if isinstance(error, TokenRejected) else "unavailable"
            TOKEN_RENEWALS.labels(self.login_service, result).inc()
            raise
        TOKEN_RENEWALS.labels(self.login_service, "renewed").inc()
        if not info.get("refresh_token"):
            info["refresh_token"] = refresh_token
        fresh = self.build_auth_state_dict(info, auth_state.get(self.user_auth_state_key) or {})
        if isawaitable(fresh):
            fresh = await fresh
        state = {**auth_state, **{key: fresh.get(key) for key in TOKEN_KEYS}}
        # Kept before it is used: the old refresh token is spent, and whatever fails next must not lose the new one.
        await user.save_auth_state(state)
        self.log.info("%s has a new token from %s", user.name, self.login_service)
        self.tell_servers(user, state)
        return state

    def tell_servers(self, user: Any, auth_state: Mapping[str, Any]) -> None:
        """Give a new token to the person's running servers, in the background."""
        for spawner in list(user.spawners.values()):
            if spawner.active and hasattr(spawner, "renew_token"):
                task = asyncio.ensure_future(self._tell(spawner, auth_state))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _tell(self, spawner: Any, auth_state: Mapping[str, Any]) -> None:
        try:
            await spawner.renew_token(auth_state)
            POD_TOKEN_UPDATES.labels("done").inc()
        except Exception as error:
            POD_TOKEN_UPDATES.labels("failed").inc()
            self.log.warning("%s keeps its old token: %s: %s", spawner._log_name, type(error).__name__, error)

    def _ends_soon(self, auth_state: Mapping[str, Any]) -> bool:
        info = auth_state.get("token_response") or {}
        if not info.get("expires_at") or not auth_state.get("refresh_token"):
            return False
        margin = min(self.token_renewal_margin, int(info["expires_in"]) // 2)
        return bool(time.time() >= info["expires_at"] - margin)

    def is_in_grace(self, auth_state: Mapping[str, Any]) -> bool:
        """Say whether the token has ended by itself, and `expired_token_grace` has not."""
        ended = (auth_state.get("token_response") or {}).get("expires_at")
        if not ended or auth_state.get("refresh_token"):
            return False
        return bool(ended <= time.time() < ended + self.expired_token_grace)


@dataclass(frozen=True, slots=True)
class _Late:
    """The outcome of a refresh whose time was up."""

    outcome: bool | dict[str, Any]
    token: str | None
    """The access token when the time was up."""

    since: float


def _has_ended(auth_state: Mapping[str, Any]) -> bool:
    """Say whether a token has ended by itself, which no one need have revoked."""
    ended = (auth_state.get("token_response") or {}).get("expires_at")
    return bool(ended and ended <= time.time())


def _is_known(user: Any, auth_state: Mapping[str, Any], model: Mapping[str, Any]) -> bool:
    """Say whether the hub has nothing to write: every dict that a refresh returns is encrypted and saved again."""
    groups = model.get("groups")
    return bool(
        model["auth_state"] == {**auth_state, KNOWN_KEY: model["auth_state"][KNOWN_KEY]}
        and model["admin"] in (None, user.admin)
        and (groups is None or set(groups) == {group.name for group in user.groups})
    )

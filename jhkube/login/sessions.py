"""A session's life after the login: refreshed, kept through outages, ended when the provider says so."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tornado import web
from tornado.httpclient import HTTPClientError

from jhkube.identity import AUTH_STATE_KEY
from jhkube.login.errors import NoAccount, ProviderUnavailable, Refused, TokenLimited, TokenRejected
from jhkube.login.refreshes import KNOWN_KEY, STAMP_LASTS, known_age, stamp
from jhkube.login.servers import RunningServers
from jhkube.metrics import SESSION_REFRESHES, TOKEN_RENEWALS

__all__ = ["STALE_KEY", "Limits", "Questions", "Sessions"]

STALE_KEY = "jhkube_is_stale"
"""The key of a model that is partly as it was the last time, since the provider did not say all of it now."""

TOKEN_KEYS = ("access_token", "refresh_token", "id_token", "scope", "token_response")
"""The keys of auth_state that a new token changes."""

Model = dict[str, Any]
Outcome = bool | Model


class _LoggedInAgain(Exception):
    """The person has logged in since a refresh began."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take and last, in seconds: the traits of these names say more."""

    refresh_timeout: float
    refresh_age: float
    """`auth_refresh_age`."""
    token_renewal_margin: float
    expired_token_grace: float
    known_max_age: float
    known_max_age_at_start: float
    stop_servers_of_leavers: bool


class Questions(Protocol):
    """What sessions ask of the authenticator."""

    refresh_user_hook: Any
    """The operator's own way to refresh, or None."""

    async def refreshed_by_hook(self, user: Any, auth_state: Any) -> Outcome | None:
        """Return what the hook says; None where it leaves the person to jhkube."""

    def new_owner(self, name: str, auth_state: Mapping[str, Any] | None) -> str | None:
        """Return who has an account now, where it is no longer whose auth_state this is."""

    async def current_model(self, name: str, auth_state: Mapping[str, Any]) -> Model:
        """Ask the provider about a person; return their model, under the name that they have here."""

    async def check_stay(self, user: Any, model: Model) -> None:
        """Raise `Refused` where the person would not be let in if they came now."""

    async def renewed_state(self, handler: Any, auth_state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Exchange the refresh token; return what upstream keeps of the answer."""


class Sessions:
    """Refreshes everybody's sessions, one flight a person.

    Parameters
    ----------
    provider
        Its name, for messages and metrics.
    limits
        How long things may take and last.
    questions
        What is asked of the authenticator.
    servers
        The running servers, which get new tokens.
    log
        Where it is told.
    """

    def __init__(
        self, provider: str, limits: Limits, questions: Questions, servers: RunningServers, log: logging.Logger
    ) -> None:
        self._provider, self._limits, self._questions = provider, limits, questions
        self._servers, self._log = servers, log
        self._flights: dict[int, asyncio.Future[Outcome]] = {}
        self._pauses: dict[int, float] = {}
        self._late: dict[int, _Late] = {}
        self._flying: dict[int, str | None] = {}
        """The access token with which each refresh that is under way goes on."""

    def under_way(self, user: Any) -> asyncio.Future[Outcome] | None:
        """Return the refresh of a person that is under way now."""
        return self._flights.get(user.id)

    async def refresh(self, user: Any, handler: Any) -> Outcome:
        """Return what has changed about a person, True where nothing did or nothing can be known, False to log out.

        Refreshes of one person at the same time are one: a refresh token that rotates can be used once.
        """
        flight = self._flights.get(user.id)
        outcome = None if flight else await self._late_outcome(user)
        if outcome is None:
            if flight is None:
                flight = asyncio.ensure_future(self._refresh(user, handler))
                self._flights[user.id] = flight
                flight.add_done_callback(lambda _: self._flights.pop(user.id, None))
            # Not cancelled when time is up: a new token that is under way would be lost with it.
            done, _ = await asyncio.wait({flight}, timeout=self._limits.refresh_timeout)
            outcome = flight.result() if done else await self._overdue(user, flight)
        return dict(outcome) if isinstance(outcome, dict) else outcome

    async def check_start(self, user: Any, server: str) -> None:
        """Raise `Refused` for a start by a person about whom nothing was learned for too long; `server` is named."""
        auth_state = await user.get_auth_state() or {}
        if self._is_in_grace(auth_state):
            return
        age = known_age(auth_state)
        # A stamp that is young enough is not written again, so it may be this old while the provider answers.
        if age is not None and age > max(self._limits.known_max_age_at_start, STAMP_LASTS):
            self._log.warning(
                "%s may not start a server: %s was last known %.0f s ago, more than known_max_age_at_start",
                *(server, user.name, age),
            )
            raise Refused(
                f"{self._provider} has not answered about you for {age / 60:.0f} minutes, so no server can be "
                "started now. Running servers continue. Please try again later."
            )

    async def _overdue(self, user: Any, flight: asyncio.Future[Outcome]) -> bool:
        """Let a refresh end in the background, its outcome being that of the next one."""
        self._log.info("%s: a refresh took longer than %s s; it goes on", user.name, self._limits.refresh_timeout)
        auth_state = await user.get_auth_state() or {}
        token = auth_state.get("access_token")

        def keep(flight: asyncio.Future[Outcome]) -> None:
            # That nothing was learned, or nothing new, is no news for later.
            if not flight.cancelled() and flight.exception() is None and flight.result() is not True:
                self._late[user.id] = _Late(flight.result(), token, time.monotonic())

        flight.add_done_callback(keep)
        self._count("unknown")
        return self._questions.refresh_user_hook is not None or await self._still_known(user, auth_state)

    async def _late_outcome(self, user: Any) -> Outcome | None:
        """Return what a refresh found out after its time was up; None where that is old, or of another login."""
        late = self._late.pop(user.id, None)
        if late is None or time.monotonic() - late.since > self._limits.refresh_age + self._limits.refresh_timeout:
            return None
        token = (await user.get_auth_state() or {}).get("access_token")
        # A hook's outcome may leave auth_state out.
        renewed = (
            (late.outcome.get("auth_state") or {}).get("access_token") if isinstance(late.outcome, dict) else None
        )
        return late.outcome if token in (late.token, renewed) else None

    async def _refresh(self, user: Any, handler: Any) -> Outcome:
        """Return what was learned; of an earlier login nothing counts, where the person has logged in meanwhile."""
        auth_state = await user.get_auth_state()
        owner = self._questions.new_owner(user.name, auth_state)
        if owner is not None:
            self._log.warning("%s: the session ends: the account is now %s's, by account_handovers", user.name, owner)
            self._count("ended")
            return False
        refreshed = await self._questions.refreshed_by_hook(user, auth_state)
        if refreshed is not None:
            return refreshed
        self._flying[user.id] = (auth_state or {}).get("access_token")
        try:
            outcome = await self._asked(user, auth_state, handler)
            if outcome is not True:
                await self._check_login(user)
        except _LoggedInAgain:
            self._log.info("%s has logged in again while a refresh was under way, of which nothing counts", user.name)
            self._count("unknown")
            return True
        finally:
            del self._flying[user.id]
        return outcome

    async def _check_login(self, user: Any) -> None:
        """Raise `_LoggedInAgain` where the tokens are no longer those of the refresh that is under way."""
        token = (await user.get_auth_state() or {}).get("access_token")
        if token and token != self._flying[user.id]:
            raise _LoggedInAgain

    async def _asked(self, user: Any, auth_state: Any, handler: Any) -> Outcome:
        if not auth_state or not auth_state.get("token_response"):
            self._log.info("%s: nothing is known of the last login, so another is needed", user.name)
            self._count("ended")
            return False
        if self._pauses.get(user.id, 0.0) > time.monotonic():
            return await self._unknown(user, auth_state)
        try:
            model = await self._current_model(user, auth_state, handler)
            await self._questions.check_stay(user, model)
        except ProviderUnavailable as problem:
            self._pauses[user.id] = time.monotonic() + problem.retry_after
            if isinstance(problem, TokenLimited):
                self._log.info("%s: %s limits the requests about them: %s", user.name, self._provider, problem.what)
            return await self._unknown(user, auth_state)
        except TokenRejected as error:
            await self._check_login(user)
            if self._is_in_grace(auth_state):
                self._log.debug("%s: the token has ended, and there is no refresh token to ask with", user.name)
                self._count("unknown")
                return True
            return self._ended(user, handler, error, has_left=not _has_ended(auth_state))
        except (web.HTTPError, HTTPClientError) as error:
            await self._check_login(user)
            has_left = isinstance(error, Refused) and not isinstance(error, NoAccount)
            return self._ended(user, handler, error, has_left=has_left)
        self._pauses.pop(user.id, None)
        if model.pop(STALE_KEY, False):
            if not await self._still_known(user, auth_state):
                self._count("ended")
                return False
            model["auth_state"][KNOWN_KEY] = auth_state.get(KNOWN_KEY, int(time.time()))
        else:
            stamp(model["auth_state"], auth_state)
        is_known = _is_known(user, auth_state, model)
        if not is_known:
            await self._check_login(user)
        stops = self._limits.stop_servers_of_leavers
        self._servers.check_rights(user, model["auth_state"], handler, stops=stops)
        self._count("unchanged" if is_known else "changed")
        return True if is_known and model["auth_state"] == auth_state else model

    def _ended(self, user: Any, handler: Any, error: Exception, *, has_left: bool) -> bool:
        """End a session; and the servers of somebody who has left, where the operators want that."""
        self._log.warning("%s: the session ends: %s", user.name, error)
        self._count("ended")
        if has_left and self._limits.stop_servers_of_leavers:
            self._servers.stop_leavers(user, handler)
        return False

    async def _unknown(self, user: Any, auth_state: Mapping[str, Any]) -> bool:
        goes_on = await self._still_known(user, auth_state)
        self._count("unknown" if goes_on else "ended")
        return goes_on

    async def _still_known(self, user: Any, auth_state: Mapping[str, Any]) -> bool:
        """Say whether a session may go on with what is known, when nothing new can be learned."""
        if self._is_in_grace(auth_state):
            return True
        age = known_age(auth_state)
        if age is None:
            # Read again: a renewal may have kept new tokens meanwhile. Where there is none, nothing is written.
            if now := await user.get_auth_state():
                await user.save_auth_state(now | {KNOWN_KEY: int(time.time())})
            return True
        if age <= self._limits.known_max_age:
            return True
        self._log.warning(
            "%s: the session ends: nothing could be learned about them for %.0f s, more than known_max_age",
            *(user.name, age),
        )
        return False

    def _count(self, result: str) -> None:
        SESSION_REFRESHES.labels(self._provider, result).inc()

    async def _current_model(self, user: Any, auth_state: Model, handler: Any) -> Model:
        """Return the person's model as of now, with a new token where the old one has ended or soon will."""
        state = auth_state
        if self._ends_soon(state):
            try:
                state = await self._renewed(user, state, handler)
            except ProviderUnavailable:
                self._log.debug("%s: no new token now; the old one still holds", user.name)
        try:
            return await self._compared(user, state)
        except TokenRejected:
            if state is not auth_state or not state.get("refresh_token"):
                raise
        state = await self._renewed(user, state, handler)
        return await self._compared(user, state)

    async def _compared(self, user: Any, auth_state: Mapping[str, Any]) -> Model:
        """Return the person's model as of now, if it is the same person's."""
        model = await self._questions.current_model(user.name, auth_state)
        before, now = auth_state.get(AUTH_STATE_KEY) or {}, model["auth_state"][AUTH_STATE_KEY]
        if before and before.get("subject") != now["subject"]:
            raise TokenRejected("the token is another person's")
        if before and (before.get("uid"), before.get("gid")) != (now["uid"], now["gid"]):
            self._log.warning(
                "%s had uid %s and gid %s, and has uid %s and gid %s now: files at home belong to the old ones",
                *(user.name, before.get("uid"), before.get("gid"), now["uid"], now["gid"]),
            )
        return model

    async def _renewed(self, user: Any, auth_state: Model, handler: Any) -> Model:
        """Exchange the refresh token; return auth_state with the new tokens, kept and told to running servers."""
        try:
            fresh = await self._questions.renewed_state(handler, auth_state)
        except (TokenRejected, ProviderUnavailable) as error:
            result = "rejected" if isinstance(error, TokenRejected) else "unavailable"
            TOKEN_RENEWALS.labels(self._provider, result).inc()
            raise
        TOKEN_RENEWALS.labels(self._provider, "renewed").inc()
        state = {**auth_state, **{key: fresh.get(key) for key in TOKEN_KEYS}}
        # Kept before it is used: the old refresh token is spent, and whatever fails next must not lose the new one.
        await self._check_login(user)
        self._flying[user.id] = state["access_token"]
        await user.save_auth_state(state)
        self._log.info("%s has a new token from %s", user.name, self._provider)
        self._servers.tell(user, state)
        return state

    def _ends_soon(self, auth_state: Mapping[str, Any]) -> bool:
        info = auth_state.get("token_response") or {}
        if not info.get("expires_at") or not auth_state.get("refresh_token"):
            return False
        margin = min(self._limits.token_renewal_margin, int(info["expires_in"]) // 2)
        return bool(time.time() >= info["expires_at"] - margin)

    def _is_in_grace(self, auth_state: Mapping[str, Any]) -> bool:
        """Say whether the token has ended by itself, and `expired_token_grace` has not."""
        ended = (auth_state.get("token_response") or {}).get("expires_at")
        if not ended or auth_state.get("refresh_token"):
            return False
        return bool(ended <= time.time() < ended + self._limits.expired_token_grace)


@dataclass(frozen=True, slots=True)
class _Late:
    """The outcome of a refresh whose time was up."""

    outcome: Outcome
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

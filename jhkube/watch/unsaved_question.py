# mypy: allow-untyped-calls
"""Asking a running server for unsaved work, and keeping its answer when it stops."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from jupyterhub import orm

from jhkube.watch.probe import hub_ssl_context
from jhkube.watch.unsaved import Answered, Unsaved

__all__ = ["UnsavedMixin", "unsaved_kept"]

PATH: Final = "jhkube/unsaved"
"""Below the server's own path."""

ANSWERS_IN: Final = 4.0
"""Seconds that a server has for its answer. It asks the hub whose the token is, and git what is unsaved."""

FRESH: Final = 30.0
"""Seconds for which an answer is not asked for again."""

FRESH_AT_STOP: Final = 5.0
"""The same before a stop."""

LONGEST_ANSWER: Final = 65_536
"""Bytes of an answer that are read."""

_STATE_KEY: Final = "jhkube_unsaved"


class UnsavedMixin:
    """For a spawner: asks its server for unsaved work when somebody wants to know, and before it stops.

    The hub asks the server at its own address: a request through the proxy would count as use of the server. It sends
    the token that the server was started with, so that nobody learns anything from it, and no token has to be made
    and deleted for a question: that would be four commits to the database at each stop. A hub that has started again
    since does not know that token, and makes one that is good for this server alone.
    """

    _unsaved: Unsaved | None = None
    _unsaved_asked = float("-inf")
    _unsaved_asking: asyncio.Task[None] | None = None

    user: Any
    name: str
    log: Any
    server: Any
    api_token: str
    internal_ssl: bool
    orm_spawner: Any
    _spawn_future: Any

    @property
    def unsaved(self) -> Unsaved | None:
        """What the server last said about unsaved work, since its start while it runs; None where it said nothing."""
        if self._has_started and not self._is_of_this_run(self._unsaved):
            return None
        return self._unsaved

    async def ask_unsaved(self, fresh: float | None = None) -> None:
        """Ask a server that runs, unless it was asked within so many seconds: `FRESH` where none are given."""
        if not self._has_started:
            return
        fresh = FRESH if fresh is None else fresh
        if self._unsaved_asking is None and time.monotonic() - self._unsaved_asked > fresh:
            self._unsaved_asking = asyncio.create_task(self._ask())
        if self._unsaved_asking is not None:
            await asyncio.shield(self._unsaved_asking)

    @property
    def _has_started(self) -> bool:
        future = self._spawn_future
        return self.server is not None and (
            future is None or (future.done() and not future.cancelled() and future.exception() is None)
        )

    async def _may_be_asked(self) -> bool:
        """Whether the server is surely this person's."""
        return True

    async def _ask(self) -> None:
        try:
            asked = datetime.now(UTC).isoformat()
            said = Unsaved(asked)
            if await self._may_be_asked():
                said = await self._answer(asked)
            if said.answered is not Answered.AWAY or not self._is_of_this_run(self._unsaved):
                self._unsaved = said
        except Exception:
            # A server has to stop all the same.
            self.log.exception("%s/%s cannot be asked for unsaved work", self.user.name, self.name)
        finally:
            self._unsaved_asked, self._unsaved_asking = time.monotonic(), None

    def _is_of_this_run(self, unsaved: Unsaved | None) -> bool:
        """Whether something was said since the server started."""
        started: datetime | None = self.orm_spawner.started
        if unsaved is None or started is None:
            return False
        return datetime.fromisoformat(unsaved.asked) >= started.replace(tzinfo=UTC)

    async def _answer(self, asked: str) -> Unsaved:
        context = hub_ssl_context(self) if self.internal_ssl else None
        url = f"{self.server.url.rstrip('/')}/{PATH}"
        # Where `server_token_scopes` leave out the server itself, its token does not open it.
        said = await answer_of_server(url, self.api_token, asked, context) if self.api_token else None
        if said is not None:
            return said
        token = self.user.new_api_token(
            note="unsaved work", expires_in=60, scopes=[f"access:servers!server={self.user.name}/{self.name}"]
        )
        try:
            return await answer_of_server(url, token, asked, context) or Unsaved(asked, Answered.SILENT)
        finally:
            found = orm.APIToken.find(self.user.db, token)
            if found is not None:
                self.user.db.delete(found)
                self.user.db.commit()

    # The hub's.

    async def stop(self, now: bool = False) -> None:
        """Stop the server; what it says about unsaved work is kept."""
        if not now:
            await self.ask_unsaved(FRESH_AT_STOP)
        await super().stop(now)  # type: ignore[misc]

    def get_state(self) -> dict[str, Any]:
        """Return what the hub keeps, with what the server said about unsaved work."""
        state: dict[str, Any] = super().get_state()  # type: ignore[misc]
        if self._unsaved is not None:
            state[_STATE_KEY] = self._unsaved.to_json()
        return state

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Know again what the hub has kept."""
        super().load_state(state)  # type: ignore[misc]
        self._unsaved = unsaved_kept(state)


def unsaved_kept(state: Mapping[str, Any] | None) -> Unsaved | None:
    """Return what a server said about unsaved work, by the state that the hub keeps of its spawner."""
    kept = (state or {}).get(_STATE_KEY)
    try:
        return Unsaved.from_json(kept) if kept else None
    except (ValueError, TypeError, AttributeError):
        return None


async def answer_of_server(url: str, token: str, asked: str, context: ssl.SSLContext | None) -> Unsaved | None:
    """Return what a server answers, whatever it answers; None where it does not accept the token.

    Parameters
    ----------
    url
        Of its unsaved work.
    token
        A token for the server.
    asked
        The time, by RFC 3339.
    context
        The hub's own, where `internal_ssl` is on.
    """
    headers = {"Authorization": f"token {token}", "Accept": "application/json", "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(ANSWERS_IN),
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as session,
            session.get(url, headers=headers, allow_redirects=False, ssl=context or True) as response,
        ):
            if response.status >= 500:
                return Unsaved(asked)
            if response.status in (401, 403):
                return None
            said = b""
            while response.status == 200 and (data := await response.content.read(LONGEST_ANSWER)):
                said += data
                if len(said) > LONGEST_ANSWER:
                    return Unsaved(asked, Answered.SILENT)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return Unsaved(asked)
    try:
        return Unsaved.from_answer(json.loads(said), asked)
    except (ValueError, RecursionError):
        # Another program answers there, or none of this name.
        return Unsaved(asked, Answered.SILENT)

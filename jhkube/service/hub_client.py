"""What the service asks of the hub, always with the token of the person who asks the service."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from jhkube.service.hub_answers import HubServers
from jhkube.service.refusals import Refusal
from jhkube.watch.failure import redacted
from jhkube.watch.unsaved import Unsaved

__all__ = ["ANSWERS_IN", "HUB_AWAY", "FailedStart", "HubClient", "Person", "is_new"]

ANSWERS_IN: Final = 15.0
"""Seconds that the hub has for an answer."""

STARTS_IN: Final = 60.0
"""Seconds that the hub has for the answer to a start or a stop: it waits a while for that to happen."""

HUB_AWAY: Final = "The hub does not answer at the moment. Try again in a minute."


SAID_OF_A_FAILED_START: Final = ("error", "timeout")
"""What jupyterhub 5 says in place of a sentence: the reasons that its `User.spawn` sets."""


class FailedStart(Refusal):
    """A start that the hub has taken for an error of its own: 400, with the hub's sentence."""

    def __init__(self, said: str) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, redacted(said), said=redacted(said))


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks."""

    name: str
    """The hub's name of them."""

    token: str = field(repr=False)
    """The token that they came with, or that the hub gave the service for them."""


class HubClient:
    """The hub's API, and jhkube's own handlers in it.

    Parameters
    ----------
    api_url
        The hub's API, as services reach it: `http://127.0.0.1:8081/hub/api`.
    ssl_context
        For a hub with `internal_ssl`.
    """

    def __init__(self, api_url: str, ssl_context: ssl.SSLContext | None = None) -> None:
        self._hub_url = api_url.rstrip("/").removesuffix("/api")
        self._ssl = ssl_context
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask(
        self, token: str, method: str, path: str, body: Any = None, timeout: float = ANSWERS_IN
    ) -> tuple[int, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with (
                asyncio.timeout(timeout),
                self._session.request(
                    method,
                    f"{self._hub_url}/{path}",
                    json=body,
                    headers={"Authorization": f"token {token}"},
                    allow_redirects=False,
                    ssl=self._ssl or True,
                ) as response,
            ):
                text = await response.text()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, HUB_AWAY) from None
        try:
            found = json.loads(text) if text.strip() else None
        except ValueError:
            found = None
        if status >= 500 or 300 <= status < 400:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, HUB_AWAY, said=_said_of_a_fault(status, found))
        return status, found

    async def servers(self, token: str, user: str) -> HubServers:
        """Return a person's servers, by their own token."""
        status, found = await self._ask(token, "GET", f"jhkube/users/{quote(user, safe='')}/servers")
        return _servers(_good(status, found))

    async def group_servers(self, token: str, group: str) -> HubServers:
        """Return the servers of a group's members; 404 where the token may not know them."""
        status, found = await self._ask(token, "GET", f"jhkube/groups/{quote(group, safe='')}/servers")
        if status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            raise Refusal(
                HTTPStatus.NOT_FOUND,
                "There is no group of this name whose servers you may see. This needs the hub's scope"
                " read:servers!group=… of that group.",
                "group",
            )
        return _servers(_good(status, found))

    async def options(self, token: str, user: str) -> Mapping[str, Any]:
        """Return what a person may choose."""
        found = _good(*await self._ask(token, "GET", f"jhkube/users/{quote(user, safe='')}/options"))
        if "sizes" not in found:
            # Something before the hub has answered in its place.
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, HUB_AWAY)
        return found

    async def check_options(self, token: str, user: str, options: Mapping[str, Any]) -> None:
        """Raise a `Refusal` with the field where these options cannot be taken."""
        path = f"jhkube/users/{quote(user, safe='')}/options"
        status, found = await self._ask(token, "POST", path, {"options": dict(options)})
        if status == HTTPStatus.BAD_REQUEST and found and "field" in found:
            field = f"options.{found['field']}" if found["field"] else "options"
            raise Refusal(HTTPStatus.BAD_REQUEST, str(found["message"]), field)
        _good(status, found or {})

    async def start(
        self, token: str, user: str, server: str, options: Mapping[str, Any] | None, display_name: str, version: str
    ) -> None:
        """Ask for a start, with the remembered options where none are given.

        Raises
        ------
        FailedStart
            Where it has failed at once, as an error of the hub.
        Refusal
            Where the hub refuses it, or it has failed at once in another way.
        """
        # jupyterhub 5 takes an empty object for a choice of nothing; it remembers where there is no body.
        body: dict[str, Any] | None = dict(options) if options else None
        if is_new(version):
            body = {"user_options": dict(options) if options else None}
            if display_name and server:
                body["display_name"] = display_name
        try:
            answer = await self._ask(token, "POST", _path(user, server), body, STARTS_IN)
        except Refusal as refusal:
            said = refusal.said
            if said in SAID_OF_A_FAILED_START:
                said = await self._why(token, user, server)
            if said:
                raise FailedStart(said) from None
            raise
        _good(*answer)

    async def _why(self, token: str, user: str, server: str) -> str:
        """Return why the last start of a server failed; empty where the hub does not say."""
        try:
            failed = (await self.servers(token, user)).named(server)
        except Refusal:
            return ""
        return failed.failure.message if failed and failed.failure else ""

    async def make(self, token: str, user: str, server: str, options: Mapping[str, Any], display_name: str) -> None:
        """Make a named server and do not start it: jupyterhub 6."""
        body: dict[str, Any] = {"user_options": dict(options) or None, "display_name": display_name or server}
        _good(*await self._ask(token, "PUT", _path(user, server), body))

    async def change(
        self, token: str, user: str, server: str, options: Mapping[str, Any] | None, display_name: str
    ) -> None:
        """Change a server that is stopped: jupyterhub 6."""
        body: dict[str, Any] = {} if options is None else {"user_options": dict(options)}
        if display_name:
            body["display_name"] = display_name
        if body:
            _good(*await self._ask(token, "PATCH", _path(user, server), body))

    async def stop(self, token: str, user: str, server: str) -> None:
        """Ask for a stop."""
        _good(*await self._ask(token, "DELETE", _path(user, server), timeout=STARTS_IN))

    async def unsaved(self, token: str, user: str, server: str) -> Unsaved | None:
        """Return what a server that runs says about unsaved work; None where the token may not use the server."""
        status, found = await self._ask(token, "GET", f"{_server_path(user, server)}/unsaved")
        if status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            return None
        said = _good(status, found)["unsaved"]
        return Unsaved.from_json(said) if said else None

    async def own_claim(self, token: str, user: str, server: str) -> str:
        """Return the name of the claim that a server has to itself; empty where it has none."""
        found = _good(*await self._ask(token, "GET", f"{_server_path(user, server)}/claim"))
        return str(found["claim"])

    async def kept_log(self, token: str, user: str, server: str) -> Mapping[str, Any] | None:
        """Return the end of the log of a server that failed; None where the hub has kept none."""
        path = f"jhkube/users/{quote(user, safe='')}/servers/{quote(server, safe='')}/log"
        status, found = await self._ask(token, "GET", path)
        return None if status == HTTPStatus.NOT_FOUND else _good(status, found)

    async def remove(self, token: str, user: str, server: str) -> None:
        """Stop a named server and have the hub forget it, with its claim left alone."""
        _good(*await self._ask(token, "POST", f"{_server_path(user, server)}/claim"))
        _good(*await self._ask(token, "DELETE", _path(user, server), {"remove": True}, STARTS_IN))


def _servers(found: Mapping[str, Any]) -> HubServers:
    """Return the servers of an answer; something before the hub may have answered in its place."""
    try:
        return HubServers.from_json(found)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, HUB_AWAY) from None


def is_new(version: str) -> bool:
    """Say whether a version of JupyterHub is 6 or later."""
    major = version.partition(".")[0]
    return major.isdecimal() and int(major) >= 6


def _path(user: str, server: str) -> str:
    own = f"servers/{quote(server, safe='')}" if server else "server"
    return f"api/users/{quote(user, safe='')}/{own}"


def _server_path(user: str, server: str) -> str:
    return f"jhkube/users/{quote(user, safe='')}/servers/{quote(server, safe='')}"


def _said(found: Any) -> str:
    """Return the first line of what the hub says about an error; empty where it says nothing."""
    return str(found.get("message") or "").partition("\n")[0] if isinstance(found, Mapping) else ""


def _said_of_a_fault(status: int, found: Any) -> str:
    """Return what the hub says about an error of its own; empty where it, or what is before it, says no more."""
    said = _said(found)
    is_told = (" " in said and said != HTTPStatus.INTERNAL_SERVER_ERROR.phrase) or said in SAID_OF_A_FAILED_START
    return said if is_told and status == HTTPStatus.INTERNAL_SERVER_ERROR else ""


def _good(status: int, found: Any) -> Mapping[str, Any]:
    """Return a good answer; raise the hub's refusal of another."""
    said = _said(found)
    if status < 300:
        return found if isinstance(found, Mapping) else {}
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            "Your token does not allow this. Make one with the hub's scope that it needs.",
            said=said,
        )
    if status == HTTPStatus.NOT_FOUND:
        raise Refusal(
            HTTPStatus.NOT_FOUND, "The hub does not know this name, or your token does not allow this.", said=said
        )
    if status in (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS):
        raise Refusal(status, said or "The hub is busy. Try again in a minute.")
    if "already running" in said or "is pending" in said or "is active" in said:
        raise Refusal(
            HTTPStatus.CONFLICT, "The server is running, or about to start or stop. Wait, or stop it first."
        )
    raise Refusal(HTTPStatus.BAD_REQUEST, said or "The hub refused this request.")

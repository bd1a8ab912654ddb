"""What the operator asks of a hub, with the token of a service that may start the servers of some groups."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jhkube.operator.conditions import START_FAILED
from jhkube.service.hub_answers import HubServers
from jhkube.service.hub_client import FailedStart, HubClient
from jhkube.service.refusals import Refusal

__all__ = ["Hub", "HubAway", "HubRefusal"]


class HubAway(Exception):
    """The hub does not answer; the message says so."""


class HubRefusal(Exception):
    """The hub refuses something.

    Parameters
    ----------
    reason
        One word for a condition: `NoSuchUser`.
    message
        What happened and what to do, for who wrote the resource.
    is_momentary
        Whether it may be done in a moment, without a change.
    is_final
        Whether it is about the person, not about the operator.
    """

    def __init__(self, reason: str, message: str, *, is_momentary: bool = False, is_final: bool = False) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message
        self.is_momentary, self.is_final = is_momentary, is_final


class Hub:
    """A hub's API.

    Parameters
    ----------
    api_url
        Its address: `http://hub:8081/hub/api`.
    token_file
        The file with the service's token, which is read at each request: it may be changed there.
    before_write
        Awaited before each request that starts or ends a server, whose exception then takes its place.
    """

    def __init__(self, api_url: str, token_file: Path, before_write: Callable[[], Awaitable[None]]) -> None:
        self._client = HubClient(api_url)
        self._token_file = token_file
        self._before_write = before_write

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def servers(self, user: str) -> HubServers:
        """Return a person's servers.

        Raises
        ------
        HubAway, HubRefusal
            As all methods do.
        """
        try:
            return await self._client.servers(self._token(), user)
        except Refusal as error:
            raise _told(error, user) from None

    async def check(self, user: str, options: Mapping[str, Any]) -> None:
        """Have the hub say whether a person may start a server with these options."""
        try:
            await self._client.check_options(self._token(), user, options)
        except Refusal as error:
            raise _told(error, user) from None

    async def start(self, user: str, server: str, options: Mapping[str, Any] | None, version: str) -> None:
        """Ask for a start, with the remembered options where none are given."""
        await self._before_write()
        try:
            await self._client.start(self._token(), user, server, options, server, version)
        except Refusal as error:
            raise _told(error, user) from None

    async def stop(self, user: str, server: str) -> None:
        """Ask for a stop."""
        await self._before_write()
        try:
            await self._client.stop(self._token(), user, server)
        except Refusal as error:
            raise _told(error, user) from None

    async def remove(self, user: str, server: str) -> None:
        """Stop a named server and have the hub forget it; its claims stay."""
        await self._before_write()
        try:
            await self._client.remove(self._token(), user, server)
        except Refusal as error:
            raise _told(error, user) from None

    def _token(self) -> str:
        try:
            return self._token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            message = f"The operator cannot read the hub's token from {self._token_file}."
            raise HubRefusal("NoToken", message) from None


def _told(error: Refusal, user: str) -> HubAway | HubRefusal:
    """Return a refusal of the service's client as what the operator says of it."""
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return HubAway(error.message)
    if isinstance(error, FailedStart):
        return HubRefusal(START_FAILED, error.message)
    if error.status in (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS):
        return HubRefusal("HubBusy", error.message, is_momentary=True)
    if error.status == HTTPStatus.FORBIDDEN and "login again" in error.said:
        message = f"The login of {user} at the hub has ended. The server starts when {user} has logged in again."
        return HubRefusal("LoginNeeded", message)
    if error.status == HTTPStatus.FORBIDDEN:
        message = (
            f"The hub does not allow this with the operator's token: it needs the scopes servers and read:users for"
            f" {user}, or for a group of theirs."
        )
        return HubRefusal("TokenRefused", message)
    if error.status == HTTPStatus.NOT_FOUND and not error.said:
        message = "The hub does not have jhkube's handlers: set JHKUBE_OPERATOR_GROUPS in the environment of the hub."
        return HubRefusal("NoHandlers", message)
    if error.status == HTTPStatus.NOT_FOUND:
        message = (
            f"The hub has no account {user}, or the operator's token is not for a group of theirs. The server starts"
            f" when {user} has logged in once and is in such a group."
        )
        return HubRefusal("NoSuchUser", message, is_final=True)
    return HubRefusal("Refused", error.message, is_final=True)

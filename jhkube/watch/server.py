"""The hub's own wait for a server: nothing that a pod says reaches the hub unchecked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any

from jupyterhub.objects import Server
from packaging.version import InvalidVersion, Version
from traitlets import dlink

from jhkube.watch.failure import Failure, StartFailed
from jhkube.watch.probe import Headers, answer_of

__all__ = ["CheckedServer", "CheckedServerMixin", "NoAnswer"]

_VERSION = "X-JupyterHub-Version"
_LONGEST_VERSION = 64
_ADDRESS = ("proto", "ip", "port", "base_url", "cookie_name")
"""What a server's record in the hub's database says."""
_PAUSE = 0.2
"""Seconds between two requests of the hub's wait."""


class NoAnswer(StartFailed, TimeoutError):
    """A server that answered jhkube and then did not answer the hub.

    The hub counts an error of this kind as the server's, not as its own: `consecutive_failure_limit` would otherwise
    let one person's server end the hub for all. It is a `TimeoutError` too, since a hub that restarts stops a server
    whose wait ends with one, and does not expect any other exception.
    """


class CheckedServer(Server):
    """A server of which the hub learns no more than a version that it can read."""

    def wait_up(
        self,
        timeout: float = 10,
        http: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        extra_path: str = "",
    ) -> Awaitable[Any]:
        """Return the server's answer as soon as there is one."""
        if http:
            return self._checked_answer(timeout, ssl_context, extra_path)
        waiting: Awaitable[Any] = super().wait_up(timeout)  # type: ignore[no-untyped-call]
        return waiting

    async def _checked_answer(
        self, timeout: float, ssl_context: ssl.SSLContext | None, extra_path: str
    ) -> SimpleNamespace:
        try:
            async with asyncio.timeout(timeout):
                headers = await answer_of(self.url, f"/{extra_path}", ssl_context)
                while headers is None:
                    await asyncio.sleep(_PAUSE)
                    headers = await answer_of(self.url, f"/{extra_path}", ssl_context)
        except TimeoutError:
            failure = Failure(
                "NoAnswer",
                "Your server stopped answering while it was starting. Try again, or choose another image.",
                f"no answer within {timeout:g} s",
            )
            raise NoAnswer(failure, self.url) from None
        return SimpleNamespace(headers=_readable(headers))


def _readable(headers: Headers) -> dict[str, str]:
    """The version of JupyterHub that a server says it has, where it is one; the hub reads no other header."""
    said = headers.get(_VERSION) or ""
    if len(said) > _LONGEST_VERSION:
        return {}
    try:
        return {_VERSION: str(Version(said))}
    except InvalidVersion:
        return {}


class CheckedServerMixin:
    """For a spawner: its `server` is a `CheckedServer`, when it starts and when a hub restarts."""

    @property
    def server(self) -> Any:
        """The server as the hub knows it; None where there is none."""
        server = super().server  # type: ignore[misc]
        # Without a record there is no hub that could read what it answers.
        if server is None or server.orm_server is None or isinstance(server, CheckedServer):
            return server
        checked = CheckedServer(orm_server=server.orm_server)
        # The hub sets the address, once there is one, on the object that it made.
        for name in _ADDRESS:
            dlink((server, name), (checked, name))
        self.server = checked
        return checked

    @server.setter
    def server(self, server: Server | None) -> None:
        super(CheckedServerMixin, type(self)).server.fset(self, server)  # type: ignore[misc]

"""What the hub is handed with a server that answers, so that it need not do it once more itself.

When a start is over, the hub writes the server's address and its spawner's state, each in a transaction of its own
for which its loop stands still until the disk has it, and asks the server whether it answers. Where many servers
answer at once, each waits for all before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any

from jupyterhub.objects import Server
from sqlalchemy.orm import object_session

from jhkube.watch._asking import Headers, address_of
from jhkube.watch.readiness import Answer

__all__ = ["RECORDS", "hand_over"]

_SOON = 0.1
"""In how many seconds a record is written at the latest."""


def hand_over(spawner: Any, url: str, answer: Answer) -> None:
    """Give the hub the answer of the server at this URL, so that it does not ask once more."""
    record = _record_of(spawner)
    if record is None or url != answer.url:
        return
    server = AnsweredServer(orm_server=record)
    for name, value in _address(url).items():
        setattr(server, name, value)
    server.headers = answer.headers
    spawner.server = server


class AnsweredServer(Server):
    """A server that has answered a moment ago: the next who waits for it is told so."""

    headers: Headers | None = None

    def wait_up(
        self, timeout: float = 10, http: bool = False, ssl_context: Any = None, extra_path: str = ""
    ) -> Awaitable[Any]:
        """Return the answer, of which the hub reads the headers."""
        headers, self.headers = self.headers, None
        if headers is not None and http:
            return _said(headers)
        waiting: Awaitable[Any] = super().wait_up(timeout, http, ssl_context, extra_path)  # type: ignore[no-untyped-call]
        return waiting


async def _said(headers: Headers) -> SimpleNamespace:
    return SimpleNamespace(headers=headers)


class _Records:
    """The hub's records of servers that start, many of them written in one transaction.

    The hub finds them as it would have them, and has nothing to write.
    """

    def __init__(self) -> None:
        self._unwritten: dict[Any, str] = {}

    def know(self, spawner: Any, url: str) -> None:
        """Have a server's URL and its spawner's state written, with what becomes known of others about now."""
        self._unwritten[spawner] = url
        asyncio.get_running_loop().call_later(_SOON, self.write)

    def forget(self, spawner: Any) -> None:
        """Leave to the hub what is not written."""
        self._unwritten.pop(spawner, None)

    def write(self) -> None:
        """Write what is known.

        In one step, as the hub takes back at the end of a request whatever is not committed. What cannot be written
        now, the hub writes when the start is over.
        """
        unwritten = [(spawner, url) for spawner, url in self._unwritten.items() if _session_of(spawner)]
        self._unwritten = {}
        if not unwritten:
            return
        first = unwritten[0][0]
        # a hub has one
        session = _session_of(first)
        try:
            if [spawner for spawner, url in unwritten if _recorded(spawner, url)]:
                session.commit()
        # whatever it is, it is not the fault of the start that happens to write
        except Exception as error:
            session.rollback()
            first.log.warning("Could not write the addresses of servers that start: %s", error)


RECORDS = _Records()


def _recorded(spawner: Any, url: str) -> bool:
    """Set what JupyterHub's `User.spawn` sets after a start; returns whether it is new."""
    record, address = _record_of(spawner), _address(url)
    if record is None or all(getattr(record, name) == value for name, value in address.items()):
        return False
    for name, value in address.items():
        setattr(record, name, value)
    spawner.orm_spawner.state = spawner.get_state()
    # which it sets at somebody's first start
    if spawner.user.state is None:
        spawner.user.state = {}
    return True


def _session_of(spawner: Any) -> Any:
    """The hub's session; None where the hub has forgotten the spawner."""
    return spawner.orm_spawner and object_session(spawner.orm_spawner)


def _record_of(spawner: Any) -> Any:
    """The hub's record of a spawner's server; None where it was stopped meanwhile."""
    return spawner.orm_spawner and spawner.orm_spawner.server


def _address(url: str) -> dict[str, Any]:
    """A URL as JupyterHub's `Server` has it."""
    host, port, _, is_secure = address_of(url)
    return {"proto": "https" if is_secure else "http", "ip": host, "port": port}

"""Servers of a hub's people, worked on as watches tell of changes of their resources, and looked at now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jhkube.operator.cluster import Cluster
from jhkube.operator.fresh import Fresh
from jhkube.operator.hub import Hub
from jhkube.operator.known import Known
from jhkube.operator.peering import Peering
from jhkube.operator.servers import Servers
from jhkube.operator.worker import Worker
from jhkube.watch.packed import object_key

__all__ = ["HubOptions", "ServerWork"]

WORKERS: Final = 64
"""How many servers are worked on at once: the hub answers a start when the server runs, or after ten seconds."""


@dataclass(frozen=True, slots=True)
class HubOptions:
    """The hub whose servers resources ask for."""

    api_url: str
    """Its API: `http://hub:8081/hub/api`."""

    token_file: Path
    """The file with the token of a service that may start servers."""

    public_url: str = ""
    """Its address as people open it; empty for URLs without a host."""


class ServerWork:
    """Resources put into a queue as they change, and the queue worked on.

    Parameters
    ----------
    cluster
        Requests to the API server.
    peering
        Whether this operator is the one that works.
    options
        The hub.
    """

    def __init__(self, cluster: Cluster, peering: Peering, options: HubOptions) -> None:
        self._cluster = cluster
        self._known = Known()
        self._hub = Hub(options.api_url, options.token_file, peering.before_write)
        self._servers = Servers(cluster, self._known, self._hub, options.public_url.rstrip("/"))
        self._fresh = Fresh(peering, self._read)
        self._worker = Worker("JupyterServer", self._known, peering, self._reconcile, on_pause=self._pause)
        self._pauses = self._pauses_before = 0

    async def run(self) -> None:
        """Work until this is cancelled; nothing is done before a watch tells of something."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._worker.run(WORKERS))
                tasks.create_task(self._fresh.keep(self._worker))
        finally:
            await self._hub.close()

    def saw(self, change: str | None, item: Mapping[str, Any]) -> None:
        """Take a change that a watch told of; without a type it is of a list, which tells of no deletions."""
        self._fresh.told(change)
        if change == "DELETED":
            self._known.drop(item)
            self._worker.count()
            return
        key = object_key(item)
        before = self._known.get(key)
        self._known.put(item)
        # What the operator itself has written is no reason to ask the hub again.
        if before is None or _asked(before) != _asked(item):
            self._worker.add(key)

    def _pause(self) -> None:
        """Look at all resources when this operator works again: no timer of theirs is left."""
        self._pauses += 1
        self._fresh.pause()

    async def _read(self) -> set[str]:
        pauses, known = self._pauses, self._known.values()
        before = {object_key(body): _asked(body) for body in known} if pauses == self._pauses_before else {}
        await self._known.read(self._cluster.listed("JupyterServer"))
        self._pauses_before = pauses
        # All others were told of, and are looked at again in their time.
        return {key for body in self._known.values() if before.get(key := object_key(body)) != _asked(body)}

    async def _reconcile(self, key: str) -> float | None:
        # Of two that ask for one server the earlier counts, which may come later in a list.
        await self._fresh.wait()
        return await self._servers.reconcile(key)


def _asked(body: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(body["metadata"].get(name) for name in ("uid", "generation", "deletionTimestamp"))

"""Servers of a hub's people, worked on as watches tell of changes of their resources, and looked at now and then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jhkube.operator.cluster import Cluster
from jhkube.operator.hub import Hub
from jhkube.operator.known import Known
from jhkube.operator.peering import Peering
from jhkube.operator.servers import Servers
from jhkube.operator.worker import Worker
from jhkube.watch.packed import object_key

__all__ = ["HubOptions", "ServerWork"]

WORKERS: Final = 64
"""How many servers are worked on at once: the hub answers a start when the server runs, or after ten seconds."""


SETTLING: Final = 0.5
"""Seconds for which a list that has begun is waited for."""


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
        self._known = Known()
        self._hub = Hub(options.api_url, options.token_file)
        servers = Servers(cluster, self._known, self._hub, options.public_url.rstrip("/"))
        self._worker = Worker("JupyterServer", self._known, peering, servers.reconcile)

    async def run(self) -> None:
        """Work until this is cancelled."""
        try:
            await self._worker.run(WORKERS)
        finally:
            await self._hub.close()

    def saw(self, change: str | None, item: Mapping[str, Any]) -> None:
        """Take a change that a watch told of; without a type it is of a list."""
        key = object_key(item)
        if change == "DELETED":
            self._known.drop(item)
            self._worker.count()
            return
        before = self._known.get(key)
        self._known.put(item)
        # What the operator itself has written is no reason to ask the hub again.
        if change is None:
            # Of two that ask for one server the earlier counts, which may come later in the list.
            self._worker.add(key, SETTLING)
        elif before is None or _asked(before) != _asked(item):
            self._worker.add(key)


def _asked(body: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(body["metadata"].get(name) for name in ("uid", "generation", "deletionTimestamp"))

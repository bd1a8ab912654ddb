"""Notebooks, worked on as watches tell of changes, once what there is has been read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from jhkube.operator.cluster import Cluster
from jhkube.operator.fresh import Fresh
from jhkube.operator.notebook_spec import NotebookDefaults
from jhkube.operator.notebooks import Notebooks
from jhkube.operator.peering import Peering
from jhkube.operator.seen_notebooks import SeenNotebooks
from jhkube.operator.worker import Worker

__all__ = ["NotebookWork"]

WORKERS: Final = 16
"""How many notebooks are worked on at once."""


class NotebookWork:
    """Changes put into a queue, and the queue worked on, once what there is has been read.

    Parameters
    ----------
    cluster
        Requests to the API server.
    peering
        Whether this operator is the one that works.
    defaults
        What notebooks have that do not say it themselves.
    """

    def __init__(self, cluster: Cluster, peering: Peering, defaults: NotebookDefaults) -> None:
        self._seen = SeenNotebooks(cluster)
        self._notebooks = Notebooks(cluster, self._seen, defaults)
        self._fresh = Fresh(peering, self._read)
        self._worker = Worker(
            "JupyterNotebook",
            self._seen.known["JupyterNotebook"],
            peering,
            self._reconcile,
            on_pause=self._fresh.pause,
            on_old=self._fresh.doubt,
        )

    async def run(self) -> None:
        """Work until this is cancelled; nothing is done before a watch tells of something."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._worker.run(WORKERS))
            tasks.create_task(self._fresh.keep(self._worker))

    def saw(self, kind: str, change: str | None, item: Mapping[str, Any]) -> None:
        """Take a change that a watch told of; without a type it is of a list, which tells of no deletions."""
        self._fresh.told(change)
        for key in self._seen.saw(kind, change, item):
            self._worker.add(key)

    async def _read(self) -> set[str]:
        keys = await self._seen.refresh()
        self._notebooks.doubt()
        return keys

    async def _reconcile(self, key: str) -> float | None:
        await self._fresh.wait()
        return await self._notebooks.reconcile(key)

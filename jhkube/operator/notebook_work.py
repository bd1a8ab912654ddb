"""Notebooks, worked on as watches tell of changes, once what there is has been read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from jhkube.kube import API_ERRORS, error_text
from jhkube.operator.cluster import Cluster
from jhkube.operator.notebook_spec import NotebookDefaults
from jhkube.operator.notebooks import Notebooks
from jhkube.operator.peering import Peering
from jhkube.operator.seen_notebooks import SeenNotebooks
from jhkube.operator.work import Backoff
from jhkube.operator.worker import Worker

__all__ = ["NotebookWork"]

log = logging.getLogger("jhkube.operator")

WORKERS: Final = 16
"""How many notebooks are worked on at once."""

REFRESH: Final = 600.0
"""Seconds after which everything is read and looked at again, whatever watches have told."""

SETTLING: Final = 0.2
"""Seconds for which a list that has begun is waited for."""


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
        self._peering = peering
        self._worker = Worker(
            "JupyterNotebook",
            self._seen.known["JupyterNotebook"],
            peering,
            self._reconcile,
            on_pause=self._pause,
            on_old=self._doubt,
        )
        self._stale = asyncio.Event()
        self._fresh = asyncio.Event()
        self._begun = False

    async def run(self) -> None:
        """Work until this is cancelled; nothing is done before a watch tells of something."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._worker.run(WORKERS))
            tasks.create_task(self._keep_fresh())

    def saw(self, kind: str, change: str | None, item: Mapping[str, Any]) -> None:
        """Take a change that a watch told of; without a type it is of a list, which tells of no deletions."""
        if change is None or not self._begun:
            # The first list may have been empty, and then has told of nothing.
            self._begun = True
            self._doubt()
        for key in self._seen.saw(kind, change, item):
            self._worker.add(key)

    def _doubt(self) -> None:
        self._fresh.clear()
        self._stale.set()

    def _pause(self) -> None:
        """Read everything again when watches tell of something again."""
        self._begun = False
        self._fresh.clear()

    async def _keep_fresh(self) -> None:
        failures = Backoff(free=0, first=1.0, longest=30.0)
        await self._stale.wait()
        while True:
            self._stale.clear()
            await asyncio.sleep(SETTLING)
            try:
                keys = await self._seen.refresh()
            except API_ERRORS as error:
                log.warning("What there is could not be read: %s; trying again", error_text(error))
                self._stale.set()
                await asyncio.sleep(failures.delay())
                continue
            self._notebooks.doubt()
            if not self._stale.is_set():
                self._fresh.set()
                for key in keys:
                    self._worker.add(key)
                self._worker.count()
            await self._until_stale()

    async def _until_stale(self) -> None:
        """Return when everything has to be read again: never while another operator works."""
        while True:
            try:
                await asyncio.wait_for(self._stale.wait(), REFRESH)
                return
            except TimeoutError:
                pass
            try:
                if await self._peering.is_ours():
                    return
            except API_ERRORS as error:
                log.warning("Which operator works could not be read: %s; trying again", error_text(error))
                continue
            self._pause()

    async def _reconcile(self, key: str) -> float | None:
        await self._fresh.wait()
        return await self._notebooks.reconcile(key)

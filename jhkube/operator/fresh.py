"""What is known, read as a whole where watches have gaps: one that begins again tells of no deletions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from jhkube.kube import API_ERRORS, error_text
from jhkube.operator.peering import Peering
from jhkube.operator.work import Backoff
from jhkube.operator.worker import Worker

__all__ = ["Fresh"]

log = logging.getLogger("jhkube.operator")

REFRESH: Final = 600.0
"""Seconds after which everything is read again, whatever watches have told."""

SETTLING: Final = 0.2
"""Seconds for which a list that has begun is waited for."""


class Fresh:
    """Whether what is known is complete, and what makes it so.

    Parameters
    ----------
    peering
        Whether this operator is the one that works.
    read
        Reads what there is; returns the keys of the resources to work on then.
    """

    def __init__(self, peering: Peering, read: Callable[[], Awaitable[Iterable[str]]]) -> None:
        self._peering = peering
        self._read = read
        self._stale = asyncio.Event()
        self._fresh = asyncio.Event()
        self._begun = False

    def told(self, change: str | None) -> None:
        """Note a change that a watch told of: one without a type is of a list, which tells of no deletions."""
        if change is None or not self._begun:
            # The first list may have been empty, and then has told of nothing.
            self._begun = True
            self.doubt()

    def doubt(self) -> None:
        """Have everything read again, and nothing done until it is."""
        self._fresh.clear()
        self._stale.set()

    def pause(self) -> None:
        """Read everything again when watches tell of something again."""
        self._begun = False
        self._fresh.clear()

    async def wait(self) -> None:
        """Return when what is known is complete."""
        await self._fresh.wait()

    async def keep(self, worker: Worker) -> None:
        """Read until this is cancelled, and have a worker look at what was found; never before a watch has told."""
        failures = Backoff(free=0, first=1.0, longest=30.0)
        await self._stale.wait()
        while True:
            self._stale.clear()
            await asyncio.sleep(SETTLING)
            keys = await self._keys()
            if keys is None:
                self._stale.set()
                await asyncio.sleep(failures.delay())
                continue
            for key in keys:
                worker.add(key)
            worker.count()
            if not self._stale.is_set():
                self._fresh.set()
            await self._until_stale()

    async def _keys(self) -> Iterable[str] | None:
        """Return what was read; None where it could not be."""
        try:
            return await self._read()
        except API_ERRORS as error:
            log.warning("What there is could not be read: %s; trying again", error_text(error))
        except Exception:
            # Something before the API server may answer in its place.
            log.exception("What there is could not be read; trying again")
        return None

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
            except Exception:
                log.exception("Which operator works could not be read; trying again")
                continue
            self.pause()

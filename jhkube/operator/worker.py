"""Resources of one kind, worked on as they change: with delays for what fails, counted, and by one operator alone."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from jhkube.kube import API_ERRORS, error_text
from jhkube.metrics import OPERATOR_RESOURCES, OPERATOR_SECONDS, OPERATOR_WORK
from jhkube.operator.conditions import Phase
from jhkube.operator.known import Known
from jhkube.operator.peering import NotOurs, Peering
from jhkube.operator.work import Backoff, TryAgain, WorkQueue

__all__ = ["Worker"]

log = logging.getLogger("jhkube.operator")

LONGEST_DELAY: Final = 300.0
"""Seconds that a resource waits at the most which fails again and again."""


class Worker:
    """Resources of one kind, by "namespace/name".

    Parameters
    ----------
    kind
        The kind, for metrics.
    known
        The resources.
    peering
        Whether this operator is the one that works.
    reconcile
        Does what there is to do for a resource; returns in how many seconds to look again, None for not at all.
    on_pause
        Called where another operator works: what waits is dropped, and comes again when kopf lists what there is.
    on_old
        Called where what is known was found to be too old.
    """

    def __init__(
        self,
        kind: str,
        known: Known,
        peering: Peering,
        reconcile: Callable[[str], Awaitable[float | None]],
        *,
        on_pause: Callable[[], None] = lambda: None,
        on_old: Callable[[], None] = lambda: None,
    ) -> None:
        self._kind, self._known, self._peering, self._reconcile = kind, known, peering, reconcile
        self._on_pause, self._on_old = on_pause, on_old
        self._queue: WorkQueue[str] = WorkQueue()
        self._backoffs: dict[str, Backoff] = {}

    def add(self, key: str, delay: float = 0.0) -> None:
        """Have a resource worked on, after a delay in seconds or earlier."""
        self._queue.add(key, delay)

    async def run(self, workers: int) -> None:
        """Work until this is cancelled, on so many resources at once."""
        await self._queue.run(self._work, workers)

    def count(self) -> None:
        """Write how many resources there are of each phase into the metrics."""
        phases = Counter(str((body.get("status") or {}).get("phase", "")) for body in self._known.values())
        for phase in Phase:
            OPERATOR_RESOURCES.labels(self._kind, phase.value).set(phases[phase.value])

    async def _work(self, key: str) -> None:
        began = time.monotonic()
        try:
            if not await self._peering.is_ours():
                self._on_pause()
                return
            delay = await self._reconcile(key)
        except NotOurs:
            # Another operator took over while this one waited for something.
            self._on_pause()
            return
        except TryAgain:
            self._on_old()
            self._failed(key, "has changed meanwhile")
        except API_ERRORS as error:
            self._failed(key, error_text(error))
        except Exception:
            log.exception("%s could not be worked on", key)
            self._failed(key, "")
        else:
            self._backoffs.pop(key, None)
            OPERATOR_WORK.labels(self._kind, "done").inc()
            if delay is not None:
                self._queue.add(key, delay)
        OPERATOR_SECONDS.labels(self._kind).observe(time.monotonic() - began)
        self.count()

    def _failed(self, key: str, why: str) -> None:
        OPERATOR_WORK.labels(self._kind, "failed").inc()
        delay = self._backoffs.setdefault(key, Backoff(free=0, first=0.5, longest=LONGEST_DELAY)).delay()
        if why:
            log.warning("%s: %s; trying again in %.1f s", key, why, delay)
        self._queue.add(key, delay)

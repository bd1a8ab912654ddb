"""Work by key: one at a time for each key, changes put together, and growing delays for what fails."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

__all__ = ["Backoff", "TryAgain", "WorkQueue"]

Key = TypeVar("Key", bound=Hashable)

FORGET_AFTER: Final = 600.0
"""Seconds of quiet after which earlier failures count no more."""


class TryAgain(Exception):
    """Something was not as it was known to be: what there is has to be read again first."""


@dataclass(slots=True)
class Backoff:
    """Growing delays for what happens again and again: none for the first times, then twice as long each time."""

    free: int
    """How many times go without a delay."""

    first: float
    """The first delay, in seconds."""

    longest: float
    """The longest, in seconds."""

    _count: int = field(default=0, init=False)
    _last: float = field(default=0.0, init=False)

    def delay(self) -> float:
        """Note that it has happened, and return for how many seconds to wait."""
        now = time.monotonic()
        if now - self._last > FORGET_AFTER:
            self._count = 0
        self._last = now
        self._count += 1
        over = self._count - self.free - 1
        return 0.0 if over < 0 else min(self.longest, self.first * 2.0 ** min(over, 30))


class WorkQueue(Generic[Key]):
    """Keys that there is something to do for.

    A key that is added while it waits is there once; one that is added while it is worked on comes again afterwards.
    """

    def __init__(self) -> None:
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, tuple[float, asyncio.TimerHandle]] = {}

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Have a key worked on, after a delay in seconds or earlier."""
        if delay <= 0:
            self._now(key)
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + delay
        if key in self._timers:
            if self._timers[key][0] <= at:
                return
            self._timers[key][1].cancel()
        self._timers[key] = (at, loop.call_at(at, self._due, key))

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self._now(key)

    def _now(self, key: Key) -> None:
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def forget(self, key: Key) -> None:
        """Have no more timer for a key."""
        if timer := self._timers.pop(key, None):
            timer[1].cancel()

    async def run(self, work: Callable[[Key], Awaitable[None]], workers: int) -> None:
        """Work until this is cancelled.

        Parameters
        ----------
        work
            What is done for a key; it raises nothing.
        workers
            How many keys are worked on at once.
        """
        tasks = [asyncio.create_task(self._work(work)) for _ in range(workers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            for _, timer in self._timers.values():
                timer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(tasks)

    async def _work(self, work: Callable[[Key], Awaitable[None]]) -> None:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._working.add(key)
            try:
                await work(key)
            finally:
                self._working.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self._now(key)

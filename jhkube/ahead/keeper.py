"""Who has a pod that waits: at most one for a person and so many for a hub, each for its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jhkube.ahead.manifest import AHEAD_LABEL, WAITING
from jhkube.ahead.pods import NotTaken, WaitingPod, delete_pod
from jhkube.kube import API_ERRORS, error_text
from jhkube.metrics import AHEAD_MADE, AHEAD_NOT_TAKEN, AHEAD_SECONDS, AHEAD_WAITING
from jhkube.watch.failures import pod_failure
from jhkube.watch.patience import Patience
from jhkube.watch.pods import cancel, remove_in_background
from jhkube.watch.probe import set_within

__all__ = ["Keeper"]

_MAKING_PATIENCE = 1.0
"""Seconds that a start waits for the pod that is being made for it; it begins without one after that."""

_UNSEEN = 30.0
"""Seconds after its creation for which the watch may not show a pod."""


_BETWEEN_ROOMS = 1.0
"""Seconds that the scheduler gets to use the room of a pod that was deleted, before another one is."""

_FULL_FOR = 60.0
"""Seconds for which no pod is made in advance after a server has found no room."""


@dataclass(frozen=True, slots=True)
class _Making:
    """A pod that is being made."""

    server: str
    options: Mapping[str, Any]
    task: asyncio.Task[None]


class Keeper:
    """The waiting pods of this process.

    What is kept here is lost with the process, on purpose: the secret of a pod that another process has made is known
    to nobody, so `sweep` removes such pods when the hub begins.
    """

    def __init__(self, log: Any) -> None:
        self.log = log
        self._waiting: dict[str, WaitingPod] = {}
        self._making: dict[str, _Making] = {}
        self._minding: dict[str, asyncio.Task[None]] = {}
        self._full_since = -_FULL_FOR

    def begin(
        self,
        person: str,
        server: str,
        options: Mapping[str, Any],
        *,
        limit: int,
        make: Callable[[], Awaitable[WaitingPod]],
        reflector: Callable[[], Any],
    ) -> None:
        """Have a pod made for a person's server in the background, unless it is there or there are too many.

        Parameters
        ----------
        person
            The user's name.
        server
            The server's name.
        options
            The choice, complete.
        limit
            How many pods may wait.
        make
            Makes the pod.
        reflector
            Returns the watch of the pods, once the pod is made.
        """
        known = self._waiting.get(person) or self._making.get(person)
        if known is not None:
            if known.server == server and known.options == options:
                return
            self._drop(person, "OtherChoice")
        if time.monotonic() - self._full_since < _FULL_FOR:
            AHEAD_NOT_TAKEN.labels("Room").inc()
            return
        if len(self._waiting) + len(self._making) >= limit:
            AHEAD_NOT_TAKEN.labels("Limit").inc()
            return

        async def making() -> None:
            try:
                waiting = await make()
            except NotTaken as error:
                AHEAD_NOT_TAKEN.labels(error.reason).inc()
                self.log.info("No pod is made in advance for %s:%s: %s", person, server, error)
                return
            except API_ERRORS as error:
                AHEAD_NOT_TAKEN.labels("NotMade").inc()
                self.log.warning("No pod is made in advance for %s:%s: %s", person, server, error_text(error))
                return
            finally:
                if (mine := self._making.get(person)) and mine.task is asyncio.current_task():
                    del self._making[person]
            self._keep(person, waiting, reflector())

        task = asyncio.create_task(making(), name=f"waiting pod of {person}")
        self._making[person] = _Making(server, options, task)
        task.add_done_callback(self._log_failure)

    def _keep(self, person: str, waiting: WaitingPod, reflector: Any) -> None:
        AHEAD_MADE.inc()
        self._waiting[person] = waiting
        AHEAD_WAITING.set(len(self._waiting))
        self.log.info("Pod %s waits for the start of %s:%s", waiting.place, person, waiting.server)
        task = asyncio.create_task(self._mind(person, waiting, reflector), name=f"minding of {waiting.place}")
        self._minding[person] = task
        task.add_done_callback(self._log_failure)

    def _log_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self.log.error("The %s failed", task.get_name(), exc_info=error)

    async def _mind(self, person: str, waiting: WaitingPod, reflector: Any) -> None:
        """Remove a pod when its time is over, when it has ended, or when it cannot start."""
        until = waiting.made_at + waiting.seconds
        wake = asyncio.Event()
        reason = "Timeout"
        with reflector.subscribe(waiting.place, wake):
            while (left := until - time.monotonic()) > 0:
                wake.clear()
                if found := _trouble(reflector.pods.get(waiting.place), waiting):
                    reason = found
                    break
                await set_within(wake, left)
        if self._waiting.get(person) is waiting:
            del self._minding[person]
            self._forget(person)
            await self.give_up(waiting, reason)

    async def taken(self, person: str) -> WaitingPod | None:
        """Return the pod of a person, which from now on is the caller's; one that is being made is waited for."""
        if making := self._making.get(person):
            await asyncio.wait({making.task}, timeout=_MAKING_PATIENCE)
            await cancel(making.task)
            self._making.pop(person, None)
        return self._forget(person)

    def _forget(self, person: str) -> WaitingPod | None:
        waiting = self._waiting.pop(person, None)
        AHEAD_WAITING.set(len(self._waiting))
        if minding := self._minding.pop(person, None):
            minding.cancel()
        return waiting

    def _drop(self, person: str, reason: str) -> None:
        """Remove the pod of a person in the background."""
        if making := self._making.pop(person, None):
            making.task.cancel()
        if waiting := self._forget(person):
            self._count(waiting, reason)
            remove_in_background(waiting.api, waiting.place, waiting.uid, self.log)

    async def give_up(self, waiting: WaitingPod, reason: str) -> None:
        """Delete a pod that does not become a server, and return when it is gone."""
        self._count(waiting, reason)
        await delete_pod(waiting, self.log)

    def _count(self, waiting: WaitingPod, reason: str) -> None:
        AHEAD_NOT_TAKEN.labels(reason).inc()
        AHEAD_SECONDS.labels("not taken").observe(time.monotonic() - waiting.made_at)
        self.log.info("Pod %s does not become a server: %s", waiting.place, reason)

    def make_room(self) -> None:
        """Remove the pod that has waited longest: a server finds no node with room."""
        now = time.monotonic()
        if now - self._full_since < _BETWEEN_ROOMS:
            return
        self._full_since = now
        oldest = min(self._waiting, key=lambda person: self._waiting[person].made_at, default=None)
        if oldest is not None:
            self._drop(oldest, "Room")

    def sweep(self, api: Any, reflector: Any) -> None:
        """Remove what waits in the cluster and is not known here: an earlier process of this hub has made it."""
        known = {waiting.uid for waiting in self._waiting.values()}
        for key in list(reflector.pods):
            # Read only those whose name says that they may wait; there can be thousands of others.
            if "--" not in key.rpartition("/")[2]:
                continue
            with suppress(KeyError):
                metadata = reflector.pods[key]["metadata"]
                if (metadata.get("labels") or {}).get(AHEAD_LABEL) == WAITING and metadata["uid"] not in known:
                    self.log.info("Removing pod %s, which waits for a start that this hub does not know", key)
                    remove_in_background(api, key, metadata["uid"], self.log)


def _trouble(pod: Mapping[str, Any] | None, waiting: WaitingPod) -> str:
    """Return why a pod cannot wait any longer, in one word for metrics; empty where it can."""
    if pod is None:
        return "Gone" if time.monotonic() - waiting.made_at > _UNSEEN else ""
    if pod["metadata"]["uid"] != waiting.uid or "deletionTimestamp" in pod["metadata"]:
        return "Gone"
    if pod["status"].get("phase") in ("Succeeded", "Failed"):
        return "Ended"
    # What may pass has its time; a start that comes meanwhile looks for itself.
    finding = pod_failure(pod, (), Patience())
    return "Failed" if finding is not None and not finding.patience else ""

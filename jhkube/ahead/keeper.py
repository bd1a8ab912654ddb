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
from jhkube.metrics import AHEAD_CORE_SECONDS, AHEAD_MADE, AHEAD_NOT_TAKEN, AHEAD_SECONDS, AHEAD_WAITING
from jhkube.pod.build import HUB_ANNOTATION
from jhkube.watch.failures import pod_failure
from jhkube.watch.patience import Patience
from jhkube.watch.pods import cancel, remove_in_background
from jhkube.watch.probe import set_within

__all__ = ["AheadView", "Keeper"]

_MAKING_PATIENCE = 15.0
"""Seconds that a start waits for the pod that is being made for it; it begins without one after that.

An ordinary start would ask the same of the same API server, and wait as long.
"""

_UNSEEN = 30.0
"""Seconds after its creation for which the watch may not show a pod."""

_BETWEEN_PODS = 3.0
"""Seconds from the making of a person's pod until the next one is made: people try out what the form has."""

_BETWEEN_LOOKS = 5.0
"""Seconds after which it is asked again whether a pod is still wanted."""

_BETWEEN_ROOMS = 1.0
"""Seconds that the scheduler gets to use the room of a pod that was deleted, before another one is."""

_FULL_FOR = 60.0
"""Seconds for which no pod is made in advance after a server has found no room."""

_FORBIDDEN_FOR = 600.0
"""Seconds for which no pod is made in advance after the hub's account was not allowed to take one."""


@dataclass(frozen=True, slots=True)
class AheadView:
    """What the form says of the pod of its choice."""

    state: str
    """`none`, `waiting` or `failed`."""

    message: str = ""
    """What a start would wait for, or why it would fail: a sentence, or nothing."""


@dataclass(slots=True)
class _Making:
    """A pod that is being made."""

    server: str
    options: Mapping[str, Any]
    task: asyncio.Task[None]
    is_begun: bool = False
    """Whether the API server may have been asked; before that it only waits for the person to choose."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """A pod that could not wait, of a choice that could not be started."""

    server: str
    options: Mapping[str, Any]
    message: str


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
        self._failed: dict[str, _Failed] = {}
        self._begun_at: dict[str, float] = {}
        self._full_since = -_FULL_FOR
        self._forbidden_since = -_FORBIDDEN_FOR

    def begin(
        self,
        person: str,
        server: str,
        options: Mapping[str, Any],
        *,
        limit: int,
        make: Callable[[], Awaitable[WaitingPod]],
        reflector: Callable[[], Any],
        is_wanted: Callable[[], Awaitable[bool]],
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
        is_wanted
            Whether the person could still start that choice; asked every few seconds.
        """
        known = self._waiting.get(person) or self._making.get(person)
        if known is not None:
            if known.server == server and known.options == options:
                return
            self.drop(person, "OtherChoice")
        self._failed.pop(person, None)
        now = time.monotonic()
        if now - self._forbidden_since < _FORBIDDEN_FOR:
            AHEAD_NOT_TAKEN.labels("Forbidden").inc()
            return
        if now - self._full_since < _FULL_FOR:
            AHEAD_NOT_TAKEN.labels("Room").inc()
            return
        if len(self._waiting) + len(self._making) >= limit:
            AHEAD_NOT_TAKEN.labels("Limit").inc()
            return

        async def making() -> None:
            mine = self._making[person]
            try:
                # Who changes the choice again meanwhile has made no pod for nothing.
                await asyncio.sleep(self._begun_at.get(person, -_BETWEEN_PODS) + _BETWEEN_PODS - time.monotonic())
                self._begun_at[person], mine.is_begun = time.monotonic(), True
                waiting = await make()
            except NotTaken as error:
                AHEAD_NOT_TAKEN.labels(error.reason).inc()
                if error.sentence:
                    self._failed[person] = _Failed(server, options, error.sentence)
                self.log.info("No pod is made in advance for %s:%s: %s", person, server, error)
                return
            except API_ERRORS as error:
                AHEAD_NOT_TAKEN.labels("NotMade").inc()
                self.log.warning("No pod is made in advance for %s:%s: %s", person, server, error_text(error))
                return
            finally:
                is_mine = self._making.get(person) is mine
                if is_mine:
                    del self._making[person]
            if is_mine:
                self._keep(person, waiting, reflector(), is_wanted)
            else:
                # Who drops it in the very tick in which it is made cancels nothing any more.
                remove_in_background(waiting.api, waiting.place, waiting.uid, self.log)

        task = asyncio.create_task(making(), name=f"waiting pod of {person}")
        self._making[person] = _Making(server, options, task)
        task.add_done_callback(self._log_failure)

    def _keep(
        self, person: str, waiting: WaitingPod, reflector: Any, is_wanted: Callable[[], Awaitable[bool]]
    ) -> None:
        AHEAD_MADE.inc()
        self._waiting[person] = waiting
        AHEAD_WAITING.set(len(self._waiting))
        self.log.info("Pod %s waits for the start of %s:%s", waiting.place, person, waiting.server)
        task = asyncio.create_task(
            self._mind(person, waiting, reflector, is_wanted), name=f"minding of {waiting.place}"
        )
        self._minding[person] = task
        task.add_done_callback(self._log_failure)

    def _log_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self.log.error("The %s failed", task.get_name(), exc_info=error)

    async def _mind(
        self, person: str, waiting: WaitingPod, reflector: Any, is_wanted: Callable[[], Awaitable[bool]]
    ) -> None:
        """Remove a pod when its time is over, when it has ended or cannot start, or when nobody may start it."""
        until = waiting.made_at + waiting.seconds
        wake = asyncio.Event()
        reason = "Timeout"
        with reflector.subscribe(waiting.place, wake):
            while (left := until - time.monotonic()) > 0:
                wake.clear()
                found, message = _trouble(reflector.pods.get(waiting.place), waiting)
                if message:
                    self._failed[person] = _Failed(waiting.server, waiting.options, message)
                if found or not await self._is_wanted(waiting, is_wanted):
                    reason = found or "NotAllowed"
                    break
                await set_within(wake, min(left, _BETWEEN_LOOKS))
        if self._waiting.get(person) is waiting:
            del self._minding[person]
            self._forget(person)
            await self.give_up(waiting, reason)

    async def _is_wanted(self, waiting: WaitingPod, is_wanted: Callable[[], Awaitable[bool]]) -> bool:
        """Say whether the person could still start it; an error says nothing about that, and the time ends anyway."""
        try:
            return await is_wanted()
        except Exception:
            self.log.warning("Whether pod %s is still wanted cannot be said", waiting.place, exc_info=True)
            return True

    def view(self, person: str, server: str, pods: Mapping[str, Any]) -> AheadView:
        """Return what the form of a person's server says.

        Parameters
        ----------
        person
            The user's name.
        server
            The server's name.
        pods
            The pods of the watch.
        """
        waiting = self._waiting.get(person)
        if waiting is not None and waiting.server == server:
            pod = pods.get(waiting.place)
            finding = pod_failure(pod, (), Patience()) if pod is not None else None
            return AheadView("waiting", finding.meanwhile if finding is not None else "")
        failed = self._failed.get(person)
        if failed is not None and failed.server == server:
            return AheadView("failed", failed.message)
        making = self._making.get(person)
        return AheadView("waiting" if making is not None and making.server == server else "none")

    async def taken(self, person: str, server: str, options: Mapping[str, Any]) -> WaitingPod | None:
        """Return the pod of a person, which from now on is the caller's.

        One that is being made is waited for, if it is for this server and choice.
        """
        self._failed.pop(person, None)
        self._begun_at.pop(person, None)
        if making := self._making.get(person):
            if making.is_begun and making.server == server and making.options == options:
                await asyncio.wait({making.task}, timeout=_MAKING_PATIENCE)
            if not making.task.done():
                await cancel(making.task)
            # Another may have begun meanwhile.
            if self._making.get(person) is making:
                del self._making[person]
        return self._forget(person)

    def _forget(self, person: str) -> WaitingPod | None:
        waiting = self._waiting.pop(person, None)
        AHEAD_WAITING.set(len(self._waiting))
        if minding := self._minding.pop(person, None):
            minding.cancel()
        return waiting

    def drop(self, person: str, reason: str) -> None:
        """Remove the pod of a person in the background; `reason` is one word for metrics."""
        self._failed.pop(person, None)
        if making := self._making.pop(person, None):
            making.task.cancel()
            if making.is_begun:
                AHEAD_NOT_TAKEN.labels(reason).inc()
                self.log.info("The pod that is being made for %s does not become a server: %s", person, reason)
        if waiting := self._forget(person):
            self._count(waiting, reason)
            remove_in_background(waiting.api, waiting.place, waiting.uid, self.log)

    async def give_up(self, waiting: WaitingPod, reason: str) -> None:
        """Delete a pod that does not become a server, and return when it is gone."""
        self._count(waiting, reason)
        await delete_pod(waiting, self.log)

    def _count(self, waiting: WaitingPod, reason: str) -> None:
        AHEAD_NOT_TAKEN.labels(reason).inc()
        age = time.monotonic() - waiting.made_at
        AHEAD_SECONDS.labels("not taken").observe(age)
        AHEAD_CORE_SECONDS.inc(age * waiting.cores)
        self.log.info("Pod %s does not become a server: %s", waiting.place, reason)

    def note_forbidden(self) -> None:
        """Make no pods for a while: the hub's account may not take them, so each would be made for nothing."""
        self._forbidden_since = time.monotonic()
        self.log.error(
            "The hub's account may not patch pods, so no server can take the pod that waits for it: no pods are made"
            " in advance for ten minutes. Allow it, or set c.JHKubeSpawner.start_ahead to off; `jhkube check` shows"
            " what the account may do"
        )

    def make_room(self) -> None:
        """Remove the pod that has waited longest: a server finds no node with room."""
        now = time.monotonic()
        if now - self._full_since < _BETWEEN_ROOMS:
            return
        self._full_since = now
        oldest = min(self._waiting, key=lambda person: self._waiting[person].made_at, default=None)
        if oldest is not None:
            self.drop(oldest, "Room")

    def sweep(self, api: Any, reflector: Any, hub: str) -> None:
        """Remove what waits in the cluster and is not known here: an earlier process of this hub has made it.

        Parameters
        ----------
        api
            Kubernetes' API.
        reflector
            The hub's copy of the pods.
        hub
            The hub's name, if it is one of several: pods of the others stay.
        """
        known = {waiting.uid for waiting in self._waiting.values()}
        for key in list(reflector.pods):
            # Read only those whose name says that they may wait; there can be thousands of others.
            if "--" not in key.rpartition("/")[2]:
                continue
            with suppress(KeyError):
                metadata = reflector.pods[key]["metadata"]
                if (metadata.get("annotations") or {}).get(HUB_ANNOTATION, "") != hub:
                    continue
                if (metadata.get("labels") or {}).get(AHEAD_LABEL) == WAITING and metadata["uid"] not in known:
                    self.log.info("Removing pod %s, which waits for a start that this hub does not know", key)
                    remove_in_background(api, key, metadata["uid"], self.log)


def _trouble(pod: Mapping[str, Any] | None, waiting: WaitingPod) -> tuple[str, str]:
    """Return why a pod cannot wait any longer, in one word for metrics, and what a start would say to the person."""
    if pod is None:
        return "Gone" if time.monotonic() - waiting.made_at > _UNSEEN else "", ""
    if pod["metadata"]["uid"] != waiting.uid or "deletionTimestamp" in pod["metadata"]:
        return "Gone", ""
    if pod["status"].get("phase") in ("Succeeded", "Failed"):
        return "Ended", ""
    # What may pass has its time; a start that comes meanwhile looks for itself.
    finding = pod_failure(pod, (), Patience())
    if finding is None or finding.patience:
        return "", ""
    return "Failed", finding.message

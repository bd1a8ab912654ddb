"""Readiness: the moment at which a pod's server answers."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jhkube.watch._asking import answer_of
from jhkube.watch._containers import MAIN_CONTAINER, MAIN_FIELD

__all__ = ["Cadence", "Stage", "answering", "stage_of"]


@dataclass(frozen=True)
class Cadence:
    """How often a pod is asked whether it answers, in seconds."""

    eager: float = 0.05
    """When the server can be about to listen."""
    fading: float = 0.005
    """The wait as a part of the time the eager time has lasted, at the most: 0.1 s between tries after 20 s."""
    slowest: float = 0.4
    """The longest wait between two tries of an eager time."""
    idle: float | None = 2.0
    """While the pod has an address and something else must come first, in case the kubelet's report of the
    end of that is late; None for never."""

    def pause(self, lasted: float) -> float:
        """The wait between two tries when the eager time has lasted so many seconds: `eager`, doubled some times."""
        wanted = min(lasted * self.fading, self.slowest)
        return self.eager * 2.0 ** int(math.log2(max(wanted / self.eager, 1.0)))

    def until_next(self, now: float, since: float) -> float:
        """The wait until the next try, when the eager time began at `since`, in seconds of the same clock.

        All that wait at a time try at the same moments. A try of sixteen in one turn of the hub's loop takes half of
        what each takes in a turn of its own (74 and 144 us of the processor).
        """
        pause = self.pause(now - since)
        return pause - now % pause


class Stage:
    """How near a pod's server is to listening."""

    NO_ADDRESS = "no address"
    """There is nothing to connect to."""
    PREPARING = "preparing"
    """The pod has an address, and an init container or a pull must end first."""
    STARTING = "starting"
    """The server's container runs, or can be about to."""


def stage_of(pod: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]] = ()) -> str:
    """The `Stage` of a pod; pure.

    The kubelet reports a container as running up to a second after it began, so a server counts as starting
    from the moment nothing is left that must come before it.
    """
    if pod is None or "deletionTimestamp" in pod["metadata"]:
        return Stage.NO_ADDRESS
    status = pod["status"]
    if not status.get("podIP") or status.get("phase") in ("Failed", "Succeeded"):
        return Stage.NO_ADDRESS
    main = _main_container(status)
    if "running" in main:
        return Stage.STARTING
    if (main.get("waiting") or {}).get("reason", "ContainerCreating") not in ("ContainerCreating", "PodInitializing"):
        return Stage.PREPARING
    if _is_made(events):
        return Stage.STARTING
    for init in status.get("initContainerStatuses") or ():
        state = init.get("state") or {}
        # a sidecar among the init containers runs on, and has "started" when the next may begin
        sidecar = "running" in state and init.get("started") and init.get("ready")
        if (state.get("terminated") or {}).get("exitCode") != 0 and not sidecar:
            return Stage.PREPARING
    return Stage.PREPARING if _is_pulling(events) else Stage.STARTING


def _main_container(status: Mapping[str, Any]) -> Mapping[str, Any]:
    statuses = status.get("containerStatuses") or ()
    for container in statuses:
        if container["name"] == MAIN_CONTAINER:
            return container.get("state") or {}
    return (statuses[0].get("state") or {}) if statuses else {}


def _is_made(events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an event says that the main container was made, which its status may tell a second later."""
    return any(
        event.get("reason") in ("Created", "Started") and event["involvedObject"].get("fieldPath") == MAIN_FIELD
        for event in events
    )


def _is_pulling(events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the newest event on an image says that it is being pulled."""
    for event in reversed(events):
        if event.get("reason") in ("Pulled", "Created", "Started"):
            return False
        if event.get("reason") == "Pulling":
            return True
    return False


async def answering(
    stage: Callable[[], str],
    url: Callable[[], str],
    changed: asyncio.Event,
    *,
    path: str,
    ssl_context: ssl.SSLContext | None = None,
    cadence: Cadence = Cadence(),
) -> None:
    """Return as soon as a server answers.

    Parameters
    ----------
    stage
        How near the server is to listening; called at the beginning and after each change. What it raises ends
        the wait.
    url
        The server's URL, as `http://10.1.2.3:8888`; called only when the pod has an address.
    changed
        Set by whoever watches the pod. Cleared here.
    path
        What to ask for: `/user/alice/api`.
    ssl_context
        The hub's own context where `internal_ssl` is on.
    """
    eager_since = 0.0
    now, address = Stage.NO_ADDRESS, ""
    changed.set()
    while True:
        if changed.is_set():
            changed.clear()
            before, now = now, stage()
            if now == Stage.STARTING != before:
                eager_since = time.monotonic()
            # Not at each try: there can be a hundred.
            address = url() if now != Stage.NO_ADDRESS else ""
        if now == Stage.NO_ADDRESS:
            await changed.wait()
            continue
        is_eager = now == Stage.STARTING
        if (is_eager or cadence.idle is not None) and await answer_of(address, path, ssl_context) is not None:
            return
        if is_eager:
            await asyncio.sleep(cadence.until_next(time.monotonic(), eager_since))
        else:
            await _set_within(changed, cadence.idle)


async def _set_within(event: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass

"""The end of a server: it is over when the pod is gone, also where the pod's node is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from jhkube.watch._pod_requests import remove_in_background
from jhkube.watch._tasks import cancel
from jhkube.watch.reflectors import PodReflector

__all__ = ["forced_removal", "is_unended", "node_deadline", "stopped"]


async def stopped(
    reflector: PodReflector,
    key: str,
    stopping: asyncio.Task[Any],
    *,
    deadline: float,
    force: Callable[[str], None],
) -> None:
    """Return when KubeSpawner's own stop has ended, or as soon as the watch says that its pod is gone.

    KubeSpawner looks in growing intervals of up to five seconds, and deletes once: a pod on a node that is lost stays
    until somebody deletes it with no grace period, since nobody is there to end it.

    Parameters
    ----------
    reflector
        The watch of the pods.
    key
        The pod, as the reflector knows it: "namespace/name". One that it does not know yet is left to KubeSpawner.
    stopping
        KubeSpawner's stop, which deletes the pod and then waits; it is cancelled where it waits for nothing any more.
    deadline
        After how many seconds a node should have ended the pod.
    force
        Called once with the pod's uid, when the deadline has passed and the node has not ended the pod.
    """
    wake = asyncio.Event()
    known = key in reflector.pods
    until: float | None = time.monotonic() + deadline
    try:
        with reflector.told_of(key, wake):
            while not stopping.done() and not (known and key not in reflector.pods):
                wake.clear()
                told = asyncio.ensure_future(wake.wait())
                left = None if until is None else max(until - time.monotonic(), 0.0)
                await asyncio.wait({stopping, told}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                told.cancel()
                if until is not None and time.monotonic() >= until:
                    until = None
                    pod = reflector.pods.get(key)
                    if pod is not None and is_unended(pod):
                        force(pod["metadata"]["uid"])
        if stopping.done():
            await stopping
    finally:
        await cancel(stopping)


def is_unended(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is to end, and its node has not said of all its containers that they have; pure.

    A node that works says so before it takes the pod's volumes away, which may take longer, and is waited for.
    """
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return "deletionTimestamp" in pod["metadata"] and not (
        statuses and all("terminated" in (status.get("state") or {}) for status in statuses)
    )


def node_deadline(grace: float, patience: float, start_timeout: float) -> float:
    """After how many seconds of a stop its node counts as lost; pure.

    Never before the pod's grace period is over, and soon enough that KubeSpawner, which waits for the end of a pod as
    long as for its start, still sees the pod go.
    """
    return grace + min(patience, 0.8 * max(start_timeout - grace, 0.0))


def forced_removal(api: Any, key: str, log: Any, deadline: float) -> Callable[[str], None]:
    """Return what deletes a pod "namespace/name" of a lost node for good, and says so in the log."""

    def force(uid: str) -> None:
        log.warning(
            "The node of pod %s has not ended it within %.0f s: the node is lost. Deleting the pod with no grace "
            "period; if the node comes back, its kubelet ends what still runs there",
            key,
            deadline,
        )
        remove_in_background(api, key, uid, log)

    return force

"""A pod that is made, and a pod that is gone: also where its node is lost."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from kubernetes_asyncio.client import V1DeleteOptions, V1Pod, V1Preconditions
from kubernetes_asyncio.client.exceptions import ApiException

from jhkube.kube import plain_answer
from jhkube.watch.reflectors import PodReflector

__all__ = [
    "cancel",
    "created_pod",
    "created_uid",
    "forced_removal",
    "is_unended",
    "node_deadline",
    "remove_in_background",
    "wait_until_gone",
]


async def created_pod(api: Any, namespace: str, pod: V1Pod) -> str:
    """Create a pod; returns its uid."""
    answer = await plain_answer(api.create_namespaced_pod, namespace, pod, _request_timeout=120)
    return str(json.loads(answer)["metadata"]["uid"])


async def created_uid(named: asyncio.Future[None], making: asyncio.Task[str], timeout: float) -> str:
    """Return the uid of a pod that is being made.

    Parameters
    ----------
    named
        Done when the API server has said the pod's uid.
    making
        Done when what belongs to the pod is there, too. It goes on where this ends without an answer.
    timeout
        How long to wait for the one and then for the other, in seconds.

    Raises
    ------
    TimeoutError
        When one of them takes longer; and whatever the task raises.
    """
    for answered in (named, making):
        await asyncio.wait({answered}, timeout=timeout)
        if not answered.done():
            raise TimeoutError(f"no answer within {timeout} s")
    return making.result()


def remove_in_background(api: Any, key: str, uid: str, log: Any) -> None:
    """Delete the pod "namespace/name" of this uid with no grace period, however often that has to be tried."""
    task = asyncio.create_task(_removed(api, key, uid, log))
    _removals.add(task)
    task.add_done_callback(_removals.discard)


_removals: set[asyncio.Task[None]] = set()
"""Kept so that none is collected before it is done."""


async def _removed(api: Any, key: str, uid: str, log: Any) -> None:
    namespace, _, name = key.partition("/")
    options = V1DeleteOptions(grace_period_seconds=0, preconditions=V1Preconditions(uid=uid))
    for attempt in range(8):
        try:
            await api.delete_namespaced_pod(name=name, namespace=namespace, body=options, _request_timeout=10)
        except ApiException as error:
            # 404: gone; 409: another pod has the name
            if error.status in (404, 409):
                return
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        else:
            log.info("Removed pod %s (uid %s) with no grace period", key, uid)
            return
        await asyncio.sleep(2**attempt / 4)
    log.error("Could not remove pod %s (uid %s)", key, uid)


async def wait_until_gone(
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
        with reflector.subscribe(key, wake):
            while not stopping.done() and not (known and key not in reflector.pods):
                wake.clear()
                changed = asyncio.ensure_future(wake.wait())
                left = None if until is None else max(until - time.monotonic(), 0.0)
                await asyncio.wait({stopping, changed}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
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
    """Whether a pod is to end, and its node has not said of all its containers that they have.

    A node that works says so before it takes the pod's volumes away, which may take longer, and is waited for.
    """
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return "deletionTimestamp" in pod["metadata"] and not (
        statuses and all("terminated" in (status.get("state") or {}) for status in statuses)
    )


def node_deadline(grace: float, patience: float, start_timeout: float) -> float:
    """After how many seconds of a stop its node counts as lost.

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


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and return when they have ended; what they raised is dropped."""
    for task in tasks:
        task.cancel()
    # each turn of a busy loop takes long
    if running := [task for task in tasks if not task.done()]:
        await asyncio.wait(running)
    for task in tasks:
        # so that nothing is logged as never retrieved
        if not task.cancelled():
            task.exception()

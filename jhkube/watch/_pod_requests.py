"""The requests of a start: make the pod, and remove this very one if nobody waits for it any more."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
from kubernetes_asyncio.client import V1DeleteOptions, V1Pod, V1Preconditions
from kubernetes_asyncio.client.exceptions import ApiException

from jhkube.kube import plain_answer

__all__ = ["created_pod", "heard", "remove_in_background"]


async def created_pod(api: Any, namespace: str, pod: V1Pod) -> str:
    """Create a pod; returns its uid."""
    answer = await plain_answer(api.create_namespaced_pod, namespace, pod, _request_timeout=120)
    return str(json.loads(answer)["metadata"]["uid"])


async def heard(named: asyncio.Future[None], making: asyncio.Task[str], timeout: float) -> str:
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

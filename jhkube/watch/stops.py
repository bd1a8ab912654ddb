"""A stop, watched: it ends when the pod is gone."""

from __future__ import annotations

import asyncio
from typing import Any

from jhkube.watch._tasks import cancel
from jhkube.watch.reflectors import PodReflector

__all__ = ["stopped"]


async def stopped(reflector: PodReflector, key: str, stopping: asyncio.Task[Any]) -> None:
    """Return when KubeSpawner's own stop has ended, or as soon as the watch says that its pod is gone.

    KubeSpawner looks in growing intervals of up to five seconds.

    Parameters
    ----------
    reflector
        The watch of the pods.
    key
        The pod, as the reflector knows it: "namespace/name". One that it does not know yet is left to KubeSpawner.
    stopping
        KubeSpawner's stop, which deletes the pod and then waits; it is cancelled where it waits for nothing any more.
    """
    wake = asyncio.Event()
    known = key in reflector.pods
    try:
        with reflector.told_of(key, wake):
            while not stopping.done() and not (known and key not in reflector.pods):
                wake.clear()
                told = asyncio.ensure_future(wake.wait())
                await asyncio.wait({stopping, told}, return_when=asyncio.FIRST_COMPLETED)
                told.cancel()
        if stopping.done():
            await stopping
    finally:
        await cancel(stopping)

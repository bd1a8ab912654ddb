"""The creation of a pod with what belongs to it, at the real API server: cut short anywhere, it leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiException, V1Pod

from jhkube.watch import start as starts
from jhkube.watch.failure import StartFailed
from jhkube.watch.patience import Patience
from jhkube.watch.pods import created_pod
from jhkube.watch.reflectors import PodReflector
from jhkube.watch.start import Start
from tests.conftest import Cluster

POD = "creation"
NOWHERE = {
    "nodeSelector": {"jhkube.test/nowhere": "true"},
    "containers": [{"name": "notebook", "image": "tiny", "resources": {"requests": {"cpu": "1m"}}}],
}
"""It stays where it is: what is looked at is who made it and whether it goes."""


@pytest.fixture
async def spawner(cluster: Cluster) -> AsyncIterator[Any]:
    """As much of a spawner as a creation asks for."""

    async def stop(now: bool) -> None:
        with contextlib.suppress(ApiException):
            await cluster.core.delete_namespaced_pod(POD, cluster.namespace, grace_period_seconds=0)

    async def keep_log() -> None:
        """Keep nothing: no container of these pods ever runs."""

    pods = PodReflector(namespace=cluster.namespace)
    pods.api = cluster.core
    await pods.start()
    yield SimpleNamespace(
        api=cluster.core,
        pod_reflector=pods,
        event_reflector=None,
        server=SimpleNamespace(base_url="/user/ada/"),
        internal_ssl=False,
        namespace=cluster.namespace,
        pod_name=POD,
        name="",
        user=SimpleNamespace(name="ada"),
        log=logging.getLogger(__name__),
        stop=stop,
        keep_log=keep_log,
        note_finding=lambda finding: None,
    )
    await stop(True)
    await pods.stop()


def manifest() -> V1Pod:
    return V1Pod(metadata={"name": POD}, spec=NOWHERE)


async def pods(cluster: Cluster) -> list[str]:
    """The uids of the pods of this name."""
    found = await cluster.core.list_namespaced_pod(cluster.namespace, field_selector=f"metadata.name={POD}")
    return [pod.metadata.uid for pod in found.items]


async def test_what_belongs_to_a_pod_is_asked_for_again_without_a_second_pod(cluster: Cluster, spawner: Any) -> None:
    asked: list[str] = []

    async def hangs(uid: str) -> None:
        asked.append(uid)
        await asyncio.Event().wait()

    async def works(uid: str) -> None:
        asked.append(uid)

    start = Start(spawner, Patience())
    with pytest.raises(TimeoutError, match="no answer within 10 s"):
        await start.create(manifest(), 10, hangs)
    assert start.finding is not None
    uid = await start.create(manifest(), 60, works)
    assert asked == [uid, uid]
    assert await pods(cluster) == [uid]


async def test_an_api_server_that_is_busy_with_what_belongs_to_a_pod_is_asked_again(
    cluster: Cluster, spawner: Any
) -> None:
    async def is_busy(uid: str) -> None:
        raise ApiException(status=503)

    start = Start(spawner, Patience())
    with pytest.raises(TimeoutError):
        await start.create(manifest(), 60, is_busy)
    assert [start.uid] == await pods(cluster)


async def test_what_the_api_server_refuses_beside_a_pod_ends_the_start_and_the_pod(
    cluster: Cluster, spawner: Any
) -> None:
    async def refused(uid: str) -> None:
        await cluster.core.create_namespaced_secret(cluster.namespace, {"metadata": {"name": "Not a name"}})

    async def upstream(start: Start) -> str:
        return await start.create(manifest(), 60, refused)

    start = Start(spawner, Patience())
    with pytest.raises(StartFailed, match="Not a name"):
        await start.run(upstream(start))
    assert start.uid
    assert await pods(cluster) == []


async def test_a_pod_whose_making_is_told_in_the_turn_of_the_cancellation_is_removed(
    cluster: Cluster, spawner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    async def told_too_late(*args: Any) -> str:
        made.append(await created_pod(*args))
        starting.cancel()
        # The start hears of it first, the creation after it.
        await asyncio.sleep(0)
        return made[0]

    async def upstream(start: Start) -> str:
        return await start.create(manifest(), 60)

    monkeypatch.setattr(starts, "created_pod", told_too_late)
    start = Start(spawner, Patience())
    starting = asyncio.create_task(start.run(upstream(start)))
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert made
    async with asyncio.timeout(180):
        while await pods(cluster):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("is_refused", [False, True], ids=["made", "refused"])
async def test_a_start_that_is_cancelled_at_any_moment_of_the_creation_leaves_nothing(
    cluster: Cluster, spawner: Any, is_refused: bool
) -> None:
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    async def beside(uid: str) -> None:
        if is_refused:
            raise ApiException(status=403)
        await asyncio.sleep(0)

    async def upstream(start: Start) -> str:
        await start.create(manifest(), 60, beside)
        await asyncio.Event().wait()
        return ""

    try:
        for step in range(25):
            start = Start(spawner, Patience())
            starting = asyncio.create_task(start.run(upstream(start)))
            # A creation takes some 10 ms, so that its every step meets a cancellation.
            await asyncio.sleep(step * 0.001)
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, StartFailed):
                await starting
            async with asyncio.timeout(180):
                while await pods(cluster):
                    await asyncio.sleep(0.02)
        # One that is made after it was cancelled has had its time now.
        await asyncio.sleep(1)
        assert await pods(cluster) == []
        gc.collect()
        assert complaints == []
    finally:
        loop.set_exception_handler(before)

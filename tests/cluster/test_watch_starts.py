"""Starts that are stopped, timed out, cut off and overtaken: the next one works, and nothing is orphaned."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import aiohttp
import pytest
from kubernetes_asyncio import client

from tests.cluster.watch_hub import WatchHub, Wire, api_server, gone, pods_of
from tests.conftest import Cluster
from tests.waiting import until

SLOW = {"environment": {"TINY_DELAY": "600"}}


@pytest.fixture(scope="module")
async def wire() -> AsyncIterator[Wire]:
    """What the hub reaches the API server by."""
    async with Wire(api_server(client.Configuration.get_default_copy().host)) as wire:
        yield wire


@pytest.fixture(scope="module")
async def hub(cluster: Cluster, wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WatchHub]:
    hub = WatchHub(
        tmp_path_factory.mktemp("starts"),
        cluster.namespace,
        cluster.host,
        f"{cluster.registry}/tiny:1.0",
        api_host=f"https://127.0.0.1:{wire.port}",
    )
    await hub.start()
    await hub.started("first")
    await hub.stopped("first")
    yield hub
    await hub.close()


@pytest.fixture(autouse=True)
async def mended(wire: Wire) -> AsyncIterator[None]:
    yield
    wire.mend()


async def running_pod(cluster: Cluster, user: str, phase: str = "Running") -> str:
    """The name of the user's pod, once it is in this phase."""
    async with asyncio.timeout(240):
        while True:
            pods = await pods_of(cluster.core, cluster.namespace, user)
            if pods and pods[0].status.phase == phase:
                return str(pods[0].metadata.name)
            await asyncio.sleep(0.1)


async def made(cluster: Cluster, user: str) -> str:
    """The uid of the user's pod, once the API server has it."""
    async with asyncio.timeout(240):
        while not (pods := await pods_of(cluster.core, cluster.namespace, user)):
            await asyncio.sleep(0.02)
    return str(pods[0].metadata.uid)


async def started_and_stopped(hub: WatchHub, cluster: Cluster, user: str) -> None:
    """The next start works, and nothing is left after it."""
    await hub.started(user)
    assert len(await pods_of(cluster.core, cluster.namespace, user)) == 1
    await hub.stopped(user)
    await gone(cluster.core, cluster.namespace, user)


async def test_a_user_who_stops_a_start_leaves_nothing(hub: WatchHub, cluster: Cluster) -> None:
    await hub.ask("stopper", **SLOW)
    await running_pod(cluster, "stopper")
    status, body = await hub.api("DELETE", "/users/stopper/server")
    assert status in (202, 204), body
    await gone(cluster.core, cluster.namespace, "stopper")
    await started_and_stopped(hub, cluster, "stopper")


async def test_a_start_that_is_stopped_at_once_leaves_nothing(hub: WatchHub, cluster: Cluster) -> None:
    """At whatever moment of the pod's creation that is."""
    for pause in (0, 0.02, 0.05, 0.1, 0.2):
        asking = asyncio.create_task(hub.ask("hasty", **SLOW))
        await asyncio.sleep(pause)
        await hub.api("DELETE", "/users/hasty/server")
        await asking
        await hub.stopped("hasty")
        await asyncio.sleep(1)
        await gone(cluster.core, cluster.namespace, "hasty")


async def test_a_start_that_is_stopped_while_its_pods_creation_is_not_answered_leaves_nothing(
    hub: WatchHub, cluster: Cluster, wire: Wire
) -> None:
    wire.hold_answers()
    asking = asyncio.create_task(hub.ask("unheard", **SLOW))
    await made(cluster, "unheard")
    stopping = asyncio.create_task(hub.api("DELETE", "/users/unheard/server"))
    await asyncio.sleep(0.5)
    wire.mend()
    await asyncio.gather(asking, stopping)
    await hub.stopped("unheard")
    await gone(cluster.core, cluster.namespace, "unheard")
    await started_and_stopped(hub, cluster, "unheard")


async def test_a_pod_whose_creation_was_answered_too_late_is_made_anew(
    hub: WatchHub, cluster: Cluster, wire: Wire
) -> None:
    wire.hold_answers()
    before = len(hub.log)
    asking = asyncio.create_task(hub.ask("late", k8s_api_request_timeout=2))
    first = await made(cluster, "late")
    await until(lambda: "no answer within 2" in hub.log[before:])
    wire.mend()
    await asking
    messages = await hub.progress("late")
    assert messages[-1].get("ready"), messages
    (pod,) = await pods_of(cluster.core, cluster.namespace, "late")
    assert pod.metadata.uid != first
    assert pod.metadata.deletion_timestamp is None
    await hub.stopped("late")


async def test_a_start_that_takes_too_long_leaves_nothing(hub: WatchHub, cluster: Cluster) -> None:
    messages = await hub.failed("slow", start_timeout=4, **SLOW)
    assert "failed" in messages[-1]["message"]
    await gone(cluster.core, cluster.namespace, "slow")
    await started_and_stopped(hub, cluster, "slow")


async def test_a_pod_that_is_deleted_during_its_start_ends_it_at_once(hub: WatchHub, cluster: Cluster) -> None:
    await hub.ask("deleted", **SLOW)
    name = await running_pod(cluster, "deleted")
    await cluster.core.delete_namespaced_pod(name, cluster.namespace)
    messages = await hub.progress("deleted")
    assert "removed from the cluster while it was starting" in messages[-1]["message"]
    await started_and_stopped(hub, cluster, "deleted")


@pytest.mark.parametrize("phase", ["Running", "Failed"])
async def test_a_pod_of_the_same_name_that_was_left_over_is_not_taken_for_the_new_one(
    phase: str, hub: WatchHub, cluster: Cluster
) -> None:
    user = f"leftover-{phase.lower()}"
    command = ["jupyterhub-singleuser"] if phase == "Running" else ["false"]
    container = {
        "name": "notebook",
        "image": hub.image,
        "command": command,
        "ports": [{"name": "notebook-port", "containerPort": 8888}],
    }
    manifest = {
        "metadata": {
            "name": f"jupyter-{user}",
            "labels": {"component": "singleuser-server"},
            "annotations": {"hub.jupyter.org/username": user},
        },
        "spec": {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 1},
    }
    left = await cluster.core.create_namespaced_pod(cluster.namespace, manifest)
    await running_pod(cluster, user, phase)
    await hub.started(user)
    (pod,) = await pods_of(cluster.core, cluster.namespace, user)
    assert pod.metadata.uid != left.metadata.uid
    await hub.stopped(user)


async def test_a_start_during_a_stop_is_refused_and_the_next_one_works(hub: WatchHub, cluster: Cluster) -> None:
    await hub.started("turning")
    name = await running_pod(cluster, "turning")
    # It stays as long as the test wants.
    held = {"metadata": {"finalizers": ["jhkube.test/held"]}}
    await cluster.core.patch_namespaced_pod(name, cluster.namespace, held)
    try:
        stopping = asyncio.create_task(hub.stopped("turning"))
        async with asyncio.timeout(240):
            while (await hub.servers("turning"))[""]["pending"] != "stop":
                await asyncio.sleep(0.1)
        status, body = await hub.ask("turning")
        assert status == 400, body
        assert "pending stop" in body["message"]
    finally:
        await cluster.core.patch_namespaced_pod(name, cluster.namespace, {"metadata": {"finalizers": None}})
    await stopping
    await started_and_stopped(hub, cluster, "turning")


async def test_named_servers_start_side_by_side(hub: WatchHub, cluster: Cluster) -> None:
    names = ["", "one", "two"]
    await asyncio.gather(*(hub.started("several", name) for name in names))
    assert len(await pods_of(cluster.core, cluster.namespace, "several")) == 3
    await asyncio.gather(*(hub.stopped("several", name) for name in names))
    await gone(cluster.core, cluster.namespace, "several")


@pytest.mark.parametrize("moment", [0.0, 0.3, 1.5])
async def test_a_start_outlives_an_api_server_that_is_away(
    moment: float, hub: WatchHub, cluster: Cluster, wire: Wire
) -> None:
    """Away from before the pod is made, from just after, and while it starts."""
    user = f"outlives-{moment:.1f}".replace(".", "-")
    if moment == 0:
        wire.cut()
    asking = asyncio.create_task(hub.ask(user, environment={"TINY_DELAY": "4"}))
    await asyncio.sleep(moment)
    wire.cut()
    await asyncio.sleep(4)
    wire.mend()
    status, body = await asking
    if moment == 0 and status >= 400:
        # what could not be asked for failed, with a reason and at once; it is not left half done
        assert "cluster did not answer" in body["message"]
        await gone(cluster.core, cluster.namespace, user)
    else:
        messages = await hub.progress(user)
        assert messages[-1].get("ready"), messages
        await hub.stopped(user)
    await started_and_stopped(hub, cluster, user)


async def test_a_watch_that_was_dropped_goes_on_with_no_new_list(hub: WatchHub, cluster: Cluster, wire: Wire) -> None:
    before = len(hub.log)
    await hub.ask("dropped", environment={"TINY_DELAY": "4"})
    await running_pod(cluster, "dropped")
    wire.drop()
    messages = await hub.progress("dropped")
    assert messages[-1].get("ready"), messages
    await hub.stopped("dropped")
    assert "listing again" not in hub.log[before:]


@pytest.fixture(scope="module")
async def slow_hub(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WatchHub]:
    """A hub that answers the request for a start when that has ended."""
    folder = tmp_path_factory.mktemp("killed")
    hub = WatchHub(folder, cluster.namespace, cluster.host, f"{cluster.registry}/tiny:1.0", slow_spawn_timeout=400)
    await hub.start()
    yield hub
    await hub.close()


async def test_a_refusal_within_the_first_second_is_the_answer_to_the_request(slow_hub: WatchHub) -> None:
    status, body = await slow_hub.ask("refused", extra_labels={"x": "not a label!"})
    assert (status, body["status"]) == (400, 400)
    assert body["message"].startswith("The cluster does not accept this server")


async def test_a_hub_that_is_killed_during_a_start_finds_or_removes_the_pod(
    slow_hub: WatchHub, cluster: Cluster
) -> None:
    hub = slow_hub
    asking = asyncio.create_task(hub.ask("survivor", environment={"TINY_DELAY": "3"}))
    await running_pod(cluster, "survivor")
    await hub.end(signal.SIGKILL)
    with contextlib.suppress(aiohttp.ClientError):
        await asking
    await hub.start()
    async with asyncio.timeout(240):
        while True:
            server = (await hub.servers("survivor")).get("")
            if server is None or server["ready"]:
                break
            await asyncio.sleep(0.2)
    if server is None:
        await hub.started("survivor")
    await hub.stopped("survivor")
    await gone(cluster.core, cluster.namespace, "survivor")


async def test_the_hub_learns_the_version_of_a_server(hub: WatchHub) -> None:
    await hub.started("known", environment={"TINY_HUB_VERSION": "4.0.99"})
    await until(lambda: "4.0.99" in hub.log)
    await hub.stopped("known")


async def test_a_version_that_is_none_neither_fails_a_start_nor_ends_the_hub(hub: WatchHub) -> None:
    await hub.started("odd", environment={"TINY_HUB_VERSION": "evil"})
    assert "evil" not in hub.log
    await hub.stopped("odd")


async def test_no_task_was_lost_on_the_way(hub: WatchHub) -> None:
    assert "Task was destroyed" not in hub.log
    assert "never retrieved" not in hub.log

"""The reflectors against the real API server, over a wire that a test can cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from kubernetes_asyncio import client

from devcluster.settings import Settings
from jhkube.watch.reflectors import EventReflector, PodReflector
from tests.cluster.watch_hub import Wire, api_server
from tests.conftest import Cluster
from tests.pods import devcluster, new_namespace
from tests.waiting import until


class CountingPods(PodReflector):
    """Counts the pages it got."""

    pages = 0

    async def _page(self, limit: int, token: str) -> bytes:
        page = await super()._page(limit, token)
        self.pages += 1
        return page


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = f"jhkube-watch-{secrets.token_hex(3)}"
    await new_namespace(cluster.core, name)
    yield name
    await cluster.core.delete_collection_namespaced_pod(name, grace_period_seconds=0)
    await cluster.core.delete_namespace(name)


@pytest.fixture
async def wire(cluster: Cluster) -> AsyncIterator[Wire]:
    async with Wire(api_server(client.Configuration.get_default_copy().host)) as wire:
        yield wire


@pytest.fixture
async def reflector(wire: Wire, namespace: str) -> AsyncIterator[Callable[..., Any]]:
    """Make reflectors that reach the API server by the wire; they stop after the test."""
    configuration = client.Configuration.get_default_copy()
    configuration.host = f"https://127.0.0.1:{wire.port}"
    made = []
    async with client.ApiClient(configuration) as api:

        def make(kind: type[Any], **traits: Any) -> Any:
            reflector = kind(namespace=namespace, **traits)
            reflector.api = client.CoreV1Api(api)
            made.append(reflector)
            return reflector

        yield make
        for each in made:
            await each.stop()


def waiting_pod(name: str, **labels: str) -> dict[str, Any]:
    """A pod that no scheduler takes, so that nothing but the test changes it."""
    container = {
        "name": "notebook",
        "image": "none",
        "env": [{"name": "JUPYTERHUB_API_TOKEN", "value": f"token-of-{name}"}],
        "ports": [{"name": "notebook-port", "containerPort": 8888}],
    }
    return {
        "metadata": {"name": name, "labels": {"component": "singleuser-server", **labels}},
        "spec": {"schedulerName": "nobody", "containers": [container]},
    }


def pod_event(name: str, pod: str, namespace: str, message: str = "-") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "involvedObject": {"kind": "Pod", "name": pod, "namespace": namespace},
        "reason": "Scheduled",
        "message": message,
        "type": "Normal",
    }


async def create(cluster: Cluster, namespace: str, *names: str) -> None:
    for name in names:
        await cluster.core.create_namespaced_pod(namespace, waiting_pod(name))


def names(reflector: PodReflector) -> list[str]:
    return sorted(key.partition("/")[2] for key in reflector.pods)


async def test_a_list_comes_in_pages_and_is_complete(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any]
) -> None:
    wanted = [f"pod-{number:03}" for number in range(120)]
    await create(cluster, namespace, *wanted)
    pods = reflector(CountingPods, page_bytes=20_000)
    await pods.start()
    assert names(pods) == wanted
    assert pods.pages > 2


async def test_what_is_kept_has_no_token_and_all_that_kubespawner_reads(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any]
) -> None:
    await create(cluster, namespace, "jupyter-ada")
    pods = reflector(PodReflector)
    await pods.start()
    pod = pods.pods[f"{namespace}/jupyter-ada"]
    assert "token-of" not in json.dumps(pod)
    assert pod["status"]["phase"] == "Pending"
    assert pod["status"]["podIP"] is None
    assert pod["spec"]["containers"][0]["ports"][0]["containerPort"] == 8888
    assert "managedFields" not in pod["metadata"]


async def test_only_pods_with_the_labels_are_kept(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any]
) -> None:
    await create(cluster, namespace, "ours")
    await cluster.core.create_namespaced_pod(namespace, waiting_pod("theirs", component="other"))
    pods = reflector(PodReflector, labels={"component": "singleuser-server"})
    await pods.start()
    assert names(pods) == ["ours"]


async def test_who_waits_is_told_of_each_change_of_their_pod_alone(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any]
) -> None:
    pods = reflector(PodReflector)
    await pods.start()
    ours, theirs = asyncio.Event(), asyncio.Event()
    with pods.subscribe(f"{namespace}/ours", ours), pods.subscribe(f"{namespace}/theirs", theirs):
        await create(cluster, namespace, "ours")
        await asyncio.wait_for(ours.wait(), 180)
        ours.clear()
        await cluster.core.patch_namespaced_pod("ours", namespace, {"metadata": {"labels": {"x": "y"}}})
        await asyncio.wait_for(ours.wait(), 180)
        assert pods.pods[f"{namespace}/ours"]["metadata"]["labels"]["x"] == "y"
        ours.clear()
        await cluster.core.delete_namespaced_pod("ours", namespace, grace_period_seconds=0)
        await asyncio.wait_for(ours.wait(), 180)
        await until(lambda: names(pods) == [])
        assert not theirs.is_set()
    assert pods._subscribers == {}


async def test_a_watch_whose_api_server_was_away_lists_once_and_misses_nothing(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any], wire: Wire
) -> None:
    await create(cluster, namespace, "before", "doomed")
    pods = reflector(CountingPods)
    await pods.start()
    listed = pods.pages
    wire.cut()
    await create(cluster, namespace, "meanwhile")
    await cluster.core.delete_namespaced_pod("doomed", namespace, grace_period_seconds=0)
    wire.mend()
    await until(lambda: names(pods) == ["before", "meanwhile"])
    # It may have come back with yesterday's database.
    assert pods.pages == listed + 1


async def test_a_watch_that_the_server_ends_goes_on_without_a_list(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any], wire: Wire
) -> None:
    pods = reflector(CountingPods, timeout_seconds=1)
    await pods.start()
    listed, opened = pods.pages, wire.opened
    await asyncio.sleep(4)
    await create(cluster, namespace, "later")
    await until(lambda: names(pods) == ["later"])
    assert pods.pages == listed
    # the connection itself stays
    assert wire.opened <= opened + 1


async def test_a_connection_that_died_without_a_word_is_left_when_somebody_knows_better(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any], wire: Wire
) -> None:
    pods = reflector(PodReflector)
    await pods.start()
    await until(lambda: pods._response is not None)
    wire.freeze()
    await create(cluster, namespace, "unseen")
    await asyncio.sleep(1)
    assert names(pods) == []
    wire.thaw_for_new()
    pods.reconnect()
    await until(lambda: names(pods) == ["unseen"])


async def test_a_connection_that_died_without_a_word_is_noticed_by_its_silence(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any], wire: Wire
) -> None:
    pods = reflector(PodReflector, timeout_seconds=1)
    await pods.start()
    await until(lambda: pods._response is not None)
    wire.freeze()
    await create(cluster, namespace, "unseen")
    wire.thaw_for_new()
    await until(lambda: names(pods) == ["unseen"])


@pytest.mark.alone
async def test_a_version_the_server_has_forgotten_makes_a_new_list(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any], wire: Wire
) -> None:
    await create(cluster, namespace, "stays", "doomed")
    if not Settings.load().external:
        # One that has run since the cluster was made may remember all there ever was.
        await devcluster("kill", "apiserver")
        await devcluster("start", "apiserver")
    pods = reflector(CountingPods)
    await pods.start()
    listed = pods.pages
    wake = asyncio.Event()
    with pods.subscribe(f"{namespace}/doomed", wake):
        wire.cut()
        await cluster.core.delete_namespaced_pod("doomed", namespace, grace_period_seconds=0)
        # the oldest version there is: the API server keeps a window of some thousand changes
        pods._version = "1"
        wire.mend()
        await until(lambda: names(pods) == ["stays"])
        assert wake.is_set()
    assert pods.pages > listed


async def test_it_outlives_an_api_server_that_is_long_away(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any], wire: Wire
) -> None:
    pods = reflector(PodReflector)
    await pods.start()
    wire.cut()
    # a start waits, so tries stay frequent
    with pods.subscribe(f"{namespace}/later", asyncio.Event()):
        await asyncio.sleep(8)
        assert not pods.watch_task.done()
        wire.mend()
        await create(cluster, namespace, "later")
        await until(lambda: names(pods) == ["later"])


async def test_a_first_list_that_fails_is_said_and_tried_again(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any], wire: Wire
) -> None:
    await create(cluster, namespace, "there")
    wire.cut()
    pods = reflector(PodReflector)
    await pods.start()
    with pytest.raises(aiohttp.ClientError):
        await pods.loaded()
    wire.mend()
    async with asyncio.timeout(180):
        while not pods.is_loaded:
            with contextlib.suppress(aiohttp.ClientError):
                await pods.loaded()
    assert names(pods) == ["there"]


async def test_somebody_who_stops_waiting_for_the_first_list_takes_it_from_nobody(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any]
) -> None:
    await create(cluster, namespace, "there")
    pods = reflector(PodReflector)
    first = asyncio.create_task(pods.start())
    await asyncio.sleep(0)
    second = asyncio.create_task(pods.loaded())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait_for(second, 180)
    assert names(pods) == ["there"]


async def test_events_are_found_by_their_pod_in_the_order_they_came(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any]
) -> None:
    events = reflector(EventReflector, fields={"involvedObject.kind": "Pod"})
    await events.start()
    for number in range(3):
        for pod in ("ada", "bob"):
            body = pod_event(f"{pod}-{number}", pod, namespace, f"{pod} {number}")
            await cluster.core.create_namespaced_event(namespace, body)
    await until(lambda: len(events.resources) == 6)
    assert [event["message"] for event in events.events_of(f"{namespace}/ada")] == ["ada 0", "ada 1", "ada 2"]
    assert len(events.events) == 6
    assert events.events_of(f"{namespace}/nobody") == []


async def test_an_event_that_happens_again_is_the_newest_and_one_that_is_deleted_is_gone(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any]
) -> None:
    events = reflector(EventReflector)
    await events.start()
    key = f"{namespace}/ada"
    for name in ("a", "b"):
        await cluster.core.create_namespaced_event(namespace, pod_event(name, "ada", namespace, name))
    await cluster.core.patch_namespaced_event("a", namespace, {"count": 2})
    await until(lambda: [event["message"] for event in events.events_of(key)] == ["b", "a"])
    for name in ("a", "b"):
        await cluster.core.delete_namespaced_event(name, namespace)
    await until(lambda: events.events_of(key) == [])
    assert events._by_pod == {}


async def test_events_from_before_are_not_loaded_but_none_after_is_missed(
    cluster: Cluster, namespace: str, reflector: Callable[..., Any], wire: Wire
) -> None:
    await cluster.core.create_namespaced_event(namespace, pod_event("old", "ada", namespace))
    events = reflector(EventReflector)
    await events.start()
    assert events.events == []
    wire.cut()
    await cluster.core.create_namespaced_event(namespace, pod_event("new", "ada", namespace, "new"))
    events._version = "1"
    wire.mend()
    await until(lambda: "new" in [event["message"] for event in events.events_of(f"{namespace}/ada")])

"""A start from its first request until its server answers: KubeSpawner's own steps, with faults on the wire."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from jupyterhub import orm
from jupyterhub.objects import Server
from kubernetes_asyncio.client import ApiClient, ApiException
from traitlets.config import Config

from jhkube.spawner import JHKubeSpawner
from jhkube.watch.failure import StartFailed
from jhkube.watch.reflectors import PodReflector
from tests.cluster.api_proxy import refusal
from tests.cluster.conftest import Proxied
from tests.conftest import Cluster
from tests.pods import in_pod
from tests.waiting import until

FOREVER = float("inf")

_numbers = itertools.count(1)


class _Hub:
    public_host = url = base_url = api_url = "http://hub"


class _User:
    id, groups = 1, ()

    def __init__(self, name: str) -> None:
        self.name, self.url = name, f"/user/{name}/"
        self.settings: dict[str, Any] = {}


@pytest.fixture
async def spawner_with(
    proxied: Proxied, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Any]]:
    """Makes a spawner as the hub has it when it starts a server; all of it reaches the API server by the proxy."""
    monkeypatch.setattr(JHKubeSpawner, "reflectors", {})
    monkeypatch.setattr(PodReflector, "api", property(lambda _: proxied.api, lambda *_: None), raising=False)

    def make(delay: float = 0, **traits: Any) -> Any:
        settings = {
            "namespace": proxied.namespace,
            "image": f"{cluster.registry}/tiny:1.0",
            "cmd": ["jupyterhub-singleuser"],
            "environment": {"TINY_DELAY": str(delay)},
            "uid": 1000,
            "cpu_guarantee": 0.001,
            "delete_grace_period": 0,
            "events_enabled": False,
            "k8s_api_request_timeout": 30,
            "k8s_api_request_retry_timeout": 120,
            **traits,
        }
        user = _User(f"steps{next(_numbers)}")
        spawner: Any = JHKubeSpawner(
            _mock=True,
            config=Config({"KubeSpawner": settings}),
            user=user,
            hub=_Hub(),
            orm_spawner=orm.Spawner(name=""),
        )
        spawner.server = Server(
            orm_server=orm.Server(proto="http", ip="", port=1, base_url=user.url, cookie_name="c")
        )
        spawner.api = proxied.api
        return spawner

    yield make
    for reflector in JHKubeSpawner.reflectors.values():
        await reflector.stop()


@asynccontextmanager
async def starting(spawner: Any) -> AsyncIterator[asyncio.Future[str]]:
    """A start under way, which does not outlast the test."""
    start = asyncio.ensure_future(spawner.start())
    try:
        yield start
    finally:
        start.cancel()
        await asyncio.wait([start])


async def running(proxied: Proxied, name: str) -> Any:
    """The pod, once the API server says that it runs."""
    async with asyncio.timeout(240):
        while True:
            with suppress(ApiException):
                pod = await proxied.core.read_namespaced_pod(name, proxied.namespace)
                if pod.status.phase == "Running" and pod.status.pod_ip:
                    return pod
            await asyncio.sleep(0.05)


def is_seen_running(spawner: Any) -> bool:
    """Whether the watch says that the pod runs."""
    pod = spawner.pod_reflector.pods.get(spawner._pod_key)
    return pod is not None and pod["status"]["phase"] == "Running"


async def answering(proxied: Proxied, name: str) -> Any:
    """The pod, as soon as its server answers."""
    pod = await running(proxied, name)
    async with asyncio.timeout(240), aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(address(pod)):
                    return pod
            await asyncio.sleep(0.01)


def address(pod: Any) -> str:
    return f"http://{pod.status.pod_ip}:8888"


async def test_a_start_ends_as_soon_as_its_server_answers(proxied: Proxied, spawner_with: Callable[..., Any]) -> None:
    # KubeSpawner would return as soon as the pod runs, which it would see within some seconds.
    spawner = spawner_with(cmd=["sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.1; done; exec jupyterhub-singleuser"])
    async with starting(spawner) as start:
        await running(proxied, spawner.pod_name)
        await until(lambda: is_seen_running(spawner))
        await asyncio.sleep(1)
        assert not start.done()
        # Nothing but the server's answer can tell from now on.
        proxied.proxy.mute()
        await in_pod(proxied.namespace, spawner.pod_name, "touch /tmp/go")
        pod = await answering(proxied, spawner.pod_name)
        assert await asyncio.wait_for(start, 120) == address(pod)
    assert spawner.pod_id == pod.metadata.uid


async def test_a_pod_that_the_watch_never_shows_makes_it_list_again(
    proxied: Proxied, spawner_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after etcd came back from a backup: the watch goes on from a version that is not there yet."""
    monkeypatch.setattr("jhkube.watch.start._UNSEEN", 0.5)

    async def restore(spawner: Any, pod: Any) -> Any:
        before = len(proxied.proxy.watched)
        proxied.proxy.restore_old_database()
        await until(lambda: len(proxied.proxy.watched) > before)
        return pod

    spawner = spawner_with(modify_pod_hook=restore)
    async with starting(spawner) as start:
        url = await asyncio.wait_for(start, 120)
        assert url == address(await running(proxied, spawner.pod_name))
    assert proxied.proxy.listed >= 2


async def test_a_pod_of_another_start_is_not_taken_for_its_own(
    proxied: Proxied, spawner_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A pod that the watch does not show would make it list again, and that shows it.
    monkeypatch.setattr("jhkube.watch.start._UNSEEN", 600.0)
    another = spawner_with()
    await another.start()
    found = await proxied.core.read_namespaced_pod(another.pod_name, proxied.namespace)
    others = ApiClient().sanitize_for_serialization(found)

    async def let_the_watch_be_late(spawner: Any, pod: Any) -> Any:
        """Show the other pod, whose server answers, by the name of the one that is about to be made."""
        before = len(proxied.proxy.watched)
        others["metadata"]["name"] = spawner.pod_name
        proxied.proxy.say({"type": "ADDED", "object": others})
        await until(lambda: len(proxied.proxy.watched) > before)
        proxied.proxy.mute()
        return pod

    spawner = spawner_with(modify_pod_hook=let_the_watch_be_late)
    async with starting(spawner) as start:
        own = await answering(proxied, spawner.pod_name)
        await asyncio.sleep(0.5)
        assert spawner.pod_reflector.pods[spawner._pod_key]["metadata"]["uid"] == found.metadata.uid
        assert not start.done()
        proxied.proxy.heal()
        proxied.proxy.end_watches()
        assert await asyncio.wait_for(start, 120) == address(own)
    assert spawner.pod_id == own.metadata.uid != found.metadata.uid


async def test_a_start_waits_for_the_operators_hook_though_its_server_answers(
    proxied: Proxied, spawner_with: Callable[..., Any]
) -> None:
    hook = asyncio.Event()

    async def after_pod_created(spawner: Any, pod: Any) -> None:
        await hook.wait()

    spawner = spawner_with(after_pod_created_hook=after_pod_created)
    async with starting(spawner) as start:
        pod = await answering(proxied, spawner.pod_name)
        await asyncio.sleep(0.7)
        assert not start.done()
        hook.set()
        assert await asyncio.wait_for(start, 120) == address(pod)


async def test_a_pod_that_is_deleted_while_a_hook_runs_ends_the_start_at_once(
    proxied: Proxied, spawner_with: Callable[..., Any]
) -> None:
    async def after_pod_created(spawner: Any, pod: Any) -> None:
        await asyncio.Event().wait()

    spawner = spawner_with(delay=600, after_pod_created_hook=after_pod_created)
    async with starting(spawner) as start:
        await running(proxied, spawner.pod_name)
        await until(lambda: spawner.pod_start.watched.pod)
        await proxied.core.delete_namespaced_pod(spawner.pod_name, proxied.namespace, grace_period_seconds=0)
        with pytest.raises(StartFailed, match="the pod was deleted"):
            await asyncio.wait_for(start, 120)


async def test_a_pod_that_is_deleted_after_it_answered_ends_the_start_when_the_hook_returns(
    proxied: Proxied, spawner_with: Callable[..., Any]
) -> None:
    hook = asyncio.Event()

    async def after_pod_created(spawner: Any, pod: Any) -> None:
        await hook.wait()

    spawner = spawner_with(after_pod_created_hook=after_pod_created)
    async with starting(spawner) as start:
        await answering(proxied, spawner.pod_name)
        waiting = f"start of {spawner._pod_key}"
        await until(lambda: waiting not in {task.get_name() for task in asyncio.all_tasks()})
        await proxied.core.delete_namespaced_pod(spawner.pod_name, proxied.namespace, grace_period_seconds=0)
        await until(lambda: spawner._pod_key not in spawner.pod_reflector.pods)
        assert not start.done()
        hook.set()
        with pytest.raises(StartFailed, match="the pod was deleted"):
            await asyncio.wait_for(start, 120)


async def test_a_hook_that_fails_ends_the_start_with_its_own_error(
    proxied: Proxied, spawner_with: Callable[..., Any]
) -> None:
    """KubeSpawner removes the pod, and that is not the reason."""

    async def after_pod_created(spawner: Any, pod: Any) -> None:
        raise LookupError("no licence is free")

    # No node takes the pod, so nothing but its removal is news of it.
    spawner = spawner_with(extra_pod_config={"schedulerName": "nobody"}, after_pod_created_hook=after_pod_created)
    async with starting(spawner) as start:
        with pytest.raises(LookupError, match="no licence is free"):
            await asyncio.wait_for(start, 120)
    with pytest.raises(ApiException, match="404"):
        await proxied.core.read_namespaced_pod(spawner.pod_name, proxied.namespace)


async def test_during_a_start_a_pod_does_not_count_as_running_and_after_it_it_does(
    proxied: Proxied, spawner_with: Callable[..., Any]
) -> None:
    hook = asyncio.Event()

    async def after_pod_created(spawner: Any, pod: Any) -> None:
        await hook.wait()

    spawner = spawner_with(after_pod_created_hook=after_pod_created)
    async with starting(spawner) as start:
        await running(proxied, spawner.pod_name)
        await until(lambda: is_seen_running(spawner))
        pod = spawner.pod_reflector.pods[spawner._pod_key]
        assert not start.done()
        assert not spawner.is_pod_running(pod)
        hook.set()
        await asyncio.wait_for(start, 120)
    assert spawner.is_pod_running(pod)
    assert not spawner.is_pod_running(pod | {"status": {**pod["status"], "phase": "Pending"}})


@pytest.fixture(params=["one namespace", "namespaces of users"])
def namespaces(request: pytest.FixtureRequest, proxied: Proxied) -> dict[str, Any]:
    """Where servers are; with the users' own, KubeSpawner's reflectors end the hub where their first list fails."""
    return {} if request.param == "one namespace" else users_namespaces(proxied)


def users_namespaces(proxied: Proxied) -> dict[str, Any]:
    return {"enable_user_namespaces": True, "user_namespace_template": proxied.namespace}


async def test_a_first_list_that_fails_is_retried_and_the_person_is_told(
    proxied: Proxied, spawner_with: Callable[..., Any], namespaces: dict[str, Any]
) -> None:
    proxied.proxy.fail("GET", "pods", refusal(503, "etcd is away", times=4))
    spawner = spawner_with(**namespaces)
    async with starting(spawner) as start:
        await until(lambda: spawner.pod_start is not None and spawner.pod_start.finding is not None)
        assert spawner.pod_start.finding.meanwhile == "The cluster does not answer at the moment; trying again."
        await until(lambda: spawner.pod_reflector.is_loaded)
        # Before its watch can be slow: a pod that it has not told of is looked for once more.
        assert proxied.proxy.listed == 5
        pod = await answering(proxied, spawner.pod_name)
        assert await asyncio.wait_for(start, 120) == address(pod)


async def test_a_first_list_that_keeps_failing_ends_the_start_and_not_the_hub(
    proxied: Proxied, spawner_with: Callable[..., Any], namespaces: dict[str, Any]
) -> None:
    proxied.proxy.fail("GET", "pods", refusal(503, "etcd is away", times=FOREVER))
    spawner = spawner_with(**namespaces, k8s_api_request_retry_timeout=1)
    async with starting(spawner) as start:
        with pytest.raises(StartFailed) as failed:
            await asyncio.wait_for(start, 120)
    assert "The cluster did not answer" in failed.value.jupyterhub_message
    assert not spawner.pod_reflector.is_loaded
    proxied.proxy.heal()
    await until(lambda: spawner.pod_reflector.is_loaded)


async def test_a_list_that_is_forbidden_ends_the_start_at_once(
    proxied: Proxied, spawner_with: Callable[..., Any]
) -> None:
    proxied.proxy.fail("GET", "pods", refusal(403, "may not list pods", "Forbidden", times=FOREVER))
    spawner = spawner_with(**users_namespaces(proxied))
    async with starting(spawner) as start:
        with pytest.raises(StartFailed) as failed:
            await asyncio.wait_for(start, 120)
    assert "The hub is not allowed to create your server" in failed.value.jupyterhub_message


async def test_while_the_cluster_says_nothing_a_server_counts_as_running(
    proxied: Proxied, spawner_with: Callable[..., Any]
) -> None:
    """A hub that restarts stops the servers whose poll fails."""
    proxied.proxy.fail("GET", "pods", refusal(503, "etcd is away", times=FOREVER))
    spawner = spawner_with(k8s_api_request_retry_timeout=1)
    assert await spawner.poll() is None
    proxied.proxy.heal()
    await until(lambda: spawner.pod_reflector.is_loaded)
    assert await spawner.poll() == 1

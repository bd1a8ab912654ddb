"""A start from its first request until its server answers: KubeSpawner's own steps, over real sockets."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from jupyterhub import orm
from jupyterhub.objects import Server
from traitlets.config import Config

from jhkube.spawner import JHKubeSpawner
from jhkube.watch.failure import StartFailed
from jhkube.watch.reflectors import PodReflector
from tests.unit.api_server import ScriptedServer, status

pytestmark = pytest.mark.usefixtures("kubeconfig")


class _User:
    name, id, url, groups, settings = "ada", 1, "/user/ada/", (), {}


class _Hub:
    public_host = url = base_url = api_url = "http://hub"


class Cluster(ScriptedServer):
    """An API server whose lists of pods fail with these answers first."""

    def __init__(self, *failures):
        super().__init__()
        self.failures = list(failures)

    async def _list(self):
        if self.failures:
            failure = self.failures.pop(0)
            return web.json_response(failure, status=failure["code"])
        return await super()._list()


@asynccontextmanager
async def notebook():
    """A server that answers; gives its port."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


@asynccontextmanager
async def starting(monkeypatch, server, **traits):
    """A spawner as the hub has it when it starts a server, and the cluster's pod of it once that is made."""
    async with server.running() as api:
        settings = {"namespace": "labs", "events_enabled": False, "k8s_api_request_retry_timeout": 5, **traits}
        spawner = JHKubeSpawner(
            _mock=True,
            config=Config({"KubeSpawner": settings}),
            user=_User(),
            hub=_Hub(),
            orm_spawner=orm.Spawner(name=""),
        )
        spawner.server = Server(
            orm_server=orm.Server(proto="http", ip="", port=1, base_url="/user/ada/", cookie_name="c")
        )
        spawner.api = api
        monkeypatch.setattr(JHKubeSpawner, "reflectors", {})
        monkeypatch.setattr(PodReflector, "api", property(lambda _: api, lambda *_: None), raising=False)
        try:
            yield spawner
        finally:
            for reflector in JHKubeSpawner.reflectors.values():
                await reflector.stop()


def run_pod(server, spawner, port, **parts):
    """Have the pod run, as the cluster's nodes would, with a server on a port."""
    container = {"name": "notebook", "ports": [{"name": "notebook-port", "containerPort": port}]}
    running = {"name": "notebook", "ready": True, "state": {"running": {}}}
    state = {"phase": "Running", "podIP": "127.0.0.1", "containerStatuses": [running]}
    metadata = {"uid": "1", **parts}
    server.put(spawner.pod_name, metadata=metadata, spec={"nodeName": "a", "containers": [container]}, status=state)


async def made(server):
    async with asyncio.timeout(10):
        while ("POST", "pods") not in server.asked:
            await asyncio.sleep(0.01)


async def test_a_start_ends_as_soon_as_its_server_answers(monkeypatch):
    server = Cluster()
    async with notebook() as port, starting(monkeypatch, server) as spawner:
        start = asyncio.ensure_future(spawner.start())
        await made(server)
        # KubeSpawner would look again within some seconds.
        await asyncio.sleep(2)
        assert not start.done()
        run_pod(server, spawner, port)
        url = await asyncio.wait_for(start, 0.5)
    assert url == f"http://127.0.0.1:{port}"
    assert spawner.pod_id == "1"


async def test_a_pod_of_another_start_is_not_taken_for_its_own(monkeypatch):
    server = Cluster()
    async with notebook() as port, starting(monkeypatch, server) as spawner:
        start = asyncio.ensure_future(spawner.start())
        await made(server)
        run_pod(server, spawner, port, uid="another")
        await asyncio.sleep(0.5)
        assert not start.done()
        run_pod(server, spawner, port)
        await asyncio.wait_for(start, 5)


async def test_a_start_waits_for_the_operators_hook_though_its_server_answers(monkeypatch):
    server, hook = Cluster(), asyncio.Event()

    async def after_pod_created(spawner, pod):
        await hook.wait()

    async with (
        notebook() as port,
        starting(monkeypatch, server, after_pod_created_hook=after_pod_created) as spawner,
    ):
        start = asyncio.ensure_future(spawner.start())
        await made(server)
        run_pod(server, spawner, port)
        await asyncio.sleep(0.7)
        assert not start.done()
        hook.set()
        assert await asyncio.wait_for(start, 5) == f"http://127.0.0.1:{port}"


async def test_a_pod_that_is_deleted_while_a_hook_runs_ends_the_start_at_once(monkeypatch):
    server = Cluster()

    async def after_pod_created(spawner, pod):
        await asyncio.Event().wait()

    async with (
        starting(monkeypatch, server, after_pod_created_hook=after_pod_created) as spawner,
    ):
        start = asyncio.ensure_future(spawner.start())
        await made(server)
        run_pod(server, spawner, 1)
        await asyncio.sleep(0.3)
        server.remove(spawner.pod_name)
        with pytest.raises(StartFailed, match="the pod was deleted"):
            await asyncio.wait_for(start, 10)


async def test_during_a_start_a_pod_does_not_count_as_running_and_after_it_it_does(monkeypatch):
    server = Cluster()
    async with notebook() as port, starting(monkeypatch, server) as spawner:
        start = asyncio.ensure_future(spawner.start())
        await made(server)
        run_pod(server, spawner, port)
        await asyncio.wait_for(start, 5)
        pod = spawner.pod_reflector.pods[spawner._pod_key]
        assert spawner.is_pod_running(pod)
        assert not spawner.is_pod_running(pod | {"status": {**pod["status"], "phase": "Pending"}})


NAMESPACES = {"enable_user_namespaces": True, "user_namespace_template": "labs"}
"""With these KubeSpawner's own reflectors end the hub where their first list fails."""


@pytest.mark.parametrize("namespaces", [{}, NAMESPACES], ids=["one namespace", "namespaces of users"])
async def test_a_first_list_that_fails_is_retried_and_the_person_is_told(monkeypatch, namespaces):
    server = Cluster(*[status(503, "etcd is away")] * 4)
    async with notebook() as port, starting(monkeypatch, server, **namespaces) as spawner:
        start = asyncio.ensure_future(spawner.start())
        async with asyncio.timeout(5):
            while spawner.pod_start is None or spawner.pod_start.finding is None:
                await asyncio.sleep(0.01)
        assert spawner.pod_start.finding.meanwhile == "The cluster does not answer at the moment; trying again."
        await made(server)
        run_pod(server, spawner, port)
        await asyncio.wait_for(start, 10)


@pytest.mark.parametrize("namespaces", [{}, NAMESPACES], ids=["one namespace", "namespaces of users"])
async def test_a_first_list_that_keeps_failing_ends_the_start_and_not_the_hub(monkeypatch, namespaces):
    server = Cluster(*[status(503, "etcd is away")] * 1000)
    settings = {**namespaces, "k8s_api_request_retry_timeout": 1}
    async with starting(monkeypatch, server, **settings) as spawner:
        with pytest.raises(StartFailed) as failed:
            await asyncio.wait_for(asyncio.ensure_future(spawner.start()), 15)
        assert "The cluster did not answer" in failed.value.jupyterhub_message
        server.failures.clear()
        async with asyncio.timeout(10):
            while not spawner.pod_reflector.is_loaded:
                await asyncio.sleep(0.05)


async def test_a_list_that_is_forbidden_ends_the_start_at_once(monkeypatch):
    server = Cluster(*[status(403, "may not list pods", "Forbidden")] * 1000)
    async with starting(monkeypatch, server, **NAMESPACES) as spawner:
        with pytest.raises(StartFailed) as failed:
            await asyncio.wait_for(asyncio.ensure_future(spawner.start()), 3)
        assert "The hub is not allowed to make your server" in failed.value.jupyterhub_message


async def test_while_the_cluster_says_nothing_a_server_counts_as_running(monkeypatch):
    """A hub that restarts stops the servers whose poll fails."""
    server = Cluster(*[status(503, "etcd is away")] * 1000)
    async with starting(monkeypatch, server, k8s_api_request_retry_timeout=1) as spawner:
        assert await spawner.poll() is None
        server.failures.clear()
        async with asyncio.timeout(10):
            while not spawner.pod_reflector.is_loaded:
                await asyncio.sleep(0.05)
        assert await spawner.poll() == 1

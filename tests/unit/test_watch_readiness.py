"""When a pod is asked whether it answers, and what counts as an answer: on real sockets."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jhkube.watch.probe import Cadence, Stage, answer_of, stage_of, wait_until_answers
from tests import ports

DONE = {"terminated": {"exitCode": 0}}
RUNNING: dict[str, Any] = {"running": {}}


def pod(main=None, init=None, *, ip="10.244.0.9", phase="Pending", **metadata):
    status = {"phase": phase, "podIP": ip}
    if main is not None:
        status["containerStatuses"] = [{"name": "notebook", "state": main}]
    if init is not None:
        status["initContainerStatuses"] = [{"name": "home", **part} for part in init]
    return {"metadata": metadata, "status": status}


CREATING = {"waiting": {"reason": "ContainerCreating"}}
INITIALIZING = {"waiting": {"reason": "PodInitializing"}}


@pytest.mark.parametrize(
    ("shown", "stage"),
    [
        (None, Stage.NO_ADDRESS),
        (pod(CREATING, ip=None), Stage.NO_ADDRESS),
        (pod(RUNNING, phase="Running", deletionTimestamp="2026-11-20T00:00:00Z"), Stage.NO_ADDRESS),
        (pod(DONE, phase="Succeeded"), Stage.NO_ADDRESS),
        (pod(CREATING), Stage.STARTING),
        (pod(RUNNING, phase="Running"), Stage.STARTING),
        (pod(INITIALIZING, [{"state": RUNNING}]), Stage.PREPARING),
        (pod(INITIALIZING, [{"state": DONE}, {"state": RUNNING}]), Stage.PREPARING),
        (pod(INITIALIZING, [{"state": {"terminated": {"exitCode": 1}}}]), Stage.PREPARING),
        (pod(INITIALIZING, [{"state": DONE}]), Stage.STARTING),
        (pod(INITIALIZING, [{"state": RUNNING, "started": True, "ready": True}]), Stage.STARTING),
        (pod({"waiting": {"reason": "ImagePullBackOff"}}), Stage.PREPARING),
    ],
)
def test_the_stage_of_a_pod(shown, stage):
    assert stage_of(shown) == stage


def test_a_pod_whose_image_is_being_pulled_is_not_about_to_listen():
    pulling, pulled = {"reason": "Pulling"}, {"reason": "Pulled"}
    assert stage_of(pod(CREATING), [pulling]) == Stage.PREPARING
    assert stage_of(pod(CREATING), [pulling, pulled]) == Stage.STARTING
    assert stage_of(pod(RUNNING, phase="Running"), [pulling]) == Stage.STARTING


def made(container, reason="Created"):
    return {"reason": reason, "involvedObject": {"fieldPath": f"spec.containers{{{container}}}"}}


def test_a_container_that_an_event_tells_of_is_about_to_listen_before_its_status_says_so():
    shown = pod(INITIALIZING, [{"state": RUNNING}])
    assert stage_of(shown, [made("notebook")]) == stage_of(shown, [made("notebook", "Started")]) == Stage.STARTING
    # Another of the pod's containers, and an init container, say nothing of it.
    assert stage_of(shown, [made("sidecar")]) == Stage.PREPARING
    init = {"reason": "Started", "involvedObject": {"fieldPath": "spec.initContainers{home}"}}
    assert stage_of(shown, [init]) == Stage.PREPARING
    # One that began, and ended, and is waited with.
    assert stage_of(pod({"waiting": {"reason": "CrashLoopBackOff"}}), [made("notebook")]) == Stage.PREPARING


@asynccontextmanager
async def server(answer, **options):
    """A server that says this to everybody; gives its port and a list of what it was asked."""
    asked = []

    async def serve(reader, writer):
        try:
            asked.append(await reader.readline())
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, **options)
    async with listening:
        yield listening.sockets[0].getsockname()[1], asked


@pytest.mark.parametrize(
    ("said", "is_answer"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n{}", True),
        (b"HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n", True),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"HTTP/1.1 500 Oops\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH\r\n", False),
        (b"", False),
    ],
)
async def test_an_answer_is_what_the_hub_takes_for_one(said, is_answer):
    async with server(said) as (port, asked):
        answer = await answer_of(f"http://127.0.0.1:{port}", "/user/alice/api")
        assert (answer is not None) is is_answer
        assert asked == [b"GET /user/alice/api HTTP/1.1\r\n"]


@pytest.mark.parametrize(
    ("head", "version"),
    [
        (b"X-JupyterHub-Version: 6.1.1\r\nServer: lab\r\n", "6.1.1"),
        (b"x-jupyterhub-version:5.3.0\r\n", "5.3.0"),
        (b"Server: lab\r\n", None),
        (b"no colon in this line\r\n", None),
        (b"X-Large: " + b"x" * 200_000 + b"\r\n", None),
    ],
)
async def test_an_answer_has_the_headers_that_the_hub_reads(head, version):
    async with server(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n{}") as (port, _):
        answer = await answer_of(f"http://127.0.0.1:{port}", "/user/alice/api")
        assert answer is not None
        assert answer.get("X-JupyterHub-Version") == version


async def test_headers_that_come_late_are_waited_for():
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for part in (b"HTTP/1.1 200 OK\r\nX-JupyterHub", b"-Version: 6.1.1\r\n", b"\r\n"):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        answer = await answer_of(f"http://127.0.0.1:{port}", "/api")
    assert answer is not None
    assert answer.get("x-jupyterhub-version") == "6.1.1"


async def test_a_closed_port_is_no_answer(free_port):
    assert await answer_of(f"http://127.0.0.1:{free_port}", "/api") is None


async def test_a_name_that_does_not_resolve_is_no_answer():
    assert await answer_of("http://jupyter-alice.invalid:8888", "/api") is None


async def test_a_server_that_accepts_and_says_nothing_is_no_answer():
    silent = await asyncio.start_server(lambda _, writer: asyncio.sleep(600), "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        assert await answer_of(f"http://127.0.0.1:{port}", "/api", answer_timeout=0.1) is None


async def test_a_server_behind_tls_is_asked_with_the_hubs_own_certificate(certificates):
    theirs, hub = certificates
    async with server(b"HTTP/1.1 200 OK\r\n\r\n", ssl=theirs) as (port, _):
        assert await answer_of(f"https://localhost:{port}", "/api", hub) is not None
        assert await answer_of(f"https://localhost:{port}", "/api", ssl.create_default_context()) is None


async def test_it_is_told_the_moment_the_server_begins_to_listen(free_port):
    said = b"HTTP/1.1 200 OK\r\n\r\n"
    url = f"http://127.0.0.1:{free_port}"
    waiting = asyncio.create_task(
        wait_until_answers(lambda: Stage.STARTING, lambda: url, asyncio.Event(), path="/api")
    )
    await asyncio.sleep(0.4)
    assert not waiting.done()

    asked = []

    async def serve(reader, writer):
        asked.append(1)
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", free_port):
        await asyncio.wait_for(waiting, 240)
    # The first try that can be answered is the last.
    assert asked == [1]


async def test_nothing_is_asked_before_there_is_an_address():
    changed, stage = asyncio.Event(), Stage.NO_ADDRESS

    def url():
        assert stage != Stage.NO_ADDRESS
        return f"http://127.0.0.1:{port}"

    async with server(b"HTTP/1.1 200 OK\r\n\r\n") as (port, asked):
        waiting = asyncio.create_task(wait_until_answers(lambda: stage, url, changed, path="/api"))
        await asyncio.sleep(0.3)
        assert asked == []
        stage = Stage.STARTING
        changed.set()
        await asyncio.wait_for(waiting, 240)


async def test_the_end_of_the_preparation_is_told_at_once():
    changed, stage = asyncio.Event(), Stage.PREPARING
    async with server(b"HTTP/1.1 200 OK\r\n\r\n") as (port, asked):
        waiting = asyncio.create_task(
            wait_until_answers(
                lambda: stage,
                lambda: f"http://127.0.0.1:{port}",
                changed,
                path="/api",
                cadence=Cadence(idle=None),
            )
        )
        await asyncio.sleep(0.3)
        assert asked == []
        stage = Stage.STARTING
        changed.set()
        # Nothing else than the change begins the first try.
        await asyncio.wait_for(waiting, 240)


@pytest.mark.parametrize(
    ("lasted", "pause"), [(0, 0.05), (19.9, 0.05), (20, 0.1), (39, 0.1), (40, 0.2), (80, 0.4), (3600, 0.4)]
)
def test_the_pause_grows_with_the_time_it_takes(lasted, pause):
    assert Cadence().pause(lasted) == pytest.approx(pause)


def test_all_that_wait_try_at_the_same_moments():
    cadence = Cadence()
    began_at = [1000.0, 1007.013, 1019.98]
    for now in (1020.011, 1020.03, 1020.049):
        times = [now + cadence.until_next(now, since) for since in began_at]
        # who has waited for 20 s tries at every other of those moments
        assert times == [pytest.approx(expected) for expected in (1020.1, 1020.05, 1020.05)]


@pytest.fixture
def free_port():
    return ports.free_port()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A server's context and the hub's, of the authority that jupyterhub makes for `internal_ssl`."""
    from certipy import Certipy
    from jupyterhub.utils import make_ssl_context

    store = Certipy(store_dir=str(tmp_path_factory.mktemp("certificates")))
    store.create_ca("ca")
    for name in ("server", "hub"):
        store.create_signed_pair(name, "ca", alt_names=["DNS:localhost"])
    files = {name: store.store.get_record(name)["files"] for name in ("server", "hub", "ca")}
    authority = files["ca"]["cert"]

    def context(name, **options):
        return make_ssl_context(files[name]["key"], files[name]["cert"], cafile=authority, **options)

    return context("server", purpose=ssl.Purpose.CLIENT_AUTH), context("hub")

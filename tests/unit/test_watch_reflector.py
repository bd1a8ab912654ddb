"""When a watch goes on from where it was, and when it lists again: over real sockets."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from jhkube.watch.reflectors import PodReflector
from tests.unit.api_server import ScriptedServer, status

pytestmark = pytest.mark.usefixtures("kubeconfig")


@asynccontextmanager
async def watching(server):
    """A reflector of the server's pods that has its first list."""
    async with server.running() as api:
        reflector = PodReflector(namespace="labs")
        reflector.api = api
        await reflector.start()
        try:
            await until(lambda: server.watched)
            yield reflector
        finally:
            await reflector.stop()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def server():
    server = ScriptedServer()
    server.put("first", version=900)
    return server


async def test_a_watch_whose_time_is_up_goes_on_without_a_list(server):
    async with watching(server) as reflector:
        server.end_watches()
        await until(lambda: len(server.watched) == 2)
        server.put("second")
        await until(lambda: "labs/second" in reflector.pods)
    assert server.listed == 1
    assert server.watched == ["900", "900"]


@pytest.mark.parametrize(
    "change",
    [
        {"type": "ERROR", "object": status(410, "too old resource version: 1 (900)", "Expired")},
        {"type": "ERROR", "object": status(500, "etcdserver: mvcc: required revision has been compacted")},
        {"type": "ERROR", "object": status(504, "Timeout: Too large resource version: 900, current: 12", "Timeout")},
        {"type": "ADDED", "object": {"metadata": {"resourceVersion": "901"}}},
    ],
    ids=["expired", "internal", "too large", "unreadable"],
)
async def test_after_an_error_of_the_watch_there_is_a_new_list(server, change):
    async with watching(server) as reflector:
        server.pods.clear()
        server.put("restored", version=12)
        server.say(change)
        await until(lambda: set(reflector.pods) == {"labs/restored"})
        await until(lambda: server.watched[-1] == "12")


@pytest.mark.parametrize("code", [429, 500, 503, 504])
async def test_after_an_answer_that_is_no_watch_there_is_a_new_list(server, code):
    async with watching(server) as reflector:
        server.watch_answer = status(code)
        server.pods.clear()
        server.put("restored", version=12)
        server.end_watches()
        await until(lambda: len(server.watched) > 1)
        server.watch_answer = None
        await until(lambda: set(reflector.pods) == {"labs/restored"})


async def test_a_reconnect_lists_again_where_the_watch_is_silent_for_ever(server):
    """As after etcd came back from a backup: its versions are older than the one that the watch began at."""
    async with watching(server) as reflector:
        server.pods.clear()
        server.put("restored", version=12)
        server.end_watches()
        await until(lambda: len(server.watched) == 2)
        server.put("made", version=13)
        await asyncio.sleep(0.1)
        assert set(reflector.pods) == {"labs/first"}
        reflector.reconnect()
        await until(lambda: set(reflector.pods) == {"labs/restored", "labs/made"})
        await until(lambda: server.watched[-1] == "13")
        server.put("later")
        await until(lambda: "labs/later" in reflector.pods)

"""The end of a pod whose node is there, and of one whose node is lost: over real sockets."""

import asyncio
import logging

import pytest
from traitlets.config import Config

from jhkube.spawner import JHKubeSpawner
from jhkube.watch.pods import is_unended, node_deadline
from jhkube.watch.reflectors import PodReflector
from tests.unit.api_server import ScriptedServer, status

pytestmark = pytest.mark.usefixtures("kubeconfig")

RUNNING = [{"name": "notebook", "state": {"running": {}}}]
ENDED = [{"name": "notebook", "state": {"terminated": {"exitCode": 0}}}]
DELETED = {"deletionTimestamp": "2026-11-29T00:00:00Z", "deletionGracePeriodSeconds": 1}


class _User:
    name, id, url, groups = "ada", 1, "/user/ada/", ()


class _Hub:
    public_host = url = base_url = api_url = "http://hub"


async def stopping(monkeypatch, server, api, statuses, **traits):
    """A spawner that stops a pod of which its node says no more than this; and its stop, which goes on."""
    config = Config({"KubeSpawner": {"namespace": "labs", "delete_grace_period": 0, **traits}})
    spawner = JHKubeSpawner(_mock=True, config=config, user=_User(), hub=_Hub())
    spawner.api = api
    reflector = PodReflector(namespace="labs")
    reflector.api = api
    monkeypatch.setitem(JHKubeSpawner.reflectors, spawner._get_reflector_key("pods"), reflector)
    server.put(spawner.pod_name, metadata=DELETED, status={"containerStatuses": statuses}, spec={})
    server.answers["DELETE", spawner.pod_name] = [status(200)]
    await reflector.start()
    return spawner, reflector, asyncio.create_task(spawner.stop())


async def test_a_pod_that_its_node_does_not_end_is_deleted_with_no_grace_and_the_log_says_so(monkeypatch, caplog):
    server = ScriptedServer()
    async with server.running() as api:
        with caplog.at_level(logging.INFO):
            spawner, reflector, stop = await stopping(monkeypatch, server, api, RUNNING, start_timeout=5)
            async with asyncio.timeout(20):
                while len(server.asked) < 2:
                    await asyncio.sleep(0.05)
            assert not stop.done()
            server.remove(spawner.pod_name)
            await asyncio.wait_for(stop, 10)
        await reflector.stop()
    assert server.asked == [("DELETE", spawner.pod_name)] * 2
    graceful, forced = server.bodies
    assert graceful.get("preconditions") is None
    assert (forced["gracePeriodSeconds"], forced["preconditions"]) == (0, {"uid": f"uid-of-{spawner.pod_name}"})
    assert "the node is lost" in caplog.text


async def test_a_pod_whose_volumes_take_long_is_left_to_its_node(monkeypatch):
    server = ScriptedServer()
    async with server.running() as api:
        spawner, reflector, stop = await stopping(monkeypatch, server, api, ENDED, start_timeout=2)
        # KubeSpawner gives up, and begins another watch where there is nothing to watch in this test.
        await asyncio.wait({stop})
        assert isinstance(stop.exception(), OSError)
        await reflector.stop()
    assert server.asked == [("DELETE", spawner.pod_name)]


@pytest.mark.parametrize(
    ("metadata", "statuses", "expected"),
    [
        ({}, RUNNING, False),
        (DELETED, RUNNING, True),
        (DELETED, ENDED + RUNNING, True),
        (DELETED, [{"name": "notebook", "state": {"waiting": {"reason": "ContainerCreating"}}}], True),
        (DELETED, [], True),
        (DELETED, ENDED, False),
    ],
)
def test_a_node_has_ended_a_pod_when_it_says_so_of_all_containers(metadata, statuses, expected):
    assert is_unended({"metadata": metadata, "status": {"containerStatuses": statuses}}) is expected


@pytest.mark.parametrize(
    ("grace", "patience", "start_timeout", "deadline"),
    [(1, 60, 300, 61), (30, 60, 300, 90), (0, 60, 60, 48), (1, float("inf"), 101, 81), (120, 60, 60, 120)],
)
def test_a_node_has_its_time_after_the_grace_period(grace, patience, start_timeout, deadline):
    assert node_deadline(grace, patience, start_timeout) == deadline

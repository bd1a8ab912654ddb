"""The end of a pod whose node is there, and of one whose node is lost: at the real API server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiException
from traitlets.config import Config

from jhkube.spawner import JHKubeSpawner
from tests.cluster.conftest import Proxied

RUNNING = {"running": {"startedAt": "2026-11-29T00:00:00Z"}}
ENDED = {"terminated": {"exitCode": 0}}
GRACE = 1
"""Of a pod's own, in seconds: with none the API server would not wait for the node."""


class _User:
    name, id, url, groups = "ada", 1, "/user/ada/", ()


class _Hub:
    public_host = url = base_url = api_url = "http://hub"


async def lost(proxied: Proxied, name: str, state: dict[str, Any]) -> str:
    """Make a pod of which its node, which is not there, has said this and says no more; returns its uid."""
    spec = {"nodeName": "lost", "containers": [{"name": "notebook", "image": "none"}]}
    pod = {"metadata": {"name": name, "labels": {"component": "singleuser-server"}}, "spec": spec}
    made = await proxied.core.create_namespaced_pod(proxied.namespace, pod)
    seen = {"name": "notebook", "image": "none", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    status = {"status": {"phase": "Running", "containerStatuses": [seen]}}
    await proxied.core.patch_namespaced_pod_status(name, proxied.namespace, status)
    return str(made.metadata.uid)


@pytest.fixture
async def spawner(proxied: Proxied, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A spawner that reaches the API server by the proxy; what watches its pods ends after the test."""
    monkeypatch.setattr(JHKubeSpawner, "reflectors", {})
    settings = {"namespace": proxied.namespace, "delete_grace_period": GRACE, "k8s_api_request_timeout": 60}
    spawner: Any = JHKubeSpawner(_mock=True, config=Config({"KubeSpawner": settings}), user=_User(), hub=_Hub())
    spawner.api = proxied.api
    yield spawner
    for reflector in JHKubeSpawner.reflectors.values():
        await reflector.stop()


async def is_gone(proxied: Proxied, spawner: Any) -> bool:
    try:
        await proxied.core.read_namespaced_pod(spawner.pod_name, proxied.namespace)
    except ApiException as error:
        return bool(error.status == 404)
    return False


async def test_a_pod_that_its_node_does_not_end_is_deleted_with_no_grace_and_the_log_says_so(
    proxied: Proxied, spawner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    spawner.start_timeout = 6
    uid = await lost(proxied, spawner.pod_name, RUNNING)
    with caplog.at_level(logging.INFO):
        stop = asyncio.create_task(spawner.stop())
        # Not before its node's time is up: its grace period, and four fifths of what is left of the start's.
        await asyncio.wait({stop}, timeout=GRACE + 2)
        assert not stop.done()
        assert [asked for asked in proxied.proxy.asked if asked[0] == "DELETE"] == [("DELETE", spawner.pod_name)]
        await asyncio.wait_for(stop, 240)
    assert await is_gone(proxied, spawner)
    deletions = [
        body for asked, body in zip(proxied.proxy.asked, proxied.proxy.bodies, strict=True) if asked[0] == "DELETE"
    ]
    graceful, forced = deletions
    assert graceful.get("preconditions") is None
    assert graceful["gracePeriodSeconds"] == GRACE
    assert (forced["gracePeriodSeconds"], forced["preconditions"]) == (0, {"uid": uid})
    assert "the node is lost" in caplog.text


async def test_a_pod_whose_volumes_take_long_is_left_to_its_node(proxied: Proxied, spawner: Any) -> None:
    spawner.start_timeout = 3
    await lost(proxied, spawner.pod_name, ENDED)
    with pytest.raises(TimeoutError):
        await spawner.stop()
    assert [asked for asked in proxied.proxy.asked if asked[0] == "DELETE"] == [("DELETE", spawner.pod_name)]
    assert not await is_gone(proxied, spawner)

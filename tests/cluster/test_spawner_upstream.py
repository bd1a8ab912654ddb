"""JHKubeSpawner with nothing of ours configured does what KubeSpawner does, also where there is no hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiException
from kubespawner import KubeSpawner
from traitlets.config import Config

from jhkube.spawner import JHKubeSpawner
from tests.cluster.conftest import Proxied
from tests.conftest import Cluster


class Nobody:
    """A person as tests and scripts make one, where there is no hub: with a name, and no list of groups."""

    name, id, url, groups = "nobody", 1, "/user/nobody/", None


class _Hub:
    public_host = url = base_url = api_url = "http://hub"


@pytest.fixture
async def spawner_of(
    proxied: Proxied, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[type[Any]], Any]]:
    """Makes a spawner of a class, for a small server, that reaches the API server by the proxy."""
    monkeypatch.setattr(KubeSpawner, "reflectors", {})
    settings = {
        "namespace": proxied.namespace,
        "image": f"{cluster.registry}/tiny:1.0",
        "cmd": ["jupyterhub-singleuser"],
        "environment": {"JUPYTERHUB_API_TOKEN": "none", "JUPYTERHUB_CLIENT_ID": "none"},
        "uid": 1000,
        "cpu_guarantee": 0.001,
        "delete_grace_period": 0,
        "k8s_api_request_timeout": 60,
        "start_timeout": 240,
        "services_enabled": True,
        "storage_pvc_ensure": True,
        "storage_capacity": "1Mi",
        "pvc_name_template": "claim-{username}",
    }

    def make(kind: type[Any]) -> Any:
        spawner = kind(_mock=True, config=Config({"KubeSpawner": settings}), user=Nobody(), hub=_Hub())
        spawner.api = proxied.api
        return spawner

    yield make
    for reflector in KubeSpawner.reflectors.values():
        await reflector.stop()


async def lived(proxied: Proxied, spawner: Any) -> tuple[str, list[tuple[str, str]], dict[str, str]]:
    """Start a server, hear its progress, stop it; returns its URL, what was asked of the API server, and labels."""
    proxied.proxy.heal()
    spawner.user_options = {}
    assert spawner.server is None
    assert await spawner.poll() is not None
    url = await spawner.start()
    pod = await proxied.core.read_namespaced_pod(spawner.pod_name, proxied.namespace)
    assert pod.status.phase == "Running"
    assert url.startswith(f"http://{spawner.pod_name}.{proxied.namespace}.")
    assert await spawner.poll() is None
    async with asyncio.timeout(240):
        # Events may come later than what they are about.
        while True:
            told = [message["message"] async for message in spawner.progress()]
            if any("Started container" in message or "Container started" in message for message in told):
                break
            await asyncio.sleep(0.1)
    await spawner.stop()
    assert await spawner.poll() is not None
    with pytest.raises(ApiException, match="404"):
        await proxied.core.read_namespaced_pod(spawner.pod_name, proxied.namespace)
    asked = list(proxied.proxy.asked)
    # Here JHKubeSpawner looks first whether the claim is somebody else's.
    await spawner.delete_forever()
    assert ("DELETE", spawner.pvc_name) in proxied.proxy.asked
    return url, asked, pod.metadata.labels


async def test_without_a_hub_a_server_lives_as_kubespawners_does(
    proxied: Proxied, spawner_of: Callable[[type[Any]], Any]
) -> None:
    theirs = await lived(proxied, spawner_of(KubeSpawner))
    for reflector in KubeSpawner.reflectors.values():
        await reflector.stop()
    KubeSpawner.reflectors.clear()
    spawner = spawner_of(JHKubeSpawner)
    assert await lived(proxied, spawner) == theirs
    assert ("POST", "pods") in theirs[1]
    assert spawner.pod_start is None


async def test_without_a_ceiling_no_quota_is_asked_for_and_nobodys_groups_are(
    proxied: Proxied, spawner_of: Callable[[type[Any]], Any]
) -> None:
    spawner = spawner_of(JHKubeSpawner)
    spawner.user_options = {}
    spawner.storage_pvc_ensure = False
    await spawner.load_user_options()
    await spawner._ensure_namespace()
    assert proxied.proxy.asked == [("POST", "namespaces")]

"""What the cluster has in the tests of the service: pods, claims and events of several people, and a proxy before it.

The hub of these tests starts no pods. Ada's pod runs; the others are objects that no scheduler looks at.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubespawner.slugs import is_valid_label, safe_slug

from tests.cluster.api_proxy import ApiProxy, kubeconfig_for
from tests.conftest import Cluster
from tests.hub.running import RunningHub
from tests.hub.service_hub import SPAWNER, ServiceHub, start_service
from tests.pods import new_namespace

LINES = ("the first line", "the last line")
LONG_LOG = f"yes {'x' * 700} | head -n 4000; echo {LINES[1]}"
"""Writes 2.8 MB: more than an answer may have."""

TOKEN = "the-token-of-the-server"
PASSWORD = "mumble"


def _made_for(name: str, user: str, server: str, subject: str) -> dict[str, Any]:
    annotations = {"hub.jupyter.org/username": user}
    if subject:
        annotations["jhkube/subject"] = subject
    if server:
        annotations["hub.jupyter.org/servername"] = server
    labels = {"hub.jupyter.org/username": safe_slug(user, is_valid=is_valid_label)}
    return {"name": name, "annotations": annotations, "labels": labels}


def pod(name: str, user: str, server: str, subject: str, image: str, claim: str = "") -> dict[str, Any]:
    """Return a pod as KubeSpawner and jhkube make it, with a token in its environment; nobody gives it a node."""
    metadata = _made_for(name, user, server, subject)
    metadata["annotations"]["jhkube/image"] = "registry.example.org/lab:w_2026_46"
    metadata["labels"] |= {"jhkube/image-tag": "w_2026_46", "jhkube/size": "small"}
    said = "; ".join(f"echo {line}" for line in LINES)
    return {
        "metadata": metadata,
        "spec": {
            "schedulerName": "nobody",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "notebook",
                    "image": image,
                    "command": ["sh", "-c", f"{said}; exec sleep 3600"],
                    "env": [{"name": "JUPYTERHUB_API_TOKEN", "value": TOKEN}],
                }
            ],
            "initContainers": [{"name": "home", "image": image, "command": ["sh", "-c", LONG_LOG]}],
            "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": claim}}] if claim else [],
        },
    }


def claim(name: str, user: str, server: str, subject: str, size: str = "10Mi") -> dict[str, Any]:
    """Return a claim of the cluster's default class."""
    return {
        "metadata": _made_for(name, user, server, subject),
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def event(about: Any, reason: str, message: str) -> dict[str, Any]:
    """Return an event of a pod's container."""
    involved = {"kind": "Pod", "apiVersion": "v1", "fieldPath": "spec.containers{notebook}"}
    involved |= {"name": about.metadata.name, "namespace": about.metadata.namespace, "uid": about.metadata.uid}
    return {
        "metadata": {"generateName": "tests-"},
        "involvedObject": involved,
        "type": "Normal",
        "reason": reason,
        "message": message,
        "count": 1,
    }


@dataclass
class World:
    """A hub with its service, the API server as both reach it, and the namespace of the servers."""

    service: ServiceHub
    proxy: ApiProxy
    core: Any
    namespace: str
    image: str

    @property
    def pods(self) -> str:
        """The path of the pods."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    @property
    def metrics(self) -> str:
        """The path of the pods' metrics, which the cluster of the tests does not have."""
        return f"/apis/metrics.k8s.io/v1beta1/namespaces/{self.namespace}/pods"

    @property
    def claims(self) -> str:
        """The path of the claims."""
        return f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims"

    async def ask(self, *args: Any, **more: Any) -> tuple[int, Any]:
        """Ask the service's API as somebody; as `ServiceHub.ask`."""
        return await self.service.ask(*args, **more)

    def asked_since(self, start: int) -> list[str]:
        """Return what the API server was asked after so many requests."""
        return self.proxy.paths[start:]

    async def make_pod(self, *args: str, runs: bool = False) -> Any:
        """Create a pod; return it, once it runs where it is to run."""
        made = pod(*args[:4], self.image, *args[4:])
        if runs:
            del made["spec"]["schedulerName"]
        found = await self.core.create_namespaced_pod(self.namespace, made)
        async with asyncio.timeout(240):
            while runs and found.status.phase != "Running":
                await asyncio.sleep(0.1)
                found = await self.core.read_namespaced_pod(found.metadata.name, self.namespace)
        return found

    async def make_claim(self, user: str, server: str, subject: str, *, name: str = "") -> str:
        """Create a claim and return its name: that of the hub's rule if it is left out."""
        name = name or f"claim-{user}--{server}"
        made = claim(name, user, server, subject)
        await self.core.create_namespaced_persistent_volume_claim(self.namespace, made)
        return name

    async def has_claim(self, name: str) -> bool:
        """Say whether a claim is there, and not about to be deleted."""
        found = (await self.core.list_namespaced_persistent_volume_claim(self.namespace)).items
        return name in [each.metadata.name for each in found if each.metadata.deletion_timestamp is None]

    async def fill(self) -> None:
        """Create what the tests find: Ada's pod, which runs, and her claims; what has her name and is another's."""
        await self.core.create_namespaced_persistent_volume_claim(
            self.namespace, claim("claim-ada", "ada", "", "github:1")
        )
        await self.make_claim("ada", "old", "github:1")
        await self.make_claim("ada", "heir", "github:666")
        ada = await self.make_pod("jupyter-ada", "ada", "", "github:1", "claim-ada", runs=True)
        # One that has Ada's name and is another person's, and one whose person nobody has written on it.
        await self.make_pod("jupyter-ada--gpu", "ada", "gpu", "github:666")
        await self.make_pod("jupyter-kay", "kay", "", "")
        said = f'Pulling image "lab" from https://ada:{PASSWORD}@registry.example.org'
        await self.core.create_namespaced_event(self.namespace, event(ada, "Pulling", said))


@asynccontextmanager
async def service_world(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, **environ: str
) -> AsyncIterator[World]:
    """Within the block there are a hub, its service and a namespace, and the proxy between them and the cluster."""
    hubs: list[RunningHub] = []

    async def start(config: Any, **more: Any) -> RunningHub:
        hub = RunningHub(tmp_path_factory.mktemp("service"), config, **more)
        hubs.append(hub)
        await hub.start()
        return hub

    namespace = f"{cluster.namespace}-{secrets.token_hex(2)}"
    await new_namespace(cluster.core, namespace)
    proxy = ApiProxy()
    try:
        async with proxy.running():
            kubeconfig: Path = tmp_path_factory.mktemp("kube") / "config"
            kubeconfig.write_text(kubeconfig_for(proxy.url))
            try:
                service = await start_service(
                    start, kubeconfig, python_settings=SPAWNER, JHKUBE_NAMESPACE=namespace, **environ
                )
                yield World(service, proxy, cluster.core, namespace, f"{cluster.registry}/tiny:1.0")
            finally:
                for hub in hubs:
                    await hub.stop()
    finally:
        await cluster.core.delete_namespace(namespace)

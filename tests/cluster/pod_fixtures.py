"""Pods built by jhkube.pod alone, on the real cluster: no hub, no spawner."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from kubernetes_asyncio import client
from kubespawner.objects import make_pod

from jhkube.identity import UnixGroup, UserIdentity
from jhkube.pod.build import PodSettings, ServerFacts, build_pod, secret_files
from jhkube.pod.secret import secret_manifest
from tests.conftest import Cluster
from tests.pods import in_pod

__all__ = ["ADA", "BOB", "Pods", "claim", "image", "pods"]

GROUPS = (UnixGroup("astro", 90_001), UnixGroup("ops", 90_002))
ADA = UserIdentity("ada", 70_001, 70_001, "github:1", "Ada Lovelace", "ada@example.org", GROUPS)
BOB = UserIdentity("bob", 70_002, 70_002, "github:2", "Bob Bobsen", "bob@example.org", GROUPS)

FINISHED = ("Running", "Succeeded", "Failed")


@dataclass
class Pods:
    """A namespace and the pods that a test makes there."""

    core: Any
    namespace: str
    image: str
    made: list[str] = field(default_factory=list)

    async def create(
        self,
        settings: PodSettings,
        identity: UserIdentity = ADA,
        *,
        claim: str = "",
        tokens: dict[str, str] | None = None,
        command: str = "exec sleep 600",
        hub_groups: tuple[str, ...] = (),
        **traits: Any,
    ) -> str:
        """Create a pod and its Secret, in the order in which a spawn does, and return the pod's name."""
        pod = make_pod(
            **{
                "name": f"jupyter-{identity.name}-{secrets.token_hex(3)}",
                "cmd": ["sh", "-c", command],
                "port": 8888,
                "image": self.image,
                "uid": 1000,
                "fs_gid": 100,
                **traits,
            }
        )
        build_pod(pod, settings, identity, ServerFacts(hub_groups=hub_groups), claim_name=claim)
        created = await self.core.create_namespaced_pod(self.namespace, pod)
        self.made.append(created.metadata.name)
        files = secret_files(settings, identity, tokens or {})
        await self.core.create_namespaced_secret(self.namespace, secret_manifest(created, files))
        return str(created.metadata.name)

    async def start(self, settings: PodSettings, identity: UserIdentity = ADA, **arguments: Any) -> str:
        """Create a pod, wait until it runs, and return its name."""
        name = await self.create(settings, identity, **arguments)
        await self.running(name)
        return name

    async def running(self, *names: str) -> None:
        """Wait until pods run; fail with what is in their way."""
        for name in names:
            pod = await self.until(name, lambda pod: pod.status.phase in FINISHED or self.complaint(pod))
            assert pod.status.phase == "Running", self.complaint(pod) or pod.status

    async def until(self, name: str, is_so: Any, timeout: float = 180) -> Any:
        """Return the pod once `is_so(pod)`."""
        async with asyncio.timeout(timeout):
            while not is_so(pod := await self.core.read_namespaced_pod(name, self.namespace)):
                await asyncio.sleep(0.1)
        return pod

    @staticmethod
    def complaint(pod: Any) -> str:
        """Return what an init container that failed has said, or ''."""
        for status in pod.status.init_container_statuses or ():
            for state in (status.state, status.last_state):
                if state and state.terminated and state.terminated.exit_code:
                    return str(state.terminated.message or state.terminated.reason)
        return ""

    async def run(self, name: str, script: str) -> str:
        """Return what a script prints in a pod."""
        return await in_pod(self.namespace, name, script)

    async def delete(self, name: str) -> None:
        """Delete a pod at once."""
        await self.core.delete_namespaced_pod(name, self.namespace, grace_period_seconds=0)

    async def everything_about(self, name: str) -> str:
        """Return all that `kubectl describe` could show of a pod."""
        pod = await self.core.read_namespaced_pod(name, self.namespace, _preload_content=False)
        events = await self.core.list_namespaced_event(
            self.namespace, field_selector=f"involvedObject.name={name}", _preload_content=False
        )
        return json.dumps([await pod.json(), await events.json()])


@pytest.fixture
def image(cluster: Cluster) -> str:
    """An image that has a shell and no git, and that nothing was changed in."""
    return f"{cluster.registry}/tiny:1.0"


@pytest.fixture
async def pods(cluster: Cluster, image: str) -> AsyncIterator[Pods]:
    """Make pods; they go after the test."""
    helper = Pods(cluster.core, cluster.namespace, image)
    yield helper
    for name in helper.made:
        try:
            await helper.delete(name)
        except client.ApiException as error:
            if error.status != 404:
                raise


@pytest.fixture
async def claim(cluster: Cluster) -> AsyncIterator[str]:
    """A claim of the cluster's default class."""
    name = f"claim-{secrets.token_hex(3)}"
    await cluster.core.create_namespaced_persistent_volume_claim(
        cluster.namespace,
        {
            "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
        },
    )
    yield name
    await cluster.core.delete_namespaced_persistent_volume_claim(name, cluster.namespace)

"""Notebooks by custom resource, with an operator that is killed right after each request that writes something."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio import client

from jhkube.operator.crds import custom_resource_definitions
from tests.cluster.api_proxy import kubeconfig_for
from tests.cluster.conftest import Proxied
from tests.cluster.operator_kills import Kills
from tests.operators import Operator, define

NOTEBOOKS = {"INGRESS_DOMAIN": "notebooks.example.org", "INGRESS_TLS_SECRET": "tls", "JO_POD_NODE_SELECTOR_KEY": ""}
LARGE = {"limits": {"cpu": "5000"}, "requests": {"cpu": "5000"}}
"""What no node has: the pods cost nothing."""


@dataclass
class Notebooks:
    """The notebooks of a namespace, as an administrator sees them."""

    namespace: str
    core: client.CoreV1Api
    kills: Kills
    earlier: frozenset[str] = frozenset()
    """What other tests have left, which goes some time later."""

    @property
    def _resources(self) -> tuple[str, str, str, str]:
        return "squonk.it", "v2", self.namespace, "jupyternotebooks"

    @property
    def api(self) -> client.CustomObjectsApi:
        """The API of custom resources."""
        return client.CustomObjectsApi(self.core.api_client)

    async def create(self, name: str, **asked: Any) -> None:
        """Make a notebook."""
        asked = {"image": "registry.example.org/none:1", "project": {"claimName": "project", "id": "p"}, **asked}
        body = {
            "apiVersion": "squonk.it/v2",
            "kind": "JupyterNotebook",
            "metadata": {"name": name},
            "spec": {"imDataManager": {"resources": LARGE, **asked}},
        }
        await self.api.create_namespaced_custom_object(*self._resources, body)

    async def get(self, name: str) -> dict[str, Any]:
        """Return a notebook."""
        found: dict[str, Any] = await self.api.get_namespaced_custom_object(*self._resources, name)
        return found

    async def change(self, name: str, **asked: Any) -> None:
        """Change what a notebook asks for."""
        patch = {"spec": {"imDataManager": asked}}
        await self.api.patch_namespaced_custom_object(
            *self._resources, name, patch, _content_type="application/merge-patch+json"
        )

    async def waits(self, name: str) -> bool:
        """Return whether a notebook is all there as it is asked for now, and waits for a node for its only pod."""
        found = await self.get(name)
        status, generation = found.get("status", {}), found["metadata"]["generation"]
        if status.get("observedGeneration") != generation or "No node" not in status["message"]:
            return False
        pods = await self.core.list_namespaced_pod(self.namespace, label_selector=f"deployment={name}")
        deployment = await client.AppsV1Api(self.core.api_client).read_namespaced_deployment(name, self.namespace)
        who = found["spec"]["imDataManager"].get("securityContext", {}).get("runAsUser", 1000)
        return [each.spec.security_context.run_as_user for each in (deployment.spec.template, *pods.items)] == [
            who
        ] * 2

    async def objects(self) -> list[str]:
        """Return what there is of the kinds that are made, but for what was there earlier."""
        apps, networking = client.AppsV1Api(self.core.api_client), client.NetworkingV1Api(self.core.api_client)
        found = {
            "Deployment": (await apps.list_namespaced_deployment(self.namespace)).items,
            "Ingress": (await networking.list_namespaced_ingress(self.namespace)).items,
            "Secret": (await self.core.list_namespaced_secret(self.namespace)).items,
            "Service": (await self.core.list_namespaced_service(self.namespace)).items,
        }
        names = [f"{kind} {each.metadata.name}" for kind, items in found.items() for each in items]
        return [each for each in names if each not in self.earlier]

    async def is_refused(self, name: str) -> bool:
        """Return whether a notebook has failed, and nothing of it is there."""
        status = (await self.get(name)).get("status", {})
        left = [each for each in await self.objects() if name in each]
        return status.get("phase") == "Failed" and not left


@pytest.fixture
async def notebooks(proxied: Proxied, tmp_path: Path) -> AsyncIterator[Notebooks]:
    await define(custom_resource_definitions())
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(kubeconfig_for(proxied.proxy.url))
    await proxied.core.create_namespaced_persistent_volume_claim(
        proxied.namespace, {"metadata": {"name": "project"}, "spec": claim}
    )
    operator = Operator(proxied.namespace, kubeconfig, tmp_path, "--standalone", **NOTEBOOKS)
    own = Notebooks(proxied.namespace, proxied.core, Kills(operator, (proxied.proxy,)))
    own.earlier = frozenset(await own.objects())
    try:
        yield own
    finally:
        await own.kills.end()
        await own.api.delete_collection_namespaced_custom_object(*own._resources)
        await proxied.core.delete_namespaced_persistent_volume_claim("project", proxied.namespace)


async def test_a_notebook_is_whole_or_not_there_whenever_its_operator_is_killed(notebooks: Notebooks) -> None:
    await notebooks.create("study")
    steps = await notebooks.kills.until(lambda: notebooks.waits("study"), "study")
    made = ["POST secrets", "PATCH secrets/config-study", "POST services", "POST ingresses", "POST deployments"]
    assert steps[:5] == made
    assert steps[5:]
    whole = ["Deployment study", "Ingress study", "Secret config-study", "Service study"]
    assert await notebooks.objects() == whole

    # A change of all but the Service.
    await notebooks.change("study", ingressProxyBodySize="2g", securityContext={"runAsUser": 1001})
    steps = await notebooks.kills.until(lambda: notebooks.waits("study"), "study")
    assert {"PATCH secrets/config-study", "PUT ingresses/study", "PUT deployments/study"} <= set(steps)
    assert await notebooks.objects() == whole
    networking = client.NetworkingV1Api(notebooks.core.api_client)
    ingress = await networking.read_namespaced_ingress("study", notebooks.namespace)
    assert ingress.metadata.annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == "2g"
    # The Secret is the one of the status, and of the change.
    secret = await notebooks.core.read_namespaced_secret("config-study", notebooks.namespace)
    files = {name: base64.b64decode(text).decode() for name, text in secret.data.items()}
    token = (await notebooks.get("study"))["status"]["jupyter"]["notebook"]["token"]
    assert token in files["jupyter_notebook_config.json"]
    assert "jovyan:x:1001:" in files["passwd"]

    # An Ingress has no address for a host, so the API server refuses it when the rest is there.
    await notebooks.create("refused", ingressDomain="10.0.0.1")
    steps = await notebooks.kills.until(lambda: notebooks.is_refused("refused"), "refused")
    assert {"POST services", "DELETE services/refused", "DELETE secrets/config-refused"} <= set(steps)
    assert await notebooks.objects() == whole

    # That no node has room is told again where waiting for one lasts long.
    events = await notebooks.core.list_namespaced_event(notebooks.namespace)
    told = Counter(
        (each.involved_object.name, each.reason)
        for each in events.items
        if each.involved_object.kind == "JupyterNotebook" and each.reason != "Unschedulable"
    )
    assert set(told.values()) <= {1}

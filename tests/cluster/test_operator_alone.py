"""The operator as Helm installs it, with both kinds of resources, and an API server that is killed while it works."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes_asyncio import client

from devcluster.settings import Settings
from jhkube.operator.crds import custom_resource_definitions
from tests.accounts import OWN, kubectl, run_helm
from tests.hub.running import ROOT, RunningHub
from tests.hub.service_hub import SETTINGS, SPAWNER
from tests.pods import devcluster, new_namespace

pytestmark = pytest.mark.alone

TOKEN = "operator-" + "2" * 32
CONFIG = ROOT / "config" / "jupyterhub_config.d" / "46-operator.py"
NOTEBOOK = ("squonk.it/v2", "JupyterNotebook", "jupyternotebooks")
SERVER = ("jhkube.dev/v1", "JupyterServer", "jupyterservers")


@dataclass
class Release:
    """A namespace with an operator that Helm has installed, and the hub that it asks."""

    namespace: str
    hub: RunningHub
    core: client.CoreV1Api

    async def create(self, kind: tuple[str, str, str], name: str, spec: dict[str, Any]) -> None:
        version, word, plural = kind
        body = {"apiVersion": version, "kind": word, "metadata": {"name": name}, "spec": spec}
        api = client.CustomObjectsApi(self.core.api_client)
        await api.create_namespaced_custom_object(*version.split("/"), self.namespace, plural, body)

    async def status(self, kind: tuple[str, str, str], name: str) -> dict[str, Any]:
        api = client.CustomObjectsApi(self.core.api_client)
        found = await api.get_namespaced_custom_object(*kind[0].split("/"), self.namespace, kind[2], name)
        return found.get("status", {})

    async def reach(self, kind: tuple[str, str, str], name: str, phase: str) -> dict[str, Any]:
        """Return a resource's status once it is in this phase."""
        status: dict[str, Any] = {}
        try:
            async with asyncio.timeout(240):
                while (status := await self.status(kind, name)).get("phase") != phase:
                    await asyncio.sleep(0.3)
        except TimeoutError:
            log = await kubectl("-n", self.namespace, "logs", "deploy/jhkube-operator", "--tail=40")
            pytest.fail(f"{name} is not {phase} but {status}\n{log}")
        return status

    async def pods(self) -> list[Any]:
        label = "app.kubernetes.io/component=operator"
        return (await self.core.list_namespaced_pod(self.namespace, label_selector=label)).items


async def forget_definitions():
    """Delete the definitions that other tests have left: Helm takes over none that it has not made."""
    for each in custom_resource_definitions():
        name = each["metadata"]["name"]
        if name == "jupyterservers.jhkube.dev" and name in await kubectl("get", "crd", "-o", "name"):
            for left in json.loads(await kubectl("get", name, "-A", "-o", "json"))["items"]:
                where = ("-n", left["metadata"]["namespace"], left["metadata"]["name"])
                await kubectl("patch", name, *where, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        await kubectl("delete", "crd", name, "--ignore-not-found", "--timeout=240s")


@pytest.fixture(scope="module")
async def release(cluster, tmp_path_factory):
    namespace = f"{cluster.namespace}-helm"
    await new_namespace(cluster.core, namespace)
    environ = {"JHKUBE_OPERATOR_GROUPS": "class", "JHKUBE_OPERATOR_TOKEN": TOKEN}
    settings = f"load_subconfig({str(CONFIG)!r})\n{SPAWNER}"
    folder = tmp_path_factory.mktemp("hub")
    hub = RunningHub(folder, SETTINGS, python_settings=settings, environ=environ, host=cluster.host)
    name, _, tag = f"{cluster.registry}/hub:dev".rpartition(":")
    values = {
        "operator": {
            "enabled": True,
            "image": {"name": name, "tag": tag, "pullPolicy": "Always"},
            "servers": {"enabled": True, "tokenSecret": "operator", "hubApiUrl": f"{hub.url}/hub/api"},
            "notebooks": {"ingressDomain": "notebooks.example.org", "ingressTlsSecret": "tls"},
        }
    }
    try:
        await hub.start()
        await cluster.core.create_namespaced_secret(
            namespace, {"metadata": {"name": "operator"}, "stringData": {"token": TOKEN}}
        )
        await forget_definitions()
        words = ("install", "jhkube", OWN, "--namespace", namespace, "--wait", "--timeout=300s", "--values", "-")
        done = await asyncio.to_thread(run_helm, *words, values=values)
        assert done.returncode == 0, done.stderr
        release = Release(namespace, hub, cluster.core)
        yield release
        await kubectl("-n", namespace, "delete", "jupyterservers,jupyternotebooks", "--all", "--timeout=240s")
        done = await asyncio.to_thread(run_helm, "uninstall", "jhkube", "--namespace", namespace, "--wait")
        assert done.returncode == 0, done.stderr
        # To delete a definition is to delete every resource of it.
        assert "jupyterservers.jhkube.dev" in await kubectl("get", "crd", "-o", "name")
    finally:
        await hub.stop()
        await cluster.core.delete_namespace(namespace)


async def test_helm_installs_an_operator_that_works(release):
    await release.create(SERVER, "course", {"user": "ada", "server": "course"})
    status = await release.reach(SERVER, "course", "Running")
    assert status["url"] == "/user/ada/course/"
    project = {"claimName": "nowhere", "id": "project-1"}
    await release.create(NOTEBOOK, "study", {"imDataManager": {"project": project}})
    status = await release.reach(NOTEBOOK, "study", "Failed")
    assert status["message"] == "The claim nowhere does not exist. The notebook starts when it is there."


@pytest.mark.skipif(Settings.load().external, reason="only the development cluster's API server may be killed")
async def test_an_operator_outlives_an_api_server_that_is_killed(release):
    await release.reach(SERVER, "course", "Running")
    (before,) = await release.pods()
    names = [f"killed-{number}" for number in range(6)]
    asking = asyncio.gather(
        *(release.create(SERVER, name, {"user": "ada", "server": name}) for name in names), return_exceptions=True
    )
    killing = asyncio.create_task(devcluster("kill", "apiserver"))
    try:
        refused = [isinstance(each, Exception) for each in await asking]
        await killing
    finally:
        await devcluster("start", "apiserver")
    for name, is_refused in zip(names, refused, strict=True):
        # Some are there, although nobody was told so.
        if is_refused and name not in await kubectl("-n", release.namespace, "get", "jupyterservers", "-o", "name"):
            await release.create(SERVER, name, {"user": "ada", "server": name})
    for name in names:
        await release.reach(SERVER, name, "Running")
    # Both kinds, with claims and Deployments, are told of again.
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}}
    await release.core.create_namespaced_persistent_volume_claim(
        release.namespace, {"metadata": {"name": "nowhere"}, "spec": claim}
    )
    async with asyncio.timeout(240):
        while (await release.status(NOTEBOOK, "study")).get("phase") == "Failed":
            await asyncio.sleep(0.3)
    (after,) = await release.pods()
    assert after.metadata.uid == before.metadata.uid
    assert [each.restart_count for each in after.status.container_statuses] == [
        each.restart_count for each in before.status.container_statuses
    ]

"""Servers by custom resource, as pods: a real hub with jhkube's spawner, and an operator with the chart's account."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devcluster import demo
from devcluster.settings import Settings
from jhkube.pod.limits import parse_quantity
from tests.accounts import kubectl
from tests.conftest import Cluster, NewHub
from tests.hubs import Person
from tests.operators import Servers, servers_operator
from tests.pods import new_namespace, pod_of

TOKEN = secrets.token_hex(32)
SIZES = [
    {"name": "small", "cores": 0.1, "memory": "64M", "default": True},
    {"name": "large", "cores": 0.2, "memory": "96M"},
    {"name": "nowhere", "cores": 0.1, "memory": "64M", "node_selector": {"no": "where"}},
]
EXTRA = 'c.JHKubeSpawner.start_patience = {"unschedulable": 5}'


@dataclass
class Lesson(Servers):
    """JupyterServers of somebody who has logged in at a hub with pods."""

    person: Person

    async def pod(self, server: str) -> Any:
        """Return the pod of a server; None where it has none."""
        return await pod_of(self.core, self.namespace, self.person.name, server)

    async def claims(self) -> set[str]:
        """Return the claims of the namespace that nobody deletes."""
        found = await self.core.list_namespaced_persistent_volume_claim(self.namespace)
        return {each.metadata.name for each in found.items if not each.metadata.deletion_timestamp}


@pytest.fixture(scope="module")
async def lesson(
    cluster: Cluster, new_hub: NewHub, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Lesson]:
    namespace = f"{cluster.namespace}-lesson"
    await new_namespace(cluster.core, namespace)
    hub = await new_hub(
        "lesson",
        EXTRA,
        JHKUBE_NAMESPACE=namespace,
        JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny",
        JHKUBE_HOME_SIZE="10Mi",
        JHKUBE_SIZES=json.dumps(SIZES),
        JHKUBE_OPERATOR_GROUPS="observatory",
        JHKUBE_OPERATOR_TOKEN=TOKEN,
    )
    person = await hub.login("guest-10")
    hub_api = f"http://{hub.connect_host}:{hub.hub_port}/hub/api"
    folder = tmp_path_factory.mktemp("operator")
    try:
        async with servers_operator(cluster.core, namespace, folder, hub_api, TOKEN, hub.url) as own:
            yield Lesson(namespace, own.operator, cluster.core, person)
    finally:
        await person.close()
        await cluster.core.delete_namespace(namespace)


async def test_a_resource_is_a_pod_with_its_size_and_its_url_opens(lesson: Lesson) -> None:
    await lesson.create("lesson", user=lesson.person.name, options={"size": "small"})
    status = await lesson.reach("lesson", "Running")
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Ready": "True",
        "Progressing": "False",
        "Failed": "False",
    }
    assert status["url"] == f"{lesson.person.hub.url}/user/{lesson.person.name}/lesson/"
    async with lesson.person.session.get(status["url"]) as answer:
        assert (answer.status, await answer.json()) == (200, {"version": "tiny"})
    before = await lesson.pod("lesson")

    # Another size is another pod, with the same disk.
    await lesson.change("lesson", options={"size": "large"})
    said = "The server restarts, because the options of its resource were changed."
    await lesson.until_told("lesson", "Normal", "SpecChanged", said)
    await lesson.reach("lesson", "Running")
    after = await lesson.pod("lesson")
    assert after.metadata.uid != before.metadata.uid
    assert memory_of(after) == 1.5 * memory_of(before)
    assert claim_of(after) == claim_of(before)


async def test_a_start_that_fails_has_the_hubs_sentence(lesson: Lesson) -> None:
    await lesson.create("lost", user=lesson.person.name, options={"size": "nowhere"})
    status = await lesson.reach("lost", "Failed")
    assert status["message"].startswith("No node of the cluster is of the kind your server asks for")
    assert status["attempts"]
    (failed,) = [each for each in status["conditions"] if each["type"] == "Failed"]
    assert (failed["status"], failed["message"]) == ("True", status["message"])
    assert failed["reason"] in ("Unschedulable", "FailedScheduling")
    await lesson.until_told("lost", "Warning", failed["reason"], status["message"])
    # Mended by a change, without a new resource.
    await lesson.change("lost", options={"size": "small"})
    await lesson.reach("lost", "Running")


async def test_what_is_deleted_goes_and_its_disk_stays(lesson: Lesson) -> None:
    await lesson.create("kept", user=lesson.person.name)
    await lesson.reach("kept", "Running")
    claim = claim_of(await lesson.pod("kept"))
    await lesson.delete("kept")
    assert await lesson.pod("kept") is None
    _, left = await lesson.person.api("GET", f"/users/{lesson.person.name}?include_stopped_servers=1")
    assert "kept" not in left["servers"]
    assert claim in await lesson.claims()


async def test_the_examples_of_the_demo_start_and_their_urls_open(lesson: Lesson, tmp_path: Path) -> None:
    await lesson.operator.end()
    hub, settings = lesson.person.hub, Settings.load()
    notebook = demo.write_examples(settings, tmp_path, lesson.namespace)
    assert notebook is not None
    (tmp_path / "operator_token").write_text(TOKEN)
    addresses = demo.Addresses(hub.url, hub.hub_port, 0, hub.proxy_port, "", "")
    # The demo's hub listens where pods reach it, as this one does.
    assert hub.connect_host == settings.host
    _, command, environ = demo.operator_program(settings, addresses, tmp_path, False, lesson.namespace)
    files = ("-f", str(notebook), "-f", str(notebook.with_name("server.yaml")))
    log = tmp_path / "demo.log"
    grace = await hub.login("grace")
    with log.open("w") as written:
        operator = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **environ}, stdout=written, stderr=written
        )
    try:
        async with asyncio.timeout(240):
            while "Working in" not in log.read_text():
                assert operator.returncode is None, log.read_text()
                await asyncio.sleep(0.1)
        await kubectl("apply", *files)
        status = await lesson.reach("grace-lesson", "Running")
        async with grace.session.get(status["url"]) as answer:
            assert (answer.status, await answer.json()) == (200, {"version": "tiny"})
        where = ("squonk.it", "v2", lesson.namespace, "jupyternotebooks", "study")
        async with asyncio.timeout(240):
            while (status := (await lesson.api.get_namespaced_custom_object(*where)).get("status", {})).get(
                "phase"
            ) != "Running":
                await asyncio.sleep(0.2)
        url = status["jupyter"]["notebook"]["url"]
        assert url.startswith("http://localhost/study?token=")
        # As the demo's port-forward has it, without its port.
        address = (await lesson.core.read_namespaced_service("study", lesson.namespace)).spec.cluster_ip
        async with aiohttp.request("GET", url.replace("http://localhost/", f"http://{address}:8888/")) as answer:
            assert (answer.status, answer.url.path) == (200, "/study/lab")
        await kubectl("delete", *files, "--timeout=120s")
    finally:
        await grace.close()
        if operator.returncode is None:
            operator.terminate()
        await operator.wait()
        await lesson.operator.start()


def memory_of(pod: Any) -> float:
    return float(parse_quantity(pod.spec.containers[0].resources.limits["memory"]))


def claim_of(pod: Any) -> str:
    (claim,) = [each.persistent_volume_claim.claim_name for each in pod.spec.volumes if each.persistent_volume_claim]
    return str(claim)

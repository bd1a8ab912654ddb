"""Kubeflow's and Renku's APIs on a hub whose cluster is away: what the hub alone knows is told all the same."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.hub.conftest import StartHub
from tests.hub.service_hub import SPAWNER, SUBJECTS, ServiceHub, start_service

SPACE = "kubeflow/api/namespaces/ada"


@pytest.fixture
async def service(start_hub: StartHub) -> ServiceHub:
    made = await start_service(
        start_hub,
        python_settings=SPAWNER,
        JHKUBE_MY_SERVERS_KUBEFLOW="true",
        JHKUBE_MY_SERVERS_RENKU_FORGE="https://git.example.org",
    )
    await made.add("ada", SUBJECTS["ada"])
    return made


async def ask(service: ServiceHub, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"token {service.tokens['ada']}"}
    async with aiohttp.request(method, f"{service.url}{path}", headers=headers, json=body) as answer:
        return answer.status, await answer.json() if answer.content_type == "application/json" else None


async def test_a_notebook_is_made_stopped_started_and_removed(service: ServiceHub):
    status, answer = await ask(service, "GET", "kubeflow/healthz/readiness")
    assert (status, answer) == (200, {"success": True, "status": 200, "user": ""})
    body = {"name": "study", "cpu": "2", "memory": "3Gi"}
    status, answer = await ask(service, "POST", f"{SPACE}/notebooks", body)
    assert (status, answer["success"], answer["user"]) == (200, True, "ada"), answer
    await service.reach("ada", "study", "running")
    status, answer = await ask(service, "GET", f"{SPACE}/notebooks")
    (row,) = answer["notebooks"]
    assert (row["name"], row["cpu"], row["memory"], row["status"]["phase"]) == ("study", "2", "4Gi", "ready")
    assert (await ask(service, "POST", f"{SPACE}/notebooks", body))[0] == 409
    assert (await ask(service, "PATCH", f"{SPACE}/notebooks/study", {"stopped": True}))[0] == 200
    await service.reach("ada", "study", "stopped")
    assert (await ask(service, "PATCH", f"{SPACE}/notebooks/study", {"stopped": True}))[0] == 409
    assert (await ask(service, "PATCH", f"{SPACE}/notebooks/study", {"stopped": False}))[0] == 200
    await service.reach("ada", "study", "running")
    status, answer = await ask(service, "GET", "renku/notebooks/servers")
    assert (answer["servers"]["study"]["status"]["state"], status) == ("running", 200)
    assert (await ask(service, "PATCH", "renku/notebooks/servers/study", {"state": "hibernated"}))[0] == 200
    await service.reach("ada", "study", "stopped")
    assert (await ask(service, "DELETE", f"{SPACE}/notebooks/study"))[0] == 200
    status, answer = await ask(service, "GET", f"{SPACE}/notebooks/study")
    assert (status, answer["success"], answer["log"].startswith("You have no server “study”.")) == (404, False, True)


async def test_strangers_and_an_absent_cluster_are_answered_within_the_frame(service: ServiceHub):
    async with asyncio.timeout(60):
        (kubeflow, answer), (renku, _) = await asyncio.gather(
            ask(service, "GET", f"{SPACE}/pvcs"), ask(service, "DELETE", "renku/notebooks/servers/none")
        )
    assert (kubeflow, answer["status"], answer["log"][-1]) == (504, 504, ".")
    assert renku == 404
    assert (await ask(service, "GET", "kubeflow/api/namespaces/eve/notebooks"))[0] == 403
    async with aiohttp.request(
        "GET", f"{service.url}{SPACE}/notebooks", headers={"kubeflow-userid": "ada"}
    ) as answer:
        assert (answer.status, (await answer.json())["user"]) == (401, "")


async def test_doors_that_are_off_are_not_there(start_hub: StartHub):
    service = await start_service(start_hub, python_settings=SPAWNER)
    await service.add("ada", SUBJECTS["ada"])
    for path in ("kubeflow/healthz/readiness", "renku/health"):
        assert (await ask(service, "GET", path))[0] == 404

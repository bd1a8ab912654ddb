"""Stopped servers that nobody came back to, as the project's own configuration has them announced and removed."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import aiohttp
import pytest

from tests.hub.conftest import StartHub
from tests.hub.running import RunningHub
from tests.hub.service_hub import SPAWNER, start_service
from tests.hub.test_culler import SERVICES, SETTINGS, start_server

pytestmark = pytest.mark.hub_versions

KEPT = (
    SPAWNER
    + r"""
class KeptSpawner(LabSpawner):
    def get_state(self):
        state = super().get_state()
        if self.name.startswith("saved"):
            said = {"asked": "2026-11-30T04:10:00+00:00", "answered": "told", "repositories": [], "complete": True}
            state["jhkube_unsaved"] = said
        return state

    async def delete_forever(self):
        with Path("deleted").open("a") as deleted:
            deleted.write(f"{self.user.name}/{self.name}\n")

c.JupyterHub.spawner_class = KeptSpawner
"""
    + f"load_subconfig({str(SERVICES)!r})\n"
)
CULLER = {
    "JHKUBE_CULLER": "true",
    "JHKUBE_CULLER_TIMEOUT": "600",
    "JHKUBE_CULLER_EVERY": "1",
    "JHKUBE_CULLER_REMOVE_AFTER": "2",
    "JHKUBE_CULLER_UNSAVED_FACTOR": "100",
}


async def stopped(hub: RunningHub, *servers: str) -> None:
    """Start servers, and stop them again."""
    for server in servers:
        name, _, own = server.partition("/")
        await start_server(hub, server)
        assert (await hub.api("DELETE", f"/users/{name}/servers/{own}"))[0] in (202, 204)
    names = {server.partition("/")[2] for server in servers}
    async with asyncio.timeout(180):
        # One that is stopped may be removed already.
        while any(name in names and not model["stopped"] for name, model in (await models(hub, "ada")).items()):
            await asyncio.sleep(0.1)


async def models(hub: RunningHub, name: str) -> dict[str, Any]:
    status, user = await hub.api("GET", f"/users/{name}?include_stopped_servers=1")
    assert status == 200
    return dict(user["servers"])


async def test_a_stopped_server_goes_with_its_disk_and_what_may_have_unsaved_work_or_runs_stays(
    start_hub: StartHub,
) -> None:
    hub = await start_hub(SETTINGS, python_settings=KEPT, environ={**CULLER, "JHKUBE_CULLER_REMOVE_WARNING": "2"})
    assert (await hub.api("GET", "/users/ada"))[0] == 200
    await stopped(hub, "ada/", "ada/saved", "ada/saved-too", "ada/unknown")
    await start_server(hub, "ada/saved-back")
    async with asyncio.timeout(120):
        while {"saved", "saved-too"} & (await models(hub, "ada")).keys():
            await asyncio.sleep(0.2)
    left = await models(hub, "ada")
    assert {name for name in left if name} == {"unknown", "saved-back"}
    assert left["saved-back"]["ready"]
    deleted = (hub.folder / "deleted").read_text().splitlines()
    assert sorted(deleted) == ["ada/saved", "ada/saved-too"]
    assert "Removed server ada/saved and its disk: nobody used it" in hub.log


async def test_a_removal_is_told_first_and_nobody_else_can_order_one(start_hub: StartHub) -> None:
    service = await start_service(
        start_hub, python_settings=KEPT, **CULLER, JHKUBE_CULLER_REMOVE_WARNING="600", JHKUBE_CULLER_WARNING="900"
    )
    token, hub = await service.add("ada", "github:1"), service.hub
    await stopped(hub, "ada/saved", "ada/unknown")
    await start_server(hub, "ada/")

    async def warnings(server: str) -> str:
        status, found = await service.ask("ada", "GET", f"servers/{server}")
        assert status == 200, found
        return " ".join(found["warnings"])

    async with asyncio.timeout(180):
        while "It is removed, with its disk, on 20" not in await warnings("saved"):
            await asyncio.sleep(0.2)
    assert "so it is kept for longer" not in await warnings("saved")
    async with asyncio.timeout(180):
        while "It may have unsaved work, so it is kept for longer." not in await warnings("unknown"):
            await asyncio.sleep(0.2)
    await service.reach("ada", "~", "running")
    assert re.search(r"Your server stops in about \d+ minutes because nobody uses it\.", await warnings("~"))

    headers = {"Authorization": f"token {token}"}
    for method, path, status in (
        ("POST", "removals", 403),
        ("DELETE", "removals/ada/saved", 409),
        ("DELETE", "removals/ada/none", 404),
        ("DELETE", "removals/eve/saved", 404),
    ):
        async with aiohttp.request(method, f"{hub.url}/hub/jhkube/{path}", headers=headers) as answer:
            assert answer.status == status, path
    # Starting it is all that it takes to keep it.
    await start_server(hub, "ada/saved")
    await service.reach("ada", "saved", "running")
    assert "removed" not in await warnings("saved")
    assert not (hub.folder / "deleted").exists()

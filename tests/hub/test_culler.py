"""The culler of idle servers, as the project's own configuration starts it, beside a real hub."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.hub.conftest import StartHub
from tests.hub.running import ROOT, RunningHub

SERVICES = ROOT / "config" / "jupyterhub_config.d" / "40-services.py"
SETTINGS = {
    "JupyterHub": {"authenticator_class": "dummy", "allow_named_servers": True},
    "Authenticator": {"allow_all": True},
}
PEOPLE = ("ada", "grace")
GROUP = "observatory:night shift"


async def left(hub: RunningHub) -> set[str]:
    """Return the servers that run, as `name/server`."""
    _, users = await hub.api("GET", "/users?state=active")
    return {f"{user['name']}/{server}" for user in users for server in user["servers"]}


async def start_server(hub: RunningHub, server: str, **options: Any) -> None:
    name, _, own = server.partition("/")
    status, body = await hub.api("POST", f"/users/{name}/servers/{own}", json=options)
    assert status in (201, 202), body


@pytest.mark.hub_versions
async def test_idle_servers_are_stopped_by_their_size_and_their_persons_groups(start_hub: StartHub) -> None:
    culler = {
        "JHKUBE_CULLER": "true",
        "JHKUBE_CULLER_TIMEOUT": "2",
        "JHKUBE_CULLER_EVERY": "1",
        "JHKUBE_CULLER_SIZES": json.dumps({"gpu": 1, "batch": 3600}),
        "JHKUBE_CULLER_GROUPS": json.dumps({GROUP: 3600, "nobody": 1}),
        "JHKUBE_LOG_FORMAT": "json",
    }
    hub = await start_hub(SETTINGS, python_settings=f"load_subconfig({str(SERVICES)!r})", environ=culler)
    for name in PEOPLE:
        assert (await hub.api("POST", f"/users/{name}"))[0] == 201
    assert (await hub.api("POST", f"/groups/{GROUP}", json={"users": ["grace"]}))[0] == 201
    for name in PEOPLE:
        await start_server(hub, f"{name}/small", size="small")
        await start_server(hub, f"{name}/gpu", size="gpu")
        await start_server(hub, f"{name}/batch", size="batch")

    # Only Ada's small one waits for nothing: Grace's group has an hour, and a size's own time counts before that.
    async with asyncio.timeout(120):
        while await left(hub) != {"ada/batch", "grace/batch", "grace/small"}:
            await asyncio.sleep(0.2)
    await asyncio.sleep(2)
    assert await left(hub) == {"ada/batch", "grace/batch", "grace/small"}
    said = [json.loads(line)["message"] for line in hub.log.splitlines() if '"message": "Culling' in line]
    assert {line.split()[2] for line in said} == {"ada/small", "ada/gpu", "grace/gpu"}

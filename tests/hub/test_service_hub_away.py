"""The service "My servers" when its hub is killed, restarts, or hangs."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from jhkube.service.hub_client import HUB_AWAY
from tests.hub.conftest import StartHub
from tests.hub.service_hub import (
    SETTINGS,
    SPAWNER,
    ServiceHub,
    no_cluster,
    service_apart,
    services_of,
    start_service,
    with_service,
)
from tests.ports import free_port

pytestmark = pytest.mark.hub_versions


def has_ended(pid: int) -> bool:
    """Say whether a process has ended; its number may stay until somebody asks how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def test_the_service_ends_with_a_hub_that_is_killed(start_hub: StartHub, tmp_path: Path) -> None:
    service = await start_service(start_hub, no_cluster(tmp_path), python_settings=SPAWNER)
    process = service.hub.process
    assert process is not None
    (pid,) = services_of(process.pid)
    process.kill()
    async with asyncio.timeout(180):
        while not has_ended(pid):
            await asyncio.sleep(0.1)


@pytest.fixture
async def apart(start_hub: StartHub, tmp_path: Path) -> AsyncIterator[ServiceHub]:
    """A hub, and its service as a process that the hub has not started; Ada has a token."""
    token, port = secrets.token_hex(32), free_port()
    url, kubeconfig = f"http://127.0.0.1:{port}", no_cluster(tmp_path)
    environ = {"JHKUBE_MY_SERVERS": "true", "JHKUBE_MY_SERVERS_URL": url, "JHKUBE_MY_SERVERS_TOKEN": token}
    hub = await start_hub(SETTINGS, python_settings=with_service(SPAWNER), environ=environ)
    door = {"JHKUBE_MY_SERVERS_KUBEFLOW": "true"}
    async with service_apart(f"{hub.url}/hub/api", url, token, kubeconfig, tmp_path, **door):
        service = ServiceHub(hub, port)
        await service.add("ada", "github:1")
        yield service


async def test_a_hub_that_restarts_is_waited_for(apart: ServiceHub) -> None:
    assert (await apart.ask("ada", "GET", "servers"))[0] == 200
    await apart.hub.stop()
    for path in ("servers", "servers/~/logs", "options", "groups/class/servers"):
        status, found = await apart.ask("ada", "GET", path)
        assert (status, found) == (503, {"message": HUB_AWAY, "field": ""}), path
    polling = asyncio.create_task(polled(apart))
    await apart.hub.start()
    assert (await apart.ask("ada", "GET", "servers"))[0] == 200
    # Kubeflow's web app asks for its list all the time, until it reads an error.
    async with asyncio.timeout(180):
        # The proxy of this hub, which is between them here, may say 404 while it starts.
        assert set(await polling) <= {200, 401, 504}


async def polled(service: ServiceHub) -> list[int]:
    """Ask for the list of notebooks until the hub is there; return all statuses."""
    statuses: list[int] = []
    url, headers = (
        f"{service.url}kubeflow/api/namespaces/ada/notebooks",
        {"Authorization": f"token {service.tokens['ada']}"},
    )
    while 200 not in statuses:
        async with aiohttp.request("GET", url, headers=headers) as answer:
            told = await answer.json()
            assert (told["status"], told["success"]) == (answer.status, answer.status == 200)
            statuses.append(answer.status)
    return statuses


async def test_a_hub_that_hangs_is_not_waited_for_without_end(apart: ServiceHub) -> None:
    process = apart.hub.process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(180):
            status, found = await apart.ask("ada", "GET", "servers")
        assert (status, found["message"]) == (503, HUB_AWAY)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert (await apart.ask("ada", "GET", "servers"))[0] == 200

"""Unsaved work of a real lab: its image's extension looks at the home, and the hub asks it and keeps the answer."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.hubs import Hub, Person
from tests.pods import in_pod, pod_of
from tests.ports import free_port

pytestmark = pytest.mark.hub_versions

NAME = "guest-18"
ASKED = "/jhkube/unsaved"


async def view(hub: Hub, person: Person, *states: str) -> dict[str, Any]:
    """Return what the service says of the person's server, once it is in one of these states."""
    headers = {"Authorization": f"token {person.token}"}
    async with asyncio.timeout(180):
        while True:
            try:
                url = f"{hub.url}/services/jhkube/api/servers/~"
                async with aiohttp.request("GET", url, headers=headers) as answer:
                    found = await answer.json()
                    if answer.status == 200 and found["state"] in states:
                        return dict(found)
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.3)


async def test_a_lab_tells_what_is_unsaved_while_it_runs_and_after_it_stopped(new_hub, someone, cluster) -> None:
    hub = await new_hub("unsaved", JHKUBE_MY_SERVERS="true", JHKUBE_MY_SERVERS_PORT=str(free_port()))
    person = await someone(hub, NAME)
    await person.started(size="small")
    pod = await pod_of(cluster.core, cluster.namespace, NAME)
    await in_pod(
        cluster.namespace,
        pod.metadata.name,
        "set -e; cd ~; rm -rf paper; git init -q paper; cd paper; git commit -q --allow-empty -m Begin;"
        " echo one > one; git config core.fsmonitor 'touch /tmp/ran; false';"
        " git config filter.x.clean 'touch /tmp/ran';"
        " echo '* filter=x' > .git/info/attributes",
    )
    unsaved = (await view(hub, person, "running"))["unsaved"]
    async with asyncio.timeout(180):
        # A small server may need longer than an answer waits.
        while unsaved["state"] != "some":
            await asyncio.sleep(1)
            unsaved = (await view(hub, person, "running"))["unsaved"]
    assert unsaved["repositories"] == [{"path": "paper", "changed": 1, "unpushed": 1}]
    assert "No such file" in await in_pod(cluster.namespace, pod.metadata.name, "ls /tmp/ran 2>&1")

    # Nobody is let at it without a token for this very server.
    server = f"http://{pod.status.pod_ip}:8888/user/{NAME}"
    other = await someone(hub, "guest-17")
    for token in ("", "wrong", other.token):
        headers = {"Authorization": f"token {token}"} if token else {}
        async with aiohttp.request("GET", f"{server}{ASKED}", headers=headers, allow_redirects=False) as answer:
            assert answer.status in (302, 403), await answer.text()

    await person.stop()
    stopped = await view(hub, person, "stopped")
    assert stopped["unsaved"]["repositories"] == unsaved["repositories"]
    assert stopped["warnings"][0].startswith("Before your server stopped (20")

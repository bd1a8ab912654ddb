"""What a real lab says of itself: unsaved work, which the hub keeps, and a program that was ended for its memory."""

from __future__ import annotations

import asyncio
import json
from itertools import product
from typing import Any

import aiohttp
import pytest

from tests.hubs import Hub, Person
from tests.pods import in_pod, pod_of
from tests.ports import free_port

pytestmark = pytest.mark.hub_versions

NAME = "guest-18"
ASKED = "/jhkube/unsaved"
SIZES = [
    {"name": "small", "display_name": "Small", "cores": 1, "memory": "500M", "default": True},
    {"name": "medium", "display_name": "Medium", "cores": 1, "memory": "1G"},
]
EAT = (
    "echo 1000 > /proc/self/oom_score_adj; exec python3 -ISc '"
    'kept = b"x" * 2**30; print("has it all", len(kept))\' 2>&1'
)
"""Takes more memory than the small size has; of all programs in the container, this is the one to be ended."""


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


async def test_a_lab_tells_of_unsaved_work_and_of_memory_that_was_full(new_hub, someone, cluster) -> None:
    hub = await new_hub(
        "unsaved",
        JHKUBE_MY_SERVERS="true",
        JHKUBE_MY_SERVERS_PORT=str(free_port()),
        JHKUBE_SIZES=json.dumps(SIZES),
    )
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
    # A program is ended for its memory, and the server goes on.
    assert "has it all" not in await in_pod(cluster.namespace, pod.metadata.name, f"({EAT})")
    found = await view(hub, person, "running")
    async with asyncio.timeout(180):
        # A small server may need longer than an answer waits, and an answer counts for half a minute.
        while found["unsaved"]["state"] != "some" or not found["larger_size"]:
            await asyncio.sleep(1)
            found = await view(hub, person, "running")
    assert found["larger_size"]["value"] == "medium"
    (warning,) = [each for each in found["warnings"] if "memory" in each]
    assert warning.startswith("The memory of your server (500 MiB) was full at 20")
    assert "A program was ended to free memory, such as the kernel of a notebook" in warning
    pod = await pod_of(cluster.core, cluster.namespace, NAME)
    assert [each.restart_count for each in pod.status.container_statuses] == [0]
    unsaved = found["unsaved"]
    assert unsaved["repositories"] == [{"path": "paper", "changed": 1, "unpushed": 1}]
    assert "No such file" in await in_pod(cluster.namespace, pod.metadata.name, "ls /tmp/ran 2>&1")

    # Nobody is let at it without a token for this very server.
    server = f"http://{pod.status.pod_ip}:8888/user/{NAME}"
    other = await someone(hub, "guest-17")
    for path, token in product((ASKED, "/jhkube/memory"), ("", "wrong", other.token)):
        headers = {"Authorization": f"token {token}"} if token else {}
        async with aiohttp.request("GET", f"{server}{path}", headers=headers, allow_redirects=False) as answer:
            assert answer.status in (302, 403), await answer.text()

    await person.stop()
    stopped = await view(hub, person, "stopped")
    assert stopped["unsaved"]["repositories"] == unsaved["repositories"]
    assert stopped["warnings"][0].startswith("Before your server stopped (20")

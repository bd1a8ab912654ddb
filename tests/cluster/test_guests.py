"""A guest's server on the cluster: a home that goes with the pod, numbers of its own, and nothing left afterwards."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.conftest import Cluster, NewHub
from tests.pods import in_pod, pod_of

pytestmark = pytest.mark.hub_versions

MOUNTS = [
    {"path": "/everybody", "host_path": {"path": "/tmp/jhkube-everybody", "type": "DirectoryOrCreate"}},
    {
        "path": "/visitors",
        "host_path": {"path": "/tmp/jhkube-visitors", "type": "DirectoryOrCreate"},
        "groups": ["guests"],
    },
]
SIZES = [
    {"name": "large", "cores": 0.2, "memory": "96M", "default": True},
    {"name": "small", "memory": "64M", "cores": 0.1},
]


async def test_a_guest_works_in_a_pod_of_their_own_and_all_of_it_goes(cluster: Cluster, new_hub: NewHub) -> None:
    hub = await new_hub(
        "guests",
        f"c.JHKubeSpawner.extra_mounts = {MOUNTS!r}\nc.JupyterHub.activity_resolution = 0",
        JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny",
        JHKUBE_SIZES=json.dumps(SIZES),
        JHKUBE_GUESTS="true",
        JHKUBE_GUEST_IDLE_TIMEOUT="40",
        JHKUBE_GUEST_HOME_SIZE="20Mi",
    )
    guest = await hub.guest()

    async def stay() -> None:
        while True:
            await guest.api("GET", "/user")
            await asyncio.sleep(3)

    # However long it takes to look.
    staying = asyncio.create_task(stay())
    assert (await guest.start(size="large"))[0] == 400
    await guest.started(size="small")
    pod = await pod_of(cluster.core, cluster.namespace, guest.name)
    said = await in_pod(
        cluster.namespace, pod.metadata.name, "cd; pwd; id -u; echo x > file && cat file; ls -d /v* /e*"
    )
    home, uid, written, *folders = said.split()
    assert (home, written) == (f"/home/{guest.name}", "x")
    assert 2_100_000_000 <= int(uid) < 2_140_000_000
    assert "/visitors" in folders
    assert "/everybody" not in folders
    volumes = [each for each in pod.spec.volumes if each.persistent_volume_claim]
    assert (volumes, pod.metadata.labels["jhkube/size"]) == ([], "small")
    staying.cancel()
    await guest.close()
    async with asyncio.timeout(300):
        while f"Removed the guest {guest.name}" not in hub.log:
            await asyncio.sleep(0.5)
        while await pod_of(cluster.core, cluster.namespace, guest.name) is not None:
            await asyncio.sleep(0.5)
    claims = (await cluster.core.list_namespaced_persistent_volume_claim(cluster.namespace)).items
    assert not [each.metadata.name for each in claims if guest.name in each.metadata.name]
    async with asyncio.timeout(180):
        while f"{pod.metadata.name}.jhkube" in [
            each.metadata.name for each in (await cluster.core.list_namespaced_secret(cluster.namespace)).items
        ]:
            await asyncio.sleep(0.5)

"""A hub that dies and comes back: it finds its pods, and nothing that it left blocks the next start."""

import asyncio

import pytest

from tests.pods import pod_of


@pytest.fixture(scope="module")
async def own_hub(new_hub, cluster):
    hub = await new_hub("restarted", JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny")
    yield hub
    await hub.stop()


async def test_a_running_pod_is_found_again(own_hub, someone, cluster):
    person = await someone(own_hub, "guest-04")
    await person.started()
    before = await pod_of(cluster.core, cluster.namespace, "guest-04")
    await own_hub.kill()
    await own_hub.start()
    after = await pod_of(cluster.core, cluster.namespace, "guest-04")
    assert after.metadata.uid == before.metadata.uid
    server = await person.server()
    assert server is not None
    assert server["ready"]
    async with person.session.get(f"{own_hub.url}/user/guest-04/api") as answer:
        assert answer.status == 200, "the proxy's route is back too"


@pytest.mark.parametrize("after", [0.05, 0.3, 0.8])
async def test_a_hub_killed_in_the_middle_of_a_start_leaves_nothing_that_blocks_the_next(
    own_hub, someone, cluster, after
):
    person = await someone(own_hub, "guest-05")
    starting = asyncio.create_task(person.start())
    await asyncio.sleep(after)
    await own_hub.kill()
    await asyncio.gather(starting, return_exceptions=True)
    await own_hub.start()
    server = await person.server()
    if server is None or not server["ready"]:
        await person.started()
    pod = await pod_of(cluster.core, cluster.namespace, "guest-05")
    assert pod.status.phase == "Running"
    secrets = await cluster.core.list_namespaced_secret(cluster.namespace)
    owners = [
        owner.uid
        for secret in secrets.items
        if secret.metadata.name == f"{pod.metadata.name}-jhkube"
        for owner in secret.metadata.owner_references
    ]
    assert owners == [pod.metadata.uid]

"""Hub or API server are killed while servers are at each step of their lives: each goes on, or starts again."""

import asyncio

import pytest

from devcluster.settings import Settings
from tests.pods import devcluster, pod_of

pytestmark = pytest.mark.alone

PEOPLE = {
    "guest-04": "asked",
    "guest-05": "made",
    "guest-06": "preparing",
    "guest-07": "running",
    "guest-08": "ready",
    "guest-09": "stopping",
}
"""What each one's server does when it happens: its start was just asked for, its pod is there, an init container
runs, its container runs and does not answer yet, it answers, its stop was just asked for."""

EXTRA = """
# A hub that begins waits no longer for servers that were stopping.
c.Spawner.http_timeout = 30
c.JupyterHub.init_spawners_timeout = 10

def linger(spawner):
    if spawner.user.name == "guest-06":
        spawner.init_containers = [{"name": "slow", "image": "IMAGE", "command": ["sleep", "8"]}]
    if spawner.user.name == "guest-07":
        spawner.environment = {"TINY_DELAY": "8"}
    if spawner.user.name == "guest-09":
        spawner.lifecycle_hooks = {"preStop": {"exec": {"command": ["sleep", "3"]}}}
        spawner.delete_grace_period = 20

c.Spawner.pre_spawn_hook = linger
"""


@pytest.fixture(scope="module")
async def own_hub(new_hub, cluster):
    extra = EXTRA.replace("IMAGE", f"{cluster.registry}/tiny:1.0")
    hub = await new_hub("restarted", extra, JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny")
    yield hub
    await hub.stop()


@pytest.fixture
async def people(own_hub, someone, cluster):
    """Six people, each with a server at their step but for whom a start is to be asked for."""
    people = {step: await someone(own_hub, name) for name, step in PEOPLE.items()}
    await asyncio.gather(people["ready"].started(), people["stopping"].started())
    async with asyncio.timeout(240):
        starting = [asyncio.create_task(people[step].start()) for step in ("preparing", "running")]
        for step in ("preparing", "running", "made"):
            if step == "made":
                starting.append(asyncio.create_task(people[step].start()))
            while not is_at(step, await pod_of(cluster.core, cluster.namespace, people[step].name)):
                await asyncio.sleep(0.02)
    yield people
    await asyncio.gather(*starting, return_exceptions=True)


def is_at(step, pod):
    """Whether a pod has come to this step of its start."""
    if step == "made" or pod is None:
        return pod is not None
    statuses = pod.status.init_container_statuses if step == "preparing" else pod.status.container_statuses
    # Who looks late finds that the init container has ended.
    return any(status.state.running or status.state.terminated for status in statuses or ())


async def a_start_and_a_stop(people):
    """Ask for both, and return the requests as soon as they are on their way."""
    stopping = people["stopping"]
    requests = [
        asyncio.create_task(people["asked"].start()),
        asyncio.create_task(stopping.api("DELETE", f"/users/{stopping.name}/server")),
    ]
    await asyncio.sleep(0.05)
    return requests


async def settled(person):
    """Return what the hub says of the person's server, once nothing is pending."""
    async with asyncio.timeout(240):
        while (server := await person.server()) and (server["pending"] or not server["ready"]):
            await asyncio.sleep(0.2)
    return server


async def works_and_leaves_nothing(person, own_hub, cluster):
    """The server that is there, or the next one, works; after its stop its pod and Secret are gone, not its home."""
    async with asyncio.timeout(300):
        while True:
            if not await settled(person):
                await person.started()
            pod = await pod_of(cluster.core, cluster.namespace, person.name)
            if pod is not None and pod.metadata.deletion_timestamp is None:
                break
            # It was stopping when the hub was killed, and the new hub sees a moment later that it has gone.
            await asyncio.sleep(0.3)
    secret = await cluster.core.read_namespaced_secret(f"{pod.metadata.name}.jhkube", cluster.namespace)
    assert [owner.uid for owner in secret.metadata.owner_references] == [pod.metadata.uid]
    async with person.session.get(f"{own_hub.url}/user/{person.name}/api") as answer:
        assert answer.status == 200
    await person.stop()
    async with asyncio.timeout(240):
        while await objects_of(person, cluster):
            await asyncio.sleep(0.3)
    claims = await cluster.core.list_namespaced_persistent_volume_claim(cluster.namespace)
    assert len([claim for claim in claims.items if person.name in claim.metadata.name]) == 1


async def objects_of(person, cluster):
    """The names of the pods and Secrets that are there for a person."""
    pods = await cluster.core.list_namespaced_pod(cluster.namespace)
    secrets = await cluster.core.list_namespaced_secret(cluster.namespace)
    names = [each.metadata.name for each in (*pods.items, *secrets.items)]
    return [name for name in names if name.startswith(f"jupyter-{person.name}")]


async def test_a_hub_that_is_killed_finds_its_servers_and_starts_those_that_were_not_there(people, own_hub, cluster):
    ready = people["ready"]
    before = await pod_of(cluster.core, cluster.namespace, ready.name)
    requests = await a_start_and_a_stop(people)
    await own_hub.kill()
    await asyncio.gather(*requests, return_exceptions=True)
    await own_hub.start()
    assert await ready.server()
    after = await pod_of(cluster.core, cluster.namespace, ready.name)
    assert after.metadata.uid == before.metadata.uid
    await asyncio.gather(*(works_and_leaves_nothing(each, own_hub, cluster) for each in people.values()))


@pytest.mark.skipif(Settings.load().external, reason="only the development cluster's API server may be killed")
async def test_servers_outlive_an_api_server_that_is_killed(people, own_hub, cluster):
    killing = asyncio.create_task(devcluster("kill", "apiserver"))
    try:
        requests = await a_start_and_a_stop(people)
        await killing
    finally:
        await devcluster("start", "apiserver")
    await asyncio.gather(*requests)
    for step in ("made", "preparing", "running", "ready"):
        assert await settled(people[step]), f"a server that is {step} goes on"
    await asyncio.gather(*(works_and_leaves_nothing(each, own_hub, cluster) for each in people.values()))

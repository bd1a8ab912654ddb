"""Two hubs as one: one address and one login, a home of one hub at a time, and people who move."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
from kubernetes_asyncio.client import CoordinationV1Api

from devcluster.github import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, GitHubStandIn
from devcluster.github_demo import DEMO_CALLBACKS
from jhkube.kube import plain_answer
from tests.conftest import Cluster, NewHub
from tests.hubs import CACHE, Hub, Person
from tests.pods import in_pod, pod_of
from tests.ports import free_port

SLOW = """
import asyncio
from pathlib import Path

async def held(spawner, pod):
    # As long as the test wants it, between the reservation of a home and the pod.
    while spawner.user.name == "guest-07" and Path("held").exists():
        await asyncio.sleep(0.1)
    return pod

c.JHKubeSpawner.modify_pod_hook = held

# A pod stops as late as the test wants it.
c.JHKubeSpawner.delete_grace_period = 600
pre_stop = ["sh", "-c", "while [ -e /tmp/held ]; do sleep 0.1; done"]
c.JHKubeSpawner.lifecycle_hooks = {"preStop": {"exec": {"command": pre_stop}}}
"""


@dataclass(frozen=True)
class Several:
    """Two hubs behind one address."""

    front: str
    """The address that people know, without a slash at the end."""
    a: Hub
    b: Hub

    async def assign(self, **whose: str) -> None:
        """Have people belong to hubs, by name, as an operator does: in both configurations, and with a restart."""
        for hub in (self.a, self.b):
            hub.environ["JHKUBE_HUBS"] = table(self.front, whose)
            await hub.stop()
        await asyncio.gather(self.a.start(), self.b.start())


def table(front: str, whose: dict[str, str]) -> str:
    """Return the list of the hubs; who is not named in it may use both."""
    return json.dumps(
        [
            {
                "name": name,
                "url": f"{front}/{name}/",
                "share": 0,
                "users": [person for person, hub in whose.items() if hub == name],
            }
            for name in "ab"
        ]
    )


@pytest.fixture(scope="module")
async def hubs(new_hub: NewHub, cluster: Cluster, github: GitHubStandIn, tmp_path_factory) -> AsyncIterator[Several]:
    """Two hubs, and in front of them a proxy that sends each path to its hub, as an ingress does."""
    # One application for all hubs: its callback is the address, and theirs are below it.
    github.add_application(DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, [*DEMO_CALLBACKS, "http://127.0.0.1:8000/"])
    port, api = free_port(), free_port()
    front = f"http://127.0.0.1:{port}"
    a, b = await asyncio.gather(
        *(
            new_hub(
                f"several-{name}",
                SLOW,
                base=f"/{name}",
                OAUTH_CALLBACK_URL=f"{front}/{name}/hub/oauth_callback",
                JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny",
                JHKUBE_HUB_NAME=name,
                JHKUBE_HUBS=table(front, {"guest-02": "b", "guest-06": "a"}),
                JHKUBE_HOME_LEASES="true",
                JHKUBE_ADMINS="ada",
                JHKUBE_MY_SERVERS="true" if name == "b" else "false",
                JHKUBE_MY_SERVERS_PORT=str(free_port()),
            )
            for name in "ab"
        )
    )
    proxy = subprocess.Popen(
        [
            *(CACHE / "node_modules/.bin/configurable-http-proxy", "--ip=127.0.0.1", f"--port={port}"),
            *("--api-ip=127.0.0.1", f"--api-port={api}", f"--default-target=http://127.0.0.1:{a.port}"),
        ],
        env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": "front"},
        cwd=tmp_path_factory.mktemp("front"),
    )
    try:
        route = {"target": f"http://127.0.0.1:{b.port}"}
        async with aiohttp.ClientSession(headers={"Authorization": "token front"}) as session, asyncio.timeout(240):
            while True:
                try:
                    async with session.post(f"http://127.0.0.1:{api}/api/routes/b", json=route) as answer:
                        answer.raise_for_status()
                    break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.1)
        yield Several(front, a, b)
    finally:
        proxy.terminate()
        proxy.wait(120)


@asynccontextmanager
async def held_back(cluster: Cluster, pod: str) -> AsyncIterator[None]:
    """Within the block a pod that is deleted still runs."""
    await in_pod(cluster.namespace, pod, "touch /tmp/held")
    try:
        yield
    finally:
        await in_pod(cluster.namespace, pod, "rm /tmp/held")


async def wait_for_pod(cluster: Cluster, name: str, wanted) -> None:
    """Return once a person's pod is as it is wanted."""
    async with asyncio.timeout(240):
        while not wanted(await pod_of(cluster.core, cluster.namespace, name)):
            await asyncio.sleep(0.1)


async def refusal_of(person: Person) -> str:
    """Return what a person reads whose start is refused: at once, or as the last message of its progress."""
    status, body = await person.start()
    return str(body["message"] if status >= 400 else (await person.progress())[-1]["message"])


async def leases_of(cluster: Cluster, name: str) -> list[dict]:
    """Return the Leases of a person's home as JSON: one, or none."""
    api = CoordinationV1Api(cluster.core.api_client)
    found = json.loads(await plain_answer(api.list_namespaced_lease, cluster.namespace))["items"]
    home = f"claim/{cluster.namespace}/claim-{name}"
    return [each for each in found if each["metadata"]["annotations"]["jhkube/home"] == home]


async def test_one_login_leads_from_the_one_address_to_the_persons_own_hub(hubs: Several, someone) -> None:
    person = await someone(hubs.a, "guest-02")
    answer = await person.follow(f"{hubs.front}/a/")
    assert (answer.status, str(answer.url)) == (200, f"{hubs.front}/b/hub/spawn")
    assert "guest-02" in await answer.text()
    assert f"Your servers run at the hub b ({hubs.front}/b/). Start them there." in await refusal_of(person)
    # Who belongs to no hub in particular stays.
    other = await someone(hubs.a, "guest-03")
    assert str((await other.follow(f"{hubs.front}/a/")).url) == f"{hubs.front}/a/hub/spawn"


async def test_a_home_is_used_at_one_hub_at_a_time(hubs: Several, someone, cluster: Cluster) -> None:
    name = "guest-04"
    at_a, at_b = await someone(hubs.a, name), await someone(hubs.b, name)
    await at_a.started()
    pod = await pod_of(cluster.core, cluster.namespace, name)
    assert pod.metadata.name == f"jupyter-a-{name}"
    (lease,) = await leases_of(cluster, name)
    assert lease["spec"]["holderIdentity"] == "a"
    named = [[cluster.namespace, pod.metadata.name, pod.metadata.uid]]
    assert json.loads(lease["metadata"]["annotations"]["jhkube/home-pods"]) == named
    await in_pod(cluster.namespace, pod.metadata.name, f"echo from a > /home/{name}/file; id -u > /home/{name}/uid")
    refusal = f"Your home is in use by your server at the hub a ({hubs.front}/a/). Stop that server first."
    assert refusal in await refusal_of(at_b)
    # The page of the other hub says where it is.
    asked, token = f"{hubs.b.url}/services/jhkube/api/servers", {"Authorization": f"token {at_b.token}"}
    async with asyncio.timeout(240):
        # The service may still be loading.
        while (answer := await at_b.session.get(asked, headers=token)).status == 503:
            await asyncio.sleep(0.2)
    elsewhere = {"name": "", "hub": "a", "url": f"{hubs.front}/a/", "state": "running"}
    assert (await answer.json())["elsewhere"] == [elsewhere]
    page = await (await at_b.follow(f"{hubs.b.url}/services/jhkube/")).text()
    assert f'<a href="{hubs.front}/a/hub/home">a</a> is running.' in page

    # It stops, and takes its time.
    waited = f"Your home is free when your server at the hub a ({hubs.front}/a/) has stopped."
    told = asyncio.Event()
    async with held_back(cluster, pod.metadata.name):
        stopping = asyncio.create_task(at_a.stop())
        await wait_for_pod(cluster, name, lambda pod: pod.metadata.deletion_timestamp)
        starting = asyncio.create_task(at_b.start())
        async with asyncio.timeout(240):
            while not await at_b.server():
                await asyncio.sleep(0.05)
        following = asyncio.create_task(
            at_b.progress(told=lambda event: told.set() if event.get("message") == waited else None)
        )
        await asyncio.wait_for(told.wait(), 240)
    events = await following
    await asyncio.gather(starting, stopping)
    assert events[-1].get("ready"), events
    pods = await cluster.core.list_namespaced_pod(cluster.namespace, label_selector="component=singleuser-server")
    mine = [each for each in pods.items if each.metadata.annotations["hub.jupyter.org/username"] == name]
    assert [each.metadata.name for each in mine] == [f"jupyter-b-{name}"]
    said = await in_pod(cluster.namespace, mine[0].metadata.name, f"cat /home/{name}/file /home/{name}/uid; id -u")
    words = said.split()
    assert words[:2] == ["from", "a"]
    assert words[2] == words[3]
    (lease,) = await leases_of(cluster, name)
    assert lease["spec"]["leaseTransitions"] == 1


async def test_a_hub_that_is_too_slow_with_its_pod_never_runs_it(hubs: Several, someone, cluster: Cluster) -> None:
    name = "guest-07"
    at_a, at_b = await someone(hubs.a, name), await someone(hubs.b, name)
    held = hubs.a.folder / "held"
    held.touch()
    try:
        starting = asyncio.create_task(at_a.start())
        async with asyncio.timeout(240):
            while not (leases := await leases_of(cluster, name)):
                await asyncio.sleep(0.1)
        assert "is starting with your home. Stop it there, or try again in" in await refusal_of(at_b)
        old = {"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}}
        api = CoordinationV1Api(cluster.core.api_client)
        await api.patch_namespaced_lease(leases[0]["metadata"]["name"], cluster.namespace, old)
        await at_b.started()
    finally:
        held.unlink()
    status, body = await starting
    said = body["message"] if status >= 400 else (await at_a.progress())[-1]["message"]
    assert "Your home is in use by your server at the hub b" in said
    # It was made, and is gone without kubelet having started a container of it.
    pod = f"jupyter-a-{name}"
    async with asyncio.timeout(240):
        while f"Removed pod {cluster.namespace}/{pod} " not in hubs.a.log:
            await asyncio.sleep(0.1)
    seen = await cluster.core.list_namespaced_event(cluster.namespace, field_selector=f"involvedObject.name={pod}")
    assert not {"Created", "Started"} & {each.reason for each in seen.items}
    (lease,) = await leases_of(cluster, name)
    assert lease["spec"]["holderIdentity"] == "b"


async def test_a_hub_that_died_keeps_a_home_as_long_as_its_server_runs(
    hubs: Several, someone, cluster: Cluster
) -> None:
    name = "guest-05"
    at_a, at_b = await someone(hubs.a, name), await someone(hubs.b, name)
    await at_a.started()
    await hubs.a.kill()
    try:
        assert "Your home is in use by your server at the hub a" in await refusal_of(at_b)
        pod = await pod_of(cluster.core, cluster.namespace, name)
        await cluster.core.delete_namespaced_pod(pod.metadata.name, cluster.namespace, grace_period_seconds=0)
        await wait_for_pod(cluster, name, lambda pod: pod is None)
        await at_b.started()
    finally:
        await hubs.a.start()
    # The hub that is back has no server there, and does not start a second one.
    assert "Your home is in use by your server at the hub b" in await refusal_of(at_a)


async def test_who_moves_finds_their_home_and_it_outlives_the_account_at_the_old_hub(
    hubs: Several, someone, cluster: Cluster
) -> None:
    name = "guest-06"
    at_a, at_b, admin = await someone(hubs.a, name), await someone(hubs.b, name), await someone(hubs.a, "ada")
    await at_a.started()
    pod = await pod_of(cluster.core, cluster.namespace, name)
    await in_pod(cluster.namespace, pod.metadata.name, f"echo kept > /home/{name}/file")

    await hubs.assign(**{name: "b"})
    # The server at the old hub goes on until its person stops it.
    assert "Your home is in use by your server at the hub a" in await refusal_of(at_b)
    await at_a.stop()

    # The account there is deleted before the first start at the new hub, and with it what was its own.
    status, _ = await admin.api("DELETE", f"/users/{name}")
    assert status == 204
    async with asyncio.timeout(240):
        while "so it stays" not in hubs.a.log:
            await asyncio.sleep(0.1)
    await at_b.started()
    assert (await in_pod(cluster.namespace, f"jupyter-b-{name}", f"cat /home/{name}/file")).strip() == "kept"

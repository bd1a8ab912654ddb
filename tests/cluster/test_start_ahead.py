"""A pod that is made while the form is read, and what becomes of it, on the real cluster with the lab image."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from kubernetes_asyncio.client import SchedulingV1Api, V1Pod

from devcluster.settings import Settings
from jhkube.checks import cluster as checks
from jhkube.checks.permissions import HubFacts
from tests.hubs import Hub, Person
from tests.pods import devcluster, in_pod

LONG = 300.0
"""Seconds after which a test gives up."""


class Form:
    """Somebody who looks at the form, and the pods that the cluster has for them."""

    def __init__(self, person: Person, cluster) -> None:
        self.person = person
        self.cluster = cluster
        self.asks = ""
        """Where the form's script asks."""

    async def open(self, server: str = "") -> str:
        path = f"/{self.person.name}/{server}" if server else ""
        answer = await self.person.follow(f"{self.person.hub.url}/hub/spawn{path}")
        text = await answer.text()
        assert answer.status == 200, text
        asks = re.search(r' data-ahead="([^"]+)"', text)
        self.asks = asks[1] if asks else ""
        return text

    async def say(self, fields: dict[str, list[str]] | None = None) -> dict[str, str]:
        """Ask as the form's script does, with what is chosen now."""
        xsrf = {cookie.key: cookie.value for cookie in self.person.session.cookie_jar}["_xsrf"]
        url, headers = self.person.hub.url + self.asks, {"X-XSRFToken": xsrf}
        method = "GET" if fields is None else "POST"
        async with self.person.session.request(method, url, headers=headers, json=fields) as answer:
            assert answer.status == 200, await answer.text()
            said: dict[str, str] = await answer.json()
            return said

    async def pods(self) -> list[V1Pod]:
        selector = f"hub.jupyter.org/username={self.person.name}"
        found = await self.cluster.core.list_namespaced_pod(self.cluster.namespace, label_selector=selector)
        return [pod for pod in found.items if pod.metadata.deletion_timestamp is None]

    async def until(self, pods: Callable[[list[V1Pod]], bool]) -> list[V1Pod]:
        async with asyncio.timeout(LONG):
            while not pods(found := await self.pods()):
                await asyncio.sleep(0.1)
        return found

    async def listening(self) -> V1Pod:
        """Return the waiting pod, once its program listens."""
        async with asyncio.timeout(LONG):
            while True:
                found = await self.pods()
                if [pod.metadata.labels.get("jhkube/ahead") for pod in found] == ["waiting"] and found[
                    0
                ].status.pod_ip:
                    try:
                        _, writer = await asyncio.open_connection(found[0].status.pod_ip, 8888)
                    except OSError:
                        pass
                    else:
                        writer.close()
                        return found[0]
                await asyncio.sleep(0.1)

    async def answers(self, server: str = "") -> None:
        """Return when the server answers its person by way of the proxy."""
        url = f"{self.person.hub.url}/user/{self.person.name}/{server + '/' if server else ''}"
        headers = {"Authorization": f"token {self.person.token}"}
        async with aiohttp.ClientSession() as session, session.get(f"{url}api/status", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        # A browser logs in at the hub.
        page = await self.person.follow(f"{url}lab")
        assert (page.status, "<title>JupyterLab</title>" in await page.text()) == (200, True)


EXTRA = """
from pathlib import Path

c.GitHubOrgAuthenticator.auth_refresh_age = 5
if Path("impatient").exists():
    # A hub that begins waits so long for the server of a pod that has not heard of its start.
    c.JHKubeSpawner.http_timeout = 10
c.JHKubeSpawner.profile_list = [
    {"display_name": "Gone", "slug": "gone", "kubespawner_override": {"image": "REGISTRY/lab:w_2025_07"}}
]

def prepared(spawner):
    if spawner.name == "slow":
        spawner.init_containers = [{"name": "slow", "image": "REGISTRY/tiny:1.0", "command": ["sleep", "8"]}]
    if spawner.name == "stuck":
        spawner.init_containers = [{"name": "stuck", "image": "REGISTRY/tiny:1.0", "command": ["sleep", "3600"]}]
    if spawner.name == "seated":
        spawner.extra_resource_guarantees = spawner.extra_resource_limits = {"SEAT": "1"}
        spawner.start_ahead_priority_class = "GIVES_WAY"

c.JHKubeSpawner.pre_spawn_hook = prepared

import asyncio
import functools

from jhkube.spawner import JHKubeSpawner
from jhkube.spawner_waiting import Made

class Dropping(JHKubeSpawner):
    async def _becomes_waiting(self, pod):
        try:
            return await super()._becomes_waiting(pod)
        except Made:
            drop = functools.partial(self.keeper.drop, self.user.name, "Logout")
            if self.name == "dropped":
                drop()
            if self.name == "dropped-next":
                asyncio.get_running_loop().call_soon(drop)
            raise

c.JupyterHub.spawner_class = Dropping
"""

SIZES = [
    {"name": "small", "cores": 1, "memory": "2G", "guarantee_ratio": 0.02},
    {"name": "medium", "cores": 2, "memory": "4G", "guarantee_ratio": 0.02},
]
"""Many of them fit on the node."""


SEAT = "jhkube.test/seat"
"""Something of which the node has as many as a test says, and which nothing else asks for."""


@pytest.fixture(scope="module")
async def gives_way(cluster) -> AsyncIterator[str]:
    """A class below that of pods that ask for none."""
    scheduling = SchedulingV1Api(cluster.core.api_client)
    name = f"waiting-{secrets.token_hex(3)}"
    await scheduling.create_priority_class({"metadata": {"name": name}, "value": -5})
    yield name
    await scheduling.delete_priority_class(name)


@pytest.fixture(scope="module")
async def ahead_hub(new_hub, cluster, gives_way) -> Hub:
    return await new_hub(
        "ahead",
        EXTRA.replace("REGISTRY", cluster.registry).replace("SEAT", SEAT).replace("GIVES_WAY", gives_way),
        JHKUBE_START_AHEAD="form-and-changes",
        JHKUBE_START_AHEAD_LIMIT="20",
        JHKUBE_START_AHEAD_SECONDS="600",
        JHKUBE_SIZES=json.dumps(SIZES),
    )


@pytest.fixture
async def form(ahead_hub, someone, cluster) -> Callable[[str], Awaitable[Form]]:
    async def opened(name: str, hub: Hub = ahead_hub) -> Form:
        return Form(await someone(hub, name), cluster)

    return opened


PREPARED = """
import sys
sys.path.insert(0, "/etc/jhkube-ahead")
import waiting
waiting.preload()
from jsonschema import SchemaError
from jupyterlab_server.settings_utils import Validator, get_settings
from jupyterlab.commands import get_app_dir
known = set(Validator._right)
get_settings(get_app_dir() + "/settings", get_app_dir() + "/schemas", "")
print(len(known) > 50, Validator._right == known)
try:
    Validator.check_schema({"type": "none"})
except SchemaError:
    print("refused")
"""


@pytest.mark.hub_versions
async def test_a_start_of_the_preselected_choice_takes_the_pod_that_waits(form, ahead_hub):
    guest = await form("guest-01")
    await guest.open()
    waiting = await guest.listening()
    assert await guest.person.server() is None
    began = time.monotonic()
    await guest.person.started()
    took = time.monotonic() - began
    (pod,) = await guest.pods()
    assert pod.metadata.uid == waiting.metadata.uid
    assert pod.metadata.labels["jhkube/ahead"] == "taken"
    await guest.answers()
    print(f"from Start to ready, with a pod that waits: {took:.2f} s")
    # The tokens of the start are nowhere but in the server's process.
    server = await guest.person.server()
    assert server["ready"]
    environment = {each.name for each in pod.spec.containers[0].env}
    assert "JUPYTERHUB_API_TOKEN" not in environment
    assert await in_pod(guest.cluster.namespace, pod.metadata.name, "id -un") == "guest-01\n"
    # The schemas of JupyterLab's settings were checked while the pod waited.
    prepared = await in_pod(guest.cluster.namespace, pod.metadata.name, f"python3 -c '{PREPARED}'")
    assert prepared == "True True\nrefused\n"
    # What the hub has shown to the pod is taken out of it.
    async with asyncio.timeout(LONG):
        while await in_pod(guest.cluster.namespace, pod.metadata.name, "cat /etc/jhkube-ahead/key"):
            await asyncio.sleep(0.2)
    await guest.person.stop()
    assert await guest.until(lambda pods: not pods) == []
    # The next start has the ordinary name again.
    began = time.monotonic()
    await guest.person.started()
    print(f"from Start to ready, without one: {time.monotonic() - began:.2f} s")
    (pod,) = await guest.pods()
    assert pod.metadata.name == "jupyter-guest-01"
    assert "jhkube/ahead" not in pod.metadata.labels


async def test_a_start_that_comes_early_waits_for_the_pod_that_is_under_way(form):
    guest = await form("guest-02")
    await guest.open()
    (waiting,) = await guest.until(bool)
    await guest.person.started()
    (pod,) = await guest.pods()
    assert pod.metadata.uid == waiting.metadata.uid
    await guest.answers()


async def test_a_start_of_another_choice_is_an_ordinary_one(form):
    guest = await form("guest-03")
    await guest.open()
    waiting = await guest.listening()
    began = time.monotonic()
    await guest.person.started(size="medium")
    print(f"from Start to ready, with another choice: {time.monotonic() - began:.2f} s")
    (pod,) = await guest.pods()
    assert pod.metadata.uid != waiting.metadata.uid
    assert pod.metadata.name == "jupyter-guest-03"
    assert pod.metadata.labels["jhkube/size"] == "medium"
    await guest.answers()


async def test_a_pod_that_somebody_has_changed_is_not_taken_and_the_start_succeeds(form, ahead_hub):
    guest = await form("guest-04")
    await guest.open()
    waiting = await guest.listening()
    changed = {"metadata": {"labels": {"jhkube/ahead": "mine"}}}
    await guest.cluster.core.patch_namespaced_pod(waiting.metadata.name, guest.cluster.namespace, changed)
    await guest.person.started()
    (pod,) = await guest.pods()
    assert pod.metadata.uid != waiting.metadata.uid
    assert "does not become the server, so another pod is made" in ahead_hub.log
    await guest.answers()
    await guest.person.stop()
    assert await guest.until(lambda pods: not pods) == []


async def test_two_tabs_have_one_pod(form):
    guest = await form("guest-05")
    await asyncio.gather(*(guest.open() for _ in range(3)))
    waiting = await guest.listening()
    await guest.open()
    await guest.person.started()
    (pod,) = await guest.pods()
    assert pod.metadata.uid == waiting.metadata.uid
    await guest.answers()


KNOCKS = r"""
import http.client, json, sys
said = []
for method, path, key, length in json.loads(sys.argv[2]):
    try:
        connection = http.client.HTTPConnection(sys.argv[1], 8888, timeout=60)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        connection.request(method, path, json.dumps({"A": "x" * length}) if length else None, headers)
        answer = connection.getresponse()
        said.append(f"{answer.status} {answer.read().decode()}")
    except OSError as error:
        # Who has more to say when they are refused may find the connection broken.
        said.append("503 ")
print(*said, sep="\n")
"""


async def test_a_neighbour_that_knocks_learns_nothing_and_the_start_still_takes_the_pod(form, cluster):
    guest, neighbour = await form("guest-06"), await form("guest-05")
    await asyncio.gather(guest.open(), neighbour.open())
    waiting, other = await asyncio.gather(guest.listening(), neighbour.listening())

    async def key_of(pod: V1Pod) -> str:
        secret = await cluster.core.read_namespaced_secret(f"{pod.metadata.name}.jhkube", cluster.namespace)
        return base64.b64decode(secret.data["ahead-key"]).decode()

    async def knock(*knocks: tuple[str, str, str, int]) -> str:
        words = f"python3 -c '{KNOCKS}' {waiting.status.pod_ip} '{json.dumps(knocks)}'"
        return await in_pod(cluster.namespace, other.metadata.name, words)

    key, theirs = await asyncio.gather(key_of(waiting), key_of(other))
    assert len(key) == len(theirs) == 64
    knocks = [
        ("GET", "/", "", 0),
        ("GET", "/user/guest-06/api", "", 0),
        ("POST", "/jhkube/handover", "", 1),
        ("POST", "/jhkube/handover", secrets.token_hex(32), 1),
        ("POST", "/jhkube/handover", theirs, 1),
        # Even from the hub it would be too much.
        ("POST", "/jhkube/handover", key, 300_000),
    ]
    assert await knock(*knocks) == "503 \n" * len(knocks)
    await guest.person.started()
    (pod,) = await guest.pods()
    assert pod.metadata.uid == waiting.metadata.uid
    await guest.answers()
    # The same secret again is as good as none: the server asks for its own.
    assert (await knock(("POST", "/jhkube/handover", key, 1))).split()[0] in ("403", "404")
    await guest.answers()


@pytest.mark.parametrize("server", ["dropped", "dropped-next"])
async def test_a_pod_that_is_dropped_while_it_is_made_is_removed(form, ahead_hub, server):
    guest = await form("guest-03")
    await guest.open(server)
    pod = rf"Removed pod {guest.cluster.namespace}/jupyter-guest-03--{server}--[0-9a-f]{{8}} "
    async with asyncio.timeout(LONG):
        while not re.search(pod, ahead_hub.log):
            await asyncio.sleep(0.1)
    assert await guest.until(lambda pods: not pods) == []


async def test_a_hub_that_restarts_removes_what_it_cannot_hand_over(form, ahead_hub):
    guest = await form("guest-07")
    await guest.open()
    await guest.listening()
    await ahead_hub.kill()
    await ahead_hub.start()
    assert await guest.until(lambda pods: not pods) == []
    await guest.person.started()
    await guest.answers()


async def test_a_hub_that_is_killed_at_the_handing_over_loses_no_pod(form, ahead_hub):
    guest = await form("guest-08")
    await guest.open("stuck")
    await guest.until(bool)
    starting = asyncio.create_task(guest.person.start("stuck"))
    # The pod is taken, and its init container keeps it from hearing of the start.
    await guest.until(lambda pods: [pod.metadata.labels["jhkube/ahead"] for pod in pods] == ["taken"])
    impatient = ahead_hub.folder / "impatient"
    impatient.touch()
    await ahead_hub.kill()
    await asyncio.gather(starting, return_exceptions=True)
    await ahead_hub.start()
    assert await guest.until(lambda pods: not pods) == []
    impatient.unlink()
    # A hub that is killed later finds the server whose pod has waited.
    await guest.open()
    waiting = await guest.listening()
    await guest.person.started()
    await ahead_hub.kill()
    await ahead_hub.start()
    (pod,) = await guest.pods()
    assert pod.metadata.uid == waiting.metadata.uid
    assert (await guest.person.server())["ready"]
    await guest.answers()


async def test_the_pod_follows_what_the_form_says(form, ahead_hub):
    guest = await form("guest-15")
    await guest.open()
    first = await guest.listening()
    assert (await guest.say())["state"] == "waiting"
    # Another page of the web cannot say anything.
    async with guest.person.session.post(ahead_hub.url + guest.asks, json={"size": ["medium"]}) as answer:
        assert answer.status == 403
    # What is not a form, and what cannot be started, changes nothing.
    for fields in ({"size": "medium"}, {"x": ["y" * 70_000]}):
        with pytest.raises(AssertionError, match="must be the fields of the form"):
            await guest.say(fields)
    await guest.say({"size": ["huge"]})
    assert [each.metadata.uid for each in await guest.pods()] == [first.metadata.uid]
    await guest.say({"size": ["medium"]})
    await guest.until(lambda pods: [each.metadata.labels["jhkube/size"] for each in pods] == ["medium"])
    second = await guest.listening()
    assert second.metadata.uid != first.metadata.uid
    await guest.person.started(size="medium")
    (pod,) = await guest.pods()
    assert pod.metadata.uid == second.metadata.uid
    assert (await guest.say())["state"] == "none"


async def test_the_form_says_what_is_wrong_before_anybody_presses_start(form):
    guest = await form("guest-16")
    await guest.open()
    await guest.until(bool)
    await guest.say({"profile": ["gone"]})
    async with asyncio.timeout(LONG):
        while (said := await guest.say())["state"] != "failed":
            await asyncio.sleep(0.2)
    assert "does not exist in its registry" in said["message"]
    assert await guest.until(lambda pods: not pods) == []
    # It is said of that choice.
    await guest.say({})
    assert await guest.listening()
    assert await guest.say() == {"state": "waiting", "message": ""}
    await guest.person.started()


async def test_who_logs_out_or_leaves_a_group_has_no_pod_that_waits(form, ahead_hub, github):
    github.world.join("telescope-ops", "guest-18")
    first, second = await form("guest-17"), await form("guest-18")
    await asyncio.gather(first.open(), second.open())
    await asyncio.gather(first.until(bool), second.until(bool))
    await first.person.follow(f"{ahead_hub.url}/hub/logout")
    assert await first.until(lambda pods: not pods) == []
    assert "does not become a server: Logout" in ahead_hub.log
    github.world.leave("telescope-ops", "guest-18")
    async with asyncio.timeout(LONG):
        while await second.pods():
            # The hub asks the provider again when its person comes.
            await second.person.follow(f"{ahead_hub.url}/hub/home")
            await asyncio.sleep(0.5)
    assert "does not become a server: NotAllowed" in ahead_hub.log


async def test_a_named_server_with_a_long_preparation_takes_its_pod(form):
    guest = await form("guest-00")
    await guest.open("slow")
    (waiting,) = await guest.until(bool)
    # Its init container runs for seconds, and the start comes at once.
    await guest.person.started("slow")
    (pod,) = await guest.pods()
    assert pod.metadata.uid == waiting.metadata.uid
    await guest.answers("slow")


async def test_a_pod_that_is_evicted_while_it_waits_delays_nothing(form, ahead_hub):
    guest = await form("guest-10")
    await guest.open()
    waiting = await guest.listening()
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": waiting.metadata.name}}
    await guest.cluster.core.create_namespaced_pod_eviction(waiting.metadata.name, guest.cluster.namespace, eviction)
    await guest.person.started()
    (pod,) = await guest.pods()
    assert (pod.metadata.name, pod.metadata.labels.get("jhkube/ahead")) == ("jupyter-guest-10", None)
    await guest.answers()


async def test_eight_start_at_once_and_nothing_is_left(form, cluster):
    guests = [await form(f"guest-{number:02}") for number in range(1, 9)]
    await asyncio.gather(*(guest.open() for guest in guests))
    waiting = [await guest.until(bool) for guest in guests]
    began = time.monotonic()
    await asyncio.gather(*(guest.person.started() for guest in guests))
    print(f"eight starts at once, until all are ready: {time.monotonic() - began:.2f} s")
    for guest, (before,) in zip(guests, waiting, strict=True):
        (pod,) = await guest.pods()
        assert pod.metadata.uid == before.metadata.uid
        await guest.answers()
    await asyncio.gather(*(guest.person.stop() for guest in guests))
    for guest in guests:
        assert await guest.until(lambda pods: not pods) == []
    async with asyncio.timeout(LONG):
        while any(each.metadata.name.startswith("jupyter-guest-0") for each in await secrets_of(cluster)):
            await asyncio.sleep(0.2)


async def secrets_of(cluster):
    found = await cluster.core.list_namespaced_secret(cluster.namespace)
    return found.items


@pytest.mark.alone
@pytest.mark.skipif(Settings.load().external, reason="only the development cluster's API server may be killed")
async def test_a_pod_that_waits_outlives_an_api_server_that_is_killed(form):
    guest = await form("guest-06")
    await guest.open()
    await guest.listening()
    try:
        await devcluster("kill", "apiserver")
    finally:
        await devcluster("start", "apiserver")
    await guest.person.started()
    assert await guest.until(lambda pods: len(pods) == 1)
    await guest.answers()
    await guest.person.stop()
    assert await guest.until(lambda pods: not pods) == []


@pytest.fixture
async def seat(cluster) -> AsyncIterator[None]:
    """The cluster's first node has one seat."""
    name = (await cluster.core.list_node()).items[0].metadata.name
    paths = [f"/status/{which}/{SEAT.replace('/', '~1')}" for which in ("capacity", "allocatable")]
    await cluster.core.patch_node_status(name, [{"op": "add", "path": path, "value": "1"} for path in paths])
    yield
    await cluster.core.patch_node_status(name, [{"op": "remove", "path": path} for path in paths])


async def test_a_pod_that_is_preempted_while_it_waits_loses_no_start(form, ahead_hub, cluster, gives_way, seat):
    """Last at its hub: a scheduler that learns late of the free seat keeps the hub from making pods in advance."""
    guest = await form("guest-04")
    await guest.open("seated")
    waiting = await guest.listening()
    assert (waiting.spec.priority_class_name, waiting.spec.priority) == (gives_way, -5)
    container = {
        "name": "sits",
        "image": f"{cluster.registry}/tiny:1.0",
        "command": ["sleep", "600"],
        "resources": {"limits": {SEAT: "1"}},
    }
    body = {"metadata": {"name": "sits"}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    await cluster.core.create_namespaced_pod(cluster.namespace, body)
    try:
        assert await guest.until(lambda pods: not pods) == []
        async with asyncio.timeout(LONG):
            while not (await cluster.core.read_namespaced_pod("sits", cluster.namespace)).spec.node_name:
                await asyncio.sleep(0.1)
    finally:
        await cluster.core.delete_namespaced_pod("sits", cluster.namespace, grace_period_seconds=0)
    # The start is an ordinary one, and has the servers' priority.
    await guest.person.started("seated")
    (pod,) = await guest.pods()
    assert (pod.metadata.name, pod.spec.priority) == ("jupyter-guest-04--seated", 0)
    assert "does not become a server: " in ahead_hub.log
    await guest.answers("seated")


async def test_after_its_time_the_pod_is_gone_and_its_place_is_free(new_hub, form):
    hub = await new_hub(
        "ahead-short", JHKUBE_START_AHEAD="form", JHKUBE_START_AHEAD_SECONDS="10", JHKUBE_START_AHEAD_LIMIT="1"
    )
    first, second = await form("guest-09", hub), await form("guest-10", hub)
    await first.open()
    async with asyncio.timeout(LONG):
        while "waits for the start of guest-09:" not in hub.log:
            await asyncio.sleep(0.1)
    assert await first.until(lambda pods: not pods) == []
    assert "does not become a server: Timeout" in hub.log
    await second.open()
    async with asyncio.timeout(LONG):
        while "waits for the start of guest-10:" not in hub.log:
            await asyncio.sleep(0.1)


async def test_a_pod_that_waits_gives_way_to_a_server_without_room(new_hub, form):
    sizes = [{"name": "small", "cores": 1, "memory": "2G"}, {"name": "huge", "cores": 1, "memory": "900T"}]
    hub = await new_hub(
        "ahead-room", JHKUBE_START_AHEAD="form", JHKUBE_SIZES=json.dumps(sizes), JHKUBE_START_AHEAD_LIMIT="1"
    )
    waits, starts = await form("guest-12", hub), await form("guest-13", hub)
    await waits.open()
    await waits.until(bool)
    # One pod is the most, so the other person gets none.
    await starts.open()
    assert (await starts.say())["state"] == "none"
    assert await starts.pods() == []
    status, _ = await starts.person.start(size="huge")
    assert status == 202
    assert await waits.until(lambda pods: not pods) == []
    assert "does not become a server: Room" in hub.log
    # The room is not taken by the next form.
    await waits.open()
    assert await waits.pods() == []
    await starts.person.stop()


ALONE = """
c.JHKubeSpawner.ceilings = {"default": {"servers": 1, "cores": 1}}
c.JHKubeSpawner.storage_access_modes = ["ReadWriteOncePod"]
c.JHKubeSpawner.delete_grace_period = 0
c.JHKubeSpawner.extra_mounts = [
    {"claim": "raw", "path": "/data/raw", "exclusive": True, "groups": ["telescope-ops"]}
]
"""
"""Room for one server, a home that one pod at a time may use, and a volume that only one pod of all may use."""


@pytest.fixture(scope="module")
async def alone_hub(new_hub) -> Hub:
    return await new_hub("ahead-alone", ALONE, JHKUBE_START_AHEAD="form")


async def test_a_pod_that_waits_takes_neither_the_ceiling_nor_the_home_from_its_persons_own_start(alone_hub, form):
    guest = await form("guest-14", alone_hub)
    await guest.open()
    waiting = await guest.listening()
    await guest.person.started("other")
    (pod,) = await guest.pods()
    assert pod.metadata.name == "jupyter-guest-14--other"
    # There is no room beside it, so nothing waits.
    await guest.open()
    assert [each.metadata.uid for each in await guest.pods()] == [pod.metadata.uid] != [waiting.metadata.uid]
    await guest.person.stop("other")
    assert await guest.until(lambda pods: not pods) == []
    await guest.open()
    waiting = await guest.listening()
    await guest.person.started()
    (pod,) = await guest.pods()
    assert pod.metadata.uid == waiting.metadata.uid


async def test_an_exclusive_volume_is_kept_for_those_who_start(alone_hub, form, github):
    github.world.join("telescope-ops", "guest-09")
    guest = await form("guest-09", alone_hub)
    await guest.open()
    assert (await guest.say())["state"] == "none"
    assert await guest.pods() == []


async def test_an_image_that_cannot_wait_starts_as_always(new_hub, form, cluster):
    # Its Python lacks most of the standard library.
    hub = await new_hub("ahead-tiny", JHKUBE_START_AHEAD="form", JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny")
    guest = await form("guest-11", hub)
    await guest.open()
    async with asyncio.timeout(LONG):
        while "does not become a server" not in hub.log:
            await asyncio.sleep(0.1)
    assert await guest.until(lambda pods: not pods) == []
    await guest.person.started()
    (pod,) = await guest.pods()
    assert pod.metadata.name == "jupyter-guest-11"
    assert "jhkube/ahead" not in pod.metadata.labels
    assert pod.status.phase == "Running"


@pytest.mark.parametrize(("name", "status"), [("system-node-critical", "passed"), ("no-such-class", "failed")])
async def test_the_check_says_whether_waiting_pods_can_have_their_priority_class(cluster, name, status):
    facts = HubFacts(namespace=cluster.namespace, waiting_priority_class=name)
    checked = checks.Cluster(cluster.core.api_client, cluster.namespace, "")
    *_, last = [result async for result in checks.cluster_results(checked, facts)]
    assert name in last.text
    assert last.status == status

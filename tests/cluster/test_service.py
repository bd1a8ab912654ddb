"""The service "My servers" apart from its hub, on a cluster, with an account that may do just what its Role says."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from devcluster.settings import Settings
from jhkube.checks.cluster import Cluster
from jhkube.checks.other_accounts import my_servers_results
from jhkube.checks.result import Status
from jhkube.service.routes import ROUTES
from jhkube.service.validation import answer_problem
from tests.accounts import applied, asked_by, features, kubeconfig_of, rendered, rules_of
from tests.hub.service_hub import service_apart
from tests.hubs import Hub, Person
from tests.pods import in_pod, new_namespace, pod_of
from tests.ports import free_port

pytestmark = pytest.mark.hub_versions

ACCOUNT = "jhkube-my-servers"
BY_NAME = {route.name: route for route in ROUTES}
SIZES = [
    {"name": "small", "cores": 0.1, "memory": "64M", "default": True},
    {"name": "large", "cores": 0.2, "memory": "96M"},
    {"name": "nowhere", "cores": 0.1, "memory": "64M", "node_selector": {"no": "where"}},
    {"name": "gpu", "cores": 0.1, "memory": "64M", "gpus": 2},
    {"name": "others", "cores": 0.1, "memory": "64M", "gpus": 1, "gpu_resource": "amd.com/gpu", "groups": ["x"]},
]
WORDS = "tiny: the disk is on fire"
PRESETS = [
    {"name": "broken", "display_name": "Broken", "environment": {"TINY_EXIT_CODE": "3", "TINY_MESSAGE": WORDS}},
]
EXTRA = f"""
c.JHKubeSpawner.start_patience = {{"unschedulable": 3}}
c.JHKubeSpawner.presets = {PRESETS!r}
c.JHKubeSpawner.poll_interval = 2
"""

IN_CHART = {"enabled": True, "image": {"name": "none"}, "tokenSecret": "none", "secrets": True}
PASSWORD = "correct horse battery staple"

noted = pytest.mark.skipif(
    Settings.load().external, reason="what an account has asked for is read from our own API server's audit log"
)


@dataclass
class Apart:
    """A hub, and its service as a process of its own with its own account."""

    hub: Hub
    namespace: str
    core: Any
    kubeconfig: Path

    async def ask(self, who: Person, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the service through the hub's proxy; return the status and the JSON body."""
        url = f"{self.hub.url}/services/jhkube/api/{path}"
        headers = {"Authorization": f"token {who.token}"}
        async with aiohttp.request(method, url, headers=headers, json=body) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def reach(self, who: Person, server: str, state: str) -> dict[str, Any]:
        """Return a server once it is in this state."""
        async with asyncio.timeout(240):
            while True:
                status, found = await self.ask(who, "GET", f"servers/{server}")
                if status == 200 and found["state"] == state:
                    return dict(found)
                await asyncio.sleep(0.3)


@pytest.fixture(scope="module")
async def apart(cluster, new_hub, tmp_path_factory) -> AsyncIterator[Apart]:
    namespace = f"{cluster.namespace}-service"
    await new_namespace(cluster.core, namespace)
    folder = tmp_path_factory.mktemp("service-apart")
    token, port = secrets.token_hex(32), free_port()
    objects = [
        each
        for each in rendered(namespace, features() | {"myServers": IN_CHART})
        if each["metadata"]["name"].startswith(ACCOUNT) and each["kind"] not in ("Deployment", "Service")
    ]
    async with applied(objects):
        kubeconfig = await kubeconfig_of(cluster.core, ACCOUNT, namespace, folder)
        hub = await new_hub(
            "service-apart",
            EXTRA,
            JHKUBE_NAMESPACE=namespace,
            JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny",
            JHKUBE_HOME_SIZE="10Mi",
            JHKUBE_SIZES=json.dumps(SIZES),
            JHKUBE_MY_SERVERS="true",
            JHKUBE_MY_SERVERS_URL=f"http://127.0.0.1:{port}",
            JHKUBE_MY_SERVERS_TOKEN=token,
            JHKUBE_MY_SERVERS_SECRETS="true",
        )
        hub_api = f"http://{hub.connect_host}:{hub.hub_port}/hub/api"
        more = {"JHKUBE_MY_SERVERS_LARGEST_DISK": "50Mi", "JHKUBE_MY_SERVERS_SECRETS": "true"}
        async with service_apart(hub_api, f"http://127.0.0.1:{port}", token, kubeconfig, folder, **more):
            yield Apart(hub, namespace, cluster.core, kubeconfig)
    await cluster.core.delete_namespace(namespace)


def good(name: str, answered: tuple[int, Any]) -> Any:
    """Return what a route answered; it is good, and as the table says."""
    status, found = answered
    assert status == BY_NAME[name].status, found
    assert answer_problem(BY_NAME[name], found) == ""
    return found


@pytest.fixture(scope="module")
async def lived(apart: Apart) -> dict[str, Any]:
    """A server's life by the API alone, as what was answered on the way; a stranger looks at it while it runs."""
    person, stranger = await apart.hub.login("guest-14"), await apart.hub.login("guest-15")
    told: dict[str, Any] = {}
    told["made"] = good("make_secret", await apart.ask(person, "PUT", "secrets/keys", {"files": {"key": PASSWORD}}))
    study = {"options": {"size": "small", "secrets": ["keys"]}}
    good("put_server", await apart.ask(person, "PUT", "servers/study", study))
    told["running"] = await apart.reach(person, "study", "running")
    pod = await pod_of(apart.core, apart.namespace, "guest-14", "study")
    look = "cat /secrets/keys/key; stat -L -c ' %a' /secrets/keys/key; touch /secrets/keys/new; env"
    told["in the pod"] = await in_pod(apart.namespace, pod.metadata.name, look)
    told["secrets"] = good("secrets", await apart.ask(person, "GET", "secrets"))["secrets"]
    told["strangers secrets"] = [
        await apart.ask(stranger, "GET", "secrets"),
        await apart.ask(stranger, "DELETE", "secrets/keys"),
        await apart.ask(stranger, "PUT", "servers/own", {"options": {"secrets": ["keys"]}}),
    ]
    told["log"] = good("log", await apart.ask(person, "GET", "servers/study/logs?tail=50"))
    told["events"] = good("events", await apart.ask(person, "GET", "servers/study/events"))["events"]
    told["classes"] = good("storage_classes", await apart.ask(person, "GET", "storage-classes"))["storage_classes"]
    told["claims"] = good("claims", await apart.ask(person, "GET", "claims"))["claims"]
    (claim,) = told["running"]["claims"]
    told["deleted in use"] = await apart.ask(person, "DELETE", f"claims/{claim}")
    told["grown"] = good("change_claim", await apart.ask(person, "PATCH", f"claims/{claim}", {"size": "20Mi"}))
    told["previous"] = await apart.ask(person, "GET", "servers/study/logs?previous=true")

    before = await pod_of(apart.core, apart.namespace, "guest-14", "study")
    told["strangers"] = {
        request: (await apart.ask(stranger, *request.split(" "), *more))[0]
        for request, *more in (
            ("GET servers/study",),
            ("GET servers/study/logs",),
            ("GET servers/study/events",),
            (f"GET claims/{claim}",),
            (f"DELETE claims/{claim}",),
            (f"PATCH claims/{claim}", {"size": "30Mi"}),
            ("POST servers/study/stop",),
        )
    }
    told["restart"] = await apart.ask(person, "POST", "servers/study/start", {"options": {"size": "large"}})
    told["again"] = await apart.reach(person, "study", "running")
    after = await pod_of(apart.core, apart.namespace, "guest-14", "study")
    told["is another pod"] = before.metadata.uid != after.metadata.uid

    # It fails before the hub has answered, or after that.
    status, found = await apart.ask(person, "PUT", "servers/lost", {"options": {"size": "nowhere"}})
    assert status in (202, 429), found
    told["failed"] = await apart.reach(person, "lost", "failed")
    async with asyncio.timeout(240):
        # What the scheduler says of it may come later than the pod's own state.
        while "FailedScheduling" not in [each["reason"] for each in told.get("events of the failed", ())]:
            events = good("events", await apart.ask(person, "GET", "servers/lost/events"))
            told["events of the failed"] = events["events"]

    # One that crashes while it starts, and one that ends by itself later.
    await apart.ask(person, "PUT", "servers/broken", {"options": {"size": "small", "presets": ["broken"]}})
    told["broken"] = await apart.reach(person, "broken", "failed")
    told["log of the broken"] = good("log", await apart.ask(person, "GET", "servers/broken/logs"))
    told["strangers log"] = await apart.ask(stranger, "GET", "servers/broken/logs")
    told["no such log"] = [
        await apart.ask(person, "GET", f"servers/broken/logs?{query}")
        for query in ("previous=true", "follow=true", "container=home")
    ]
    await apart.ask(person, "PUT", "servers/short", {"options": {"size": "small"}})
    await apart.reach(person, "short", "running")
    short = await pod_of(apart.core, apart.namespace, "guest-14", "short")
    await in_pod(apart.namespace, short.metadata.name, "kill 1")
    await apart.reach(person, "short", "stopped")
    told["log of the ended"] = good("log", await apart.ask(person, "GET", "servers/short/logs"))
    told["gpus"] = good("gpus", await apart.ask(person, "GET", "gpus"))["gpus"]

    told["no secret"] = await apart.ask(person, "DELETE", "secrets/keys")
    told["secrets left"] = [
        (await apart.ask(person, "GET", "secrets"))[1],
        [each.metadata.name for each in (await apart.core.list_namespaced_secret(apart.namespace)).items],
    ]
    told["removed"] = await apart.ask(person, "DELETE", "servers/study?claims=delete")
    async with asyncio.timeout(240):
        while claim in [each["name"] for each in (await apart.ask(person, "GET", "claims"))[1]["claims"]]:
            await asyncio.sleep(0.3)
    told["left"] = [each["name"] for each in (await apart.ask(person, "GET", "servers"))[1]["servers"]]
    for each in (person, stranger):
        await each.close()
    return told


async def test_a_server_that_runs_says_what_it_is(lived):
    running = lived["running"]
    assert (running["size"], running["state"], running["containers"][0]) == ("small", "running", "notebook")
    assert running["image"].rpartition(":")[0].endswith("/tiny")
    assert [each["name"] for each in running["steps"]] == ["created", "scheduled", "pulled", "started", "ready"]


async def test_its_log_and_its_events_are_told(lived):
    assert "tiny: listening on port" in lived["log"]["text"]
    assert not lived["log"]["truncated"]
    assert any(each["sentence"].startswith("A place was found for your server") for each in lived["events"])
    assert lived["previous"][0] == 404


async def test_a_secret_of_its_own_is_files_in_the_pod_and_nowhere_else(lived):
    said, _, environment = lived["in the pod"].partition("\n")
    assert said == f"{PASSWORD} 440"
    assert "Read-only file system" in environment
    assert PASSWORD not in environment
    assert (lived["made"]["files"], lived["made"]["path"]) == (["key"], "/secrets/keys")
    assert lived["secrets"] == [lived["made"]]
    (_, mine), deleted, attached = lived["strangers secrets"]
    assert mine == {"secrets": []}
    assert deleted[0] == 404
    assert (attached[0], attached[1]["field"]) == (400, "options.secrets")
    assert lived["no secret"] == (204, None)
    left, objects = lived["secrets left"]
    assert left == {"secrets": []}
    assert not [name for name in objects if name.startswith("jhkube-secret-")]


async def test_its_disk_is_used_and_grows(lived):
    (claim,) = lived["claims"]
    assert [each["server"] for each in claim["used_by"]] == ["study"]
    assert lived["deleted in use"][0] == 409
    assert "“study” uses this disk" in lived["deleted in use"][1]["message"]
    assert (lived["grown"]["size"], lived["grown"]["state"]) == ("20Mi", "growing")
    assert any(each["default"] and each["grows"] for each in lived["classes"])


async def test_another_size_is_a_restart_with_the_same_disk(lived):
    assert lived["restart"][0] == 202, lived["restart"]
    assert (lived["again"]["size"], lived["is another pod"]) == ("large", True)
    assert lived["again"]["claims"] == lived["running"]["claims"]


async def test_a_stranger_finds_nothing(lived):
    assert set(lived["strangers"].values()) == {404}, lived["strangers"]


async def test_a_start_that_failed_says_why_when_its_pod_is_gone(lived):
    failure = lived["failed"]["failure"]
    assert failure["reason"] in ("Unschedulable", "FailedScheduling"), failure
    assert lived["failed"]["message"] == failure["message"]
    assert "FailedScheduling" in [each["reason"] for each in lived["events of the failed"]]


async def test_a_removed_server_and_its_disk_are_gone(lived):
    assert lived["removed"][0] == 204, lived["removed"]
    assert lived["left"] == ["", "broken", "lost", "short"]


async def test_the_log_of_a_failed_start_is_still_there(lived):
    log = lived["log of the broken"]
    assert WORDS in log["text"]
    assert (log["container"], log["containers"]) == ("notebook", ["notebook"])
    assert log["message"].startswith("This is the end of the log of the start that failed at ")
    assert log["ended"]
    assert lived["strangers log"][0] == 404
    assert [status for status, _ in lived["no such log"]] == [404, 404, 404]


async def test_the_log_of_a_server_that_ended_by_itself_is_still_there(lived):
    log = lived["log of the ended"]
    assert "tiny: listening on port" in log["text"]
    assert log["message"].startswith("This is the end of the log of the server that ended by itself at ")


async def test_gpus_are_those_of_the_sizes(lived):
    assert lived["gpus"] == [
        {"resource": "amd.com/gpu", "allowed": False, "most": 0, "sizes": []},
        {"resource": "nvidia.com/gpu", "allowed": True, "most": 2, "sizes": ["gpu"]},
    ]


@noted
async def test_the_role_is_enough_and_no_more(lived, apart: Apart):
    asked = asked_by(ACCOUNT, apart.namespace)
    allowed = set(rules_of(rendered(apart.namespace, features() | {"myServers": IN_CHART})))
    used = {(each.verb, each.group, each.resource) for each in asked if each.allowed}
    # The audit log names a subresource apart from its resource.
    allowed = {(verb, group, resource.partition("/")[0]) for verb, group, resource in allowed}
    assert {each for each in asked if not each.allowed} == set()
    assert allowed - used == set()


async def test_the_check_asks_with_the_services_own_token(apart: Apart):
    own = yaml.safe_load(apart.kubeconfig.read_text())["users"][0]["user"]["token"]
    review = await apart.core.create_namespaced_service_account_token(
        "default", apart.namespace, {"spec": {"audiences": []}}
    )
    cluster = Cluster(apart.core.api_client, apart.namespace, "an administrator")
    found = {}
    for name, token in (("own", own), ("other", review.status.token), ("wrong", "x"), ("none", "")):
        results = my_servers_results(cluster, token, user_namespaces=False)
        found[name] = [each async for each in results]
    assert [(each.status, ACCOUNT in each.text) for each in found["own"]] == [(Status.PASSED, True)]
    # It goes on without what servers use.
    assert {each.status for each in found["other"]} == {Status.FAILED, Status.WARNING}
    assert "Role of the account of My servers" in found["other"][0].remedy
    assert [each.status for each in found["wrong"] + found["none"]] == [Status.FAILED, Status.SKIPPED]

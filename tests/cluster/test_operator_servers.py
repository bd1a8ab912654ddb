"""Servers of a hub's people by custom resource: a real API server and hub, an operator with the chart's account."""

import asyncio
import json
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_asyncio import client

from devcluster.settings import Settings
from jhkube.checks.cluster import Cluster
from jhkube.checks.other_accounts import operator_results
from jhkube.checks.result import Status
from jhkube.operator.servers import FINALIZER
from tests.accounts import asked_by, features, kubectl, rendered, rules_of
from tests.cluster.api_proxy import ApiProxy, kubeconfig_for
from tests.cluster.operator_kills import Kills
from tests.hub.running import ROOT, RunningHub
from tests.hub.service_hub import SETTINGS, SPAWNER
from tests.operators import ACCOUNT, SERVERS_IN_CHART, Operator, Servers, servers_operator
from tests.pods import new_namespace

TOKEN = "operator-" + "1" * 32
CONFIG = ROOT / "config" / "jupyterhub_config.d" / "46-operator.py"
HUB = f"""
load_subconfig({str(CONFIG)!r})
{SPAWNER}
c.JupyterHub.named_server_limit_per_user = lambda handler: 1 if "/users/eve/" in handler.request.path else 0
"""
"""A hub in which Eve may have one named server."""

noted = pytest.mark.skipif(
    Settings.load().external, reason="what an account has asked for is read from our own API server's audit log"
)


@dataclass
class World(Servers):
    """A namespace with an operator, the hub whose servers it starts, and what the tests look at them with."""

    hub: RunningHub
    token: Path

    async def servers(self, user: str = "ada") -> dict[str, Any]:
        """Return the hub's own word on somebody's servers."""
        status, found = await self.hub.api("GET", f"/users/{user}?include_stopped_servers=1")
        assert status == 200
        return found["servers"]


@pytest.fixture(scope="module")
async def world(cluster, tmp_path_factory):
    namespace = f"{cluster.namespace}-servers"
    folder = tmp_path_factory.mktemp("operator")
    await new_namespace(cluster.core, namespace)
    environ = {"JHKUBE_OPERATOR_GROUPS": "class", "JHKUBE_OPERATOR_TOKEN": TOKEN}
    hub = RunningHub(tmp_path_factory.mktemp("hub"), SETTINGS, python_settings=HUB, environ=environ)
    try:
        await hub.start()
        where = (f"{hub.url}/hub/api", TOKEN, "https://hub.example.org/")
        async with servers_operator(cluster.core, namespace, folder, *where) as own:
            # It is looked at last: sixty seconds later.
            await own.create("unused", idleSeconds=60)
            yield World(namespace, own.operator, cluster.core, hub, folder / "token")
    finally:
        await hub.stop()
        await cluster.core.delete_namespace(namespace)


async def test_a_server_is_made_and_goes_with_its_resource(world):
    await world.create("course", options={"size": "small"})
    status = await world.reach("course", "Running")
    assert (status["state"], status["url"]) == ("running", "https://hub.example.org/user/ada/course/")
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Ready": "True",
        "Progressing": "False",
        "Failed": "False",
    }
    server = (await world.servers())["course"]
    assert (server["ready"], server["user_options"]["size"]) == (True, "small")
    assert (await world.get("course"))["metadata"]["finalizers"] == [FINALIZER]
    await world.delete("course")
    assert "course" not in await world.servers()
    assert TOKEN not in world.operator.log


async def test_a_change_restarts_it_and_says_so(world):
    await world.create("changed", options={"size": "small"})
    await world.reach("changed", "Running")
    before = (await world.servers())["changed"]["started"]
    await world.change("changed", options={"size": "medium"})
    async with asyncio.timeout(240):
        while True:
            server = (await world.servers())["changed"]
            if server["ready"] and server["user_options"]["size"] == "medium":
                break
            await asyncio.sleep(0.1)
    await world.reach("changed", "Running")
    said = "The server restarts, because the options of its resource were changed."
    await world.until_told("changed", "Normal", "SpecChanged", said)
    server = (await world.servers())["changed"]
    assert server["started"] != before
    # A change of anything else leaves it running.
    await world.change("changed", idleSeconds=3600)
    async with asyncio.timeout(240):
        while (resource := await world.get("changed"))["status"]["observedGeneration"] < 3:
            await asyncio.sleep(0.1)
    assert resource["status"]["phase"] == "Running"
    assert (await world.servers())["changed"]["started"] == server["started"]
    # Nothing is stopped for what the hub would not start.
    await world.change("changed", options={"size": "gigantic"})
    status = await world.reach("changed", "Failed")
    assert "gigantic" in status["message"]
    assert (await world.servers())["changed"]["started"] == server["started"]
    await world.change("changed", options={"size": "medium"})
    await world.reach("changed", "Running")
    assert (await world.servers())["changed"]["started"] == server["started"]


async def test_it_is_stopped_and_started_as_the_resource_says(world):
    await world.create("switched", server="")
    await world.reach("switched", "Running")
    await world.change("switched", running=False)
    status = await world.reach("switched", "Stopped")
    assert status["message"] == "The server is stopped, as its resource asks (running: false)."
    assert not (await world.servers())[""]["ready"]
    await world.change("switched", running=True)
    await world.reach("switched", "Running")
    # A default server is stopped with its resource, and cannot be removed.
    await world.delete("switched")
    assert not (await world.servers())[""]["ready"]


async def test_a_server_that_was_there_is_taken_as_it_is_and_stays(world):
    assert (await world.hub.api("POST", "/users/ada/servers/own", json={"size": "small"}))[0] in (201, 202)
    async with asyncio.timeout(240):
        while not (own := (await world.servers())["own"])["ready"]:
            await asyncio.sleep(0.1)
    before = own["started"]
    await world.create("own", options={"size": "large"})
    await world.reach("own", "Running")
    assert (await world.servers())["own"]["started"] == before
    await world.delete("own")
    own = (await world.servers())["own"]
    assert (own["ready"], own["user_options"]["size"]) == (False, "small")


BAD = {
    "nobody": (
        {"user": "nobody"},
        "NoSuchUser",
        "The hub has no account nobody, or the operator's token is not for a",
    ),
    "stranger": ({"user": "kay"}, "NoSuchUser", "The hub has no account kay, or the operator's token is not for a"),
    "no-size": ({"options": {"size": "huge"}}, "Refused", "There is no size 'huge' to choose"),
    "no-option": ({"options": {"sise": "small"}}, "Refused", "There is no option 'sise'. Did you mean 'size'?"),
    "no-secret": ({"options": {"secrets": ["none"]}}, "Refused", "Secrets of your own cannot be attached"),
    "no-room": ({"options": {"debug": True}}, "StartFailed", "There is no room for your server. Try again later."),
    "one-too-many": ({"user": "eve"}, "Refused", "User eve already has the maximum of 1 named servers"),
    "first-again": ({"user": "eve", "server": "first"}, "Duplicate", "asks for this server already. Delete one of"),
}


async def test_what_cannot_be_is_told_and_nothing_of_it_is_made(world):
    await world.create("first", user="eve")
    await world.reach("first", "Running")
    # Resources of one second are sorted by their uids.
    await asyncio.sleep(1)
    for name, (changes, _, _) in BAD.items():
        await world.create(name, **changes)
    for name, (_, reason, said) in BAD.items():
        status = await world.reach(name, "Failed", reason)
        assert said in status["message"], name
        (failed,) = [each for each in status["conditions"] if each["type"] == "Failed"]
        assert failed["status"] == "True"
        await world.until_told(name, "Warning", reason, status["message"])
    assert not {"no-size", "no-option", "no-secret"} & (await world.servers()).keys()
    assert (await world.servers("eve")).keys() == {"", "first"}
    # Mended by a change, without a new resource.
    await world.change("no-size", options={"size": "small"})
    await world.reach("no-size", "Running")
    await world.delete("first-again")
    assert (await world.servers("eve"))["first"]["ready"]
    await world.delete(*(BAD.keys() - {"first-again"}), "first")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"user": ".."}, "spec.user"),
        ({"server": "a/b"}, "spec.server"),
        ({"options": {"size": 1}}, "spec.options.size"),
        ({"idleSeconds": 5}, "spec.idleSeconds"),
        ({"idleSeconds": -60}, "spec.idleSeconds"),
        ({"user": "u" * 256}, "spec.user"),
        ({"server": "s" * 256}, "spec.server"),
        ({"options": {f"option-{number}": "x" for number in range(101)}}, "spec.options"),
    ],
)
async def test_the_api_server_refuses_what_the_definition_does_not_allow(world, spec, said):
    with pytest.raises(client.ApiException) as refused:
        await world.create("refused", **spec)
    assert refused.value.status == 422
    assert said in refused.value.body


async def test_whose_server_it_is_cannot_be_changed(world):
    with pytest.raises(client.ApiException) as refused:
        await world.change("unused", user="eve")
    assert "user and server cannot be changed. Delete this JupyterServer and make another." in refused.value.body
    definition = json.loads(await kubectl("get", "crd", "jupyterservers.jhkube.dev", "-o", "json"))
    conditions = {one["type"]: one["status"] for one in definition["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert "NonStructuralSchema" not in conditions


async def test_a_token_that_the_hub_does_not_take_is_told(world):
    world.token.write_text("not-the-token")
    await world.create("tokenless")
    status = await world.reach("tokenless", "Failed", "TokenRefused")
    assert "it needs the scopes servers and read:users for ada" in status["message"]
    world.token.write_text(TOKEN)
    await world.change("tokenless", options={"size": "small"})
    await world.reach("tokenless", "Running")
    await world.delete("tokenless")
    assert "not-the-token" not in world.operator.log


async def test_another_person_of_the_name_does_not_get_the_server(world):
    for _ in range(2):
        await world.hub.api("DELETE", "/users/zoe")
        assert (await world.hub.api("POST", "/users/zoe"))[0] == 201
        assert (await world.hub.api("POST", "/groups/class/users", json={"users": ["zoe"]}))[0] == 200
        if "zoes" not in {each["metadata"]["name"] for each in await world.resources()}:
            await world.create("zoes", user="zoe", running=False)
            await world.reach("zoes", "Stopped")
    await world.change("zoes", running=True)
    status = await world.reach("zoes", "Failed", "AnotherAccount")
    assert "was deleted at the hub and made again" in status["message"]
    assert (await world.servers("zoe"))[""]["ready"] is False
    await world.delete("zoes")


async def test_an_operator_that_was_killed_goes_on_where_it_was(world):
    names = [f"killed-{number}" for number in range(8)]
    making = asyncio.gather(*(world.create(name) for name in names))
    async with asyncio.timeout(240):
        while not any(FINALIZER in each["metadata"].get("finalizers", ()) for each in await world.resources()):
            await asyncio.sleep(0)
    await world.operator.end(signal.SIGKILL)
    await making
    await world.operator.start()
    for name in names:
        await world.reach(name, "Running")
        assert (await world.get(name))["status"]["made"]
    await world.operator.end(signal.SIGKILL)
    await world.change("killed-0", running=False)
    deleting = asyncio.create_task(world.delete(*names[1:]))
    await asyncio.sleep(0)
    await world.operator.start()
    await deleting
    await world.reach("killed-0", "Stopped")
    assert not set(names[1:]) & (await world.servers()).keys()
    await world.delete("killed-0")


async def test_a_server_is_started_and_stopped_once_whenever_its_operator_is_killed(world, proxied, tmp_path):
    await world.operator.end()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(kubeconfig_for(proxied.proxy.url))
    hub = ApiProxy(client.Configuration(host=world.hub.url))

    async def runs(size):
        status = (await world.get("lesson")).get("status", {})
        server = (await world.servers()).get("lesson", {})
        is_so = status.get("phase") == "Running" and server.get("user_options", {}).get("size") == size
        return is_so and status["observedGeneration"] == (await world.get("lesson"))["metadata"]["generation"]

    async def is_gone():
        return "lesson" not in {each["metadata"]["name"] for each in await world.resources()}

    async with hub.running():
        arguments = (*world.operator.arguments, f"--hub-url={hub.url}/hub/api")
        kills = Kills(Operator(world.namespace, kubeconfig, tmp_path, *arguments), (proxied.proxy, hub))
        start, stop = ("POST", "lesson"), ("DELETE", "lesson")
        try:
            await world.create("lesson", options={"size": "small"})
            steps = await kills.until(lambda: runs("small"), "lesson")
            assert {"PATCH jupyterservers/lesson", "POST /hub/api/users/ada/servers/lesson"} <= set(steps)
            assert (hub.asked.count(start), hub.asked.count(stop)) == (1, 0)
            await world.change("lesson", options={"size": "medium"})
            steps = await kills.until(lambda: runs("medium"), "lesson")
            assert {f"{method} /hub/api/users/ada/servers/lesson" for method in ("POST", "DELETE")} <= set(steps)
            assert (hub.asked.count(start), hub.asked.count(stop)) == (2, 1)
            deleting = asyncio.create_task(world.delete("lesson"))
            steps = await kills.until(is_gone, "lesson")
            await deleting
            assert {"PATCH jupyterservers/lesson", "DELETE /hub/api/users/ada/servers/lesson"} <= set(steps)
            assert "lesson" not in await world.servers()
            told = Counter(await world.events_of("lesson"))
            assert set(told.values()) <= {1}
        finally:
            await kills.end()
            await world.operator.start()


@noted
async def test_fifty_at_once(world, record_property):
    names = [f"pupil-{number:02}" for number in range(50)]
    for name in names:
        assert (await world.hub.api("POST", f"/users/{name}"))[0] == 201
    assert (await world.hub.api("POST", "/groups/class/users", json={"users": names}))[0] == 200
    before, began = len(world.operator.log), time.monotonic()
    await asyncio.gather(*(world.create(name, user=name, server="") for name in names))
    asked = time.monotonic() - began
    async with asyncio.timeout(400):
        while sum(each.get("status", {}).get("phase") == "Running" for each in await world.resources()) < 50:
            await asyncio.sleep(0.2)
    took = f"asked for in {asked:.1f} s, all run in {time.monotonic() - began:.1f} s"
    record_property("fifty servers", took)
    print(f"fifty servers: {took}")
    assert "could not" not in world.operator.log[before:]
    await world.delete(*names)


@noted
async def test_the_role_is_enough_and_no_more(world):
    asked = asked_by(ACCOUNT, world.namespace)
    allowed = set(rules_of(rendered(world.namespace, {"roles": features()["roles"]} | SERVERS_IN_CHART)))
    # This operator is alone, and the audit log names a subresource apart from its resource.
    needed = {(verb, group, resource.partition("/")[0]) for verb, group, resource in allowed if group != "kopf.dev"}
    assert {each for each in asked if not each.allowed} == set()
    assert needed - {each.rule for each in asked} == set()


async def test_the_check_asks_with_the_operators_own_token(world):
    own = yaml.safe_load(world.operator.kubeconfig.read_text())["users"][0]["user"]["token"]
    review = await world.core.create_namespaced_service_account_token(
        "default", world.namespace, {"spec": {"audiences": []}}
    )
    cluster = Cluster(world.core.api_client, world.namespace, "an administrator")
    found = {}
    for name, token in (("own", own), ("other", review.status.token), ("wrong", "x"), ("none", "")):
        found[name] = [each async for each in operator_results(cluster, token, (), servers=True)]
    assert [(each.status, ACCOUNT in each.text) for each in found["own"]] == [(Status.PASSED, True)]
    assert {each.status for each in found["other"]} == {Status.FAILED}
    assert "jupyterservers" in "".join(each.text for each in found["other"])
    assert [each.status for each in found["wrong"] + found["none"]] == [Status.FAILED, Status.SKIPPED]
    # It works in one namespace: for all of them it lacks a ClusterRole, with the other kind of peering.
    everywhere = "".join([each.text async for each in operator_results(cluster, own, (None,), servers=True)])
    assert "on clusterkopfpeerings in the whole cluster" in everywhere
    assert "on kopfpeerings" not in everywhere
    # An operator for notebooks lacks what those need.
    lacking = [each async for each in operator_results(cluster, own, (), servers=False)]
    assert "deployments" in "".join(each.text for each in lacking)


async def test_one_that_nobody_uses_is_stopped_and_says_so(world):
    status = await world.reach("unused", "Stopped", "Idle")
    assert status["message"].startswith("Nobody has used the server for 1 minute, so it was stopped.")
    await world.until_told("unused", "Normal", "Idle", status["message"])
    assert not (await world.servers())["unused"]["ready"]


async def test_a_hub_that_is_away_is_waited_for(world):
    await world.reach("changed", "Running")
    before = world.operator.log.count("The hub does not answer")
    await world.hub.stop()
    await world.create("patient")
    status = await world.reach("patient", "Pending", "HubAway")
    assert status["message"] == "The hub does not answer at the moment. Try again in a minute."
    # What is known stays.
    assert (await world.get("changed"))["status"]["phase"] == "Running"
    # It is told once, and once more where the hub answered again while it ended.
    assert 1 <= world.operator.log.count("The hub does not answer") - before <= 3
    await world.hub.start()
    await world.reach("patient", "Running")

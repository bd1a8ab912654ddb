"""The service "My servers" beside a real hub: who may do what, and what each route says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jhkube.service.routes import ROUTES
from jhkube.service.validation import answer_problem
from tests.hub.api_answers import Answers, api_server, kubeconfig_for
from tests.hub.running import RunningHub
from tests.hub.service_hub import SPAWNER, SUBJECTS, ServiceBrowser, ServiceHub, start_service
from tests.hub.service_world import LABS, World

pytestmark = pytest.mark.hub_versions

BY_NAME = {route.name: route for route in ROUTES}


@dataclass
class Beside:
    """A hub with its service, and the API server that both reach."""

    service: ServiceHub
    world: World
    server: Answers

    async def ask(self, *args: Any, **more: Any) -> tuple[int, Any]:
        return await self.service.ask(*args, **more)

    def asked_since(self, start: int) -> list[str]:
        """Return what the API server was asked after so many requests."""
        return self.server.asked[start:]


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Beside]:
    hubs: list[RunningHub] = []

    async def start(config: Any, **more: Any) -> RunningHub:
        hub = RunningHub(tmp_path_factory.mktemp("service"), config, **more)
        hubs.append(hub)
        await hub.start()
        return hub

    world = World()
    with api_server(lambda method, path: world.answer(method, path)) as server:
        kubeconfig = tmp_path_factory.mktemp("kube") / "config"
        kubeconfig.write_text(kubeconfig_for(server.url))
        try:
            service = await start_service(
                start, kubeconfig, python_settings=SPAWNER, JHKUBE_MY_SERVERS_LARGEST_DISK="50Gi"
            )
            for name, subject in SUBJECTS.items():
                await service.add(name, subject)
            await service.add("tess")
            yield Beside(service, world, server)
        finally:
            for hub in hubs:
                await hub.stop()


@pytest.fixture
def beside(shared: Beside) -> Beside:
    """The hub, the service and the API server, whose world is as at the start."""
    shared.world.__init__()  # type: ignore[misc]
    return shared


async def running(beside: Beside, who: str, server: str = "~", **options: Any) -> None:
    method, path = ("POST", "servers/~/start") if server == "~" else ("PUT", f"servers/{server}")
    status, found = await beside.ask(who, method, path, {"options": options} if options else {})
    assert status == 202, found
    await beside.service.reach(who, server, "running")


async def stopped(beside: Beside, who: str, server: str = "~") -> None:
    assert (await beside.ask(who, "POST", f"servers/{server}/stop"))[0] == 202
    await beside.service.reach(who, server, "stopped")


# What each route says.


async def test_a_server_is_started_and_stopped(beside: Beside) -> None:
    await running(beside, "ada")
    _, found = await beside.ask("ada", "GET", "servers/~")
    assert found["url"] == "/user/ada/"
    assert (found["image"], found["image_tag"], found["size"]) == (
        "registry.example.org/lab:w_2026_46",
        "w_2026_46",
        "small",
    )
    assert (found["claims"], found["containers"]) == (["claim-ada"], ["notebook", "home"])
    await stopped(beside, "ada")
    _, found = await beside.ask("ada", "GET", "servers/~")
    assert (found["message"], found["claims"]) == ("Your server is stopped. Its disk stays.", [])


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("options", "options"),
        ("servers", "servers"),
        ("server", "servers/~"),
        ("log", "servers/~/logs"),
        ("events", "servers/~/events"),
        ("claims", "claims"),
        ("claim", "claims/claim-ada"),
        ("storage_classes", "storage-classes"),
    ],
)
async def test_an_answer_is_as_the_table_says_and_shows_no_secret(beside: Beside, name: str, path: str) -> None:
    await running(beside, "ada")
    status, found = await beside.ask("ada", "GET", path)
    assert status == 200, found
    assert answer_problem(BY_NAME[name], found) == ""
    text = json.dumps(found)
    assert "the-token-of-the-server" not in text
    assert "mumble" not in text


async def test_the_answers_have_what_there_is(beside: Beside) -> None:
    await running(beside, "ada")
    _, log = await beside.ask("ada", "GET", "servers/~/logs?tail=2")
    assert log["text"] == "the first line\nthe last line\n"
    _, found = await beside.ask("ada", "GET", "servers/~/events")
    assert [each["reason"] for each in found["events"]] == ["Scheduled", "Pulling"]
    assert found["events"][0]["sentence"] == "A place was found for your server, on node1."
    _, found = await beside.ask("ada", "GET", "claims")
    assert {each["name"]: [use["server"] for use in each["used_by"]] for each in found["claims"]} == {
        "claim-ada": [""],
        "claim-ada--old": [],
    }
    _, options = await beside.ask("ada", "GET", "options")
    assert [each["value"] for each in options["sizes"]] == ["small", "medium", "large"]


async def test_a_log_that_is_followed_is_plain_text(beside: Beside) -> None:
    await running(beside, "ada")
    headers = {"Authorization": f"token {beside.service.tokens['ada']}"}
    url = f"{beside.service.url}api/servers/~/logs?follow=true"
    async with aiohttp.request("GET", url, headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        assert await answer.text() == "the first line\nthe last line\n"


async def test_other_options_restart_a_server_and_wrong_ones_leave_it_alone(beside: Beside) -> None:
    await running(beside, "ada", size="small")
    before = (await beside.ask("ada", "GET", "servers/~"))[1]["started"]
    status, refused = await beside.ask("ada", "POST", "servers/~/start", {"options": {"size": "huge"}})
    assert (status, refused["field"]) == (400, "options.size")
    assert "huge" in refused["message"]
    assert (await beside.ask("ada", "GET", "servers/~"))[1]["started"] == before
    status, found = await beside.ask("ada", "POST", "servers/~/start", {"options": {"size": "large"}})
    assert status == 202, found
    found = await beside.service.reach("ada", "~", "running")
    assert (found["options"]["size"], found["started"] != before) == ("large", True)


async def test_a_start_that_failed_says_why(beside: Beside) -> None:
    await beside.ask("kay", "PUT", "servers/broken", {"options": {"debug": True}})
    found = await beside.service.reach("kay", "broken", "failed")
    assert found["message"] == "There is no room for your server. Try again later."
    assert found["failure"]["message"] == found["message"]


async def test_a_server_that_is_made_without_a_start_is_stopped(beside: Beside) -> None:
    body = {"start": False, "options": {"size": "medium"}}
    status, found = await beside.ask("kay", "PUT", "servers/later", body)
    _, listed = await beside.ask("kay", "GET", "servers")
    if status == 409:
        # JupyterHub 5 cannot.
        assert found["field"] == "start"
        assert "later" not in [each["name"] for each in listed["servers"]]
        return
    assert (status, found["state"], found["options"]) == (202, "stopped", {"size": "medium"})


async def test_a_removed_server_is_gone_and_its_disk_stays(beside: Beside) -> None:
    await running(beside, "ada", "old")
    start = len(beside.server.asked)
    assert (await beside.ask("ada", "DELETE", "servers/old"))[0] == 204
    assert (await beside.ask("ada", "GET", "servers/old"))[0] == 404
    assert not [each for each in beside.asked_since(start) if each.startswith("DELETE")]


async def test_a_removed_servers_disk_goes_where_that_is_asked_for(beside: Beside) -> None:
    await running(beside, "ada", "old")
    start = len(beside.server.asked)
    assert (await beside.ask("ada", "DELETE", "servers/old?claims=delete"))[0] == 204
    deleted = [each for each in beside.asked_since(start) if each.startswith("DELETE")]
    assert deleted == [f"DELETE {LABS}/persistentvolumeclaims/claim-ada--old"]


async def test_a_claim_of_the_servers_name_that_is_another_persons_stays(beside: Beside) -> None:
    await running(beside, "ada", "heir")
    start = len(beside.server.asked)
    assert (await beside.ask("ada", "DELETE", "servers/heir?claims=delete"))[0] == 204
    assert not [each for each in beside.asked_since(start) if each.startswith("DELETE")]


async def test_the_default_server_is_not_removed(beside: Beside) -> None:
    assert (await beside.ask("ada", "DELETE", "servers/~"))[0] == 409


@pytest.mark.parametrize(("size", "status"), [("5Gi", 400), ("10Gi", 400), ("60Gi", 400), ("20Gi", 200)])
async def test_a_disk_grows_up_to_the_largest(beside: Beside, size: str, status: int) -> None:
    start = len(beside.server.asked)
    found, body = await beside.ask("ada", "PATCH", "claims/claim-ada", {"size": size})
    assert found == status, body
    changed = [each for each in beside.asked_since(start) if each.startswith("PATCH")]
    assert changed == ([f"PATCH {LABS}/persistentvolumeclaims/claim-ada"] if status == 200 else [])
    if status != 200:
        assert body["field"] == "size"


async def test_a_disk_in_use_stays_and_the_answer_names_the_server(beside: Beside) -> None:
    start = len(beside.server.asked)
    status, body = await beside.ask("ada", "DELETE", "claims/claim-ada")
    assert (status, body["message"]) == (409, "Your default server uses this disk. Stop it first.")
    assert not [each for each in beside.asked_since(start) if each.startswith("DELETE")]
    assert (await beside.ask("ada", "DELETE", "claims/claim-ada--old"))[0] == 204


# Who may do what.


async def test_nobody_is_refused(beside: Beside) -> None:
    assert (await beside.ask("", "GET", "servers"))[0] == 403
    assert (await beside.ask("ada", "GET", "servers", token="not a token"))[0] == 403


async def test_a_token_without_access_to_the_service_is_refused(beside: Beside) -> None:
    token = await beside.service.token("ada", "servers!user=ada")
    assert (await beside.ask("ada", "GET", "servers", token=token))[0] == 403


ACCESS = "access:services!service=jhkube"
NEEDS = {
    "read:servers": ("GET servers", "GET servers/~/events", "GET claims", "GET options"),
    "access:servers": ("GET servers/~/logs",),
    "servers": ("POST servers/~/start", "PATCH claims/claim-ada"),
    "delete:servers": ("POST servers/~/stop", "DELETE claims/claim-ada--old", "DELETE servers/nothing"),
}


@pytest.mark.parametrize("scope", NEEDS)
async def test_a_token_does_what_its_scopes_say(beside: Beside, scope: str) -> None:
    await running(beside, "ada")
    token = await beside.service.token("ada", ACCESS, f"{scope}!user=ada")
    may = {"servers": {*NEEDS["servers"], *NEEDS["delete:servers"], *NEEDS["read:servers"]}}.get(scope, NEEDS[scope])
    bodies = {"PATCH": {"size": "20Gi"}, "POST": {}}
    for each in [each for requests in NEEDS.values() for each in requests]:
        method, _, path = each.partition(" ")
        start = len(beside.server.asked)
        status, body = await beside.ask("ada", method, path, bodies.get(method), token=token)
        if each not in may:
            assert status == 403, (each, body)
            assert beside.asked_since(start) == []
        elif scope == "servers" or each in NEEDS["read:servers"]:
            assert status in (200, 202, 204, 404), (each, body)


ADAS = (
    "GET servers/gpu",
    "GET servers/~/logs",
    "GET claims/claim-ada",
    "PATCH claims/claim-ada",
    "DELETE claims/claim-ada",
    "DELETE claims/claim-ada--old",
    "POST servers/gpu/start",
    "POST servers/gpu/stop",
    "GET servers/gpu/events",
    "GET servers/gpu/logs",
    "DELETE servers/gpu",
)


@pytest.mark.parametrize("request_line", ADAS)
async def test_what_is_anothers_is_not_there_and_nothing_of_it_is_read(beside: Beside, request_line: str) -> None:
    method, _, path = request_line.partition(" ")
    start = len(beside.server.asked)
    body = {"PATCH": {"size": "20Gi"}}.get(method)
    assert (await beside.ask("eve", method, path, body))[0] == 404
    assert set(beside.asked_since(start)) <= {f"GET {LABS}/pods", f"GET {LABS}/persistentvolumeclaims"}


async def test_a_pod_with_ones_name_that_is_another_persons_is_not_ones_own(beside: Beside) -> None:
    await running(beside, "ada", "gpu")
    start = len(beside.server.asked)
    assert (await beside.ask("ada", "GET", "servers/gpu/logs"))[0] == 404
    _, found = await beside.ask("ada", "GET", "servers/gpu")
    assert (found["state"], found["image"], found["containers"]) == ("running", "", [])
    assert not [each for each in beside.asked_since(start) if each.endswith("/log")]


async def test_nobody_knows_whose_things_are_without_an_id(beside: Beside) -> None:
    await running(beside, "tess")
    _, found = await beside.ask("tess", "GET", "servers/~")
    assert "does not know your account's id" in found["warnings"][0]
    assert (await beside.ask("tess", "GET", "servers/~/logs"))[0] == 404
    assert (await beside.ask("tess", "GET", "claims"))[1] == {"claims": []}
    # A pod on which nobody is written is nobody's.
    assert (await beside.ask("kay", "GET", "servers/~/logs"))[0] == 404


async def test_a_teacher_sees_the_servers_of_the_class_and_of_no_other(beside: Beside) -> None:
    await running(beside, "eve")
    status, found = await beside.ask("tess", "GET", "groups/class/servers")
    assert status == 200, found
    assert answer_problem(BY_NAME["group_servers"], found) == ""
    assert {each["user"] for each in found["servers"]} == {"ada", "eve"}
    assert ("eve", "", "running") in [(each["user"], each["name"], each["state"]) for each in found["servers"]]
    for who, group in (("tess", "others"), ("tess", "nothing"), ("eve", "class")):
        assert (await beside.ask(who, "GET", f"groups/{group}/servers"))[0] == 404


async def test_the_subject_is_for_oneself_alone(beside: Beside) -> None:
    async def subject(who: str, whose: str) -> tuple[int, str]:
        headers = {"Authorization": f"token {beside.service.tokens[who]}"}
        url = f"{beside.service.hub.url}/hub/jhkube/users/{whose}/servers"
        async with aiohttp.request("GET", url, headers=headers) as answer:
            return answer.status, (await answer.json()).get("subject", "")

    assert await subject("ada", "ada") == (200, "github:1")
    assert await subject("tess", "ada") == (200, "")
    assert (await subject("ada", "eve"))[0] in (403, 404)


async def test_a_browser_logs_in_at_the_hub_and_needs_the_xsrf_token(beside: Beside) -> None:
    async with ServiceBrowser(beside.service, "bo") as browser:
        status, text, path = await browser.open("/services/jhkube/")
        assert (status, path) == (200, "/services/jhkube/"), text
        url = f"{beside.service.url}api/servers/~/start"
        assert (await browser.session.post(url, json={})).status == 403
        cookies = {each.key: each for each in browser.session.cookie_jar if each["path"].startswith("/services/")}
        headers = {"X-XSRFToken": cookies["_xsrf"].value}
        answer = await browser.session.post(url, json={}, headers=headers)
        assert answer.status == 202, await answer.text()


# When something is away, and what nobody expects.


async def test_a_cluster_that_is_away_leaves_the_list(beside: Beside) -> None:
    await running(beside, "ada")
    beside.world.is_away = True
    status, found = await beside.ask("ada", "GET", "servers")
    assert status == 200
    assert found["servers"][0]["warnings"] == ["The cluster does not answer at the moment. Try again in a minute."]
    status, found = await beside.ask("ada", "GET", "servers/~/logs")
    assert (status, found["message"]) == (503, "The cluster does not answer at the moment. Try again in a minute.")


names = st.text(min_size=1, max_size=40)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
bodies = st.one_of(
    anything,
    st.fixed_dictionaries({}, optional={"options": anything, "start": anything, "size": anything}),
    st.fixed_dictionaries({"options": st.dictionaries(st.sampled_from(["size", "image", "presets"]), anything)}),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(route=st.sampled_from(ROUTES), name=names, query=st.dictionaries(names, names, max_size=2), body=bodies)
async def test_no_request_is_an_error_of_the_service(
    beside: Beside, route: Any, name: str, query: dict[str, str], body: Any
) -> None:
    path = route.path
    for part in route.parts:
        path = path.replace(f"{{{part}}}", quote(name, safe="", errors="surrogatepass"))
    asked = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in query.items())
    raw = json.dumps(body).encode() if route.body is not None else b""
    status, found = await beside.ask("kay", route.method, f"{path}?{asked}", raw=raw)
    assert status < 500, (route.name, name, query, body, found)
    if status >= 400:
        assert set(found) == {"message", "field"}
        assert found["message"]


@pytest.mark.parametrize(
    "raw", [b"{", b"[" * 100_000, b'{"options": ' + b'{"a":' * 500 + b"1" + b"}" * 501, b"\xff", b"NaN", b"1e999"]
)
async def test_a_body_that_is_no_json_is_refused(beside: Beside, raw: bytes) -> None:
    status, found = await beside.ask("kay", "POST", "servers/~/start", raw=raw)
    assert status in (400, 413), found
    assert set(found) == {"message", "field"}


async def test_many_servers_are_one_list_of_pods(beside: Beside) -> None:
    await running(beside, "ada")
    start = len(beside.server.asked)
    await asyncio.sleep(0)
    assert (await beside.ask("ada", "GET", "servers"))[0] == 200
    assert beside.asked_since(start) == [f"GET {LABS}/pods"]

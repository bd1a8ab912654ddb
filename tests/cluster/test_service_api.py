"""The service "My servers" beside a real hub and a real API server: who may do what, and what each route says."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jhkube.service.api import MOST_FOLLOWED_BY_ONE
from jhkube.service.cluster import LONGEST_LOG
from jhkube.service.routes import ROUTES
from jhkube.service.validation import answer_problem
from tests.cluster.api_proxy import ALL, HTML, Fault, refusal
from tests.cluster.service_world import LINES, PASSWORD, TOKEN, World, service_world
from tests.hub.service_hub import SUBJECTS, services_of

pytestmark = pytest.mark.hub_versions

BY_NAME = {route.name: route for route in ROUTES}
FOR_EVER = float("inf")
GIGABYTE = 2**30


@pytest.fixture(scope="module")
async def shared(cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    more = {"JHKUBE_MY_SERVERS_LARGEST_DISK": "50Mi", "JHKUBE_MY_SERVERS_SECRETS": "true"}
    async with service_world(cluster, tmp_path_factory, **more) as world:
        for name, subject in SUBJECTS.items():
            await world.service.add(name, subject)
        await world.service.add("tess")
        await world.fill()
        await world.make_claim("kay", "", "github:3", name="claim-kay")
        yield world


@pytest.fixture
def beside(shared: World) -> World:
    """The hub, the service and the cluster, with nothing in their way."""
    shared.proxy.heal()
    return shared


async def running(beside: World, who: str, server: str = "~", **options: Any) -> None:
    method, path = ("POST", "servers/~/start") if server == "~" else ("PUT", f"servers/{server}")
    status, found = await beside.ask(who, method, path, {"options": options} if options else {})
    assert status == 202, found
    await beside.service.reach(who, server, "running")


async def stopped(beside: World, who: str, server: str = "~") -> None:
    assert (await beside.ask(who, "POST", f"servers/{server}/stop"))[0] == 202
    await beside.service.reach(who, server, "stopped")


@asynccontextmanager
async def following(beside: World, server: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """Within the block Ada follows the log of a server."""
    headers = {"Authorization": f"token {beside.service.tokens['ada']}"}
    url = f"{beside.service.url}api/servers/{server}/logs?follow=true"
    async with aiohttp.request("GET", url, headers=headers, timeout=aiohttp.ClientTimeout(total=500)) as answer:
        yield answer


# What each route says.


async def test_a_server_is_started_and_stopped(beside: World) -> None:
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
        ("gpus", "gpus"),
        ("secrets", "secrets"),
    ],
)
async def test_an_answer_is_as_the_table_says_and_shows_no_secret(beside: World, name: str, path: str) -> None:
    await running(beside, "ada")
    status, found = await beside.ask("ada", "GET", path)
    assert status == 200, found
    assert answer_problem(BY_NAME[name], found) == ""
    text = json.dumps(found)
    assert TOKEN not in text
    assert PASSWORD not in text


async def test_the_answers_have_what_there_is(beside: World) -> None:
    await running(beside, "ada")
    _, log = await beside.ask("ada", "GET", "servers/~/logs?tail=1")
    assert log["text"] == f"{LINES[1]}\n"
    _, found = await beside.ask("ada", "GET", "servers/~/events")
    assert {"Scheduled", "Pulling", "Started"} <= {each["reason"] for each in found["events"]}
    assert any(each["sentence"].startswith("A place was found for your server, on ") for each in found["events"])
    _, found = await beside.ask("ada", "GET", "claims")
    used = {each["name"]: [use["server"] for use in each["used_by"]] for each in found["claims"]}
    assert (used["claim-ada"], used["claim-ada--old"]) == ([""], [])
    assert "claim-ada--heir" not in used
    _, options = await beside.ask("ada", "GET", "options")
    assert [each["value"] for each in options["sizes"]] == ["small", "medium", "large"]


async def test_what_a_server_uses_is_told_where_the_cluster_has_metrics(beside: World) -> None:
    await running(beside, "ada")
    # The development cluster has none.
    assert (await beside.ask("ada", "GET", "servers/~"))[1]["usage"] is None
    others = [{"usage": {"cpu": "9", "memory": "9Gi"}}]
    own = [{"usage": {"cpu": "250123456n", "memory": "1536Mi"}}, {"usage": {"cpu": "1m", "memory": "0"}}]
    items = [
        {
            "metadata": {"name": name, "namespace": beside.namespace},
            "timestamp": "2026-11-30T14:32:07Z",
            "containers": containers,
        }
        for name, containers in (("jupyter-kay", others), ("jupyter-ada", own))
    ]
    used = {"cores": 0.251, "memory": 1536 * 2**20, "measured": "2026-11-30T14:32:07Z"}
    for found, told in ((items, used), (items[:1], None), ([{}], None)):
        beside.proxy.fail("GET", beside.metrics, Fault(200, {"metadata": {}, "items": found}))
        status, view = await beside.ask("ada", "GET", "servers/~")
        assert (status, view["usage"]) == (200, told)
        assert answer_problem(BY_NAME["server"], view) == ""


async def test_a_secret_is_made_listed_and_deleted_and_never_read(beside: World) -> None:
    start, kept = len(beside.proxy.paths), {"files": {"key": PASSWORD, "note.txt": "für Ada\n"}}
    status, made = await beside.ask("ada", "PUT", "secrets/registry", kept)
    assert (status, made["files"], made["path"]) == (201, ["key", "note.txt"], "/secrets/registry")
    assert (await beside.ask("ada", "PUT", "secrets/registry", kept))[0] == 409
    assert (await beside.ask("ada", "GET", "secrets"))[1] == {"secrets": [made]}
    objects = (await beside.core.list_namespaced_secret(beside.namespace)).items
    (found,) = [each for each in objects if each.metadata.name.startswith("jhkube-secret-")]
    # kubelet would not ask again for an immutable one that was made anew under its name while a server has it.
    assert (found.metadata.annotations, found.immutable) == ({"jhkube/subject": "github:1"}, None)
    assert b64decode(found.data["note.txt"]).decode() == "für Ada\n"
    # Eve's of the same name is another.
    assert (await beside.ask("eve", "GET", "secrets"))[1] == {"secrets": []}
    assert (await beside.ask("eve", "DELETE", "secrets/registry"))[0] == 404
    assert (await beside.ask("eve", "PUT", "secrets/registry", {"files": {"key": "hers"}}))[0] == 201
    assert (await beside.ask("eve", "DELETE", "secrets/registry"))[0] == 204
    assert (await beside.ask("ada", "GET", "secrets"))[1] == {"secrets": [made]}
    assert (await beside.ask("ada", "DELETE", "secrets/registry"))[0] == 204
    assert (await beside.ask("ada", "DELETE", "secrets/registry"))[0] == 404
    objects = (await beside.core.list_namespaced_secret(beside.namespace)).items
    assert not [each for each in objects if each.metadata.name.startswith("jhkube-secret-")]
    asked = {each.partition(" ")[0] for each in beside.asked_since(start) if "/secrets" in each}
    assert asked == {"POST", "DELETE"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "1 to 20 files"),
        ({f"file{number}": "" for number in range(21)}, "1 to 20 files"),
        ({"..data": ""}, "name of a file"),
        ({"a/b": ""}, "name of a file"),
        ({"a": "x" * 20_000, "b": "x" * 20_000}, "at most 32768 bytes"),
        ({"a": "\ud800"}, "text in UTF-8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_secret_has_bounds(beside: World, files: dict[str, str], words: str) -> None:
    status, found = await beside.ask("ada", "PUT", "secrets/large", {"files": files})
    assert (status, found["field"]) == (400, "files")
    assert words in found["message"]


async def test_a_list_of_secrets_that_says_that_it_is_anothers_is_nobodys(beside: World) -> None:
    await beside.service.add("lou", "github:9")
    assert (await beside.ask("lou", "PUT", "secrets/mine", {"files": {"key": "x"}}))[0] == 201
    for each in (await beside.core.list_namespaced_config_map(beside.namespace)).items:
        if (each.metadata.annotations or {}).get("jhkube/subject") == "github:9":
            patch = {"metadata": {"annotations": {"jhkube/subject": "github:2"}}}
            await beside.core.patch_namespaced_config_map(each.metadata.name, beside.namespace, patch)
    assert (await beside.ask("lou", "GET", "secrets"))[1] == {"secrets": []}
    assert (await beside.ask("lou", "DELETE", "secrets/mine"))[0] == 404
    assert (await beside.ask("eve", "GET", "secrets"))[1] == {"secrets": []}


async def test_guests_and_people_whom_nobody_knows_have_no_secrets(beside: World) -> None:
    guest = "guest-" + "a2" * 10
    await beside.service.add(guest, "guest:00ff")
    status, found = await beside.ask(guest, "POST", "claims", {"name": "archive", "size": "10Mi"})
    assert (status, found["message"]) == (403, "Guests cannot make disks. Log in to have some.")
    assert (await beside.ask(guest, "PUT", "secrets/mine", {"files": {"key": "x"}}))[0] == 403
    assert (await beside.ask("tess", "GET", "secrets"))[0] == 409


async def test_a_log_that_is_followed_is_plain_text(beside: World) -> None:
    await running(beside, "ada")
    async with following(beside, "~") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        assert await answer.content.readline() == f"{LINES[0]}\n".encode()


async def test_a_removed_server_is_gone_and_its_disk_stays(beside: World) -> None:
    await running(beside, "ada", "old")
    start = len(beside.proxy.paths)
    assert (await beside.ask("ada", "DELETE", "servers/old"))[0] == 204
    assert (await beside.ask("ada", "GET", "servers/old"))[0] == 404
    assert not [each for each in beside.asked_since(start) if each.startswith("DELETE")]
    assert await beside.has_claim("claim-ada--old")


async def test_a_removed_servers_disk_goes_where_that_is_asked_for(beside: World) -> None:
    await running(beside, "ada", "gone")
    claim = await beside.make_claim("ada", "gone", "github:1")
    start = len(beside.proxy.paths)
    assert (await beside.ask("ada", "DELETE", "servers/gone?claims=delete"))[0] == 204
    deleted = [each for each in beside.asked_since(start) if each.startswith("DELETE")]
    assert deleted == [f"DELETE {beside.claims}/{claim}"]
    assert not await beside.has_claim(claim)


async def test_a_claim_of_the_servers_name_that_is_another_persons_stays(beside: World) -> None:
    await running(beside, "ada", "heir")
    start = len(beside.proxy.paths)
    assert (await beside.ask("ada", "DELETE", "servers/heir?claims=delete"))[0] == 204
    assert not [each for each in beside.asked_since(start) if each.startswith("DELETE")]
    assert await beside.has_claim("claim-ada--heir")


@pytest.mark.parametrize(("size", "status"), [("5Mi", 400), ("10Mi", 400), ("60Mi", 400), ("20Mi", 200)])
async def test_a_disk_grows_up_to_the_largest(beside: World, size: str, status: int) -> None:
    start = len(beside.proxy.paths)
    found, body = await beside.ask("ada", "PATCH", "claims/claim-ada", {"size": size})
    assert found == status, body
    changed = [each for each in beside.asked_since(start) if each.startswith("PATCH")]
    assert changed == ([f"PATCH {beside.claims}/claim-ada"] if status == 200 else [])
    if status != 200:
        assert body["field"] == "size"


async def test_a_disk_in_use_stays_and_the_answer_names_the_server(beside: World) -> None:
    start = len(beside.proxy.paths)
    status, body = await beside.ask("ada", "DELETE", "claims/claim-ada")
    assert (status, body["message"]) == (409, "Your default server uses this disk. Stop it first.")
    assert not [each for each in beside.asked_since(start) if each.startswith("DELETE")]
    spare = await beside.make_claim("ada", "spare", "github:1")
    assert (await beside.ask("ada", "DELETE", f"claims/{spare}"))[0] == 204
    assert not await beside.has_claim(spare)


# Who may do what.


ACCESS = "access:services!service=jhkube"
NEEDS = {
    "read:servers": ("GET servers", "GET servers/~/events", "GET claims", "GET options"),
    "access:servers": ("GET servers/~/logs",),
    "servers": ("POST servers/~/start", "PATCH claims/claim-ada"),
    "delete:servers": ("POST servers/~/stop", "DELETE claims/claim-ada--old", "DELETE servers/nothing"),
}


@pytest.mark.parametrize("scope", NEEDS)
async def test_a_token_does_what_its_scopes_say(beside: World, scope: str) -> None:
    await running(beside, "ada")
    token = await beside.service.token("ada", ACCESS, f"{scope}!user=ada")
    may = {"servers": {*NEEDS["servers"], *NEEDS["delete:servers"], *NEEDS["read:servers"]}}.get(scope, NEEDS[scope])
    bodies = {"PATCH": {"size": "30Mi"}, "POST": {}}
    for each in [each for requests in NEEDS.values() for each in requests]:
        method, _, path = each.partition(" ")
        start = len(beside.proxy.paths)
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
async def test_what_is_anothers_is_not_there_and_nothing_of_it_is_read(beside: World, request_line: str) -> None:
    method, _, path = request_line.partition(" ")
    start = len(beside.proxy.paths)
    body = {"PATCH": {"size": "40Mi"}}.get(method)
    assert (await beside.ask("eve", method, path, body))[0] == 404
    assert set(beside.asked_since(start)) <= {f"GET {beside.pods}", f"GET {beside.claims}"}


async def test_a_pod_with_ones_name_that_is_another_persons_is_not_ones_own(beside: World) -> None:
    await running(beside, "ada", "gpu")
    start = len(beside.proxy.paths)
    assert (await beside.ask("ada", "GET", "servers/gpu/logs"))[0] == 404
    _, found = await beside.ask("ada", "GET", "servers/gpu")
    assert (found["state"], found["image"], found["containers"]) == ("running", "", [])
    assert not [each for each in beside.asked_since(start) if each.endswith("/log")]


async def test_nobody_knows_whose_things_are_without_an_id(beside: World) -> None:
    await running(beside, "tess")
    _, found = await beside.ask("tess", "GET", "servers/~")
    assert "does not know your account's id" in found["warnings"][0]
    assert (await beside.ask("tess", "GET", "servers/~/logs"))[0] == 404
    assert (await beside.ask("tess", "GET", "claims"))[1] == {"claims": []}
    # A pod on which nobody is written is nobody's.
    assert (await beside.ask("kay", "GET", "servers/~/logs"))[0] == 404


# When something is away, and what nobody expects.


AWAY = "The cluster does not answer at the moment. Try again in a minute."
AWAYS = {
    "away": refusal(503, "the API server is away", times=FOR_EVER),
    "a load balancer": Fault(502, HTML, times=FOR_EVER),
    "another server": Fault(200, HTML, times=FOR_EVER),
    "a server of other JSON": Fault(200, {"items": None}, times=FOR_EVER),
    "cut off": Fault(is_cut=True, times=FOR_EVER),
}


@pytest.mark.parametrize("how", AWAYS)
async def test_a_cluster_that_is_away_leaves_the_list(beside: World, how: str) -> None:
    await running(beside, "ada")
    beside.proxy.fail(ALL, ALL, AWAYS[how])
    status, found = await beside.ask("ada", "GET", "servers")
    assert status == 200
    assert found["servers"][0]["warnings"] == [AWAY]
    for path in ("servers/~/logs", "servers/~/events", "claims", "claims/claim-ada", "storage-classes"):
        status, found = await beside.ask("ada", "GET", path)
        assert (status, found["message"]) == (503, AWAY), path
    beside.proxy.heal()
    assert (await beside.ask("ada", "GET", "servers"))[1]["servers"][0]["warnings"] == []


@pytest.mark.parametrize(("name", "status"), [("log", 404), ("jupyter-ada", 404)])
async def test_a_pod_that_vanishes_between_two_requests_is_gone(beside: World, name: str, status: int) -> None:
    await running(beside, "ada")
    beside.proxy.fail("GET", name, refusal(404, "there is no such pod", times=FOR_EVER))
    found, body = await beside.ask("ada", "GET", "servers/~/logs")
    assert (found, body["message"]) == (status, "The cluster could not read the log: it is gone. Reload the list.")


async def test_another_pod_of_the_same_name_shows_no_log(beside: World) -> None:
    await running(beside, "ada")
    beside.proxy.fail("GET", "jupyter-ada", Fault(200, {"metadata": {"uid": "of another pod"}}, times=FOR_EVER))
    assert (await beside.ask("ada", "GET", "servers/~/logs"))[0] == 404
    assert (await beside.ask("ada", "GET", "servers/~/logs?follow=true"))[0] == 404


async def test_a_log_that_is_followed_ends_with_its_pod(beside: World) -> None:
    await running(beside, "ada", "leaving")
    await beside.make_pod("jupyter-ada--leaving", "ada", "leaving", "github:1", runs=True)
    async with following(beside, "leaving") as answer:
        assert await answer.content.readline() == f"{LINES[0]}\n".encode()
        await beside.core.delete_namespaced_pod("jupyter-ada--leaving", beside.namespace, grace_period_seconds=0)
        assert LINES[1].encode() in await answer.content.read()
    async with asyncio.timeout(180):
        while (await beside.ask("ada", "GET", "servers/leaving/logs"))[0] == 200:
            await asyncio.sleep(0.1)
    status, found = await beside.ask("ada", "GET", "servers/leaving/logs")
    assert (status, "there is no log" in found["message"]) == (404, True)


async def test_a_log_that_is_followed_and_breaks_off_ends_there(beside: World) -> None:
    await running(beside, "ada")
    beside.proxy.fail("GET", "log", Fault(is_cut=True, times=FOR_EVER))
    async with following(beside, "~") as answer:
        assert answer.status == 200
        # What came last before the break may be lost.
        assert "".join(f"{line}\n" for line in LINES).encode().startswith(await answer.content.read())
    assert "Uncaught exception" not in beside.service.hub.log


def peak_memory(pid: int) -> int:
    """Return how many bytes of memory a process has had at the most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


async def test_a_log_of_a_gigabyte_takes_no_gigabyte(beside: World) -> None:
    await running(beside, "ada")
    process = beside.service.hub.process
    assert process is not None
    (pid,) = services_of(process.pid)
    before = peak_memory(pid)
    beside.proxy.fail("GET", "log", Fault(length=GIGABYTE, times=FOR_EVER))
    status, log = await beside.ask("ada", "GET", "servers/~/logs?tail=5000")
    assert (status, len(log["text"]), log["truncated"]) == (200, LONGEST_LOG, True)
    read = 0
    async with following(beside, "~") as answer:
        async for part in answer.content.iter_any():
            read += len(part)
    assert read == GIGABYTE
    assert peak_memory(pid) - before < GIGABYTE / 16


async def test_of_a_long_log_the_end_is_told(beside: World) -> None:
    await running(beside, "ada")
    status, log = await beside.ask("ada", "GET", "servers/~/logs?container=home&tail=5000")
    assert (status, len(log["text"]), log["truncated"]) == (200, LONGEST_LOG, True)
    assert log["text"].endswith(f"x\n{LINES[1]}\n")


async def test_many_logs_that_are_followed_leave_room_for_other_requests(beside: World) -> None:
    await running(beside, "ada")
    async with AsyncExitStack() as stack:
        answers = [await stack.enter_async_context(following(beside, "~")) for _ in range(MOST_FOLLOWED_BY_ONE + 1)]
        assert [each.status for each in answers] == [200] * MOST_FOLLOWED_BY_ONE + [429]
    # Who goes makes room for the next.
    async with asyncio.timeout(180):
        while True:
            async with following(beside, "~") as answer:
                if answer.status == 200:
                    return


names = st.text(min_size=1, max_size=40) | st.sampled_from(["~", "claim-kay", "class", "size", "start"])
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


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(route=st.sampled_from(ROUTES), name=names, query=st.dictionaries(names, names, max_size=2), body=bodies)
async def test_no_request_is_an_error_of_the_service(
    beside: World, route: Any, name: str, query: dict[str, str], body: Any
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


async def test_many_servers_are_one_list_of_pods(beside: World) -> None:
    await running(beside, "ada")
    start = len(beside.proxy.paths)
    await asyncio.sleep(0)
    assert (await beside.ask("ada", "GET", "servers"))[0] == 200
    assert {each for each in beside.asked_since(start) if each != f"GET {beside.metrics}"} == {f"GET {beside.pods}"}
    assert len(beside.asked_since(start)) <= 2

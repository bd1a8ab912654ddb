"""The service "My servers" beside a real hub, without a cluster: who may do what, and what the hub alone knows."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from jhkube.service.routes import ROUTES
from jhkube.service.validation import answer_problem
from tests.hub.running import RunningHub
from tests.hub.service_hub import SPAWNER, SUBJECTS, ServiceBrowser, ServiceHub, no_cluster, start_service

pytestmark = pytest.mark.hub_versions

BY_NAME = {route.name: route for route in ROUTES}
CROWDS = {"crowd": 500, "few": 50}

CROWD = """
from datetime import datetime

from jupyterhub import orm
from jupyterhub.objects import Server

class Crowd(Inspection):
    async def post(self, name, count):
        group = orm.Group.find(self.db, name=name)
        for number in range(int(count)):
            user = self.user_from_username(f"{name}-{number:03}")
            record = orm.Server(proto="http", ip="127.0.0.1", port=1, base_url=user.base_url, cookie_name="c")
            user.spawner.server = Server(orm_server=record)
            user.spawner.orm_spawner.started = datetime(2026, 11, 30)
            group.users.append(user.orm_user)
        self.db.commit()

c.JupyterHub.extra_handlers.append((r"/crowds/([a-z]+)/([0-9]+)", Crowd))
c.JupyterHub.load_groups |= {"crowd": {"users": []}, "few": {"users": []}}
c.JupyterHub.load_roles.append(
    {"name": "head", "users": ["tess"], "scopes": ["read:servers!group=crowd", "read:servers!group=few"]}
)
"""
"""Makes many people with servers that run, as far as the hub knows."""


@pytest.fixture(scope="module")
async def beside(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServiceHub]:
    hubs: list[RunningHub] = []

    async def start(config: Any, **more: Any) -> RunningHub:
        hub = RunningHub(tmp_path_factory.mktemp("service"), config, **more)
        hubs.append(hub)
        await hub.start()
        return hub

    kubeconfig: Path = no_cluster(tmp_path_factory.mktemp("kube"))
    try:
        service = await start_service(start, kubeconfig, python_settings=SPAWNER + CROWD)
        for name, subject in SUBJECTS.items():
            await service.add(name, subject)
        await service.add("tess")
        yield service
    finally:
        for hub in hubs:
            await hub.stop()


async def running(beside: ServiceHub, who: str, server: str = "~", **options: Any) -> None:
    method, path = ("POST", "servers/~/start") if server == "~" else ("PUT", f"servers/{server}")
    status, found = await beside.ask(who, method, path, {"options": options} if options else {})
    assert status == 202, found
    await beside.reach(who, server, "running")


async def test_other_options_restart_a_server_and_wrong_ones_leave_it_alone(beside: ServiceHub) -> None:
    await running(beside, "ada", size="small")
    before = (await beside.ask("ada", "GET", "servers/~"))[1]["started"]
    status, refused = await beside.ask("ada", "POST", "servers/~/start", {"options": {"size": "huge"}})
    assert (status, refused["field"]) == (400, "options.size")
    assert "huge" in refused["message"]
    assert (await beside.ask("ada", "GET", "servers/~"))[1]["started"] == before
    status, found = await beside.ask("ada", "POST", "servers/~/start", {"options": {"size": "large"}})
    assert status == 202, found
    found = await beside.reach("ada", "~", "running")
    assert (found["options"]["size"], found["started"] != before) == ("large", True)


async def test_a_start_without_options_has_those_of_the_last(beside: ServiceHub) -> None:
    await running(beside, "eve", size="medium")
    assert (await beside.ask("eve", "POST", "servers/~/stop"))[0] == 202
    await beside.reach("eve", "~", "stopped")
    await running(beside, "eve")
    assert (await beside.ask("eve", "GET", "servers/~"))[1]["options"] == {"size": "medium"}


async def test_a_start_that_failed_says_why(beside: ServiceHub) -> None:
    status, refused = await beside.ask("kay", "PUT", "servers/broken", {"options": {"debug": True}})
    found = await beside.reach("kay", "broken", "failed")
    assert (status, refused["message"]) == (400, found["message"])
    assert found["message"] == "There is no room for your server. Try again later."
    assert found["failure"]["message"] == found["message"]


async def test_a_server_that_is_made_without_a_start_is_stopped(beside: ServiceHub) -> None:
    body = {"start": False, "options": {"size": "medium"}}
    status, found = await beside.ask("kay", "PUT", "servers/later", body)
    _, listed = await beside.ask("kay", "GET", "servers")
    if status == 409:
        # JupyterHub 5 cannot.
        assert found["field"] == "start"
        assert "later" not in [each["name"] for each in listed["servers"]]
        return
    assert (status, found["state"], found["options"]) == (202, "stopped", {"size": "medium"})


async def test_the_default_server_is_not_removed(beside: ServiceHub) -> None:
    assert (await beside.ask("ada", "DELETE", "servers/~"))[0] == 409


async def test_nobody_is_refused(beside: ServiceHub) -> None:
    assert (await beside.ask("", "GET", "servers"))[0] == 403
    assert (await beside.ask("ada", "GET", "servers", token="not a token"))[0] == 403


async def test_a_token_without_access_to_the_service_is_refused(beside: ServiceHub) -> None:
    token = await beside.token("ada", "servers!user=ada")
    assert (await beside.ask("ada", "GET", "servers", token=token))[0] == 403


async def test_a_teacher_sees_the_servers_of_the_class_and_of_no_other(beside: ServiceHub) -> None:
    await running(beside, "eve")
    status, found = await beside.ask("tess", "GET", "groups/class/servers")
    assert status == 200, found
    assert answer_problem(BY_NAME["group_servers"], found) == ""
    assert {each["user"] for each in found["servers"]} == {"ada", "eve"}
    assert ("eve", "", "running") in [(each["user"], each["name"], each["state"]) for each in found["servers"]]
    for who, group in (("tess", "others"), ("tess", "nothing"), ("eve", "class")):
        assert (await beside.ask(who, "GET", f"groups/{group}/servers"))[0] == 404


async def test_the_subject_is_for_oneself_alone(beside: ServiceHub) -> None:
    async def subject(who: str, whose: str) -> tuple[int, str]:
        headers = {"Authorization": f"token {beside.tokens[who]}"}
        url = f"{beside.hub.url}/hub/jhkube/users/{whose}/servers"
        async with aiohttp.request("GET", url, headers=headers) as answer:
            return answer.status, (await answer.json()).get("subject", "")

    assert await subject("ada", "ada") == (200, "github:1")
    assert await subject("tess", "ada") == (200, "")
    assert (await subject("ada", "eve"))[0] in (403, 404)


async def test_a_browser_logs_in_at_the_hub_and_needs_the_xsrf_token(beside: ServiceHub) -> None:
    async with ServiceBrowser(beside, "bo") as browser:
        status, text, path = await browser.open("/services/jhkube/")
        assert (status, path) == (200, "/services/jhkube/"), text
        url = f"{beside.url}api/servers/~/start"
        assert (await browser.session.post(url, json={})).status == 403
        cookies = {each.key: each for each in browser.session.cookie_jar if each["path"].startswith("/services/")}
        headers = {"X-XSRFToken": cookies["_xsrf"].value}
        answer = await browser.session.post(url, json={}, headers=headers)
        assert answer.status == 202, await answer.text()


async def test_a_guest_is_asked_before_a_stop_and_a_refused_start_leads_to_the_form(beside: ServiceHub) -> None:
    guest, home = "guest-" + "a2" * 10, "/services/jhkube/"
    await beside.add(guest)
    async with ServiceBrowser(beside, guest) as browser:
        _, page, _ = await browser.open(home)

        async def press(action: str, **fields: str) -> tuple[int, str]:
            xsrf = re.search(r'name="xsrf" content="([^"]+)"', page)
            assert xsrf
            data = {"_xsrf": xsrf[1], **fields}
            return (await browser.open(f"{home}servers/~/{action}", method="POST", data=data))[:2]

        status, refused = await press("start", size="huge")
        assert (status, f'href="/hub/spawn/{guest}">Start with other options' in refused) == (400, True)
        assert (await press("start"))[0] == 200
        await beside.reach(guest, "~", "running")
        assert "Files of guests are not kept: a stop deletes them." in (await press("stop"))[1]
        await beside.reach(guest, "~", "running")
        await press("stop", asked="yes")
        found = await beside.reach(guest, "~", "stopped")
        assert found["message"] == "Your server is stopped. Files of guests are not kept."


# What nobody expects.


@pytest.mark.parametrize(
    "raw", [b"{", b"[" * 100_000, b'{"options": ' + b'{"a":' * 500 + b"1" + b"}" * 501, b"\xff", b"NaN", b"1e999"]
)
async def test_a_body_that_is_no_json_is_refused(beside: ServiceHub, raw: bytes) -> None:
    status, found = await beside.ask("kay", "POST", "servers/~/start", raw=raw)
    assert status in (400, 413), found
    assert set(found) == {"message", "field"}


async def test_a_long_list_of_a_group_takes_as_long_as_it_is_long(
    beside: ServiceHub, record_property: Callable[[str, Any], None]
) -> None:
    least = {}
    for name, count in CROWDS.items():
        async with aiohttp.request("POST", f"{beside.hub.url}/hub/crowds/{name}/{count}") as answer:
            assert answer.status == 200, await answer.text()
        took = []
        for _ in range(7):
            begun = time.monotonic()
            status, found = await beside.ask("tess", "GET", f"groups/{name}/servers")
            took.append(time.monotonic() - begun)
            assert status == 200
            assert [each["state"] for each in found["servers"]] == ["running"] * count
        least[name] = min(took)
        record_property(f"seconds for {count} servers", least[name])
        print(f"{count} servers: {least[name]:.3f} s")
    # Ten times as many: a list that looks at each of them once for each other would take a hundred times as long.
    assert least["crowd"] < 30 * least["few"]


async def test_front_doors_that_are_off_are_not_there(beside: ServiceHub) -> None:
    headers = {"Authorization": f"token {beside.tokens['ada']}"}
    for path in ("kubeflow/healthz/readiness", "renku/health"):
        async with aiohttp.request("GET", f"{beside.url}{path}", headers=headers) as answer:
            assert answer.status == 404

"""Unsaved work through a real hub: a server is asked while it runs and before it stops, and its answer is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from jhkube.service.validation import answer_problem, route_named
from tests.hub.running import RunningHub
from tests.hub.service_hub import SPAWNER, SUBJECTS, ServiceHub, start_service

pytestmark = pytest.mark.hub_versions

ASKED = (
    SPAWNER
    + r"""
import aiohttp
from jhkube.watch import unsaved_question

unsaved_question.FRESH = unsaved_question.FRESH_AT_STOP = 0.0

class AskedSpawner(unsaved_question.UnsavedMixin, LabSpawner):
    async def _answer(self, asked):
        hangs = Path("unsaved").exists() and Path("unsaved").read_bytes() == b"hang"
        unsaved_question.ANSWERS_IN = 2.0 if hangs else 12.0
        return await super()._answer(asked)

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if head.split()[1] != f"/user/{self.user.name}/jhkube/unsaved":
            status, body = 200, b"{}"
        elif not Path("unsaved").exists():
            status, body = 404, b"no such page"
        else:
            token = head.partition("Authorization: ")[2].partition("\r\n")[0]
            async with aiohttp.request("GET", f"{self.hub.api_url}/user", headers={"Authorization": token}) as who:
                model = await who.text()
            with Path("questions").open("a") as questions:
                questions.write(model + "\n")
            body = Path("unsaved").read_bytes()
            if body == b"hang":
                await asyncio.sleep(60)
            status = 302 if body == b"redirect" else 200
            if Path("not-its-own").exists() and '"users:activity!' in model:
                status = 403
        location = b"Location: http://127.0.0.1:1/\r\n" if status == 302 else b""
        writer.write(b"HTTP/1.1 %d Said\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
            status, location, len(body), body))
        try:
            await writer.drain()
            writer.close()
        except ConnectionError:
            pass

c.JupyterHub.spawner_class = AskedSpawner
"""
)
WORK = {"repositories": [{"path": "paper", "changed": 2, "unpushed": 1}], "more": 0, "complete": True}


class Asked:
    """A hub whose servers say what a test has them say."""

    def __init__(self, service: ServiceHub) -> None:
        self.service = service

    def say(self, answer: Any) -> None:
        place = self.service.hub.folder / "unsaved"
        if answer is None:
            place.unlink(missing_ok=True)
        else:
            place.write_bytes(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def questions(self) -> list[dict[str, Any]]:
        """Return whose tokens the servers were asked with."""
        place = self.service.hub.folder / "questions"
        return [json.loads(line) for line in place.read_text().splitlines()] if place.exists() else []

    async def view(self, who: str = "ada", **more: Any) -> dict[str, Any]:
        status, found = await self.service.ask(who, "GET", "servers/~", **more)
        assert status == 200, found
        assert answer_problem(route_named("server"), found) == ""
        return dict(found)

    async def start(self, who: str = "ada") -> None:
        assert (await self.service.ask(who, "POST", "servers/~/start", {"options": {"size": "small"}}))[0] == 202
        await self.service.reach(who, "~", "running")

    async def stop(self, who: str = "ada") -> None:
        assert (await self.service.ask(who, "POST", "servers/~/stop"))[0] == 202
        await self.service.reach(who, "~", "stopped")


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asked]:
    hubs: list[RunningHub] = []

    async def start(config: Any, **more: Any) -> RunningHub:
        hub = RunningHub(tmp_path_factory.mktemp("unsaved"), config, **more)
        hubs.append(hub)
        await hub.start()
        return hub

    try:
        service = await start_service(start, python_settings=ASKED)
        for name, subject in SUBJECTS.items():
            await service.add(name, subject)
        yield Asked(service)
    finally:
        for hub in hubs:
            await hub.stop()


@pytest.fixture
async def asked(shared: Asked) -> AsyncIterator[Asked]:
    """The hub, where Ada's server runs and says that there is work."""
    shared.say(WORK)
    await shared.start()
    yield shared
    shared.say(None)
    await shared.stop()


async def test_a_server_that_runs_is_asked_with_its_own_token(asked: Asked) -> None:
    view = await asked.view()
    assert view["unsaved"]["repositories"] == WORK["repositories"]
    assert "Work in paper (2 changed files, 1 commit not pushed) is only on your disk." in view["warnings"][-1]
    _, tokens = await asked.service.hub.api("GET", "/users/ada/tokens")
    (own,) = [each["id"] for each in tokens["api_tokens"] if each["note"] == "Server at /user/ada/"]
    assert asked.questions()[-1]["token_id"] == own


async def test_a_server_that_does_not_accept_its_own_token_is_asked_with_one_for_itself_alone(asked: Asked) -> None:
    changed = {**WORK, "repositories": [{"path": "later", "changed": 1, "unpushed": 0}]}
    asked.say(changed)
    refusing = asked.service.hub.folder / "not-its-own"
    refusing.touch()
    try:
        await asked.stop()
    finally:
        refusing.unlink()
    assert (await asked.view())["unsaved"]["repositories"] == changed["repositories"]
    last = asked.questions()[-1]
    assert (last["name"], "access:servers!server=ada/" in last["scopes"]) == ("ada", True)
    assert [
        scope for scope in last["scopes"] if not scope.startswith(("access:servers!server=", "read:users:"))
    ] == []
    _, tokens = await asked.service.hub.api("GET", "/users/ada/tokens")
    assert "unsaved work" not in str(tokens)


async def test_what_it_said_before_it_stopped_is_kept_until_it_says_something_else(asked: Asked) -> None:
    await asked.view()
    changed = {**WORK, "repositories": [{"path": "later", "changed": 1, "unpushed": 0}]}
    asked.say(changed)
    await asked.stop()
    view = await asked.view()
    assert (view["state"], view["unsaved"]["repositories"]) == ("stopped", changed["repositories"])
    assert view["warnings"][0].startswith("Before your server stopped (20")
    # A start that fails is no reason to forget it.
    await asked.service.ask("ada", "POST", "servers/~/start", {"options": {"debug": True}})
    await asked.service.reach("ada", "~", "failed")
    assert (await asked.view())["unsaved"]["repositories"] == changed["repositories"]
    asked.say({"repositories": [], "complete": True})
    await asked.start()
    _, found = await asked.service.ask("ada", "GET", "servers")
    assert [each["unsaved"]["state"] for each in found["servers"]] == ["none"]


async def test_it_outlives_the_hub(asked: Asked) -> None:
    await asked.stop()
    await asked.service.hub.stop()
    await asked.service.hub.start()
    await asked.service.answers()
    assert (await asked.view())["unsaved"]["repositories"] == WORK["repositories"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "because this image does not tell"),
        (b"<html>", "because this image does not tell"),
        (b"redirect", "because this image does not tell"),
        (b"[" * 60_000, "because this image does not tell"),
        (b'{"repositories": [], "complete": true}' + b" " * 70_000, "because this image does not tell"),
        ({"repositories": [{"path": "a", "changed": 10**9, "unpushed": 0}]}, "because this image does not tell"),
        (b"hang", "because your server did not answer"),
    ],
)
async def test_whatever_a_server_answers_it_is_unknown_then(asked: Asked, answer: Any, said: str) -> None:
    await asked.stop()
    asked.say(answer)
    await asked.start()
    view = await asked.view()
    assert view["unsaved"]["state"] == "unknown"
    assert said in view["unsaved"]["message"]
    assert view["unsaved"]["message"] not in view["warnings"]


async def test_a_server_that_answers_no_more_keeps_what_it_said_in_this_run(asked: Asked) -> None:
    await asked.view()
    asked.say(b"hang")
    assert (await asked.view())["unsaved"]["state"] == "some"


async def test_a_token_that_may_not_use_the_server_does_not_learn_it(asked: Asked) -> None:
    token = await asked.service.token("ada", "access:services!service=jhkube", "read:servers!user=ada")
    assert (await asked.view(token=token))["unsaved"] is None
    before = len(asked.questions())
    headers = {"Authorization": f"token {asked.service.tokens['eve']}"}
    url = f"{asked.service.hub.url}/hub/jhkube/users/ada/servers//unsaved"
    async with aiohttp.request("GET", url, headers=headers) as answer:
        assert answer.status in (403, 404)
    assert len(asked.questions()) == before


async def test_many_who_look_at_once_ask_once(asked: Asked) -> None:
    await asked.view()
    before = len(asked.questions())
    await asyncio.gather(*(asked.view() for _ in range(8)))
    assert len(asked.questions()) - before < 8

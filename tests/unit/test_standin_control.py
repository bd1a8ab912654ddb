"""The stand-ins' faults and control, by the example of GitHub's."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from devcluster.github import Control, GitHubStandIn, StandInError
from tests.unit.github_client import MINE, Api, logins
from tests.waiting import until


@pytest.fixture
async def github() -> AsyncIterator[GitHubStandIn]:
    async with GitHubStandIn() as standin:
        yield standin


@pytest.fixture
async def api(github: GitHubStandIn) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession(headers={"User-Agent": "a test"}) as session:
        yield Api(github, session)


class TestFaults:
    """Failing on demand."""

    async def test_a_status_on_a_path_and_nowhere_else(self, api: Api, github: GitHubStandIn) -> None:
        github.fail("/api/v3/user/orgs", status=502)
        token = api.token("ada", *MINE)
        assert (await api.get("/user/orgs", token))[0].status == 502
        assert (await api.get("/user", token))[0].status == 200
        github.heal()
        assert (await api.get("/user/orgs", token))[0].status == 200

    async def test_so_many_times_after_so_many(self, api: Api, github: GitHubStandIn) -> None:
        github.fail("/api/v3/user", status=500, after=1, times=2)
        token = api.token("ada")
        assert [(await api.get("/user", token))[0].status for _ in range(4)] == [200, 500, 500, 200]

    async def test_one_page_of_a_list(self, api: Api, github: GitHubStandIn) -> None:
        github.fail("/api/v3/user/orgs", page=2, status=500)
        token = api.token("ada", *MINE)
        statuses = [(await api.get(f"/user/orgs{query}", token))[0].status for query in ("", "?page=2", "?page=3")]
        assert statuses == [200, 500, 200]

    async def test_429_says_when_to_come_back(self, api: Api, github: GitHubStandIn) -> None:
        github.fail("/api/v3/*", status=429, retry_after=30)
        response, _ = await api.get("/user", api.token("ada"))
        assert response.status == 429
        assert response.headers["Retry-After"] == "30"

    async def test_a_used_up_rate_limit(self, api: Api, github: GitHubStandIn) -> None:
        github.rate_limited(reset_in=1000)
        response, _ = await api.get("/user", api.token("ada"))
        assert response.status == 403
        assert response.headers["X-RateLimit-Remaining"] == "0"
        assert 700 < int(response.headers["X-RateLimit-Reset"]) - time.time() <= 1001

    async def test_slowness_delays_a_right_answer(self, api: Api, github: GitHubStandIn) -> None:
        github.fail("/api/v3/user", delay=0.3)
        begun = time.monotonic()
        response, _ = await api.get("/user", api.token("ada"))
        assert response.status == 200
        assert time.monotonic() - begun >= 0.3

    async def test_a_dropped_connection_has_no_answer(self, api: Api, github: GitHubStandIn) -> None:
        github.fail("/api/v3/user", drop=True)
        with pytest.raises(aiohttp.ClientConnectionError):
            await api.get("/user", api.token("ada"))
        assert github.requests.statuses["GET /api/v3/user dropped"] >= 1

    async def test_nonsense_instead_of_json(self, api: Api, github: GitHubStandIn) -> None:
        github.fail("/api/v3/user", body="<html>unicorn")
        with pytest.raises(ValueError):
            await api.get("/user", api.token("ada"))


class TestControl:
    """The same from another process."""

    async def test_everything_can_be_done_over_http(self, api: Api, github: GitHubStandIn) -> None:
        control = Control(github.url)
        await control("add_person", login="niklaus", name="Niklaus Example")
        await control("join", organization="observatory", login="niklaus", teams=["imaging"])
        token = (await control("issue_token", login="niklaus", scopes=["read:org"]))["access_token"]
        assert logins((await api.get("/user/orgs", token))[1]) == {"observatory"}
        await control("leave", organization="observatory", login="niklaus")
        assert (await api.get("/user/orgs", token))[1] == []
        assert (await api.get("/user/teams", token))[1] == []
        await control("fail", path="/api/v3/*", status=500)
        assert (await api.get("/user", token))[0].status == 500
        await control("heal")
        assert await control("revoke_tokens", token=token) == 1
        assert (await api.get("/user", token))[0].status == 401

    async def test_requests_are_counted_by_path(self, api: Api, github: GitHubStandIn) -> None:
        control, token = Control(github.url), api.token("ada", *MINE)
        github.fail("/api/v3/user*", delay=600)
        asked = [asyncio.create_task(api.get(path, token)) for path in ("/user", "/user/orgs", "/user/teams")]
        await until(lambda: github.requests.in_flight == 3)
        # What is delayed goes on when the stand-in is healed.
        await control("heal")
        await asyncio.gather(*asked)
        seen = await control("requests")
        assert seen["counts"] == {
            "GET /api/v3/user": 1,
            "GET /api/v3/user/orgs": 1,
            "GET /api/v3/user/teams": 1,
        }
        assert seen["statuses"]["GET /api/v3/user/orgs 200"] == 1
        assert seen["peak"] == 3
        await control("clear_requests")
        assert (await control("requests"))["total"] == 0

    async def test_reset_goes_back_to_the_beginning(self, api: Api, github: GitHubStandIn) -> None:
        token = api.token("ada", *MINE)
        github.world.leave("observatory", "ada")
        github.fail("/api/v3/*", status=500)
        github.clock.advance(1000)
        await Control(github.url)("reset")
        assert (await api.get("/user", token))[0].status == 401
        assert logins((await api.get("/user/orgs", api.token("ada", *MINE)))[1]) >= {"observatory"}

    async def test_a_wrong_request_is_explained(self, github: GitHubStandIn) -> None:
        control = Control(github.url)
        with pytest.raises(StandInError, match="no person 'nobody'"):
            await control("leave", organization="observatory", login="nobody")
        with pytest.raises(StandInError, match="unexpected keyword argument 'colour'"):
            await control("add_organization", login="x", colour="red")
        with pytest.raises(StandInError, match=r"no action 'nothing'; there are: .*rename_person"):
            await control("nothing")

    async def test_a_control_token_is_asked_for(self) -> None:
        async with GitHubStandIn(control_token="sesame") as github:
            with pytest.raises(StandInError, match="missing or wrong"):
                await Control(github.url)("state")
            assert (await Control(github.url, "sesame")("state"))["people"]

    async def test_the_state_shows_no_token(self, api: Api, github: GitHubStandIn) -> None:
        token = api.token("ada")
        assert token not in str(await Control(github.url)("state"))


@pytest.mark.parametrize(
    ("module", "more"),
    [("github", ()), ("githttp", ("--root", "{folder}")), ("cilogon", ())],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_each_runs_from_the_command_line_until_it_is_terminated(
    module: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    options = [each.format(folder=tmp_path) for each in more]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"devcluster.{module}", "--port", "0", *options),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"STANDIN_CONTROL_TOKEN": "sesame"},
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        said = (await process.stdout.readline()).decode()
        assert said.startswith("listening on http://127.0.0.1:")
        url = said.split()[-1]
        with pytest.raises(StandInError, match="missing or wrong"):
            await Control(url)("requests")
        assert (await Control(url, "sesame")("requests"))["total"] == 0
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0

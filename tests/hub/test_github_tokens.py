"""Tokens that end, and servers that run meanwhile: a hub whose client is a GitHub App."""

from __future__ import annotations

import asyncio

import pytest

from tests.hub.conftest import github_settings
from tests.hub.running import RunningHub, logged_in
from tests.waiting import until

pytestmark = pytest.mark.hub_versions

APP = "Iv23expiring"
LIFETIME = 8 * 3600


@pytest.fixture(scope="session")
async def shared_app_hub(shared_github, tmp_path_factory):
    callbacks = ["http://127.0.0.1/hub/oauth_callback"]
    shared_github.add_application(APP, "secret", callbacks, kind="github-app", token_lifetime=LIFETIME)
    hub = RunningHub(
        tmp_path_factory.mktemp("app"),
        github_settings(
            shared_github,
            client_id=APP,
            client_secret="secret",
            allow_all=True,
            denied_organizations=["banned"],
            populate_teams_in_auth_state=True,
        ),
    )
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def hub(shared_app_hub, github):
    for organization in ("lab", "banned"):
        github.world.set_organization(organization, granted=[APP])
    yield shared_app_hub
    github.clock.offset = 0.0


async def tokens_of(hub, login):
    state = (await hub.inspect(login))["auth_state"]
    return state["access_token"], state["refresh_token"]


async def start_server(hub, login, **options):
    status, body = await hub.api("POST", f"/users/{login}/server", json=options)
    assert status in (201, 202), body
    async with asyncio.timeout(180):
        while not ((await hub.api("GET", f"/users/{login}"))[1]["servers"].get("") or {}).get("ready"):
            await asyncio.sleep(0.05)


async def make_old(hub, github, login, seconds):
    """Let a person's token get older by so many seconds, at GitHub and in the hub's eyes."""
    state = (await hub.inspect(login))["auth_state"]
    state["token_response"]["expires_at"] -= seconds
    await hub.change(login, state)


# The first test, since it needs a hub that has not seen an outage.
async def test_an_outage_is_one_warning_however_many_requests_fail(hub, github, add_person, browse):
    browsers = [await logged_in(hub, browse, add_person("lab")) for _ in range(4)]
    github.fail("/api/v3/user", status=503)
    for browser in browsers * 2:
        assert await browser.refreshed()
    assert len(hub.warnings("does not answer")) == 1


async def test_denying_wins_where_everybody_is_let_in(hub, github, add_person, browse):
    assert (await browse(hub, add_person("lab", "banned")).log_in()).status == 403


async def test_upstreams_own_keys_are_in_auth_state(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab:imaging"))
    state = (await hub.inspect(browser.login))["auth_state"]
    assert state["github_user"]["login"] == browser.login
    assert state["token_response"]["access_token"] == state["access_token"]
    assert [(team["name"], team["privacy"]) for team in state["teams"]] == [("imaging", "closed")]
    assert await browser.refreshed()
    assert (await hub.inspect(browser.login))["auth_state"]["teams"] == state["teams"]


async def test_an_expired_token_is_renewed_by_a_refresh(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    before = await tokens_of(hub, browser.login)
    github.expire_tokens(browser.login)
    assert await browser.refreshed()
    after = await tokens_of(hub, browser.login)
    assert not set(before) & set(after)


async def test_a_token_that_ends_soon_is_renewed_before_a_spawn(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    before, _ = await tokens_of(hub, browser.login)
    await make_old(hub, github, browser.login, LIFETIME - 1800)
    await start_server(hub, browser.login)
    after, _ = await tokens_of(hub, browser.login)
    assert after != before
    assert ["start", browser.login, after] in hub.spawner_notes


async def test_a_token_that_lasts_is_left_alone_before_a_spawn(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    before, _ = await tokens_of(hub, browser.login)
    await make_old(hub, github, browser.login, LIFETIME // 4)
    await start_server(hub, browser.login)
    assert (await tokens_of(hub, browser.login))[0] == before


async def test_refreshes_at_once_use_a_rotating_refresh_token_once(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.expire_tokens(browser.login)
    github.requests.clear()
    github.fail("/login/oauth/access_token", delay=0.3)
    await hub.forget_refresh(browser.login)
    assert all(await asyncio.gather(*(browser.is_logged_in() for _ in range(8))))
    assert github.requests.counts["POST /login/oauth/access_token"] == 1
    github.heal()
    assert await browser.refreshed()


async def test_a_new_token_outlives_an_outage_right_after_it(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    before = await tokens_of(hub, browser.login)
    github.expire_tokens(browser.login)
    # The first request says that the token is over, the one with the new token fails.
    github.fail("/api/v3/user", status=502, after=1)
    assert await browser.refreshed()
    github.heal()
    assert not set(before) & set(await tokens_of(hub, browser.login))
    assert await browser.refreshed()


async def test_a_new_token_is_not_lost_where_it_comes_too_late_for_the_request(
    impatient_hub, github, add_person, browse
):
    browser = await logged_in(impatient_hub, browse, add_person("lab"))
    before = await tokens_of(impatient_hub, browser.login)
    github.expire_tokens(browser.login)
    github.fail("/login/oauth/access_token", delay=100.0)
    assert await browser.refreshed()
    assert await tokens_of(impatient_hub, browser.login) == before
    github.heal()
    async with asyncio.timeout(180):
        while await tokens_of(impatient_hub, browser.login) == before:
            await asyncio.sleep(0.05)
    assert await browser.refreshed()


async def test_a_token_that_was_asked_for_before_a_login_does_not_take_the_place_of_the_new_one(
    hub, github, add_person, browse
):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.expire_tokens(browser.login)
    github.requests.clear()
    github.fail("/login/oauth/access_token", delay=600.0, times=1)
    refreshing = asyncio.create_task(browser.refreshed())
    await until(lambda: github.requests.counts["POST /login/oauth/access_token"])
    await logged_in(hub, browse, browser.login)
    new = await tokens_of(hub, browser.login)
    github.heal()
    assert await refreshing
    assert await tokens_of(hub, browser.login) == new


async def test_an_expired_token_that_cannot_be_renewed_now_costs_no_session(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.expire_tokens(browser.login)
    github.fail("/login/oauth/access_token", status=500)
    assert await browser.refreshed()
    github.heal()
    assert await browser.refreshed()


async def test_a_refresh_token_that_is_over_ends_the_session(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.revoke_tokens(browser.login)
    assert not await browser.refreshed()


async def test_a_running_server_is_given_the_new_token(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    await start_server(hub, browser.login)
    github.expire_tokens(browser.login)
    assert await browser.refreshed()
    token, _ = await tokens_of(hub, browser.login)
    await until(lambda: ["renew", browser.login, token] in hub.spawner_notes)


async def test_a_running_server_is_given_the_token_of_another_login(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    await start_server(hub, browser.login)
    await logged_in(hub, browse, browser.login)
    token, _ = await tokens_of(hub, browser.login)
    await until(lambda: ["renew", browser.login, token] in hub.spawner_notes)


async def test_a_server_that_cannot_be_told_costs_no_session(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    await start_server(hub, browser.login)
    github.expire_tokens(browser.login)
    refusal = hub.folder / "refuse-tokens"
    refusal.touch()
    try:
        assert await browser.refreshed()
        await until(lambda: hub.warnings(f"{browser.login} keeps its old token: RuntimeError"))
    finally:
        refusal.unlink()


async def test_no_token_of_any_kind_is_in_the_log(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    first = await tokens_of(hub, browser.login)
    github.expire_tokens(browser.login)
    assert await browser.refreshed()
    for token in (*first, *await tokens_of(hub, browser.login)):
        assert token not in hub.log

"""What a refresh finds out, and what an outage does not change."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.hub_versions

OUTAGES = {
    "error": {"status": 500},
    "gateway": {"status": 502, "body": "<html>Unicorn</html>"},
    "too many": {"status": 429, "retry_after": 1},
    "secondary limit": {"status": 403, "body": '{"message": "You have exceeded a secondary rate limit."}'},
    "dropped": {"drop": True},
    "slow": {"delay": 4.0},
    "not JSON": {"body": "{"},
}


async def logged_in(hub, browse, login):
    browser = browse(hub, login)
    page = await browser.log_in()
    assert page.status == 200, page.message
    return browser


@pytest.mark.parametrize("path", ["/api/v3/user", "/api/v3/user/orgs"])
@pytest.mark.parametrize("failure", OUTAGES)
async def test_people_keep_working_through_an_outage(hub, github, add_person, browse, failure, path):
    browser = await logged_in(hub, browse, add_person("lab:imaging"))
    github.fail(path, **OUTAGES[failure])
    assert await browser.refreshed()
    assert (await hub.inspect(browser.login))["groups"] == ["lab", "lab:imaging"]


async def test_people_keep_working_when_the_rate_limit_is_used_up(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.rate_limited(reset_in=60)
    assert await browser.refreshed()


async def test_github_is_not_asked_again_before_the_time_that_it_names(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.rate_limited(reset_in=60)
    assert await browser.refreshed()
    github.requests.clear()
    assert await browser.refreshed()
    assert github.requests.counts.total() == 0


async def test_a_slow_provider_holds_nobody_up_for_long(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.fail("/api/v3/user", delay=10.0)
    await hub.forget_refresh(browser.login)
    started = asyncio.get_running_loop().time()
    assert await browser.is_logged_in()
    # The hub of these tests waits for 2 s.
    assert 1.5 < asyncio.get_running_loop().time() - started < 5


async def test_a_revoked_token_ends_the_session(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.revoke_tokens(browser.login)
    seen = len(hub.log)
    assert not await browser.refreshed()
    assert "Traceback" not in hub.log[seen:]


async def test_a_token_that_is_another_persons_ends_the_session(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    state = (await hub.inspect(browser.login))["auth_state"]
    state["token_response"]["access_token"] = github.issue_token(add_person("lab"), ["read:org"])["access_token"]
    await hub.change(browser.login, state)
    assert not await browser.refreshed()


async def test_who_left_the_last_allowed_organization_is_out(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab", "elsewhere"))
    github.world.leave("lab", browser.login)
    assert not await browser.refreshed()
    assert (await browser.log_in()).status == 403


async def test_who_joined_a_denied_organization_is_out(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.world.join("banned", browser.login)
    assert not await browser.refreshed()


async def test_who_joined_a_denied_organization_is_out_though_the_teams_do_not_come(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.world.join("banned", browser.login)
    github.fail("/api/v3/user/teams", status=500)
    assert not await browser.refreshed()


async def test_who_left_the_organization_of_an_allowed_team_is_out_though_the_teams_do_not_come(
    hub, github, add_person, browse
):
    browser = await logged_in(hub, browse, add_person("partner:guests"))
    github.world.leave("partner", browser.login)
    github.fail("/api/v3/user/teams", status=500)
    assert not await browser.refreshed()


async def test_an_api_token_is_of_no_use_to_who_is_out(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    _, made = await hub.api("POST", f"/users/{browser.login}/tokens", json={})
    github.world.leave("lab", browser.login)
    await hub.forget_refresh(browser.login)
    headers = {"Authorization": f"token {made['token']}"}
    async with browser.session.get(f"{hub.url}/hub/api/user", headers=headers) as answer:
        assert answer.status == 403


async def test_group_changes_reach_the_hub(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab:imaging", "elsewhere"))
    github.world.leave("elsewhere", browser.login)
    github.world.leave_team("lab", "imaging", browser.login)
    github.world.join("partner", browser.login)
    assert await browser.refreshed()
    found = await hub.inspect(browser.login)
    assert found["groups"] == ["lab", "partner"]
    assert [name for name, _ in found["auth_state"]["jhkube_identity"]["groups"]] == ["lab", "partner"]


async def test_who_leaves_the_administrators_is_none_any_more(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab:admins"))
    github.world.leave_team("lab", "admins", browser.login)
    assert await browser.refreshed()
    assert (await hub.inspect(browser.login))["admin"] is False


async def test_a_refresh_in_which_nothing_changed_costs_nothing(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab:imaging"))
    github.requests.clear()
    assert await browser.refreshed()
    answered = {key: count for key, count in github.requests.statuses.items() if count}
    assert len(answered) == 4
    assert all(key.endswith(" 304") for key in answered)


async def test_a_refresh_in_which_nothing_changed_writes_nothing(hub, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab:imaging"))
    before = await hub.inspect(browser.login)
    assert await browser.refreshed()
    assert await hub.inspect(browser.login) == before


async def test_two_refreshes_of_one_person_at_once_are_one(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.requests.clear()
    github.fail("/api/v3/user", delay=0.5)
    await hub.forget_refresh(browser.login)
    assert all(await asyncio.gather(*(browser.is_logged_in() for _ in range(6))))
    assert github.requests.counts["GET /api/v3/user"] == 1


async def test_a_renamed_person_keeps_working_under_the_old_name(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    old = browser.login
    github.world.rename_person(old, f"{old}-renamed")
    assert await browser.refreshed(old)
    assert (await hub.inspect(old))["auth_state"]["jhkube_identity"]["name"] == old


async def test_who_takes_an_administrators_login_gains_nothing_by_a_refresh(narrow_hub, github, add_person, browse):
    login = add_person()
    github.world.join("lab", login, public=True)
    browser = await logged_in(narrow_hub, browse, login)
    github.world.rename_person(login, "chief")
    assert await browser.refreshed(login)
    assert (await narrow_hub.inspect(login))["admin"] is False

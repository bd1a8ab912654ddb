"""What a refresh finds out, and what an outage does not change."""

from __future__ import annotations

import asyncio
import re

import pytest

from jhkube.login.refreshes import Spread
from tests.hub.conftest import github_settings
from tests.hub.running import identity_of, logged_in
from tests.waiting import until

pytestmark = pytest.mark.hub_versions

OUTAGES = {
    "error": {"status": 500},
    "gateway": {"status": 502, "body": "<html>Unicorn</html>"},
    "too many": {"status": 429, "retry_after": 1},
    "secondary limit": {"status": 403, "body": '{"message": "You have exceeded a secondary rate limit."}'},
    "dropped": {"drop": True},
    "slow": {"delay": 60.0},
    "not JSON": {"body": "{"},
}


@pytest.mark.parametrize("path", ["/api/v3/user", "/api/v3/user/orgs"])
@pytest.mark.parametrize("failure", OUTAGES)
async def test_people_keep_working_through_an_outage(impatient_hub, github, add_person, browse, failure, path):
    hub = impatient_hub
    browser = await logged_in(hub, browse, add_person("lab:imaging"))
    github.fail(path, **OUTAGES[failure])
    assert await browser.refreshed()
    assert (await hub.inspect(browser.login))["groups"] == ["lab", "lab:imaging"]


async def test_people_keep_working_when_the_rate_limit_is_used_up(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.rate_limited(reset_in=250)
    assert await browser.refreshed()


async def known_for(hub, browser, seconds):
    """Let what the hub knows of a person be so much older."""
    state = (await hub.inspect(browser.login))["auth_state"]
    state["jhkube_known_at"] -= seconds
    await hub.change(browser.login, state)


NOTHING_LEARNED = {
    "rate limit": {"status": 403, "headers": {"X-RateLimit-Remaining": "0"}, "body": "{}"},
    "error": {"status": 500},
    "slow": {"delay": 60.0, "status": 500},
    "odd": {"body": "{}"},
}


@pytest.mark.parametrize("path", ["/api/v3/user", "/api/v3/user/orgs"])
@pytest.mark.parametrize("failure", NOTHING_LEARNED)
async def test_a_session_of_whom_nothing_can_be_learned_ends_after_a_time(
    impatient_hub, github, add_person, browse, failure, path
):
    hub = impatient_hub
    browser = await logged_in(hub, browse, add_person("lab"))
    github.world.leave("lab", browser.login)
    github.fail(path, **NOTHING_LEARNED[failure])
    await known_for(hub, browser, 8 * 3600 - 600)
    assert await browser.refreshed()
    await known_for(hub, browser, 601)
    github.heal()
    github.fail(path, **{**NOTHING_LEARNED[failure], "delay": 0.0})
    async with asyncio.timeout(180):
        while await browser.refreshed():
            # One that is still under way began when less time had passed.
            assert failure == "slow"


async def test_who_has_left_and_uses_up_their_own_rate_limit_is_out_after_a_time(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.world.leave("lab", browser.login)
    github.use_up_limit(browser.login)
    assert await browser.refreshed()
    await known_for(hub, browser, 8 * 3600 + 1)
    assert not await browser.refreshed()
    assert hub.warnings(f"{browser.login}: the session ends: nothing could be learned about them for 288")
    assert (await browser.log_in()).status != 200


@pytest.mark.parametrize("known_at", [None, 4_000_000_000])
async def test_a_session_of_which_it_is_not_known_how_old_it_is_has_its_time_from_now(
    hub, github, add_person, browse, known_at
):
    browser = await logged_in(hub, browse, add_person("lab"))
    state = (await hub.inspect(browser.login))["auth_state"]
    # Of a version that did not write it down, or of a time at which the clock was wrong.
    state["jhkube_known_at"] = known_at
    await hub.change(browser.login, state)
    github.fail("/api/v3/user", status=500)
    assert await browser.refreshed()
    await known_for(hub, browser, 8 * 3600 + 1)
    assert not await browser.refreshed()


async def test_an_answer_makes_what_is_known_new_again(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    await known_for(hub, browser, 9 * 3600)
    assert await browser.refreshed()
    github.fail("/api/v3/user", status=500)
    assert await browser.refreshed()


async def test_nothing_is_started_with_what_was_known_an_hour_ago(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.rate_limited(reset_in=250)
    await known_for(hub, browser, 3600 + 1)
    assert await browser.refreshed()
    status, answer = await hub.api("POST", f"/users/{browser.login}/server", json={})
    assert status == 403
    assert re.search(r"GitHub has not answered about you for 6\d minutes", answer["message"])
    assert not [note for note in hub.spawner_notes if note[:2] == ["start", browser.login]]


LIMITS = {
    "rate limit": {"status": 403, "headers": {"X-RateLimit-Remaining": "0"}, "body": "{}"},
    "secondary limit": {"status": 403, "body": '{"message": "You have exceeded a secondary rate limit."}'},
    "too many": {"status": 429, "retry_after": 1},
}


async def provider_metrics(hub):
    """Return whether GitHub counts as available, and how many failures, limits and unknown refreshes were counted."""
    found = await hub.metrics()
    names = ("provider_available", "provider_failures_total", "provider_limits_total")
    return [found[f"jhkube_{name}", "GitHub"] for name in names] + [
        sum(found.get(key, 0.0) for key in found if key[0] == "jhkube_session_refreshes_total" and "unknown" in key)
    ]


async def test_a_limit_on_one_persons_token_is_no_outage(github, shared_github, add_person, browse, start_hub):
    hub = await start_hub(github_settings(shared_github, allowed_organizations=["lab"]))
    people = [await logged_in(hub, browse, add_person("lab")) for _ in LIMITS]
    other = await logged_in(hub, browse, add_person("lab"))
    seen = len(hub.log)
    assert await provider_metrics(hub) == [1, 0, 0, 0]

    for number, (browser, limit) in enumerate(zip(people, LIMITS.values(), strict=True), start=1):
        github.fail("/api/v3/user", **limit)
        assert await browser.refreshed()
        github.heal()
        assert await provider_metrics(hub) == [1, 0, number, number]
        said = f"{browser.login}: GitHub limits the requests about them: GET /api/v3/user: {limit['status']}"
        assert hub.log[seen:].count(said) == 1

    # Meanwhile GitHub is asked about others, and what it says counts.
    github.world.join("partner", other.login)
    assert await other.refreshed()
    assert (await hub.inspect(other.login))["groups"] == ["lab", "partner"]
    assert await provider_metrics(hub) == [1, 0, len(people), len(people)]
    log = hub.log[seen:]
    assert "does not answer" not in log
    assert not [line for line in hub.warnings("") if line in log]

    github.fail("/api/v3/user", status=500)
    assert await other.refreshed()
    available, failures, limits, unknown = await provider_metrics(hub)
    assert (available, limits, unknown) == (0, len(people), len(people) + 1)
    assert failures >= 1
    assert len([line for line in hub.warnings("GitHub does not answer") if line in hub.log[seen:]]) == 1


@pytest.mark.parametrize("body", ["[]", '{"id": 5}', '{"login": ["ada"], "id": 5}', '{"login": "ada", "id": 1e400}'])
async def test_an_odd_answer_about_one_person_is_no_outage(hub, github, add_person, browse, body):
    browser = await logged_in(hub, browse, add_person("lab"))
    seen = len(hub.log)
    github.fail("/api/v3/user", body=body)
    assert await browser.refreshed()
    assert "does not answer" not in hub.log[seen:]
    assert "Traceback" not in hub.log[seen:]


async def test_a_login_over_ones_limit_is_told_so(hub, github, add_person, browse):
    github.fail("/api/v3/user", status=403, headers={"X-RateLimit-Remaining": "0"}, body="{}")
    page = await browse(hub, add_person("lab")).log_in()
    assert page.status == 503
    assert "limits the number of requests about you, and the limit is reached" in page.message


async def test_who_has_left_is_out_though_each_refresh_is_slower_than_is_waited_for(
    impatient_hub, github, add_person, browse
):
    browser = await logged_in(impatient_hub, browse, add_person("lab"))
    github.world.leave("lab", browser.login)
    github.fail("/api/v3/user/orgs", delay=3.0)
    assert await browser.refreshed()
    async with asyncio.timeout(180):
        while await browser.refreshed():
            pass


async def test_a_slow_refresh_of_before_a_login_does_not_end_the_new_session(
    impatient_hub, github, add_person, browse
):
    browser = await logged_in(impatient_hub, browse, add_person("lab"))
    # The answer is of before the person came back.
    github.fail("/api/v3/user/orgs", delay=120.0, times=1, body="[]")
    assert await browser.refreshed()
    assert (await browser.log_in()).status == 200
    github.heal()
    await until(lambda: f"{browser.login} has logged in again while a refresh was under way" in impatient_hub.log)
    assert await browser.refreshed()


async def test_a_refresh_that_began_before_a_login_changes_nothing_of_the_new_session(
    hub, github, add_person, browse
):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.requests.clear()
    github.fail("/api/v3/user/orgs", delay=600.0, times=1, body="[]")
    refreshing = asyncio.create_task(browser.refreshed())
    await until(lambda: github.requests.counts["GET /api/v3/user/orgs"])
    again = await logged_in(hub, browse, browser.login)
    token = (await hub.inspect(browser.login))["auth_state"]["access_token"]
    github.heal()
    assert await refreshing
    assert await again.is_logged_in()
    assert (await hub.inspect(browser.login))["auth_state"]["access_token"] == token


async def test_github_is_not_asked_again_before_the_time_that_it_names(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab"))
    github.rate_limited(reset_in=250)
    assert await browser.refreshed()
    github.requests.clear()
    assert await browser.refreshed()
    assert github.requests.counts.total() == 0


@pytest.mark.parametrize("stops", [False, True])
async def test_the_servers_of_who_has_left_go_on_unless_a_trait_stops_them(
    github, shared_github, add_person, browse, start_hub, stops
):
    traits = {"allowed_organizations": ["lab"], "stop_servers_of_leavers": stops}
    hub = await start_hub(github_settings(shared_github, **traits))
    left, stayed = [await logged_in(hub, browse, add_person("lab")) for _ in range(2)]
    for each in (left, stayed):
        assert (await hub.api("POST", f"/users/{each.login}/server", json={}))[0] in (201, 202)
    github.fail("/api/v3/user", status=500)
    assert await left.refreshed()
    assert (await hub.api("GET", f"/users/{left.login}"))[1]["servers"]
    github.heal()
    # An answer of before a login says nothing of who is back.
    github.requests.clear()
    github.fail("/api/v3/user/orgs", delay=600.0, times=1, body="[]")
    refreshing = asyncio.create_task(stayed.refreshed())
    await until(lambda: github.requests.counts["GET /api/v3/user/orgs"])
    await logged_in(hub, browse, stayed.login)
    github.heal()
    assert await refreshing
    github.world.leave("lab", left.login)
    assert not await left.refreshed()
    looks = 1800 if stops else 10
    assert await runs_on(hub, left, looks) is not stops
    assert (await hub.api("GET", f"/users/{stayed.login}"))[1]["servers"]
    # The same for somebody who may stay here, and may not make servers in the cluster any more.
    (hub.folder / "lost-rights").write_text("create pods")
    assert await stayed.refreshed()
    assert await runs_on(hub, stayed, looks) is not stops


async def runs_on(hub, browser, looks):
    """Say whether somebody's server still runs after so many looks."""
    for _ in range(looks):
        if not (await hub.api("GET", f"/users/{browser.login}"))[1]["servers"]:
            return False
        await asyncio.sleep(0.1)
    return True


async def test_an_organization_that_is_hidden_at_a_refresh_ends_no_session_and_stops_no_server(
    github, shared_github, add_person, browse, start_hub, next_login
):
    """An organization that begins to ask for single sign-on (SAML) is unknown, which is not the same as left."""
    organization = f"{next_login()}-org"
    github.world.add_organization(organization)
    settings = {"allowed_organizations": [organization], "stop_servers_of_leavers": True}
    hub = await start_hub(github_settings(shared_github, **settings))
    member, leaver = [await logged_in(hub, browse, add_person(organization)) for _ in range(2)]
    for each in (member, leaver):
        assert (await hub.api("POST", f"/users/{each.login}/server", json={}))[0] in (201, 202)
    github.world.set_organization(organization, saml=True)
    github.world.leave(organization, leaver.login)
    assert await member.refreshed()
    assert await provider_metrics(hub) == [1, 0, 0, 1]
    assert not hub.warnings("the session ends")

    assert not await leaver.refreshed()
    async with asyncio.timeout(180):
        while (await hub.api("GET", f"/users/{leaver.login}"))[1]["servers"]:
            await asyncio.sleep(0.1)
    assert (await hub.api("GET", f"/users/{member.login}"))[1]["servers"][""]["ready"]
    assert [name for what, name, _ in hub.spawner_notes if what == "stop"] == [leaver.login]

    await known_for(hub, member, 8 * 3600 + 1)
    assert not await member.refreshed()
    assert hub.warnings(f"{member.login}: the session ends: nothing could be learned about them for 288")
    assert (await member.log_in()).status == 403


async def test_a_slow_provider_holds_nobody_up_for_long(impatient_hub, github, add_person, browse):
    browser = await logged_in(impatient_hub, browse, add_person("lab"))
    github.fail("/api/v3/user", delay=100.0)
    await impatient_hub.forget_refresh(browser.login)
    started = asyncio.get_running_loop().time()
    assert await browser.is_logged_in()
    assert 0.9 < asyncio.get_running_loop().time() - started < 100


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
    assert len(answered) == 3
    assert all(key.endswith(" 304") for key in answered)


async def test_addresses_are_asked_for_when_github_says_something_new_of_the_person(hub, github, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab", emails=["old@example.org"]))
    github.world.set_person(browser.login, emails=[{"email": "a@example.org", "primary": True, "verified": True}])
    assert await browser.refreshed()
    assert (await identity_of(hub, browser.login)).email == "old@example.org"
    github.world.set_person(browser.login, name="Ada Example")
    assert await browser.refreshed()
    assert (await identity_of(hub, browser.login)).email == "a@example.org"


async def test_a_refresh_in_which_nothing_changed_writes_nothing(hub, add_person, browse):
    browser = await logged_in(hub, browse, add_person("lab:imaging"))
    before = await hub.inspect(browser.login)
    assert await browser.refreshed()
    assert await hub.inspect(browser.login) == before


async def test_people_who_come_together_are_asked_about_one_after_the_other(hub, add_person, browse):
    spread, sooner = Spread(3600, 0.2), []
    for browser in [await logged_in(hub, browse, add_person("lab")) for _ in range(2)]:
        number, known_for = await hub.known_for(browser.login)
        sooner.append(spread.sooner(number))
        assert known_for >= sooner[-1]
        assert await browser.refreshed()
        assert (await hub.known_for(browser.login))[1] >= sooner[-1]
    assert max(sooner) > 250, "two in a row are far from each other"


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

"""Logging in with GitHub: who comes in, and as whom."""

from __future__ import annotations

import asyncio

import pytest

from tests.hub.running import identity_of, query_of
from tests.waiting import until

pytestmark = pytest.mark.hub_versions


async def test_a_private_member_of_an_allowed_organization_comes_in(hub, add_person, browse):
    page = await browse(hub, add_person("lab")).log_in()
    assert (page.status, page.url) == (200, f"{hub.url}/hub/home")


async def test_a_member_of_an_allowed_team_comes_in(hub, add_person, browse):
    assert (await browse(hub, add_person("partner:guests")).log_in()).status == 200


async def test_the_rest_of_that_teams_organization_does_not_come_in(hub, add_person, browse):
    assert (await browse(hub, add_person("partner")).log_in()).status == 403


async def test_an_invitation_that_was_not_accepted_opens_nothing(hub, github, add_person, browse):
    login = add_person()
    github.world.join("lab", login, state="pending")
    assert (await browse(hub, login).log_in()).status == 403


async def test_github_is_asked_for_what_is_used_and_no_more(hub, add_person, browse):
    browser = browse(hub, add_person("lab"))
    page = await browser.open("/hub/oauth_login", stop_at="/authorize")
    assert query_of(page.url)["scope"] == "read:org user:email"


async def test_organizations_and_teams_become_groups_of_the_hub(hub, add_person, browse):
    login = add_person("lab:imaging", "elsewhere")
    await browse(hub, login).log_in()
    assert (await hub.inspect(login))["groups"] == ["elsewhere", "lab", "lab:imaging"]


async def test_members_of_an_administrators_team_are_administrators_and_others_are_not(hub, add_person, browse):
    admin, other = add_person("lab:admins"), add_person("lab")
    await browse(hub, admin).log_in()
    await browse(hub, other).log_in()
    assert [(await hub.inspect(login))["admin"] for login in (admin, other)] == [True, False]


async def test_the_identity_in_auth_state_has_names_and_numbers_of_github(hub, github, add_person, browse):
    login = add_person("lab:imaging", name="Ada Example", emails=["ada@example.org"])
    await browse(hub, login).log_in()
    identity = await identity_of(hub, login)
    person, lab = github.world.person(login), github.world.organization("lab")
    assert (identity.name, identity.full_name, identity.email) == (login, "Ada Example", "ada@example.org")
    assert (identity.uid, identity.gid, identity.subject) == (person.id, person.id, f"github:{person.id}")
    assert [(group.name, group.gid) for group in identity.groups] == [
        ("lab", lab.id),
        ("lab_imaging", 1_000_000_000 + lab.teams["imaging"].id),
    ]


async def test_a_login_in_capitals_is_the_hubs_name_in_small_letters(hub, add_person, browse):
    await browse(hub, add_person("lab", login="MixedCase")).log_in()
    identity = await identity_of(hub, "mixedcase")
    assert (identity.name, identity.login) == ("mixedcase", "MixedCase")


async def test_the_address_is_the_primary_verified_one_where_none_is_public(hub, add_person, browse):
    emails = [
        {"email": "old@example.org", "verified": True},
        {"email": "new@example.org", "primary": True, "verified": True, "visibility": "private"},
    ]
    login = add_person("lab", emails=emails)
    await browse(hub, login).log_in()
    assert (await identity_of(hub, login)).email == "new@example.org"


async def test_a_primary_address_that_is_not_verified_is_not_used(hub, add_person, browse):
    login = add_person("lab", emails=[{"email": "claimed@example.org", "primary": True, "verified": False}])
    await browse(hub, login).log_in()
    assert (await identity_of(hub, login)).email == ""


@pytest.mark.parametrize("name", [None, "مریم نمونه", "例 林美", "Zoë “Z” O’Neill: 100%"])
async def test_a_display_name_may_be_missing_or_in_any_script(hub, add_person, browse, name):
    login = add_person("lab", name=name)
    await browse(hub, login).log_in()
    assert (await identity_of(hub, login)).full_name == (name or "")


async def test_the_organizations_of_all_pages_count(hub, github, add_person, browse):
    login = add_person()
    for number in range(249):
        github.world.add_organization(f"many-{number:03}")
        github.world.join(f"many-{number:03}", login)
    # Organizations are listed by id, so this one is on the last of three pages.
    github.world.add_organization("many-last", id=2_000_000_000)
    github.world.join("many-last", login)
    github.world.join("lab", login)
    assert (await browse(hub, login).log_in()).status == 200
    groups = (await hub.inspect(login))["groups"]
    assert len(groups) == 251
    assert "many-last" in groups


async def test_lists_and_their_pages_are_asked_for_at_once(hub, github, add_person, browse):
    login = add_person("lab")
    for number in range(250):
        github.world.add_organization(f"wide-{number:03}")
        github.world.join(f"wide-{number:03}", login)
    # Organizations, teams and addresses first, then pages 2 and 3 together: none is answered before all are asked.
    github.fail("/api/v3/user/*", delay=120.0)
    coming = asyncio.create_task(browse(hub, login).log_in())
    await until(lambda: github.requests.in_flight == 3)
    github.heal()
    github.fail("/api/v3/user/orgs", delay=120.0)
    await until(lambda: github.requests.counts["GET /api/v3/user/orgs"] == 3 and github.requests.in_flight == 2)
    github.heal()
    assert (await coming).status == 200
    assert github.requests.peak == 3
    assert github.requests.counts["GET /api/v3/user/orgs"] == 3


@pytest.mark.parametrize("path", ["/api/v3/user", "/api/v3/user/orgs", "/api/v3/user/teams", "/api/v3/user/emails"])
@pytest.mark.parametrize(
    "failure",
    [
        {"status": 500},
        {"status": 502, "body": "<html>"},
        {"status": 429},
        {"drop": True},
        {"body": "[{"},
        {"body": '"text"'},
    ],
    ids=str,
)
async def test_an_answer_that_does_not_come_admits_nobody(hub, github, add_person, browse, path, failure):
    login = add_person("lab")
    github.fail(path, **failure)
    page = await browse(hub, login).log_in()
    assert page.status == 503
    # A limit on one person's token is theirs: it says nothing of GitHub.
    assert ("the limit is reached" if failure.get("status") == 429 else "did not answer") in page.message
    assert await hub.inspect(login) == {}


async def test_a_missing_page_admits_nobody(hub, github, add_person, browse):
    login = add_person("lab")
    for number in range(120):
        github.world.add_organization(f"paged-{number:03}")
        github.world.join(f"paged-{number:03}", login)
    github.fail("/api/v3/user/orgs", page=2, status=502)
    assert (await browse(hub, login).log_in()).status == 503


async def test_a_rate_limit_admits_nobody(hub, github, add_person, browse):
    github.rate_limited("/api/v3/user/orgs")
    assert (await browse(hub, add_person("lab")).log_in()).status == 503


async def test_a_token_for_another_client_is_refused(hub, github, add_person, browse):
    login = add_person("lab")
    github.add_application("another-client", "secret", ["http://127.0.0.1/"])
    stolen = github.issue_token(login, ["read:org", "user:email"], "another-client")["access_token"]
    body = f'{{"access_token": "{stolen}", "token_type": "bearer", "scope": "read:org,user:email"}}'
    github.fail("/login/oauth/access_token", body=body)
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert "another application" in page.message


async def test_no_token_is_in_the_hubs_log(hub, github, add_person, browse):
    login = add_person("lab")
    await browse(hub, login).log_in()
    token = (await hub.inspect(login))["auth_state"]["access_token"]
    assert token.startswith("gho_")
    assert token not in hub.log

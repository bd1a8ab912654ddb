"""What `jhkube check` says about the organizations of a configuration."""

from __future__ import annotations

from types import SimpleNamespace

from devcluster.github import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, GitHubStandIn
from jhkube.auth import GitHubOrgAuthenticator
from jhkube.checks.provider import provider_results

WORLD = {
    "organizations": [
        {"login": "lab", "id": 5017, "teams": [{"slug": "imaging", "name": "Imaging", "id": 31}]},
        {"login": "renamed", "id": 5018},
    ]
}
LISTS = ("denied_organizations: ", "admin_organizations: ", "allowed_teams: ", "allowed_organizations: ")


async def results(github, **traits):
    authenticator = GitHubOrgAuthenticator(
        github_url=github.url, client_id=DEMO_CLIENT_ID, client_secret=DEMO_CLIENT_SECRET, **traits
    )
    found = [each async for each in provider_results(SimpleNamespace(authenticator=authenticator))]
    return [f"{each.status.name} {each.text}" for each in found if any(name in each.text for name in LISTS)]


async def test_ids_are_said_beside_names():
    async with GitHubStandIn(WORLD) as github:
        found = await results(github, allowed_organizations={"lab", "renamed#5018"}, denied_organizations={"gone"})
    prefix = "c.GitHubOrgAuthenticator"
    assert found == [
        f"WARNING {prefix}.denied_organizations: gone is the name of no organization at GitHub",
        f"PASSED {prefix}.allowed_organizations: lab is lab#5017, and with that id nobody else's",
        f"PASSED {prefix}.allowed_organizations: renamed#5018 is renamed",
    ]


async def test_a_name_that_is_anothers_now_is_a_warning():
    async with GitHubStandIn(WORLD) as github:
        github.world.organization("lab").login = "lab-new"
        github.world.add_organization("lab", id=5019)
        found = await results(github, allowed_organizations={"lab#5017"})
    assert [text.partition("allowed_organizations: ")[2] for text in found] == [
        "lab is the name of the organization lab#5019 at GitHub"
    ]


async def test_a_provider_that_does_not_tell_them_is_no_failure():
    async with GitHubStandIn(WORLD) as github:
        github.fail("/api/v3/orgs/*", status=403, headers={"X-RateLimit-Remaining": "0"})
        assert await results(github, allowed_organizations={"lab"}) == []


async def test_a_team_is_looked_for_by_its_organization():
    async with GitHubStandIn(WORLD) as github:
        found = await results(
            github,
            allowed_teams={"lab:imaging#31", "gone:imaging#32"},
            denied_organizations={"gone:crew"},
            allowed_organizations={"lab:imaging"},
        )
    prefix = "c.GitHubOrgAuthenticator"
    assert found == [
        f"WARNING {prefix}.denied_organizations: gone:crew is a team of gone, which is the name of no organization"
        " at GitHub",
        f"WARNING {prefix}.allowed_teams: gone:imaging#32 is a team of gone, which is the name of no organization"
        " at GitHub",
        f"SKIPPED {prefix}.allowed_teams: lab:imaging#31 is a team of lab#5017; GitHub does not tell the hub the"
        " team's id",
        f"SKIPPED {prefix}.allowed_organizations: lab:imaging is a team of lab#5017, and counts by its name, which"
        " may change hands",
    ]


async def test_an_organization_is_asked_about_once():
    async with GitHubStandIn(WORLD) as github:
        await results(github, allowed_teams={"lab:imaging", "Lab:crew"}, allowed_organizations={"lab"})
        asked = {path: count for path, count in github.requests.counts.items() if "/orgs/" in path}
    assert sum(asked.values()) == 1

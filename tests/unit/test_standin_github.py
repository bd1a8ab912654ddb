"""The GitHub stand-in's REST API, asked over real sockets."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from oauthenticator.github import GitHubOAuthenticator
from yarl import URL

from devcluster.github import Application, GitHubStandIn, StandInError
from tests.unit.github_client import MINE, Api, logins

APP = Application("Iv23app", "secret", ("http://127.0.0.1:8000/hub/oauth_callback",), kind="github-app")


@pytest.fixture
async def github() -> AsyncIterator[GitHubStandIn]:
    async with GitHubStandIn() as standin:
        yield standin


@pytest.fixture
async def api(github: GitHubStandIn) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession(headers={"User-Agent": "a test"}) as session:
        yield Api(github, session)


class TestWhoAsks:
    """Authentication, and what every answer says of the token."""

    async def test_an_unknown_token_is_bad_credentials(self, api: Api) -> None:
        response, data = await api.get("/user", "gho_unknown")
        assert response.status == 401
        assert data["message"] == "Bad credentials"

    async def test_a_revoked_token_is_bad_credentials(self, api: Api, github: GitHubStandIn) -> None:
        token = api.token("ada")
        assert (await api.get("/user", token))[0].status == 200
        assert github.revoke_tokens("ada") == 1
        assert (await api.get("/user", token))[0].status == 401

    async def test_the_token_of_a_deleted_account_is_bad_credentials(self, api: Api, github: GitHubStandIn) -> None:
        token = api.token("ada")
        github.world.remove_person("ada")
        assert (await api.get("/user", token))[0].status == 401

    async def test_without_a_token_authentication_is_required(self, api: Api) -> None:
        response, data = await api.get("/user")
        assert response.status == 401
        assert data["message"] == "Requires authentication"

    async def test_a_user_agent_is_required(self, api: Api, github: GitHubStandIn) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", github.port)
        writer.write(b"GET /api/v3/users/ada HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 403")
        assert b"User-Agent" in answer

    async def test_an_application_can_check_and_revoke_its_own_token(self, api: Api, github: GitHubStandIn) -> None:
        application = next(iter(github.applications.values()))
        token = api.token("ada", "repo")
        url = f"{github.url}/api/v3/applications/{application.client_id}/token"
        body = {"access_token": token}
        for secret, check, delete in [("wrong", 404, 404), (application.client_secret, 200, 204)]:
            credentials = base64.b64encode(f"{application.client_id}:{secret}".encode()).decode()
            headers = {"Authorization": f"Basic {credentials}"}
            async with api.session.post(url, json=body, headers=headers) as response:
                assert response.status == check
            async with api.session.delete(url, json=body, headers=headers) as response:
                assert response.status == delete
        assert (await api.get("/user", token))[0].status == 401


class TestScopes:
    """What a token may see."""

    async def test_the_profile_has_the_public_address_only(self, api: Api) -> None:
        assert (await api.get("/user", api.token("ada")))[1]["email"] == "ada@observatory.example"
        assert (await api.get("/user", api.token("grace", "user:email")))[1]["email"] is None

    async def test_addresses_need_user_email(self, api: Api) -> None:
        response, _ = await api.get("/user/emails", api.token("grace", "read:org"))
        assert response.status == 404
        assert response.headers["X-Accepted-OAuth-Scopes"] == "user, user:email"
        response, data = await api.get("/user/emails", api.token("grace", "user:email"))
        assert response.status == 200
        assert [(each["email"], each["primary"], each["verified"]) for each in data] == [
            ("grace@observatory.example", True, True),
            ("grace@old.example", False, False),
        ]

    async def test_somebody_without_a_display_name_has_null(self, api: Api) -> None:
        assert (await api.get("/user", api.token("edsger")))[1]["name"] is None

    @pytest.mark.parametrize(
        ("scopes", "listed"),
        [
            (("read:org",), {"observatory", "telescope-ops", "stargazers"}),
            (("admin:org",), {"observatory", "telescope-ops", "stargazers"}),
            (("user",), {"telescope-ops", "stargazers"}),
            (("user:email",), None),
            (("repo",), None),
            ((), None),
        ],
        ids=str,
    )
    async def test_organizations_need_read_org_for_private_memberships(
        self, api: Api, scopes: tuple[str, ...], listed: set[str] | None
    ) -> None:
        response, data = await api.get("/user/orgs", api.token("grace", *scopes))
        if listed is None:
            assert response.status == 403
        else:
            assert logins(data) == listed

    @pytest.mark.parametrize(
        ("scopes", "listed"),
        [
            (("read:org",), {"imaging", "night-shift"}),
            (("user",), {"night-shift"}),
            (("user:email",), None),
        ],
        ids=str,
    )
    async def test_teams_need_read_org(self, api: Api, scopes: tuple[str, ...], listed: set[str] | None) -> None:
        response, data = await api.get("/user/teams", api.token("grace", *scopes))
        if listed is None:
            assert response.status == 404
        else:
            assert {team["slug"] for team in data} == listed

    async def test_a_team_tells_its_organization(self, api: Api) -> None:
        _, data = await api.get("/user/teams", api.token("maryam", *MINE))
        assert [(team["organization"]["login"], team["slug"], team["id"]) for team in data] == [
            ("telescope-ops", "night-shift", 2997924)
        ]

    async def test_an_invitation_is_no_membership(self, api: Api, github: GitHubStandIn) -> None:
        github.world.join("observatory", "rosalind", state="pending")
        token = api.token("rosalind", *MINE)
        assert logins((await api.get("/user/orgs", token))[1]) == {"stargazers"}
        _, data = await api.get("/user/memberships/orgs?state=pending", token)
        assert [each["organization"]["login"] for each in data] == ["observatory"]
        _, data = await api.get("/user/memberships/orgs/observatory", token)
        assert data["state"] == "pending"

    async def test_public_memberships_are_everybodys_to_see(self, api: Api) -> None:
        assert logins((await api.get("/users/grace/orgs"))[1]) == {"telescope-ops", "stargazers"}


class TestRestrictedOrganizations:
    """OAuth App access restrictions, and GitHub Apps."""

    async def test_an_application_that_was_not_granted_sees_nothing(self, api: Api, github: GitHubStandIn) -> None:
        github.world.set_organization("observatory", restricted=True)
        token = api.token("ada", *MINE)
        assert logins((await api.get("/user/orgs", token))[1]) == {"telescope-ops"}
        assert (await api.get("/user/teams", token))[1] == []
        response, data = await api.get("/orgs/observatory/members/ada", token)
        assert response.status == 403
        assert "OAuth App access restrictions" in data["message"]

    async def test_an_application_that_was_granted_sees_all(self, api: Api, github: GitHubStandIn) -> None:
        granted = list(github.applications)
        github.world.set_organization("observatory", restricted=True, granted=granted)
        _, data = await api.get("/user/orgs", api.token("ada", *MINE))
        assert logins(data) == {"observatory", "telescope-ops"}

    async def test_a_github_app_sees_where_it_is_installed(self) -> None:
        async with (
            GitHubStandIn(applications=[APP]) as github,
            aiohttp.ClientSession(headers={"User-Agent": "a test"}) as session,
        ):
            api = Api(github, session)
            token = api.token("ada")
            assert (await api.get("/user/orgs", token))[1] == []
            github.world.set_organization("telescope-ops", granted=["Iv23app"])
            response, data = await api.get("/user/orgs", token)
            assert logins(data) == {"telescope-ops"}
            assert response.headers["X-OAuth-Scopes"] == ""


class TestMembers:
    """The calls by which oauthenticator looks for one member."""

    @pytest.mark.parametrize(
        ("caller", "scopes", "path", "status"),
        [
            ("ada", MINE, "/orgs/observatory/members/grace", 204),
            ("ada", MINE, "/orgs/Observatory/members/GRACE", 204),
            ("ada", MINE, "/orgs/observatory/members/maryam", 404),
            ("ada", MINE, "/orgs/nowhere/members/ada", 404),
            ("rosalind", MINE, "/orgs/observatory/members/grace", 302),
            ("grace", (), "/orgs/observatory/members/grace", 302),
            ("rosalind", (), "/orgs/observatory/public_members/ada", 204),
            ("rosalind", (), "/orgs/observatory/public_members/grace", 404),
            ("ada", MINE, "/orgs/observatory/teams/imaging/members/ada", 204),
            ("ada", MINE, "/orgs/observatory/teams/imaging/members/edsger", 404),
            ("rosalind", MINE, "/orgs/observatory/teams/imaging/members/ada", 404),
        ],
    )
    async def test_membership_is_told_by_status(
        self, api: Api, caller: str, scopes: tuple[str, ...], path: str, status: int
    ) -> None:
        response, _ = await api.get(path, api.token(caller, *scopes))
        assert response.status == status
        if status == 302:
            assert response.headers["Location"] == (f"{api.github.url}/api/v3/orgs/observatory/public_members/grace")


class TestPages:
    """Lists by page."""

    @pytest.fixture
    def many(self, github: GitHubStandIn) -> None:
        for number in range(250):
            github.world.add_organization(f"org-{number:03}")
            github.world.join(f"org-{number:03}", "edsger")

    @pytest.mark.usefixtures("many")
    async def test_link_headers_lead_through_all_pages(self, api: Api) -> None:
        token, path, seen, sizes = api.token("edsger", *MINE), "/user/orgs?per_page=100", [], []
        while path:
            response, data = await api.get(path, token)
            seen += [each["login"] for each in data]
            sizes.append(len(data))
            following = response.links.get("next")
            path = URL(following["url"]).path_qs.removeprefix("/api/v3") if following else ""
        assert sizes == [100, 100, 51]
        assert len(set(seen)) == 251

    @pytest.mark.usefixtures("many")
    @pytest.mark.parametrize(
        ("query", "count", "relations"),
        [
            ("", 30, {"next": "2", "last": "9"}),
            ("?page=2", 30, {"prev": "1", "next": "3", "last": "9", "first": "1"}),
            ("?page=9", 11, {"prev": "8", "first": "1"}),
            ("?per_page=1000", 100, {"next": "2", "last": "3"}),
            ("?page=10", 0, {"prev": "9", "first": "1"}),
            ("?per_page=x&page=-1", 30, {"next": "2", "last": "9"}),
        ],
    )
    async def test_a_page_knows_its_neighbours(
        self, api: Api, query: str, count: int, relations: dict[str, str]
    ) -> None:
        response, data = await api.get(f"/user/orgs{query}", api.token("edsger", *MINE))
        assert len(data) == count
        pages = {relation: URL(link["url"]).query["page"] for relation, link in response.links.items()}
        assert pages == relations

    async def test_a_list_of_one_page_has_no_links(self, api: Api) -> None:
        response, _ = await api.get("/user/orgs", api.token("ada", *MINE))
        assert "Link" not in response.headers


class TestRateLimits:
    """Requests cost, and unchanged answers do not."""

    async def test_an_unchanged_answer_is_304_and_free(self, api: Api) -> None:
        token = api.token("ada", *MINE)
        first, _ = await api.get("/user/orgs", token)
        again, data = await api.get("/user/orgs", token, If_None_Match=first.headers["ETag"])
        assert again.status == 304
        assert data is None
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.headers["X-RateLimit-Remaining"] == first.headers["X-RateLimit-Remaining"] == "4999"

    async def test_a_changed_answer_is_told_in_full(self, api: Api, github: GitHubStandIn) -> None:
        token = api.token("ada", *MINE)
        first, _ = await api.get("/user/orgs", token)
        github.world.leave("observatory", "ada")
        again, data = await api.get("/user/orgs", token, If_None_Match=first.headers["ETag"])
        assert again.status == 200
        assert logins(data) == {"telescope-ops"}

    async def test_another_token_has_another_etag(self, api: Api) -> None:
        first, _ = await api.get("/user", api.token("ada", *MINE))
        again, _ = await api.get("/user", api.token("ada", *MINE), If_None_Match=first.headers["ETag"])
        assert again.status == 200

    async def test_past_the_limit_everything_is_403_until_the_reset(self) -> None:
        async with (
            GitHubStandIn(rate_limit=2) as github,
            aiohttp.ClientSession(headers={"User-Agent": "a test"}) as session,
        ):
            api = Api(github, session)
            token = api.token("ada")
            statuses = [(await api.get("/user", token))[0].status for _ in range(3)]
            assert statuses == [200, 200, 403]
            response, data = await api.get("/user", token)
            assert response.headers["X-RateLimit-Remaining"] == "0"
            assert 3500 < int(response.headers["X-RateLimit-Reset"]) - time.time() <= 3601
            assert data["message"].startswith("API rate limit exceeded")
            github.clock.advance(3601)
            assert (await api.get("/user", token))[0].status == 200

    async def test_asking_for_the_limit_is_free(self, api: Api) -> None:
        token = api.token("ada")
        await api.get("/user", token)
        _, data = await api.get("/rate_limit", token)
        assert data["rate"]["remaining"] == 4999


class TestAccountsThatChange:
    """Logins come and go, ids stay."""

    async def test_a_renamed_account_keeps_its_id(self, api: Api, github: GitHubStandIn) -> None:
        token = api.token("ada")
        github.world.rename_person("ada", "ada-l")
        _, data = await api.get("/user", token)
        assert (data["login"], data["id"]) == ("ada-l", 6180339)

    async def test_a_login_that_was_taken_has_another_id(self, api: Api, github: GitHubStandIn) -> None:
        before = api.token("ada")
        github.world.take_login("ada")
        _, old = await api.get("/user", before)
        _, new = await api.get("/user", api.token("ada"))
        assert (old["login"], old["id"]) == ("ada-was-here", 6180339)
        assert new["login"] == "ada"
        assert new["id"] != 6180339

    async def test_two_accounts_do_not_have_one_login(self, github: GitHubStandIn) -> None:
        with pytest.raises(StandInError, match="taken"):
            github.world.rename_person("grace", "ADA")
        with pytest.raises(StandInError, match="taken"):
            github.world.add_person("Observatory")


async def test_oauthenticator_reads_teams_and_membership_from_it(github: GitHubStandIn) -> None:
    for number in range(120):
        github.world.add_team("observatory", f"team-{number:03}", members=["ada"])
    authenticator = GitHubOAuthenticator(github_url=github.url, client_id="x", client_secret="y")
    token = github.issue_token("ada", MINE)["access_token"]
    teams = await authenticator._paginated_fetch(
        f"{authenticator.github_api}/user/teams?per_page=100", token, "bearer"
    )
    assert len(teams) == 122
    for rule, admitted in {"observatory": True, "observatory:imaging": True, "stargazers": False}.items():
        found = await authenticator._check_membership_allowed_organizations(rule, "ada", token, "bearer")
        assert found == admitted, rule

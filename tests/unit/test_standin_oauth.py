"""The GitHub stand-in's OAuth flow, walked by a plain HTTP client."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from yarl import URL

from devcluster.github import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, Application, GitHubStandIn

CALLBACK = "http://127.0.0.1:8000/hub/oauth_callback"
JSON = {"Accept": "application/json", "User-Agent": "a test"}


@pytest.fixture
async def github() -> AsyncIterator[GitHubStandIn]:
    async with GitHubStandIn() as standin:
        yield standin


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=JSON) as session:
        yield session


def github_app(**settings: Any) -> Application:
    return Application("Iv23app", "secret", (CALLBACK,), kind="github-app", **settings)


async def authorize(
    client: aiohttp.ClientSession, github: GitHubStandIn, **parameters: str
) -> tuple[URL, dict[str, str]]:
    """Return where the browser is sent after agreeing, and the parameters it takes there."""
    asked = {"client_id": DEMO_CLIENT_ID, "redirect_uri": CALLBACK, "state": "xyz", "login": "ada"}
    url = URL(f"{github.url}/login/oauth/authorize").with_query(asked | parameters)
    async with client.get(url, allow_redirects=False) as response:
        assert response.status == 302, await response.text()
        target = URL(response.headers["Location"])
    return target.with_query(None), dict(target.query)


async def exchange(client: aiohttp.ClientSession, github: GitHubStandIn, **parameters: str) -> dict[str, Any]:
    asked = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET} | parameters
    async with client.post(f"{github.url}/login/oauth/access_token", data=asked) as response:
        assert response.status == 200
        answer: dict[str, Any] = await response.json()
        return answer


async def test_a_code_becomes_a_token_that_knows_whose_it_is(
    client: aiohttp.ClientSession, github: GitHubStandIn
) -> None:
    target, parameters = await authorize(client, github, scope="read:org user:email")
    assert str(target) == CALLBACK
    assert parameters["state"] == "xyz"
    answer = await exchange(client, github, code=parameters["code"], redirect_uri=CALLBACK)
    assert answer["access_token"].startswith("gho_")
    assert len(answer["access_token"]) == 40
    assert answer["scope"] == "read:org,user:email"
    assert "refresh_token" not in answer
    headers = {"Authorization": f"token {answer['access_token']}"}
    async with client.get(f"{github.url}/api/v3/user", headers=headers) as response:
        assert (await response.json())["login"] == "ada"
        assert response.headers["X-OAuth-Scopes"] == "read:org, user:email"


async def test_a_code_is_good_once(client: aiohttp.ClientSession, github: GitHubStandIn) -> None:
    _, parameters = await authorize(client, github)
    assert "access_token" in await exchange(client, github, code=parameters["code"])
    again = await exchange(client, github, code=parameters["code"])
    assert again["error"] == "bad_verification_code"
    assert again["error_description"]


async def test_a_code_is_good_for_ten_minutes(client: aiohttp.ClientSession, github: GitHubStandIn) -> None:
    _, parameters = await authorize(client, github)
    github.clock.advance(601)
    assert (await exchange(client, github, code=parameters["code"]))["error"] == "bad_verification_code"


async def test_a_code_is_for_the_application_that_asked(client: aiohttp.ClientSession, github: GitHubStandIn) -> None:
    github.add_application("other", "other-secret", [CALLBACK])
    _, parameters = await authorize(client, github)
    answer = await exchange(client, github, code=parameters["code"], client_id="other", client_secret="other-secret")
    assert answer["error"] == "bad_verification_code"


@pytest.mark.parametrize("wrong", [{"client_secret": "wrong"}, {"client_id": "unknown"}], ids=str)
async def test_wrong_credentials_are_told_with_status_200(
    client: aiohttp.ClientSession, github: GitHubStandIn, wrong: dict[str, str]
) -> None:
    _, parameters = await authorize(client, github)
    answer = await exchange(client, github, code=parameters["code"], **wrong)
    assert answer["error"] == "incorrect_client_credentials"


async def test_the_answer_is_a_form_unless_json_is_accepted(github: GitHubStandIn) -> None:
    async with aiohttp.ClientSession(headers={"Accept": "*/*"}) as client:
        _, parameters = await authorize(client, github, scope="repo")
        asked = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET, "code": parameters["code"]}
        async with client.post(f"{github.url}/login/oauth/access_token", data=asked) as response:
            assert response.content_type == "application/x-www-form-urlencoded"
            answer = parse_qs(await response.text())
    assert answer["scope"] == ["repo"]
    assert answer["token_type"] == ["bearer"]


async def test_the_request_may_be_json_with_basic_credentials(
    client: aiohttp.ClientSession, github: GitHubStandIn
) -> None:
    _, parameters = await authorize(client, github)
    credentials = base64.b64encode(f"{DEMO_CLIENT_ID}:{DEMO_CLIENT_SECRET}".encode()).decode()
    async with client.post(
        f"{github.url}/login/oauth/access_token",
        json={"code": parameters["code"]},
        headers={"Authorization": f"Basic {credentials}"},
    ) as response:
        assert "access_token" in await response.json()


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("read:org user:email", "read:org,user:email"),
        ("read:org,user:email", "read:org,user:email"),
        ("repo public_repo", "repo"),
        ("user user:email read:user", "user"),
        ("no-such-scope", ""),
        ("", ""),
    ],
)
async def test_scopes_are_granted_as_github_normalizes_them(
    client: aiohttp.ClientSession, github: GitHubStandIn, asked: str, granted: str
) -> None:
    _, parameters = await authorize(client, github, scope=asked)
    assert (await exchange(client, github, code=parameters["code"]))["scope"] == granted


class TestPkce:
    """RFC 7636."""

    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")

    async def test_the_verifier_of_the_challenge_is_asked_for(
        self, client: aiohttp.ClientSession, github: GitHubStandIn
    ) -> None:
        _, parameters = await authorize(client, github, code_challenge=self.challenge, code_challenge_method="S256")
        answer = await exchange(client, github, code=parameters["code"], code_verifier=self.verifier)
        assert "access_token" in answer

    @pytest.mark.parametrize("verifier", [{}, {"code_verifier": "x" * 64}], ids=["none", "another"])
    async def test_without_the_verifier_there_is_no_token(
        self, client: aiohttp.ClientSession, github: GitHubStandIn, verifier: dict[str, str]
    ) -> None:
        _, parameters = await authorize(client, github, code_challenge=self.challenge, code_challenge_method="S256")
        answer = await exchange(client, github, code=parameters["code"], **verifier)
        assert answer["error"] == "bad_verification_code"
        again = await exchange(client, github, code=parameters["code"], code_verifier=self.verifier)
        assert again["error"] == "bad_verification_code"

    async def test_plain_challenges_are_refused(self, client: aiohttp.ClientSession, github: GitHubStandIn) -> None:
        _, parameters = await authorize(
            client, github, code_challenge=self.verifier[:43], code_challenge_method="plain"
        )
        assert parameters["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("redirect_uri", "fits"),
    [
        (CALLBACK, True),
        (CALLBACK + "/below", True),
        ("http://127.0.0.1:54321/hub/oauth_callback", True),
        ("http://localhost:8000/hub/oauth_callback", True),
        ("http://127.0.0.1:8000/elsewhere", False),
        ("http://127.0.0.1:8000/hub/oauth_callback/../../x", False),
        ("http://127.0.0.1:8000/hub/oauth_callback_x", False),
        ("https://127.0.0.1:8000/hub/oauth_callback", False),
        ("http://evil.example/hub/oauth_callback", False),
        ("http://127.0.0.1.evil.example/hub/oauth_callback", False),
        ("http://127.0.0.1@evil.example/hub/oauth_callback", False),
    ],
)
async def test_the_redirect_has_to_fit_the_registered_callback(
    client: aiohttp.ClientSession, github: GitHubStandIn, redirect_uri: str, fits: bool
) -> None:
    target, parameters = await authorize(client, github, redirect_uri=redirect_uri)
    if fits:
        assert "code" in parameters
    else:
        assert str(target) == CALLBACK
        assert parameters["error"] == "redirect_uri_mismatch"
        assert parameters["state"] == "xyz"


async def test_a_public_callback_has_its_own_port_only(client: aiohttp.ClientSession, github: GitHubStandIn) -> None:
    github.add_application("public", "secret", ["https://hub.example/hub/oauth_callback"])
    for url, fits in {
        "https://hub.example/hub/oauth_callback": True,
        "https://a.hub.example/hub/oauth_callback": True,
        "https://hub.example:8443/hub/oauth_callback": False,
        "https://nothub.example/hub/oauth_callback": False,
    }.items():
        _, parameters = await authorize(client, github, client_id="public", redirect_uri=url)
        assert ("code" in parameters) == fits, url


async def test_the_exchange_has_to_name_the_same_redirect(
    client: aiohttp.ClientSession, github: GitHubStandIn
) -> None:
    _, parameters = await authorize(client, github)
    answer = await exchange(client, github, code=parameters["code"], redirect_uri=CALLBACK + "/below")
    assert answer["error"] == "redirect_uri_mismatch"


async def test_the_page_lets_a_person_choose_and_keeps_the_state(
    client: aiohttp.ClientSession, github: GitHubStandIn
) -> None:
    asked = {
        "client_id": DEMO_CLIENT_ID,
        "redirect_uri": CALLBACK,
        "state": '"><script>',
        "scope": "read:org",
    }
    url = URL(f"{github.url}/login/oauth/authorize").with_query(asked)
    async with client.get(url) as response:
        page = await response.text()
    assert '<button type="submit" name="login" value="grace">' in page
    assert "مریم نمونه" in page
    assert "<script>" not in page
    async with client.post(url.with_query(None), data=asked | {"login": "grace"}, allow_redirects=False) as it:
        target = URL(it.headers["Location"])
    assert target.query["state"] == '"><script>'
    assert "code" in target.query


async def test_a_person_may_cancel(client: aiohttp.ClientSession, github: GitHubStandIn) -> None:
    _, parameters = await authorize(client, github, cancel="1")
    assert parameters["error"] == "access_denied"
    assert "code" not in parameters


@pytest.mark.parametrize("wrong", [{"client_id": "unknown"}, {"login": "nobody"}], ids=str)
async def test_who_is_not_known_sees_a_page_and_is_not_sent_on(
    client: aiohttp.ClientSession, github: GitHubStandIn, wrong: dict[str, str]
) -> None:
    asked = {"client_id": DEMO_CLIENT_ID, "redirect_uri": CALLBACK, "login": "ada"} | wrong
    url = URL(f"{github.url}/login/oauth/authorize").with_query(asked)
    async with client.get(url, allow_redirects=False) as response:
        assert response.status == 404
        assert "<h1>" in await response.text()


class TestGitHubApps:
    """Tokens that expire, and refresh tokens that are good once."""

    @pytest.fixture
    async def github(self) -> AsyncIterator[GitHubStandIn]:
        async with GitHubStandIn(applications=[github_app()]) as standin:
            yield standin

    @staticmethod
    async def first(client: aiohttp.ClientSession, github: GitHubStandIn) -> dict[str, Any]:
        _, parameters = await authorize(client, github, client_id="Iv23app")
        return await TestGitHubApps.ask(client, github, code=parameters["code"])

    @staticmethod
    async def ask(client: aiohttp.ClientSession, github: GitHubStandIn, **asked: str) -> dict[str, Any]:
        return await exchange(client, github, client_id="Iv23app", client_secret="secret", **asked)

    @staticmethod
    async def refresh(client: aiohttp.ClientSession, github: GitHubStandIn, token: str) -> dict[str, Any]:
        return await TestGitHubApps.ask(client, github, grant_type="refresh_token", refresh_token=token)

    @staticmethod
    async def status(client: aiohttp.ClientSession, github: GitHubStandIn, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        async with client.get(f"{github.url}/api/v3/user", headers=headers) as response:
            return response.status

    async def test_a_token_says_when_it_ends(self, client: aiohttp.ClientSession, github: GitHubStandIn) -> None:
        answer = await self.first(client, github)
        assert answer["access_token"].startswith("ghu_")
        assert answer["refresh_token"].startswith("ghr_")
        assert answer["expires_in"] == 28800
        assert answer["refresh_token_expires_in"] == 15897600
        assert answer["scope"] == ""
        assert await self.status(client, github, answer["access_token"]) == 200
        github.clock.advance(28801)
        assert await self.status(client, github, answer["access_token"]) == 401

    async def test_a_refresh_token_is_good_once_and_ends_the_old_pair(
        self, client: aiohttp.ClientSession, github: GitHubStandIn
    ) -> None:
        old = await self.first(client, github)
        new = await self.refresh(client, github, old["refresh_token"])
        assert await self.status(client, github, new["access_token"]) == 200
        assert await self.status(client, github, old["access_token"]) == 401
        again = await self.refresh(client, github, old["refresh_token"])
        assert again["error"] == "bad_refresh_token"
        assert "access_token" in await self.refresh(client, github, new["refresh_token"])

    async def test_an_expired_token_can_be_refreshed_and_a_revoked_one_not(
        self, client: aiohttp.ClientSession, github: GitHubStandIn
    ) -> None:
        old = await self.first(client, github)
        assert github.expire_tokens("ada") == 1
        assert await self.status(client, github, old["access_token"]) == 401
        new = await self.refresh(client, github, old["refresh_token"])
        assert github.revoke_tokens("ada") == 1
        assert (await self.refresh(client, github, new["refresh_token"]))["error"] == "bad_refresh_token"

    async def test_a_refresh_token_ends_after_six_months(
        self, client: aiohttp.ClientSession, github: GitHubStandIn
    ) -> None:
        old = await self.first(client, github)
        github.clock.advance(15897601)
        assert (await self.refresh(client, github, old["refresh_token"]))["error"] == "bad_refresh_token"


async def test_the_eleventh_token_revokes_the_first(client: aiohttp.ClientSession, github: GitHubStandIn) -> None:
    tokens = [github.issue_token("ada", ["read:org"])["access_token"] for _ in range(11)]
    github.issue_token("grace", ["read:org"])
    alive = [github.tokens.find(token or "") is not None for token in tokens]
    assert alive == [False] + [True] * 10

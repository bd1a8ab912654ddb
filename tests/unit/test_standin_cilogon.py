"""The CILogon stand-in, walked by a plain HTTP client and by oauthenticator's own checks."""

from __future__ import annotations

import base64
import hashlib
import secrets
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from oauthenticator.cilogon import CILogonOAuthenticator
from yarl import URL

from devcluster.cilogon import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, CILogonStandIn, Client, Control
from devcluster.cilogon_demo import LABORATORY, UNIVERSITY
from devcluster.standin import StandInError
from devcluster.standin_tls import certificate_file, server_context

CALLBACK = "http://127.0.0.1:8000/hub/oauth_callback"
SCOPE = "openid email profile org.cilogon.userinfo"
VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@pytest.fixture
async def cilogon() -> AsyncIterator[CILogonStandIn]:
    async with CILogonStandIn() as standin:
        yield standin


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def authorize(client: aiohttp.ClientSession, cilogon: CILogonStandIn, **parameters: str) -> dict[str, str]:
    """Return the parameters with which the browser is sent back."""
    asked = {
        "client_id": DEMO_CLIENT_ID,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": SCOPE,
        "state": "xyz",
        "login": "ada",
    }
    url = URL(f"{cilogon.url}/authorize").with_query(asked | parameters)
    async with client.get(url, allow_redirects=False) as response:
        assert response.status == 302, await response.text()
        target = URL(response.headers["Location"])
    assert str(target.with_query(None)) == CALLBACK
    assert target.query["state"] == "xyz"
    return dict(target.query)


async def token(
    client: aiohttp.ClientSession, cilogon: CILogonStandIn, **parameters: str
) -> tuple[int, dict[str, Any]]:
    asked = {
        "grant_type": "authorization_code",
        "client_id": DEMO_CLIENT_ID,
        "client_secret": DEMO_CLIENT_SECRET,
        "redirect_uri": CALLBACK,
    }
    async with client.post(f"{cilogon.url}/oauth2/token", data=asked | parameters) as response:
        return response.status, await response.json()


async def login(client: aiohttp.ClientSession, cilogon: CILogonStandIn, **parameters: str) -> dict[str, Any]:
    """Return the token endpoint's answer after a whole flow."""
    code = (await authorize(client, cilogon, **parameters))["code"]
    status, answer = await token(client, cilogon, code=code)
    assert status == 200, answer
    return answer


async def userinfo(
    client: aiohttp.ClientSession, cilogon: CILogonStandIn, access_token: str
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {access_token}"}
    async with client.get(f"{cilogon.url}/oauth2/userinfo", headers=headers) as response:
        return response.status, await response.json()


async def verified(client: aiohttp.ClientSession, cilogon: CILogonStandIn, id_token: str) -> dict[str, Any]:
    """Return an id token's claims as a careful client reads them: discovery, key set, all checks."""
    async with client.get(f"{cilogon.url}/.well-known/openid-configuration") as response:
        configuration = await response.json()
    async with client.get(configuration["jwks_uri"]) as response:
        keys = jwt.PyJWKSet.from_dict(await response.json())
    key = keys[jwt.get_unverified_header(id_token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        id_token, key, algorithms=["RS256"], audience=DEMO_CLIENT_ID, issuer=configuration["issuer"]
    )
    return claims


async def test_a_login_gives_a_signed_id_token_with_the_nonce(
    client: aiohttp.ClientSession, cilogon: CILogonStandIn
) -> None:
    answer = await login(client, cilogon, nonce="n-1")
    assert answer["token_type"] == "Bearer"
    assert "refresh_token" not in answer
    claims = await verified(client, cilogon, answer["id_token"])
    assert claims["nonce"] == "n-1"
    assert claims["sub"] == "http://cilogon.example/serverA/users/6180339"
    assert claims["isMemberOf"] == ["observatory", "observatory:imaging", "telescope-ops"]


async def test_userinfo_tells_what_the_scopes_allow(client: aiohttp.ClientSession, cilogon: CILogonStandIn) -> None:
    answer = await login(client, cilogon, scope="openid email")
    _, claims = await userinfo(client, cilogon, answer["access_token"])
    assert set(claims) == {"iss", "aud", "sub", "email"}
    answer = await login(client, cilogon)
    _, claims = await userinfo(client, cilogon, answer["access_token"])
    assert claims["idp"] == LABORATORY
    assert claims["name"] == "Ada Example"
    assert claims["uidNumber"] == "48231"
    assert claims["acr"] == "https://refeds.org/profile/mfa"


@pytest.mark.parametrize(
    ("person", "groups"),
    [
        ("ada", ["observatory", "observatory:imaging", "telescope-ops"]),
        ("grace", "observatory"),
        ("edsger", "observatory;telescope-ops"),
        ("maryam", [{"name": "observatory", "id": 70001}, {"name": "telescope-ops", "id": 70002}]),
        ("rosalind", None),
    ],
)
async def test_groups_come_in_every_shape(
    client: aiohttp.ClientSession, cilogon: CILogonStandIn, person: str, groups: Any
) -> None:
    answer = await login(client, cilogon, login=person)
    _, claims = await userinfo(client, cilogon, answer["access_token"])
    assert claims.get("isMemberOf") == groups
    assert ("isMemberOf" in claims) == (groups is not None)


async def test_claims_change_and_go_away_under_a_living_token(
    client: aiohttp.ClientSession, cilogon: CILogonStandIn
) -> None:
    answer = await login(client, cilogon)
    await Control(cilogon.url)("set_claims", login="ada", isMemberOf="other", uidNumber=None, eppn=None)
    _, claims = await userinfo(client, cilogon, answer["access_token"])
    assert claims["isMemberOf"] == "other"
    assert not {"uidNumber", "eppn"} & set(claims)


class TestRefusals:
    """What does not give a token."""

    async def test_a_code_is_good_once(self, client: aiohttp.ClientSession, cilogon: CILogonStandIn) -> None:
        code = (await authorize(client, cilogon))["code"]
        assert (await token(client, cilogon, code=code))[0] == 200
        status, answer = await token(client, cilogon, code=code)
        assert (status, answer["error"]) == (400, "invalid_grant")

    async def test_a_code_is_good_for_five_minutes(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn
    ) -> None:
        code = (await authorize(client, cilogon))["code"]
        cilogon.clock.advance(301)
        assert (await token(client, cilogon, code=code))[0] == 400

    @pytest.mark.parametrize("verifier", [{}, {"code_verifier": "x" * 64}], ids=["none", "another"])
    async def test_the_code_verifier_is_asked_for(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn, verifier: dict[str, str]
    ) -> None:
        asked = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        code = (await authorize(client, cilogon, **asked))["code"]
        assert (await token(client, cilogon, code=code, **verifier))[0] == 400
        code = (await authorize(client, cilogon, **asked))["code"]
        assert (await token(client, cilogon, code=code, code_verifier=VERIFIER))[0] == 200

    @pytest.mark.parametrize("wrong", [{"client_secret": "wrong"}, {"client_id": "unknown"}], ids=str)
    async def test_a_wrong_client_is_401(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn, wrong: dict[str, str]
    ) -> None:
        code = (await authorize(client, cilogon))["code"]
        status, answer = await token(client, cilogon, code=code, **wrong)
        assert (status, answer["error"]) == (401, "invalid_client")

    async def test_a_code_is_for_the_client_that_asked(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn
    ) -> None:
        cilogon.add_client("other", "other-secret", [CALLBACK])
        code = (await authorize(client, cilogon))["code"]
        status, _ = await token(client, cilogon, code=code, client_id="other", client_secret="other-secret")
        assert status == 400

    async def test_the_redirect_has_to_be_a_registered_one(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn
    ) -> None:
        asked = {"client_id": DEMO_CLIENT_ID, "response_type": "code", "scope": SCOPE, "login": "ada"}
        for target in ("http://evil.example/hub/oauth_callback", CALLBACK + "/below", ""):
            url = URL(f"{cilogon.url}/authorize").with_query(asked | {"redirect_uri": target})
            async with client.get(url, allow_redirects=False) as response:
                assert response.status == 400
                assert "Location" not in response.headers

    @pytest.mark.parametrize(
        ("parameters", "error"),
        [
            ({"scope": "email"}, "invalid_scope"),
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
            ({"cancel": "1"}, "access_denied"),
        ],
        ids=str,
    )
    async def test_the_client_is_told_why(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn, parameters: dict[str, str], error: str
    ) -> None:
        assert (await authorize(client, cilogon, **parameters))["error"] == error


class TestTokensThatEnd:
    """Expiry, refresh and revocation."""

    async def test_an_access_token_lives_15_minutes(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn
    ) -> None:
        answer = await login(client, cilogon)
        assert answer["expires_in"] == 900
        assert (await userinfo(client, cilogon, answer["access_token"]))[0] == 200
        cilogon.clock.advance(901)
        status, refusal = await userinfo(client, cilogon, answer["access_token"])
        assert (status, refusal["error"]) == (401, "invalid_token")

    async def test_a_refresh_token_is_good_once_and_ends_the_old_pair(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn
    ) -> None:
        cilogon.add_client(DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, [CALLBACK], refresh_tokens=True)
        old = await login(client, cilogon, nonce="n-1")
        asked = {"grant_type": "refresh_token", "refresh_token": old["refresh_token"]}
        status, new = await token(client, cilogon, **asked)
        assert status == 200
        assert (await userinfo(client, cilogon, old["access_token"]))[0] == 401
        assert (await userinfo(client, cilogon, new["access_token"]))[0] == 200
        assert "nonce" not in await verified(client, cilogon, new["id_token"])
        assert (await token(client, cilogon, **asked))[0] == 400

    async def test_an_expired_token_can_be_refreshed_and_a_revoked_one_not(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn
    ) -> None:
        cilogon.add_client(DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, [CALLBACK], refresh_tokens=True)
        old = await login(client, cilogon)
        assert cilogon.expire_tokens("ada") == 1
        assert (await userinfo(client, cilogon, old["access_token"]))[0] == 401
        asked = {"grant_type": "refresh_token", "refresh_token": old["refresh_token"]}
        _, new = await token(client, cilogon, **asked)
        assert cilogon.revoke_tokens("ada") == 1
        asked["refresh_token"] = new["refresh_token"]
        assert (await token(client, cilogon, **asked))[0] == 400

    async def test_a_client_can_revoke_its_token(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn
    ) -> None:
        answer = await login(client, cilogon)
        asked = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET}
        asked["token"] = answer["access_token"]
        async with client.post(f"{cilogon.url}/oauth2/revoke", data=asked) as response:
            assert response.status == 200
        assert (await userinfo(client, cilogon, answer["access_token"]))[0] == 401


class TestBentIdTokens:
    """Id tokens that a careful client refuses."""

    @pytest.mark.parametrize(
        ("bent", "refusal"),
        [
            ({"aud": "another-client"}, jwt.InvalidAudienceError),
            ({"iss": "https://evil.example"}, jwt.InvalidIssuerError),
            ({"exp": 1_000_000_000}, jwt.ExpiredSignatureError),
            ({"wrong_key": True}, KeyError),
        ],
        ids=str,
    )
    async def test_a_bent_token_is_refused_and_a_straight_one_is_not(
        self,
        client: aiohttp.ClientSession,
        cilogon: CILogonStandIn,
        bent: dict[str, Any],
        refusal: type[Exception],
    ) -> None:
        cilogon.bend_id_token(**bent)
        answer = await login(client, cilogon)
        with pytest.raises(refusal):
            await verified(client, cilogon, answer["id_token"])
        cilogon.reset()
        answer = await login(client, cilogon)
        assert (await verified(client, cilogon, answer["id_token"]))["aud"] == DEMO_CLIENT_ID

    async def test_a_claim_can_be_left_out(self, client: aiohttp.ClientSession, cilogon: CILogonStandIn) -> None:
        await Control(cilogon.url)("bend_id_token", nonce=None, sub=None)
        answer = await login(client, cilogon, nonce="n-1")
        assert not {"nonce", "sub"} & set(await verified(client, cilogon, answer["id_token"]))

    async def test_after_a_new_key_old_tokens_have_no_key(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn
    ) -> None:
        old = await login(client, cilogon)
        cilogon.rotate_key()
        new = await login(client, cilogon)
        assert await verified(client, cilogon, new["id_token"])
        with pytest.raises(KeyError):
            await verified(client, cilogon, old["id_token"])

    async def test_a_token_for_another_client_says_so(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn
    ) -> None:
        cilogon.add_client("other", "other-secret", [CALLBACK])
        other = cilogon.issue_token("ada", client_id="other")
        with pytest.raises(jwt.InvalidAudienceError):
            await verified(client, cilogon, other["id_token"])
        assert (await userinfo(client, cilogon, other["access_token"]))[1]["aud"] == "other"


class TestPage:
    """What a person sees."""

    async def page(self, client: aiohttp.ClientSession, cilogon: CILogonStandIn, **parameters: str) -> str:
        asked = {"client_id": DEMO_CLIENT_ID, "redirect_uri": CALLBACK, "response_type": "code"}
        url = URL(f"{cilogon.url}/authorize").with_query(asked | {"scope": SCOPE} | parameters)
        async with client.get(url) as response:
            assert response.status == 200
            return await response.text()

    async def test_people_are_listed_by_identity_provider(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn
    ) -> None:
        page = await self.page(client, cilogon)
        assert page.index(LABORATORY) < page.index('value="ada"') < page.index(UNIVERSITY)
        assert page.index(UNIVERSITY) < page.index('value="rosalind"')

    @pytest.mark.parametrize("parameter", ["selected_idp", "idphint"])
    async def test_the_identity_providers_asked_for_are_offered_in_their_order(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn, parameter: str
    ) -> None:
        page = await self.page(client, cilogon, **{parameter: UNIVERSITY})
        assert 'value="rosalind"' in page
        assert 'value="ada"' not in page
        page = await self.page(client, cilogon, **{parameter: f"{UNIVERSITY},{LABORATORY}"})
        assert page.index('value="rosalind"') < page.index('value="ada"')

    async def test_the_form_carries_the_request_on(
        self, client: aiohttp.ClientSession, cilogon: CILogonStandIn
    ) -> None:
        page = await self.page(client, cilogon, state='"><script>', nonce="n-1")
        assert "<script>" not in page
        asked = {"client_id": DEMO_CLIENT_ID, "redirect_uri": CALLBACK, "response_type": "code"}
        asked |= {"scope": SCOPE, "login": "grace", "state": "abc"}
        async with client.post(f"{cilogon.url}/authorize", data=asked, allow_redirects=False) as response:
            assert URL(response.headers["Location"]).query["state"] == "abc"


async def test_faults_and_reset_work_as_at_the_other_stand_ins(
    client: aiohttp.ClientSession, cilogon: CILogonStandIn
) -> None:
    control = Control(cilogon.url)
    answer = await login(client, cilogon)
    await control("fail", path="/oauth2/userinfo", status=503, times=1)
    statuses = [(await userinfo(client, cilogon, answer["access_token"]))[0] for _ in range(2)]
    assert statuses == [503, 200]
    await control("add_person", login="niklaus", idp=UNIVERSITY)
    assert "niklaus" in await control("state")
    await control("reset")
    assert "niklaus" not in await control("state")
    assert (await userinfo(client, cilogon, answer["access_token"]))[0] == 401
    with pytest.raises(StandInError, match="no person"):
        await control("set_claims", login="niklaus", uid="x")


async def test_oauthenticator_can_be_pointed_at_it_over_https(tmp_path: Path) -> None:
    certificate = certificate_file(tmp_path / "certificate.pem")
    async with CILogonStandIn(ssl_context=server_context(certificate)) as cilogon:
        authenticator = CILogonOAuthenticator(
            cilogon_host=URL(cilogon.url).authority,
            client_id=DEMO_CLIENT_ID,
            idps={LABORATORY: {"username_derivation": {"username_claim": "eppn"}}},
            oauth_callback_url=CALLBACK,
        )
        trusting = ssl.create_default_context(cafile=str(certificate))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as client:
            token = cilogon.issue_token("ada")["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            async with client.get(authenticator.userdata_url, headers=headers) as response:
                claims = await response.json()
            assert authenticator.user_info_to_username(claims) == "ada@laboratory.example"
            url = URL(authenticator.authorize_url).with_query(
                client_id=DEMO_CLIENT_ID, redirect_uri=CALLBACK, response_type="code", scope=SCOPE
            )
            async with client.get(url) as response:
                assert response.status == 200


def test_a_clients_secret_is_not_shown() -> None:
    assert "hidden" not in repr(Client("id", "hidden", (CALLBACK,)))

"""Logging in with an OpenID Connect provider: a certified one, over real sockets."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import urlencode, urlsplit

import pytest

from jhkube.auth import OIDCOrgAuthenticator
from jhkube.checks.provider import provider_results
from jhkube.login.numbers import DerivedIds
from tests.hub.conftest import PATIENT
from tests.hub.oidc_server import CLIENT_ID, CLIENT_SECRET, OIDCServer
from tests.hub.running import RunningHub, identity_of, logged_in, query_of

pytestmark = pytest.mark.hub_versions

OIDC = "jhkube.auth.OIDCOrgAuthenticator"
UIDS, GIDS = DerivedIds("uid", 100_000_000, 1_099_999_999), DerivedIds("gid", 1_100_000_000, 2_099_999_999)


def settings(issuer, **traits):
    return {
        "JupyterHub": {"authenticator_class": OIDC},
        "OIDCOrgAuthenticator": {
            "issuer": issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "allowed_groups": ["observatory"],
            "denied_groups": ["suspended"],
            "admin_groups": ["chiefs"],
            "group_rules": {"/(.*)": r"\1", "([^/]+)": r"\1"},
            "gids": {"telescope-ops": 70_001},
            "auth_refresh_age": 3600,
            **PATIENT,
            **traits,
        },
    }


@pytest.fixture(scope="session")
async def shared_oidc_hub(tmp_path_factory):
    hub = RunningHub(tmp_path_factory.mktemp("oidc"), {})
    async with OIDCServer(f"{hub.url}/hub/oauth_callback") as server:
        hub.settings = settings(server.issuer)
        await hub.start()
        yield hub, server
        await hub.stop()


@pytest.fixture
async def hub(shared_oidc_hub):
    return shared_oidc_hub[0]


@pytest.fixture
async def server(shared_oidc_hub):
    await shared_oidc_hub[1].set_bend()
    yield shared_oidc_hub[1]
    await shared_oidc_hub[1].set_bend()


@pytest.fixture
def add_claims(server, next_login):
    """Makes a person with these claims, and returns their login."""

    async def add(**claims):
        login = next_login()
        usual = {"groups": ["observatory"], "email": f"{login}@observatory.example", "email_verified": True}
        await server.set_person(login, **{k: v for k, v in (usual | claims).items() if v is not None})
        return login

    return add


@pytest.mark.parametrize(
    "claim",
    [["observatory", "telescope-ops"], ["/observatory", "/telescope-ops"], "observatory;telescope-ops"],
    ids=str,
)
async def test_groups_of_the_claim_are_the_hubs_groups(hub, add_claims, browse, claim):
    login = await add_claims(groups=claim)
    await logged_in(hub, browse, login)
    assert (await hub.inspect(login))["groups"] == ["observatory", "telescope-ops"]


async def test_numbers_are_derived_from_the_sub_and_the_groups(hub, server, add_claims, browse):
    login = await add_claims(name="Ada Lovelace", groups=["observatory", "telescope-ops"])
    await logged_in(hub, browse, login)
    identity = await identity_of(hub, login)
    assert identity.subject == f"oidc:{server.issuer}#{login}"
    assert (identity.uid, identity.gid) == (UIDS(login), UIDS(login))
    assert (identity.full_name, identity.email) == ("Ada Lovelace", f"{login}@observatory.example")
    assert [(group.name, group.gid) for group in identity.groups] == [
        ("observatory", GIDS("observatory")),
        ("telescope-ops", 70_001),
    ]


async def test_numbers_of_claims_win(hub, add_claims, browse):
    login = await add_claims(uidNumber=48_231, gidNumber="50000")
    await logged_in(hub, browse, login)
    identity = await identity_of(hub, login)
    assert (identity.uid, identity.gid) == (48_231, 50_000)


@pytest.mark.parametrize("claim", [None, [], "observatory2"])
async def test_who_is_in_no_allowed_group_does_not_come_in(hub, add_claims, browse, claim):
    login = await add_claims(groups=claim)
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert f"You logged in with OpenID Connect as {login}" in page.message


async def test_denying_wins_and_a_group_makes_administrators(hub, add_claims, browse):
    assert (await browse(hub, await add_claims(groups=["observatory", "suspended"])).log_in()).status == 403
    chief = await add_claims(groups=["observatory", "chiefs"])
    await logged_in(hub, browse, chief)
    assert (await hub.inspect(chief))["admin"] is True


async def test_a_name_of_another_sub_is_refused(hub, server, add_claims, browse):
    login = await add_claims()
    await logged_in(hub, browse, login)
    other = await add_claims()
    await server.set_person(other, groups=["observatory"], preferred_username=login)
    page = await browse(hub, other).log_in()
    assert page.status == 403
    assert "belongs to somebody who had this name at OpenID Connect" in page.message


async def test_a_missing_name_is_a_refusal_that_names_the_claim(hub, server, next_login, browse):
    login = next_login()
    await server.set_person(login, groups=["observatory"], preferred_username=None)
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert "the claim preferred_username is missing" in page.message


BENT = {
    "another issuer": {"claims": {"iss": "https://elsewhere.example"}},
    "another audience": {"claims": {"aud": "another-client"}},
    "another party": {"claims": {"azp": "another-client"}},
    "an end in the past": {"claims": {"iat": 1_000_000_000, "exp": 1_000_003_600}},
    "another login's nonce": {"claims": {"nonce": "0" * 64}},
    "another person": {"claims": {"sub": "somebody-else"}},
    "another's key": {"forged": True},
    "an unknown key": {"head": {"kid": "unknown"}},
    "no signature": {"head": {"alg": "none"}, "unsigned": True},
    "no token at all": {"without": ["id_token"]},
}


@pytest.mark.parametrize("bend", BENT.values(), ids=BENT)
async def test_an_id_token_that_is_not_good_lets_nobody_in(hub, server, add_claims, browse, bend):
    login = await add_claims()
    await server.set_bend(**bend)
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert "OpenID Connect" in page.message
    assert await hub.inspect(login) == {}


async def test_a_bent_token_in_which_nothing_is_changed_is_good(hub, server, add_claims, browse):
    login = await add_claims()
    await server.set_bend(claims={})
    await logged_in(hub, browse, login)


async def test_no_token_is_in_the_log_or_a_url(hub, add_claims, browse):
    login = await add_claims()
    browser = await logged_in(hub, browse, login)
    state = (await hub.inspect(login))["auth_state"]
    secret = [state[key] for key in ("access_token", "refresh_token", "id_token")]
    assert all(secret)
    assert not any(token in text for token in secret for text in (hub.log, *browser.visited))


async def test_a_refresh_learns_what_has_changed(hub, server, add_claims, browse):
    login = await add_claims()
    browser = await logged_in(hub, browse, login)
    await server.set_person(login, groups=["observatory", "imaging"])
    assert await browser.refreshed()
    assert (await hub.inspect(login))["groups"] == ["imaging", "observatory"]
    await server.set_person(login, groups=["imaging"])
    assert not await browser.refreshed()


async def test_an_outage_ends_no_session(hub, server, add_claims, browse):
    browser = await logged_in(hub, browse, await add_claims())
    await server.set_bend(fail=["/me", "/token"])
    assert await browser.refreshed()


async def test_a_token_that_has_ended_is_exchanged_and_the_refresh_token_rotates(hub, add_claims, browse):
    login = await add_claims()
    browser = await logged_in(hub, browse, login)
    before = (await hub.inspect(login))["auth_state"]
    old = before | {"access_token": "ended", "token_response": before["token_response"] | {"access_token": "ended"}}
    await hub.change(login, old)
    assert await browser.refreshed()
    after = (await hub.inspect(login))["auth_state"]
    assert after["access_token"] not in (before["access_token"], "ended")
    assert after["refresh_token"] != before["refresh_token"]
    assert await browser.refreshed()


@pytest.fixture
async def id_token_hub(start_hub, tmp_path):
    """A hub that reads claims from the id token, and its provider."""
    hub = RunningHub(tmp_path, {})
    async with OIDCServer(f"{hub.url}/hub/oauth_callback") as server:
        hub.settings = settings(server.issuer, userdata_from_id_token=True)
        await hub.start()
        yield hub, server
        await hub.stop()


async def test_claims_may_come_from_the_id_token_alone(id_token_hub, browse, next_login):
    hub, server = id_token_hub
    login = next_login()
    await server.set_person(login, groups=["observatory"])
    await server.set_bend(fail=["/me"])
    browser = await logged_in(hub, browse, login)
    assert (await hub.inspect(login))["groups"] == ["observatory"]
    # Half of its life is over, so it is renewed.
    await server.set_person(login, groups=["observatory", "imaging"])
    state = (await hub.inspect(login))["auth_state"]
    state["token_response"]["expires_at"] -= 1801
    await hub.change(login, state)
    assert await browser.refreshed()
    assert (await hub.inspect(login))["groups"] == ["imaging", "observatory"]


async def test_a_provider_that_calls_itself_otherwise_lets_nobody_in(hub, server, start_hub, browse, add_claims):
    other = await start_hub(settings(server.issuer.replace("127.0.0.1", "localhost")))
    page = await browse(other, await add_claims()).log_in()
    assert page.status == 503
    assert "OpenID Connect did not answer as it should" in page.message


async def test_who_takes_a_scope_away_hides_no_group_that_is_denied(id_token_hub, start_hub, browse, next_login):
    hub, server = id_token_hub
    await hub.stop()
    hub.settings = settings(server.issuer, username_claim="sub", allow_all=True, allowed_groups=[])
    await hub.start()
    login, harmless = next_login(), next_login()
    await server.set_person(login, groups=["observatory", "suspended"])
    await server.set_person(harmless)
    for scope in ("openid", "openid email"):
        browser = browse(hub, login)
        page = await browser.open("/hub/oauth_login", stop_at="/authorize")
        narrowed = urlencode({**query_of(page.url), "scope": scope})
        page = await browser.open(urlsplit(page.url)._replace(query=narrowed).geturl())
        assert page.status == 403
        assert "did not let the hub see your groups at OpenID Connect" in page.message
        assert await hub.inspect(login) == {}
    assert (await browse(hub, login).log_in()).status == 403
    # Who has no groups has no such claim.
    await logged_in(hub, browse, harmless)


@pytest.mark.parametrize("verified", [False, "False"])
async def test_an_address_that_nobody_verified_is_no_name(id_token_hub, browse, next_login, verified):
    hub, server = id_token_hub
    await hub.stop()
    hub.settings = settings(server.issuer, username_claim="email")
    await hub.start()
    login = next_login()
    claims = {"groups": ["observatory"], "email": "chief@observatory.example"}
    await server.set_person(login, **claims, email_verified=verified)
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert "the address in the claim email is not verified" in page.message
    await server.set_person(login, **claims, email_verified=True)
    assert (await browse(hub, login).log_in()).status == 200


async def checked(issuer, hub, **traits):
    given = {"issuer": issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    callback = f"{hub.url}/hub/oauth_callback"
    authenticator = OIDCOrgAuthenticator(oauth_callback_url=callback, **(given | traits))
    found = provider_results(SimpleNamespace(authenticator=authenticator))
    return [f"{each.status.name} {each.text}" async for each in found]


async def test_check_says_that_the_provider_knows_this_hub(hub, server):
    assert await checked(server.issuer, hub) == [
        f"PASSED {server.issuer} signs id tokens with 1 known keys",
        f"PASSED OpenID Connect answers, and takes this hub for its client {CLIENT_ID}",
    ]


@pytest.mark.parametrize(
    ("traits", "says"),
    [
        ({"client_secret": "another"}, "OpenID Connect does not take this hub's credentials"),
        ({"client_id": "another"}, "OpenID Connect does not take this hub's credentials"),
        ({"client_secret": ""}, "c.OIDCOrgAuthenticator.client_secret: not set"),
    ],
)
async def test_check_says_what_the_provider_does_not_know(hub, server, traits, says):
    found = await checked(server.issuer, hub, **traits)
    assert any(text.startswith(f"FAILED {says}") for text in found), found


async def test_check_says_that_the_issuer_is_another(hub, server):
    other = server.issuer.replace("127.0.0.1", "localhost")
    (found,) = await checked(other, hub)
    assert found.startswith(f"FAILED the provider calls itself {server.issuer}, and this hub expects {other}")

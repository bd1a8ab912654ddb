"""Logging in with CILogon: groups in every shape, numbers that stay, and id tokens that hold."""

from __future__ import annotations

import asyncio
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from devcluster.cilogon import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, CILogonStandIn, Client
from devcluster.cilogon_demo import LABORATORY, UNIVERSITY
from jhkube.login.numbers import DerivedIds
from tests.hub.conftest import PATIENT
from tests.hub.running import CILOGON, RunningHub, identity_of, logged_in, query_of

pytestmark = pytest.mark.hub_versions

UIDS, GIDS = DerivedIds("uid", 100_000_000, 1_099_999_999), DerivedIds("gid", 1_100_000_000, 2_099_999_999)


@pytest.fixture(scope="session")
async def shared_cilogon():
    async with CILogonStandIn({}) as cilogon:
        yield cilogon


@pytest.fixture(scope="session")
async def shared_cilogon_hub(shared_cilogon, tmp_path_factory):
    hub = RunningHub(
        tmp_path_factory.mktemp("cilogon"),
        {
            "JupyterHub": {"authenticator_class": CILOGON},
            "CILogonGroupAuthenticator": {
                "issuer": shared_cilogon.url,
                "client_id": DEMO_CLIENT_ID,
                "client_secret": DEMO_CLIENT_SECRET,
                "idps": {
                    LABORATORY: {
                        "username_derivation": {
                            "username_claim": "eppn",
                            "action": "strip_idp_domain",
                            "domain": "laboratory.example",
                        }
                    },
                    UNIVERSITY: {
                        "username_derivation": {"username_claim": "email", "action": "prefix", "prefix": "uni"},
                        "allow_all": True,
                    },
                },
                "allowed_groups": ["observatory"],
                "denied_groups": ["suspended"],
                "admin_groups": ["chiefs"],
                "group_rules": {"CO:COU:(.*):members:active": r"\1", "CO:.*": None, "([^:]+)": r"\1"},
                "uids": {"http://cilogon.example/serverA/users/listed": 60_100},
                "gids": {"telescope-ops": 70_001},
                "auth_refresh_age": 3600,
                **PATIENT,
            },
        },
    )
    callbacks = (f"{hub.url}/hub/oauth_callback",)
    shared_cilogon.clients[DEMO_CLIENT_ID] = Client(DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, callbacks)
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def cilogon(shared_cilogon):
    shared_cilogon.heal()
    shared_cilogon.bend_id_token()
    yield shared_cilogon
    shared_cilogon.heal()
    shared_cilogon.bend_id_token()
    shared_cilogon.clock.offset = 0.0


@pytest.fixture
async def hub(shared_cilogon_hub, cilogon):
    return shared_cilogon_hub


@pytest.fixture
def add_claims(shared_cilogon, next_login):
    """Makes a person of the laboratory with these claims, and returns their login."""

    def add(**claims):
        login = next_login()
        usual = {"idp": LABORATORY, "eppn": f"{login}@laboratory.example", "isMemberOf": ["observatory"]}
        shared_cilogon.add_person(login, **{k: v for k, v in (usual | claims).items() if v is not None})
        return login

    return add


@pytest.mark.parametrize(
    "claim",
    [
        ["observatory", "telescope-ops"],
        "observatory;telescope-ops",
        " observatory ; telescope-ops ;",
        [{"name": "observatory", "id": 70_000}, {"name": "telescope-ops"}],
        ["CO:COU:observatory:members:active", "CO:members:all", "telescope-ops"],
    ],
    ids=str,
)
async def test_groups_are_understood_in_every_shape(hub, add_claims, browse, claim):
    login = add_claims(isMemberOf=claim)
    await logged_in(hub, browse, login)
    assert (await hub.inspect(login))["groups"] == ["observatory", "telescope-ops"]


async def test_one_string_is_one_group_and_not_its_letters(hub, add_claims, browse):
    login = add_claims(isMemberOf="observatory")
    await logged_in(hub, browse, login)
    assert (await hub.inspect(login))["groups"] == ["observatory"]


async def test_a_claim_that_cannot_be_read_admits_nobody(hub, add_claims, browse):
    page = await browse(hub, add_claims(isMemberOf=[["observatory"]])).log_in()
    assert page.status == 403
    assert "the claim isMemberOf cannot be read" in page.message


@pytest.mark.parametrize("claim", [None, [], "", ["observatory2"]])
async def test_who_is_in_no_allowed_group_does_not_come_in(hub, add_claims, browse, claim):
    login = add_claims(isMemberOf=claim)
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert f"You logged in with CILogon as {login}" in page.message
    assert "observatory" not in page.message


async def test_denying_wins_over_allowing(hub, add_claims, browse):
    assert (await browse(hub, add_claims(isMemberOf="observatory;suspended;chiefs")).log_in()).status == 403


async def test_denying_wins_over_an_identity_provider_that_allows_all(hub, add_claims, browse):
    claims = {"idp": UNIVERSITY, "email": "a@university.example"}
    assert (await browse(hub, add_claims(isMemberOf=["suspended"], **claims)).log_in()).status == 403


async def test_identity_providers_and_names_are_as_upstream_has_them(hub, add_claims, browse):
    login = add_claims(idp=UNIVERSITY, email="mary@university.example", isMemberOf=None)
    await logged_in(hub, browse, login)
    assert (await hub.inspect("uni:mary@university.example"))["auth_state"]["cilogon_user"]["idp"] == UNIVERSITY


async def test_hub_names_that_unix_cannot_have_are_made_valid_and_stay_distinct(hub, add_claims, browse):
    names = set()
    for address in ("lin@university.example", "lin+2@university.example"):
        await logged_in(hub, browse, add_claims(idp=UNIVERSITY, email=address, isMemberOf=None))
        names.add((await identity_of(hub, f"uni:{address}")).name)
    assert len(names) == 2
    assert not any(":" in name for name in names)


async def test_somebody_of_an_identity_provider_that_is_not_configured_does_not_come_in(hub, add_claims, browse):
    assert (await browse(hub, add_claims(idp="https://elsewhere.example")).log_in()).status == 403


async def test_the_page_for_such_a_person_is_the_hubs_own(hub, add_claims, browse):
    page = await browse(hub, add_claims(idp="https://elsewhere.example")).log_in()
    assert "with the identity provider https://elsewhere.example, which this hub does not accept" in page.message


ODD_CLAIMS = [
    ({"eppn": None}, "the claim eppn is missing"),
    ({"eppn": ""}, "the claim eppn is missing"),
    ({"eppn": ["a@laboratory.example", "b@laboratory.example"]}, "the claim eppn is a list, and not one text"),
    ({"idp": None}, "the claim idp is missing"),
    ({"idp": [LABORATORY]}, "the claim idp is a list, and not one text"),
    ({"uidNumber": "9" * 5000}, "the claim uidNumber is no number"),
    ({"isMemberOf": 7}, "the claim isMemberOf cannot be read"),
    ({"idp": "\ud800"}, "the claim idp has an incomplete Unicode character"),
]


@pytest.mark.parametrize(("claims", "says"), ODD_CLAIMS, ids=[says for _, says in ODD_CLAIMS])
async def test_a_claim_that_an_account_is_made_of_and_cannot_be_used_is_a_refusal_that_names_it(
    hub, add_claims, browse, claims, says
):
    seen = len(hub.log)
    page = await browse(hub, add_claims(**claims)).log_in()
    assert page.status == 403
    assert says in page.message
    assert "Traceback" not in hub.log[seen:]


@pytest.mark.parametrize(("claims", "says"), ODD_CLAIMS, ids=[says for _, says in ODD_CLAIMS])
async def test_a_session_goes_on_for_a_time_with_an_odd_claim_and_it_is_no_outage(
    hub, cilogon, add_claims, browse, claims, says
):
    browser = await logged_in(hub, browse, add_claims())
    seen = len(hub.log)
    cilogon.set_claims(browser.login, **claims)
    assert await browser.refreshed()
    assert says in hub.log[seen:]
    assert "does not answer" not in hub.log[seen:]
    state = (await hub.inspect(browser.login))["auth_state"]
    state["jhkube_known_at"] -= 8 * 3600 + 1
    await hub.change(browser.login, state)
    assert not await browser.refreshed()


@pytest.mark.parametrize("body", ["[]", "null", '"ada"', "", "{}", '{"sub": ["ada"]}', '{"sub": {"a": 1}}'])
async def test_an_answer_that_describes_no_person_lets_nobody_in_and_ends_no_session(
    hub, cilogon, add_claims, browse, body
):
    browser = await logged_in(hub, browse, add_claims())
    seen = len(hub.log)
    cilogon.fail("/oauth2/userinfo", body=body)
    assert await browser.refreshed()
    assert (await browse(hub, add_claims()).log_in()).status in (403, 503)
    assert "Traceback" not in hub.log[seen:]


@pytest.mark.parametrize("expires_in", ["soon", [900], 1e400, -5, None])
async def test_a_lifetime_that_is_none_stops_no_login(hub, cilogon, add_claims, browse, expires_in):
    login = add_claims()
    browser = browse(hub, login)
    page = await browser.open("/hub/oauth_login?next=%2Fhub%2Fhome", stop_at="/authorize")
    cilogon.bend_id_token(nonce=query_of(page.url)["nonce"])
    answer = cilogon.issue_token(login) | {"expires_in": expires_in, "token_type": ["Bearer"], "scope": 5}
    cilogon.fail("/oauth2/token", body=json.dumps(answer))
    assert (await browser.open(page.url)).status == 200


async def test_a_group_makes_administrators(hub, add_claims, browse):
    login = add_claims(isMemberOf=["observatory", "chiefs"])
    await logged_in(hub, browse, login)
    assert (await hub.inspect(login))["admin"] is True


@pytest.mark.parametrize("number", [48_231, "48231"])
async def test_uid_and_gid_are_those_of_the_claims(hub, cilogon, add_claims, browse, number):
    uid = int(number) + len(cilogon.people)
    login = add_claims(uidNumber=type(number)(uid), gidNumber=type(number)(50_000))
    await logged_in(hub, browse, login)
    identity = await identity_of(hub, login)
    assert (identity.uid, identity.gid) == (uid, 50_000)


async def test_a_uid_is_derived_from_the_sub_where_no_claim_has_one(hub, cilogon, add_claims, browse):
    login = add_claims()
    await logged_in(hub, browse, login)
    identity = await identity_of(hub, login)
    subject = cilogon.person(login)["sub"]
    assert (identity.uid, identity.gid, identity.subject) == (UIDS(subject), UIDS(subject), f"cilogon:{subject}")


async def test_gids_are_the_tables_the_claims_or_derived(hub, add_claims, browse):
    groups = [{"name": "observatory"}, {"name": "telescope-ops", "id": 9}, {"name": "imaging", "id": 70_002}]
    login = add_claims(isMemberOf=groups)
    await logged_in(hub, browse, login)
    assert [(group.name, group.gid) for group in (await identity_of(hub, login)).groups] == [
        ("observatory", GIDS("observatory")),
        ("telescope-ops", 70_001),
        ("imaging", 70_002),
    ]


@pytest.mark.parametrize("number", ["no number", 17, 2**31, UIDS("anybody"), True])
async def test_a_uid_that_cannot_be_used_is_refused_and_the_log_says_why(hub, add_claims, browse, number):
    login = add_claims(uidNumber=number)
    assert (await browse(hub, login).log_in()).status == 403
    assert hub.warnings(f"{login} cannot be given an account: the ")


async def test_two_people_never_share_a_uid(hub, add_claims, browse):
    first, second = add_claims(uidNumber=60_001), add_claims(uidNumber=60_001)
    await logged_in(hub, browse, first)
    assert (await browse(hub, second).log_in()).status == 403
    assert hub.warnings("uid 60001 of cilogon:")


@pytest.mark.parametrize("number", [{"uidNumber": 60_100}, {"gidNumber": 60_100}, {"gidNumber": 70_001}])
async def test_a_number_of_the_tables_is_refused_to_everybody_else_before_its_owner_comes(
    hub, add_claims, browse, number
):
    login = add_claims(**number)
    assert (await browse(hub, login).log_in()).status == 403
    assert hub.warnings(f"{login} cannot be given an account: the ")
    assert await hub.inspect(login) == {}


async def test_a_gid_that_is_somebodys_uid_is_refused(hub, add_claims, browse):
    await logged_in(hub, browse, add_claims(uidNumber=60_201))
    assert (await browse(hub, add_claims(uidNumber=60_202, gidNumber=60_201)).log_in()).status == 403
    assert hub.warnings("gid 60201 of cilogon:")


async def test_a_group_whose_gid_is_anothers_is_taken_from_the_person_who_comes_in(hub, add_claims, browse):
    await logged_in(hub, browse, add_claims(uidNumber=60_301))
    groups = ["observatory", {"name": "found-by-search", "id": 60_301}, {"name": "ops", "id": 70_001}]
    login = add_claims(isMemberOf=groups)
    browser = await logged_in(hub, browse, login)
    assert [group.name for group in (await identity_of(hub, login)).groups] == ["observatory"]
    assert (await hub.inspect(login))["groups"] == ["found-by-search", "observatory", "ops"]
    before = await hub.inspect(login)
    assert await browser.refreshed()
    assert await hub.inspect(login) == before


async def test_an_escaped_semicolon_is_part_of_a_groups_name(hub, add_claims, browse):
    login = add_claims(isMemberOf=r"observatory;x\;chiefs")
    await logged_in(hub, browse, login)
    found = await hub.inspect(login)
    assert (found["groups"], found["admin"]) == (["observatory", "x;chiefs"], False)


async def test_name_and_address_come_from_the_claims(hub, add_claims, browse):
    login = add_claims(name="مریم نمونه", email="maryam@laboratory.example")
    await logged_in(hub, browse, login)
    identity = await identity_of(hub, login)
    assert (identity.full_name, identity.email) == ("مریم نمونه", "maryam@laboratory.example")


async def test_a_name_of_another_sub_is_refused(hub, cilogon, add_claims, browse):
    login = add_claims()
    await logged_in(hub, browse, login)
    cilogon.set_claims(login, sub="http://cilogon.example/serverA/users/another")
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert "belongs to somebody who had this name at CILogon" in page.message


@pytest.mark.parametrize(
    ("bent", "why"),
    [
        ({"aud": "another-client"}, "InvalidAudienceError"),
        ({"aud": None}, "MissingRequiredClaimError"),
        ({"azp": "another-client"}, "for another client"),
        ({"iss": "https://evil.example"}, "InvalidIssuerError"),
        ({"exp": 1_700_000_000}, "ExpiredSignatureError"),
        ({"exp": None}, "MissingRequiredClaimError"),
        ({"nonce": "another"}, "of another login"),
        ({"nonce": None}, "of another login"),
        ({"wrong_key": True}, "InvalidKeyError"),
        ({"sub": "http://cilogon.example/serverA/users/another"}, "about a different person"),
    ],
    ids=str,
)
async def test_an_id_token_that_does_not_hold_is_refused(hub, cilogon, add_claims, browse, bent, why):
    login = add_claims()
    cilogon.bend_id_token(**bent)
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert why in page.message
    assert await hub.inspect(login) == {}


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256"])
async def test_an_id_token_that_anybody_could_have_signed_is_refused(hub, cilogon, add_claims, browse, algorithm):
    login = add_claims()
    browser = browse(hub, login)
    page = await browser.open("/hub/oauth_login", stop_at="/authorize")
    answer = cilogon.issue_token(login)
    claims = jwt.decode(answer["id_token"], options={"verify_signature": False})
    claims["nonce"] = query_of(page.url)["nonce"]
    own_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    secret = {"none": None, "HS256": DEMO_CLIENT_SECRET, "RS256": own_key}[algorithm]
    # Each names the provider's own key, as a forger would.
    answer["id_token"] = jwt.encode(claims, secret, algorithm=algorithm, headers={"kid": cilogon.key.key_id})
    cilogon.fail("/oauth2/token", body=json.dumps(answer))
    page = await browser.open(page.url)
    assert page.status == 403
    assert ("InvalidSignatureError" if algorithm == "RS256" else "InvalidAlgorithmError") in page.message
    assert await hub.inspect(login) == {}


async def test_no_id_token_at_all_is_refused(hub, cilogon, add_claims, browse):
    login = add_claims()
    answer = cilogon.issue_token(login)
    del answer["id_token"]
    cilogon.fail("/oauth2/token", body=json.dumps(answer))
    assert (await browse(hub, login).log_in()).status == 403


async def test_a_login_whose_nonce_was_changed_on_the_way_is_refused(hub, add_claims, browse):
    browser = browse(hub, add_claims())
    page = await browser.open("/hub/oauth_login", stop_at="/authorize")
    nonce = query_of(page.url)["nonce"]
    page = await browser.open(page.url.replace(nonce, "0" * len(nonce)))
    assert page.status == 403
    assert "of another login" in page.message


async def test_the_code_of_another_browsers_login_is_refused(hub, add_claims, browse):
    attacker, victim = browse(hub, add_claims()), browse(hub, add_claims())
    stolen = query_of((await attacker.open("/hub/oauth_login", stop_at="/hub/oauth_callback")).url)["code"]
    callback = (await victim.open("/hub/oauth_login", stop_at="/hub/oauth_callback")).url
    page = await victim.open(f"/hub/oauth_callback?code={stolen}&state={query_of(callback)['state']}")
    assert page.status == 403
    assert "invalid_grant" in page.message


async def test_keys_that_the_provider_has_changed_are_fetched(hub, cilogon, add_claims, browse):
    await logged_in(hub, browse, add_claims())
    cilogon.rotate_key()
    # Keys are asked for again after 10 s at the earliest.
    async with asyncio.timeout(240):
        while (await browse(hub, add_claims()).log_in()).status != 200:
            await asyncio.sleep(0.5)


async def test_people_keep_working_while_the_provider_is_down(hub, cilogon, add_claims, browse):
    browser = await logged_in(hub, browse, add_claims())
    cilogon.fail("/oauth2/userinfo", status=503)
    assert await browser.refreshed()


async def test_who_leaves_the_last_allowed_group_is_out(hub, cilogon, add_claims, browse):
    browser = await logged_in(hub, browse, add_claims())
    cilogon.set_claims(browser.login, isMemberOf=["elsewhere"])
    assert not await browser.refreshed()


async def test_who_joins_a_denied_group_is_out(hub, cilogon, add_claims, browse):
    browser = await logged_in(hub, browse, add_claims())
    cilogon.set_claims(browser.login, isMemberOf=["observatory", "suspended"])
    assert not await browser.refreshed()


async def test_group_changes_reach_the_hub(hub, cilogon, add_claims, browse):
    browser = await logged_in(hub, browse, add_claims())
    cilogon.set_claims(browser.login, isMemberOf=["observatory", "imaging"])
    assert await browser.refreshed()
    assert (await hub.inspect(browser.login))["groups"] == ["imaging", "observatory"]


async def test_a_revoked_token_ends_the_session(hub, cilogon, add_claims, browse):
    browser = await logged_in(hub, browse, add_claims())
    cilogon.revoke_tokens(browser.login)
    assert not await browser.refreshed()


async def age(hub, browser, seconds):
    """Let the hub take a person's token for so much older."""
    state = (await hub.inspect(browser.login))["auth_state"]
    state["token_response"]["expires_at"] -= seconds
    await hub.change(browser.login, state)


async def test_a_token_that_ended_by_itself_costs_no_session_for_some_hours(hub, cilogon, add_claims, browse):
    browser = await logged_in(hub, browse, add_claims())
    cilogon.expire_tokens(browser.login)
    await age(hub, browser, 901)
    assert await browser.refreshed()
    await age(hub, browser, 8 * 3600)
    assert not await browser.refreshed()


async def test_a_token_that_ends_is_renewed_where_the_client_gets_refresh_tokens(hub, cilogon, add_claims, browse):
    client = cilogon.clients[DEMO_CLIENT_ID]
    cilogon.clients[DEMO_CLIENT_ID] = Client(
        client.client_id, client.client_secret, client.callback_urls, refresh_tokens=True
    )
    try:
        browser = await logged_in(hub, browse, add_claims())
        before = (await hub.inspect(browser.login))["auth_state"]
        cilogon.expire_tokens(browser.login)
        assert await browser.refreshed()
        after = (await hub.inspect(browser.login))["auth_state"]
        assert {before["access_token"], before["refresh_token"]}.isdisjoint(
            {after["access_token"], after["refresh_token"]}
        )
        assert await browser.refreshed()
    finally:
        cilogon.clients[DEMO_CLIENT_ID] = client

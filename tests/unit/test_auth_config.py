"""Mistakes in an authenticator's configuration are found at the hub's start."""

from __future__ import annotations

import logging

import pytest
from oauthenticator.oauth2 import OAuthenticator
from traitlets import TraitError
from traitlets.config import Config
from traitlets.utils.importstring import import_item

from jhkube.auth import CILogonGroupAuthenticator, GitHubOrgAuthenticator, OIDCOrgAuthenticator
from jhkube.identity import UnixGroup, UserIdentity
from jhkube.login.errors import ProviderUnavailable, Refused, TokenRejected
from jhkube.login.openid import IdTokens

IDPS = {"https://idp.example/shibboleth": {"username_derivation": {"username_claim": "eppn"}}}

AUTHENTICATORS = [GitHubOrgAuthenticator, CILogonGroupAuthenticator, OIDCOrgAuthenticator]


def github(**traits):
    authenticator = GitHubOrgAuthenticator(config=Config({"GitHubOrgAuthenticator": traits}))
    authenticator.check_allow_config()
    return authenticator


def cilogon(**traits):
    config = Config({"CILogonGroupAuthenticator": {"idps": IDPS, "allowed_groups": {"lab"}, **traits}})
    authenticator = CILogonGroupAuthenticator(config=config)
    authenticator.check_allow_config()
    return authenticator


@pytest.mark.parametrize(
    ("traits", "says"),
    [
        ({"allowed_organizations": {"lab/imaging"}}, r"allowed_organizations: 'lab/imaging' can never match"),
        ({"allowed_organizations": {"My Lab"}}, r"allowed_organizations: 'My Lab' can never match"),
        ({"allowed_organizations": {""}}, r"allowed_organizations: '' can never match"),
        ({"allowed_organizations": {"*"}}, r"allowed_organizations: '\*' can never match"),
        ({"allowed_teams": {"imaging"}}, r"allowed_teams: 'imaging' can never match: it should be `org:team`"),
        ({"denied_organizations": {"@lab"}}, r"denied_organizations: '@lab' can never match"),
        ({"admin_organizations": {"lab:a:b"}}, r"admin_organizations: 'lab:a:b' can never match"),
        ({"group_rules": {"lab/(.*)": "x"}}, r"group_rules: 'lab/\(\.\*\)' can never match"),
        ({"group_priority": ["lab/imaging"]}, r"group_priority: 'lab/imaging' can never match"),
        (
            {"allowed_organizations": {"Lab"}, "denied_organizations": {"lab"}},
            r"allowed_organizations: 'Lab' can never let anybody in: it is in denied_organizations",
        ),
        (
            {"group_rules": {"lab": "staff"}, "allowed_groups": {"lab"}},
            r"allowed_groups: 'lab' can never match: no rule of group_rules gives",
        ),
        ({"group_rules": {".*": None}, "admin_groups": {"lab"}}, r"admin_groups: 'lab' can never match"),
        ({"account_handovers": {"ada": "6180339"}}, r"account_handovers: 'ada': '6180339' is not an id"),
        (
            {"account_handovers": {"Ada": "github:1", "ada": "github:2"}},
            r"account_handovers: 'Ada' is there twice, since the hub writes names in lower case",
        ),
        ({"low_id_offset": 5}, r"low_id_offset leads to 6 to 1004"),
        ({"team_gid_offset": 2_000_000_000}, r"team_gid_offset leads to"),
        ({"minimum_id": 0}, r"minimum_id"),
        ({"git_access": "everything"}, r"git_access"),
    ],
)
def test_a_mistake_about_github_is_an_error_with_the_traits_name(traits, says):
    with pytest.raises(TraitError, match=says):
        github(**({"allowed_teams": {"some:team"}} | traits))


@pytest.mark.parametrize(
    ("traits", "says"),
    [
        ({"allow_all": True}, "allow_all: lets everybody in, so allowed_teams decide nothing"),
        ({"scope": ["user:email"]}, "scope: has no `read:org`: allowed_teams see public memberships only"),
        ({"scope": ["read:org"], "git_access": "all"}, "scope: is set without `repo`, so git_access = 'all'"),
        ({"scope": ["read:org"], "git_access": "public"}, "scope: is set without `public_repo`"),
        ({"enable_auth_state": False}, "enable_auth_state: is off"),
        ({"auth_refresh_age": 0}, "auth_refresh_age: is 0"),
        ({"manage_groups": False}, "manage_groups: is off"),
        ({"group_rules": {"lab:(.*)": r"\1"}}, "group_rules: can give a group any name"),
        ({"unknown_identity": "accept"}, "unknown_identity: is `accept`"),
    ],
)
def test_what_upstream_allows_is_a_warning(traits, says, caplog):
    logging.getLogger("traitlets").propagate = True
    github(**({"allowed_teams": {"some:team"}} | traits))
    assert f"GitHubOrgAuthenticator.{says}" in caplog.text


def test_a_configuration_without_mistakes_says_nothing(caplog):
    logging.getLogger("traitlets").propagate = True
    github(
        allowed_organizations={"lab", "partner:guests"},
        denied_organizations={"lab:suspended"},
        git_access="all",
        group_rules={"lab:(.*)": r"team-\1"},
        admin_groups={"team-admins"},
        low_id_offset=1_950_000_000,
    )
    assert caplog.text == ""


def test_nobody_let_in_is_upstreams_warning(caplog):
    logging.getLogger("traitlets").propagate = True
    github()
    assert "No allow config found" in caplog.text


@pytest.mark.parametrize(
    ("traits", "says"),
    [
        ({"idps": {}}, r"idps"),
        ({"denied_groups": {"lab"}}, r"allowed_groups: 'lab' can never let anybody in: it is in denied_groups"),
        ({"group_rules": {"(": "x"}}, r"group_rules: '\(': 'x' is not a valid rule"),
        ({"uid_range": (5, 10)}, r"uid_range is not within minimum_id"),
        ({"gid_range": (500_000_000, 600_000_000)}, r"uid_range and gid_range overlap"),
        ({"uids": {"a": 5000, "b": 5000}}, r"uids gives 5000 to 'a' and 'b'"),
        ({"number_secret": "short"}, r"number_secret: has fewer than 32 characters"),
    ],
)
def test_a_mistake_about_cilogon_is_an_error_with_the_traits_name(traits, says):
    with pytest.raises((TraitError, ValueError), match=says):
        cilogon(**traits)


def oidc(**traits):
    usual = {"issuer": "https://idp.example", "allowed_groups": {"lab"}, "number_secret": "5" * 64}
    authenticator = OIDCOrgAuthenticator(config=Config({"OIDCOrgAuthenticator": usual | traits}))
    authenticator.check_allow_config()
    return authenticator


@pytest.mark.parametrize(
    ("traits", "says"),
    [
        ({"issuer": ""}, r"issuer: is not set"),
        ({"issuer": "idp.example"}, r"issuer: is 'idp\.example': it should be a URL"),
        ({"issuer": "https://["}, r"issuer: is 'https://\[': it should be a URL"),
        ({"issuer": "https://idp.example/#lab"}, r"issuer: is 'https://idp\.example/#lab': it should be a URL"),
        ({"scope": ["profile"]}, r"scope: has no `openid`"),
        ({"number_secret": "short"}, r"number_secret: has fewer than 32 characters"),
        ({"account_handovers": {"ada": "oidc:1"}}, r"account_handovers: 'ada': 'oidc:1' is not an id"),
    ],
)
def test_a_mistake_about_openid_connect_is_an_error_with_the_traits_name(traits, says):
    with pytest.raises(TraitError, match=rf"OIDCOrgAuthenticator\.{says}"):
        oidc(**traits)


@pytest.mark.parametrize(("issuer", "warns"), [("http://idp.example", True), ("https://idp.example/a", False)])
def test_a_provider_without_encryption_is_a_warning(issuer, warns, caplog):
    logging.getLogger("traitlets").propagate = True
    oidc(issuer=issuer, account_handovers={"ada": "oidc:https://idp.example/a#1"})
    assert ("issuer: begins with http" in caplog.text) is warns


@pytest.mark.parametrize(
    "endpoint",
    [None, 7, "", "/token", "http://idp.example/token", "file:///token", "https:token", "https://["],
    ids=str,
)
async def test_an_address_that_a_provider_should_not_name_is_not_taken(endpoint):
    made = oidc()

    async def configuration(url):
        addresses = {"authorization_endpoint": "https://idp.example/a", "userinfo_endpoint": "https://idp.example/u"}
        return {"issuer": "https://idp.example", **addresses, "token_endpoint": endpoint}

    made.id_tokens = IdTokens("an idp", "https://idp.example", "client", configuration)
    with pytest.raises(ProviderUnavailable) as raised:
        await made.discover()
    assert "no usable token_endpoint" in raised.value.what
    assert made.authorize_url == ""


@pytest.mark.parametrize("token", [7, ["a.b.c"], "a.b.c", "..", "ada\ud800"], ids=ascii)
async def test_what_is_no_id_token_is_refused(token):
    tokens = IdTokens("an idp", "https://idp.example", "client", None)
    with pytest.raises(TokenRejected, match="an idp sent an invalid id token"):
        await tokens.claims(token, nonce=None)


async def test_addresses_that_are_set_are_kept_and_the_others_discovered():
    made = oidc(token_url="https://proxy.example/token")

    async def configuration(url):
        assert url == "https://idp.example/.well-known/openid-configuration"
        paths = {"authorization": "a", "token": "t", "userinfo": "u"}
        found = {f"{name}_endpoint": f"https://idp.example/{path}" for name, path in paths.items()}
        return {"issuer": "https://idp.example", **found}

    made.id_tokens = IdTokens("an idp", "https://idp.example", "client", configuration)
    await made.discover()
    assert (made.authorize_url, made.token_url) == ("https://idp.example/a", "https://proxy.example/token")
    assert made.userdata_url == "https://idp.example/u"


def test_a_list_in_a_set_is_refused_by_the_traits_name():
    with pytest.raises(TraitError, match="'allowed_organizations' trait of a GitHubOrgAuthenticator instance"):
        GitHubOrgAuthenticator(allowed_organizations=[["lab"]])


def test_a_handover_is_found_by_the_name_that_the_hub_gives_to_its_user():
    made = github(allow_all=True, account_handovers={"Ada": "github:1"}, username_map={"eve": "grace"})
    assert made.handovers == {"ada": "github:1"}
    made.account_handovers = {"Eve": "github:2"}
    assert made.handovers == {"grace": "github:2"}


@pytest.mark.parametrize("everybody", [{"allow_all": True}, {"allowed_domains": ["*"]}])
def test_an_identity_provider_that_lets_everybody_in_is_a_warning(everybody, caplog):
    logging.getLogger("traitlets").propagate = True
    idps = {entity: settings | everybody for entity, settings in IDPS.items()}
    cilogon(idps=idps)
    assert "idps: lets everybody of https://idp.example/shibboleth in" in caplog.text


@pytest.mark.parametrize(("secret", "warns"), [("", True), ("5" * 64, False)])
def test_numbers_without_a_secret_are_a_warning(secret, warns, caplog):
    logging.getLogger("traitlets").propagate = True
    cilogon(number_secret=secret)
    assert ("number_secret: is not set, so everybody can compute derived gids" in caplog.text) is warns


def test_a_missing_identity_provider_is_an_error():
    authenticator = CILogonGroupAuthenticator(allowed_groups={"lab"})
    with pytest.raises(TraitError, match=r"CILogonGroupAuthenticator\.idps: is empty"):
        authenticator.check_allow_config()


@pytest.mark.parametrize(
    ("git_access", "scope"),
    [
        ("none", ["read:org", "user:email"]),
        ("public", ["read:org", "user:email", "public_repo"]),
        ("all", ["read:org", "user:email", "repo"]),
    ],
)
def test_the_default_scope_is_what_is_used_and_what_git_needs(git_access, scope):
    assert GitHubOrgAuthenticator(git_access=git_access).scope == scope


@pytest.mark.parametrize("scope", ["read:org user:email", "read:org,user:email", ["read:org, user:email"]])
def test_scopes_are_separated_by_spaces_or_commas(scope):
    assert github(allow_all=True, scope=scope).scope == ["read:org", "user:email"]


@pytest.mark.parametrize("authenticator", AUTHENTICATORS)
def test_defaults_keep_what_a_session_needs(authenticator):
    made = authenticator()
    assert (made.enable_auth_state, made.manage_groups, made.refresh_pre_spawn, made.enable_pkce) == (True,) * 4


def test_a_github_enterprise_server_is_one_setting():
    made = GitHubOrgAuthenticator(github_url="https://github.lab.example")
    assert made.github_api == "https://github.lab.example/api/v3"
    assert made.authorize_url == "https://github.lab.example/login/oauth/authorize"
    assert made.userdata_url == "https://github.lab.example/api/v3/user"


@pytest.mark.parametrize("url", ["https://github.com/", "github.com", "https://github.com"])
def test_githubs_address_may_be_written_in_any_way(url):
    assert GitHubOrgAuthenticator(github_url=url).github_api == "https://api.github.com"


def identity_in(count):
    return UserIdentity(
        "ada", 5000, 5000, "github:5000", groups=tuple(UnixGroup(f"g{n}", 6000 + n) for n in range(count))
    )


def test_groups_beyond_what_file_servers_see_are_named_once(caplog):
    logging.getLogger("traitlets").propagate = True
    made = GitHubOrgAuthenticator()
    for _ in range(3):
        made.keep({}, identity_in(18), [])
    assert [record.getMessage() for record in caplog.records] == [
        "ada is in 18 groups, of which file servers see 16; beyond are: g16, g17. group_priority orders them"
    ]


@pytest.mark.parametrize(("count", "limit"), [(16, 16), (40, 0)])
def test_groups_that_file_servers_see_are_no_warning(caplog, count, limit):
    logging.getLogger("traitlets").propagate = True
    GitHubOrgAuthenticator(group_limit=limit).keep({}, identity_in(count), [])
    assert caplog.text == ""


async def test_a_plain_string_that_auth_state_groups_key_leads_to_is_one_group():
    made = GitHubOrgAuthenticator(auth_state_groups_key="github_user.team")
    assert await made.get_user_groups({"github_user": {"team": "lab"}}) == {"lab"}


@pytest.mark.parametrize("key", [lambda state: ["lab"], lambda state: {"lab"}])
async def test_auth_state_groups_key_may_be_a_callable(key):
    assert await GitHubOrgAuthenticator(auth_state_groups_key=key).get_user_groups({}) == {"lab"}


def test_another_cilogon_is_one_setting():
    made = CILogonGroupAuthenticator(cilogon_host="test.cilogon.org")
    assert made.issuer == "https://test.cilogon.org"
    assert made.token_url == "https://test.cilogon.org/oauth2/token"


@pytest.mark.parametrize(
    ("ours", "upstreams"),
    [
        (GitHubOrgAuthenticator, "oauthenticator.github.GitHubOAuthenticator"),
        (CILogonGroupAuthenticator, "oauthenticator.cilogon.CILogonOAuthenticator"),
        (OIDCOrgAuthenticator, "oauthenticator.generic.GenericOAuthenticator"),
    ],
)
def test_every_trait_of_upstreams_class_is_there(ours, upstreams):
    upstream = import_item(upstreams)
    assert issubclass(ours, upstream)
    assert set(upstream.class_trait_names(config=True)) <= set(ours.class_trait_names(config=True))


@pytest.mark.parametrize("authenticator", AUTHENTICATORS)
def test_every_trait_of_ours_has_a_help_text(authenticator):
    for name, trait in authenticator.class_traits(config=True).items():
        if not hasattr(OAuthenticator, name):
            assert len(trait.help.strip()) > 40, name


@pytest.mark.parametrize("eppn", ["ada\n[I 2026] somebody", "ada\x1b[2J", "ada\u202e", "ada\x00"])
def test_a_name_that_cannot_be_printed_is_refused_before_anything_logs_it(eppn, caplog):
    logging.getLogger("traitlets").propagate = True
    claims = {"idp": next(iter(IDPS)), "sub": "http://cilogon.example/1", "eppn": eppn}
    with pytest.raises(Refused):
        cilogon().user_info_to_username(claims)
    assert eppn not in caplog.text
    assert repr(eppn) in caplog.text

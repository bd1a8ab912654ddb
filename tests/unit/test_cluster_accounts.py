"""Who a person is to the API server: names and groups as its flags for OpenID Connect form them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.cluster_accounts import (
    STARTS,
    ClusterAccount,
    NoClusterAccount,
    Right,
    access_review,
    is_allowed,
    is_denied,
    parse_cluster_accounts,
)
from jhkube.operator_models import ConfigError

ISSUER = "https://idp.example.org/realms/lab"


def state(subject=f"oidc:{ISSUER}#1234", **claims):
    return {"jhkube_identity": {"subject": subject}, "oauth_user": {"sub": "1234", **claims}}


@pytest.mark.parametrize(
    ("config", "claims", "name", "groups"),
    [
        ({"username_claim": "sub"}, {}, f"{ISSUER}#1234", ()),
        ({"username_claim": "sub", "username_prefix": "oidc:"}, {}, "oidc:1234", ()),
        ({"username_claim": "sub", "username_prefix": "-"}, {}, "1234", ()),
        ({"username_claim": "sub", "username_prefix": ""}, {}, "1234", ()),
        ({"username_claim": "name"}, {"name": "ada"}, f"{ISSUER}#ada", ()),
        ({"username_claim": "email"}, {"email": "a@b.example"}, "a@b.example", ()),
        ({"username_claim": "email"}, {"email": "a@b.example", "email_verified": True}, "a@b.example", ()),
        ({"username_claim": "sub"}, {"groups": ["a"]}, f"{ISSUER}#1234", ()),
        ({"groups_claim": "groups"}, {"groups": ["a", "b"]}, f"{ISSUER}#1234", ("a", "b")),
        ({"groups_claim": "groups", "groups_prefix": "o:"}, {"groups": "a"}, f"{ISSUER}#1234", ("o:a",)),
        ({"groups_claim": "groups"}, {}, f"{ISSUER}#1234", ()),
        # Whoever runs the provider's groups is no administrator of the cluster by that.
        ({"groups_claim": "groups"}, {"groups": ["system:masters", "a"]}, f"{ISSUER}#1234", ("a",)),
    ],
)
def test_claims_become_names_as_the_api_servers_flags_have_it(config, claims, name, groups):
    assert parse_cluster_accounts(config).account(state(**claims)) == ClusterAccount(name, groups)


@pytest.mark.parametrize(
    ("config", "auth_state", "says"),
    [
        ({"username_claim": "name"}, state(), "does not send the claim name"),
        ({"username_claim": "name"}, state(name=["ada"]), "does not send the claim name"),
        ({"username_claim": "name"}, state(name=""), "does not send the claim name"),
        ({"username_claim": "email"}, state(email="a@b.example", email_verified=False), "has not verified"),
        ({"username_claim": "email"}, state(email="a@b.example", email_verified="true"), "has not verified"),
        ({"username_claim": "name", "username_prefix": "-"}, state(name="system:admin"), "one of Kubernetes' own"),
        ({"groups_claim": "groups"}, state(groups={"a": 1}), "not a list of names"),
        ({"groups_claim": "groups"}, state(groups=[1]), "not a list of names"),
        ({"username_claim": "sub"}, state(subject="github:1234"), "does not tell this hub who you are"),
        ({"username_claim": "sub"}, state(subject=f"oidc:{ISSUER}#9"), "does not tell this hub who you are"),
        ({"username_claim": "sub"}, {"jhkube_identity": {"subject": f"oidc:{ISSUER}#1"}}, "does not tell"),
        ({"username_claim": "sub"}, {}, "does not tell this hub who you are"),
    ],
)
def test_whoever_the_api_server_would_not_know_is_nobody(config, auth_state, says):
    with pytest.raises(NoClusterAccount, match=says):
        parse_cluster_accounts(config).account(auth_state)


def test_mistakes_of_an_operator_name_the_field():
    assert parse_cluster_accounts({}) is None
    with pytest.raises(ConfigError, match=r"cluster_accounts: there is no field 'user_claim'"):
        parse_cluster_accounts({"user_claim": "sub"})
    with pytest.raises(ConfigError, match=r"cluster_accounts\.username_claim: should be a text"):
        parse_cluster_accounts({"username_claim": 7})


def test_a_review_is_about_the_person_with_the_group_of_everybody():
    review = access_review(ClusterAccount("ada", ("o:a",)), "labs-ada", Right("get", "pods/log"))
    assert review["spec"] == {
        "user": "ada",
        "groups": ["o:a", "system:authenticated"],
        "resourceAttributes": {"namespace": "labs-ada", "verb": "get", "resource": "pods", "subresource": "log"},
    }
    assert [each.words for each in STARTS] == ["create pods", "create persistentvolumeclaims"]
    account = ClusterAccount("ada", ("o:a",))
    assert ClusterAccount.from_json(json.loads(json.dumps(account.to_json()))) == account


YES = {"kind": "SubjectAccessReview", "status": {"allowed": True}}


@pytest.mark.parametrize(
    "answer",
    [{}, [], YES | {"kind": "Status"}, YES | {"status": {"allowed": "true"}}, YES | {"status": {"allowed": False}}],
)
def test_what_is_no_clear_yes_is_a_no(answer):
    assert is_allowed(json.dumps(YES).encode())
    assert not is_allowed(json.dumps(answer).encode())


@pytest.mark.parametrize(
    "answer", [{}, [], {"status": 7}, YES, YES | {"kind": "Status", "status": {"allowed": False}}]
)
def test_what_is_no_clear_no_ends_nothing(answer):
    no = YES | {"status": {"allowed": False, "reason": ""}}
    assert is_denied(json.dumps(no).encode())
    assert not is_denied(json.dumps(answer).encode())
    unsure = no | {"status": {"allowed": False, "evaluationError": "the webhook does not answer"}}
    assert not is_denied(json.dumps(unsure).encode())


@given(st.binary(max_size=30))
def test_a_page_in_place_of_an_answer_is_a_no(answer):
    assert not is_allowed(answer)

"""Who somebody would be, from what an operator says of them."""

import pytest

from jhkube.auth import CILogonGroupAuthenticator, GitHubOrgAuthenticator, OIDCOrgAuthenticator
from jhkube.commands.show_pod import stand_in
from jhkube.identity import UnixGroup
from jhkube.login.numbers import DerivedIds, UnknownNumber

SUB = "http://cilogon.org/serverA/users/6180339"
OBSERVATORY = 70_001


def github(**traits):
    return GitHubOrgAuthenticator(**traits)


def cilogon(**traits):
    return CILogonGroupAuthenticator(gids={"observatory": OBSERVATORY}, **traits)


def test_with_github_the_uid_is_the_accounts_id():
    identity = stand_in(github(), "ada", {}, subject="github:6180339")
    assert (identity.uid, identity.gid, identity.subject) == (6180339, 6180339, "github:6180339")


def test_a_low_id_at_github_moves_as_it_does_at_a_login():
    identity = stand_in(github(low_id_offset=1_950_000_000), "ada", {}, subject="github:7")
    assert identity.uid == 1_950_000_007


def test_with_cilogon_the_uid_is_derived_or_in_the_table():
    derived = stand_in(cilogon(), "ada", {}, subject=f"cilogon:{SUB}")
    assert derived.uid == DerivedIds("uid", 100_000_000, 1_099_999_999)(SUB)
    assert stand_in(cilogon(uids={SUB: 48231}), "ada", {}, subject=f"cilogon:{SUB}").uid == 48231


def oidc(**traits):
    return OIDCOrgAuthenticator(issuer="https://idp.example", gids={"observatory": OBSERVATORY}, **traits)


def test_with_openid_connect_the_uid_is_derived_from_the_sub_of_this_issuer():
    derived = stand_in(oidc(), "ada", {}, subject="oidc:https://idp.example#1234")
    assert derived.uid == DerivedIds("uid", 100_000_000, 1_099_999_999)("1234")
    with pytest.raises(UnknownNumber):
        stand_in(oidc(), "ada", {}, subject="oidc:https://elsewhere.example#1234")


@pytest.mark.parametrize(
    ("make", "hint"),
    [(github, "github:ID"), (cilogon, "cilogon:SUB"), (oidc, "oidc:https://idp.example#SUB")],
)
def test_without_a_subject_the_uid_is_asked_for(make, hint):
    with pytest.raises(UnknownNumber, match=hint):
        stand_in(make(), "ada", {})
    assert stand_in(make(), "ada", {}, uid=70_001, gid=70_002).gid == 70_002


def test_a_group_whose_number_nothing_tells_is_no_unix_group():
    groups = {"observatory": None, "telescope-ops": 6674301}
    assert stand_in(github(), "ada", groups, uid=70_001).groups == (UnixGroup("telescope-ops", 6674301),)
    known = {group.name: group.gid for group in stand_in(cilogon(), "ada", groups, uid=70_001).groups}
    assert known == {"observatory": OBSERVATORY, "telescope-ops": 6674301}

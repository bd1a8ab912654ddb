"""A person as GitHub's answers describe them."""

from __future__ import annotations

import pytest

from jhkube.identity import UnixGroup
from jhkube.login.github_account import (
    GitHubAccount,
    GitHubGroup,
    email_fields,
    organization_fields,
    team_fields,
)
from jhkube.login.numbers import IdError, NumericIds

USER = {"login": "Ada", "id": 6180339, "name": "Ada Example", "email": None}
LAB = {"login": "Lab", "id": 8314462}
IMAGING = {"id": 1602176, "slug": "imaging", "organization": LAB}
IDS = NumericIds()


def account(user=USER, emails=(), organizations=(LAB,), teams=(IMAGING,)):
    return GitHubAccount.parse(user, emails, organizations, teams)


def test_organizations_and_teams_are_groups_by_githubs_own_names():
    assert account().groups == (GitHubGroup("Lab", 8314462), GitHubGroup("Lab:imaging", 1602176, is_team=True))


def test_the_identity_has_githubs_numbers():
    identity = account().identity("ada", IDS)
    assert (identity.name, identity.login, identity.uid, identity.gid) == ("ada", "Ada", 6180339, 6180339)
    assert identity.groups == (UnixGroup("lab", 8314462), UnixGroup("lab_imaging", 1_001_602_176))


def test_groups_are_ordered_by_priority():
    others = [{"login": name, "id": number} for name, number in (("aaa", 2001), ("zzz", 2002))]
    identity = account(organizations=[LAB, *others]).identity("ada", IDS, ["zzz", "Lab:.*"])
    assert [group.name for group in identity.groups] == ["zzz", "lab_imaging", "aaa", "lab"]


def test_the_public_address_is_used_where_no_other_is_known():
    assert account(USER | {"email": "public@example.org"}).email == "public@example.org"


def test_the_primary_verified_address_wins_over_the_public_one():
    emails = [{"email": "primary@example.org", "primary": True, "verified": True}]
    assert account(USER | {"email": "public@example.org"}, emails).email == "primary@example.org"


@pytest.mark.parametrize(("primary", "verified"), [(True, False), (False, True)])
def test_an_address_that_is_not_both_primary_and_verified_is_not_used(primary, verified):
    assert account(emails=[{"email": "other@example.org", "primary": primary, "verified": verified}]).email == ""


def test_the_subject_is_githubs_number():
    assert account().identity("ada", IDS).subject == "github:6180339"


@pytest.mark.parametrize(("name", "full_name"), [("Ada Example", "Ada Example"), (None, ""), ("", "")])
def test_the_full_name_is_the_one_on_github(name, full_name):
    assert account(USER | {"name": name}).identity("ada", IDS).full_name == full_name


def test_only_what_is_used_of_githubs_answers_is_kept():
    more = {"url": "https://api.github.com/x"}
    address = {"email": "a@example.org", "primary": True, "verified": True}
    assert email_fields(address | more) == address
    assert organization_fields(LAB | more) == LAB
    assert team_fields(IMAGING | more | {"organization": LAB | more}) == IMAGING


def test_a_group_of_the_persons_own_name_gets_another():
    identity = account(organizations=[{"login": "ada2", "id": 5000}], teams=()).identity("ada2", IDS)
    assert identity.groups == (UnixGroup("ada2-5000", 5000),)


def test_an_organization_whose_number_cannot_be_used_is_named():
    with pytest.raises(IdError, match="the organization old has the id 7, below minimum_id 1000"):
        account(organizations=[{"login": "old", "id": 7}]).identity("ada", IDS)
    with pytest.raises(IdError, match="the team Lab:imaging has the team id 900000000"):
        account(teams=[IMAGING | {"id": 900_000_000}]).identity("ada", IDS)


def test_a_system_accounts_name_is_refused_with_what_helps():
    with pytest.raises(IdError, match="'root' is the name of a system account; username_map can"):
        account().identity("root", IDS)


@pytest.mark.parametrize(
    "broken",
    [
        {"user": {"login": "ada"}},
        {"user": {"login": "ada", "id": "x"}},
        {"user": {"login": "ada", "id": None}},
        {"organizations": [{"login": "lab"}]},
        {"organizations": ["lab"]},
        {"organizations": [{"login": ["lab"], "id": 7}]},
        {"organizations": [{"login": "lab:imaging", "id": 7}]},
        {"organizations": [{"login": "lab\ud800", "id": 7}]},
        {"teams": [{"id": 1, "slug": "", "organization": {"login": "lab"}}]},
        {"teams": [{"id": 1, "slug": "imaging"}]},
        {"emails": [{"email": "a@example.org"}]},
    ],
)
def test_an_answer_that_is_not_as_documented_is_an_error(broken):
    with pytest.raises(ValueError):
        account(**broken)

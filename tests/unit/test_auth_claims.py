"""Claims as identity providers send them, and what becomes of them."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.identity import AUTH_STATE_KEY, UnixGroup, UserIdentity
from jhkube.login.claims import (
    ClaimedAccount,
    ClaimedGroup,
    ClaimError,
    claim,
    full_name,
    groups_in,
    name_claim,
    number_in,
    renamed,
    text_claim,
    verified_email,
)
from jhkube.login.names import GroupRules, group_name
from jhkube.login.numbers import DerivedIds, IdError, Numbers
from jhkube.login.owners import NumberOwners

UIDS, GIDS = DerivedIds("uid", 100_000, 199_999), DerivedIds("gid", 200_000, 299_999)
NUMBERS = Numbers(UIDS, GIDS)
LOG = logging.getLogger(__name__)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (None, []),
        ("", []),
        ([], []),
        ("lab", ["lab"]),
        ("lab;imaging", ["lab", "imaging"]),
        (" lab ;; imaging;", ["lab", "imaging"]),
        (r"x\;admins", ["x;admins"]),
        (r"x\;admins;lab", ["x;admins", "lab"]),
        (r"x\\;admins", [r"x\;admins"]),
        ([r"x\;admins"], [r"x\;admins"]),
        (["lab", "imaging", "lab"], ["lab", "imaging"]),
        (["lab", " "], ["lab"]),
        ({"name": "lab"}, ["lab"]),
        ([{"name": "lab"}, "imaging"], ["lab", "imaging"]),
        (("lab",), ["lab"]),
        # White space makes no group another one.
        (["lab", "admins ", " admins", "admins\t", "admins\xa0", "\u3000admins", {"name": "admins "}], ["lab"]),
        ("lab;\xa0admins;admins\u2003;\timaging", ["lab", "imaging"]),
        (["lab\nimaging", "x" * 256, "x\x00", "x\ud800", "lab"], ["lab"]),
        (["x" * 255, "y"], ["x" * 255, "y"]),
    ],
)
def test_groups_are_found_in_every_shape(value, names):
    assert [group.name for group in groups_in(value)] == names


@pytest.mark.parametrize(
    ("number", "gid"), [(7000, 7000), ("7000", 7000), (None, None), ("a-uuid", None), (True, None), (7.5, None)]
)
def test_a_groups_number_is_used_where_it_is_one(number, gid):
    assert groups_in([{"name": "lab", "id": number}]) == (ClaimedGroup("lab", gid),)


@pytest.mark.parametrize("items", [[7, 7], [7, None], [None, 7]])
def test_a_group_that_is_listed_twice_keeps_the_number_that_is_known(items):
    assert groups_in([{"name": "lab", "id": number} for number in items]) == (ClaimedGroup("lab", 7),)


def test_the_keys_of_objects_can_be_others():
    assert groups_in([{"cn": "lab", "gidNumber": 7}], name_key="cn", gid_key="gidNumber") == (ClaimedGroup("lab", 7),)


@pytest.mark.parametrize("value", [7, True, [["lab"]], [None], [{"id": 7}], [{"name": 7}], 1.5])
def test_a_claim_of_another_shape_is_an_error(value):
    with pytest.raises(ClaimError):
        groups_in(value)


def test_a_group_with_two_numbers_is_an_error():
    with pytest.raises(ClaimError, match="has the numbers 7 and 8"):
        groups_in([{"name": "lab", "id": 7}, {"name": "lab", "id": 8}])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_a_claim_is_it_is_groups_or_a_claim_error(value):
    with contextlib.suppress(ClaimError):
        assert all(group.name for group in groups_in(value))


def test_a_claims_name_may_lead_into_objects():
    claims = {"realm_access": {"roles": ["a"]}, "https://x.example/groups": ["b"]}
    assert claim(claims, "realm_access.roles") == ["a"]
    assert claim(claims, "https://x.example/groups") == ["b"]
    assert claim(claims, "realm_access.none.deeper") is None


def test_the_first_number_that_is_there_counts():
    assert number_in({"b": "48231", "c": 5}, ["a", "b", "c"]) == 48231
    assert number_in({"a": "", "b": 5}, ["a", "b"]) == 5
    assert number_in({}, ["a"]) is None


@pytest.mark.parametrize("value", ["x", "-5", "4.5", "٤", True, [1]])
def test_a_number_that_is_none_is_an_error_and_not_passed_over(value):
    with pytest.raises(ClaimError, match="the claim a is no number"):
        number_in({"a": value, "b": 5}, ["a", "b"])


@pytest.mark.parametrize("value", ["ada", 48231])
def test_a_name_is_made_of_one_text_or_number(value):
    assert text_claim({"eppn": value}, "eppn") == str(value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "is missing"),
        ("", "is missing"),
        (True, "is a bool, and not one text"),
        (1.5, "is a float, and not one text"),
        (["ada"], "is a list, and not one text"),
        ("ada\udc00", "has an incomplete Unicode character"),
    ],
)
def test_no_name_is_made_of_anything_else(value, says):
    with pytest.raises(ClaimError, match=f"the claim eppn {says}"):
        text_claim({"eppn": value}, "eppn")


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": "Ada Example", "given_name": "A"}, "Ada Example"),
        ({"given_name": "Ada", "family_name": "Example"}, "Ada Example"),
        ({"family_name": "Example"}, "Example"),
        ({"name": ["Ada"]}, ""),
        ({"given_name": "", "family_name": "Example"}, "Example"),
        ({}, ""),
    ],
)
def test_the_full_name_is_put_together_from_what_is_there(claims, name):
    assert full_name(claims) == name


@pytest.mark.parametrize(
    ("verified", "email"),
    [
        ({}, "a@x.example"),
        ({"email_verified": True}, "a@x.example"),
        ({"email_verified": False}, ""),
        ({"email_verified": "false"}, ""),
        ({"email": ["a@x.example"]}, ""),
    ],
)
def test_an_address_that_is_not_verified_is_not_used(verified, email):
    assert verified_email({"email": "a@x.example"} | verified) == email


@pytest.mark.parametrize("verified", [False, "false", "False", "FALSE", 0, "0"])
def test_an_address_that_nobody_verified_is_neither_an_address_nor_a_name(verified):
    claims = {"email": "a@x.example", "email_verified": verified}
    assert not verified_email(claims)
    with pytest.raises(ClaimError, match="not verified"):
        name_claim(claims, "email")
    assert name_claim({"email": "a@x.example"}, "email") == "a@x.example"
    assert name_claim({**claims, "eppn": "a"}, "eppn") == "a"


def test_an_identity_has_the_numbers_of_tables_claims_or_derivation_in_this_order():
    numbers = Numbers(UIDS, GIDS, uid_table={"sub-1": 5000}, gid_table={"lab": 6000})
    groups = (ClaimedGroup("lab", 6001), ClaimedGroup("imaging", 6002), ClaimedGroup("other"))
    listed = ClaimedAccount("cilogon:", "sub-1", "", "", groups, uid=5001).identity("ada", numbers)
    assert (listed.uid, listed.gid) == (5000, 5000)
    assert [group.gid for group in listed.groups] == [6000, 6002, GIDS("other")]
    assert ClaimedAccount("cilogon:", "sub-2", "", "", (), uid=5001).identity("bea", numbers).uid == 5001
    assert ClaimedAccount("cilogon:", "sub-3", "", "", ()).identity("cem", numbers).uid == UIDS("sub-3")


@pytest.mark.parametrize("number", [0, 999, 2**31, 100_000, 299_999])
def test_a_given_number_out_of_range_or_among_the_derived_is_refused(number):
    with pytest.raises(IdError):
        ClaimedAccount("cilogon:", "sub", "", "", (), uid=number).identity("ada", NUMBERS)


@pytest.mark.parametrize("number", [1000, 99_999, 300_000, 2**31 - 1])
def test_a_given_number_at_the_end_of_a_range_is_used(number):
    assert ClaimedAccount("cilogon:", "sub", "", "", (), uid=number).identity("ada", NUMBERS).uid == number


def test_the_range_of_groups_may_lie_below_that_of_people():
    assert Numbers(DerivedIds("uid", 200_000, 299_999), DerivedIds("gid", 100_000, 199_999)).given(1000, "it") == 1000


def groups_and_reasons(*groups, numbers=NUMBERS):
    account = ClaimedAccount("cilogon:", "sub", "", "", groups)
    return account.identity("ada", numbers).groups, account.unusable_groups(numbers)


def test_of_two_groups_with_one_number_the_second_is_left_out_and_not_the_person():
    kept, reasons = groups_and_reasons(ClaimedGroup("lab", 6000), ClaimedGroup("imaging", 6000))
    assert kept == (UnixGroup("lab", 6000),)
    assert reasons[0].startswith("the groups 'lab' and 'imaging' would be one, imaging with gid 6000")


def test_of_two_groups_with_one_unix_name_the_second_is_left_out():
    kept, reasons = groups_and_reasons(ClaimedGroup("Lab", 6000), ClaimedGroup("lab", 6001))
    assert kept == (UnixGroup("lab", 6000),)
    assert reasons[0].startswith("the groups 'Lab' and 'lab' would be one, lab with gid 6001")


def test_a_system_accounts_name_is_refused_with_the_setting_that_gives_another():
    with pytest.raises(IdError, match="'root' is the name of a system account; username_map can give"):
        ClaimedAccount("cilogon:", "sub", "", "", ()).identity("root", NUMBERS)


@pytest.mark.parametrize("gid", [9, 2**31, 150_000, 250_000])
def test_a_group_whose_number_cannot_be_used_is_left_out_and_not_the_person(gid):
    kept, reasons = groups_and_reasons(ClaimedGroup("lab", gid), ClaimedGroup("imaging", 6000))
    assert kept == (UnixGroup("imaging", 6000),)
    assert reasons[0].startswith(f"the gid of 'lab' is {gid}, ")


LISTED = Numbers(UIDS, GIDS, uid_table={"sub-1": 5000}, gid_table={"lab": 6000})


@pytest.mark.parametrize(
    ("numbers", "groups", "says"),
    [
        ({"uid": 5000}, (), "the uid of sub is 5000, which uids gives to 'sub-1'"),
        ({"uid": 6000}, (), "the uid of sub is 6000, which gids gives to 'lab'"),
        ({"gid": 5000}, (), "the gid of sub is 5000, which uids gives to 'sub-1'"),
        ({"gid": 6000}, (), "the gid of sub is 6000, which gids gives to 'lab'"),
        ({"gid": 6000}, (ClaimedGroup("imaging"),), "the gid of sub is 6000, which gids gives to 'lab'"),
    ],
)
def test_a_number_that_a_table_gives_away_is_refused_to_everybody_else(numbers, groups, says):
    with pytest.raises(IdError, match=says):
        ClaimedAccount("cilogon:", "sub", "", "", groups, **numbers).identity("ada", LISTED)


@pytest.mark.parametrize("gid", [5000, 6000])
def test_a_number_that_a_table_gives_away_is_no_other_groups(gid):
    kept, reasons = groups_and_reasons(ClaimedGroup("imaging", gid), ClaimedGroup("lab", 7000), numbers=LISTED)
    assert kept == (UnixGroup("lab", 6000),)
    assert reasons[0].startswith(f"the gid of 'imaging' is {gid}, which ")


def test_a_member_of_a_group_in_the_table_may_have_it_as_the_primary_one():
    assert (
        ClaimedAccount("cilogon:", "s", "", "", (ClaimedGroup("lab"),), gid=6000).identity("ada", LISTED).gid == 6000
    )


def test_a_secret_changes_all_derived_numbers_and_is_not_shown():
    keyed = DerivedIds("gid", 1_100_000_000, 2_099_999_999, secret="s" * 32)
    plain = DerivedIds("gid", 1_100_000_000, 2_099_999_999)
    # printf jhkube:gid:observatory | openssl dgst -sha256 -hmac ssssssssssssssssssssssssssssssss
    assert keyed("observatory") == 1_100_000_000 + 0x7D06EBA96C2E6540 % 1_000_000_000
    assert plain("observatory") == 1_268_800_608
    assert "sss" not in repr(keyed)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"gids": DerivedIds("gid", 150_000, 250_000)}, "overlap"),
        ({"gids": DerivedIds("gid", 199_999, 250_000)}, "overlap"),
        ({"gids": DerivedIds("gid", 50_000, 100_000)}, "overlap"),
        ({"uids": DerivedIds("uid", 10, 20)}, "uid_range is not within minimum_id"),
        ({"uids": DerivedIds("uid", 999, 2000)}, "uid_range is not within minimum_id"),
        ({"maximum": 299_998}, "gid_range is not within minimum_id"),
        ({"uid_table": {"a": 5000, "b": 5000}}, "uids gives 5000 to 'a' and 'b'"),
        ({"gid_table": {"a": 5000, "b": 5000}}, "gids gives 5000 to 'a' and 'b'"),
        ({"uid_table": {"a": 150_000}}, "lies in uid_range"),
        ({"gid_table": {"a": 5}}, "not within minimum_id"),
        ({"uid_table": {"a": 5000}, "gid_table": {"g": 5000}}, "uids gives 5000 to 'a', whose own group it is, and"),
    ],
)
def test_tables_and_ranges_that_share_numbers_are_refused_at_once(settings, says):
    with pytest.raises(ValueError, match=says):
        Numbers(**({"uids": UIDS, "gids": GIDS} | settings))


def test_groups_that_become_one_keep_the_number_that_is_known():
    rules = GroupRules.parse({"a|b": "both"})
    assert renamed([ClaimedGroup("a"), ClaimedGroup("b", 7), ClaimedGroup("c")], rules, ["c"]) == (
        ClaimedGroup("c"),
        ClaimedGroup("both", 7),
    )


@pytest.mark.parametrize(("one", "other"), [(7, None), (None, 7), (7, 7)])
def test_groups_that_become_one_lose_no_number(one, other):
    rules = GroupRules.parse({"a|b": "both", "c": None})
    claimed = [ClaimedGroup("a", one), ClaimedGroup("b", other), ClaimedGroup("c", 8)]
    assert renamed(claimed, rules, []) == (ClaimedGroup("both", 7),)


def test_groups_with_two_numbers_cannot_become_one():
    rules = GroupRules.parse({"a|b": "both"})
    with pytest.raises(IdError, match="makes one group 'both' of two with the gids 7 and 8"):
        renamed([ClaimedGroup("a", 7), ClaimedGroup("b", 8)], rules, [])


def person(subject, uid, *groups):
    return UserIdentity(subject, uid, uid, subject, groups=tuple(UnixGroup(*group) for group in groups))


def test_a_derived_number_that_is_somebody_elses_is_found():
    registry = NumberOwners(GIDS, LOG)
    registry.note(person("a", 100_001))
    registry.note(person("a", 100_001))
    with pytest.raises(IdError, match="uid 100001 of b is a's already; set it in `uids`"):
        registry.note(person("b", 100_001))


def test_a_derived_gid_of_two_groups_costs_the_second_group_and_a_given_one_is_the_providers_affair(caplog):
    registry = NumberOwners(GIDS, LOG)
    registry.note(person("a", 100_001, ("lab", 200_001), ("renamed", 7000)))
    registry.note(person("b", 100_002, ("lab", 200_001), ("other", 7000)))
    left = registry.note(person("c", 100_003, ("imaging", 200_001), ("other", 7000)))
    assert left == person("c", 100_003, ("other", 7000))
    registry.note(person("d", 100_004, ("imaging", 200_001)))
    assert [record.getMessage() for record in caplog.records] == [
        "the group imaging is no unix group here: its gid 200001 is that of the group lab; set it in `gids`, or make "
        "them one by `group_rules`"
    ]


def test_a_group_that_the_configuration_names_has_its_number_before_anybody_comes():
    registry = NumberOwners(GIDS, LOG, configured=["lab"])
    assert registry.note(person("a", 100_001, ("found-by-search", GIDS("lab")))).groups == ()
    assert registry.note(person("b", 100_002, ("lab", GIDS("lab")))).groups == (UnixGroup("lab", GIDS("lab")),)


def with_gid(subject, uid, gid, *groups):
    return replace(person(subject, uid, *groups), gid=gid)


def test_a_gid_that_is_somebodys_own_group_is_refused_to_everybody_else():
    registry = NumberOwners(GIDS, LOG)
    registry.note(person("a", 5001))
    with pytest.raises(IdError, match="gid 5001 of b is the uid of a, whose own group it is"):
        registry.note(with_gid("b", 5002, 5001))
    assert registry.note(person("c", 5003, ("lab", 5001))).groups == ()


def test_an_own_group_that_is_somebodys_gid_already_is_refused():
    registry = NumberOwners(GIDS, LOG)
    registry.note(with_gid("a", 5001, 5002))
    with pytest.raises(IdError, match="uid 5002 of b is the gid of a, so their own group would be another's"):
        registry.note(person("b", 5002))


def test_a_uid_whose_person_has_another_group_says_nothing_about_gids():
    registry = NumberOwners(GIDS, LOG)
    registry.note(with_gid("a", 5001, 7000))
    registry.note(with_gid("b", 5002, 5001))
    registry.note(with_gid("c", 5003, 7000))
    registry.note(with_gid("a", 5001, 7000))


@pytest.mark.parametrize(("one", "other"), [("night:ops", "night_ops"), ("night:ops", "Night:Ops")])
async def test_groups_that_differ_only_where_unix_has_no_difference_do_not_share_a_number(one, other):
    gid, name = GIDS(group_name(one)), group_name(other)
    assert gid == GIDS(name)

    async def read():
        return {AUTH_STATE_KEY: person("a", 100_001, (name, gid)).to_dict(), "memberships": [one]}

    registry = NumberOwners(GIDS, LOG, lambda auth_state: auth_state["memberships"])
    await registry.load(lambda: [read])
    registry.note(person("b", 100_002, (name, gid)), [one])
    assert registry.note(person("c", 100_003, (name, gid)), [other]).groups == ()


async def test_the_numbers_of_everybody_whom_the_hub_knows_are_learned_once():
    asked = []

    def kept():
        async def read():
            asked.append(1)
            return {AUTH_STATE_KEY: person("a", 100_001).to_dict()}

        async def unreadable():
            return None

        return [read, unreadable] * 60

    registry = NumberOwners(GIDS, LOG)
    await registry.load(kept)
    await registry.load(kept)
    assert len(asked) == 60
    with pytest.raises(IdError):
        registry.note(person("b", 100_001))

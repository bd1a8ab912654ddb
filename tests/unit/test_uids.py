"""Numbers for people and groups: never shared, never silently another."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.login.numbers import DerivedIds, IdError, Numbers, NumericIds

ALL_MOVES = NumericIds(low_offset=1_950_000_000, high_offset=-100_000_000)


def number_of(ids, kind, number):
    try:
        return ids.account(number, "it") if kind == "account" else ids.team(number, "it")
    except IdError:
        return None


numbered = st.tuples(
    st.sampled_from(["account", "team"]),
    st.one_of(st.integers(1, 2000), st.integers(1, 2**32), st.integers(999_999_000, 1_000_001_000)),
)


@given(numbered, numbered)
def test_two_ids_never_become_one_number(one, other):
    first, second = number_of(ALL_MOVES, *one), number_of(ALL_MOVES, *other)
    assert one == other or first is None or first != second


@given(numbered)
def test_every_number_given_is_within_the_bounds(one):
    number = number_of(ALL_MOVES, *one)
    assert number is None or 1000 <= number <= 2**31 - 1


@pytest.mark.parametrize("number", [1000, 1001, 181_000_003, 999_999_999, 1_900_000_001, 2**31 - 1])
def test_an_id_in_range_is_its_own_number(number):
    assert NumericIds().account(number, "it") == number


def test_a_teams_number_is_moved_away_from_the_organizations():
    assert NumericIds().team(8314462, "it") == 1_008_314_462


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (0, "which is none"),
        (-5, "which is none"),
        (999, "below minimum_id 1000; set low_id_offset"),
        (2**31, "above maximum_id 2147483647; set high_id_offset"),
        (1_000_000_000, "where team_gid_offset moves other ids"),
        (1_899_999_999, "where team_gid_offset moves other ids"),
    ],
)
def test_an_id_out_of_range_is_refused_with_what_would_change_that(number, says):
    with pytest.raises(IdError, match=f"the account ada has the id {number}, .*{says}"):
        NumericIds().account(number, "the account ada")


def test_low_and_high_ids_are_moved_by_their_offsets():
    assert ALL_MOVES.account(17, "it") == 1_950_000_017
    assert ALL_MOVES.account(2**31 + 5, "it") == 2**31 + 5 - 100_000_000


def test_an_id_that_lies_where_low_ids_are_moved_is_refused():
    with pytest.raises(IdError, match="where low_id_offset moves other ids"):
        ALL_MOVES.account(1_950_000_017, "it")


def test_an_id_that_its_offset_does_not_bring_into_range_is_refused():
    with pytest.raises(IdError, match="which high_id_offset does not bring below maximum_id"):
        ALL_MOVES.account(2**31 + 100_000_000, "it")


@pytest.mark.parametrize("number", [1, 899_999_999])
def test_a_team_at_an_end_of_the_window_is_inside(number):
    assert NumericIds().team(number, "it") == 1_000_000_000 + number


def test_where_no_number_belongs_to_the_system_the_first_is_one():
    assert NumericIds(minimum=1, low_offset=5).account(1, "it") == 1


@pytest.mark.parametrize(
    ("low_offset", "lowest", "highest"),
    [
        (999, 1000, 1998),
        (999_999_000, 999_999_001, 999_999_999),
        (1_899_999_999, 1_900_000_000, 1_900_000_998),
    ],
    ids=["at the minimum", "below the teams", "above the teams"],
)
def test_windows_may_touch(low_offset, lowest, highest):
    ids = NumericIds(low_offset=low_offset)
    assert (ids.account(1, "it"), ids.account(999, "it")) == (lowest, highest)


@pytest.mark.parametrize("number", [0, 900_000_000])
def test_a_team_beyond_the_window_is_refused(number):
    with pytest.raises(IdError, match="there is room for those below 900000000"):
        NumericIds().team(number, "it")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"minimum": 0}, "minimum_id 0 is not between"),
        ({"minimum": 5000, "maximum": 4000}, "minimum_id 5000 is not between"),
        ({"team_offset": 0}, "team_gid_offset leads to 0"),
        ({"team_offset": 2_000_000_000}, "team_gid_offset leads to 2000000000 to 2899999999"),
        ({"low_offset": 0}, "low_id_offset leads to 1 to 999"),
        ({"high_offset": 5}, "high_id_offset"),
        ({"low_offset": 1_000_000_500}, "team_gid_offset and low_id_offset lead to overlap"),
        ({"low_offset": 2_100_000_000, "high_offset": -100_000_000}, "low_id_offset and high_id_offset lead to"),
    ],
)
def test_offsets_that_lead_into_each_other_are_refused_at_once(settings, says):
    with pytest.raises(ValueError, match=says):
        NumericIds(**settings)


# The rule is a promise: these numbers must never change.
@pytest.mark.parametrize(
    ("kind", "first", "last", "name", "number"),
    [
        ("uid", 100_000_000, 1_099_999_999, "http://cilogon.org/serverA/users/6180339", 224_184_052),
        ("gid", 1_100_000_000, 2_099_999_999, "observatory", 1_268_800_608),
        ("gid", 1_100_000_000, 2_099_999_999, "Группа", 1_873_799_862),
        ("uid", 5, 5, "anybody", 5),
    ],
)
def test_a_derived_number_is_the_same_for_good(kind, first, last, name, number):
    assert DerivedIds(kind, first, last)(name) == number


@given(st.text())
def test_a_derived_number_is_within_its_range(name):
    ids = DerivedIds("uid", 1000, 1009)
    assert ids(name) in ids
    assert 1000 <= ids(name) <= 1009


def test_a_uid_and_a_gid_of_one_name_are_not_derived_alike():
    assert DerivedIds("uid", 1, 2**31 - 1)("ada") != DerivedIds("gid", 1, 2**31 - 1)("ada")


@pytest.mark.parametrize("bounds", [(0, 5), (5, 4), (1, 2**31)])
def test_a_range_that_is_none_is_refused(bounds):
    with pytest.raises(ValueError, match="not a range of uids"):
        DerivedIds("uid", *bounds)


NUMBERS = Numbers(
    uids=DerivedIds("uid", 100_000, 199_999),
    gids=DerivedIds("gid", 200_000, 299_999),
    uid_table={"sub-ada": 5001},
    gid_table={"observatory": 7001},
)


@pytest.mark.parametrize("number", [1000, 99_999, 300_000, 2**31 - 1])
def test_a_number_outside_of_the_derived_ranges_can_be_given(number):
    assert NUMBERS.given(number, "the claim uidNumber") == number


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (999, "not within minimum_id 1000"),
        (2**31, "not within minimum_id 1000"),
        *((number, "lies in uid_range or gid_range") for number in (100_000, 199_999, 200_000, 299_999)),
    ],
)
def test_a_number_that_could_be_derived_or_the_systems_is_refused(number, says):
    with pytest.raises(IdError, match=f"the claim uidNumber is {number}, .*{says}"):
        NUMBERS.given(number, "the claim uidNumber")


@pytest.mark.parametrize(
    ("number", "owner", "trait", "name"), [(5001, "uids", "uids", "sub-ada"), (7001, "gids", "gids", "observatory")]
)
def test_a_number_of_a_table_is_refused_to_all_but_its_owner(number, owner, trait, name):
    assert NUMBERS.claimed(number, "it", **{owner: [name]}) == number
    with pytest.raises(IdError, match=f"it is {number}, which {trait} gives to '{name}'"):
        NUMBERS.claimed(number, "it", **{owner: ["somebody-else"]})
    # The name of a person is no name of a group.
    with pytest.raises(IdError, match=f"which {trait} gives to"):
        NUMBERS.claimed(number, "it", **{"gids" if owner == "uids" else "uids": [name]})


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"uid_table": {"a": 5000, "b": 5000}}, "uids gives 5000 to 'a' and 'b'"),
        ({"gid_table": {"a": 5000, "b": 5000}}, "gids gives 5000 to 'a' and 'b'"),
        ({"uid_table": {"a": 5000}, "gid_table": {"b": 5000}}, "uids gives 5000 to 'a', whose own group it is"),
        ({"gid_table": {"a": 999}}, r"gids\['a'\] is 999, not within"),
        ({"uid_table": {"a": 200_000}}, r"uids\['a'\] is 200000, which lies in"),
    ],
)
def test_tables_that_cannot_be_are_refused(tables, says):
    with pytest.raises(ValueError, match=says):
        replace(NUMBERS, **tables)

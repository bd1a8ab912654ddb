"""Numbers for people and groups: never shared, never silently another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.login.numbers import DerivedIds, IdError, NumericIds

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

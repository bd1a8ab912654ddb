"""Names that unix takes, different for what is different."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.login.names import RESERVED_NAMES, account_name, group_name
from jhkube.pod.accounts import check_account_name

# What GitHub gives out: logins of up to 39 letters, digits and single hyphens; slugs have underscores too.
organizations = st.from_regex(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}", fullmatch=True).filter(lambda name: len(name) < 40)
teams = st.tuples(organizations, st.from_regex(r"[a-z0-9][a-z0-9_-]{0,60}", fullmatch=True)).map(":".join)
groups = st.one_of(organizations, teams)


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("observatory", "observatory"),
        ("Telescope-Ops", "telescope-ops"),
        ("4d-nucleome", "4d-nucleome"),
        ("observatory:night-shift", "observatory_night-shift"),
        ("a-b", "a-b"),
        ("a:b", "a_b"),
        ("observatory:my_team", "observatory_my_team"),
    ],
)
def test_a_name_that_unix_takes_stays(group, name):
    assert group_name(group) == name


@pytest.mark.parametrize(
    "group", ["sudo", "Docker", "root", "12345", "a" * 33, "observatory:" + "x" * 30, "CO:COU:a", "Группа", "a b", ""]
)
def test_any_other_name_gets_a_hash(group):
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*-[0-9a-f]{8}", group_name(group))


@given(st.one_of(groups, st.text()))
def test_every_name_is_one_that_unix_takes(group):
    name = group_name(group)
    assert re.fullmatch(r"[a-z0-9_][a-z0-9_-]{0,31}", name)
    assert not name.isdecimal()
    assert name not in RESERVED_NAMES


@given(groups, groups)
def test_two_groups_of_github_never_have_one_name(one, other):
    assert one.lower() == other.lower() or group_name(one) != group_name(other)


def test_long_names_that_begin_alike_stay_different():
    assert group_name("very-long-organization-name-of-a-lab-1") != group_name(
        "very-long-organization-name-of-a-lab-2"
    )


@pytest.mark.parametrize("name", ["ada", "mei-lin", "ada@laboratory.example", "o.neill", "Ünal"])
def test_an_account_that_the_passwd_file_can_hold_keeps_its_name(name):
    assert account_name(name) == name


@given(st.text(min_size=1))
def test_every_account_has_a_name_that_the_passwd_file_can_hold(name):
    if name.lower() not in RESERVED_NAMES:
        assert check_account_name(account_name(name))


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_accounts_never_have_one_name(one, other):
    if not {one.lower(), other.lower()} & RESERVED_NAMES:
        assert one == other or account_name(one) != account_name(other)


@pytest.mark.parametrize("name", ["root", "Root", "www-data", "nobody"])
def test_nobody_is_called_as_a_system_account(name):
    with pytest.raises(ValueError, match="is the name of a system account"):
        account_name(name)

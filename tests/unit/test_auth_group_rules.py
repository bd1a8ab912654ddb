"""Renaming, leaving out and ordering groups."""

from __future__ import annotations

import pytest

from jhkube.login.names import GroupRules, by_priority, check_patterns

RULES = GroupRules.parse({"observatory": "staff", r"observatory:(.*)": r"staff-\1", "elsewhere.*": None})


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("observatory", "staff"),
        ("observatory:imaging", "staff-imaging"),
        ("elsewhere", None),
        ("elsewhere:any", None),
        ("partner", "partner"),
        ("staff", None),
        ("staff-imaging", None),
        ("staff-\n", None),
        ("staffing", "staffing"),
        ("observatory2", "observatory2"),
    ],
)
def test_the_first_rule_that_matches_the_whole_name_decides(group, name):
    assert RULES(group) == name


def test_two_groups_may_become_one():
    assert GroupRules.parse({"a|b": "both"}).apply(["a", "b", "c"]) == {"both", "c"}


def test_a_rule_whose_name_comes_out_empty_leaves_the_group_out():
    assert GroupRules.parse({"team-(.*)": r"\1"}).apply(["team-", "team-a"]) == {"a"}


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"(": "a"}, "is no rule"),
        ({"a": r"\1"}, "invalid group reference"),
        ({"a": ""}, "empty name"),
        ({"lab/imaging": "a"}, "can never match"),
        ({".*": None, "lab": "a"}, "can never match: the rule '.\\*' before it takes all"),
        ({"lab.*": None, "lab-a": "a"}, "can never match: the rule 'lab.\\*' before it takes all"),
    ],
)
def test_a_rule_that_can_never_match_or_be_read_is_refused(rules, says):
    with pytest.raises(ValueError, match=says):
        GroupRules.parse(rules, never="/ @")


@pytest.mark.parametrize(
    ("rules", "name", "can"),
    [
        ({}, "anything", True),
        ({"lab": "staff"}, "staff", True),
        ({"lab": "staff"}, "lab", False),
        ({"lab:(.*)": r"staff-\1", ".*": None}, "staff-imaging", True),
        ({"lab:(?P<team>.*)": r"staff-\g<team>", ".*": None}, "staff-imaging", True),
        ({"lab:(.*)": r"staff-\1", ".*": None}, "partner", False),
    ],
)
def test_it_is_known_which_names_the_rules_can_give(rules, name, can):
    assert GroupRules.parse(rules).can_give(name) is can


def test_groups_are_ordered_by_the_first_pattern_that_matches_each():
    names = ["a", "b", "lab", "lab:x", "z"]
    assert by_priority(names, ["z", "lab(:.*)?"]) == ["z", "lab", "lab:x", "a", "b"]


def test_a_priority_that_is_no_pattern_is_refused():
    with pytest.raises(ValueError, match="is no rule"):
        check_patterns(["("])

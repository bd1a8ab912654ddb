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
        # One name to unix, or to a database that does not tell case.
        ("Staff", None),
        ("STAFF-imaging", None),
        ("\u017ftaff", None),
        ("staff:imaging", "staff:imaging"),
        ("observatory2", "observatory2"),
    ],
)
def test_the_first_rule_that_matches_the_whole_name_decides(group, name):
    assert RULES(group) == name


@pytest.mark.parametrize("group", ["night:ops", "Night:Ops", "NIGHT_OPS"])
def test_a_name_that_a_rule_gives_is_not_to_be_had_in_another_spelling(group):
    assert GroupRules.parse({"operators": "night_ops"})(group) is None


def test_two_groups_may_become_one():
    assert GroupRules.parse({"a|b": "both"}).apply(["a", "b", "c"]) == {"both", "c"}


def test_a_rule_whose_name_comes_out_empty_leaves_the_group_out():
    assert GroupRules.parse({"team-(.*)": r"\1"}).apply(["team-", "team-a"]) == {"a"}


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"(": "a"}, "is not a valid rule"),
        ({"a": r"\1"}, "invalid group reference"),
        ({"a": ""}, "empty name"),
        ({"lab/imaging": "a"}, "can never match"),
        ({".*": None, "lab": "a"}, "can never match: the rule '.\\*' before it takes all"),
        ({".*": None, "lab-(a)": "a"}, "can never match: the rule '.\\*' before it takes all"),
        ({"lab.*": None, "lab-a": "a"}, "can never match: the rule 'lab.\\*' before it takes all"),
    ],
)
def test_a_rule_that_can_never_match_or_be_read_is_refused(rules, says):
    with pytest.raises(ValueError, match=says):
        GroupRules.parse(rules, never="/ @")


@pytest.mark.parametrize(
    "rules", [{"lab": None, "other": "a"}, {"lab": None, "labs": "a"}, {"a.": None, "a?": "x"}, {"lab(s)?": r"x\1"}]
)
def test_a_rule_that_another_leaves_something_to_is_taken(rules):
    assert len(GroupRules.parse(rules, never="/ @").rules) == len(rules)


@pytest.mark.parametrize(
    ("rules", "leaves_out"),
    [
        ({}, False),
        ({"lab": "staff"}, False),
        ({"lab": None}, False),
        ({"lab-(.*)": r"staff-\1"}, False),
        ({"lab-(.*)": r"\1"}, True),
        ({"lab": "staff", "lab-(.*)": r"\1", "x": None}, True),
        ({"lab-(.*)": r"\1", ".*": None}, False),
    ],
)
def test_a_rule_that_can_give_any_name_leaves_no_group_its_own(rules, leaves_out):
    assert GroupRules.parse(rules).leaves_out_the_rest is leaves_out


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
    assert by_priority(["labs", "lab"], ["lab"]) == ["lab", "labs"]
    names = ["a", "b", "lab", "lab:x", "z"]
    assert by_priority(names, ["z", "lab(:.*)?"]) == ["z", "lab", "lab:x", "a", "b"]


def test_a_priority_that_is_no_pattern_is_refused():
    with pytest.raises(ValueError, match="is not a valid rule"):
        check_patterns(["("])

"""Organizations by name or by id, and what GitHub hides from a list of them."""

from __future__ import annotations

import pytest

from jhkube.login.github_account import Hidden, any_of, check_github_names, may_hide, name_of

GITHUB = "https://github.com"
GROUPS = {"Lab": 17, "Lab:imaging": 5}


@pytest.mark.parametrize(
    ("entry", "is_one"),
    [
        ("lab", True),
        ("LAB", True),
        ("lab#17", True),
        ("renamed#17", True),
        ("lab#18", False),
        ("lab#5", False),
        ("other", False),
        ("lab:imaging", True),
        ("lab:imaging#5", True),
        ("lab:renamed#5", True),
        ("lab:imaging#17", False),
    ],
)
def test_an_entry_with_an_id_is_that_organization_under_any_name(entry, is_one):
    assert any_of({entry, "none"}, GROUPS) is is_one


@pytest.mark.parametrize(
    ("header", "hidden"),
    [
        (None, None),
        ("", None),
        ("something else", None),
        ("partial-results; organizations=17,18", Hidden(frozenset({17, 18}))),
        ("partial-results", Hidden()),
        ("partial-results; organizations=x", Hidden()),
        # Part of the ids would say that the others are not hidden.
        ("partial-results; organizations=" + ",".join(map(str, range(1, 1002))), Hidden()),
        (f"required; url={GITHUB}/orgs/lab/sso?a=b", Hidden(link=f"{GITHUB}/orgs/lab/sso?a=b")),
        ("required; url=https://evil.example/orgs/lab/sso", Hidden()),
        ("required; url=javascript:alert(1)", Hidden()),
        (f"required; url={GITHUB}/orgs/lab\x07", Hidden()),
        ("required; url=https://[", Hidden()),
        ("Partial-Results; organizations=17", Hidden(frozenset({17}))),
        ("partial-results; organizations=17; organizations=18", Hidden(frozenset({17, 18}))),
    ],
)
def test_the_header_says_what_is_hidden_and_where_to_sign_in(header, hidden):
    assert Hidden.parse(header, GITHUB) == hidden


def test_two_lists_hide_what_both_say_and_anything_where_one_does_not_say():
    first, second = Hidden(frozenset({1})), Hidden(frozenset({2}), "a-link")
    assert (first | second) == Hidden(frozenset({1, 2}), "a-link")
    assert (first | None) == first
    assert (first | Hidden()) == Hidden()
    assert (Hidden() | second) == Hidden(link="a-link")
    assert (second | Hidden(frozenset({1}), "other-link")).link == "a-link"


@pytest.mark.parametrize(
    ("entries", "ids", "may"),
    [
        ({"lab#17"}, {17, 18}, True),
        ({"lab#17"}, {18}, False),
        ({"lab#17"}, (), True),
        ({"lab"}, {18}, True),
        ({"lab:imaging#17"}, {18}, True),
        ((), {18}, False),
    ],
)
def test_an_entry_can_be_hidden_unless_its_id_says_otherwise(entries, ids, may):
    assert may_hide(Hidden(frozenset(ids)), entries) is may


def test_an_entrys_name_is_without_its_id():
    assert [name_of(entry) for entry in ("lab", "lab#17", "lab:imaging#5")] == ["lab", "lab", "lab:imaging"]


@pytest.mark.parametrize("entry", ["lab#", "lab#x", "#17", "lab#-1"])
def test_an_id_is_a_number(entry):
    with pytest.raises(ValueError, match="can never match"):
        check_github_names([entry])


@pytest.mark.parametrize("entry", ["lab/imaging", "lab:", ":imaging", "lab:a:b", "My Lab", "lab:imaging#x", "-lab"])
def test_a_name_that_github_does_not_give_is_refused(entry):
    with pytest.raises(ValueError, match=r"can never match: it should be `org`, `org#id`"):
        check_github_names(["lab", entry])


def test_names_that_github_gives_are_taken():
    check_github_names(["lab", "Lab-2", "lab#17", "lab:imaging", "lab:imaging#5"])
    check_github_names(["lab:imaging", "lab:imaging#5"], teams_only=True)


@pytest.mark.parametrize("entry", ["lab", "lab#17"])
def test_an_organization_is_no_team(entry):
    with pytest.raises(ValueError, match=r"can never match: it should be `org:team`"):
        check_github_names([entry], teams_only=True)

"""Paths by user: what a name can and cannot do to them."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.identity import UserIdentity
from jhkube.pod.volumes import check_template, fill_template


def user(name: str) -> UserIdentity:
    return UserIdentity(name, 7001, 7001, "x:1")


@pytest.mark.parametrize(
    ("template", "name", "path"),
    [
        ("{username}", "ada", "ada"),
        ("{unescaped_username}", "Ada.L@example.org", "Ada.L@example.org"),
        ("{uid}/lab", "ada", "7001/lab"),
        ("/home/{username}", "ada", "/home/ada"),
        ("home", "ada", "home"),
        ("u-{{{username}}}", "ada", "u-{ada}"),
        ("{unescaped_username}", "{uid}", "{uid}"),
    ],
)
def test_a_template_is_filled(template: str, name: str, path: str) -> None:
    assert fill_template(template, user(name)) == path


@pytest.mark.parametrize("name", ["", ".", "..", "../root", "a/b", "/etc", ".ssh", "a\0b", "a\nb", "a:b", "a" * 256])
def test_a_raw_name_that_could_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        fill_template("homes/{unescaped_username}", user(name))


@given(st.text())
def test_an_escaped_name_is_always_one_folder(name: str) -> None:
    path = fill_template("homes/{username}", user(name))
    assert posixpath.normpath(path) == path
    assert path.count("/") == 1
    assert posixpath.basename(path).isascii()


@given(st.text())
def test_a_raw_name_is_one_folder_or_refused(name: str) -> None:
    try:
        path = fill_template("homes/{unescaped_username}", user(name))
    except ValueError:
        return
    assert posixpath.normpath(path) == path
    assert path.count("/") == 1


@pytest.mark.parametrize(
    ("template", "absolute", "message"),
    [
        ("{user}", False, "may have"),
        ("{username.__class__}", False, "may have"),
        ("{username!r}", False, "may have"),
        ("{username:>99}", False, "may have"),
        ("{}", False, "may have"),
        ("{username", False, "not a template"),
        ("/{username}", False, "relative"),
        ("{username}", True, "absolute"),
        ("../{username}", False, "'..'"),
        ("../all", False, "'..'"),
        ("a/..", False, "'..'"),
        ("{username}/..", False, "'..'"),
        ("a/./{username}", False, "'.'"),
        ("/home:{username}", True, "colon"),
    ],
)
def test_a_wrong_template_is_refused(template: str, absolute: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_template(template, absolute=absolute)


def test_dots_beside_a_field_are_part_of_a_name() -> None:
    assert check_template("..{username}", absolute=False)

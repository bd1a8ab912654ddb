"""A repository as somebody names it: what is taken, what is refused, and where its image would be."""

from __future__ import annotations

import contextlib
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.images.image_name import is_image
from jhkube.images.offer_rules import parse_offers
from jhkube.images.offers import offer_for
from jhkube.operator_models import ConfigError
from jhkube.options_form.choice import Available
from jhkube.options_form.chosen import chosen, nearest_choice
from jhkube.options_form.option_values import OptionError
from jhkube.options_form.repositories import Repositories, parse_image_template, parse_repository_hosts
from jhkube.repository import Repository, branch_name, commit_id, repository_url
from tests.menus import menu

HOSTS = ("https://github.com", "https://git.example.org:3000")
NOTES = "https://github.com/observatory/notes"
LAB = "registry.example/lab"


def available(**more: Any) -> Available:
    offer = offer_for(menu({LAB: {"w_2026_46": ""}}, 1.0), parse_offers([{"kinds": {"weekly": 1}}]), ())
    template = parse_image_template("registry.example/repositories/{path}:{commit:7}")
    return Available(images=offer, repositories=Repositories(HOSTS, template), **more)


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        (NOTES, NOTES),
        (f"{NOTES}/", NOTES),
        (f"{NOTES}.git", f"{NOTES}.git"),
        ("HTTPS://GitHub.com/Observatory/Notes", "https://github.com/Observatory/Notes"),
        ("https://git.example.org:3000/a/b/c~d/e_f", "https://git.example.org:3000/a/b/c~d/e_f"),
        ("https://github.com/observatory/.github", "https://github.com/observatory/.github"),
    ],
)
def test_an_address_of_an_allowed_host_is_taken(typed: str, url: str) -> None:
    assert repository_url(typed, HOSTS) == url


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "notes",
        "-u https://github.com/a/b",
        "--upload-pack=touch /tmp/x",
        "https://github.com",
        "https://github.com/",
        "https://github.com/a//b",
        "https://github.com/../b",
        "https://github.com/a/.git",
        "https://github.com/-a/b",
        "https://github.com/a/-b",
        "https://github.com/a/b?x=1",
        "https://github.com/a/b#x",
        "https://github.com/a/b%2e%2e",
        "https://github.com/a/b\n",
        "https://github.com/a/b\x00",
        "https://github.com/a b",
        "https://github.com/a/b\\c",
        "https://github.com/a/ｂ",
        "https://github.com:443/a/b",
        "https://github.com.evil.example/a/b",
        "https://evil.example/a/b",
        "https://github.com@evil.example/a/b",
        "https://ada:secret@github.com/a/b",
        "https:///github.com/a/b",
        "https://github.com\\@evil.example/a/b",
        "http://github.com/a/b",
        "ssh://git@github.com/a/b",
        "git@github.com:a/b",
        "file:///etc/passwd",
        "ext::sh -c id",
        "/home/ada/notes",
    ],
)
def test_everything_else_is_refused_in_a_sentence(typed: str) -> None:
    with pytest.raises(ValueError, match=r"^(?:[A-Z].*\.)$") as refused:
        repository_url(typed, HOSTS)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("https://ada:secret@github.com/a/b", "Leave the user name and the password out"),
        ("github.com/a/b", "This is not the address of a repository, such as https://github.com/observatory/notes."),
        ("https://github.com/a/ b", "This is not the address"),
        ("https://gıthub.com/a/b", "This is not the address"),
        ("https://evil.example/a/b", "from https://github.com, https://git.example.org:3000 on this hub"),
    ],
)
def test_a_refusal_says_what_is_wrong(typed: str, told: str) -> None:
    with pytest.raises(ValueError) as refused:
        repository_url(typed, HOSTS)
    assert told in str(refused.value)


@given(st.text() | st.from_regex(r"https://github\.com/[ -~]{1,60}", fullmatch=True))
def test_whatever_is_taken_is_a_plain_address(text: str) -> None:
    try:
        url = repository_url(text, HOSTS)
    except ValueError:
        return
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}" in HOSTS
    assert (parts.query, parts.fragment, parts.username) == ("", "", None)
    assert ".." not in parts.path.split("/")
    folder = Repository(url).folder
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", folder)
    assert folder not in (".git", "..")


@pytest.mark.parametrize("name", ["main", "feature/plots", "v1.0", "ada@home", "übung", "a#1", "fix-(2)"])
def test_a_branch_can_have_any_name_that_git_takes(name: str) -> None:
    assert branch_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["-x", "--upload-pack=x", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "/a", "a/", "a//b", ".a"],
)
def test_and_no_other(name: str) -> None:
    with pytest.raises(ValueError, match="name of a branch"):
        branch_name(name)


@given(st.text(min_size=1))
def test_no_branch_is_an_option_or_has_a_control_character(text: str) -> None:
    try:
        name = branch_name(text)
    except ValueError:
        return
    assert name.isprintable()
    assert not name.startswith("-")


@pytest.mark.parametrize(("text", "commit"), [("1F3C9A2", "1f3c9a2"), ("0" * 40, "0" * 40), ("a" * 64, "a" * 64)])
def test_a_commit_is_hexadecimal(text: str, commit: str) -> None:
    assert commit_id(text) == commit


@pytest.mark.parametrize("text", ["", "1f3c9a", "HEAD", "main", "1f3c9a2g", "0" * 41, "1f3c9a2\n", "-1f3c9a2"])
def test_what_is_not_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        commit_id(text)


# The options.


def test_the_options_of_a_repository_become_a_value_and_options_again() -> None:
    options = {"repository": NOTES, "branch": "main", "commit": "1F3C9A2B", "submodules": True, "lfs": True}
    choice = chosen(options, available())
    assert choice.repository == Repository(NOTES, "main", "1f3c9a2b", submodules=True, lfs=True)
    assert chosen(choice.to_options(), available()).repository == choice.repository


def test_without_a_repository_the_options_are_as_they_were() -> None:
    assert set(chosen({}, available()).to_options()) == {"profile", "image", "presets", "reset_environment", "debug"}
    assert chosen({"repository": "", "branch": None, "submodules": False}, available()).repository is None


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"repository": 1}, "repository"),
        ({"repository": "https://evil.example/a/b"}, "repository"),
        ({"repository": NOTES, "branch": "--x"}, "branch"),
        ({"repository": NOTES, "commit": "HEAD"}, "commit"),
        ({"repository": NOTES, "submodules": "yes"}, "submodules"),
        ({"repository": f"{NOTES}/{'a' * 600}"}, "repository"),
        ({"branch": "main"}, "branch"),
        ({"lfs": True}, "lfs"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], field: str) -> None:
    with pytest.raises(OptionError) as refused:
        chosen(options, available())
    assert refused.value.field == field


def test_no_server_starts_from_a_repository_unless_the_operator_says_so() -> None:
    with pytest.raises(OptionError, match="cannot start from a repository"):
        chosen({"repository": NOTES}, Available())


def test_a_repository_is_not_selected_again() -> None:
    choice, gone = nearest_choice({"repository": NOTES, "image": "w_2026_46"}, available())
    assert choice.repository is None
    assert gone == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
KEYS = ("repository", "branch", "commit", "submodules", "lfs", "environment", "image")


@given(st.dictionaries(st.sampled_from(KEYS), JSON | st.just(NOTES)))
def test_whatever_json_says_is_a_choice_or_a_refusal(options: dict[str, Any]) -> None:
    nearest_choice(options, available())
    # Nothing but a refusal is raised.
    with contextlib.suppress(OptionError):
        chosen(options, available())


# The operator's settings.


def test_hosts_are_names_or_addresses() -> None:
    assert parse_repository_hosts(["github.com", "http://git.example.org:3000/"]) == (
        "https://github.com",
        "http://git.example.org:3000",
    )


@pytest.mark.parametrize(
    "wrong",
    ["github.com", ["GitHub.com"], ["*.example.org"], ["ssh://github.com"], ["github.com/a"], ["a@github.com"], [1]],
)
def test_a_host_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="repository_hosts"):
        parse_repository_hosts(wrong)


@pytest.mark.parametrize(
    ("template", "repository", "image"),
    [
        (
            "r.example/{path}:{commit:7}",
            Repository(f"{NOTES}.git", commit="1f3c9a2bb"),
            "r.example/observatory/notes:1f3c9a2",
        ),
        ("r.example/{path}:{commit:7}", Repository(NOTES), ""),
        ("r.example/{path}:{commit:10}", Repository(NOTES, commit="1f3c9a2"), ""),
        ("r.example/lab-{name}:{branch}", Repository(NOTES, "feature/Plots"), "r.example/lab-notes:feature-Plots"),
        ("r.example/{path}", Repository("https://github.com/Observatory/Notes"), "r.example/observatory/notes"),
        ("r.example/{path}:x", Repository("https://github.com/a/~b"), ""),
    ],
)
def test_a_repositorys_image_is_where_the_template_says(template: str, repository: Repository, image: str) -> None:
    made = parse_image_template(template)
    assert made is not None
    assert made.image_of(repository) == image
    assert not image or is_image(image)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("registry.example/lab:{commit}", "should have {path} or {name}"),
        ("registry.example/{user}:1", "no field {user}"),
        ("registry.example/{path.__class__}", "no field"),
        ("registry.example/{path!r}", "number of characters"),
        ("registry.example/{path:>9}", "number of characters"),
        ("registry.example/{path", "expected '}'"),
        ("registry.example/{}", "no field {}"),
        ("Registry Example/{path}", "cannot be an image"),
    ],
)
def test_a_template_that_can_be_no_image_is_refused_when_it_is_assigned(template: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        parse_image_template(template)


def test_the_own_image_is_looked_for_where_the_image_is_left_out() -> None:
    asked = {"repository": NOTES, "commit": "1f3c9a2b"}
    choice = chosen(asked, available())
    assert choice.own_image == "registry.example/repositories/observatory/notes:1f3c9a2"
    assert choice.image == "w_2026_46"
    assert chosen({**asked, "image": "w_2026_46"}, available()).own_image == ""

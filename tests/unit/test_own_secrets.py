"""Secrets of people's own: which ones an option can ask for, whose they are, and how they come into a pod."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.identity import UserIdentity
from jhkube.options_form.choice import Available
from jhkube.options_form.chosen import chosen, nearest_choice
from jhkube.options_form.form import options_from_form, render
from jhkube.options_form.links import check_link
from jhkube.options_form.option_values import OptionError
from jhkube.pod.own_secrets import (
    OwnSecret,
    list_manifest,
    list_name,
    object_name,
    own_secret_manifest,
    own_secret_parts,
    secrets_in,
)

HAS = Available(secrets=("keys", "registry"))
SECRET = OwnSecret("keys", ("key",), "2026-11-30T08:00:00+00:00")


@pytest.mark.parametrize(
    ("asked", "available", "words"),
    [
        (["keys"], Available(), "cannot be attached on this hub"),
        (["keys"], Available(secrets=()), "You have no secret 'keys'. Make it in My servers"),
        (["key"], HAS, "You have no secret 'key'. Did you mean 'keys'?"),
        ([7], HAS, "You have no secret 7."),
        ("keys", HAS, "should be a list of names"),
    ],
)
def test_a_secret_that_is_not_there_is_refused_at_its_field(asked: Any, available: Available, words: str) -> None:
    with pytest.raises(OptionError, match=words) as refused:
        chosen({"secrets": asked}, available)
    assert refused.value.field == "secrets"


def test_those_that_are_there_are_remembered_and_those_that_are_gone_are_told() -> None:
    choice = chosen({"secrets": ["registry", "keys"]}, HAS)
    assert choice.to_options()["secrets"] == ["keys", "registry"]
    assert "secrets" not in chosen({"secrets": []}, Available()).to_options()
    choice, gone = nearest_choice({"secrets": ["old", "keys"]}, HAS)
    assert (choice.secrets, gone) == (("keys",), {"secrets": "old"})
    page = render(HAS, {"secrets": ["old", "keys"]}, now=0)
    assert "Some of what you chose last time is not available any more." in page
    assert 'value="keys" id="jhkube-secret-1"' in page
    assert page.count(" checked") == 1
    assert 'name="secrets"' not in render(Available(secrets=()), now=0)


def test_a_form_says_which_ones_and_a_link_does_not_decide_that() -> None:
    assert options_from_form({"secrets": ["", "keys"]}) == {"secrets": ["keys"]}
    with pytest.raises(OptionError, match="A link asks for your secret keys"):
        check_link(chosen({"secrets": ["keys"]}, HAS), HAS)


def found(subject: str, data: dict[str, str]) -> dict[str, Any]:
    """Return a list as the API server has it."""
    return {"metadata": {"annotations": {"jhkube/subject": subject}, "resourceVersion": "7"}, "data": data}


def test_a_list_is_read_as_it_was_written_and_only_for_whom_it_names() -> None:
    written = list_manifest("github:1", [SECRET], None, {"a": "b"})
    assert written.metadata.resource_version is None
    there = found("github:1", written.data)
    assert secrets_in(there, "github:1") == (SECRET,)
    assert secrets_in(there, "github:2") == secrets_in(there, "") == secrets_in(None, "github:1") == ()
    assert list_manifest("github:1", [], there, {}).metadata.resource_version == "7"
    odd = {
        "a": "",
        "b": "[]",
        "c": '{"files": 7}',
        "../d": json.dumps({"files": [], "created": ""}),
        "keys": written.data["keys"],
    }
    assert secrets_in(found("github:1", odd), "github:1") == (SECRET,)


names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
subjects = st.text(min_size=1, max_size=40)


@given(st.tuples(subjects, names), st.tuples(subjects, names))
def test_two_people_or_two_names_are_never_one_object(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (object_name(*one) == object_name(*other)) == (one == other)
    assert (list_name(one[0]) == list_name(other[0])) == (one[0] == other[0])
    assert object_name(*one) != list_name(other[0])


def test_nothing_prints_a_value_and_the_pod_gets_files_that_can_only_be_read() -> None:
    secret = own_secret_manifest("github:1", "keys", {"key": "battery staple"}, {})
    assert "YmF0dGVyeSBzdGFwbGU=" not in f"{secret!r} {secret}"
    assert secret.data == {"key": "YmF0dGVyeSBzdGFwbGU="}
    parts = own_secret_parts("github:1", ["keys", "registry"])
    assert [(each.mount_path, each.read_only) for each in parts.volume_mounts] == [
        ("/secrets/keys", True),
        ("/secrets/registry", True),
    ]
    assert [each.secret.secret_name for each in parts.volumes] == [
        object_name("github:1", "keys"),
        object_name("github:1", "registry"),
    ]
    assert {each.secret.default_mode for each in parts.volumes} == {0o400}
    assert own_secret_parts("github:1", ["keys"], has_fs_group=False).volumes[0].secret.default_mode == 0o444
    assert UserIdentity("ada", 1, 1, "github:1").subject not in parts.volumes[0].secret.secret_name

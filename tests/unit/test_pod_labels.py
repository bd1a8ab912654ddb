"""What a pod says about itself."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from jhkube.identity import UserIdentity
from jhkube.pod.build import ServerFacts, label_parts, label_value

_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z")
"""A label's value, by https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/."""


def test_the_facts_are_told() -> None:
    digest = "sha256:" + "1b" * 32
    facts = ServerFacts("hub.example/lab:w_1", "w_1", digest, "small", ("astro", "astro:ops"))
    parts = label_parts(facts, UserIdentity("ada", 7001, 7001, "github:1"))
    assert parts.labels == {
        "jhkube/image-tag": "w_1",
        "jhkube/image-digest": "1b1b1b1b1b1b",
        "jhkube/size": "small",
        "jhkube/uid": "7001",
        "group.jhkube/astro": "yes",
        f"group.jhkube/{label_value('astro:ops')}": "yes",
    }
    assert parts.annotations["jhkube/image"] == "hub.example/lab:w_1"
    assert parts.annotations["jhkube/image-digest"] == digest
    assert json.loads(parts.annotations["jhkube/groups"]) == ["astro", "astro:ops"]


def test_what_is_not_known_is_left_out() -> None:
    parts = label_parts(ServerFacts())
    assert (parts.labels, parts.annotations) == ({}, {})


@given(st.text())
def test_any_text_becomes_a_label(text: str) -> None:
    assert _LABEL.match(label_value(text))


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_texts_have_two_labels(one: str, other: str) -> None:
    assert one == other or label_value(one) != label_value(other)


@given(st.lists(st.text()))
def test_any_groups_become_valid_label_keys(groups: list[str]) -> None:
    for key in label_parts(ServerFacts(hub_groups=tuple(groups))).labels:
        name = key.removeprefix("group.jhkube/")
        assert name
        assert _LABEL.match(name)

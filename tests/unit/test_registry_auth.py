"""Challenges and docker configurations, as they are read."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.images.registry.auth import parse_challenges
from jhkube.images.registry.credentials import Credential, RegistryCredentials

CHALLENGES = [
    ("", []),
    ("Basic", [("basic", {})]),
    ('Basic realm="a registry"', [("basic", {"realm": "a registry"})]),
    ("Basic realm=bare", [("basic", {"realm": "bare"})]),
    ('BASIC REALM="loud"', [("basic", {"realm": "loud"})]),
    (
        'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
        [
            (
                "bearer",
                {
                    "realm": "https://auth.example/token",
                    "service": "registry.example",
                    "scope": "repository:a/b:pull,push",
                },
            )
        ],
    ),
    ('Bearer realm = "x" , service = "y"', [("bearer", {"realm": "x", "service": "y"})]),
    (r'Bearer realm="say \"friend\"\\"', [("bearer", {"realm": 'say "friend"\\'})]),
    ('Basic realm="a, Bearer realm=b"', [("basic", {"realm": "a, Bearer realm=b"})]),
    (
        'Negotiate, Basic realm="x", Bearer realm="y",error="invalid_token"',
        [("negotiate", {}), ("basic", {"realm": "x"}), ("bearer", {"realm": "y", "error": "invalid_token"})],
    ),
    (
        'Negotiate YII==, Basic realm="x"',
        [("negotiate", {}), ("yii", {}), ("basic", {"realm": "x"})],
    ),
    ('Bearer realm="first",realm="second"', [("bearer", {"realm": "first"})]),
    ('realm="of nothing"', []),
    ('Bearer realm="never closed', [("bearer", {}), ("realm", {})]),
]


@pytest.mark.parametrize(("header", "expected"), CHALLENGES)
def test_a_challenge_is_read(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    found = [(challenge.scheme, dict(challenge.parameters)) for challenge in parse_challenges([header])]
    assert found == expected


def test_challenges_may_come_in_several_headers() -> None:
    assert [challenge.scheme for challenge in parse_challenges(["Bearer realm=a", "Basic realm=b"])] == [
        "bearer",
        "basic",
    ]


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("", ()),
        ("repository:lab:pull", ("repository:lab:pull",)),
        ("repository:lab:pull,push", ("repository:lab:pull,push",)),
        ("repository:lab:pull,push repository:base:pull", ("repository:lab:pull,push", "repository:base:pull")),
    ],
)
def test_commas_do_not_part_scopes_and_spaces_do(scope: str, scopes: tuple[str, ...]) -> None:
    [challenge] = parse_challenges([f'Bearer realm="x",scope="{scope}"'])
    assert challenge.scopes == scopes


@given(st.lists(st.text()))
def test_no_header_makes_the_reader_fail(headers: list[str]) -> None:
    parse_challenges(headers)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("place", "host", "repository"),
    [
        ("quay.io", "quay.io", "jupyter/lab"),
        ("https://quay.io", "quay.io", "jupyter/lab"),
        ("https://quay.io/v2/", "quay.io", "jupyter/lab"),
        ("https://index.docker.io/v1/", "docker.io", "jupyter/lab"),
        ("registry-1.docker.io", "docker.io", "jupyter/lab"),
        ("localhost:5000", "localhost:5000", "lab"),
        ("quay.io/jupyter", "quay.io", "jupyter/lab"),
        ("quay.io/jupyter/lab", "quay.io", "jupyter/lab"),
        ("*.example.org", "registry.example.org", "lab"),
        ("QUAY.io", "quay.io", "lab"),
    ],
)
def test_an_account_is_found_as_kubelet_finds_it(place: str, host: str, repository: str) -> None:
    credentials = RegistryCredentials.from_docker_config({"auths": {place: {"auth": encoded("me:pass:word")}}})
    assert credentials.find(host, repository) == Credential("me", "pass:word")


@pytest.mark.parametrize(
    ("place", "host", "repository"),
    [
        ("quay.io", "evil-quay.io", "lab"),
        ("quay.io", "quay.io:5000", "lab"),
        ("quay.io/jupyter", "quay.io", "jupyter-evil/lab"),
        ("*.example.org", "a.b.example.org", "lab"),
        ("*.example.org", "example.org", "lab"),
    ],
)
def test_an_account_is_not_given_to_another(place: str, host: str, repository: str) -> None:
    credentials = RegistryCredentials.from_docker_config({"auths": {place: {"auth": encoded("me:word")}}})
    assert credentials.find(host, repository) is None


def test_the_longest_path_wins_over_the_host() -> None:
    auths = {name: {"username": name, "password": "x"} for name in ("quay.io", "quay.io/a/b", "quay.io/a", "*.io")}
    credentials = RegistryCredentials.from_docker_config({"auths": auths})
    found = [credentials.find("quay.io", path) for path in ("c", "a/c", "a/b")]
    assert [credential and credential.username for credential in found] == ["quay.io", "quay.io/a", "quay.io/a/b"]


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"auths": {"quay.io": {"username": "me", "password": "word"}}}, id="plain"),
        pytest.param({"auths": {"quay.io": {"auth": encoded("me:word")}}}, id="encoded"),
        pytest.param({"auths": {"quay.io": {"auth": encoded("me:word").rstrip("=")}}}, id="without padding"),
        pytest.param(
            {"auths": {"quay.io": {"auth": f"{encoded('me:word')[:5]}\r\n{encoded('me:word')[5:]}\n"}}}, id="wrapped"
        ),
        pytest.param({"auths": {"quay.io": {"auth": encoded("me:word\0\0")}}}, id="padded as old docker did"),
        pytest.param(
            {"auths": {"https://secret:secret@quay.io": {"auth": encoded("me:word")}}}, id="a name before the host"
        ),
        pytest.param({"quay.io": {"auth": encoded("me:word"), "email": "me@example.org"}}, id="dockercfg"),
        pytest.param({"auths": {"quay.io": {"auth": encoded("me:word")}}, "credsStore": "pass"}, id="with a store"),
    ],
)
def test_a_configuration_is_read_from_a_dict_and_from_a_file(config: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    expected = Credential("me", "word")
    assert RegistryCredentials.from_docker_config(config).find("quay.io", "x") == expected
    assert RegistryCredentials.from_docker_config(file).find("quay.io", "x") == expected
    assert RegistryCredentials.from_docker_config(str(file)).find("quay.io", "x") == expected


@pytest.mark.parametrize(
    "content",
    [
        '{"auths": {"quay.io": {"auth": "c2VjcmV0',
        '{"auths": ["secret"]}',
        '["secret"]',
    ],
)
def test_a_configuration_that_cannot_be_read_is_refused_without_being_shown(content: str, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    with pytest.raises(ValueError) as refused:
        RegistryCredentials.from_docker_config(file)
    error: BaseException | None = refused.value
    while error is not None:
        assert "secret" not in str(error)
        assert "c2VjcmV0" not in repr(error)
        error = error.__cause__


@pytest.mark.parametrize(
    "entry",
    [
        {"auth": "secret!"},
        {"auth": encoded("secret without a colon")},
        {"auth": ["secret"]},
        {"username": ["secret"], "password": "secret"},
        {"username": "\ud800", "password": "secret"},
        {"username": "<token>", "identitytoken": "secret\ud800"},
        "secret",
        {"registrytoken": "secret\nX-Header: y"},
    ],
)
def test_an_entry_that_cannot_be_read_costs_only_itself(entry: object) -> None:
    auths = {"bad.example": entry, "quay.io": {"auth": encoded("me:word")}}
    credentials = RegistryCredentials.from_docker_config({"auths": auths})
    assert credentials.find("quay.io", "x") == Credential("me", "word")
    assert credentials.find("bad.example", "x") is None
    [fault] = credentials.faults
    assert "entry for bad.example is left out" in fault
    assert "secret" not in fault


def test_a_password_need_not_be_utf_8() -> None:
    auth = base64.b64encode(b"me:p\xe4ss").decode()
    found = RegistryCredentials.from_docker_config({"auths": {"quay.io": {"auth": auth}}}).find("quay.io", "x")
    assert found is not None
    assert found.basic == f"Basic {auth}"


@pytest.mark.parametrize(
    "place", ["https://me:secret@bad.example", "bad.example/\ud800", "bad.example/" + "x" * 9999]
)
def test_a_fault_can_be_shown_whatever_the_entrys_name_is(place: str) -> None:
    [fault] = RegistryCredentials.from_docker_config({"auths": {place: {"auth": "!"}}}).faults
    assert "entry for bad.example" in fault
    assert "secret" not in fault
    assert len(fault.encode()) < 250


def test_a_configuration_without_any_account_is_one() -> None:
    assert RegistryCredentials.from_docker_config({"auths": None}) == RegistryCredentials()


def test_accounts_are_never_printed() -> None:
    credentials = RegistryCredentials.from_docker_config(
        {"auths": {"quay.io": {"auth": encoded("me:word"), "identitytoken": "identity", "registrytoken": "bearer"}}}
    )
    shown = repr(credentials) + str(credentials) + repr(credentials.find("quay.io", "x"))
    assert not any(
        secret in shown for secret in ("me:", "word", "identity=", "'identity'", "'bearer'", encoded("me"))
    )


def test_an_entry_without_an_account_is_none() -> None:
    assert RegistryCredentials.from_docker_config({"auths": {"quay.io": {}}}).find("quay.io", "x") is None

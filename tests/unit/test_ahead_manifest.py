"""The manifest of a pod that waits, made from that of a start."""

from __future__ import annotations

import copy

import pytest
from kubernetes_asyncio.client import ApiClient

from jhkube.ahead.manifest import (
    HANDED_OVER,
    CannotWait,
    ahead_files,
    fingerprint,
    handed_over,
    spec_digest,
    waiting_pod,
)
from jhkube.pod.secret import SecretFiles
from jhkube.pod.security import with_umask
from tests.unit.test_pod_security import kubespawner_pod

ENV = {"JUPYTERHUB_API_TOKEN": "t0ken", "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", "HOME": "/home/ada"}


def pod(**more):
    return kubespawner_pod(**{"cmd": ["jupyterhub-singleuser", "--debug"], "env": dict(ENV), **more})


def plain(made):
    return ApiClient.sanitize_for_serialization(ApiClient.__new__(ApiClient), made)


def test_the_command_waits_and_goes_on_unchanged():
    made = waiting_pod(pod(), seconds=120, port=8888)
    assert made.spec.containers[0].args == [
        *("/bin/sh", "/etc/jhkube-ahead/wait.sh", "120", "8888"),
        *("jupyterhub-singleuser", "--debug"),
    ]


def test_what_stands_before_the_program_runs_before_it_waits():
    made = waiting_pod(with_umask(pod(), "0027"), seconds=120, port=8888)
    shell, option, script, *rest = made.spec.containers[0].args
    assert (shell, option) == ("/bin/sh", "-c")
    assert "umask 0027" in script
    assert rest[:2] == ["/bin/sh", "/etc/jhkube-ahead/wait.sh"]
    assert rest[-2:] == ["jupyterhub-singleuser", "--debug"]


def test_a_program_with_its_folder_is_found_and_another_command_waits_at_its_beginning():
    found = waiting_pod(pod(cmd=["tini", "--", "/opt/bin/jupyterhub-singleuser"]), seconds=9, port=1)
    assert found.spec.containers[0].args[:2] == ["tini", "--"]
    other = waiting_pod(pod(cmd=["start.sh", "x"]), seconds=9, port=1)
    assert other.spec.containers[0].args[-2:] == ["start.sh", "x"]
    assert other.spec.containers[0].args[0] == "/bin/sh"


def test_a_command_that_is_the_images_own_cannot_wait():
    with pytest.raises(CannotWait, match=r"set c\.KubeSpawner\.cmd"):
        waiting_pod(pod(cmd=None), seconds=120, port=8888)


def test_the_tokens_of_a_start_are_not_in_the_manifest_and_the_rest_is():
    made = waiting_pod(pod(), seconds=120, port=8888)
    assert [each.name for each in made.spec.containers[0].env] == ["HOME"]
    assert "t0ken" not in str(plain(made))
    assert handed_over(pod()) == {"JUPYTERHUB_API_TOKEN": "t0ken", "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}


@pytest.mark.parametrize(
    "more",
    [
        {"cmd": ["jupyterhub-singleuser", "--prefix=$(JUPYTERHUB_SERVICE_PREFIX)"]},
        {"env": {**ENV, "MINE": "x$(JUPYTERHUB_API_TOKEN)"}},
        {"cmd": ["a"], "extra_container_config": {"command": ["b", "$(JUPYTERHUB_SERVICE_PREFIX)"]}},
        {"env": {**ENV, "JUPYTERHUB_SERVICE_URL": "$(HOME)"}},
        {"env": {**ENV, "JUPYTERHUB_SERVICE_URL": "http://lab/$$HOME"}},
        {"env": {**ENV, "JUPYTERHUB_API_TOKEN": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}}},
    ],
)
def test_a_start_whose_values_kubelet_would_fill_in_cannot_be_handed_over(more):
    with pytest.raises(CannotWait):
        waiting_pod(pod(**more), seconds=120, port=8888)


def test_the_key_is_private_and_the_programs_can_be_read():
    made = waiting_pod(pod(fs_gid=100), seconds=120, port=8888)
    (volume,) = [each for each in made.spec.volumes if each.name == "jhkube-ahead"]
    assert {item.path: item.mode for item in volume.secret.items} == {
        "key": 0o400,
        "wait.sh": 0o444,
        "waiting.py": 0o444,
    }
    assert {item.key for item in volume.secret.items} == set(ahead_files("").contents)
    assert volume.secret.secret_name == f"{made.metadata.name}.jhkube"


def test_without_an_fs_group_the_user_can_read_the_key():
    made = waiting_pod(pod(fs_gid=None), seconds=120, port=8888)
    (volume,) = [each for each in made.spec.volumes if each.name == "jhkube-ahead"]
    assert {item.mode for item in volume.secret.items} == {0o444}


@pytest.mark.parametrize(("given", "expected"), [("", "labs"), ("ahead", "ahead")])
def test_a_priority_class_replaces_that_of_the_start(given, expected):
    made = waiting_pod(pod(priority_class_name="labs"), seconds=120, port=8888, priority_class=given)
    assert made.spec.priority_class_name == expected


def test_a_start_that_differs_in_what_is_handed_over_alone_is_the_same():
    files = SecretFiles({"gitconfig": "x", "token": "one"}, private=frozenset({"token"}))
    other = SecretFiles({"gitconfig": "x", "token": "two"}, private=frozenset({"token"}))
    later = pod(env={**ENV, "JUPYTERHUB_API_TOKEN": "another", "JUPYTERHUB_ADMIN_ACCESS": "1"})
    assert fingerprint(plain(pod()), files) == fingerprint(plain(later), other)


@pytest.mark.parametrize(
    "more", [{"image": "lab:other"}, {"env": {**ENV, "HOME": "/elsewhere"}}, {"mem_limit": 7}, {"cmd": ["x"]}]
)
def test_a_start_that_differs_in_anything_else_is_another(more):
    files = SecretFiles({"passwd": "x"})
    assert fingerprint(plain(pod()), files) != fingerprint(plain(pod(**more)), files)
    assert fingerprint(plain(pod()), files) != fingerprint(plain(pod()), SecretFiles({"passwd": "y"}))


def test_what_a_pod_runs_is_the_same_on_its_node_and_another_with_another_image():
    made = plain(pod())
    placed, changed = copy.deepcopy(made), copy.deepcopy(made)
    placed["spec"]["nodeName"] = "node-1"
    changed["spec"]["containers"][0]["image"] = "evil"
    assert spec_digest(placed) == spec_digest(made) != spec_digest(changed)


def test_the_variables_that_are_handed_over_are_those_of_a_start():
    assert {"JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN"} <= HANDED_OVER
    # What is read while modules are imported, so it has to be there before.
    assert not {name for name in HANDED_OVER if "SINGLEUSER" in name or "XSRF" in name}

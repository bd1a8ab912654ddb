"""Whom a pod runs as, and the Pod Security level it passes."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes_asyncio.client.models import V1Pod, V1SecurityContext
from kubespawner.objects import make_pod

from jhkube.identity import UnixGroup, UserIdentity
from jhkube.pod.build import PodSettings, ServerFacts, build_pod
from jhkube.pod.git import GitSettings, parse_git_hosts
from jhkube.pod.home import parse_home
from jhkube.pod.mounts import parse_mounts
from jhkube.pod.security import ROOT_HOME_CONTEXT, parse_umask, run_as, with_umask
from tests.unit.pod_security import baseline_violations, restricted_violations, serialized

ADA = UserIdentity("ada", 7001, 7002, "github:1", groups=(UnixGroup("astro", 9001), UnixGroup("ops", 9002)))


def kubespawner_pod(**traits: Any) -> V1Pod:
    """Return a pod as KubeSpawner makes it, with the Zero to JupyterHub chart's numbers."""
    defaults = {"name": "jupyter-ada", "cmd": ["jupyterhub-singleuser"], "port": 8888, "image": "lab:1"}
    return make_pod(**{**defaults, "uid": 1000, "fs_gid": 100, **traits})


def built(home: dict[str, Any], **traits: Any) -> dict[str, Any]:
    pod = build_pod(
        kubespawner_pod(**traits), PodSettings(home=parse_home(**home)), ADA, ServerFacts(), claim_name="claim-ada"
    )
    return serialized(pod)


def test_the_users_numbers_win_over_the_charts() -> None:
    spec = serialized(run_as(kubespawner_pod(), ADA))["spec"]
    container = spec["containers"][0]["securityContext"]
    assert (container["runAsUser"], container["runAsGroup"]) == (7001, 7002)
    assert spec["securityContext"]["fsGroup"] == 7002
    assert spec["securityContext"]["supplementalGroups"] == [9001, 9002]


def test_the_users_numbers_win_over_security_contexts() -> None:
    pod = kubespawner_pod(
        container_security_context={"runAsUser": 0, "runAsNonRoot": False},
        pod_security_context={"runAsUser": 0, "fsGroup": 0},
    )
    spec = serialized(run_as(pod, ADA))["spec"]
    container = spec["containers"][0]["securityContext"]
    assert (container["runAsUser"], container["runAsNonRoot"], spec["securityContext"]["fsGroup"]) == (
        7001,
        True,
        7002,
    )


def test_a_security_context_that_is_a_model_is_understood() -> None:
    pod = kubespawner_pod(
        extra_container_config={"security_context": V1SecurityContext(read_only_root_filesystem=True)}
    )
    container = serialized(run_as(pod, ADA))["spec"]["containers"][0]["securityContext"]
    assert container["readOnlyRootFilesystem"] is True
    assert container["runAsUser"] == 7001


@pytest.mark.parametrize(
    ("home", "mounts", "group", "mode"),
    [
        ({"kind": "pvc"}, [], 7002, 0o400),
        ({"kind": "pvc"}, [{"path": "/data", "claim": "survey"}], 7002, 0o400),
        ({"kind": "pvc", "made_by": "root"}, [{"path": "/data", "claim": "survey"}], None, 0o444),
        ({"kind": "shared-pvc", "claim": "homes"}, [], None, 0o444),
        ({"kind": "shared-pvc", "claim": "homes", "made_by": "nobody"}, [], None, 0o444),
    ],
)
def test_kubelet_gives_no_volume_that_people_share_to_one_of_them(
    home: dict[str, Any], mounts: list[dict[str, str]], group: int | None, mode: int
) -> None:
    settings = PodSettings(
        home=parse_home(**home), mounts=parse_mounts(mounts), git=GitSettings(parse_git_hosts(["github.com"]))
    )
    spec = serialized(build_pod(kubespawner_pod(), settings, ADA, ServerFacts(), claim_name="claim-ada"))["spec"]
    assert spec["securityContext"].get("fsGroup") == group
    assert ("fsGroupChangePolicy" in spec["securityContext"]) == (group is not None)
    items = next(volume["secret"] for volume in spec["volumes"] if "secret" in volume)["items"]
    assert {item["mode"] for item in items if item["key"].startswith("token-")} == {mode}


def test_the_operators_own_groups_stay() -> None:
    pod = kubespawner_pod(supplemental_gids=[5000, 9001])
    assert serialized(run_as(pod, ADA))["spec"]["securityContext"]["supplementalGroups"] == [9001, 9002, 5000]


def test_what_the_operator_allows_stays_allowed() -> None:
    pod = kubespawner_pod(
        allow_privilege_escalation=True, container_security_context={"capabilities": {"add": ["NET_RAW"]}}
    )
    container = serialized(run_as(pod, ADA))["spec"]["containers"][0]["securityContext"]
    assert container["allowPrivilegeEscalation"] is True
    assert container["capabilities"] == {"add": ["NET_RAW"]}


def test_an_operators_sidecar_and_init_container_run_as_before() -> None:
    pod = kubespawner_pod(
        extra_containers=[{"name": "cron", "image": "cron:1"}],
        init_containers=[
            {"name": "block", "image": "net:1", "securityContext": {"runAsUser": 0, "privileged": True}}
        ],
    )
    spec = serialized(run_as(pod, ADA))["spec"]
    assert "securityContext" not in spec["containers"][1]
    assert spec["initContainers"][0]["securityContext"] == {"runAsUser": 0, "privileged": True}
    assert "runAsNonRoot" not in spec["securityContext"]


def test_a_large_volume_is_not_walked_by_kubelet() -> None:
    policy = serialized(run_as(kubespawner_pod(), ADA))["spec"]["securityContext"]["fsGroupChangePolicy"]
    assert policy == "OnRootMismatch"


@pytest.mark.parametrize(
    "home",
    [
        {"kind": "pvc"},
        {"kind": "pvc", "sub_path": "home", "skeleton": True, "copy_from": "/opt/copy-to-home"},
        {"kind": "shared-pvc", "claim": "homes", "made_by": "nobody", "skeleton": True},
        {"kind": "nfs", "nfs": {"server": "nfs", "path": "/e", "mount_options": ["nfsvers=4"]}, "made_by": "nobody"},
    ],
)
def test_without_a_root_init_container_a_pod_is_restricted(home: dict[str, Any]) -> None:
    assert restricted_violations(built(home)) == []


@pytest.mark.parametrize(
    "home",
    [
        {"kind": "pvc", "made_by": "root"},
        {"kind": "shared-pvc", "claim": "homes", "skeleton": True},
        {"kind": "nfs", "nfs": {"server": "nfs", "path": "/e"}},
    ],
)
def test_with_a_root_init_container_a_pod_is_baseline(home: dict[str, Any]) -> None:
    assert baseline_violations(built(home)) == []
    assert restricted_violations(built(home)) != []


def test_no_service_account_token_is_mounted() -> None:
    assert built({"kind": "pvc"})["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize(("text", "mask"), [("", ""), ("27", "0027"), ("0077", "0077"), ("0", "0000")])
def test_a_umask_is_read(text: str, mask: str) -> None:
    assert parse_umask(text) == mask


@pytest.mark.parametrize("text", ["8", "1000", "-1", "rwx", "027; id"])
def test_a_wrong_umask_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="octal"):
        parse_umask(text)


def test_a_umask_without_a_command_says_what_to_configure() -> None:
    with pytest.raises(ValueError, match=r"KubeSpawner\.cmd"):
        with_umask(kubespawner_pod(cmd=None), "0027")


def test_the_command_follows_the_umask_unchanged() -> None:
    pod = with_umask(kubespawner_pod(cmd=["a b", "--x=$y"]), "0027")
    assert pod.spec.containers[0].args[-2:] == ["a b", "--x=$y"]


def test_a_home_that_root_makes_is_made_with_three_rights_and_no_more() -> None:
    assert ROOT_HOME_CONTEXT["capabilities"] == {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]}
    assert ROOT_HOME_CONTEXT["allowPrivilegeEscalation"] is False
    assert ROOT_HOME_CONTEXT["seccompProfile"] == {"type": "RuntimeDefault"}

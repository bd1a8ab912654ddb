"""Volumes beyond the home: for whom, from where, and when they are taken."""

from __future__ import annotations

from typing import Any

import pytest

from jhkube.identity import UserIdentity
from jhkube.operator_models import ConfigError
from jhkube.pod.mounts import claim_in_use, mount_parts, mounts_for, parse_mounts
from tests.unit.pod_security import serialized

ADA = UserIdentity("ada", 7001, 7001, "github:1")


def test_a_mount_with_groups_is_for_their_members() -> None:
    mounts = parse_mounts(
        [
            {"path": "/all", "claim": "all"},
            {"path": "/astro", "claim": "astro", "groups": ["astro"]},
            {"path": "/two", "claim": "two", "groups": ["chem", "astro:ops"]},
        ]
    )
    assert [mount.path for mount in mounts_for(mounts, [])] == ["/all"]
    assert [mount.path for mount in mounts_for(mounts, ["astro"])] == ["/all", "/astro"]
    assert [mount.path for mount in mounts_for(mounts, ["astro:ops"])] == ["/all", "/two"]


@pytest.mark.parametrize(
    ("entry", "volume", "mount"),
    [
        (
            {"path": "/data", "claim": "data", "read_only": True},
            {"persistentVolumeClaim": {"claimName": "data"}},
            {"mountPath": "/data", "readOnly": True},
        ),
        (
            {"path": "/sw", "nfs": {"server": "s", "path": "/e"}, "sub_path": "{username}/x"},
            {"nfs": {"server": "s", "path": "/e"}},
            {"mountPath": "/sw", "subPath": "ada/x"},
        ),
        (
            {"path": "/scratch/{username}", "host_path": "/srv"},
            {"hostPath": {"path": "/srv", "type": "Directory"}},
            {"mountPath": "/scratch/ada"},
        ),
        (
            {"path": "/dev/kvm", "host_path": {"path": "/dev/kvm", "type": "CharDevice"}},
            {"hostPath": {"path": "/dev/kvm", "type": "CharDevice"}},
            {"mountPath": "/dev/kvm"},
        ),
    ],
)
def test_a_mount_is_a_volume_and_a_path(entry: dict[str, Any], volume: Any, mount: Any) -> None:
    parts = mount_parts(parse_mounts([entry]), ADA)
    assert serialized(parts.volumes[0]) == {"name": "jhkube-mount-0", **volume}
    assert serialized(parts.volume_mounts[0]) == {"name": "jhkube-mount-0", **mount}


def test_a_source_mounted_twice_is_one_volume() -> None:
    parts = mount_parts(
        parse_mounts(
            [
                {"path": "/a", "claim": "c"},
                {"path": "/b", "claim": "c", "sub_path": "b"},
                {"path": "/d", "claim": "d"},
            ]
        ),
        ADA,
    )
    assert [volume.name for volume in parts.volumes] == ["jhkube-mount-0", "jhkube-mount-1"]
    assert [mount.name for mount in parts.volume_mounts] == ["jhkube-mount-0", "jhkube-mount-0", "jhkube-mount-1"]


def pod(
    name: str, claim: str, *, namespace: str = "hub", phase: str = "Running", user: str = "bob"
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace, "annotations": {"hub.jupyter.org/username": user}},
        "spec": {
            "volumes": [{"name": "x", "emptyDir": {}}, {"name": "y", "persistentVolumeClaim": {"claimName": claim}}]
        },
        "status": {"phase": phase},
    }


EXCLUSIVE = parse_mounts([{"path": "/data", "claim": "data", "exclusive": True}, {"path": "/all", "claim": "all"}])


def in_use(*pods: dict[str, Any]) -> str | None:
    return claim_in_use(EXCLUSIVE, pods, namespace="hub", pod_name="jupyter-ada")


def test_an_exclusive_claim_in_use_is_refused_with_its_holder() -> None:
    assert in_use(pod("x", "other"), pod("jupyter-bob", "data")) == (
        "The volume data can be used by one server at a time, and the server of bob uses it now."
        " Try again when that has stopped."
    )


def test_a_pod_of_nobody_is_named_itself() -> None:
    holder = pod("backup", "data")
    holder["metadata"]["annotations"] = None
    assert "the pod backup uses it" in (in_use(holder) or "")


@pytest.mark.parametrize(
    "holder",
    [
        pod("jupyter-bob", "all"),
        pod("jupyter-ada", "data"),
        pod("jupyter-bob", "data", namespace="elsewhere"),
        pod("jupyter-bob", "data", phase="Succeeded"),
        pod("jupyter-bob", "data", phase="Failed"),
    ],
)
def test_what_does_not_hold_the_claim_is_in_nobodys_way(holder: dict[str, Any]) -> None:
    assert in_use(holder) is None


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"path": "/a"}, ": should have exactly one of claim, nfs and host_path"),
        ({"path": "/a", "claim": "c", "host_path": "/x"}, ": should have exactly one of"),
        ({"claim": "c"}, ".path: should be a text, not nothing"),
        ({"path": "/a", "claim": "c", "readonly": True}, ": there is no field 'readonly'; did you mean 'read_only'?"),
        ({"path": "a", "claim": "c"}, ".path: should be an absolute path, not 'a'"),
        ({"path": "/a", "claim": "C d"}, ".claim: should be the name of a Kubernetes object"),
        ({"path": "/a", "claim": "c", "groups": "astro"}, ".groups: should be a list of texts"),
        ({"path": "/a", "claim": "c", "sub_path": "../x"}, ".sub_path: '../x' has a part that is '.' or '..'"),
        ({"path": "/a", "host_path": "srv"}, ".host_path.path: should be an absolute path without '..'"),
        (
            {"path": "/a", "host_path": {"path": "/a", "typ": "Socket"}},
            ".host_path: there is no field 'typ'; did",
        ),
        ({"path": "/a", "host_path": {"path": "/a", "type": "Folder"}}, ".host_path.type: should be a type of host"),
        ({"path": "/a", "host_path": "/srv", "exclusive": True}, ": exclusive is for a claim"),
        ({"path": "/a", "nfs": {"server": "s", "path": "/e", "mount_options": ["ro"]}}, ": a pod cannot carry NFS"),
        ({"path": "/ok/", "claim": "c"}, ".path: '/ok' is the path of a mount before it"),
        ("claim", ": should be a dict of fields, not a text"),
    ],
)
def test_a_wrong_entry_is_said_with_its_number(entry: Any, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_mounts([{"path": "/ok", "claim": "ok"}, entry])
    assert str(refused.value).startswith(f"extra_mounts[1]{message}")


def test_one_path_can_be_of_other_volumes_for_other_groups() -> None:
    parse_mounts([{"path": "/data", "claim": name, "groups": [name]} for name in ("physics", "biology")])

"""The home's configuration, volumes and containers."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes_asyncio.client.models import V1Container

from jhkube.identity import UserIdentity
from jhkube.pod.home import Home, home_parts, home_path, parse_home, shared_claim
from jhkube.pod.parts import PodParts
from tests.unit.pod_security import serialized

ADA = UserIdentity("Ada.L", 7001, 7002, "github:1")
EXPORT = {"server": "files.example.org", "path": "/export/home"}
CONTAINER = V1Container(name="notebook", image="lab:1", image_pull_policy="Always")


def parts(home: Home, identity: UserIdentity = ADA) -> PodParts:
    return home_parts(home, identity, claim_name="claim-ada", pod_name="jupyter-ada", container=CONTAINER)


def test_an_own_claim_is_the_home() -> None:
    made = parts(parse_home("pvc", path="/home/{unescaped_username}"))
    assert serialized(made.volumes[0])["persistentVolumeClaim"] == {"claimName": "claim-ada"}
    assert serialized(made.volume_mounts[0]) == {"name": "jhkube-home", "mountPath": "/home/Ada.L"}
    assert (made.init_containers, made.init_steps, made.working_dir) == ((), (), "/home/Ada.L")


@pytest.mark.parametrize(
    ("home", "source"),
    [
        (parse_home("nfs", nfs=EXPORT), {"nfs": EXPORT}),
        (
            parse_home("nfs", nfs={**EXPORT, "mount_options": ["nfsvers=4.1", "local_lock=flock"]}),
            {"persistentVolumeClaim": {"claimName": "jhkube-home-nfs"}},
        ),
        (parse_home("shared-pvc", claim="homes"), {"persistentVolumeClaim": {"claimName": "homes"}}),
    ],
)
def test_on_a_shared_volume_each_has_a_folder(home: Home, source: dict[str, Any]) -> None:
    made = parts(home)
    (volume,) = made.volumes
    assert serialized(volume) == {"name": "jhkube-home", **source}
    assert made.volume_mounts[0].sub_path == "ada-l---b724b05d"
    (maker,) = made.init_containers
    env = {variable.name: variable.value for variable in maker.env}
    assert env == {
        "JHKUBE_VOLUME": "/jhkube/volume",
        "JHKUBE_FOLDER": "/jhkube/volume/ada-l---b724b05d", "JHKUBE_CALLED": "ada-l---b724b05d",
        "JHKUBE_UID": "7001", "JHKUBE_GID": "7002"
    }  # fmt: skip
    assert (maker.image, maker.image_pull_policy) == ("lab:1", "Always")


def test_the_folder_is_made_by_a_trusted_image_where_one_is_named() -> None:
    (maker,) = parts(parse_home("shared-pvc", claim="homes", make_image="busybox:1")).init_containers
    assert (maker.image, maker.image_pull_policy) == ("busybox:1", None)


def test_only_root_sees_the_whole_of_a_shared_volume() -> None:
    made = parts(parse_home("shared-pvc", claim="homes", skeleton=True))
    mounts = [*made.volume_mounts, *(mount for step in made.init_steps for mount in step.volume_mounts)]
    assert all(mount.sub_path == "ada-l---b724b05d" for mount in mounts)


def test_where_nobody_makes_folders_no_container_does() -> None:
    made = parts(parse_home("shared-pvc", claim="homes", made_by="nobody"))
    assert (made.init_containers, made.init_steps) == ((), ())


def test_the_volume_with_mount_options_is_for_its_claim_only() -> None:
    home = parse_home("nfs", nfs={**EXPORT, "mount_options": "nfsvers=4.1,local_lock=flock"})
    made = shared_claim(home, "hub")
    assert made
    volume, claim = serialized(made[0])["spec"], serialized(made[1])
    assert volume["mountOptions"] == ["nfsvers=4.1", "local_lock=flock"]
    assert volume["nfs"] == EXPORT
    assert volume["claimRef"]["name"] == claim["metadata"]["name"] == "jhkube-home-nfs"
    assert claim["spec"]["volumeName"] == made[0].metadata.name == "hub-jhkube-home-nfs"
    assert volume["storageClassName"] == claim["spec"]["storageClassName"] == ""


@pytest.mark.parametrize(
    "home", [parse_home("pvc"), parse_home("nfs", nfs=EXPORT), parse_home("shared-pvc", claim="h")]
)
def test_nothing_else_needs_a_volume_made(home: Home) -> None:
    assert shared_claim(home, "hub") is None


@pytest.mark.parametrize("name", ["..", ".ssh", "a/b", "", "a\0b"])
def test_a_raw_name_that_could_leave_the_homes_is_refused(name: str) -> None:
    home = parse_home("nfs", nfs=EXPORT, sub_path="{unescaped_username}")
    with pytest.raises(ValueError, match="name"):
        parts(home, UserIdentity(name, 7001, 7001, "x:1"))


def test_the_path_in_the_pod_is_a_template() -> None:
    assert home_path(parse_home("pvc", path="/u/{uid}"), ADA) == "/u/7001"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "efs"}, "home is one of pvc, nfs, shared-pvc"),
        ({"kind": "nfs"}, "home_nfs goes with"),
        ({"kind": "pvc", "nfs": EXPORT}, "home_nfs goes with"),
        ({"kind": "nfs", "nfs": {"server": "x"}}, "home_nfs.path: should be an absolute path"),
        ({"kind": "nfs", "nfs": {"server": "a b", "path": "/x"}}, "home_nfs.server: should be a host name"),
        ({"kind": "nfs", "nfs": {"server": "a", "path": "x"}}, "home_nfs.path: should be an absolute path"),
        (
            {"kind": "nfs", "nfs": {**EXPORT, "mount_options": ["rw hard"]}},
            r"mount_options\[0\]: should be one word",
        ),
        ({"kind": "shared-pvc"}, "home_claim"),
        ({"kind": "shared-pvc", "claim": "h", "sub_path": "all"}, "same for every user"),
        ({"kind": "shared-pvc", "claim": "h", "sub_path": "../{username}"}, "'..'"),
        ({"kind": "shared-pvc", "claim": "h", "made_by": "user"}, "root can"),
        ({"kind": "pvc", "made_by": "me"}, "root, user, nobody"),
        ({"kind": "pvc", "path": "home/{username}"}, "absolute"),
        ({"kind": "pvc", "path": "/home/{user}"}, "may have"),
        ({"kind": "pvc", "copy_from": "copy"}, "absolute path of a folder"),
    ],
)
def test_what_does_not_go_together_is_said(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_home(**arguments)

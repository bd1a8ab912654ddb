"""Homes on the cluster: whose they are, who makes them, what is in them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from kubespawner.objects import make_pod

from jhkube.identity import UserIdentity
from jhkube.pod.build import PodSettings, ServerFacts, build_pod
from jhkube.pod.home import parse_home, shared_claim
from jhkube.pod.mounts import parse_mounts
from tests.cluster.pod_fixtures import ADA, BOB, Pods, claim, image, pods

__all__ = ["claim", "image", "pods"]


def shared(claim: str, **arguments: object) -> PodSettings:
    return PodSettings(home=parse_home("shared-pvc", claim=claim, **arguments))  # type: ignore[arg-type]


async def test_on_a_shared_claim_each_has_a_private_folder(pods: Pods, claim: str) -> None:
    ada, bob = [await pods.create(shared(claim), who) for who in (ADA, BOB)]
    await pods.running(ada, bob)
    await pods.run(ada, "echo ada > ~/mine")
    assert await pods.run(bob, "ls -A ~") == ""
    assert (await pods.run(bob, "stat -c '%a %U %G' ~")) == "700 bob bob\n"
    assert await pods.run(ada, "stat -c '%a %U %G' ~; cat ~/mine") == "700 ada ada\nada\n"


async def test_a_home_is_there_again_after_a_stop(pods: Pods, claim: str) -> None:
    first = await pods.start(shared(claim))
    await pods.run(first, "echo kept > ~/mine; chmod 711 ~")
    await pods.delete(first)
    second = await pods.start(shared(claim))
    assert await pods.run(second, "cat ~/mine; stat -c %a ~") == "kept\n711\n"


async def test_two_servers_of_one_user_start_together_and_share_one_home(pods: Pods, claim: str) -> None:
    settings = shared(claim, skeleton=True)
    names = await asyncio.gather(*(pods.create(settings) for _ in range(3)))
    await pods.running(*names)
    await pods.run(names[0], "echo seen > ~/mine")
    for name in names:
        assert await pods.run(name, "cat ~/mine; ls -A ~") == "seen\n.bash_logout\n.bashrc\n.profile\nmine\n"


async def test_a_folder_of_somebody_else_is_refused_with_a_sentence(pods: Pods, claim: str) -> None:
    await pods.start(shared(claim))
    returned = await pods.create(shared(claim), replace(ADA, uid=80_000))
    pod = await pods.until(returned, pods.complaint)
    assert pods.complaint(pod) == "The home folder 'ada' belongs to user 70001, not to 80000; ask an administrator."


@pytest.fixture
async def host_path_claim(pods: Pods, tmp_path: Path) -> AsyncIterator[str]:
    """A claim on a host path, which knows no fsGroup."""
    name = f"host-path-{secrets.token_hex(3)}"
    common = {"storageClassName": "", "accessModes": ["ReadWriteOnce"]}
    volume = {
        **common,
        "capacity": {"storage": "1Mi"},
        "hostPath": {"path": str(tmp_path / "volume"), "type": "DirectoryOrCreate"},
        "claimRef": {"namespace": pods.namespace, "name": name},
    }
    await pods.core.create_persistent_volume({"metadata": {"name": name}, "spec": volume})
    claim = {**common, "volumeName": name, "resources": {"requests": {"storage": "1Mi"}}}
    await pods.core.create_namespaced_persistent_volume_claim(
        pods.namespace, {"metadata": {"name": name}, "spec": claim}
    )
    yield name
    await pods.core.delete_namespaced_persistent_volume_claim(name, pods.namespace)
    await pods.core.delete_persistent_volume(name)


async def test_without_fsgroup_and_without_root_the_pod_says_what_is_wrong(pods: Pods, host_path_claim: str) -> None:
    name = await pods.create(PodSettings(home=parse_home("pvc", sub_path="home")), claim=host_path_claim)
    pod = await pods.until(name, pods.complaint)
    assert pods.complaint(pod).startswith("The home folder cannot be made on its volume")


async def test_on_an_own_claim_no_root_is_needed(pods: Pods, claim: str) -> None:
    # As kubelet leaves the top of a volume that honours fsGroup, which another cluster's class may not do.
    await as_root(pods, claim, f"chgrp {ADA.gid} /volume; chmod 2770 /volume; mkdir /volume/lost+found")
    home = parse_home("pvc", sub_path="home", skeleton=True)
    name = await pods.start(PodSettings(home=home), claim=claim)
    assert await pods.run(name, "stat -c '%a %U' ~; ls -A ~; id -u") == (
        "700 ada\n.bash_logout\n.bashrc\n.profile\n70001\n"
    )


async def test_files_of_the_image_come_to_a_home_and_newer_ones_stay(pods: Pods, claim: str) -> None:
    settings = shared(claim, copy_from="/etc/apt")
    first = await pods.start(settings)
    assert "sources.list.d" in await pods.run(first, "ls ~")
    await pods.run(first, "cd ~/apt.conf.d && for f in *; do echo mine > $f; done; rm -r ~/sources.list.d")
    await pods.delete(first)
    second = await pods.start(settings)
    assert set((await pods.run(second, "cat ~/apt.conf.d/*")).split()) == {"mine"}
    assert "sources.list.d" in await pods.run(second, "ls ~")


async def test_a_name_with_other_letters_has_a_home(pods: Pods, claim: str) -> None:
    who = UserIdentity("Ada.L@example.org", 70_003, 70_003, "cilogon:1")
    pod = {"name": "jupyter-ada-odd"}
    settings = shared(claim, path="/home/{unescaped_username}", sub_path="homes/{unescaped_username}")
    name = await pods.start(settings, who, **pod)
    assert await pods.run(name, "whoami; cd; pwd; stat -c %U .") == (
        "Ada.L@example.org\n/home/Ada.L@example.org\nAda.L@example.org\n"
    )


async def test_further_mounts_are_for_their_groups_and_as_configured(pods: Pods, claim: str) -> None:
    mounts = parse_mounts(
        [
            {"path": "/data/all", "claim": claim, "sub_path": "all", "read_only": True},
            {"path": "/data/{username}", "claim": claim, "sub_path": "users/{username}", "groups": ["astro"]},
            {"path": "/data/chem", "claim": claim, "groups": ["chem"]},
            {"path": "/data/zoneinfo", "host_path": "/etc", "read_only": True},
        ]
    )
    await as_root(
        pods, claim, "mkdir -p /volume/all /volume/users/ada; chown 70001 /volume/users/ada; chmod 755 /volume"
    )
    settings = replace(shared(claim), mounts=mounts)
    name = await pods.start(settings, hub_groups=("astro",))
    shown = await pods.run(
        name, "ls /data; touch /data/ada/x && echo wrote; touch /data/all/x 2>&1; ls /data/zoneinfo/hostname"
    )
    assert shown.splitlines()[:4] == ["ada", "all", "zoneinfo", "wrote"]
    assert "Read-only file system" in shown
    assert shown.endswith("/data/zoneinfo/hostname\n")


@pytest.fixture
async def volumes(pods: Pods) -> AsyncIterator[list[str]]:
    made: list[str] = []
    yield made
    for name in made:
        await pods.core.delete_persistent_volume(name)


async def test_nfs_with_mount_options_is_a_bound_claim(pods: Pods, volumes: list[str]) -> None:
    export = {
        "server": "files.example.org",
        "path": "/export/home",
        "mount_options": ["nfsvers=4.1", "local_lock=flock"],
    }
    home = parse_home("nfs", nfs=export)
    made = shared_claim(home, pods.namespace)
    assert made
    volume, nfs_claim = made
    await pods.core.create_persistent_volume(volume)
    volumes.append(volume.metadata.name)
    await pods.core.create_namespaced_persistent_volume_claim(pods.namespace, nfs_claim)
    async with asyncio.timeout(180):
        while True:
            bound = await pods.core.read_namespaced_persistent_volume_claim(home.claim, pods.namespace)
            if bound.status.phase == "Bound":
                break
            await asyncio.sleep(0.2)
    assert bound.spec.volume_name == volume.metadata.name
    kept = await pods.core.read_persistent_volume(volume.metadata.name)
    assert kept.spec.mount_options == ["nfsvers=4.1", "local_lock=flock"]
    assert kept.spec.persistent_volume_reclaim_policy == "Retain"


async def test_an_nfs_home_is_accepted_by_the_api_server(pods: Pods) -> None:
    # As far as a machine without an NFS client can go: the server checks the pod and keeps nothing.
    settings = PodSettings(home=parse_home("nfs", nfs={"server": "files.example.org", "path": "/export/home"}))
    pod = build_pod(
        make_pod(name="jupyter-nfs", cmd=["true"], port=8888, image=pods.image),
        settings,
        ADA,
        ServerFacts(),
        claim_name="",
    )
    accepted = await pods.core.create_namespaced_pod(pods.namespace, pod, dry_run="All")
    (nfs,) = [each.nfs for each in accepted.spec.volumes if each.nfs]
    assert (nfs.server, nfs.path) == ("files.example.org", "/export/home")


async def as_root(pods: Pods, claim: str, script: str) -> None:
    """Run a script as root on a claim's volume, as an administrator would prepare one."""
    name = f"admin-{claim}"
    await pods.core.create_namespaced_pod(
        pods.namespace,
        {
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never",
                "containers": [
                    {
                        "name": "notebook",
                        "image": pods.image,
                        "command": ["sh", "-ec", script],
                        "securityContext": {"runAsUser": 0},
                        "volumeMounts": [{"name": "v", "mountPath": "/volume"}],
                    }
                ],
                "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}],
            },
        },
    )
    pod = await pods.until(name, lambda pod: pod.status.phase in ("Succeeded", "Failed"))
    assert pod.status.phase == "Succeeded"
    await pods.delete(name)

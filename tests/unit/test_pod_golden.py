"""Whole pods, compared with files: what a spawn asks of the API server.

`WRITE_GOLDEN=1 pytest tests/unit/test_pod_golden.py` writes them anew; read the difference before committing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubespawner.objects import make_pod

from jhkube.identity import UnixGroup, UserIdentity
from jhkube.pod.accounts import Accounts, AccountsFrom
from jhkube.pod.build import PodSettings, ServerFacts, build_pod, secret_files
from jhkube.pod.git import GitSettings, parse_git_hosts
from jhkube.pod.home import parse_home
from jhkube.pod.mounts import parse_mounts
from tests.unit.pod_security import serialized

GOLDEN = Path(__file__).parent / "golden"

ADA = UserIdentity(
    "ada",
    7001,
    7001,
    "github:1",
    "Ada Lovelace",
    "ada@example.org",
    (UnixGroup("astro", 9001), UnixGroup("ops", 9002)),
)

FACTS = ServerFacts("hub.example/lab:w_2024_12", "w_2024_12", "sha256:" + "0a" * 32, "small", ("astro", "astro:ops"))

PODS: dict[str, PodSettings] = {
    "own-claim": PodSettings(home=parse_home("pvc"), git=GitSettings(parse_git_hosts(["github.com"]))),
    "own-claim-filled": PodSettings(
        home=parse_home("pvc", sub_path="home", skeleton=True, copy_from="/opt/copy-to-home"),
        accounts=Accounts(source=AccountsFrom.IMAGE),
        git=GitSettings(parse_git_hosts(["github.com", "git.example.org:3000"]), replace_etc_gitconfig=True),
        umask="0027",
    ),
    "nfs": PodSettings(
        home=parse_home("nfs", nfs={"server": "files.example.org", "path": "/export/home"}, skeleton=True),
        mounts=parse_mounts(
            [
                {"path": "/data/survey", "claim": "survey", "read_only": True, "groups": ["astro"]},
                {"path": "/data/chem", "claim": "chem", "groups": ["chem"]},
                {"path": "/scratch", "host_path": "/srv/scratch", "sub_path": "{username}"},
                {
                    "path": "/software",
                    "nfs": {"server": "files.example.org", "path": "/export/sw"},
                    "read_only": True,
                },
            ]
        ),
    ),
    "shared-claim": PodSettings(home=parse_home("shared-pvc", claim="homes", make_image="busybox:1")),
}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_as_written(name: str) -> None:
    pod = make_pod(
        name="jupyter-ada",
        cmd=["jupyterhub-singleuser"],
        port=8888,
        image="hub.example/lab@sha256:" + "0a" * 32,
        env={"JUPYTERHUB_USER": "ada"},
        uid=1000,
        fs_gid=100,
        mem_limit=1 << 30,
        cpu_limit=1,
        extra_resource_limits={"nvidia.com/gpu": "1"},
    )
    built: Any = serialized(build_pod(pod, PODS[name], ADA, FACTS, claim_name="claim-ada"))
    file = GOLDEN / f"{name}.yaml"
    if os.environ.get("WRITE_GOLDEN"):
        file.write_text(yaml.safe_dump(built, sort_keys=True, width=110))
    assert built == yaml.safe_load(file.read_text())


@pytest.mark.parametrize("name", PODS)
def test_the_secret_has_the_files_that_the_pod_mounts_whatever_the_tokens(name: str) -> None:
    settings = PODS[name]
    pod = make_pod(name="jupyter-ada", cmd=["lab"], port=8888, image="lab:1")
    built: Any = serialized(build_pod(pod, settings, ADA, FACTS, claim_name="claim-ada"))
    volume = next(volume["secret"] for volume in built["spec"]["volumes"] if "secret" in volume)
    mounted = {item["key"] for item in volume["items"]}
    assert volume["secretName"] == "jupyter-ada.jhkube"
    assert mounted == set(secret_files(settings, ADA, {"github.com": "gho_1"}).contents)
    assert mounted == set(secret_files(settings, ADA, {}).contents)

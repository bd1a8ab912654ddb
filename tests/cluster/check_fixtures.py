"""What the tests of `jhkube check` share: places to plant faults in, and a good configuration to change."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devcluster.cilogon import CILogonStandIn
from devcluster.github import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET
from jhkube.checks.configured import ConfiguredHub, load_configuration
from jhkube.checks.result import Result, Status
from jhkube.checks.run import ImageChoice, check_hub
from tests.hubs import CONFIG
from tests.pods import new_namespace
from tests.registry.servers import BCRYPT, PASSWORD, USER, RealRegistry

__all__ = ["cilogon", "command", "configured", "failed", "looked", "looked_by_command", "places"]

CRYPT_KEY = secrets.token_hex(32)
SECRETS = (DEMO_CLIENT_SECRET, CRYPT_KEY, PASSWORD, "wrong-horse", "not-the-secret")


@pytest.fixture(scope="module")
async def cilogon():
    async with CILogonStandIn() as standin:
        yield standin


@pytest.fixture(scope="module")
async def places(cluster, github, cilogon, tmp_path_factory):
    """What the faults are planted in: registries, accounts, a namespace that is full."""
    folder = tmp_path_factory.mktemp("check")
    (folder / "htpasswd").write_text(f"{USER}:{BCRYPT}\n")
    closed = RealRegistry(folder / "closed", auth={"htpasswd": {"realm": "x", "path": str(folder / "htpasswd")}})
    plain = RealRegistry(folder / "plain", address=cluster.host)
    account = base64.b64encode(f"{USER}:wrong-horse".encode()).decode()
    (folder / "wrong.json").write_text(json.dumps({"auths": {closed.host: {"auth": account}}}))
    full = f"{cluster.namespace}-full"
    await new_namespace(cluster.core, full)
    quota = {"metadata": {"name": "full"}, "spec": {"hard": {"persistentvolumeclaims": "0"}}}
    await cluster.core.create_namespaced_resource_quota(full, quota)
    await closed.start()
    await plain.start()
    yield {
        "github": github.url,
        "cilogon": cilogon.url,
        "registry": cluster.registry,
        "closed": closed.host,
        "plain": plain.host,
        "wrong_account": str(folder / "wrong.json"),
        "full": full,
    }
    closed.stop()
    plain.stop()
    await cluster.core.delete_namespace(full)


@pytest.fixture
def configured(cluster, github, places, monkeypatch, tmp_path):
    """Write a good configuration with a change, set its environment, and return its file."""

    def write(extra: str = "", environ: dict[str, str | None] | None = None) -> Path:
        good = {
            "JUPYTERHUB_CRYPT_KEY": CRYPT_KEY,
            "GITHUB_CLIENT_ID": DEMO_CLIENT_ID,
            "GITHUB_CLIENT_SECRET": DEMO_CLIENT_SECRET,
            "OAUTH_CALLBACK_URL": "http://127.0.0.1:8000/hub/oauth_callback",
            "JHKUBE_DATA_DIR": str(tmp_path),
            "JHKUBE_BIND_URL": "http://127.0.0.1:8000/",
            "JHKUBE_HUB_CONNECT_HOST": cluster.host,
            "JHKUBE_GITHUB_URL": github.url,
            "JHKUBE_ALLOWED_ORGANIZATIONS": "observatory",
            "JHKUBE_NAMESPACE": cluster.namespace,
            "JHKUBE_REPOSITORIES": f"{cluster.registry}/lab",
            "JHKUBE_HOME_SIZE": "100Mi",
            "JHKUBE_HOME_MADE_BY": "",
        }
        for name, value in (good | (environ or {})).items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, string.Template(value).substitute(places))
        file = tmp_path / "jupyterhub_config.py"
        file.write_text(f"load_subconfig({str(CONFIG)!r})\n{string.Template(extra).substitute(places)}\n")
        return file

    return write


async def looked(file: Path) -> list[Result]:
    """Return all that a check without a pod finds, none of it a secret."""
    # A configuration is read before there is an event loop: it would begin a menu in one.
    config = await asyncio.to_thread(load_configuration, file)
    found = await check_hub(ConfiguredHub(config), ImageChoice(pod=False))
    told = "\n".join(f"{each.text} {each.remedy}" for each in found)
    assert [secret for secret in SECRETS if secret in told] == []
    return found


async def command(file: Path, *arguments: str, **popen: Any) -> subprocess.CompletedProcess[str]:
    """Run `jhkube check`; the stand-ins it asks live in this process."""
    program = [str(Path(sys.executable).parent / "jhkube"), "check", "--config", str(file), *arguments]
    how = {"text": True, "timeout": 400, "check": False} | ({"capture_output": True} | popen)
    return await asyncio.to_thread(subprocess.run, program, **how)


async def looked_by_command(file: Path) -> list[Result]:
    """Do the same by a process of its own, since the client of Kubernetes reads KUBECONFIG once."""
    shown = await command(file, "--no-pod", "--json")
    assert [secret for secret in SECRETS if secret in shown.stdout + shown.stderr] == []
    return [
        Result(each["subject"], Status(each["status"]), each["text"], each["remedy"])
        for each in json.loads(shown.stdout)["results"]
    ]


def failed(results: list[Result]) -> list[Result]:
    return [each for each in results if each.status is Status.FAILED]

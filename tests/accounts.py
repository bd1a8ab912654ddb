"""The hub's account in the cluster, with the Roles that are delivered, and what it has asked for."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes_asyncio import client

from devcluster.helm import helm
from devcluster.settings import Settings

CHART = Path(__file__).parents[1] / "chart"
OWN = CHART / "jhkube"
CLUSTER_WIDE = ("ClusterRole", "ClusterRoleBinding", "PriorityClass")


def run_helm(*words: str | Path, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Return what Helm said, and whether it failed; it reads the values where `-` is among the words."""
    command = [str(word) for word in (helm(Settings.load()), *words)]
    return subprocess.run(command, input=yaml.safe_dump(values or {}), capture_output=True, text=True, check=False)


def rendered(namespace: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the objects of our chart for a release `jhkube` in a namespace."""
    done = run_helm("template", "jhkube", OWN, "--namespace", namespace, "--values", "-", values=values)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def features(*enabled: str) -> dict[str, Any]:
    """Return values of our chart with the Roles of these features and no others, and the hub's account."""
    roles = yaml.safe_load((OWN / "values.yaml").read_text())["roles"]
    return {
        "hub": {"serviceAccount": {"create": True}},
        "roles": {name: {"enabled": name in enabled} for name in roles},
    }


def rules_of(objects: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield what Roles and ClusterRoles allow: verb, API group and resource."""
    for each in objects:
        for rule in each.get("rules", ()):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    yield from ((verb, group, resource) for verb in rule["verbs"])


async def kubectl(*words: str, stdin: str = "") -> str:
    """Return what kubectl prints; raise with its words where it fails."""
    process = await asyncio.create_subprocess_exec(
        "kubectl",
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(stdin.encode())
    if process.returncode:
        raise RuntimeError(f"kubectl {' '.join(words)}: {output.decode()}")
    return output.decode()


@asynccontextmanager
async def granted(*enabled: str, namespace: str) -> AsyncIterator[None]:
    """Have the hub's account with the Roles of these features in the cluster; ClusterRoles go afterwards."""
    async with applied(rendered(namespace, features(*enabled))):
        yield


@asynccontextmanager
async def applied(objects: list[dict[str, Any]]) -> AsyncIterator[None]:
    """Have objects in the cluster; those of no namespace go afterwards."""
    await kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    try:
        yield
    finally:
        if wide := [each for each in objects if each["kind"] in CLUSTER_WIDE]:
            await kubectl("delete", "-f", "-", "--wait=false", stdin=yaml.safe_dump_all(wide))


async def kubeconfig_of(core: client.CoreV1Api, account: str, namespace: str, folder: Path) -> Path:
    """Return a kubeconfig with which one is a service account."""
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    token = await core.create_namespaced_service_account_token(account, namespace, request)
    admin = yaml.safe_load(Settings.load().kubeconfig.read_text())
    context = {each["name"]: each["context"] for each in admin["contexts"]}[admin["current-context"]]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [each for each in admin["clusters"] if each["name"] == context["cluster"]],
        "users": [{"name": account, "user": {"token": token.status.token}}],
        "contexts": [
            {"name": account, "context": {"cluster": context["cluster"], "user": account, "namespace": namespace}}
        ],
        "current-context": account,
    }
    path = folder / f"kubeconfig-{account}"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


@dataclass(frozen=True)
class Asked:
    """One request of an account, as the API server has noted it."""

    verb: str
    group: str
    resource: str
    allowed: bool

    @property
    def rule(self) -> tuple[str, str, str]:
        """What a Role has to allow for it."""
        return self.verb, self.group, self.resource


def asked_by(account: str, namespace: str) -> set[Asked]:
    """Return what a service account has asked for, by the audit log of the development cluster."""
    found = set()
    user = f"system:serviceaccount:{namespace}:{account}"
    log = Settings.load().audit_log
    for file in [*log.parent.glob(f"{log.stem}-*{log.suffix}"), log]:
        for line in file.read_text().splitlines():
            # The last line may be half written.
            if user in line and line.endswith("}"):
                event = json.loads(line)
                on = event.get("objectRef")
                if on and event["user"]["username"] == user:
                    allowed = event["annotations"]["authorization.k8s.io/decision"] == "allow"
                    found.add(Asked(event["verb"], on.get("apiGroup", ""), on["resource"], allowed))
    return found

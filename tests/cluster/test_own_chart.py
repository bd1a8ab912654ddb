"""Our Helm chart on a real API server: installed, upgraded and uninstalled by real Helm, as the guides say."""

import asyncio
import json
import os
import secrets

import pytest
import yaml

from devcluster.helm import helm
from devcluster.settings import Settings
from tests.accounts import OWN, features, kubectl, run_helm
from tests.pages import DOCS, ROOT, blocks_of
from tests.pods import new_namespace

KINDS = (
    "serviceaccounts,roles,rolebindings,networkpolicies,deployments,configmaps,"
    "clusterroles,clusterrolebindings,priorityclasses"
)
SWITCHES = ("servers", "tokenRenewal", "growingHomes", "registryAccount", "imageMarks", "services", "internalSsl")
EVERYTHING = features(*SWITCHES) | {
    "networkPolicies": {
        "servers": {"enabled": True, "blocked": ["198.51.100.0/24", "2001:db8::/32"]},
        "hub": {"enabled": True},
    },
    "prepuller": {
        "enabled": True,
        "image": {"name": "registry.example.org/jhkube-hub"},
        "config": {"ImageMenu": {"repositories": ["registry.example.org/lab"], "credentials_secret": "account"}},
    },
    "dashboard": {"enabled": True},
}


@pytest.fixture
async def namespace(cluster):
    """A namespace of the test's own; what Helm has installed from it goes with it."""
    name = f"{cluster.namespace}-{secrets.token_hex(2)}"
    await new_namespace(cluster.core, name)
    yield name
    await asyncio.to_thread(run_helm, "uninstall", "jhkube", "--namespace", name, "--ignore-not-found")
    await cluster.core.delete_namespace(name)


async def installed(namespace, values):
    """Install a release with these values, or upgrade it."""
    words = ("upgrade", "--install", "jhkube", OWN, "--namespace", namespace, "--reset-values", "--values", "-")
    done = await asyncio.to_thread(run_helm, *words, values=values)
    assert done.returncode == 0, done.stderr


async def there(namespace):
    """Return what is in the cluster of the release: kind and name of each object."""
    found = json.loads(
        await kubectl("get", KINDS, "-n", namespace, "-l", "app.kubernetes.io/name=jhkube", "-o", "json")
    )
    return {
        (each["kind"], each["metadata"]["name"])
        for each in found["items"]
        if each["metadata"].get("namespace") or each["metadata"]["name"].endswith(f".{namespace}")
    }


async def may(namespace, verb, what, *words):
    """Return whether the hub's account may do something; what kubectl warns of stands before its answer."""
    account = f"--as=system:serviceaccount:{namespace}:hub"
    try:
        said = await kubectl("auth", "can-i", verb, what, account, *words)
    except RuntimeError as error:
        said = str(error)
    answer = said.split()[-1]
    assert answer in ("yes", "no"), said
    return answer == "yes"


async def typed(page, block_with, namespace, folder):
    """Run a block of a guide in a checkout, for a namespace of the test's own."""
    (block,) = (each for each in blocks_of(DOCS / "howto" / page, "console") if block_with in each.code)
    (folder / "chart").symlink_to(ROOT / "chart")
    script = "\n".join(command.replace("labs", namespace) for command, _ in block.commands)
    environ = {**os.environ, "PATH": f"{helm(Settings.load()).parent}:{os.environ['PATH']}"}
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script), cwd=folder, env=environ, stdout=-1, stderr=-2
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_it_is_installed_as_the_guide_says(namespace, tmp_path):
    notes = await typed("z2jh.md", "helm upgrade --install jhkube", namespace, tmp_path)
    assert f"The account {namespace}/hub has the Roles for: growingHomes, tokenRenewal." in notes
    assert await may(namespace, "patch", "secrets", "-n", namespace)
    assert await may(namespace, "get", "storageclasses")
    assert not await may(namespace, "get", "secrets", "-n", namespace)
    assert not await may(namespace, "patch", "secrets", "-n", "default")


async def test_the_prepuller_is_installed_as_the_guide_says(namespace, tmp_path):
    (values,) = (each for each in blocks_of(DOCS / "howto" / "prepulling.md", "yaml") if "prepuller:" in each.code)
    (tmp_path / "jhkube.yaml").write_text(values.code)
    notes = await typed("prepulling.md", "helm upgrade --install jhkube", namespace, tmp_path)
    assert f"kubectl -n {namespace} exec deploy/jhkube-prepuller -- jhkube prepull --status" in notes
    assert {kind for kind, _ in await there(namespace)} >= {
        "Deployment",
        "ConfigMap",
        "ServiceAccount",
        "PriorityClass",
    }


async def test_it_is_installed_upgraded_and_leaves_nothing_behind(namespace):
    await installed(namespace, EVERYTHING)
    everything = await there(namespace)
    assert {kind for kind, _ in everything} == {
        *("ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "Deployment", "ConfigMap"),
        *("ClusterRole", "ClusterRoleBinding", "PriorityClass"),
    }
    assert await may(namespace, "create", "pods", "-n", namespace)

    await installed(namespace, features("tokenRenewal"))
    assert await there(namespace) == {
        ("ServiceAccount", "hub"),
        ("Role", "jhkube-token-renewal"),
        ("RoleBinding", "jhkube-token-renewal"),
    }
    assert not await may(namespace, "create", "pods", "-n", namespace)
    assert await may(namespace, "patch", "pods", "-n", namespace)

    await installed(namespace, EVERYTHING)
    assert await there(namespace) == everything
    done = await asyncio.to_thread(run_helm, "uninstall", "jhkube", "--namespace", namespace, "--wait")
    assert done.returncode == 0, done.stderr
    assert await there(namespace) == set()


async def test_the_hub_works_in_all_namespaces_where_each_person_has_one(namespace):
    await installed(namespace, features("userNamespaces", "quotas"))
    for verb, what in (("create", "namespaces"), ("create", "pods"), ("update", "resourcequotas")):
        assert await may(namespace, verb, what, "--all-namespaces")
    await installed(namespace, features("servers"))
    assert not await may(namespace, "create", "pods", "--all-namespaces")
    assert await may(namespace, "create", "pods", "-n", namespace)


async def test_two_hubs_in_two_namespaces_keep_their_own(namespace, cluster):
    other = f"{namespace}-b"
    await new_namespace(cluster.core, other)
    try:
        await installed(namespace, EVERYTHING)
        await installed(other, EVERYTHING)
        assert await may(namespace, "list", "nodes")
        assert await may(other, "list", "nodes")
    finally:
        await asyncio.to_thread(run_helm, "uninstall", "jhkube", "--namespace", other, "--ignore-not-found")
        await cluster.core.delete_namespace(other)
    assert await may(namespace, "list", "nodes")
    assert not await may(other, "list", "nodes")


async def test_a_changed_menu_restarts_the_prepuller(namespace):
    async def pods():
        (deployment,) = json.loads(await kubectl("get", "deployments", "-n", namespace, "-o", "json"))["items"]
        return deployment["spec"]["template"]

    await installed(namespace, EVERYTHING)
    before = await pods()
    changed = yaml.safe_load(yaml.safe_dump(EVERYTHING))
    changed["prepuller"]["config"]["ImageMenu"]["repositories"].append("registry.example.org/other")
    await installed(namespace, changed)
    assert await pods() != before

"""Our Helm chart on a real API server: installed, upgraded and uninstalled by real Helm, as the guides say."""

import asyncio
import json
import os
import secrets

import pytest
import yaml
from kubernetes_asyncio import client

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


@pytest.fixture
def known(cluster):
    """Return a function that returns once the API server answers so: what a hub may do; without a place, everywhere.

    The API server takes a moment to learn of a changed Role.
    """
    reviews = client.AuthorizationV1Api(cluster.core.api_client)

    async def known(answer, hub, verb, resource, where=None, group=""):
        attributes = {"verb": verb, "resource": resource, "group": group} | ({"namespace": where} if where else {})
        account = {"user": f"system:serviceaccount:{hub}:hub", "resourceAttributes": attributes}
        async with asyncio.timeout(180):
            while (await reviews.create_subject_access_review({"spec": account})).status.allowed is not answer:
                await asyncio.sleep(0.1)

    return known


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


async def test_it_is_installed_as_the_guide_says(namespace, tmp_path, known):
    notes = await typed("z2jh.md", "helm upgrade --install jhkube", namespace, tmp_path)
    assert f"The account {namespace}/hub has the Roles for: growingHomes, tokenRenewal." in notes
    await known(True, namespace, "patch", "secrets", namespace)
    await known(True, namespace, "get", "storageclasses", group="storage.k8s.io")
    await known(False, namespace, "get", "secrets", namespace)
    await known(False, namespace, "patch", "secrets", "default")


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


async def test_it_is_installed_upgraded_and_leaves_nothing_behind(namespace, known):
    await installed(namespace, EVERYTHING)
    everything = await there(namespace)
    assert {kind for kind, _ in everything} == {
        *("ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "Deployment", "ConfigMap"),
        *("ClusterRole", "ClusterRoleBinding", "PriorityClass"),
    }
    await known(True, namespace, "create", "pods", namespace)

    await installed(namespace, features("tokenRenewal"))
    assert await there(namespace) == {
        ("ServiceAccount", "hub"),
        ("Role", "jhkube-token-renewal"),
        ("RoleBinding", "jhkube-token-renewal"),
    }
    await known(False, namespace, "create", "pods", namespace)
    await known(True, namespace, "patch", "pods", namespace)

    await installed(namespace, EVERYTHING)
    assert await there(namespace) == everything
    done = await asyncio.to_thread(run_helm, "uninstall", "jhkube", "--namespace", namespace, "--wait")
    assert done.returncode == 0, done.stderr
    assert await there(namespace) == set()


async def test_the_hub_works_in_all_namespaces_where_each_person_has_one(namespace, known):
    await installed(namespace, features("userNamespaces", "quotas"))
    for verb, what in (("create", "namespaces"), ("create", "pods"), ("update", "resourcequotas")):
        await known(True, namespace, verb, what)
    await installed(namespace, features("servers"))
    await known(False, namespace, "create", "pods")
    await known(True, namespace, "create", "pods", namespace)


async def test_two_hubs_in_two_namespaces_keep_their_own(namespace, cluster, known):
    other = f"{namespace}-b"
    await new_namespace(cluster.core, other)
    try:
        await installed(namespace, EVERYTHING)
        await installed(other, EVERYTHING)
        await known(True, namespace, "list", "nodes")
        await known(True, other, "list", "nodes")
    finally:
        await asyncio.to_thread(run_helm, "uninstall", "jhkube", "--namespace", other, "--ignore-not-found")
        await cluster.core.delete_namespace(other)
    await known(True, namespace, "list", "nodes")
    await known(False, other, "list", "nodes")


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

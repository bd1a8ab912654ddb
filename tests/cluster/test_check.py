"""`jhkube check`: faults are planted one at a time, and each is named, with what to do."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import secrets
import string
from pathlib import Path

import pytest
import yaml
from kubernetes_asyncio import client

from jhkube.checks.permissions import HubFacts, permissions
from jhkube.checks.result import Status
from jhkube.checks.roles import role_rules
from tests.cluster.check_faults import CILOGON, FAULTS, ISSUER
from tests.cluster.check_fixtures import cilogon, command, configured, failed, looked, looked_by_command, places

__all__ = ["cilogon", "configured", "places"]


async def test_a_good_configuration_passes(configured):
    found = await looked(configured())
    assert [each for each in found if each.status in (Status.FAILED, Status.WARNING)] == []
    passed = {each.subject for each in found if each.status is Status.PASSED}
    assert passed >= {"configuration", "encryption", "callback", "hub address", "provider", "cluster"}
    assert passed >= {"permissions", "storage", "registry"}


async def test_a_good_configuration_with_cilogon_passes(configured):
    assert failed(await looked(configured(ISSUER, CILOGON))) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_is_named_and_no_other(configured, places, fault):
    found = await looked(configured(fault.extra, fault.environ))
    assert not [each for each in found if "report it" in each.remedy]
    wrong = failed(found)
    assert {each.subject for each in wrong} == {fault.subject, *fault.also}, wrong
    told = next((each for each in wrong if string.Template(fault.says).substitute(places) in each.text), None)
    assert told, wrong
    assert fault.do in told.remedy


async def test_a_hub_that_lets_nobody_in_is_mentioned(configured):
    found = await looked(configured("c.GitHubOrgAuthenticator.allowed_organizations = set()"))
    (result,) = [each for each in found if each.status is Status.WARNING]
    assert "nobody but the hub's administrators" in result.text
    assert "c.GitHubOrgAuthenticator.allowed_organizations" in result.remedy


@pytest.mark.parametrize("status", [500, 503])
async def test_github_that_fails_is_named_with_its_answer(configured, github, status):
    github.fail("/login/oauth/*", status=status)
    try:
        wrong = failed(await looked(configured()))
    finally:
        github.heal()
    assert [each.subject for each in wrong] == ["provider"]
    assert str(status) in wrong[0].text
    assert "status page" in wrong[0].remedy


async def test_an_issuer_of_another_name_is_named(configured, cilogon):
    other = {"issuer": "https://other.example.org", "jwks_uri": f"{cilogon.url}/oauth2/certs"}
    cilogon.fail("/.well-known/openid-configuration", status=200, body=json.dumps(other))
    try:
        wrong = failed(await looked(configured(ISSUER, CILOGON)))
    finally:
        cilogon.heal()
    assert [each.subject for each in wrong] == ["provider"]
    assert "the provider calls itself https://other.example.org" in wrong[0].text
    assert "issuer" in wrong[0].remedy


def kubeconfig(folder: Path, **changes: str) -> str:
    """Write the cluster's kubeconfig with another server, or another account's token."""
    content = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    if "server" in changes:
        content["clusters"][0]["cluster"]["server"] = changes["server"]
    if "token" in changes:
        content["users"][0]["user"] = {"token": changes["token"]}
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(content))
    return str(file)


async def test_an_api_server_that_does_not_answer_is_named_and_the_rest_is_looked_at(configured, tmp_path):
    found = await looked_by_command(
        configured("", {"KUBECONFIG": kubeconfig(tmp_path, server="https://127.0.0.1:9")})
    )
    (wrong,) = failed(found)
    assert wrong.subject == "cluster"
    assert "the API server https://127.0.0.1:9 does not answer" in wrong.text
    assert "KUBECONFIG" in wrong.remedy
    assert {each.subject for each in found if each.status is Status.PASSED} >= {"provider", "registry"}
    assert {each.subject for each in found if each.status is Status.SKIPPED} == {"permissions", "storage", "image"}


async def test_an_account_that_is_not_known_is_named(configured, tmp_path):
    found = await looked_by_command(configured("", {"KUBECONFIG": kubeconfig(tmp_path, token="not-the-secret")}))
    (wrong,) = failed(found)
    assert wrong.subject == "cluster"
    assert "does not let the hub in: 401" in wrong.text
    assert "service account" in wrong.remedy


@pytest.fixture
async def account(cluster):
    """Make a service account with a Role and return its token: `await account(rules)`."""
    rbac = client.RbacAuthorizationV1Api(cluster.core.api_client)
    namespace, name = cluster.namespace, f"hub-{secrets.token_hex(3)}"

    async def make(rules: list[dict]) -> str:
        await cluster.core.create_namespaced_service_account(namespace, {"metadata": {"name": name}})
        await rbac.create_namespaced_role(namespace, {"metadata": {"name": name}, "rules": rules})
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
        await rbac.create_namespaced_role_binding(namespace, binding)
        request = {"spec": {"audiences": [], "expirationSeconds": 600}}
        made = await cluster.core.create_namespaced_service_account_token(name, namespace, request)
        # The API server learns of a new binding a moment later.
        question = {
            "user": f"system:serviceaccount:{namespace}:{name}",
            "resourceAttributes": {"verb": "list", "resource": "pods", "namespace": namespace},
        }
        reviews = client.AuthorizationV1Api(cluster.core.api_client)
        async with asyncio.timeout(180):
            while not (await reviews.create_subject_access_review({"spec": question})).status.allowed:
                await asyncio.sleep(0.1)
        return made.status.token

    yield make
    await rbac.delete_namespaced_role_binding(name, namespace)
    await rbac.delete_namespaced_role(name, namespace)
    await cluster.core.delete_namespaced_service_account(name, namespace)


async def test_a_role_that_lacks_verbs_is_named_with_the_lines_that_are_missing(
    configured, cluster, account, tmp_path
):
    lacking = {("delete", "pods"), ("watch", "events"), ("patch", "persistentvolumeclaims")}
    given = [
        each
        for each in permissions(HubFacts(namespace=cluster.namespace))
        if (each.verb, each.resource) not in lacking and each.namespace
    ]
    token = await account(role_rules(given)[cluster.namespace])
    found = await looked_by_command(configured("", {"KUBECONFIG": kubeconfig(tmp_path, token=token)}))
    wrong = failed(found)
    assert [each.subject for each in wrong] == ["permissions", "permissions"], wrong
    pods, events = wrong
    assert "delete (to stop a server)" in pods.text
    assert '- {apiGroups: [""], resources: ["pods"], verbs: ["delete"]}' in pods.remedy
    assert f"Role of the hub's account in {cluster.namespace}" in pods.remedy
    assert '- {apiGroups: [""], resources: ["events"], verbs: ["watch"]}' in events.remedy
    # What the hub can do without is a warning that says what comes of it.
    warned = "\n".join(each.text for each in found if each.status is Status.WARNING)
    assert "a home keeps its size" in warned
    # Such an account may not look at all there is, which is no fault of the cluster's.
    assert any("is not to be seen by this account" in each.text for each in found)


async def test_the_command_looks_into_the_image_too_and_ends_with_0(configured):
    shown = await command(configured(), "--json")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    answer = json.loads(shown.stdout)
    assert answer["ok"]
    images = [each["text"] for each in answer["results"] if each["subject"] == "image"]
    assert len(images) == 2
    assert "has git 2." in images[0]
    assert "has jupyterhub 6." in images[1]
    assert not shown.stderr


async def test_the_command_ends_with_1_and_a_table_where_something_is_wrong(configured):
    shown = await command(configured("", {"JHKUBE_HUB_CONNECT_HOST": "127.0.0.1"}), "--no-pod")
    assert shown.returncode == 1, shown.stdout + shown.stderr
    assert "failed   hub address" in shown.stdout
    assert "→ Set c.JupyterHub.hub_connect_url" in shown.stdout
    assert "\033[" not in shown.stdout
    assert ", 1 failed, 1 skipped." in shown.stdout


@pytest.mark.parametrize("no_color", ["", "1"])
async def test_a_terminal_is_given_colours_unless_it_asks_for_none(configured, no_color, monkeypatch):
    monkeypatch.setenv("NO_COLOR", no_color)
    file = configured("1/0")
    terminal, side = pty.openpty()
    try:
        shown = await command(file, capture_output=False, stdout=side)
        written = os.read(terminal, 65536).decode()
    finally:
        os.close(side)
        os.close(terminal)
    assert shown.returncode == 2
    assert ("\033[1;31m" in written) is (not no_color)
    assert f"{file}, line 2, fails: ZeroDivisionError" in " ".join(written.split())


async def test_a_setting_that_is_not_known_is_named_with_its_file_and_line(configured):
    shown = await command(configured("", {"JHKUBE_HOME_SISE": "1Gi"}), "--json")
    assert shown.returncode == 2
    (wrong,) = json.loads(shown.stdout)["results"]
    assert "jupyterhub_config.d/00-base.py, line " in wrong["text"]
    assert "did you mean JHKUBE_HOME_SIZE?" in wrong["text"]

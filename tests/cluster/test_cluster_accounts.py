"""The cluster's own login: names as a real API server forms them, and nothing made without a person's own rights."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import aiohttp
import pytest
from kubernetes_asyncio import client

from devcluster.components import components
from devcluster.settings import Settings
from devcluster.standin_tls import certificate_file
from jhkube.cluster_accounts import parse_cluster_accounts
from tests.accounts import applied, features, kubeconfig_of, rendered
from tests.conftest import Cluster, NewHub
from tests.hub.oidc_server import CLIENT_ID, CLIENT_SECRET, OIDCServer
from tests.hubs import Hub
from tests.pod_defaults import defined, make_pod_default
from tests.pods import new_namespace, pod_of
from tests.ports import free_port

ACCOUNTS = {"username_claim": "sub", "groups_claim": "groups", "groups_prefix": "oidc:"}
GROUP = "notebooks-of-a-test"
PEOPLE = {"allowed": [GROUP, "others"], "unlucky": ["others", "system:masters"]}


@pytest.fixture(scope="module")
async def provider(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[OIDCServer, int]]:
    """An OpenID provider with https, and the port that the hub of its client is on."""
    port = free_port()
    certificate = certificate_file(tmp_path_factory.mktemp("issuer") / "issuer.pem")
    async with OIDCServer(f"http://127.0.0.1:{port}/hub/oauth_callback", certificate=certificate) as server:
        for name, groups in PEOPLE.items():
            await server.set_person(name, groups=groups)
        yield server, port


@asynccontextmanager
async def api_server(folder: Path, *flags: str) -> AsyncIterator[str]:
    """Run one more API server before the cluster's own etcd, with more flags; yield its address."""
    settings, port = Settings.load(), free_port()
    (part,) = [each for each in components(settings) if each.name == "apiserver"]
    replaced = ("--secure-port=", "--audit-")
    command = [each for each in part.command if not each.startswith(replaced)]
    # The address of the Service `kubernetes` stays that of the cluster's own.
    command += [f"--secure-port={port}", "--endpoint-reconciler-type=none", *flags]
    with (folder / "apiserver.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    url = f"https://{settings.host}:{port}"
    try:
        async with asyncio.timeout(240), aiohttp.ClientSession() as session:
            while True:
                assert process.poll() is None, (folder / "apiserver.log").read_text()[-3000:]
                try:
                    async with session.get(f"{url}/readyz", ssl=False) as answer:
                        if answer.status in (200, 401):
                            break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.2)
        yield url
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 120)


async def logged_in(server: OIDCServer, redirect_uri: str, login: str) -> tuple[str, dict[str, Any]]:
    """Return somebody's id token, and what the provider says about them: a login without a hub."""
    query = {
        "client_id": CLIENT_ID,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": "openid profile email",
        "state": "any",
        "login": login,
    }
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=False), cookie_jar=aiohttp.CookieJar(unsafe=True)
    ) as session:
        url = f"{server.issuer}/authorize?{urlencode(query)}"
        while not url.startswith(redirect_uri):
            async with session.get(url, allow_redirects=False) as answer:
                url = urljoin(url, answer.headers["Location"])
        form = {
            "grant_type": "authorization_code",
            "code": parse_qs(urlsplit(url).query)["code"][0],
            "redirect_uri": redirect_uri,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }
        async with session.post(f"{server.issuer}/token", data=form) as answer:
            tokens = await answer.json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        async with session.get(f"{server.issuer}/me", headers=headers) as answer:
            return tokens["id_token"], await answer.json()


@pytest.mark.skipif(Settings.load().external, reason="an API server is started with flags of the test's own")
async def test_the_api_server_forms_the_same_names_from_the_same_login(
    provider: tuple[OIDCServer, int], tmp_path: Path, cluster: Cluster
) -> None:
    server, port = provider
    flags = [
        f"--oidc-issuer-url={server.issuer}",
        f"--oidc-client-id={CLIENT_ID}",
        f"--oidc-ca-file={server.certificate}",
        "--oidc-username-claim=sub",
        "--oidc-groups-claim=groups",
        "--oidc-groups-prefix=oidc:",
    ]
    accounts = parse_cluster_accounts(ACCOUNTS)
    assert accounts is not None
    token, claims = await logged_in(server, f"http://127.0.0.1:{port}/hub/oauth_callback", "allowed")
    state = {"jhkube_identity": {"subject": f"oidc:{server.issuer}#allowed"}, "oauth_user": claims}
    account = accounts.account(state)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    async with api_server(tmp_path, *flags) as url, aiohttp.ClientSession() as session, asyncio.timeout(240):
        headers = {"Authorization": f"Bearer {token}"}
        while True:
            # The API server asks for the issuer's keys in the background when it starts.
            async with session.post(
                f"{url}/apis/authentication.k8s.io/v1/selfsubjectreviews", json=review, headers=headers, ssl=False
            ) as answer:
                told = await answer.json()
            if answer.status == 201:
                break
            assert answer.status == 401, told
            await asyncio.sleep(0.3)
    user = told["status"]["userInfo"]
    assert (user["username"], sorted(user["groups"])) == (
        account.name,
        sorted([*account.groups, "system:authenticated"]),
    )


@pytest.fixture(scope="module")
async def hub(
    new_hub: NewHub, cluster: Cluster, provider: tuple[OIDCServer, int], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Hub, str]]:
    """A hub with the cluster's own login, with the Roles of our chart alone; and how its namespaces begin."""
    server, port = provider
    namespace = f"{cluster.namespace}-own"
    await new_namespace(cluster.core, namespace)
    named = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{namespace}-notebooks"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": f"oidc:{GROUP}"}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": named["name"]},
        "rules": [{"apiGroups": [""], "resources": ["pods", "persistentvolumeclaims"], "verbs": ["create"]}],
    }
    binding = {**role, "kind": "ClusterRoleBinding", "roleRef": named, "subjects": [subject]}
    del binding["rules"]
    chart = rendered(namespace, features("userNamespaces", "growingHomes", "rightsReviews", "podDefaults"))
    extra = f"c.KubeSpawner.user_namespace_template = '{namespace}-{{username}}'\n"
    # A refusal is the answer to the request, however busy the machine is.
    extra += 'c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 45}'
    async with applied([*chart, role, binding]), defined(cluster.core.api_client):
        kubeconfig = await kubeconfig_of(cluster.core, "hub", namespace, tmp_path_factory.mktemp("own"))
        made = await new_hub(
            "own",
            extra,
            port=port,
            KUBECONFIG=str(kubeconfig),
            JHKUBE_AUTH="oidc",
            JHKUBE_OIDC_ISSUER=server.issuer,
            JHKUBE_OIDC_CLUSTER_ACCOUNTS=json.dumps(ACCOUNTS),
            JHKUBE_OIDC_ALLOWED_GROUPS=" ".join([GROUP, "others"]),
            JHKUBE_OIDC_NUMBER_SECRET="0" * 32,
            OAUTH_CLIENT_ID=CLIENT_ID,
            OAUTH_CLIENT_SECRET=CLIENT_SECRET,
            SSL_CERT_FILE=str(server.certificate),
            JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny",
            JHKUBE_HOME_SIZE="10Mi",
            JHKUBE_MY_SERVERS="true",
            JHKUBE_MY_SERVERS_PORT=str(free_port()),
            JHKUBE_MY_SERVERS_KUBEFLOW="true",
            JHKUBE_MY_SERVERS_OWN_DISKS="1",
            JHKUBE_POD_DEFAULTS="all",
            JHKUBE_STOP_SERVERS_OF_LEAVERS="true",
            JHKUBE_AUTH_REFRESH_AGE="2",
        )
        made.trusted = ssl.create_default_context(cafile=str(server.certificate))
        yield made, namespace
    for name in (namespace, f"{namespace}-allowed"):
        await cluster.core.delete_namespace(name)


async def test_nothing_is_made_for_whoever_may_not_make_it_themselves(
    hub: tuple[Hub, str], provider: tuple[OIDCServer, int], cluster: Cluster, someone: Any
) -> None:
    made, namespace = hub
    person, unlucky = await someone(made, "allowed"), await someone(made, "unlucky")
    await person.started()
    status, body = await unlucky.start()
    said = str(body["message"]) if status >= 400 else str((await unlucky.progress())[-1]["message"])
    # What a provider calls a group of Kubernetes' own gives nobody anything.
    assert (
        f"{provider[0].issuer}#unlucky) may not create pods and create persistentvolumeclaims in the namespace"
        in said
    )
    names = [each.metadata.name for each in (await cluster.core.list_namespace()).items]
    assert f"{namespace}-allowed" in names
    assert f"{namespace}-unlucky" not in names


async def test_kubeflows_api_asks_the_cluster_about_the_person(
    hub: tuple[Hub, str], cluster: Cluster, someone: Any
) -> None:
    made, namespace = hub
    people = {name: await someone(made, name) for name in PEOPLE}
    # A namespace is made with its first server.
    await people["allowed"].started()

    async def ask(name: str, method: str, path: str, body: Any = None) -> tuple[int, str]:
        url = f"{made.url}/services/jhkube/kubeflow/api/namespaces/{name}/{path}"
        headers = {"Authorization": f"token {people[name].token}"}
        async with asyncio.timeout(240):
            while True:
                async with aiohttp.request(method, url, json=body, headers=headers) as answer:
                    # While the service is loaded it answers 503.
                    if answer.status != 503:
                        return answer.status, (await answer.json()).get("log", "")
                await asyncio.sleep(0.3)

    disk = {"name": "data", "size": "5Mi"}
    assert await ask("allowed", "POST", "pvcs", disk) == (200, "")
    # The rights of this test are for pods and claims alone.
    status, said = await ask("allowed", "GET", "notebooks")
    assert (status, f"list kubeflow.org/notebooks in the namespace {namespace}-allowed" in said) == (403, True), said
    status, said = await ask("unlucky", "POST", "pvcs", disk)
    assert (status, "#unlucky” is not authorized to create persistentvolumeclaims" in said) == (403, True), said
    claim = await cluster.core.read_namespaced_persistent_volume_claim("data", f"{namespace}-allowed")
    assert claim.metadata.annotations["jhkube/subject"].endswith("#allowed")


async def test_a_pod_default_is_offered_to_whoever_may_get_it_and_then_gives_a_secret_of_the_namespace(
    hub: tuple[Hub, str], cluster: Cluster, someone: Any
) -> None:
    made, namespace = hub
    person, own = await someone(made, "allowed"), f"{namespace}-allowed"
    await person.started()
    await person.stop()
    secret = client.V1Secret(metadata=client.V1ObjectMeta(name="archive"), string_data={"key": "battery staple"})
    await cluster.core.create_namespaced_secret(own, secret)
    await make_pod_default(
        cluster.core.api_client, own, "archive", "use-archive", {"envFrom": [{"secretRef": {"name": "archive"}}]}
    )

    status, body = await person.start(presets=["archive"])
    assert (status, "There is no preset 'archive'" in str(body["message"])) == (400, True), body
    kind = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{kind}/v1",
        "kind": "Role",
        "metadata": {"name": "pod-defaults", "namespace": own},
        "rules": [{"apiGroups": ["kubeflow.org"], "resources": ["poddefaults"], "verbs": ["get"]}],
    }
    binding = {
        **role,
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": kind, "kind": "Role", "name": "pod-defaults"},
        "subjects": [{"apiGroup": kind, "kind": "Group", "name": f"oidc:{GROUP}"}],
    }
    del binding["rules"]
    async with applied([role, binding]):
        async with asyncio.timeout(240):
            while (await person.start(presets=["archive"]))[0] == 400:
                await asyncio.sleep(0.3)
        events = await person.progress()
    assert events[-1].get("ready"), events
    pod = await pod_of(cluster.core, own, "allowed")
    assert pod.spec.containers[0].env_from[0].secret_ref.name == "archive"


async def test_a_server_is_stopped_whose_person_may_make_it_no_more(
    hub: tuple[Hub, str], cluster: Cluster, someone: Any
) -> None:
    made, namespace = hub
    person = await someone(made, "allowed")
    await person.started()
    rights = client.RbacAuthorizationV1Api(cluster.core.api_client)
    await rights.patch_cluster_role_binding(f"{namespace}-notebooks", {"subjects": []})
    async with asyncio.timeout(240):
        # Each question of theirs is a refresh, when the last one is old enough.
        while await person.server() is not None:
            await asyncio.sleep(0.5)
    assert "may not create pods and create persistentvolumeclaims in the cluster any more" in made.log
    async with asyncio.timeout(240):
        while await pod_of(cluster.core, f"{namespace}-allowed", "allowed") is not None:
            await asyncio.sleep(0.5)

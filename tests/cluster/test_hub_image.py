"""The hub's image as the z2jh chart runs it, with its environment, folders, account and values; and a lab from it."""

import asyncio
import os
import secrets
import shlex
from types import SimpleNamespace

import aiohttp
import pytest
import yaml
from kubernetes_asyncio import client
from kubernetes_asyncio.client import ApiException

from devcluster.github import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, GitHubStandIn
from tests.accounts import CHART, applied, features, granted, rendered
from tests.hubs import CACHE, ROOT, Person
from tests.pods import in_pod, new_namespace, pod_of
from tests.ports import free_port

FOLDER = "/usr/local/etc/jupyterhub"
STAND_IN = ROOT / "tests" / "cluster" / "z2jh"

FORWARD = """
import asyncio, sys

async def copy(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()

async def forward(reader, writer):
    there = await asyncio.open_connection(sys.argv[2], int(sys.argv[3]))
    await asyncio.gather(copy(reader, there[1]), copy(there[0], writer), return_exceptions=True)

async def main():
    server = await asyncio.start_server(forward, sys.argv[1].partition(":")[0], int(sys.argv[1].partition(":")[2]))
    await server.serve_forever()

asyncio.run(main())
"""
"""Lets the registry of this machine's loopback be reached in a pod under the same name."""


@pytest.fixture(scope="module")
async def run():
    """Start programs of this machine: `await run("name", …)`; they end with the module."""
    started = []

    async def start(*command, **environ):
        words = [str(word) for word in command]
        started.append(await asyncio.create_subprocess_exec(*words, env={**os.environ, **environ}))

    yield start
    for process in started:
        process.terminate()
        await process.wait()


@pytest.fixture(scope="module")
async def namespace(cluster):
    name = f"{cluster.namespace}-z2jh"
    await new_namespace(cluster.core, name)
    async with granted("servers", "tokenRenewal", "growingHomes", namespace=name):
        yield name
    await cluster.core.delete_namespace(name)


@pytest.fixture(scope="module")
async def github(cluster):
    """GitHub's stand-in, where pods reach it as well as browsers."""
    async with GitHubStandIn(host=cluster.host) as standin:
        yield standin


def chart_values(url, github, cluster):
    """Return the values of the example for GitHub, with what is this machine's."""
    values = yaml.safe_load((CHART / "values" / "github.yaml").read_text())
    jhkube = values["custom"]["jhkube"]
    jhkube["auth"]["callbackUrl"] = f"{url}/hub/oauth_callback"
    jhkube["github"] |= {"url": github.url, "clientId": DEMO_CLIENT_ID}
    jhkube["menu"]["repositories"] = [f"{cluster.registry}/lab"]
    jhkube["home"] = {"size": "100Mi", "madeBy": os.environ.get("JHKUBE_HOME_MADE_BY", "")}
    values["hub"]["config"] = {"JHKubeSpawner": {"extra_annotations": {"from": "hub.config"}, "home": "nfs"}}
    values["hub"]["extraConfig"] = {"last": "c.JupyterHub.template_vars = {'announcement': 'loaded last'}"}
    return values


SECURITY = {
    "runAsUser": 1000,
    "runAsGroup": 1000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}


def image_of(cluster):
    return f"{cluster.registry}/hub:dev"


def registry_beside(cluster, registry_port):
    """Return the container that lets a pod reach a registry of this machine's loopback, where it is one."""
    if not cluster.registry.startswith("localhost:"):
        return []
    command = ["python3", "-c", FORWARD, cluster.registry, cluster.host, str(registry_port)]
    return [{"name": "registry", "image": image_of(cluster), "command": command, "securityContext": SECURITY}]


def hub_objects(cluster, values, proxy_token, proxy_port, registry_port):
    """Return what the chart would make of its values for the hub, as far as a pod of its own can have it."""
    labels = {"app": "jupyterhub", "component": "hub", "release": "test"}
    files = [
        {"name": "config", "mountPath": f"{FOLDER}/{name}", "subPath": name}
        for name in ("jupyterhub_config.py", "z2jh.py")
    ]
    plain = {
        "PYTHONUNBUFFERED": "1",
        "HELM_RELEASE_NAME": "test",
        "HUB_SERVICE_PORT": "8081",
        "PROXY_API_SERVICE_HOST": cluster.host,
        "PROXY_API_SERVICE_PORT": str(proxy_port),
        # What Kubernetes adds for a Service that is named jhkube-hub.
        "JHKUBE_HUB_PORT": "tcp://10.96.0.7:8081",
        "JHKUBE_HUB_SERVICE_HOST": "10.96.0.7",
    }
    env = [
        *({"name": name, "value": value} for name, value in plain.items()),
        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "HUB_SERVICE_HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {
            "name": "CONFIGPROXY_AUTH_TOKEN",
            "valueFrom": {"secretKeyRef": {"name": "hub", "key": "hub.config.ConfigurableHTTPProxy.auth_token"}},
        },
        *({"name": name, **how} for name, how in values["hub"]["extraEnv"].items()),
    ]
    hub = {
        "name": "hub",
        "image": image_of(cluster),
        "imagePullPolicy": "Always",
        "args": ["jupyterhub", "--config", f"{FOLDER}/jupyterhub_config.py", "--debug", "--upgrade-db"],
        "env": env,
        "ports": [{"name": "http", "containerPort": 8081}],
        "securityContext": SECURITY,
        "volumeMounts": [
            *files,
            {"name": "config", "mountPath": f"{FOLDER}/config/"},
            {"name": "secret", "mountPath": f"{FOLDER}/secret/"},
            {"name": "pvc", "mountPath": "/srv/jupyterhub"},
        ],
    }
    containers = [hub, *registry_beside(cluster, registry_port)]
    secret = {
        "values.yaml": yaml.safe_dump(values),
        "hub.config.ConfigurableHTTPProxy.auth_token": proxy_token,
        "hub.config.CryptKeeper.keys": secrets.token_hex(32),
        "hub.config.JupyterHub.cookie_secret": secrets.token_hex(32),
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}}
    return {
        "config_map": {
            "metadata": {"name": "hub"},
            "data": {path.name: path.read_text() for path in STAND_IN.glob("*.py")},
        },
        "secret": {"metadata": {"name": "hub"}, "stringData": secret},
        "persistent_volume_claim": {"metadata": {"name": "hub-db-dir"}, "spec": claim},
        "pod": {
            "metadata": {"name": "hub", "labels": labels},
            "spec": {
                "serviceAccountName": "hub",
                "securityContext": {"fsGroup": 1000, "runAsNonRoot": True},
                "containers": containers,
                "volumes": [
                    {"name": "config", "configMap": {"name": "hub"}},
                    {"name": "secret", "secret": {"secretName": "hub"}},
                    {"name": "pvc", "persistentVolumeClaim": {"claimName": "hub-db-dir"}},
                ],
            },
        },
    }


@pytest.fixture(scope="module")
async def hub(cluster, namespace, github, run):
    """The hub's pod, and the proxy in front of it: a program of this machine in the place of a pod."""
    port, proxy_port, registry_port = free_port(), free_port(), free_port()
    proxy_token = secrets.token_hex(32)
    await run(
        CACHE / "node_modules/.bin/configurable-http-proxy",
        *("--ip", "127.0.0.1", "--port", port, "--api-ip", cluster.host, "--api-port", proxy_port),
        CONFIGPROXY_AUTH_TOKEN=proxy_token,
    )
    if cluster.registry.startswith("localhost:"):
        await run("python3", "-c", FORWARD, f"{cluster.host}:{registry_port}", *cluster.registry.split(":"))
    url = f"http://127.0.0.1:{port}"
    values = chart_values(url, github, cluster)
    secret = {"metadata": {"name": "jhkube"}, "stringData": {"github-client-secret": DEMO_CLIENT_SECRET}}
    await cluster.core.create_namespaced_secret(namespace, secret)
    for kind, body in hub_objects(cluster, values, proxy_token, proxy_port, registry_port).items():
        await getattr(cluster.core, f"create_namespaced_{kind}")(namespace, body)
    try:
        async with asyncio.timeout(400), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{url}/hub/health") as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.2)
    except TimeoutError:
        pod = await cluster.core.read_namespaced_pod("hub", namespace)
        pytest.fail(f"the hub does not answer: {pod.status}\n{await log_of(cluster, namespace)}")
    return SimpleNamespace(url=url, namespace=namespace, registry_port=registry_port)


async def log_of(cluster, namespace):
    try:
        return await cluster.core.read_namespaced_pod_log("hub", namespace, container="hub")
    except ApiException as error:
        return str(error.body)


@pytest.fixture(scope="module")
async def ada(hub):
    person = Person(hub, "ada", aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)))
    answer = await person.follow(f"{hub.url}/hub/oauth_login?next=%2Fhub%2Ftoken")
    assert answer.status == 200
    await person.take_token()
    yield person
    await person.close()


@pytest.fixture(scope="module")
async def lab(ada, hub, cluster):
    await ada.started(size="small")
    yield await pod_of(cluster.core, hub.namespace, "ada")
    await ada.stop()


async def test_the_lab_runs_as_its_person_and_not_as_the_charts_user(lab, hub, github, cluster):
    shown = await in_pod(hub.namespace, lab.metadata.name, "id -u; whoami; echo ~; touch ~/here && echo kept")
    assert shown == f"{github.world.person('ada').id}\nada\n/home/ada\nkept\n"


async def test_what_the_chart_says_of_pods_stays(lab):
    assert lab.metadata.labels["release"] == "test"
    assert lab.metadata.annotations["from"] == "hub.config", "and the files, which say what homes are, come after it"
    assert lab.metadata.labels["hub.jupyter.org/network-access-hub"] == "true"
    assert "hub.jupyter.org/dedicated" in {each.key for each in lab.spec.tolerations}
    assert "@sha256:" in lab.spec.containers[0].image, "the image is the menu's"


async def test_the_hub_is_nobody_special_and_keeps_its_data_on_the_charts_volume(hub, lab, cluster):
    script = f"id -u; ls /srv/jupyterhub; ls {FOLDER}/jupyterhub_config.d | head -1; touch /opt/hub/x 2>&1"
    shown = await in_pod(hub.namespace, "hub", script, container="hub")
    assert shown.startswith("1000\n")
    for name in ("jupyterhub.sqlite", "menu.json", "00-base.py", "Permission denied"):
        assert name in shown


async def test_both_kinds_of_entry_points_are_there(hub):
    code = """
from importlib.metadata import entry_points
found = [point for group in ("spawners", "authenticators") for point in entry_points(group=f"jupyterhub.{group}")]
print(*sorted(point.load().__name__ for point in found if point.name.startswith("jhkube")))
"""
    script = f"python3 -W ignore -c {shlex.quote(code)}"
    shown = await in_pod(hub.namespace, "hub", script, container="hub")
    authenticators = ["CILogonGroupAuthenticator", "GitHubOrgAuthenticator", "OIDCOrgAuthenticator"]
    assert shown.split() == sorted([*authenticators, "JHKubeSpawner"])


async def test_the_charts_values_win_over_the_defaults_of_jhkube(ada):
    status, body = await ada.api("POST", "/users/ada/servers/second", json={})
    assert status == 400
    assert "Named servers are not enabled" in body["message"]


async def test_extra_config_is_loaded_last(ada, hub):
    async with ada.session.get(f"{hub.url}/hub/home") as answer:
        assert "loaded last" in await answer.text()


async def test_the_charts_culler_runs_and_no_token_is_in_the_log(ada, lab, hub, github, cluster):
    log = await log_of(cluster, hub.namespace)
    assert "jupyterhub-idle-culler" in log
    assert "Traceback" not in log
    tokens = {token.value for token in github.tokens.of_person(github.world.person("ada").id)}
    assert tokens
    assert not any(token in log for token in tokens)


@pytest.fixture
async def prepuller(hub, cluster):
    """The prepuller as our chart makes it, with what is this machine's."""
    tiny = f"{cluster.registry}/tiny"
    image, _, tag = image_of(cluster).rpartition(":")
    # It listens on a port, and rests; the cluster need not reach another registry.
    config = {"ImageMenu": {"repositories": [tiny]}, "Prepuller": {"pause_image": f"{tiny}:1.0"}}
    values = {
        "roles": features()["roles"],
        "prepuller": {
            "enabled": True,
            "image": {"name": image, "tag": tag, "pullPolicy": "Always"},
            "config": config,
        },
    }
    objects = rendered(hub.namespace, values)
    (deployment,) = (each for each in objects if each["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"] += registry_beside(cluster, hub.registry_port)
    async with applied(objects):
        yield deployment["metadata"]["name"]


async def test_the_prepuller_runs_from_the_same_image_as_the_chart_has_it(prepuller, hub, cluster):
    core, apps = cluster.core, client.AppsV1Api(cluster.core.api_client)
    status = "jhkube prepull --status --config /etc/jhkube/jupyterhub_config.py"
    shown = ""
    async with asyncio.timeout(400):
        while "Images: 1, nodes: 1: 1 present." not in shown:
            await asyncio.sleep(1)
            labels = "app.kubernetes.io/component=prepuller"
            for pod in (await core.list_namespaced_pod(hub.namespace, label_selector=labels)).items:
                if any(each.name == "prepuller" and each.ready for each in pod.status.container_statuses or ()):
                    shown = await in_pod(hub.namespace, pod.metadata.name, status, container="prepuller")
    (made,) = (await apps.list_namespaced_daemon_set(hub.namespace)).items
    assert [owner.name for owner in made.metadata.owner_references] == [prepuller]
    await apps.delete_namespaced_deployment(prepuller, hub.namespace)
    async with asyncio.timeout(180):
        while (await apps.list_namespaced_daemon_set(hub.namespace)).items:
            await asyncio.sleep(0.3)

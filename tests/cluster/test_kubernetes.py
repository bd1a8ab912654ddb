"""What the development cluster has as any cluster has: names, Services, volumes that grow, policies, Pod Security."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from kubernetes_asyncio import client
from kubespawner.objects import make_pod

from jhkube.pod.build import PodSettings, ServerFacts, build_pod
from jhkube.pod.home import parse_home
from jhkube.pod.mounts import parse_mounts
from jhkube.watch.admission import admission_failure
from tests.accounts import features, rendered
from tests.cluster.pod_fixtures import ADA, Pods, claim, image, pods
from tests.conftest import Cluster
from tests.pods import new_namespace

__all__ = ["claim", "image", "pods"]

ACCEPT = (
    "import socket, sys\nwith socket.create_server(('', int(sys.argv[1]))) as s:\n  while True: s.accept()[0].close()"
)
"""A program that takes connections on a port."""

FETCH = (
    "import socket, sys\n"
    "socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])).close()\n"
    "print('connected')"
)
"""A program that says whether an address takes a connection."""


def serving(port: int) -> str:
    """Return a shell command that takes connections on a port."""
    return f'exec python3 -c "{ACCEPT}" {port}'


async def connects(pods: Pods, name: str, host: str, port: int, seconds: float = 60) -> bool:
    """Return whether a pod gets a connection to an address."""
    said = await pods.run(name, f'python3 -c "{FETCH}" {host} {port} {seconds} 2>&1')
    return said.strip().endswith("connected")


OWN = parse_home("pvc", sub_path="home")


async def eventually(found: Callable[[], Any], what: str) -> None:
    """Wait until something that is awaited is true."""
    async with asyncio.timeout(180):
        while not await found():
            await asyncio.sleep(0.2)


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    """A namespace of one test's own."""
    name = f"jhkube-test-{secrets.token_hex(3)}"
    await new_namespace(cluster.core, name)
    yield name
    await cluster.core.delete_namespace(name)


async def test_the_cluster_is_a_release_that_people_run(cluster: Cluster) -> None:
    version = await client.VersionApi(cluster.core.api_client).get_code()
    assert int(version.minor.rstrip("+")) >= 34, version.git_version


async def test_pods_find_the_api_server_and_each_other_by_name(cluster: Cluster, pods: Pods, claim: str) -> None:
    server = await pods.start(PodSettings(home=OWN), claim=claim, command=serving(8888))
    service = f"echo-{secrets.token_hex(3)}"
    await cluster.core.patch_namespaced_pod(server, cluster.namespace, {"metadata": {"labels": {"echo": service}}})
    await cluster.core.create_namespaced_service(
        cluster.namespace,
        {
            "metadata": {"name": service},
            "spec": {"selector": {"echo": service}, "ports": [{"port": 80, "targetPort": 8888}]},
        },
    )
    try:
        asking = await pods.start(PodSettings(home=OWN), claim=claim)
        assert await connects(pods, asking, "kubernetes.default", 443)
        for name in (service, f"{service}.{cluster.namespace}.svc.cluster.local"):
            await eventually(lambda name=name: connects(pods, asking, name, 80), name)
        # A pod behind a Service reaches itself by it, too.
        assert await connects(pods, server, service, 80)
    finally:
        await cluster.core.delete_namespaced_service(service, cluster.namespace)


async def test_a_claim_that_grows_has_its_new_size_while_it_is_mounted(
    cluster: Cluster, pods: Pods, claim: str
) -> None:
    await pods.start(PodSettings(home=parse_home("pvc")), claim=claim)
    await cluster.core.patch_namespaced_persistent_volume_claim(
        claim, cluster.namespace, {"spec": {"resources": {"requests": {"storage": "20Mi"}}}}
    )

    async def grown() -> bool:
        found = await cluster.core.read_namespaced_persistent_volume_claim(claim, cluster.namespace)
        return bool(found.status.capacity["storage"] == "20Mi")

    await eventually(grown, "the new size")


async def test_a_deleted_claims_folder_goes_and_a_mounted_one_waits(cluster: Cluster, pods: Pods) -> None:
    name = f"claim-{secrets.token_hex(3)}"
    await cluster.core.create_namespaced_persistent_volume_claim(
        cluster.namespace,
        {
            "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
        },
    )
    pod = await pods.start(PodSettings(home=parse_home("pvc")), claim=name)
    volume = (await cluster.core.read_namespaced_persistent_volume_claim(name, cluster.namespace)).spec.volume_name
    await cluster.core.delete_namespaced_persistent_volume_claim(name, cluster.namespace)
    assert (
        await cluster.core.read_namespaced_persistent_volume_claim(name, cluster.namespace)
    ).metadata.deletion_timestamp
    assert await pods.run(pod, "touch ~/kept && ls ~") == "kept\n"
    await pods.delete(pod)

    async def gone() -> bool:
        try:
            await cluster.core.read_persistent_volume(volume)
        except client.ApiException as error:
            return bool(error.status == 404)
        return False

    await eventually(gone, "the end of the volume")


LEVELS = {
    "pvc": ("restricted", {"home": OWN}),
    "a shared claim that nobody makes homes on": (
        "restricted",
        {"home": parse_home("shared-pvc", claim="shared", made_by="nobody")},
    ),
    "homes that root makes": ("baseline", {"home": parse_home("pvc", made_by="root")}),
    "a host path": (
        "privileged",
        {"home": OWN, "mounts": parse_mounts([{"path": "/data", "host_path": "/tmp"}])},
    ),
}
"""docs/inside-the-pod.md, "Rights": what needs which level of Pod Security."""


@pytest.mark.parametrize("what", LEVELS)
@pytest.mark.parametrize("enforced", ["restricted", "baseline"])
async def test_pod_security_takes_what_the_documentation_says_and_refuses_the_rest(
    cluster: Cluster, namespace: str, image: str, what: str, enforced: str
) -> None:
    label = {"pod-security.kubernetes.io/enforce": enforced}
    await cluster.core.patch_namespace(namespace, {"metadata": {"labels": label}})
    await cluster.core.create_namespaced_persistent_volume_claim(
        namespace,
        {
            "metadata": {"name": "shared"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
        },
    )
    needed, settings = LEVELS[what]
    pod = make_pod(name="server", cmd=["sleep", "600"], port=8888, image=image, uid=1000, fs_gid=100)
    build_pod(pod, PodSettings(**settings), ADA, ServerFacts(), claim_name="shared")
    order = ["restricted", "baseline", "privileged"]
    if order.index(needed) > order.index(enforced):
        with pytest.raises(client.ApiException) as refused:
            await cluster.core.create_namespaced_pod(namespace, pod)
        sentence = admission_failure(refused.value).message
        assert sentence.startswith("The cluster's security rules do not allow this server")
        return
    await cluster.core.create_namespaced_pod(namespace, pod)
    # The Secret that a start adds is not here, and admission is over: it is scheduled, and waits for its files.
    helper = Pods(cluster.core, namespace, image)
    await helper.until("server", lambda found: found.spec.node_name)


async def test_the_charts_policies_let_pass_what_they_say_and_nothing_else(
    cluster: Cluster, namespace: str, image: str
) -> None:
    values = {
        "networkPolicies": {"servers": {"enabled": True}, "hub": {"enabled": True}},
        "roles": features()["roles"],
    }
    policies = [each for each in rendered(namespace, values) if each["kind"] == "NetworkPolicy"]
    assert len(policies) == 2
    pods = Pods(cluster.core, namespace, image)
    labels = {
        "server": {"component": "singleuser-server"},
        "neighbour": {"component": "singleuser-server"},
        "hub": {"component": "hub", "hub.jupyter.org/network-access-singleuser": "true"},
        "stranger": {"component": "something"},
        "dns": {"k8s-app": "kube-dns"},
    }
    ports = {"hub": 8081, "dns": 53, "stranger": 8888, "server": 8888, "neighbour": 8888}
    addresses = {}
    for name, own in labels.items():
        pod = make_pod(name=name, cmd=["sh", "-c", serving(ports[name])], port=ports[name], image=image, labels=own)
        await cluster.core.create_namespaced_pod(namespace, pod)
    for name in labels:
        found = await pods.until(name, lambda found: found.status.phase == "Running" and found.status.pod_ip)
        addresses[name] = found.status.pod_ip

    async def reaches(asking: str, asked: str, seconds: float = 2) -> bool:
        return await connects(pods, asking, addresses[asked], ports[asked], seconds)

    for asked in labels:
        await eventually(lambda asked=asked: reaches("stranger" if asked != "stranger" else "hub", asked), asked)
    for policy in policies:
        await client.NetworkingV1Api(cluster.core.api_client).create_namespaced_network_policy(
            namespace, {**policy, "metadata": {"name": policy["metadata"]["name"]}}
        )

    async def closed() -> bool:
        return not await reaches("neighbour", "server")

    await eventually(closed, "the policies")
    expected = {
        ("hub", "server"): True,
        ("server", "hub"): True,
        ("server", "dns"): True,
        ("neighbour", "server"): False,
        ("stranger", "server"): False,
        ("stranger", "hub"): False,
        ("server", "stranger"): False,
        ("server", "neighbour"): False,
    }
    found = {pair: await reaches(*pair, 60 if is_open else 2) for pair, is_open in expected.items()}
    assert found == expected

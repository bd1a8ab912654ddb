"""What a start does with refusals of the API server that are about to pass: the real one, with faults on the wire."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio.client import (
    ApiException,
    V1ObjectMeta,
    V1PersistentVolumeClaim,
    V1Pod,
    V1ResourceQuota,
    V1ResourceQuotaSpec,
    V1Secret,
)
from traitlets.config import Config

from jhkube.identity import AUTH_STATE_KEY, UserIdentity
from jhkube.objects import remove_quota
from jhkube.pod.own_secrets import OwnSecret, list_manifest, list_name
from jhkube.pod.volume_claims import owner_patch
from jhkube.secret_objects import create_secret
from jhkube.spawner import JHKubeSpawner
from jhkube.watch.patience import Patience
from jhkube.watch.start import Start
from tests.cluster.api_proxy import HTML, Fault, refusal
from tests.cluster.conftest import Proxied

MOMENTARY = {
    "busy": refusal(429, "too many requests", "TooManyRequests", headers={"Retry-After": "1"}),
    "database": refusal(500, "etcdserver: request timed out", "InternalError"),
    "slow": refusal(504, "Timeout: request did not complete within the allotted duration", "Timeout"),
    "no account yet": refusal(
        403,
        'pods "jupyter-ada" is forbidden: error looking up service account labs/default: serviceaccount "default" '
        "not found",
        "Forbidden",
        "pods",
    ),
    "no numbers yet": refusal(
        403,
        'pods "jupyter-ada" is forbidden: status unknown for quota: jhkube, resources: limits.memory,pods',
        "Forbidden",
        "pods",
    ),
    "collision": refusal(
        409,
        'Operation cannot be fulfilled on resourcequotas "jhkube": the object has been modified; please apply your '
        "changes to the latest version and try again",
        "Conflict",
        "resourcequotas",
    ),
}
FORBIDDEN = refusal(403, 'User "hub" cannot create resource', "Forbidden")

_numbers = itertools.count(1)


class _Hub:
    public_host = url = base_url = api_url = "http://hub"


class _User:
    id, groups = 1, ()

    def __init__(self, name: str) -> None:
        self.name, self.url = name, f"/user/{name}/"


@pytest.fixture
async def spawner(proxied: Proxied, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A spawner, of a person whom no other test has, in a start that reaches the API server by the proxy."""
    monkeypatch.setattr(JHKubeSpawner, "reflectors", {})
    patient = {"k8s_api_request_timeout": 60, "k8s_api_request_retry_timeout": 240}
    config = Config({"KubeSpawner": {"namespace": proxied.namespace, **patient}})
    spawner: Any = JHKubeSpawner(_mock=True, config=config, user=_User(f"ada{next(_numbers)}"), hub=_Hub())
    spawner.api = proxied.api
    spawner.pod_start = Start(spawner, Patience())
    yield spawner
    for reflector in JHKubeSpawner.reflectors.values():
        await reflector.stop()


async def make_claim(spawner: Any) -> bool:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    claim = V1PersistentVolumeClaim(metadata=V1ObjectMeta(name=spawner.pvc_name), spec=spec)
    return bool(await spawner._make_create_pvc_request(claim, 60))


async def make_pod(spawner: Any) -> bool:
    spec = {"schedulerName": "nobody", "containers": [{"name": "notebook", "image": "none"}]}
    labels = {"component": "singleuser-server"}
    pod = V1Pod(metadata=V1ObjectMeta(name=spawner.pod_name, labels=labels), spec=spec)
    return bool(await spawner._make_create_pod_request(pod, 60))


async def make_secret(spawner: Any) -> bool:
    secret = V1Secret(metadata=V1ObjectMeta(name=spawner.secret_name))
    return bool(await spawner._make_create_resource_request("secret", secret))


CALLS = {
    "persistentvolumeclaims": (make_claim, "persistent_volume_claim", "pvc_name"),
    "pods": (make_pod, "pod", "pod_name"),
    "secrets": (make_secret, "secret", "secret_name"),
}


async def is_there(proxied: Proxied, spawner: Any, what: str) -> bool:
    """Whether the API server has the object that was asked for."""
    _, kind, name = CALLS[what]
    found = await getattr(proxied.core, f"list_namespaced_{kind}")(proxied.namespace)
    return getattr(spawner, name) in [each.metadata.name for each in found.items]


@pytest.mark.parametrize("fault", MOMENTARY.values(), ids=MOMENTARY)
@pytest.mark.parametrize("what", CALLS)
async def test_a_momentary_refusal_is_asked_again(proxied: Proxied, spawner: Any, what: str, fault: Fault) -> None:
    make = CALLS[what][0]
    proxied.proxy.fail("POST", what, fault, fault)
    assert [await make(spawner) for _ in range(2)] == [False, False]
    assert "trying again" in spawner.pod_start.finding.meanwhile
    assert not await is_there(proxied, spawner, what)
    assert await make(spawner)
    assert await is_there(proxied, spawner, what)
    assert proxied.proxy.asked == [("POST", what)] * 3
    assert spawner.pod_start.finding is None, "what has passed is no reason of a later failure"


@pytest.mark.parametrize("fault", MOMENTARY.values(), ids=MOMENTARY)
async def test_a_namespace_is_asked_for_again(proxied: Proxied, spawner: Any, fault: Fault) -> None:
    proxied.proxy.fail("POST", "namespaces", fault)
    await spawner._ensure_namespace()
    assert proxied.proxy.asked == [("POST", "namespaces")] * (1 if fault.status == 409 else 2)


@pytest.mark.parametrize("what", CALLS)
async def test_a_refusal_that_stays_ends_the_start_at_once(proxied: Proxied, spawner: Any, what: str) -> None:
    proxied.proxy.fail("POST", what, FORBIDDEN)
    with pytest.raises(ApiException, match="403"):
        await CALLS[what][0](spawner)
    assert proxied.proxy.asked.count(("POST", what)) == 1
    assert not await is_there(proxied, spawner, what)


async def test_a_claim_that_is_there_is_taken_even_where_the_quota_is_used_up(proxied: Proxied, spawner: Any) -> None:
    assert await make_claim(spawner)
    assert await make_claim(spawner), "it is there"
    proxied.proxy.fail("POST", "persistentvolumeclaims", FORBIDDEN)
    assert await make_claim(spawner)
    assert proxied.proxy.asked[-1] == ("GET", spawner.pvc_name)


@pytest.mark.parametrize("fault", ["busy", "database", "slow"])
async def test_a_list_of_ones_own_secrets_is_asked_for_again(proxied: Proxied, spawner: Any, fault: str) -> None:
    subject = f"github:{spawner.user.name}"
    person = {AUTH_STATE_KEY: UserIdentity(name="ada", uid=70_001, gid=70_001, subject=subject).to_dict()}
    spawner.user.get_auth_state = lambda: person
    listed = list_manifest(subject, [OwnSecret("db", ("password",), "2026-11-30T00:00:00Z")], None, {})
    await proxied.core.create_namespaced_config_map(proxied.namespace, listed)
    name = list_name(subject)
    proxied.proxy.fail("GET", name, MOMENTARY[fault], MOMENTARY[fault])
    assert await spawner.own_secret_names() == ("db",)
    assert proxied.proxy.asked == [("GET", name)] * 3
    proxied.proxy.fail("GET", name, *[MOMENTARY[fault]] * 3)
    assert await spawner.own_secret_names() == ()
    assert len(proxied.proxy.asked) == 6


@pytest.mark.parametrize("fault", ["busy", "database", "slow"])
async def test_a_list_of_ones_own_disks_is_asked_for_again(proxied: Proxied, spawner: Any, fault: str) -> None:
    subject, name = f"github:{spawner.user.name}", f"disk-{spawner.user.name}"
    person = {AUTH_STATE_KEY: UserIdentity(name="ada", uid=70_001, gid=70_001, subject=subject).to_dict()}
    spawner.user.get_auth_state = lambda: person
    labels = {"hub.jupyter.org/username": spawner.user.name}
    claim = {
        "metadata": {"name": name, "labels": labels} | owner_patch(subject)["metadata"],
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    await proxied.core.create_namespaced_persistent_volume_claim(proxied.namespace, claim)
    proxied.proxy.fail("GET", "persistentvolumeclaims", MOMENTARY[fault], MOMENTARY[fault])
    assert await spawner.own_disk_names() == (name,)
    proxied.proxy.fail("GET", "persistentvolumeclaims", *[MOMENTARY[fault]] * 3)
    assert await spawner.own_disk_names() == ()
    assert await spawner.own_disk_names() == (name,)


async def test_a_namespace_that_never_gets_ready_ends_the_start_with_its_sentence(
    proxied: Proxied, spawner: Any
) -> None:
    spawner.k8s_api_request_retry_timeout = 1
    proxied.proxy.fail("POST", "namespaces", refusal(500, "etcdserver: request timed out", times=float("inf")))
    with pytest.raises(TimeoutError):
        await spawner._ensure_namespace()
    assert "did not answer as it should" in spawner.pod_start.finding.message
    assert len(proxied.proxy.asked) > 1


async def test_a_collision_at_a_quota_replaces_no_secret(proxied: Proxied, spawner: Any) -> None:
    proxied.proxy.fail("POST", "secrets", MOMENTARY["collision"])
    with pytest.raises(ApiException, match="409"):
        await create_secret(spawner.api, proxied.namespace, V1Secret(metadata=V1ObjectMeta(name=spawner.secret_name)))
    assert proxied.proxy.asked == [("POST", "secrets")]


async def test_an_answer_that_is_cut_short_makes_no_second_pod(proxied: Proxied, spawner: Any) -> None:
    """The pod is there, and the hub has not heard its uid: the next try finds a pod of the name, which goes first."""
    proxied.proxy.fail("POST", "pods", Fault(is_cut=True))
    assert not await make_pod(spawner)
    first = await proxied.core.read_namespaced_pod(spawner.pod_name, proxied.namespace)
    assert not await make_pod(spawner), "it is removed"
    assert await make_pod(spawner)
    second = await proxied.core.read_namespaced_pod(spawner.pod_name, proxied.namespace)
    assert second.metadata.uid == spawner.pod_start.uid != first.metadata.uid


QUOTA = "jhkube-ceiling"


async def removed(proxied: Proxied) -> bool:
    """Return what came of removing a quota; it was asked for once."""
    gone = await remove_quota(proxied.api, proxied.namespace, QUOTA, 60)
    assert proxied.proxy.asked == [("DELETE", QUOTA)]
    return gone


async def has_quota(proxied: Proxied) -> bool:
    quotas = await proxied.core.list_namespaced_resource_quota(proxied.namespace)
    return QUOTA in [quota.metadata.name for quota in quotas.items]


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_quota_whose_ceiling_went_is_removed(proxied: Proxied, is_there: bool) -> None:
    if is_there:
        quota = V1ResourceQuota(metadata=V1ObjectMeta(name=QUOTA), spec=V1ResourceQuotaSpec(hard={"configmaps": "9"}))
        await proxied.core.create_namespaced_resource_quota(proxied.namespace, quota)
        assert await has_quota(proxied)
    assert await removed(proxied)
    assert not await has_quota(proxied)


async def test_a_quota_that_the_hub_may_not_remove_is_told(proxied: Proxied) -> None:
    proxied.proxy.fail("DELETE", QUOTA, refusal(403, "resourcequotas is forbidden"))
    assert not await removed(proxied)


async def test_an_api_server_that_fails_at_a_quota_is_told(proxied: Proxied) -> None:
    proxied.proxy.fail("DELETE", QUOTA, Fault(502, HTML))
    with pytest.raises(ApiException, match="502"):
        await removed(proxied)

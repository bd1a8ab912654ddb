"""Starts that cannot succeed, on the real cluster: the user reads why within seconds, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes_asyncio import client

from tests.cluster.watch_hub import WatchHub, gone, pods_of
from tests.conftest import Cluster
from tests.pods import in_pod
from tests.waiting import until

PATIENCE = {"unschedulable": 4.0, "pull": 6.0, "volume": 6.0, "missing": 4.0, "node": 6.0}


@pytest.fixture(scope="module")
async def hub(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WatchHub]:
    hub = WatchHub(
        tmp_path_factory.mktemp("watch"),
        cluster.namespace,
        cluster.host,
        f"{cluster.registry}/tiny:1.0",
        patience=PATIENCE,
    )
    await hub.start()
    yield hub
    await hub.close()


@dataclass(frozen=True)
class Case:
    """A configuration that cannot start, and what is to be said of it."""

    name: str
    traits: dict[str, Any]
    told: str
    reason: str


SECRET_WORD = "word-of-the-environment"
VOLUME = {"volume_mounts": [{"name": "extra", "mountPath": "/extra"}]}

CASES = [
    Case("no-image", {"image": "{registry}/tiny:no-such-tag"}, "does not exist in its registry", "ErrImagePull"),
    Case("no-registry", {"image": "127.0.0.1:9/tiny:1.0"}, "registry does not answer", "ErrImagePull"),
    Case("bad-name", {"image": "Not/A_Valid:name:at:all"}, "not a valid image name", "InvalidImageName"),
    Case("too-large", {"mem_guarantee": "900G"}, "enough free memory", "Unschedulable"),
    Case("no-gpu", {"extra_resource_limits": {"example.org/gpu": "1"}}, "“example.org/gpu”", "Unschedulable"),
    Case("no-node", {"node_selector": {"kind": "none"}}, "of the kind", "Unschedulable"),
    Case(
        "no-claim",
        {"volumes": [{"name": "extra", "persistentVolumeClaim": {"claimName": "gone"}}], **VOLUME},
        "“gone”",
        "Unschedulable",
    ),
    Case(
        "no-secret",
        {"volumes": [{"name": "extra", "secret": {"secretName": "gone"}}], **VOLUME},
        "secret “gone”",
        "FailedMount",
    ),
    Case(
        "no-folder",
        {"volumes": [{"name": "extra", "hostPath": {"path": "/no/such/folder", "type": "Directory"}}], **VOLUME},
        "“extra” cannot be mounted",
        "FailedMount",
    ),
    Case(
        "no-key",
        {"environment": {"X": {"name": "X", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "k"}}}}},
        "secret “gone”",
        "CreateContainerConfigError",
    ),
    Case("no-program", {"cmd": ["no-such-program"]}, "has no “no-such-program”", ""),
    Case("crashing", {"environment": {"TINY_EXIT_CODE": "3"}}, "exit code 3", ""),
    Case("ending", {"cmd": ["true"]}, "ended by itself", ""),
    Case(
        "hungry",
        {"cmd": ["sh", "-c", "tail /dev/zero"], "mem_limit": "16M"},
        "more memory than its size allows",
        "OOMKilled",
    ),
    Case(
        "unprepared",
        {"init_containers": [{"name": "fetch", "image": "{registry}/tiny:1.0", "command": ["false"]}]},
        "step “fetch”",
        "",
    ),
    Case(
        "invalid",
        {"extra_labels": {"x": "not a label!"}, "environment": {"WORD": SECRET_WORD}},
        "does not accept this server",
        "Invalid",
    ),
]


def filled(value: Any, registry: str) -> Any:
    if isinstance(value, str):
        return value.replace("{registry}", registry)
    if isinstance(value, dict):
        return {key: filled(item, registry) for key, item in value.items()}
    return [filled(item, registry) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_start_that_cannot_succeed_says_so_soon_and_leaves_nothing(
    case: Case, hub: WatchHub, cluster: Cluster
) -> None:
    messages = await hub.failed(case.name, **filled(case.traits, cluster.registry))
    assert case.told in messages[-1]["message"], messages
    assert case.reason in messages[-1]["message"]
    await gone(cluster.core, cluster.namespace, case.name)

    def is_said() -> bool:
        lines = [line for line in hub.log.splitlines() if f"pod {cluster.namespace}/jupyter-{case.name}" in line]
        return any("did not start" in line and case.reason in line for line in lines)

    await until(is_said)


async def test_the_page_and_the_rest_api_say_the_same(hub: WatchHub, cluster: Cluster) -> None:
    await hub.failed("reader", image=f"{cluster.registry}/tiny:no-such-tag")
    (said,) = await hub.progress("reader")
    assert said["message"].startswith("Spawn failed: The image")
    assert "<code>ErrImagePull" in said["html_message"]


async def test_a_failed_start_can_be_followed_by_a_good_one(hub: WatchHub, cluster: Cluster) -> None:
    await hub.failed("again", cmd=["no-such-program"])
    await hub.started("again")
    await hub.stopped("again")
    await gone(cluster.core, cluster.namespace, "again")


async def test_users_failures_do_not_end_the_hub(hub: WatchHub, cluster: Cluster) -> None:
    """Its consecutive_failure_limit counts errors of the hub's own only."""
    for number in range(6):
        await hub.failed(f"row{number}", image="Not/A_Valid:name:at:all")
    assert hub.process is not None
    assert hub.process.poll() is None
    assert "consecutive spawns failed" not in hub.log


async def test_a_quota_is_told_in_numbers(cluster: Cluster, hub: WatchHub) -> None:
    await cluster.core.create_namespaced_resource_quota(
        cluster.namespace, {"metadata": {"name": "few"}, "spec": {"hard": {"limits.memory": "100Mi"}}}
    )
    try:
        # the quota's controller has to count first, and the pods of the tests before have to be gone
        async with asyncio.timeout(180):
            while True:
                quota = await cluster.core.read_namespaced_resource_quota("few", cluster.namespace)
                if quota.status.used and quota.status.used["limits.memory"] == "0":
                    break
                await asyncio.sleep(0.2)
        messages = await hub.failed("greedy", mem_limit="2G")
        assert "2147483648 asked for, 0 of 100Mi in use" in messages[-1]["message"]
    finally:
        await cluster.core.delete_namespaced_resource_quota("few", cluster.namespace)


async def until_refused(cluster: Cluster) -> None:
    """Return when the API server asks the webhook: it reads its webhooks once a second."""
    pod = {
        "metadata": {"name": "trial", "labels": {"webhook": cluster.namespace}},
        "spec": {"containers": [{"name": "trial", "image": "trial"}]},
    }
    async with asyncio.timeout(240):
        while True:
            try:
                await cluster.core.create_namespaced_pod(cluster.namespace, pod, dry_run="All")
            except client.ApiException as error:
                if "away.jhkube.test" in str(error.body):
                    return
            await asyncio.sleep(0.2)


async def test_a_webhook_that_is_away_is_waited_for_and_named(hub: WatchHub, cluster: Cluster) -> None:
    webhook = {
        "name": "away.jhkube.test",
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "objectSelector": {"matchLabels": {"webhook": cluster.namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    admission = client.AdmissionregistrationV1Api(cluster.core.api_client)
    name = f"{cluster.namespace}-away"
    await admission.create_validating_webhook_configuration({"metadata": {"name": name}, "webhooks": [webhook]})
    try:
        await until_refused(cluster)
        hooked = {"extra_labels": {"webhook": cluster.namespace}, "environment": {"WORD": SECRET_WORD}}
        status, body = await hub.ask("hooked", **hooked)
        assert status == 202, body
        trying = "The cluster does not answer at the moment; trying again."
        assert (await hub.progress("hooked", until=trying))[-1].get("message") == trying
        await hub.stopped("hooked")
        messages = await hub.failed("hooked", k8s_api_request_retry_timeout=3, **hooked)
    finally:
        await admission.delete_validating_webhook_configuration(name)
    told = messages[-1]["message"]
    assert "The cluster did not answer as it should." in told
    assert "away.jhkube.test" in told
    await gone(cluster.core, cluster.namespace, "hooked")


async def test_a_pull_that_passes_by_itself_is_waited_for(hub: WatchHub, cluster: Cluster) -> None:
    """The Secret that a volume needs comes two seconds after the pod."""
    volume = {"name": "extra", "secret": {"secretName": "late"}}
    patience = {"missing": 240.0, "volume": 240.0}
    status, body = await hub.ask("patient", volumes=[volume], start_patience=patience, **VOLUME)
    assert status == 202, body
    secret = client.V1Secret(metadata=client.V1ObjectMeta(name="late"))
    await cluster.core.create_namespaced_secret(cluster.namespace, secret)
    messages = await hub.progress("patient")
    assert messages[-1].get("ready"), messages
    await hub.stopped("patient")


async def test_progress_is_in_plain_words_and_moves(hub: WatchHub, cluster: Cluster) -> None:
    answers = "while [ ! -e /tmp/go ]; do sleep 0.1; done; exec jupyterhub-singleuser"
    status, body = await hub.ask("viewer", cmd=["sh", "-c", answers])
    assert status == 202, body
    following = asyncio.create_task(hub.progress("viewer"))
    # It answers when it is followed.
    await hub.progress("viewer", until="waiting for it to answer")
    await in_pod(cluster.namespace, "jupyter-viewer", "touch /tmp/go")
    messages = await following
    assert messages[-1].get("ready"), messages
    bar = [message["progress"] for message in messages if "progress" in message]
    assert bar == sorted(bar)
    assert len(set(bar)) > 3
    told = [message["message"] for message in messages]
    assert "A place was found for your server, on node1." in told
    assert "Your server's program was started; waiting for it to answer." in told
    assert any(message.get("raw_event", {}).get("reason") == "Scheduled" for message in messages)
    assert len(told) == len(set(told))
    await hub.stopped("viewer")


async def test_nothing_is_left_of_all_these(hub: WatchHub, cluster: Cluster) -> None:
    for case in CASES:
        assert await pods_of(cluster.core, cluster.namespace, case.name) == []
    assert SECRET_WORD not in hub.log, "what an API server refuses is not printed"
    assert "Task was destroyed" not in hub.log
    assert "never retrieved" not in hub.log

"""A ceiling as a ResourceQuota: what the API server makes of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from kubernetes_asyncio import client

from jhkube.pod.build import PodSettings
from jhkube.pod.home import parse_home
from jhkube.pod.limits import Ceiling, resource_quota
from tests.cluster.pod_fixtures import ADA, BOB, Pods, image, pods
from tests.pods import new_namespace

__all__ = ["image", "pods"]

SETTINGS = PodSettings(home=parse_home("pvc", sub_path="home", skeleton=True))


@pytest.fixture
async def own_namespace(pods: Pods) -> AsyncIterator[Pods]:
    """A user's own namespace with a ceiling of two servers and one core."""
    name = f"{pods.namespace}-{secrets.token_hex(3)}"
    await new_namespace(pods.core, name)
    ceiling = Ceiling(cores=1, memory=1 << 30, gpus=0, servers=2)
    await pods.core.create_namespaced_resource_quota(name, resource_quota(ceiling))
    async with asyncio.timeout(180):
        while not (await pods.core.read_namespaced_resource_quota("jhkube-ceiling", name)).status.hard:
            await asyncio.sleep(0.1)
        while not (await pods.core.list_namespaced_service_account(name)).items:
            await asyncio.sleep(0.1)
    yield replace(pods, namespace=name, made=[])
    await pods.core.delete_namespace(name)


async def test_a_pod_with_init_containers_is_admitted_and_counted_once(own_namespace: Pods) -> None:
    await own_namespace.create(SETTINGS, claim="x", cpu_limit=0.75, mem_limit=1 << 29)
    quota = await own_namespace.core.read_namespaced_resource_quota("jhkube-ceiling", own_namespace.namespace)
    assert (quota.status.used["limits.cpu"], quota.status.used["pods"]) == ("750m", "1")


async def test_a_pod_above_the_ceiling_is_refused_in_numbers(own_namespace: Pods) -> None:
    await own_namespace.create(SETTINGS, claim="x", cpu_limit=0.75, mem_limit=1 << 29)
    with pytest.raises(client.ApiException) as refused:
        await own_namespace.create(SETTINGS, BOB, claim="x", cpu_limit=0.75, mem_limit=1 << 29)
    assert refused.value.status == 403
    assert (
        "exceeded quota: jhkube-ceiling, requested: limits.cpu=750m, used: limits.cpu=750m, limited: limits.cpu=1"
        in (refused.value.body)
    )


async def test_gpus_are_held_too(own_namespace: Pods) -> None:
    with pytest.raises(client.ApiException) as refused:
        await own_namespace.create(
            SETTINGS, ADA, claim="x", cpu_limit=0.1, mem_limit=1 << 29, extra_resource_limits={"nvidia.com/gpu": "1"}
        )
    assert "requests.nvidia.com/gpu=1" in refused.value.body

"""What the tests of faults of the API server share: one proxy before it, and one namespace."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from kubernetes_asyncio import client

from tests.cluster.api_proxy import ApiProxy
from tests.conftest import Cluster
from tests.pods import new_namespace


@dataclass(frozen=True)
class Proxied:
    """The cluster behind the proxy."""

    proxy: ApiProxy
    api: client.CoreV1Api
    """The API by way of the proxy, as an administrator."""

    core: client.CoreV1Api
    """The API without a proxy."""

    namespace: str
    """A namespace of these tests' own."""


@pytest.fixture(scope="session")
async def shared_proxied(cluster: Cluster) -> AsyncIterator[Proxied]:
    name = f"jhkube-faults-{secrets.token_hex(3)}"
    await new_namespace(cluster.core, name)
    proxy = ApiProxy()
    async with proxy.running() as api:
        yield Proxied(proxy, api, cluster.core, name)
    await cluster.core.delete_namespace(name)


@pytest.fixture
async def proxied(shared_proxied: Proxied) -> AsyncIterator[Proxied]:
    """A proxy that has no fault yet, before the real API server, and a namespace with no pods."""
    proxied = shared_proxied
    proxied.proxy.heal()
    yield proxied
    proxied.proxy.heal()
    await proxied.core.delete_collection_namespaced_pod(proxied.namespace, grace_period_seconds=0)

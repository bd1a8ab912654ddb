"""All checks, each on its own: one that fails, or takes too long, leaves the others alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes_asyncio.client import ApiException
from traitlets import TraitError

from jhkube.checks.addresses import CALLBACK, CONNECT, callback_results, connect_results
from jhkube.checks.cluster import (
    CLUSTER,
    PERMISSIONS,
    Cluster,
    NoCluster,
    cluster_results,
    connected,
    hub_facts,
    permission_results,
)
from jhkube.checks.configuration import CONFIGURATION, ENCRYPTION, configuration_results, encryption_results
from jhkube.checks.configured import ConfiguredHub, NoClusterConfigured
from jhkube.checks.image import IMAGE, default_image, image_results
from jhkube.checks.other_accounts import (
    MY_SERVERS,
    OPERATOR,
    has_operator,
    is_apart,
    my_servers_results,
    operator_results,
)
from jhkube.checks.permissions import permissions
from jhkube.checks.provider import PROVIDER, provider_results
from jhkube.checks.registry import REGISTRY, registry_results
from jhkube.checks.report import sentence
from jhkube.checks.result import Result, Subject
from jhkube.checks.storage import STORAGE, storage_results
from jhkube.kube import error_text

__all__ = ["ImageChoice", "OtherAccounts", "check_hub"]

WRONG_SETTING = "a setting that it needs is wrong: see configuration"

PATIENCE = 60.0
"""Seconds for one subject, the image apart."""


@dataclass(frozen=True, slots=True)
class ImageChoice:
    """Which image is looked into."""

    pod: bool = True
    """Whether a pod may be started for it."""

    image: str = ""
    """The image; empty for the one that is offered first."""

    timeout: float = 180.0
    """Seconds for its pod."""


@dataclass(frozen=True, slots=True)
class OtherAccounts:
    """The accounts that are not the hub's own."""

    my_servers_token: str = ""
    """The token of the account of the service "My servers"; empty for none."""

    operator_token: str = ""
    """The token of the operator's account; empty for none."""

    operator_namespaces: tuple[str | None, ...] = ()
    """Where the operator works: None is everywhere; empty for the namespace of servers."""


async def check_hub(hub: ConfiguredHub, choice: ImageChoice, others: OtherAccounts = OtherAccounts()) -> list[Result]:
    """Return what was found about the hub, subject by subject.

    Parameters
    ----------
    hub
        The hub.
    choice
        Which image is looked into.
    others
        The accounts that are not the hub's own.
    """
    found = await _within(CONFIGURATION, _each(configuration_results(hub)))
    found += await _within(ENCRYPTION, _each(encryption_results(hub)))
    found += await _within(CALLBACK, _each(callback_results(hub)))
    found += await _within(CONNECT, connect_results(hub))
    provider = asyncio.create_task(_within(PROVIDER, provider_results(hub)))
    registry = asyncio.create_task(_within(REGISTRY, _registry(hub)))
    cluster, answered = await _cluster(hub)
    try:
        allowed = asyncio.create_task(_within(PERMISSIONS, _permissions(hub, cluster)))
        service = asyncio.create_task(_within(MY_SERVERS, _my_servers(hub, cluster, others)))
        operator = asyncio.create_task(_within(OPERATOR, _operator(hub, cluster, others)))
        storage = asyncio.create_task(_within(STORAGE, _storage(hub, cluster)))
        found += [
            *await provider,
            *answered,
            *await allowed,
            *await service,
            *await operator,
            *await storage,
            *await registry,
        ]
        # After the registry has said which image is offered first.
        found += await _within(IMAGE, _image(hub, cluster, choice), choice.timeout + PATIENCE)
    finally:
        if cluster is not None:
            await cluster.api.close()
        await _end_menu(hub)
    return found


async def _within(subject: Subject, results: AsyncIterator[Result], seconds: float = PATIENCE) -> list[Result]:
    """Return what a check yields, and what became of the check itself where it did not end well."""
    found: list[Result] = []
    try:
        async with asyncio.timeout(seconds):
            async for result in results:
                found.append(result)
    except TimeoutError:
        found.append(
            subject.failed(f"no answer within {seconds:.0f} s", "Try again; if it happens again, ask who runs it.")
        )
    except ApiException as error:
        found.append(subject.failed(f"the API server says: {error_text(error)}", "Ask the cluster's administrators."))
    except (aiohttp.ClientError, OSError) as error:
        found.append(
            subject.failed(
                f"the connection broke: {error or type(error).__name__}",
                "Try again; if it happens again, ask who runs it.",
            )
        )
    except TraitError:
        found.append(subject.skipped(WRONG_SETTING))
    except Exception as error:
        # Whatever it is, the other checks are still worth something.
        found.append(_unexplained(subject, error))
    return found


def _unexplained(subject: Subject, error: Exception) -> Result:
    text = f"could not be looked at: {type(error).__name__}: {sentence(error)}"
    return subject.skipped(text, "If nothing above explains it, this is a fault of jhkube: report it.")


async def _each(results: Iterator[Result]) -> AsyncIterator[Result]:
    for result in results:
        yield result


async def _cluster(hub: ConfiguredHub) -> tuple[Cluster | None, list[Result]]:
    """Return the cluster, if it answers, and what is told about it."""
    try:
        if not hub.is_jhkube:
            return None, [CLUSTER.skipped("servers are not started by jhkube")]
        async with asyncio.timeout(PATIENCE):
            cluster = await connected(hub)
    except TimeoutError:
        return None, [CLUSTER.failed(f"no answer within {PATIENCE:.0f} s", "Look at the plugins in KUBECONFIG.")]
    except NoCluster as error:
        return None, [CLUSTER.failed(str(error), error.remedy)]
    except TraitError:
        return None, [CLUSTER.skipped(WRONG_SETTING)]
    except Exception as error:
        return None, [_unexplained(CLUSTER, error)]
    return cluster, await _within(CLUSTER, _namespace(hub, cluster))


async def _namespace(hub: ConfiguredHub, cluster: Cluster) -> AsyncIterator[Result]:
    async for result in cluster_results(cluster, hub_facts(hub)):
        yield result


async def _permissions(hub: ConfiguredHub, cluster: Cluster | None) -> AsyncIterator[Result]:
    if cluster is None:
        yield PERMISSIONS.skipped("the API server has to answer first")
        return
    async for result in permission_results(cluster, permissions(hub_facts(hub))):
        yield result


async def _my_servers(hub: ConfiguredHub, cluster: Cluster | None, others: OtherAccounts) -> AsyncIterator[Result]:
    if cluster is None or not is_apart(hub.app.services):
        return
    namespaces = hub_facts(hub).user_namespaces
    async for result in my_servers_results(cluster, others.my_servers_token, user_namespaces=namespaces):
        yield result


async def _operator(hub: ConfiguredHub, cluster: Cluster | None, others: OtherAccounts) -> AsyncIterator[Result]:
    servers = has_operator(hub.app.services)
    # Without a token and without servers, nothing says that there is an operator.
    if cluster is None or not (others.operator_token or servers):
        return
    async for result in operator_results(cluster, others.operator_token, others.operator_namespaces, servers=servers):
        yield result


async def _storage(hub: ConfiguredHub, cluster: Cluster | None) -> AsyncIterator[Result]:
    if not hub.is_jhkube:
        yield STORAGE.skipped("servers are not started by jhkube")
        return
    try:
        hub.spawner.pod_settings()
    except NoClusterConfigured:
        yield STORAGE.skipped("no cluster is configured")
        return
    except ValueError:
        yield STORAGE.skipped(WRONG_SETTING)
        return
    async for result in storage_results(hub, cluster):
        yield result


async def _registry(hub: ConfiguredHub) -> AsyncIterator[Result]:
    async for result in registry_results(hub.menu):
        yield result


async def _image(hub: ConfiguredHub, cluster: Cluster | None, choice: ImageChoice) -> AsyncIterator[Result]:
    if not choice.pod:
        yield IMAGE.skipped("no pod was to be started (--no-pod)")
        return
    if cluster is None:
        yield IMAGE.skipped("the API server has to answer first")
        return
    spawner: Any = hub.spawner
    if spawner.enable_user_namespaces:
        yield IMAGE.skipped("every person has a namespace of their own, and none is to be made for this")
        return
    image = choice.image or default_image(hub.menu, spawner)
    if not image:
        yield IMAGE.skipped("no image is offered: look at the registry first, or name one with --image")
        return
    async for result in image_results(cluster, spawner, image, choice.timeout):
        yield result


async def _end_menu(hub: ConfiguredHub) -> None:
    """Close the connections to registries, where there was a menu to ask with."""
    if "menu" in vars(hub):
        await hub.menu.stop()

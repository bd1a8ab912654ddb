"""Whether accounts that are not the hub's own may do what they will need: that of "My servers", the operator's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from kubernetes_asyncio.client import ApiClient, ApiException, Configuration

from jhkube.checks.account_permissions import operator_permissions, service_permissions
from jhkube.checks.cluster import Cluster, account_of, may, permission_results
from jhkube.checks.result import Result, Subject
from jhkube.checks.roles import Permission
from jhkube.kube import FORBIDDEN, UNAUTHORIZED
from jhkube.service.hub_config import OPERATOR_SERVICE, SERVICE_NAME

__all__ = ["MY_SERVERS", "OPERATOR", "has_operator", "is_apart", "my_servers_results", "operator_results"]

MY_SERVERS = Subject("my servers")
OPERATOR = Subject("operator")


def is_apart(services: Any) -> bool:
    """Say whether the service runs apart from the hub, with an account of its own.

    Parameters
    ----------
    services
        `JupyterHub.services`.
    """
    return any(each.get("name") == SERVICE_NAME and not each.get("command") for each in services)


def has_operator(services: Any) -> bool:
    """Say whether an operator starts servers of the hub's people.

    Parameters
    ----------
    services
        `JupyterHub.services`.
    """
    return any(each.get("name") == OPERATOR_SERVICE for each in services)


def my_servers_results(cluster: Cluster, token: str, *, user_namespaces: bool) -> AsyncIterator[Result]:
    """Yield what the account of a token may not do, of what the service needs.

    Parameters
    ----------
    cluster
        The cluster, as the hub's account sees it.
    token
        The account's; empty where nobody has given it.
    user_namespaces
        Whether every person has a namespace of their own.
    """

    async def needed(own: Cluster) -> Sequence[Permission]:
        return service_permissions(own.namespace, user_namespaces=user_namespaces)

    return _results(MY_SERVERS, "my-servers", "the service", "the account of My servers", cluster, token, needed)


def operator_results(
    cluster: Cluster, token: str, namespaces: Sequence[str | None], *, servers: bool
) -> AsyncIterator[Result]:
    """Yield what the account of a token may not do, of what the operator needs.

    Parameters
    ----------
    cluster
        The cluster, as the hub's account sees it.
    token
        The account's; empty where nobody has given it.
    namespaces
        Where the operator works: None is everywhere; empty for the namespace of servers.
    servers
        Whether it starts servers of the hub's people. Then it need not work for notebooks, where its account may not
        list them.
    """

    async def needed(own: Cluster) -> Sequence[Permission]:
        found: list[Permission] = []
        for namespace in namespaces or (own.namespace,):
            lists = Permission("list", "jupyternotebooks", namespace, "", group="squonk.it")
            notebooks = not servers or await may(own, lists)
            found += operator_permissions(namespace, notebooks=notebooks, servers=servers)
        return found

    return _results(OPERATOR, "operator", "the operator", "the operator's account", cluster, token, needed)


async def _results(
    subject: Subject,
    name: str,
    owner: str,
    account: str,
    cluster: Cluster,
    token: str,
    needed: Callable[[Cluster], Awaitable[Sequence[Permission]]],
) -> AsyncIterator[Result]:
    """Yield what an account may not do of what it needs, or why that is not known.

    Parameters
    ----------
    name
        The end of the ServiceAccount's name, and the option of `jhkube check` that takes its token.
    owner, account
        Whose account it is, and the account, for people.
    needed
        What it needs, given the cluster as the account sees it.
    """
    if not token:
        yield subject.skipped(
            f"{owner} has an account of its own, which only its token can ask for",
            f"kubectl create token jhkube-{name} > token, and then jhkube check --{name}-token token",
        )
        return
    async with _as_account(cluster, token) as own:
        if own is None:
            yield subject.failed(
                f"the API server does not take the token of {owner}",
                f"Make a new one: kubectl create token jhkube-{name} > token",
            )
            return
        async for result in permission_results(own, await needed(own), subject, account):
            yield result


@asynccontextmanager
async def _as_account(cluster: Cluster, token: str) -> AsyncIterator[Cluster | None]:
    """Give the cluster as the account of a token sees it; None where the API server does not take the token."""
    async with ApiClient(_configuration(cluster.api.configuration, token)) as api:
        try:
            account = await account_of(api)
        except ApiException as error:
            if error.status not in (UNAUTHORIZED, FORBIDDEN):
                raise
            yield None
            return
        yield Cluster(api, cluster.namespace, account)


def _configuration(hub: Configuration, token: str) -> Configuration:
    """Return the way to the same API server, without the hub's own credentials."""
    made = Configuration(host=hub.host, api_key={"BearerToken": f"Bearer {token}"})
    made.ssl_ca_cert, made.verify_ssl, made.tls_server_name = hub.ssl_ca_cert, hub.verify_ssl, hub.tls_server_name
    return made

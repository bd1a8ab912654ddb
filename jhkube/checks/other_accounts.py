"""Whether accounts that are not the hub's own may do what they will need: that of "My servers", the operator's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from kubernetes_asyncio.client import ApiClient, ApiException, Configuration

from jhkube.checks.cluster import Cluster, account_of, may, permission_results
from jhkube.checks.permissions import Permission, operator_permissions, service_permissions
from jhkube.checks.result import Result, Subject
from jhkube.kube import FORBIDDEN, UNAUTHORIZED
from jhkube.service.hub_config import OPERATOR_SERVICE, SERVICE_NAME

__all__ = ["MY_SERVERS", "OPERATOR", "has_operator", "is_apart", "my_servers_results", "operator_results"]

MY_SERVERS = Subject("my servers")
OPERATOR = Subject("operator")

WHOSE: Final = "the account of My servers"
OPERATORS: Final = "the operator's account"


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


async def my_servers_results(cluster: Cluster, token: str, *, user_namespaces: bool) -> AsyncIterator[Result]:
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
    if not token:
        yield MY_SERVERS.skipped(
            "the service has an account of its own, which only its token can ask for",
            "kubectl create token jhkube-my-servers > token, and then jhkube check --my-servers-token token",
        )
        return
    async with _as_account(cluster, token) as own:
        if own is None:
            yield _refused(MY_SERVERS, "the service", "jhkube-my-servers")
            return
        wanted = service_permissions(cluster.namespace, user_namespaces=user_namespaces)
        async for result in permission_results(own, wanted, MY_SERVERS, WHOSE):
            yield result


async def operator_results(
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
    if not token:
        if servers:
            yield OPERATOR.skipped(
                "the operator has an account of its own, which only its token can ask for",
                "kubectl create token jhkube-operator > token, and then jhkube check --operator-token token",
            )
        return
    async with _as_account(cluster, token) as own:
        if own is None:
            yield _refused(OPERATOR, "the operator", "jhkube-operator")
            return
        for namespace in namespaces or (cluster.namespace,):
            lists = Permission("list", "jupyternotebooks", namespace, "", group="squonk.it")
            notebooks = not servers or await may(own, lists)
            wanted = operator_permissions(namespace, notebooks=notebooks, servers=servers)
            async for result in permission_results(own, wanted, OPERATOR, OPERATORS):
                yield result


def _refused(subject: Subject, whose: str, account: str) -> Result:
    return subject.failed(
        f"the API server does not take the token of {whose}",
        f"Make a new one: kubectl create token {account} > token",
    )


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

# mypy: allow-untyped-calls
"""Whether the account of the service "My servers" may do what it will need, where it is not the hub's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from kubernetes_asyncio.client import ApiClient, ApiException, Configuration

from jhkube.checks.cluster import Cluster, account_of, permission_results
from jhkube.checks.permissions import service_permissions
from jhkube.checks.result import Result, Subject
from jhkube.kube import FORBIDDEN, UNAUTHORIZED
from jhkube.service.hub_config import SERVICE_NAME

__all__ = ["MY_SERVERS", "is_apart", "my_servers_results"]

MY_SERVERS = Subject("my servers")

WHOSE: Final = "the account of My servers"


def is_apart(services: Any) -> bool:
    """Say whether the service runs apart from the hub, with an account of its own.

    Parameters
    ----------
    services
        `JupyterHub.services`.
    """
    return any(each.get("name") == SERVICE_NAME and not each.get("command") for each in services)


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
    async with ApiClient(_configuration(cluster.api.configuration, token)) as api:
        try:
            account = await account_of(api)
        except ApiException as error:
            if error.status not in (UNAUTHORIZED, FORBIDDEN):
                raise
            yield MY_SERVERS.failed(
                "the API server does not take the token of the service",
                "Make a new one: kubectl create token jhkube-my-servers > token",
            )
            return
        own = Cluster(api, cluster.namespace, account)
        wanted = service_permissions(cluster.namespace, user_namespaces=user_namespaces)
        async for result in permission_results(own, wanted, MY_SERVERS, WHOSE):
            yield result


def _configuration(hub: Configuration, token: str) -> Configuration:
    """Return the way to the same API server, without the hub's own credentials."""
    made = Configuration(host=hub.host, api_key={"BearerToken": f"Bearer {token}"})
    made.ssl_ca_cert, made.verify_ssl, made.tls_server_name = hub.ssl_ca_cert, hub.verify_ssl, hub.tls_server_name
    return made

# mypy: allow-untyped-calls
"""Whether the hub's addresses fit: where people come back to from the provider, and where pods find the hub."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

from jupyterhub.utils import url_path_join
from oauthenticator.oauth2 import OAuthenticator
from traitlets import TraitError

from jhkube.checks.configured import ConfiguredHub, NoClusterConfigured
from jhkube.checks.result import Result, Subject

__all__ = ["CALLBACK", "CONNECT", "callback_results", "connect_results"]

CALLBACK = Subject("callback")
CONNECT = Subject("hub address")


def is_loopback(host: str) -> bool:
    """Say whether a host is the machine itself, as it calls itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_everywhere(host: str) -> bool:
    """Say whether a host to listen on stands for all addresses."""
    return host in ("", "*", "0.0.0.0", "::")  # noqa: S104


def callback_results(hub: ConfiguredHub) -> Iterator[Result]:
    """Yield whether people come back from the provider to this hub."""
    authenticator: Any = hub.authenticator
    if not isinstance(authenticator, OAuthenticator):
        yield CALLBACK.skipped("people do not log in with OAuth")
        return
    path = url_path_join(hub.app.hub_prefix, "oauth_callback")
    setting = f"c.{type(authenticator).__name__}.oauth_callback_url"
    given = authenticator.oauth_callback_url
    if not given:
        yield CALLBACK.warning(
            "no callback URL is set, so it follows the address that each person uses",
            f"Set {setting} (or OAUTH_CALLBACK_URL) to the one registered with the provider; it ends in {path}.",
        )
        return
    try:
        url = urlsplit(given)
    except ValueError as error:
        yield CALLBACK.failed(f"{given}: is no URL ({error})", f"Set {setting} to https://HOST{path}.")
        return
    problem = _callback_problem(url, path, urlsplit(hub.app.public_url), urlsplit(hub.app.bind_url))
    if problem:
        right = f"{url.scheme or 'https'}://{url.netloc or 'HOST'}{path}"
        yield CALLBACK.failed(
            f"{given}: {problem}", f"Set {setting}, and what is registered with the provider, to {right}."
        )
    elif url.scheme == "http" and not is_loopback(url.hostname or ""):
        yield CALLBACK.warning(
            f"{given}: codes and cookies travel in the open",
            "Serve the hub by https, by its proxy or by an Ingress, and register that address.",
        )
    else:
        yield CALLBACK.passed(f"people come back to {given}")


def _callback_problem(url: SplitResult, path: str, public: SplitResult, bind: SplitResult) -> str:
    """Return what is wrong with a callback URL, or ''."""
    if url.scheme not in ("http", "https") or not url.hostname:
        return "is no address of http or https"
    if url.path != path:
        return f"this hub answers at {path}, by its base_url"
    if public.hostname and (url.scheme, url.netloc) != (public.scheme, public.netloc):
        return f"people use {public.scheme}://{public.netloc} (JupyterHub.public_url), and come back to another host"
    bound = bind.hostname or ""
    if public.hostname or not is_loopback(url.hostname):
        return ""
    if not is_loopback(bound) and not is_everywhere(bound):
        return f"only this machine has that host, and people use {bound} (JupyterHub.bind_url)"
    if is_loopback(bound) and (url.hostname, url.port) != (bound, bind.port):
        return f"people use {bind.scheme}://{bind.netloc} (JupyterHub.bind_url); another host has no cookie of theirs"
    return ""


async def connect_results(hub: ConfiguredHub) -> AsyncIterator[Result]:
    """Yield whether pods can find the hub, as far as its address tells."""
    address = hub.hub.api_url
    # Without a cluster, or with a wrong setting, there is no spawner, and the hub's address is still worth a look.
    with contextlib.suppress(NoClusterConfigured, TraitError):
        address = getattr(hub.spawner, "hub_connect_url", None) or address
    host = urlsplit(address).hostname or ""
    bound = urlsplit(hub.hub.bind_url).hostname or ""
    settings = "Set c.JupyterHub.hub_connect_url (in the sample configuration JHKUBE_HUB_CONNECT_HOST)"
    if is_loopback(host) or is_everywhere(host):
        yield CONNECT.failed(
            f"pods are told to reach the hub at {address}, which in a pod is the pod itself",
            f"{settings} to the hub's Service, or to an address of this machine that pods reach.",
        )
    elif is_loopback(bound):
        yield CONNECT.failed(
            f"pods are told to reach the hub at {address}, and it listens on {bound} only",
            "Set c.JupyterHub.hub_bind_url or hub_ip to that address, or to all (0.0.0.0).",
        )
    elif (problem := await _unresolved(host)) is not None:
        yield CONNECT.failed(
            f"pods are told to reach the hub at {address}: {problem}",
            f"{settings} to a name that the cluster's DNS knows, such as hub.NAMESPACE.svc, or to an address.",
        )
    elif host == socket.gethostname():
        yield CONNECT.warning(
            f"pods are told to reach the hub at {address}: this machine's name, which the cluster's DNS may not know",
            f"{settings} to the hub's Service or to an address.",
        )
    else:
        yield CONNECT.passed(f"pods reach the hub at {address}")


async def _unresolved(host: str) -> str | None:
    try:
        await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError as error:
        return f"{host} is no name that is known here ({error.strerror or error})"
    return None

# mypy: allow-untyped-calls
"""The hub's culler: jupyterhub-idle-culler, told how long servers may be idle, by size and by group.

The hub starts it as a service: `python -m jhkube.culler`, with its settings in the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from jupyterhub_idle_culler import IdleCuller
from kubernetes_asyncio.client import ApiException
from kubespawner.clients import load_config, shared_client
from tornado.httpclient import AsyncHTTPClient, HTTPError, HTTPResponse
from tornado.ioloop import IOLoop
from traitlets.config import Config

from jhkube.deployment.idle import IdleLimits
from jhkube.deployment.settings import Settings
from jhkube.kube import own_namespace, plain_items
from jhkube.logs import JSON_LINES

__all__ = ["Arbiter", "PodSizes", "main"]

REMOVALS_EVERY: Final = 3600
"""Seconds between two looks at servers that nobody came back to, at most."""

Sizes = Mapping[str, str]
"""The size of each server that has one, by what the hub calls the server: `ada/`, `ada/gpu`."""


class Arbiter:
    """Says whether a server is stopped: the culler's `cull_arbiter_hook`.

    Parameters
    ----------
    limits
        How long servers may be idle.
    fresh
        For how many seconds a group's members, asked of the hub, and the pods' sizes are taken for known.
    read_sizes
        What tells the sizes of the servers that run. Without it, and for a server that it does not know, the size
        that was asked for counts.
    """

    def __init__(
        self, limits: IdleLimits, fresh: float, read_sizes: Callable[[], Awaitable[Sizes]] | None = None
    ) -> None:
        self._limits, self._fresh, self._read_sizes = limits, fresh, read_sizes
        self._members: dict[str, frozenset[str]] = {}
        self._sizes: Sizes = {}
        self._asked = float("-inf")
        self._asking = asyncio.Lock()

    async def __call__(self, *, inactive: timedelta, inactive_limit: float, server: Mapping[str, Any]) -> bool:
        """Say it, by the hub's model of the server; after an error it runs on, to the next look."""
        await self._learn()
        user, _, name = server["full_name"].partition("/")
        groups = {group for group, members in self._members.items() if user in members}
        # The pod's label first: what was asked for can be a default, and can be changed while a server runs.
        size = self._sizes.get(f"{user}/{name}") or (server.get("user_options") or {}).get("size") or ""
        return inactive.total_seconds() >= self._limits.of(size, groups)

    async def _learn(self) -> None:
        async with self._asking:
            if time.monotonic() - self._asked > self._fresh:
                self._members = {name: await _members(name) for name in self._limits.groups}
                if self._read_sizes is not None:
                    self._sizes = await self._read_sizes()
                self._asked = time.monotonic()


async def _members(group: str) -> frozenset[str]:
    """Return the hub user names of a group; nobody's where the hub has no such group yet."""
    url = f"{os.environ['JUPYTERHUB_API_URL']}/groups/{quote(group, safe='')}"
    headers = {"Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}"}
    answer = await AsyncHTTPClient().fetch(url, headers=headers, raise_error=False)
    if answer.code == 404:
        return frozenset()
    answer.rethrow()
    return frozenset(json.loads(answer.body)["users"])


class PodSizes:
    """Tells the sizes of the servers that run, by the labels of the pods in a namespace."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._said = ""

    async def __call__(self) -> Sizes:
        """Return them; none where no cluster is configured, and while the API server does not tell them."""
        try:
            load_config()
            core: Any = shared_client("CoreV1Api")
            pods = await plain_items(
                core.list_namespaced_pod, self._namespace, label_selector="jhkube/size", _request_timeout=10
            )
        except Exception as error:
            # A kubeconfig is read as it comes: each wrong part of it fails in a way of its own.
            why = f"{error.status} {error.reason}" if isinstance(error, ApiException) else f"{error!r}"
            if why != self._said:
                IdleCuller.instance().log.warning("The sizes that were asked for count: pods are not told: %s", why)
            self._said = why
            return {}
        self._said = ""
        sizes = {}
        for pod in pods:
            of = pod["metadata"].get("annotations") or {}
            server = f"{of.get('hub.jupyter.org/username')}/{of.get('hub.jupyter.org/servername', '')}"
            sizes[server] = pod["metadata"]["labels"]["jhkube/size"]
        return sizes


async def remove_unused(every: float) -> None:
    """Have the hub announce the removal of servers that nobody came back to, and remove those that are due.

    Parameters
    ----------
    every
        Seconds between two looks.
    """
    log = IdleCuller.instance().log
    while True:
        try:
            answer = await _hub("POST", "removals")
            answer.rethrow()
            for user, server in json.loads(answer.body)["due"]:
                removed = await _hub("DELETE", f"removals/{quote(user, safe='')}/{quote(server, safe='')}")
                if removed.code < 300:
                    log.info("Removed server %s/%s and its disk: nobody used it", user, server)
                elif removed.code != 409:
                    log.warning("Server %s/%s is not removed: the hub answered %s", user, server, removed.code)
        except (HTTPError, OSError, ValueError) as error:
            log.warning("The hub does not tell which servers are due to be removed: %s", error)
        await asyncio.sleep(every)


async def _hub(method: str, path: str) -> HTTPResponse:
    """Return the answer of one of jhkube's handlers in the hub."""
    url = f"{os.environ['JUPYTERHUB_API_URL'].removesuffix('/api')}/jhkube/{path}"
    headers = {"Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}"}
    return await AsyncHTTPClient().fetch(
        url,
        method=method,
        headers=headers,
        raise_error=False,
        allow_nonstandard_methods=True,
        request_timeout=60,
    )


def main() -> None:
    """Cull until the hub ends this process."""
    settings = Settings(os.environ)
    limits = IdleLimits.from_settings(settings)
    shortest = min([limits.default, *limits.sizes.values(), *limits.groups.values()])
    every = settings["culler.every"] or max(shortest // 10, 1)
    config = Config()
    config.IdleCuller.timeout = limits.default
    config.IdleCuller.max_age = settings["culler.maxAge"]
    config.IdleCuller.cull_every = every
    sizes = PodSizes(settings["spawner.namespace"] or own_namespace()) if limits.sizes else None
    config.IdleCuller.cull_arbiter_hook = Arbiter(limits, every / 2, sizes)
    config.IdleCuller.config_file = ""
    if settings["log.format"] == "json":
        config.IdleCuller.logging_config = JSON_LINES
    if settings["culler.removeAfter"]:
        IOLoop.current().add_callback(remove_unused, min(every, REMOVALS_EVERY))
    IdleCuller.launch_instance(argv=[], config=config)


if __name__ == "__main__":
    main()

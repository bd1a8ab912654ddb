"""The hub's culler: jupyterhub-idle-culler, told how long servers may be idle, by size and by group.

The hub starts it as a service: `python -m jhkube.culler`, with its settings in the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from jupyterhub_idle_culler import IdleCuller
from tornado.httpclient import AsyncHTTPClient
from traitlets.config import Config

from jhkube.logs import JSON_LINES
from jhkube.settings import Settings

__all__ = ["Arbiter", "IdleLimits", "main"]


@dataclass(frozen=True, slots=True)
class IdleLimits:
    """After how many seconds without use a server is stopped."""

    default: int
    sizes: Mapping[str, int]
    groups: Mapping[str, int]

    def of(self, size: str, groups: Collection[str]) -> int:
        """Return the limit of a server: its size's, else the longest of its person's groups, else the default.

        >>> limits = IdleLimits(3600, {"gpu": 900}, {"ops": 86400})
        >>> limits.of("gpu", ["ops"]), limits.of("small", ["ops"]), limits.of("small", [])
        (900, 86400, 3600)
        """
        if size in self.sizes:
            return self.sizes[size]
        return max((seconds for group, seconds in self.groups.items() if group in groups), default=self.default)


class Arbiter:
    """Says whether a server is stopped: the culler's `cull_arbiter_hook`.

    Parameters
    ----------
    limits
        How long servers may be idle.
    fresh
        For how many seconds a group's members, asked of the hub, are taken for known.
    """

    def __init__(self, limits: IdleLimits, fresh: float) -> None:
        self._limits, self._fresh = limits, fresh
        self._members: dict[str, frozenset[str]] = {}
        self._asked = float("-inf")
        self._asking = asyncio.Lock()

    async def __call__(self, *, inactive: timedelta, inactive_limit: float, server: Mapping[str, Any]) -> bool:
        """Say it, by the hub's model of the server; after an error it runs on, to the next look."""
        user = server["full_name"].partition("/")[0]
        groups = {name for name, members in (await self._groups()).items() if user in members}
        size = (server.get("user_options") or {}).get("size") or ""
        return inactive.total_seconds() >= self._limits.of(size, groups)

    async def _groups(self) -> Mapping[str, Collection[str]]:
        async with self._asking:
            if time.monotonic() - self._asked > self._fresh:
                self._members = {name: await _members(name) for name in self._limits.groups}
                self._asked = time.monotonic()
        return self._members


async def _members(group: str) -> frozenset[str]:
    """Return the hub user names of a group; nobody's where the hub has no such group yet."""
    url = f"{os.environ['JUPYTERHUB_API_URL']}/groups/{quote(group, safe='')}"
    headers = {"Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}"}
    answer = await AsyncHTTPClient().fetch(url, headers=headers, raise_error=False)
    if answer.code == 404:
        return frozenset()
    answer.rethrow()
    return frozenset(json.loads(answer.body)["users"])


def main() -> None:
    """Cull until the hub ends this process."""
    settings = Settings(os.environ)
    limits = IdleLimits(settings["culler.timeout"], settings["culler.sizes"], settings["culler.groups"])
    shortest = min([limits.default, *limits.sizes.values(), *limits.groups.values()])
    every = settings["culler.every"] or max(shortest // 10, 1)
    config = Config()
    config.IdleCuller.timeout = limits.default
    config.IdleCuller.max_age = settings["culler.maxAge"]
    config.IdleCuller.cull_every = every
    config.IdleCuller.cull_arbiter_hook = Arbiter(limits, fresh=every / 2)
    config.IdleCuller.config_file = ""
    if settings["log.format"] == "json":
        config.IdleCuller.logging_config = JSON_LINES
    IdleCuller.launch_instance(argv=[], config=config)


if __name__ == "__main__":
    main()

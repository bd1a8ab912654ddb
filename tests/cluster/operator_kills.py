"""Operators that are killed, each right after a request that has written something, until all is done."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.cluster.api_proxy import ApiProxy
from tests.operators import Operator


@dataclass
class Kills:
    """An operator that is killed again and again."""

    operator: Operator
    """It asks the proxies."""

    proxies: tuple[ApiProxy, ...]

    async def until(self, is_so: Callable[[], Awaitable[bool]], name: str) -> list[str]:
        """Have an operator work until something is so, and return the writes after which it was killed.

        It is killed after its first write about a resource after which it was not killed before, and never gets the
        answer. The last one goes on, and has done all that there is to do.

        Parameters
        ----------
        is_so
            What has to be so, as the API server and the hub tell it without a proxy.
        name
            The resource's name.
        """
        steps: list[str] = []
        while await self._is_killed(steps, is_so, name):
            pass
        return steps

    async def end(self) -> None:
        """End the one that goes on."""
        for proxy in self.proxies:
            proxy.on_write = None
        await self.operator.end(signal.SIGKILL)

    async def _is_killed(self, steps: list[str], is_so: Callable[[], Awaitable[bool]], name: str) -> bool:
        await self.end()
        killed = asyncio.Event()

        def wrote(method: str, path: str, body: Any) -> None:
            step = _step(method, path, body)
            if name in f"{path} {body}" and step not in steps and not killed.is_set():
                steps.append(step)
                killed.set()
                assert self.operator.process is not None
                self.operator.process.kill()

        for proxy in self.proxies:
            proxy.on_write = wrote
        await self.operator.start()
        try:
            async with asyncio.timeout(240):
                while not (killed.is_set() or (await self._has_looked() and await is_so())):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"killed after {steps}, it does not go on:\n{self.operator.log[-3000:]}")
        return killed.is_set()

    async def _has_looked(self) -> bool:
        """Return whether it has worked on something, by its metrics."""
        try:
            async with aiohttp.request("GET", f"http://127.0.0.1:{self.operator.metrics}/metrics") as answer:
                return 'result="done"} ' in await answer.text()
        except aiohttp.ClientError:
            return False


def _step(method: str, path: str, body: Any) -> str:
    """Return a write in words: a status with how the resource then stands."""
    said = ((body or {}).get("status") or {}) if isinstance(body, dict) else {}
    conditions = said.get("conditions") or [{}]
    words = (
        method,
        re.sub(r"^.*/namespaces/[^/]+/", "", path),
        said.get("phase", ""),
        conditions[0].get("reason", ""),
    )
    return " ".join(filter(None, words))

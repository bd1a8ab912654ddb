"""A hub of one side, everything around it, and what is measured while something goes on at it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio import client

from devcluster.github import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET
from devcluster.standin import Control
from tests.ports import free_port

from ..hubs import BenchHub, processor_seconds, recorded, resident_mib
from ..rows import quantile
from .filled import Copies
from .people import Person
from .plane import NODE, ControlPlane

__all__ = ["Hub", "Phase", "World"]

ROOT = Path(__file__).parents[2]
MEMORY_CONFIG = ROOT / "config/jupyterhub_config.d/50-memory.py"
"""What the sample configuration has for a large hub."""


@dataclass(frozen=True)
class World:
    """Everything around a hub: it outlives the hubs that are measured."""

    plane: ControlPlane
    core: client.CoreV1Api
    github_url: str
    registry: str
    """Host and port."""

    registry_log: Path
    server_port: int
    pids: Mapping[str, int]
    """Of the stand-ins and of this process: what they take is not the hub's."""

    copies: dict[str, Copies]
    """By side."""

    def processor(self) -> dict[str, float]:
        """Return the seconds of processor that everything but the hub has used."""
        return self.plane.processor() | {name: processor_seconds(pid) for name, pid in self.pids.items()}


@dataclass
class Phase:
    """What was found while something went on."""

    seconds: float = 0.0
    api: list[float] = field(default_factory=list)
    """Seconds of each request of somebody who asks the hub's API again and again meanwhile."""

    hub: dict[str, float] = field(default_factory=dict)
    """What `/hub/bench` told."""

    github: int = 0
    registry: int = 0
    kubernetes: dict[str, int] = field(default_factory=dict)
    others: dict[str, float] = field(default_factory=dict)
    """The part of a core that each other program took."""

    def __str__(self) -> str:
        busiest = sorted(self.others.items(), key=lambda each: -each[1])[:4]
        others = ", ".join(f"{name} {part:.0%}" for name, part in busiest)
        return (
            f"hub {self.hub['processor'] / self.seconds:.0%} of a core, "
            f"API p95 {quantile(self.api, 0.95) * 1000:.0f} ms, block {self.hub['block'] * 1000:.0f} ms; {others}"
        )

    def numbers(self, prefix: str, count: int) -> dict[str, Any]:
        """Return what is kept of it, per thing that was done."""
        return {
            f"{prefix}_api_p95": quantile(self.api, 0.95),
            f"{prefix}_block": self.hub["block"],
            f"{prefix}_busy": self.hub["processor"] / self.seconds,
            f"{prefix}_processor": self.hub["processor"] / count,
            f"{prefix}_queries": self.hub["queries"] / count,
            f"{prefix}_query_seconds": self.hub["query_seconds"] / count,
            f"{prefix}_commits": self.hub["commits"] / count,
            f"{prefix}_commit_seconds": self.hub["commit_seconds"] / count,
            f"{prefix}_github": self.github / count,
            f"{prefix}_registry": self.registry / count,
            f"{prefix}_kubernetes": sum(self.kubernetes.values()) / count,
            f"{prefix}_others": {name: round(part, 3) for name, part in self.others.items()},
        }


class Hub:
    """A hub of one side on a database, and what it is measured with."""

    def __init__(
        self,
        world: World,
        side: str,
        database: str,
        namespace: str,
        folder: Path,
        settings: Mapping[str, Any],
        profile: Path | None,
    ) -> None:
        self.world, self.side, self.namespace = world, side, namespace
        self._folder, self._profile = folder, profile
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._hub = BenchHub(
            "scale/hub_config.py",
            {
                "side": side,
                "database": database,
                "namespace": self.namespace,
                "server_port": world.server_port,
                "node": NODE,
                "github_url": world.github_url,
                "client_id": DEMO_CLIENT_ID,
                "client_secret": DEMO_CLIENT_SECRET,
                "repository": f"{world.registry}/lab",
                "memory": str(MEMORY_CONFIG),
                "settings": dict(settings),
                "health": self.url,
            },
            folder,
            port,
            {"KUBECONFIG": str(world.plane.kubeconfig()), "PYTHONPATH": str(ROOT)},
        )
        self._github = Control(world.github_url)
        self.connector = aiohttp.TCPConnector(limit=0)

    async def __aenter__(self) -> Hub:
        with contextlib.suppress(client.ApiException):
            await self.world.core.create_namespace({"metadata": {"name": self.namespace}})
        self.start = await self._hub.up(timeout=900)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._hub.down()
        await self.connector.close()

    def memory(self) -> float:
        """Return the hub's memory in MiB."""
        return resident_mib(self._hub.process.pid)

    @contextlib.asynccontextmanager
    async def phase(self, name: str) -> AsyncIterator[Phase]:
        """Measure what goes on in the block."""
        phase = Phase()
        await self._meter()
        await self._github("clear_requests")
        self.world.plane.requests()
        registry, before, began = self._registry(), self.world.processor(), time.perf_counter()
        probing = asyncio.create_task(self._probe(phase.api))
        profile = self._profile and self._profile / f"scale-{name}-{self.side}.txt"
        try:
            async with recorded(self._hub.process.pid, profile) if profile else contextlib.nullcontext():
                yield phase
        finally:
            probing.cancel()
        phase.seconds = time.perf_counter() - began
        phase.hub = await self._meter()
        after = self.world.processor()
        phase.others = {each: (after[each] - before[each]) / phase.seconds for each in before}
        counts = (await self._github("requests"))["counts"]
        phase.github = sum(n for what, n in counts.items() if "/api/v3/" in what or "access_token" in what)
        phase.kubernetes = dict(self.world.plane.requests())
        phase.registry = self._registry() - registry

    async def _probe(self, found: list[float]) -> None:
        """Ask the API who one is, again and again, and note the seconds of each, until cancelled."""
        while True:
            began = time.perf_counter()
            await self._hub.call("GET", "/user")
            found.append(time.perf_counter() - began)
            await asyncio.sleep(0.25)

    async def _meter(self) -> dict[str, float]:
        async with self._hub.session.get(f"{self.url}/hub/bench") as answer:
            return dict(await answer.json())

    def _registry(self) -> int:
        return self.world.registry_log.read_text(errors="replace").count('"GET /v2/')

    def person(self, number: int) -> Person:
        """Return somebody who visits this hub."""
        return Person(self.url, number, self.connector)

    async def open_server(self, person: Person) -> None:
        """Let somebody open their server; the pod has the token by which it is known."""
        pod = await self.world.core.read_namespaced_pod(f"jupyter-{person.name}", self.namespace)
        environment = {each.name: each.value for each in pod.spec.containers[0].env}
        await person.open_server(environment["JUPYTERHUB_API_TOKEN"])

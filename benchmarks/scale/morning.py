"""Mornings: a class comes to a hub on which so many people are at work, or everybody comes at nine o'clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..rows import quantile, say
from .filled import pods_of, remove_pod
from .hub import Hub, World
from .people import FAILURES, Crowd, Person, Servers

__all__ = ["Mornings"]

INTERVAL = 300.0
"""Seconds between two reports of a server, and between two of its questions whose a browser's token is."""

NODE_SECONDS = 2.0
"""What `node.yaml` takes to have a pod ready."""

AT_A_TIME = 32
"""How many of the class do something at the same time, each one thing after the other."""


@dataclass(frozen=True)
class Mornings:
    """One side's hubs on one database, which is empty at first."""

    world: World
    side: str
    database: str
    folder: Path
    """Where the hubs keep what they write."""

    settings: Mapping[str, Any]
    """By `Class.trait`."""

    profile: Path | None = None
    """The folder for py-spy's records, if any."""

    def _hub(self, namespace: str) -> Hub:
        return Hub(self.world, self.side, self.database, namespace, self.folder, self.settings, self.profile)

    async def work(self, people: int, newcomers: int, seconds: float) -> dict[str, Any]:
        """Return what a hub takes on which people are at work while others come.

        Parameters
        ----------
        people
            How many have a server when the others come.
        newcomers
            How many others come: each logs in, then each starts, opens and stops a server.
        seconds
            How long people are at work before that.
        """
        namespace = f"scale-{self.side.lower()}"
        tokens = await self._fill(namespace, people)
        say(f"{self.side}: {people} people are at work")
        async with self._hub(namespace) as hub:
            found = {"start": hub.start, "memory_at_start": hub.memory()}
            servers = Servers(hub.url, tokens, INTERVAL)
            async with hub.phase("work") as phase:
                await servers.work(seconds)
            say(f"{self.side}, at work: {phase}")
            found |= phase.numbers("work", len(servers.seconds) // 2)
            found |= {"work_late": servers.late, "work_p95": quantile(servers.seconds, 0.95)}
            working = asyncio.create_task(servers.work(3600))
            everybody = [hub.person(people + number) for number in range(newcomers)]
            crowd = Crowd(everybody, AT_A_TIME)
            try:
                for name, action in _actions(hub).items():
                    async with hub.phase(name) as phase:
                        whole, each = await crowd.do(action)
                    say(f"{self.side}, {name}: {len(each) / whole:.1f} a second, {phase}, {crowd.failures[-1:]}")
                    found |= phase.numbers(name, len(each))
                    found |= {f"{name}_rate": len(each) / whole, f"{name}_p95": quantile(each, 0.95)}
            finally:
                working.cancel()
                for person in everybody:
                    await person.close()
            found |= {"failed": len(crowd.failures), "failures": crowd.failures[:3], "work_failed": servers.failed}
            found["spawn_overhead_p95"] = found["spawn_p95"] - NODE_SECONDS
            found |= {"memory": hub.memory(), "database": database_mib(self.database)}
        await remove_pod(self.world.core, namespace, 0)
        return found

    async def _fill(self, namespace: str, people: int) -> dict[str, tuple[str, str]]:
        """Let one person begin, and make all others of that; return the tokens of servers and browsers."""
        async with self._hub(namespace) as hub:
            first = hub.person(0)
            await first.log_in()
            await first.start()
            await hub.open_server(first)
            await first.close()
        addresses = await pods_of(self.world.core, namespace, people)
        return await self.world.copies[self.side].write(self.database, people, addresses)

    async def nine_o_clock(self, people: int, seconds: float) -> dict[str, Any]:
        """Return what a hub takes to which all people come within so many seconds, evenly spread."""
        logins: list[float] = []
        starts: list[float] = []
        failures: list[str] = []
        namespace = f"nine-{self.side.lower()}"
        async with self._hub(namespace) as hub:
            loop = asyncio.get_running_loop()

            async def come(number: int) -> None:
                person = hub.person(number)
                await asyncio.sleep(number * seconds / people)
                try:
                    began = loop.time()
                    await person.log_in()
                    logins.append(loop.time() - began)
                    began = loop.time()
                    await person.start()
                    starts.append(loop.time() - began)
                    await hub.open_server(person)
                except FAILURES as failure:
                    failures.append(f"{type(failure).__name__}: {failure}")
                finally:
                    await person.close()

            async with hub.phase("nine") as phase, asyncio.TaskGroup() as group:
                for number in range(people):
                    group.create_task(come(number))
            say(f"{self.side}, nine o'clock: {phase.seconds:.0f} s, {phase}")
            memory, size = hub.memory(), database_mib(self.database)
        await self.world.core.delete_collection_namespaced_pod(namespace, grace_period_seconds=0)
        return phase.numbers("nine", people) | {
            "nine_seconds": phase.seconds,
            "nine_rate": (people - len(failures)) / phase.seconds,
            "failed": len(failures),
            "failures": failures[:3],
            "nine_login_p95": quantile(logins, 0.95),
            "nine_overhead_p95": quantile(starts, 0.95) - NODE_SECONDS,
            "memory": memory,
            "database": size,
        }


def _actions(hub: Hub) -> dict[str, Callable[[Person], Awaitable[None]]]:
    """What newcomers do, by name and in its order."""
    return {"login": Person.log_in, "spawn": Person.start, "open": hub.open_server, "stop": Person.stop}


def database_mib(url: str) -> float:
    """Return the size of a database in MiB."""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*")) / 2**20
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        size = connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar()
    engine.dispose()
    return float(size or 0) / 2**20

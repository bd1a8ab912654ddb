"""Starts of a choice that was guessed while the form was read, beside stock KubeSpawner and ordinary starts.

    python -m benchmarks.ahead [--kind lab ...] [--quick]

Three hubs are up at once and have their rounds by turns: KubeSpawner, jhkube with `start_ahead` off, and jhkube with
`start_ahead`. All start JupyterLab from the image that is on the node. With `start_ahead`, each person logs in and
opens the form before the round. The round begins when all programs listen and the machine is at rest: as long as
that takes, the form is read. Two clocks are read, both in the hub: when it takes the request, and when the server
is ready and in the proxy.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio import client, config

from tests.pods import in_pod

from .hubs import BenchHub, at_rest, run
from .rows import Row, Target, emit, quantile, say
from .spawn import OURS, STOCK, Bench, Kind, ignored, namespace, no_pods

AHEAD = "ahead"
HUBS = (STOCK, OURS, AHEAD)

FAST = {"median": Target(at_most=0.35), "p95": Target(at_most=0.5)}
TOGETHER = {"median": None, "p95": Target(at_most=1.2)}
NO_LATER = Target(more=0.3)


class Lab(Kind):
    """JupyterLab as people start it, with nothing beside it that says when it answers."""

    @property
    def command(self) -> list[str]:
        """What the container runs."""
        return ["jupyterhub-singleuser"]


@dataclass(frozen=True)
class Start:
    """What is started, and how it was guessed."""

    kind: Lab
    read_for: float = 0.0
    """How long the form is read at least, in seconds; in any case until the waiting program listens."""

    listens: bool = True
    """Whether the round begins when the waiting programs listen."""

    is_guessed: bool = True
    """Whether the size is started that the form preselects: that of the last start, and `small` for the first."""


STARTS = {
    "lab": Start(Lab("Start of JupyterLab, guessed", {1: 8, 16: 2}, is_lab=True)),
    "init": Start(
        Lab("Start after 20 s of init container, guessed", {1: 3}, init_seconds=20, is_lab=True), 25, listens=False
    ),
    "wrong": Start(Lab("Start of JupyterLab, wrongly guessed", {1: 8}, is_lab=True), is_guessed=False),
}


@dataclass
class Taken:
    """What one hub took; seconds from the request until the server is ready."""

    times: list[float] = field(default_factory=list)
    not_taken: int = 0
    """Starts that another pod was made for, though one waited."""


class AheadBench(Bench):
    """Three hubs with one menu, and people who read its form."""

    longest_rest = 60.0
    """How long to wait for the machine to come to rest, in seconds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sizes: dict[str, str] = {}
        """What was last started, by hub."""

    def _hub_settings(self, name: str) -> dict[str, Any]:
        settings = super()._hub_settings(STOCK if name == STOCK else OURS)
        registry = settings["image"].rpartition(":")[0]
        return settings | {
            "name": name,
            "namespace": namespace(name),
            "repository": "" if name == STOCK else registry,
            "start_ahead": "form" if name == AHEAD else "off",
        }

    async def read_forms(self, people: list[str], start: Start) -> dict[str, str]:
        """Let people open the form; returns the waiting pods' names once they have read it."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(open_form(self.hubs[AHEAD], person))
        pods = await self._waiting(people)
        if start.listens:
            await asyncio.gather(*map(listening, pods.values()))
        await asyncio.sleep(max(0.0, began + start.read_for - time.monotonic()))
        return {person: pod.metadata.name for person, pod in pods.items()}

    async def _waiting(self, people: list[str]) -> dict[str, Any]:
        async with asyncio.timeout(120):
            while True:
                found = await self._core.list_namespaced_pod(namespace(AHEAD), label_selector="jhkube/ahead=waiting")
                pods = {each.metadata.annotations["hub.jupyter.org/username"]: each for each in found.items}
                if pods.keys() == set(people) and all(each.status.pod_ip for each in pods.values()):
                    return pods
                await asyncio.sleep(0.2)

    async def timed(self, name: str, people: list[str], start: Start, result: Taken) -> None:
        """Start a server for each of these people at once, wait for all, and stop them."""
        hub, times = self.hubs[name], self._clock.times
        pods = await self.read_forms(people, start) if name == AHEAD else {}
        await at_rest(longest=self.longest_rest)
        for key in [key for key in times if key[0] == name]:
            del times[key]
        if not start.is_guessed:
            self._sizes[name] = "small" if self._sizes.get(name, "small") == "medium" else "medium"
        options = None if name == STOCK else {"size": self._sizes.get(name, "small")}
        async with asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(hub.call("POST", f"/users/{person}/server", options))
        wanted = {(name, what, person) for what in ("requested", "ready") for person in people}
        async with asyncio.timeout(180):
            while not wanted <= times.keys():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        result.times += [times[name, "ready", each] - times[name, "requested", each] for each in people]
        found = await self._core.list_namespaced_pod(namespace(name))
        result.not_taken += len(set(pods.values()) - {each.metadata.name for each in found.items})
        async with asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(hub.call("DELETE", f"/users/{person}/server"))
        while (await self._core.list_namespaced_pod(namespace(name))).items:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def open_form(hub: BenchHub, person: str) -> None:
    """Log in and open the form, as a browser does."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        async with session.get(f"{hub.url}/hub/login") as answer:
            answer.raise_for_status()
        xsrf = {cookie.key: cookie.value for cookie in jar}["_xsrf"]
        entered = {"username": person, "password": "x", "_xsrf": xsrf}
        async with session.post(f"{hub.url}/hub/login?next=%2Fhub%2Fspawn", data=entered) as answer:
            if answer.status != 200 or answer.url.path != "/hub/spawn":
                raise RuntimeError(f"no form for {person}: {answer.status} at {answer.url}")


async def listening(pod: Any) -> None:
    """Return when a pod's waiting program listens."""
    async with asyncio.timeout(120):
        while True:
            try:
                _, writer = await asyncio.open_connection(pod.status.pod_ip, 8888)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


async def at_rest_in_pod(bench: AheadBench) -> tuple[float, float]:
    """Return how much memory a pod that waits has of its own, in MiB, and its processor time, in ms a second."""
    (pod,) = (await bench.read_forms(["person0"], STARTS["lab"])).values()
    await asyncio.sleep(1)
    # The processor's time in hundredths of a second, and the part of the memory that it has to itself, in KiB.
    asked = (
        "pid=$(pgrep -f waiting.py | head -1);"
        " cut -d' ' -f14,15 /proc/$pid/stat; sed -n 's/^Pss: *//p' /proc/$pid/smaps_rollup"
    )
    first = (await in_pod(namespace(AHEAD), pod, asked)).split()
    await asyncio.sleep(10)
    last = (await in_pod(namespace(AHEAD), pod, asked)).split()
    spent = sum(map(int, last[:2])) - sum(map(int, first[:2]))
    # The next round takes it.
    return int(last[2]) / 1024, 10 * spent / 10


def rows(start: Start, users: int, results: dict[str, Taken]) -> Iterator[Row]:
    """Yield the table's rows for so many at once."""
    for other, beside in ((STOCK, STOCK), (OURS, "start_ahead off")):
        if not start.is_guessed and other == STOCK:
            continue
        for part, name in ((0.5, "median"), (0.95, "p95")):
            target = None
            if other == STOCK:
                target = (FAST if users == 1 else TOGETHER)[name]
            elif not start.is_guessed and name == "median":
                target = NO_LATER
            ours, theirs = quantile(results[AHEAD].times, part), quantile(results[other].times, part)
            title = f"{start.kind.title}{', all at once' if users > 1 else ''}"
            title += "" if other == STOCK else ", and without start_ahead"
            yield Row(title, beside, f"request → ready, {name}", users, "at once", "s", ours, theirs, target)


@contextlib.asynccontextmanager
async def benches(core: client.CoreV1Api, folder: Path, start: Start) -> AsyncIterator[AheadBench]:
    """Run the three hubs of a start."""
    async with AheadBench(start.kind, core, folder, names=HUBS) as bench:
        people = [f"person{number}" for number in range(max(start.kind.rounds))]
        await bench.add(people)
        # The first spawn of a hub starts its watches; that is not what is measured.
        await asyncio.gather(*(bench.timed(name, people[:1], start, Taken()) for name in HUBS))
        yield bench


async def measure(core: client.CoreV1Api, folder: Path, start: Start, rounds: dict[int, int]) -> None:
    """Measure one start, and print its rows."""
    async with benches(core, folder, start) as bench:
        for users, times in rounds.items():
            results = {name: Taken() for name in HUBS}
            people = [f"person{number}" for number in range(users)]
            for number in range(times):
                for name in HUBS[:: -1 if number % 2 else 1]:
                    if name == STOCK and not start.is_guessed:
                        continue
                    await bench.timed(name, people, start, results[name])
                    last = results[name].times[-users:]
                    say(f"{name}, {users} at once, round {number + 1}: {', '.join(f'{each:.2f}' for each in last)}")
            for row in rows(start, users, results):
                emit(row)
            if start.is_guessed and results[AHEAD].not_taken:
                say(f"{users} at once: {results[AHEAD].not_taken} pods that waited were not taken")
        if start is STARTS["lab"]:
            memory, spent = await at_rest_in_pod(bench)
            for what, value, unit in (("memory", memory, "MiB"), ("processor at rest, a second", spent, "ms")):
                emit(Row("A pod that waits", "", what, 1, "at once", unit, value))
            await no_pods(core, namespace(AHEAD))


async def main() -> None:
    """Measure, and print rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", nargs="+", choices=STARTS, default=list(STARTS))
    parser.add_argument("--sizes", type=int, nargs="+", help="how many at once")
    parser.add_argument("--quick", action="store_true", help="two rounds, of one at a time")
    parser.add_argument("--rest", type=float, default=60, help="seconds to wait for the machine to come to rest")
    options = parser.parse_args()
    AheadBench.longest_rest = 2 if options.quick else options.rest
    await config.load_kube_config()
    folder = Path(tempfile.mkdtemp(prefix="jhkube-bench-"))
    say(f"the hubs' logs are in {folder}")
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        try:
            for name in options.kind:
                start = STARTS[name]
                rounds = {1: 2} if options.quick else start.kind.rounds
                if options.sizes:
                    rounds = {size: start.kind.rounds.get(size, 1) for size in options.sizes}
                await measure(core, folder, start, rounds)
        finally:
            for name in HUBS:
                with ignored(404):
                    await core.delete_namespace(namespace(name))


if __name__ == "__main__":
    run(main())

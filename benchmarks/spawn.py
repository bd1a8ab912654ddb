"""Spawns: stock KubeSpawner beside JHKubeSpawner, on one cluster, with one image, by turns.

    python -m benchmarks.spawn [--kind slow ...] [--sizes 1 16] [--profile FOLDER]

Both hubs are up at once, each with a namespace of its own, and have their rounds by turns (ABBA), so that what
else happens on the machine falls on both. A round begins when the machine is at rest: removing 64 pods goes on for a
while after the API server has forgotten them, and whoever came next would start beside it. Four clocks are read, all
on this machine: the hub when it takes the request, the server when it first answers (it says so itself), the hub when
the server is ready and in the proxy, and the hub's processor time. A server that answers before the kubelet has
reported its pod's address cannot be known to: "knowable" is the later of the two. API requests are counted by a proxy
between hub and API server.

The stock hub's pods have the same home volume, and no more. jhkube's have what jhkube adds for somebody who logged in
with GitHub: the Secret with the token, the accounts, the git configuration.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio import client, config, watch

from devcluster.images import lab_image, tiny_image
from devcluster.settings import Settings
from tests.ports import free_port

from .hubs import BenchHub, at_rest, processor_seconds, recorded, run
from .rows import Row, Target, emit, quantile, say

STOCK, OURS = "KubeSpawner", "jhkube"
SPAWNERS = {STOCK: "kubespawner.KubeSpawner", OURS: "jhkube.spawner.JHKubeSpawner"}
SOON = Target(at_most=0.15)
SOON_AND_SOONER = Target(at_most=0.15, ratio=0.1)
CPU = Target(ratio=1.1)
REQUESTS = Target(more=1.0)
"""The Secret."""

# The least a hub takes for a server; it says itself when it answers.
SERVER = """
import os, socket, time
listening = socket.create_server(("", 8888), backlog=64)
host, port = os.environ["BENCH_UDP"].split(":")
said = f"{os.environ['BENCH_NAME']} answers {os.environ['JUPYTERHUB_USER']} {time.time():.6f}".encode()
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(said, (host, int(port)))
body = b"HTTP/1.1 200 OK\\r\\nX-JupyterHub-Version: 6.1.1\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{}"
while True:
    asked, _ = listening.accept()
    try:
        asked.settimeout(5)
        asked.recv(65536)
        asked.sendall(body)
    except OSError:
        pass
    asked.close()
"""

# For JupyterLab, which cannot say when it answers: a second process in the container that asks it.
PROBE = """
import os, socket, time
host, port = os.environ["BENCH_UDP"].split(":")
path = os.environ["JUPYTERHUB_SERVICE_PREFIX"] + "api"
while True:
    try:
        asked = socket.create_connection(("127.0.0.1", 8888), timeout=10)
        asked.sendall(f"GET {path} HTTP/1.0\\r\\n\\r\\n".encode())
        if asked.recv(12)[9:10] in (b"2", b"3", b"4"):
            break
    except OSError:
        pass
    time.sleep(0.02)
said = f"{os.environ['BENCH_NAME']} answers {os.environ['JUPYTERHUB_USER']} {time.time():.6f}".encode()
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(said, (host, int(port)))
"""


@dataclass(frozen=True)
class Kind:
    """What is started, by how many people at once, and how often."""

    title: str
    rounds: dict[int, int]
    """How many rounds of each number at once."""

    init_seconds: float = 0
    is_lab: bool = False

    @property
    def command(self) -> list[str]:
        """What the container runs."""
        if not self.is_lab:
            return ["/usr/bin/python3", "-IS", "-c", SERVER]
        return ["/bin/sh", "-c", 'python3 -IS -c "$0" & exec jupyterhub-singleuser "$@"', PROBE]


KINDS = {
    "fast": Kind("Spawn, trivial server", {1: 10, 16: 6, 64: 2}),
    "slow": Kind("Spawn, a start of 20 s", {1: 2, 16: 2, 64: 2}, init_seconds=20),
    "lab": Kind("Spawn, JupyterLab", {1: 4, 8: 4, 16: 4}, is_lab=True),
}


@dataclass
class Result:
    """What one spawner took for so many at once; times in seconds."""

    to_answer: list[float] = field(default_factory=list)
    to_ready: list[float] = field(default_factory=list)
    knowable_to_ready: list[float] = field(default_factory=list)
    cpu: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def in_all(self) -> list[float]:
        """From the request until the server is ready: what a person waits."""
        return [answer + ready for answer, ready in zip(self.to_answer, self.to_ready, strict=True)]

    @property
    def own_requests(self) -> float:
        """Requests for each spawn, without those of the shared watches."""
        own = sum(count for name, count in self.requests.items() if not name.startswith(("list ", "watch ")))
        return own / len(self.to_ready)

    @property
    def watch_requests(self) -> float:
        """Lists and watches for each spawn: how many there are depends on the time more than on the spawns."""
        return sum(self.requests.values()) / len(self.to_ready) - self.own_requests


class Clock(asyncio.DatagramProtocol):
    """Hears what happened when, from the hubs and from the servers."""

    def __init__(self) -> None:
        self.times: dict[tuple[str, str, str], float] = {}

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Note one thing, the first time that it is told."""
        name, what, who, when = data.decode().split(" ")
        self.times.setdefault((name, what, who), float(when))


class Bench:
    """Both hubs of a kind, or one of them, and the clock that they and their servers tell."""

    def __init__(
        self, kind: Kind, core: client.CoreV1Api, folder: Path, proxy: str = "", names: Collection[str] = SPAWNERS
    ) -> None:
        self._kind, self._core, self._folder, self._proxy, self._names = kind, core, folder, proxy, names
        self._settings = Settings.load()
        self.hubs: dict[str, BenchHub] = {}
        self._noting: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Bench:
        self._clock = Clock()
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self._clock, (self._settings.host, 0)
        )
        try:
            for name in self._names:
                self.hubs[name] = self._hub(name)
                await namespace_with_homes(self._core, namespace(name))
                await self.hubs[name].up()
                self._noting.append(asyncio.create_task(self._note_addresses(name)))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._noting:
            task.cancel()
        for hub in self.hubs.values():
            await hub.down()
        self._transport.close()
        for name in self._names:
            await no_pods(self._core, namespace(name))

    def _hub(self, name: str) -> BenchHub:
        port = free_port()
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._folder))
        environ = {}
        if self._proxy:
            kubeconfig = folder / "kubeconfig"
            kubeconfig.write_text(json.dumps(plain_kubeconfig(f"{self._proxy}/{name}")))
            environ = {"KUBECONFIG": str(kubeconfig)}
        settings = self._hub_settings(name) | {"health": f"http://127.0.0.1:{port}"}
        return BenchHub("_hub_config.py", settings, folder, port, environ)

    def _hub_settings(self, name: str) -> dict[str, Any]:
        """What `_hub_config.py` reads."""
        settings, tiny = self._settings, tiny_image(self._settings)
        return {
            "name": name,
            "spawner": SPAWNERS[name],
            "namespace": namespace(name),
            "gateway": settings.host,
            "clock_port": self._transport.get_extra_info("sockname")[1],
            "image": lab_image(settings) if self._kind.is_lab else tiny,
            "cmd": self._kind.command,
            "init_seconds": self._kind.init_seconds,
            "init_image": tiny,
            "repository": "",
            "start_ahead": "off",
        }

    async def _note_addresses(self, name: str) -> None:
        """Note when the API server first shows each pod's address: before that no hub can ask the server."""
        while True:
            pods = self._core.list_namespaced_pod
            async with watch.Watch().stream(pods, namespace(name), timeout_seconds=600) as changes:
                async for change in changes:
                    pod = change["object"]
                    person = (pod.metadata.annotations or {}).get("hub.jupyter.org/username")
                    if pod.status.pod_ip and person and not pod.metadata.deletion_timestamp:
                        self._clock.times.setdefault((name, "address", person), time.time())

    @contextlib.asynccontextmanager
    async def profiled(self, folder: Path | None, title: str) -> AsyncIterator[None]:
        """Record both hubs by py-spy, where a folder is given."""
        async with contextlib.AsyncExitStack() as stack:
            for name, hub in self.hubs.items():
                if folder is not None:
                    await stack.enter_async_context(recorded(hub.process.pid, folder / f"{title}-{name}.txt"))
            yield

    async def add(self, people: list[str]) -> None:
        """Let both hubs know these people."""
        for hub in self.hubs.values():
            for person in people:
                await hub.call("POST", f"/users/{person}")

    async def round(self, name: str, people: list[str], result: Result) -> None:
        """Start a server for each of these people at once, wait for all, and stop them."""
        hub, times = self.hubs[name], self._clock.times
        await at_rest()
        await self._counted(name)
        for key in [key for key in times if key[0] == name]:
            del times[key]
        cpu = processor_seconds(hub.process.pid)
        async with asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(hub.call("POST", f"/users/{person}/server"))
        wanted = {(name, what, person) for what in ("address", "answers", "ready") for person in people}
        try:
            async with asyncio.timeout(180):
                while not wanted <= times.keys():  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        except TimeoutError:
            missing = sorted(" ".join(each) for each in wanted - times.keys())
            raise RuntimeError(f"not after 180 s: {', '.join(missing)}; the hub's log is {hub.log}") from None
        result.cpu += processor_seconds(hub.process.pid) - cpu
        result.requests.update(await self._counted(name))
        for person in people:
            answers, ready = times[name, "answers", person], times[name, "ready", person]
            result.to_answer.append(answers - times[name, "requested", person])
            result.to_ready.append(ready - answers)
            result.knowable_to_ready.append(ready - max(answers, times[name, "address", person]))
        async with asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(hub.call("DELETE", f"/users/{person}/server"))
        while (await self._core.list_namespaced_pod(namespace(name))).items:  # noqa: ASYNC110
            await asyncio.sleep(0.2)

    async def _counted(self, name: str) -> dict[str, int]:
        """The API requests of a hub since this was last asked."""
        async with aiohttp.request("GET", f"{self._proxy}/counts/{name}") as answer:
            return dict(await answer.json())


def namespace(name: str) -> str:
    """Return the namespace of a spawner's pods."""
    return f"jhkube-bench-{name.lower()}"


def plain_kubeconfig(server: str) -> dict[str, Any]:
    """Return the kubeconfig of who needs no credentials, since the proxy has them."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": {"server": server}}],
        "users": [{"name": "bench", "user": {}}],
    }


async def namespace_with_homes(core: client.CoreV1Api, name: str) -> None:
    """Make a namespace with a claim on which all homes are, if they are not there."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}}
    for attempt in range(60):
        try:
            await core.create_namespace({"metadata": {"name": name}})
            break
        except client.ApiException as error:
            # One that is going away from an earlier run has to be waited for.
            if error.status != 409 or attempt == 59:
                raise
            if (await core.read_namespace(name)).status.phase == "Active":
                break
            await asyncio.sleep(1)
    with ignored(409):
        await core.create_namespaced_persistent_volume_claim(name, {"metadata": {"name": "homes"}, "spec": claim})
    async with asyncio.timeout(60):
        while (await core.list_namespaced_service_account(name)).items == []:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


@contextlib.contextmanager
def ignored(status: int) -> Iterator[None]:
    """Let one status of the API server pass."""
    try:
        yield
    except client.ApiException as error:
        if error.status != status:
            raise


async def no_pods(core: client.CoreV1Api, name: str) -> None:
    """Leave no pod behind, and let the node come to rest."""
    await core.delete_collection_namespaced_pod(name, grace_period_seconds=0)
    async with asyncio.timeout(90):
        while (await core.list_namespaced_pod(name)).items:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    await asyncio.sleep(2)


@contextlib.asynccontextmanager
async def counting_proxy() -> AsyncIterator[str]:
    """Start the proxy that counts, and give its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks._counting_proxy", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def measured(bench: Bench, rounds: dict[int, int]) -> AsyncIterator[tuple[int, dict[str, Result]]]:
    """Yield what each number at once took, the spawners by turns."""
    people = [f"person{number}" for number in range(max(rounds))]
    await bench.add(people)
    # The first spawn of a hub starts its watches; that is not what is measured.
    await asyncio.gather(*(bench.round(name, people[:1], Result()) for name in SPAWNERS))
    for users, times in rounds.items():
        results = {name: Result() for name in SPAWNERS}
        for number in range(times):
            for name in list(SPAWNERS)[:: -1 if number % 2 else 1]:
                began = time.monotonic()
                await bench.round(name, people[:users], results[name])
                say(f"{name}, {users} at once, round {number + 1}: {time.monotonic() - began:.0f} s")
        yield users, results


def rows(kind: Kind, users: int, results: dict[str, Result]) -> Iterator[Row]:
    """Yield the table's rows for so many at once."""
    ours, stock = results[OURS], results[STOCK]
    # Where a server answers before the kubelet tells its address, only what is knowable can be aimed at.
    answered = SOON_AND_SOONER if kind.init_seconds else SOON if kind.is_lab else None

    def row(measure: str, unit: str, jhkube: float, other: float, target: Target | None = None) -> Row:
        return Row(kind.title, STOCK, measure, users, "at once", unit, jhkube, other, target)

    def times(measure: str, part: float, values: str, target: Target | None = None) -> Row:
        jhkube, other = quantile(getattr(ours, values), part), quantile(getattr(stock, values), part)
        return row(measure, "s", jhkube, other, target)

    yield times("request → first answer, median", 0.5, "to_answer")
    yield times("first answer → ready, median", 0.5, "to_ready")
    yield times("first answer → ready, p95", 0.95, "to_ready", answered)
    yield times("knowable → ready, p95", 0.95, "knowable_to_ready", SOON)
    yield times("request → ready, median", 0.5, "in_all")
    yield times("request → ready, p95", 0.95, "in_all")
    cpu, stock_cpu = (1000 * each.cpu / len(each.to_ready) for each in (ours, stock))
    yield row("processor of the hub, a spawn", "ms", cpu, stock_cpu, CPU)
    yield row("API requests, a spawn", "", ours.own_requests, stock.own_requests, REQUESTS)
    yield row("lists and watches, a spawn", "", ours.watch_requests, stock.watch_requests)


async def main() -> None:
    """Measure, and print rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sizes", type=int, nargs="+", help="how many at once")
    parser.add_argument("--quick", action="store_true", help="one round of 1 and of 8 at once")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="record both hubs by py-spy")
    options = parser.parse_args()
    await config.load_kube_config()
    folder = Path(tempfile.mkdtemp(prefix="jhkube-bench-"))
    say(f"the hubs' logs are in {folder}")
    async with client.ApiClient() as api, counting_proxy() as proxy:
        core = client.CoreV1Api(api)
        try:
            for name in options.kind:
                kind = KINDS[name]
                rounds = {1: 1, 8: 1} if options.quick else kind.rounds
                if options.sizes:
                    rounds = {size: rounds.get(size, 1) for size in options.sizes}
                async with Bench(kind, core, folder, proxy) as bench, bench.profiled(options.profile, name):
                    async for users, results in measured(bench, rounds):
                        for row in rows(kind, users, results):
                            emit(row)
                        for who, result in results.items():
                            say(f"{users} at once, {who}: {dict(sorted(result.requests.items()))}")
        finally:
            for name in SPAWNERS:
                with ignored(404):
                    await core.delete_namespace(namespace(name))


if __name__ == "__main__":
    run(main())

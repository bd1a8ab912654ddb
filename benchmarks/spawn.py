"""Spawns: stock KubeSpawner beside JHKubeSpawner, on one cluster, with one image, in turn.

    python benchmarks/spawn.py [--scenario slow-16 …] [--spawner jhkube.spawner.JHKubeSpawner …] [--json FILE]

Each scenario starts a hub of its own for each spawner and then N servers at once. Four clocks are read, all on this
machine: the hub when it takes the request, the server when it first answers (it says so itself), the hub when the
server is ready and in the proxy, and the hub's processor time. A server that answers before the kubelet has reported
its pod's address cannot be known to: "knowable" is the later of the two. The cluster is the development cluster's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio import client, config, watch

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jhkube"
NAMESPACE = "jhkube-bench"
GATEWAY = os.environ.get("JHKUBE_DEV_HOST", "10.244.0.1")
REGISTRY = os.environ.get("JHKUBE_DEV_REGISTRY", "localhost:5000")
STOCK, OURS = "kubespawner.KubeSpawner", "jhkube.spawner.JHKubeSpawner"

# The least a hub takes for a server; it says itself when it answers.
SERVER = """
import os, socket, time
listening = socket.create_server(("", 8888), backlog=64)
host, port = os.environ["BENCH_UDP"].split(":")
said = f"answers {os.environ['JUPYTERHUB_USER']} {time.time():.6f}".encode()
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
said = f"answers {os.environ['JUPYTERHUB_USER']} {time.time():.6f}".encode()
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(said, (host, int(port)))
"""


@dataclass(frozen=True)
class Scenario:
    """What is started, and by how many people at once."""

    name: str
    users: int
    image: str
    init_seconds: float = 0
    probed: bool = False
    rounds: int = 1

    @property
    def command(self) -> list[str]:
        if not self.probed:
            return ["/usr/bin/python3", "-IS", "-c", SERVER]
        return ["/bin/sh", "-c", 'python3 -IS -c "$0" & exec jupyterhub-singleuser "$@"', PROBE]


@dataclass
class Result:
    """What one spawner took for one scenario; times in seconds."""

    scenario: str
    spawner: str
    to_answer: list[float] = field(default_factory=list)
    to_up: list[float] = field(default_factory=list)
    to_ready: list[float] = field(default_factory=list)
    knowable_to_ready: list[float] = field(default_factory=list)
    cpu: float = 0.0
    requests: dict[str, int] = field(default_factory=dict)

    @property
    def short(self) -> str:
        return "KubeSpawner" if self.spawner == STOCK else self.spawner.rpartition(".")[2]


def scenarios(tiny: str, lab: str) -> list[Scenario]:
    found = [
        Scenario("fast-1", 1, tiny, rounds=10),
        Scenario("fast-16", 16, tiny, rounds=3),
        Scenario("fast-64", 64, tiny),
        Scenario("slow-1", 1, tiny, 20, rounds=3),
        Scenario("slow-16", 16, tiny, 20),
        Scenario("slow-64", 64, tiny, 20),
    ]
    if lab:
        found += [Scenario("lab-1", 1, lab, probed=True, rounds=5), Scenario("lab-8", 8, lab, probed=True)]
    return found


class Clock(asyncio.DatagramProtocol):
    """Hears what happened when, from the hub and from the servers."""

    def __init__(self) -> None:
        self.times: dict[tuple[str, str], float] = {}
        self.requests: Counter[str] = Counter()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        what, who, when = data.decode().rsplit(" ", 2)
        if what.startswith("api:"):
            self.requests[what[4:]] += 1
        else:
            self.times[what, who] = float(when)


class Hub:
    """A hub with its proxy, for one spawner and one scenario."""

    def __init__(self, spawner: str, scenario: Scenario, init_image: str, clock_port: int, folder: str) -> None:
        port = 18000 + os.getpid() % 1000 * 3
        self.url = f"http://127.0.0.1:{port}"
        self.log = Path(folder) / f"{spawner}-{scenario.name}.log"
        bench = {
            "spawner": spawner,
            "namespace": NAMESPACE,
            "gateway": GATEWAY,
            "clock_port": clock_port,
            "port": port,
            "hub_port": port + 1,
            "proxy_port": port + 2,
            "image": scenario.image,
            "cmd": scenario.command,
            "init_seconds": scenario.init_seconds,
            "init_image": init_image,
        }
        environ = os.environ | {
            "JHKUBE_BENCH": json.dumps(bench),
            "PATH": f"{Path(sys.executable).parent}:{CACHE / 'node_modules/.bin'}:{os.environ['PATH']}",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(HERE / "_hub_config.py")],
            cwd=folder,
            env=environ,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.session = aiohttp.ClientSession(
            headers={"Authorization": "token bench-bench"}, connector=aiohttp.TCPConnector(limit=0)
        )

    async def up(self) -> None:
        async with asyncio.timeout(60):
            while True:
                if self.process.poll() is not None:
                    raise RuntimeError(self.log.read_text()[-3000:])
                try:
                    async with self.session.get(f"{self.url}/hub/health") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.2)

    def cpu(self) -> float:
        """Seconds of processor the hub has used, without its proxy."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def call(self, method: str, path: str) -> None:
        async with self.session.request(method, f"{self.url}/hub/api{path}") as answer:
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")

    async def down(self) -> None:
        await self.session.close()
        self.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self.process.wait, 60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


async def measured(scenario: Scenario, spawner: str, tiny: str, folder: str) -> Result:
    """Start a hub and the scenario's servers, and read the clocks."""
    clock = Clock()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: clock, (GATEWAY, 0))
    hub = Hub(spawner, scenario, tiny, transport.get_extra_info("sockname")[1], folder)
    addresses = asyncio.create_task(noted_addresses(clock))
    result = Result(scenario.name, spawner)
    try:
        await hub.up()
        people = [f"bench{i}" for i in range(scenario.users)]
        for person in people:
            await hub.call("POST", f"/users/{person}")
        # the first spawn of a hub starts its watches; that is not what is measured
        await started(hub, clock, ["warm"], create=True)
        for _ in range(scenario.rounds):
            clock.times.clear()
            clock.requests.clear()
            cpu = hub.cpu()
            await started(hub, clock, people)
            result.cpu += hub.cpu() - cpu
            for name, count in clock.requests.items():
                result.requests[name] = result.requests.get(name, 0) + count
            for person in people:
                answers = clock.times["answers", person]
                result.to_answer.append(answers - clock.times["requested", person])
                result.to_up.append(clock.times["up", person] - answers)
                result.to_ready.append(clock.times["ready", person] - answers)
                knowable = max(answers, clock.times["address", person])
                result.knowable_to_ready.append(clock.times["ready", person] - knowable)
            await stopped(hub, people)
    finally:
        addresses.cancel()
        await hub.down()
        transport.close()
        await emptied()
    return result


async def noted_addresses(clock: Clock) -> None:
    """Note when the API server first shows each pod's address: before that no hub can ask the server."""
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        while True:
            async with watch.Watch().stream(core.list_namespaced_pod, NAMESPACE, timeout_seconds=600) as changes:
                async for change in changes:
                    pod = change["object"]
                    person = (pod.metadata.annotations or {}).get("hub.jupyter.org/username")
                    if pod.status.pod_ip and person and not pod.metadata.deletion_timestamp:
                        clock.times.setdefault(("address", person), time.time())


async def started(hub: Hub, clock: Clock, people: list[str], create: bool = False) -> None:
    if create:
        for person in people:
            await hub.call("POST", f"/users/{person}")
    async with asyncio.TaskGroup() as group:
        for person in people:
            group.create_task(hub.call("POST", f"/users/{person}/server"))
    async with asyncio.timeout(600):
        wanted = {(what, person) for what in ("address", "answers", "up", "ready") for person in people}
        while not wanted <= clock.times.keys():  # noqa: ASYNC110
            await asyncio.sleep(0.25)
    if create:
        await stopped(hub, people)


async def stopped(hub: Hub, people: list[str]) -> None:
    async with asyncio.TaskGroup() as group:
        for person in people:
            group.create_task(hub.call("DELETE", f"/users/{person}/server"))
    async with client.ApiClient() as api:
        while (await client.CoreV1Api(api).list_namespaced_pod(NAMESPACE)).items:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    await asyncio.sleep(1)


async def emptied() -> None:
    """Leave no pod behind, and let the node come to rest."""
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        await core.delete_collection_namespaced_pod(NAMESPACE, grace_period_seconds=0)
        while (await core.list_namespaced_pod(NAMESPACE)).items:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    await asyncio.sleep(3)


async def any_lab() -> str:
    """An image of JupyterLab, or "" where the registry has none."""
    async with aiohttp.request("GET", f"http://{REGISTRY}/v2/lab/tags/list") as answer:
        tags = (await answer.json()).get("tags") if answer.status == 200 else None
    return f"{REGISTRY}/lab:{max(tags)}" if tags else ""


def quantile(values: list[float], part: float) -> float:
    return (
        statistics.quantiles(values, n=100, method="inclusive")[round(part * 100) - 1]
        if len(values) > 1
        else values[0]
    )


def spawn_requests(result: Result) -> float:
    """Requests for each spawn, without those of the shared watches."""
    own = sum(n for name, n in result.requests.items() if not name.startswith(("list-", "watch-")))
    return own / len(result.to_ready)


def watch_requests(result: Result) -> int:
    return sum(n for name, n in result.requests.items() if name.startswith(("list-", "watch-")))


def table(results: list[Result]) -> str:
    lines = [
        "| scenario | spawner | servers | request → first answer | first answer → ready: median | p95 | max "
        "| knowable → ready: p95 | hub CPU a spawn | API requests a spawn | of the watches |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for r in results:
        lines.append(
            f"| {r.scenario} | {r.short} | {len(r.to_ready)} | {quantile(r.to_answer, 0.5):.2f} s "
            f"| {quantile(r.to_ready, 0.5):.3f} s | {quantile(r.to_ready, 0.95):.3f} s | {max(r.to_ready):.3f} s "
            f"| {quantile(r.knowable_to_ready, 0.95):.3f} s "
            f"| {1000 * r.cpu / len(r.to_ready):.0f} ms | {spawn_requests(r):.2f} | {watch_requests(r)} |"
        )
    return "\n".join(lines)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", default=f"{REGISTRY}/tiny:1.0", help="the image of a trivial server")
    parser.add_argument("--lab", help="the image with JupyterLab; by default any tag of `lab` in the registry")
    parser.add_argument("--scenario", action="append", help="which to run; all by default")
    parser.add_argument("--spawner", action="append", help="which to run; stock and ours by default")
    parser.add_argument("--json", type=Path, help="where to write every number")
    options = parser.parse_args()
    await config.load_kube_config()
    async with client.ApiClient() as api:
        try:
            await client.CoreV1Api(api).create_namespace({"metadata": {"name": NAMESPACE}})
        except client.ApiException as error:
            if error.status != 409:
                raise
    await emptied()
    results = []
    folder = tempfile.mkdtemp(prefix="jhkube-bench-")
    lab = options.lab or await any_lab()
    for scenario in scenarios(options.tiny, lab):
        if options.scenario and scenario.name not in options.scenario:
            continue
        for spawner in options.spawner or [STOCK, OURS]:
            results.append(await measured(scenario, spawner, options.tiny, folder))
            print(table(results[-1:]).splitlines()[-1], flush=True)
            print(f"  {dict(sorted(results[-1].requests.items()))} logs in {folder}", file=sys.stderr, flush=True)
    print(f"\n{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}\n\n{table(results)}")
    if options.json:
        options.json.write_text(json.dumps([asdict(r) for r in results], indent=1))


if __name__ == "__main__":
    asyncio.run(main())

"""A large hub: KubeSpawner beside jhkube with thousands of pods and events on the real API server.

    python -m benchmarks.large_hub [--sizes 500 1000 5000]

The pods are made through the API server, in a namespace of their own, for a scheduler that does not exist; a
stand-in for the kubelet sets their status. Four events a pod. Each measurement is a whole hub: it starts with 64
people of whom its database says that they have a server, finds their pods among all the others, and then runs for
some watches' length while pods change. The spawners' own `events` are read for all 64, as one tick of their progress
does. jhkube's reflector does not load the events from before the hub; here it is made to list them all once while
it runs, as after a watch that came too late, so that both have the same to keep and search.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import kubespawner
from jupyterhub import orm
from kubernetes_asyncio import client, config

from tests.ports import free_port

from ._large_objects import EVENTS_A_POD, NAMESPACE, event, pod, pod_name, status
from .hubs import BenchHub, resident_mib, run
from .rows import Row, Target, emit, say
from .spawn import OURS, SPAWNERS, STOCK, ignored

SIZES = (500, 1_000, 5_000)
PEOPLE = 64
RUN_SECONDS = 24.0
"""Some two lengths of a KubeSpawner's watch, at whose end it lists everything anew."""

AT_ONCE = 24
MEMORY_CONFIG = Path(__file__).parents[1] / "config/jupyterhub_config.d/50-memory.py"
"""What the sample configuration has for a large hub."""

BLOCK = Target(at_most=50.0, sizes=(5_000,))
MEMORY = Target(ratio=1.0, sizes=(5_000,))


async def fill(numbers: range, port: int) -> None:
    """Make these pods, with their servers at this port, and their events."""
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        left = iter(numbers)

        async def work() -> None:
            for number in left:
                await raw(core.create_namespaced_pod, NAMESPACE, pod(number, port))
                await raw(core.patch_namespaced_pod_status, pod_name(number), NAMESPACE, status(number))
                for which in range(EVENTS_A_POD):
                    await raw(core.create_namespaced_event, NAMESPACE, event(number, which))

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def raw(method: Any, *arguments: Any) -> None:
    """Make a request whose answer nobody reads: a model of it would cost more than the request."""
    response = await method(*arguments, _preload_content=False)
    async with response:
        if response.status >= 300 and response.status != 409:
            raise RuntimeError(await response.text())


async def begin(core: client.CoreV1Api) -> None:
    """Make the namespace, once nothing is left of an earlier run."""
    field = f"metadata.name={NAMESPACE},status.phase=Terminating"
    async with asyncio.timeout(240):
        while (await core.list_namespace(field_selector=field)).items:  # noqa: ASYNC110
            await asyncio.sleep(1)
    with ignored(409):
        await core.create_namespace({"metadata": {"name": NAMESPACE}})
    async with asyncio.timeout(60):
        while not (await core.list_namespaced_service_account(NAMESPACE)).items:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def changes(size: int) -> None:
    """Let a pod change and have an event twice a second, until cancelled."""
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        number = PEOPLE
        while True:
            number = (number + 1) % size
            body = {"metadata": {"annotations": {"seen": f"{time.time():.0f}"}}}
            await raw(core.patch_namespaced_pod, pod_name(number), NAMESPACE, body)
            count = {"count": int(time.time()) % 100_000}
            await raw(core.patch_namespaced_event, f"{pod_name(number)}.0", NAMESPACE, count)
            await asyncio.sleep(0.5)


def write_database(path: Path, port: int) -> None:
    """Write a hub's database in which people have servers, at a port of this machine."""
    session = orm.new_session_factory(f"sqlite:///{path}")()
    for number in range(PEOPLE):
        user = orm.User(name=f"person-{number:05}")
        server = orm.Server(proto="http", ip="127.0.0.1", port=port, base_url=f"/user/{user.name}/")
        state = {
            "kubespawner_version": kubespawner.__version__,
            "pod_name": pod_name(number),
            "namespace": NAMESPACE,
            "dns_name": "",
            "pvc_name": "",
        }
        session.add(orm.Spawner(name="", user=user, server=server, state=state))
    session.commit()
    session.close()


@asynccontextmanager
async def servers() -> AsyncIterator[int]:
    """Answer as everybody's server does; gives the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nX-JupyterHub-Version: 6\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        writer.write(head)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def measure(name: str, size: int, folder: Path, answering: int) -> dict[str, float]:
    """Return what a hub with one of the spawners takes; all servers answer at one port of this machine."""
    await asyncio.to_thread(folder.mkdir)
    await asyncio.to_thread(write_database, folder / "jupyterhub.sqlite", answering)
    port, hub_port, found = free_port(), free_port(), folder / "found.json"
    settings = {
        "spawner": SPAWNERS[name],
        "namespace": NAMESPACE,
        "seconds": RUN_SECONDS,
        "people": PEOPLE,
        "memory": str(MEMORY_CONFIG),
        "pods": size,
        "events": size * EVENTS_A_POD,
        "found": str(found),
        "hub_port": hub_port,
        "health": f"http://127.0.0.1:{hub_port}",
    }
    hub = BenchHub("_large_hub_config.py", settings, folder, port)
    changing = asyncio.create_task(changes(size))
    try:
        start = await hub.up(timeout=120)
        async with asyncio.timeout(RUN_SECONDS + 60):
            while not found.exists():
                if hub.process.poll() is not None:
                    raise RuntimeError(f"the hub ended: {hub.log.read_text()[-3000:]}")
                await asyncio.sleep(0.2)
        numbers: dict[str, float] = json.loads(found.read_text())
        if "error" in numbers:
            raise RuntimeError(numbers["error"])
        memory = {"memory": resident_mib(hub.process.pid), "peak": resident_mib(hub.process.pid, "VmHWM")}
        return numbers | memory | {"start": start}
    finally:
        changing.cancel()
        await hub.down()


def rows(size: int, ours: dict[str, float], stock: dict[str, float]) -> Iterator[Row]:
    """Yield the table's rows for so many pods."""
    for key, measure, unit, factor, target in (
        ("start", "the hub's start", "s", 1, None),
        ("watch", "until pods and events are known", "s", 1, None),
        ("block_cpu", "longest block of the loop, processor", "ms", 1000, BLOCK),
        ("block_wall", "longest block of the loop, on the wall", "ms", 1000, None),
        ("memory", "memory", "MiB", 1, MEMORY),
        ("peak", "memory, highest", "MiB", 1, MEMORY),
        ("cpu", f"processor in {RUN_SECONDS:.0f} s", "ms", 1000, None),
        ("tick", f"a progress tick of {PEOPLE} spawns", "ms", 1000, None),
    ):
        yield Row("A large hub", STOCK, measure, size, "pods", unit, factor * ours[key], factor * stock[key], target)


async def main(sizes: list[int]) -> None:
    """Measure, and print rows."""
    await config.load_kube_config()
    with tempfile.TemporaryDirectory(prefix="jhkube-bench-") as folder:
        async with client.ApiClient() as api, servers() as answering:
            core = client.CoreV1Api(api)
            await begin(core)
            try:
                made = 0
                for size in sizes:
                    began = time.monotonic()
                    await fill(range(made, size), answering)
                    say(f"{size} pods, {EVENTS_A_POD * size} events: made in {time.monotonic() - began:.0f} s")
                    made = size
                    found = {}
                    for name in (STOCK, OURS):
                        found[name] = await measure(name, size, Path(folder, f"{name}-{size}"), answering)
                        say(f"{name}, {size} pods: {found[name]}")
                    for row in rows(size, found[OURS], found[STOCK]):
                        emit(row)
            finally:
                with ignored(404):
                    await core.delete_namespace(NAMESPACE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--quick", action="store_true", help="100 and 500 pods only")
    options = parser.parse_args()
    run(main([100, 500] if options.quick else sorted(options.sizes)))

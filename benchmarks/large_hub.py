"""A large hub: KubeSpawner's reflectors beside jhkube's, with thousands of pods and events on the real API server.

    python benchmarks/large_hub.py [--sizes 100 1000 5000] [--keep] [--json FILE]

The pods are made through the API server, in a namespace of their own, for a scheduler that does not exist; a
stand-in for the kubelet sets their status. Four events a pod. Each measurement is a process of its own: start both
reflectors, let them run for some watches' length while pods change, then ask for the events of 64 pending spawns, as
one tick of their progress does. jhkube's reflector does not load the events from before the hub; here it is made to
list them all once while it runs, as after a watch that came too late, so that both have the same to keep and search.
The longest block of the event loop is counted in processor time, which a busy machine does not change much, and on
the wall.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any

from kubernetes_asyncio import client, config

NAMESPACE = "jhkube-large"
EVENTS_A_POD = 4
PENDING = 64
RUN_SECONDS = 45.0
AT_ONCE = 24


def pod(number: int, sizes: list[int]) -> dict[str, Any]:
    """A pod with as much in it as a hub's has."""
    name = f"jupyter-person-{number:05}"
    environment = [{"name": f"JUPYTERHUB_SETTING_{i}", "value": f"{name}-value-{i}" * 2} for i in range(30)]
    labels = {"component": "singleuser-server", "app": "jupyterhub", "hub.jupyter.org/username": f"person-{number}"}
    return {
        "metadata": {
            "name": name,
            "labels": labels | {f"within-{size}": "yes" for size in sizes if number < size},
            "annotations": {"hub.jupyter.org/username": f"person-{number}", "hub.jupyter.org/servername": ""},
        },
        "spec": {
            "schedulerName": "nobody",
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "notebook",
                    "image": "registry.example.org/science/lab@sha256:" + "0" * 64,
                    "args": ["jupyterhub-singleuser"],
                    "env": environment,
                    "ports": [{"name": "notebook-port", "containerPort": 8888}],
                    "resources": {"limits": {"memory": "2Gi"}, "requests": {"memory": "1Gi", "cpu": "100m"}},
                    "volumeMounts": [{"name": "home", "mountPath": "/home/jovyan"}],
                }
            ],
            "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": f"claim-{number}"}}],
            "tolerations": [{"key": "hub.jupyter.org/dedicated", "operator": "Equal", "value": "user"}],
        },
    }


def status(number: int) -> dict[str, Any]:
    """What the kubelet says of a pod that runs."""
    now = "2026-11-20T08:00:00Z"
    conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
    address = f"10.{number >> 14 & 255}.{number >> 7 & 127}.{number & 127}"
    container = {
        "name": "notebook",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "image": "registry.example.org/science/lab",
        "imageID": "registry.example.org/science/lab@sha256:" + "0" * 64,
        "containerID": f"containerd://{number:064x}",
        "state": {"running": {"startedAt": now}},
    }
    return {
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "hostIP": "10.0.0.1",
            "startTime": now,
            "conditions": [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in conditions],
            "containerStatuses": [container],
        }
    }


def event(number: int, which: int, sizes: list[int]) -> dict[str, Any]:
    """One of the events of a pod's start."""
    name = f"jupyter-person-{number:05}"
    reason = ("Scheduled", "Pulled", "Created", "Started")[which % 4]
    return {
        "metadata": {
            "name": f"{name}.{which}",
            "labels": {f"within-{size}": "yes" for size in sizes if number < size},
        },
        "involvedObject": {"kind": "Pod", "namespace": NAMESPACE, "name": name, "uid": f"{number:036}"},
        "reason": reason,
        "message": f"{reason}: container image registry.example.org/science/lab of {name}",
        "type": "Normal",
        "source": {"component": "kubelet", "host": "node1"},
        "firstTimestamp": "2026-11-20T08:00:00Z",
        "lastTimestamp": "2026-11-20T08:00:00Z",
        "count": 1,
    }


async def fill(sizes: list[int]) -> None:
    """Make whatever of the pods and events is not there."""
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        await ignoring(409, core.create_namespace({"metadata": {"name": NAMESPACE}}))
        numbers = iter(range(max(sizes)))

        async def work() -> None:
            for number in numbers:
                await raw(core.create_namespaced_pod, NAMESPACE, pod(number, sizes))
                await raw(core.patch_namespaced_pod_status, f"jupyter-person-{number:05}", NAMESPACE, status(number))
                for which in range(EVENTS_A_POD):
                    await raw(core.create_namespaced_event, NAMESPACE, event(number, which, sizes))

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def raw(method: Any, *arguments: Any) -> None:
    """A request whose answer nobody reads: a model of it would cost more than the request."""
    response = await method(*arguments, _preload_content=False)
    async with response:
        if response.status >= 300 and response.status != 409:
            raise RuntimeError(await response.text())


async def ignoring(code: int, request: Any) -> None:
    try:
        await request
    except client.ApiException as error:
        if error.status != code:
            raise


async def empty() -> None:
    """Remove the namespace, and with it everything in it; the cluster takes its time for that."""
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        await ignoring(404, core.delete_namespace(NAMESPACE))


async def gone() -> None:
    """Return when nothing is left of an earlier run."""
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        field = f"metadata.name={NAMESPACE},status.phase=Terminating"
        while (await core.list_namespace(field_selector=field)).items:  # noqa: ASYNC110
            await asyncio.sleep(1)


class Heart:
    """Beats as often as the loop lets it; the longest time between two beats is the longest block."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0
        self._task = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            cpu, wall = time.thread_time(), time.monotonic()
            await asyncio.sleep(0.005)
            self.cpu = max(self.cpu, time.thread_time() - cpu)
            self.wall = max(self.wall, time.monotonic() - wall)

    def stop(self) -> None:
        self._task.cancel()


def memory() -> float:
    """MiB this process has now."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def measure(kind: str, size: int) -> dict[str, float]:
    """What the reflectors of a kind take; run in a process of its own."""
    if kind == "stock":
        from kubespawner.spawner import EventReflector, PodReflector
    else:
        from jhkube.watch.reflectors import EventReflector, PodReflector
    await config.load_kube_config()
    mine = {f"within-{size}": "yes"}
    pods = PodReflector(namespace=NAMESPACE, labels={"component": "singleuser-server", **mine})
    events = EventReflector(namespace=NAMESPACE, labels=mine, fields={"involvedObject.kind": "Pod"})
    gc.collect()
    before = memory()
    heart = Heart()
    await asyncio.sleep(0.1)
    wall, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(pods.start(), events.start())
    loaded, loaded_cpu = time.monotonic() - wall, time.process_time() - cpu
    assert len(pods.pods) == size, len(pods.pods)
    cpu = time.process_time()
    await asyncio.sleep(RUN_SECONDS / 2)
    if kind != "stock":
        events._version = None
        events.nudge()
    await asyncio.sleep(RUN_SECONDS / 2)
    assert len(events.resources) == size * EVENTS_A_POD, len(events.resources)
    running = time.process_time() - cpu
    heart.stop()
    gc.collect()
    result = {
        "load": loaded,
        "load_cpu": loaded_cpu,
        "block_cpu": heart.cpu,
        "block_wall": heart.wall,
        "memory": memory() - before,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before,
        "running_cpu": running,
        "tick": tick(kind, events, size),
    }
    for reflector in (pods, events):
        await reflector.stop()
    return result


async def changes(size: int) -> None:
    """Let a pod change and have an event twice a second, until cancelled."""
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        number = 0
        while True:
            number = (number + 1) % size
            name = f"jupyter-person-{number:05}"
            body = {"metadata": {"annotations": {"seen": f"{time.time():.0f}"}}}
            await raw(core.patch_namespaced_pod, name, NAMESPACE, body)
            await raw(core.patch_namespaced_event, f"{name}.0", NAMESPACE, {"count": int(time.time()) % 100_000})
            await asyncio.sleep(0.5)


def tick(kind: str, reflector: Any, size: int) -> float:
    """Seconds of processor for one look at the events of 64 pending spawns."""
    names = [f"jupyter-person-{number:05}" for number in range(min(PENDING, size))]

    def stock() -> None:
        for name in names:
            _ = [e for e in reflector.events if e["involvedObject"]["name"] == name]

    def ours() -> None:
        for name in names:
            reflector.events_of(f"{NAMESPACE}/{name}")

    look = stock if kind == "stock" else ours
    rounds = 3
    cpu = time.process_time()
    for _ in range(rounds):
        look()
    return (time.process_time() - cpu) / rounds * PENDING / len(names)


ROWS = [
    ("load", "first load", "s", 1.0),
    ("load_cpu", "first load, processor", "ms", 1000),
    ("block_cpu", "longest block of the loop, processor", "ms", 1000),
    ("block_wall", "longest block of the loop, on the wall", "ms", 1000),
    ("memory", "memory", "MiB", 1),
    ("peak", "memory, highest", "MiB", 1),
    ("running_cpu", f"processor in {RUN_SECONDS:.0f} s of running", "ms", 1000),
    ("tick", f"one progress tick of {PENDING} spawns, processor", "ms", 1000),
]


def table(results: dict[tuple[str, int], dict[str, float]], sizes: list[int]) -> str:
    head = "| | " + " | ".join(f"{size} pods: KubeSpawner | jhkube | ratio" for size in sizes) + " |"
    lines = [head, "|---" + "|--:" * (3 * len(sizes)) + "|"]
    for key, label, unit, factor in ROWS:
        cells = []
        for size in sizes:
            stock, ours = results["stock", size][key] * factor, results["jhkube", size][key] * factor
            cells += [f"{stock:.1f} {unit}", f"{ours:.1f} {unit}", f"{ours / stock:.2f}" if stock else "-"]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--keep", action="store_true", help="leave the pods for another run")
    parser.add_argument("--json", type=Path, help="where to write every number")
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(await measure(options.measure[0], int(options.measure[1]))))
        return
    await config.load_kube_config()
    sizes = sorted(options.sizes)
    began = time.monotonic()
    await gone()
    try:
        await fill(sizes)
        print(f"{max(sizes)} pods and {EVENTS_A_POD * max(sizes)} events made in {time.monotonic() - began:.0f} s")
        results = {}
        for size in sizes:
            for kind in ("stock", "jhkube"):
                command = [sys.executable, __file__, "--measure", kind, str(size)]
                process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
                changing = asyncio.create_task(changes(size))
                output, _ = await process.communicate()
                changing.cancel()
                results[kind, size] = json.loads(output.splitlines()[-1])
                print(kind, size, results[kind, size], file=sys.stderr, flush=True)
    finally:
        if not options.keep:
            await empty()
    print(f"\n{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}\n\n{table(results, sizes)}")
    if options.json:
        rows = [{"kind": kind, "pods": size, **numbers} for (kind, size), numbers in results.items()]
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    asyncio.run(main())

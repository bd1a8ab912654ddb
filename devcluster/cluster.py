"""A whole cluster: brought up from whatever state it is in, looked at, and taken down without a trace."""

from __future__ import annotations

import calendar
import os
import signal
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from devcluster import (
    api,
    build,
    cgroups,
    configuration,
    images,
    leftovers,
    lifecycle,
    network,
    objects,
    packages,
    processes,
)
from devcluster.commands import locked, output, run, wait_for
from devcluster.components import Component, components
from devcluster.progress import say, step
from devcluster.settings import DevClusterError, Settings

__all__ = ["DEMO_NAMESPACE", "Row", "down", "kill", "make_room", "start", "status", "stop", "up"]

DEMO_NAMESPACE: Final = "jhkube-demo"
"""Where the demo's pods and homes are."""

STAGES: Final = (
    ("registry", "relay", "etcd", "containerd"),
    ("apiserver",),
    ("controller-manager", "scheduler", "volumes", "kubelet", "dns"),
    ("proxy", "network-policies"),
)
"""What starts side by side, and after what."""

READY_TIMEOUT = 90.0
"""Seconds that the node may take to be ready, once its kubelet is; it takes 1 to 3."""


@dataclass(frozen=True, slots=True)
class Row:
    """What `status` says of one component."""

    name: str
    state: str
    pid: str
    uptime: str
    memory: str
    address: str


def up(settings: Settings) -> None:
    """Bring the cluster up, from nothing or from whatever is left of it; return at once where it is up."""
    with _lock(settings):
        if is_up(settings):
            say(f"the cluster is up: export KUBECONFIG={settings.kubeconfig}")
            return
        if reason := packages.refusal():
            raise DevClusterError(reason)
        packages.install(packages.CLUSTER)
        build.build(settings)
        with step("Starting the cluster", 12):
            configuration.write_all(settings)
            _recover(settings)
            network.create(settings)
            cgroups.create(settings)
            parts = {part.name: part for part in components(settings)}
            started: set[str] = set()
            began = time.time()
            for names in STAGES:
                if "kubelet" in names:
                    _prepare_containerd(settings)
                    _forget_driver(settings, parts)
                    began = time.time()
                started |= lifecycle.ensure(settings, [parts[name] for name in names])
                if "apiserver" in names:
                    _create_objects(settings)
            # What the API server says of the node may be what the kubelet before this one said.
            heard_since = began if "kubelet" in started else 0
            wait_for("the node", lambda: _node_is_ready(settings, heard_since), READY_TIMEOUT, lambda: True)
            wait_for("the namespace", lambda: _namespace_is_ready(settings), READY_TIMEOUT, lambda: True)
            # The driver of the volumes is ready once the kubelet of now knows it.
            wait_for(
                "every component", lambda: all(part.ready() for part in parts.values()), READY_TIMEOUT, lambda: True
            )
        say(f"the cluster is up: export KUBECONFIG={settings.kubeconfig}")


def is_up(settings: Settings) -> bool:
    """Return whether everything runs as it should and answers."""
    if not build.binaries(settings).exists() or not settings.kubeconfig.exists():
        return False
    try:
        parts = components(settings)
        current = all(processes.alive(settings.run, part.name, part.fingerprint) for part in parts)
    except FileNotFoundError:
        return False
    return (
        current
        and network.is_up(settings)
        and all(part.ready() for part in parts)
        and _node_is_ready(settings, 0)
        and _namespace_is_ready(settings)
    )


def down(settings: Settings) -> None:
    """Take the cluster down: nothing of it runs or is mounted afterwards, and its objects are gone.

    What took long to make stays: binaries, images, the registry's content.
    """
    with _lock(settings), step("Taking the cluster down", 5):
        parts = {part.name: part for part in components(settings)}
        for name in (*STAGES[3], *STAGES[2]):
            lifecycle.end(settings, parts.pop(name))
        processes.end([*leftovers.shims(settings), *processes.of_cgroup(settings.cgroup)])
        for part in reversed(parts.values()):
            lifecycle.end(settings, part)
        processes.end(processes.marked(settings.run))
        leftovers.clear_runtime(settings)
        leftovers.unmount(settings.run)
        network.remove(settings)
        cgroups.remove(settings)
        leftovers.forget(settings)
        images.release(settings)


def make_room(settings: Settings) -> None:
    """Stop the demo's servers, whose processor cores the tests need; homes stay, as when a hub stops a server."""
    kubectl = (build.kubectl(settings), "--kubeconfig", settings.kubeconfig, "-n", DEMO_NAMESPACE)
    found = output(*kubectl, "get", "pods", "-l", "component=singleuser-server", "-o", "name").split()
    if found:
        with step(f"Stopping {len(found)} of the demo's servers to make room for the tests (homes are kept)", 10):
            run(*kubectl, "delete", "--ignore-not-found", *found)


def start(settings: Settings, name: str) -> None:
    """Start one component, unless it runs."""
    part = _component(settings, name)
    with _lock(settings):
        configuration.write_all(settings)
        lifecycle.ensure(settings, [part])


def stop(settings: Settings, name: str) -> None:
    """End one component in order; `up` starts it again."""
    part = _component(settings, name)
    with _lock(settings):
        lifecycle.end(settings, part)


def kill(settings: Settings, name: str) -> None:
    """End one component without warning; `up` starts it again."""
    if process := processes.alive(settings.run, _component(settings, name).name):
        process.signal(signal.SIGKILL)
        processes.end([process])


def status(settings: Settings) -> list[Row]:
    """Return what every component is doing now."""
    rows = []
    for part in components(settings):
        process = processes.alive(settings.run, part.name)
        if process is None:
            rows.append(Row(part.name, "stopped", "", "", "", part.address))
            continue
        state = "ready" if part.ready() else "not ready"
        uptime, memory = _usage(process)
        rows.append(Row(part.name, state, str(process.pid), uptime, memory, part.address))
    return rows


def pods(settings: Settings) -> str:
    """Return in words how many pods the API server knows, and how it sees the node."""
    answer = api.Api(settings).get("/api/v1/pods")
    if answer is None:
        return "no API server"
    phases = [pod["status"].get("phase", "Unknown") for pod in answer["items"]]
    counts = ", ".join(f"{phases.count(phase)} {phase}" for phase in sorted(set(phases)))
    node = "ready" if _node_is_ready(settings, 0) else "not ready"
    return f"{configuration.NODE} {node}; pods: {counts or 'none'}"


def _lock(settings: Settings) -> AbstractContextManager[None]:
    """Let one `devcluster` at a time change this cluster."""
    return locked(settings.cache / "clusters" / f"{settings.name}.lock")


def _recover(settings: Settings) -> None:
    """Clear away what the last `up` left, if it ended without a `down`."""
    parts = components(settings)
    processes.end(leftovers.strays(settings, parts), grace=5)
    if not (settings.run / "etcd" / "member").exists():
        # No objects: so no pod that is left belongs to anything.
        for part in parts:
            if part.name != "registry":
                lifecycle.end(settings, part)
        processes.end(leftovers.shims(settings))
        leftovers.clear_runtime(settings)
        leftovers.forget(settings)
    elif not network.is_up(settings):
        # Pods whose bridge is gone stay cut off: their containers start again, as after a reset of the machine.
        for part in parts:
            if part.inside:
                lifecycle.end(settings, part)
        processes.end(leftovers.shims(settings))
        leftovers.clear_runtime(settings)
    elif not leftovers.has_pods(settings) and not processes.alive(settings.run, "containerd"):
        leftovers.clear_runtime(settings)


def _create_objects(settings: Settings) -> None:
    """Create what every cluster has, once the API server takes it; its own namespaces come a moment later."""
    server = api.Api(settings)
    wait_for(
        "the namespace kube-system",
        lambda: server.get("/api/v1/namespaces/kube-system") is not None,
        READY_TIMEOUT,
        lambda: True,
    )
    for path, manifest in objects.objects(settings):
        server.create(path, manifest)


def _forget_driver(settings: Settings, parts: dict[str, Component]) -> None:
    """Have a new kubelet register the volumes' driver once, and nobody take an earlier registration for it."""
    if not processes.alive(settings.run, "volumes", parts["volumes"].fingerprint):
        for stale in (settings.run / "kubelet" / "root" / "plugins_registry").glob("*.sock"):
            stale.unlink()
    if not processes.alive(settings.run, "kubelet", parts["kubelet"].fingerprint):
        api.Api(settings).delete(f"/apis/storage.k8s.io/v1/csinodes/{configuration.NODE}")


def _prepare_containerd(settings: Settings) -> None:
    """Give containerd the image that it needs for every pod, and take from it the pods of earlier clusters."""
    ctr = (build.binaries(settings) / "ctr", "-a", settings.containerd, "-n", "k8s.io")
    if not any((settings.run / "kubelet" / "root" / "pods").glob("*")) and not leftovers.has_pods(settings):
        stale = output(*ctr, "containers", "ls", "-q").split()
        for name in stale:
            output(*ctr, "tasks", "rm", "-f", name)
        if stale:
            output(*ctr, "containers", "rm", *stale)
    if configuration.PAUSE_IMAGE not in output(*ctr, "images", "ls", "-q").split():
        with tempfile.TemporaryDirectory() as folder:
            archive = images.pause_archive(settings, build.binaries(settings) / "pause", Path(folder))
            run(*ctr, "images", "import", archive)


def _node_is_ready(settings: Settings, since: float) -> bool:
    """Return whether the node has been seen ready, and in this boot of the machine."""
    node: dict[str, Any] | None = api.Api(settings).get(f"/api/v1/nodes/{configuration.NODE}")
    if node is None or node["status"]["nodeInfo"]["bootID"] != processes.boot_id():
        return False
    for condition in node["status"]["conditions"]:
        if condition["type"] == "Ready" and condition["status"] == "True":
            seen = time.strptime(condition["lastHeartbeatTime"], "%Y-%m-%dT%H:%M:%SZ")
            return calendar.timegm(seen) >= int(since)
    return False


def _namespace_is_ready(settings: Settings) -> bool:
    """Return whether pods can be made in the default namespace."""
    server = api.Api(settings)
    return (
        server.get("/api/v1/namespaces/default/serviceaccounts/default") is not None
        and server.get("/apis/storage.k8s.io/v1/storageclasses/standard") is not None
    )


def _component(settings: Settings, name: str) -> Component:
    parts = {part.name: part for part in components(settings)}
    if name not in parts:
        raise DevClusterError(f"{name} is no component; there are: {', '.join(parts)}")
    return parts[name]


def _usage(process: processes.Process) -> tuple[str, str]:
    """Return how long a process has run, and the memory that it holds, for a person."""
    try:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        now = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return "", ""
    seconds = int(now - process.started / os.sysconf("SC_CLK_TCK"))
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    uptime = f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s"
    return uptime, f"{int(fields['VmRSS'].split()[0]) // 1024} MiB"

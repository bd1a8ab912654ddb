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
from typing import Any

from devcluster import api, build, cgroups, configuration, images, leftovers, network, packages, processes
from devcluster.commands import locked, output, run, wait_for
from devcluster.components import Component, components
from devcluster.progress import say, step
from devcluster.settings import DevClusterError, Settings

__all__ = ["Row", "down", "kill", "start", "status", "stop", "up"]

READY_TIMEOUT = 90.0
"""Seconds that a component may take to be ready on a busy machine; it takes 1 to 10."""

HUNG_TIMEOUT = 15.0
"""Seconds that a component which runs already may fail to answer before it is started anew."""


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
        with step("Starting the cluster", 20):
            configuration.write_all(settings)
            _recover(settings)
            network.create(settings)
            cgroups.create(settings)
            heard_since = 0.0
            for component in components(settings):
                if component.name == "kubelet":
                    _prepare_containerd(settings)
                began = time.time()
                if _ensure(settings, component) and component.name == "kubelet":
                    # What the API server says of the node may be what the kubelet before this one said.
                    heard_since = began
                if component.name == "apiserver":
                    path = "/apis/storage.k8s.io/v1/storageclasses"
                    api.Api(settings).create(path, configuration.DEFAULT_STORAGE_CLASS)
            wait_for("the node", lambda: _node_is_ready(settings, heard_since), READY_TIMEOUT, lambda: True)
            wait_for("the namespace", lambda: _namespace_is_ready(settings), READY_TIMEOUT, lambda: True)
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
        for name in ("kubelet", "scheduler", "controller-manager"):
            _end(settings, parts.pop(name))
        processes.end([*leftovers.shims(settings), *processes.of_cgroup(settings.cgroup)])
        for part in reversed(parts.values()):
            _end(settings, part)
        processes.end(processes.marked(settings.run))
        leftovers.clear_runtime(settings)
        leftovers.unmount(settings.run)
        network.remove(settings)
        cgroups.remove(settings)
        leftovers.forget(settings)
        images.release(settings)


def start(settings: Settings, name: str) -> None:
    """Start one component, unless it runs."""
    part = _component(settings, name)
    with _lock(settings):
        configuration.write_all(settings)
        _ensure(settings, part)


def stop(settings: Settings, name: str) -> None:
    """End one component in order; `up` starts it again."""
    part = _component(settings, name)
    with _lock(settings):
        _end(settings, part)


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
    return f"node1 {node}; pods: {counts or 'none'}"


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
                _end(settings, part)
        processes.end(leftovers.shims(settings))
        leftovers.clear_runtime(settings)
        leftovers.forget(settings)
    elif not processes.alive(settings.run, "containerd") and not leftovers.has_pods(settings):
        leftovers.clear_runtime(settings)


def _ensure(settings: Settings, part: Component) -> bool:
    """Return when a component runs and is ready, whatever was there before: true if it was started for that."""
    process = processes.alive(settings.run, part.name, part.fingerprint)
    if process and _is_ready(part, process, HUNG_TIMEOUT):
        return False
    if process:
        say(f"{part.name} runs and does not answer: starting it anew")
        processes.end([process], grace=part.grace)
    process = _spawn(settings, part)
    if _is_ready(part, process, READY_TIMEOUT):
        return True
    processes.end([process], grace=part.grace)
    if part.state is None or not part.state.exists():
        raise DevClusterError(f"{part.name} does not start: {_last_words(settings, part)}")
    say(f"{part.name} does not start on what it had kept: starting it on nothing")
    if part.name == "etcd":
        leftovers.forget(settings)
    leftovers.discard(part.state)
    process = _spawn(settings, part)
    if not _is_ready(part, process, READY_TIMEOUT):
        raise DevClusterError(f"{part.name} does not start: {_last_words(settings, part)}")
    return True


def _spawn(settings: Settings, part: Component) -> processes.Process:
    for host, port in part.ports:
        if api.listens(host, port):
            raise DevClusterError(
                f"port {port} of {host}, which is for the {part.name}, is taken by "
                f"{_holder(port)}; end that, or choose another with {_port_variable(settings, port)}"
            )
    log = settings.logs / f"{part.name}.log"
    return processes.spawn(settings.run, part.name, part.command, part.environ, log, part.fingerprint)


def _is_ready(part: Component, process: processes.Process, timeout: float) -> bool:
    try:
        wait_for(part.name, part.ready, timeout, lambda: process.runs)
    except DevClusterError:
        return False
    return True


def _end(settings: Settings, part: Component) -> None:
    if process := processes.alive(settings.run, part.name):
        processes.end([process], grace=part.grace)
    (settings.run / "pids" / f"{part.name}.json").unlink(missing_ok=True)


def _prepare_containerd(settings: Settings) -> None:
    """Give containerd the image that it needs for every pod, and take from it the pods of earlier clusters."""
    ctr = ("ctr", "-a", str(settings.containerd), "-n", "k8s.io")
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
    node: dict[str, Any] | None = api.Api(settings).get("/api/v1/nodes/node1")
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


def _last_words(settings: Settings, part: Component) -> str:
    log = settings.logs / f"{part.name}.log"
    end = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    return "\n".join([f"see {log}, which ends:", *(f"  {line[:300]}" for line in end)])


def _holder(port: int) -> str:
    line = output("ss", "-Hltnp", "sport", "=", f":{port}").strip()
    return line.partition("users:")[2] or "another program"


def _port_variable(settings: Settings, port: int) -> str:
    if port == settings.registry_port:
        return "JHKUBE_DEV_REGISTRY_PORT"
    return "JHKUBE_DEV_NET" if port == 10250 else "JHKUBE_DEV_FIRST_PORT"

"""What a cluster leaves behind when it ends without warning: strays, mounts, addresses, folders."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from devcluster import network, processes
from devcluster.commands import output
from devcluster.components import Component
from devcluster.settings import DevClusterError, Settings

__all__ = ["clear_runtime", "discard", "forget", "has_pods", "mounts", "shims", "strays", "unmount"]


def shims(settings: Settings) -> list[processes.Process]:
    """Return the processes between containerd and this cluster's containers."""
    return [
        process
        for process in processes.marked(settings.run)
        if process.command and Path(process.command[0]).name.startswith("containerd-shim")
    ]


def has_pods(settings: Settings) -> bool:
    """Return whether any process of a pod still has somebody who looks after it."""
    return bool(shims(settings))


def strays(settings: Settings, parts: tuple[Component, ...]) -> list[processes.Process]:
    """Return the components' processes that no pid file knows, or that were started in another way."""
    known = {processes.alive(settings.run, part.name, part.fingerprint) for part in parts}
    # By name: what an earlier build left running has another path.
    programs = {Path(part.command[0]).name for part in parts}
    return [
        process
        for process in processes.marked(settings.run)
        if process not in known and process.command and Path(process.command[0]).name in programs
    ]


def clear_runtime(settings: Settings) -> None:
    """Clear what containerd and the pods' network knew of pods that are all dead, as a reboot would."""
    processes.end(processes.of_cgroup(settings.cgroup))
    for name in ("state", "runc"):
        discard(settings.run / "containerd" / name)
    settings.containerd.unlink(missing_ok=True)
    network.clear_leases(settings)


def forget(settings: Settings) -> None:
    """Delete all that the cluster has kept: its objects, the pods' folders, volumes and logs.

    The objects go last: while they are there, nobody takes what is left of the rest for a whole cluster.
    """
    for path in (
        settings.run / "kubelet" / "root",
        settings.run / "volumes",
        settings.logs / "pods",
        settings.run / "etcd",
    ):
        discard(path)


def discard(path: Path) -> None:
    """Delete a folder, after everything that is mounted below it is unmounted; never reach through a mount.

    Raises
    ------
    DevClusterError
        If something stays mounted: then nothing is deleted.
    """
    unmount(path)
    if left := mounts(path):
        raise DevClusterError(f"{left[0]} is in use and cannot be unmounted; see `fuser -vm {left[0]}`")
    if path.exists():
        # Under another name first: a folder that is half deleted is never taken for a whole one.
        doomed = path.with_name(f".{path.name}.{os.getpid()}.deleted")
        path.rename(doomed)
    for doomed in path.parent.glob(f".{path.name}.*.deleted"):
        shutil.rmtree(doomed)


def mounts(path: Path) -> list[Path]:
    """Return what is mounted at or below a path, the innermost first."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        # The kernel writes blanks in names as octal numbers.
        target = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), line.split()[1]))
        if target.is_relative_to(path):
            found.append(target)
    return found[::-1]


def unmount(path: Path) -> None:
    """Unmount everything at or below a path: what is in use, as soon as it is not."""
    for _ in range(3):
        for target in mounts(path):
            if not output("umount", target):
                output("umount", "--lazy", target)

"""The cgroup that all pods of a cluster live below: made before the kubelet starts, removed after it."""

from __future__ import annotations

import time
from pathlib import Path

from devcluster.settings import DevClusterError, Settings

__all__ = ["create", "remove"]


def create(settings: Settings) -> None:
    """Make the cluster's cgroup in every hierarchy that the kubelet looks at."""
    for top, version in _used_hierarchies():
        folder = top / settings.cgroup.strip("/")
        if version == 2:
            _delegate(top)
        folder.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            # In version 1 a new cpuset is empty, and no process can enter it.
            file = folder / name
            if version == 1 and file.exists() and not file.read_text().strip():
                file.write_text((top / name).read_text())


def remove(settings: Settings) -> None:
    """Remove the cluster's cgroups, once no process is in them."""
    until = time.monotonic() + 5
    while left := [path for path in _folders(settings) if not _removed(path)]:
        if time.monotonic() > until:
            raise DevClusterError(f"something still runs in the cgroup {left[0]}")
        time.sleep(0.1)


def _hierarchies() -> list[tuple[Path, int]]:
    """Return where cgroups are mounted, with their version."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    versions = {"cgroup": 1, "cgroup2": 2}
    return sorted({(Path(mount[1]), versions[mount[2]]) for mount in mounts if mount[2] in versions})


def _used_hierarchies() -> list[tuple[Path, int]]:
    """Return the hierarchies that limit pods: on a hybrid machine those of version 1."""
    found = _hierarchies()
    return [each for each in found if each[1] == 1] or found[:1]


def _delegate(top: Path) -> None:
    for controller in (top / "cgroup.controllers").read_text().split():
        if controller not in (top / "cgroup.subtree_control").read_text().split():
            (top / "cgroup.subtree_control").write_text(f"+{controller}")


def _folders(settings: Settings) -> list[Path]:
    """Return the cluster's cgroups in all hierarchies, the innermost first."""
    tops = [top / settings.cgroup.strip("/") for top, _ in _hierarchies()]
    return [
        path
        for top in tops
        if top.exists()
        for path in [*sorted(filter(Path.is_dir, top.rglob("*")), reverse=True), top]
    ]


def _removed(path: Path) -> bool:
    try:
        path.rmdir()
    except OSError:
        return not path.exists()
    return True

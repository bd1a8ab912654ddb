"""Our own processes: started with a pid file and a mark, and found again whatever happened to either."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devcluster.commands import write

__all__ = ["Process", "alive", "boot_id", "end", "marked", "of_cgroup", "spawn"]

MARK: Final = "DEVCLUSTER_RUN"
"""The environment variable by which a process shows that it is of a cluster, whose folder it names."""

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Process:
    """One process, and no other that may get its number later."""

    pid: int
    started: int
    """When it started, in clock ticks since the machine booted: with the pid, it names one process."""

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """Return the process that has this number now, or None where none runs."""
        try:
            # The program's name is in brackets and may hold anything: what follows the last one is regular.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @property
    def runs(self) -> bool:
        """Whether it is still there."""
        return Process.of(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; do nothing where it is gone, even if its number belongs to another by now."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # The descriptor holds on to whoever has the number: so look who that is, then send.
            if self.runs:
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return
        finally:
            os.close(descriptor)

    @property
    def command(self) -> list[str]:
        """Its command line; empty where it is gone."""
        try:
            return Path(f"/proc/{self.pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
        except OSError:
            return []


def spawn(
    run: Path, name: str, command: Sequence[str], environ: Mapping[str, str], log: Path, fingerprint: str
) -> Process:
    """Start a program that outlives this one, and note in `run` which process it is and how it was started.

    Its folder, `run`, goes into its environment and so into that of every program that it starts: by
    this `marked` finds them all, even if the pid file was never written.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        child = subprocess.Popen(
            command,
            cwd="/",
            env={**os.environ, **environ, MARK: str(run)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    # It is nobody's child once we end; until then its status is not ours to wait for.
    child.returncode = 0
    process = Process.of(child.pid) or Process(child.pid, 0)
    note = {"pid": process.pid, "started": process.started, "boot": boot_id(), "fingerprint": fingerprint}
    write(run / "pids" / f"{name}.json", json.dumps(note))
    return process


def alive(run: Path, name: str, fingerprint: str = "") -> Process | None:
    """Return the running process of a component, or None.

    A pid file of an earlier boot counts for nothing. With a fingerprint, neither does a process that was
    started in another way.
    """
    try:
        note = json.loads((run / "pids" / f"{name}.json").read_text())
        process = Process(int(note["pid"]), int(note["started"]))
        current = note["boot"] == boot_id() and fingerprint in ("", note["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return process if current and process.runs else None


def marked(run: Path) -> list[Process]:
    """Return every running process that this cluster started, and the ones that those started."""
    mark = f"{MARK}={run}".encode()
    return [
        process
        for process in _all()
        if process.pid != os.getpid() and mark in _read(process.pid, "environ").split(b"\0")
    ]


def of_cgroup(cgroup: str) -> list[Process]:
    """Return the processes that run in a cgroup or below it: the pods' own."""
    inside = f":{cgroup}/".encode()
    return [process for process in _all() if inside in _read(process.pid, "cgroup").replace(b"\n", b"/\n")]


def end(processes: Iterable[Process], grace: float = 0) -> None:
    """End processes: politely first where there is a grace period in seconds, then for certain."""
    left = list(processes)
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        if not seconds:
            continue
        for process in left:
            process.signal(number)
        until = time.monotonic() + seconds
        while (left := [process for process in left if process.runs]) and time.monotonic() < until:
            time.sleep(0.02)


def boot_id() -> str:
    """Return what names this boot of the machine."""
    return BOOT_ID.read_text().strip()


def _all() -> list[Process]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [process for pid in pids if (process := Process.of(pid))]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""

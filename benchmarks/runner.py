"""Runs each benchmark in a process of its own, within its time, and collects the rows it prints."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .rows import Row

__all__ = ["BENCHMARKS", "ONLY_BY_NAME", "Outcome", "run_all", "run_one"]

BENCHMARKS = {
    "tags": 60,
    "menu": 240,
    "form": 90,
    "logins": 240,
    "lab_start": 300,
    "prepull": 480,
    "spawn-fast": 600,
    "spawn-slow": 720,
    "spawn-lab": 600,
    "ahead-lab": 900,
    "ahead-init": 480,
    "ahead-wrong": 360,
    "large_hub": 480,
    "scale": 10_800,
}
"""The benchmarks in the order in which they run, and how many seconds each may take: modules, or a kind of one.

The large hub comes last: the cluster is busy for a while with what it leaves.
"""

ONLY_BY_NAME = {"scale"}
"""What runs only if it is asked for: it takes hours, and has a file of results and a page of its own."""

GRACE = 60
"""How many seconds a benchmark whose time is over has to end its hubs and pods."""


@dataclass
class Outcome:
    """What came of a benchmark."""

    name: str
    rows: list[Row] = field(default_factory=list)
    failure: str = ""
    """Why it did not end well; rows that it printed before that are good."""

    seconds: float = 0.0


def run_all(names: Iterable[str], quick: bool = False) -> Iterator[Outcome]:
    """Run benchmarks one after the other; one that fails is said, and the others go on."""
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        module, _, kind = name.partition("-")
        options = (["--kind", kind] if kind else []) + (["--quick"] if quick else [])
        command = [sys.executable, "-m", f"benchmarks.{module}", *options]
        outcome = run_one(name, command, BENCHMARKS[name])
        ending = f"failed: {outcome.failure}" if outcome.failure else f"{len(outcome.rows)} rows"
        print(f"{name}: {ending} in {outcome.seconds:.0f} s", file=sys.stderr, flush=True)
        yield outcome


def run_one(name: str, command: list[str], seconds: float, grace: float = GRACE) -> Outcome:
    """Run one command; its standard output is rows, one JSON object a line.

    Parameters
    ----------
    seconds
        How long it may take. It is then interrupted, as by Ctrl-C.
    grace
        How many seconds after that it, and what it started in its process group, is killed.
    """
    outcome = Outcome(name)
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        start_new_session=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    over = threading.Event()

    def end() -> None:
        over.set()
        process.send_signal(signal.SIGINT)

    timers = [threading.Timer(seconds, end), threading.Timer(seconds + grace, _kill_group, [process.pid])]
    for timer in timers:
        timer.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            try:
                outcome.rows.append(Row.from_dict(json.loads(line)))
            except (ValueError, TypeError, KeyError):
                print(f"  {line.rstrip()}", file=sys.stderr, flush=True)
        status = process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
        _kill_group(process.pid)
        raise
    finally:
        for timer in timers:
            timer.cancel()
    if over.is_set():
        outcome.failure = f"not done after {seconds:.0f} s"
    elif status:
        outcome.failure = f"ended with status {status}; its messages are above the table"
    elif not outcome.rows:
        outcome.failure = "printed no row"
    outcome.seconds = time.monotonic() - began
    return outcome


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)

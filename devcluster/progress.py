"""What a long step says while it runs: what it does, how long it has taken, and how long it should."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["say", "step"]

QUIET_INTERVAL = 30.0
"""Seconds between two signs of life where the output is no terminal, so that a log stays short."""


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"==> {text}", file=sys.stderr, flush=True)


@contextmanager
def step(what: str, expected: float = 0, progress: Callable[[], str] | None = None) -> Iterator[None]:
    """Announce a step, show that it is alive while it runs, and say what it took.

    Parameters
    ----------
    what
        What is done, as a person would say it: "Building the kubelet".
    expected
        Seconds that it takes on two cores; 0 for a step that is short.
    progress
        Says how far it is, as "12 of 40 files".
    """
    about = f" (about {_duration(expected)})" if expected else ""
    terminal = sys.stderr.isatty()
    began = time.monotonic()
    ended = threading.Event()
    if not terminal:
        say(f"{what}{about}")

    def beat() -> None:
        while not ended.wait(1 if terminal else QUIET_INTERVAL):
            elapsed = _duration(time.monotonic() - began) + (f", {progress()}" if progress else "")
            if terminal:
                print(f"\r\033[K==> {what}{about} … {elapsed}", end="", file=sys.stderr, flush=True)
            else:
                of = f" of about {_duration(expected)}" if expected else ""
                print(f"    … {elapsed}{of}", file=sys.stderr, flush=True)

    if terminal:
        print(f"==> {what}{about} …", end="", file=sys.stderr, flush=True)
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    outcome = "failed after"
    try:
        yield
        outcome = "done in"
    finally:
        ended.set()
        thread.join()
        took = f"{outcome} {_duration(time.monotonic() - began)}"
        if terminal:
            print(f"\r\033[K==> {what}: {took}", file=sys.stderr, flush=True)
        elif outcome != "done in" or time.monotonic() - began >= 1:
            print(f"    {took}", file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"

"""Running other programs: quiet when they work, with the end of what they said when they do not."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from devcluster.progress import say
from devcluster.settings import DevClusterError

__all__ = ["locked", "output", "run", "succeeds", "wait_for", "write"]


def run(
    *command: str | Path,
    log: Path | None = None,
    live: bool = False,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run a command and return what it printed.

    Parameters
    ----------
    log
        A file that the command's words are added to, for a person who wants all of them.
    live
        Whether they are added as they come; then nothing is returned.
    environ
        Variables besides this process's own.

    Raises
    ------
    DevClusterError
        If it fails: with the command and the end of what it said.
    """
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    if live and log:
        with log.open("a") as file:
            done = _run(command, cwd, environ, stdin, merge=True, into=file)
    else:
        done = _run(command, cwd, environ, stdin, merge=True)
        if log:
            with log.open("a") as file:
                file.write(f"$ {_shown(command)}\n{done.stdout}")
    if done.returncode:
        said = log.read_text(errors="replace") if live and log else done.stdout
        end = "\n".join(said.splitlines()[-20:])
        where = f"\nAll of it is in {log}" if log else ""
        raise DevClusterError(f"failed ({done.returncode}): {_shown(command)}\n{end}{where}")
    return done.stdout or ""


def output(*command: str | Path, environ: Mapping[str, str] | None = None) -> str:
    """Return what a command printed on its standard output, or an empty text where it failed."""
    try:
        done = _run(command, None, environ, None, merge=False)
    except DevClusterError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def succeeds(*command: str | Path, environ: Mapping[str, str] | None = None) -> bool:
    """Return whether a command ends with status 0."""
    try:
        return _run(command, None, environ, None, merge=True).returncode == 0
    except DevClusterError:
        return False


def wait_for(what: str, ready: Callable[[], bool], timeout: float, alive: Callable[[], bool]) -> None:
    """Return when `ready()` is true.

    Raises
    ------
    DevClusterError
        After `timeout` seconds, or as soon as `alive()` is false, for then it would never be.
    """
    until = time.monotonic() + timeout
    while not ready():
        if not alive():
            raise DevClusterError(f"{what} ended while it was starting")
        if time.monotonic() > until:
            raise DevClusterError(f"{what} was not ready after {timeout:.0f} s")
        time.sleep(0.1)


def write(path: Path, text: str, mode: int = 0o644) -> bool:
    """Put text into a file, whole or not at all, and return whether that changed it."""
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.touch(mode=mode)
    part.write_text(text)
    part.chmod(mode)
    part.replace(path)
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that a second `devcluster` waits for; the kernel drops it if this process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another devcluster to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(
    command: Sequence[str | Path],
    cwd: Path | None,
    environ: Mapping[str, str] | None,
    stdin: str | None,
    *,
    merge: bool,
    into: IO[str] | None = None,
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [str(word) for word in command],
            check=False,
            # The folder that we were called from may be gone; "/" never is.
            cwd=cwd or "/",
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL if stdin is None else None,
            input=stdin,
            stdout=into or subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        raise DevClusterError(f"{command[0]}: not installed; `python3 -m devcluster build` does") from None


def _shown(command: Sequence[str | Path]) -> str:
    text = " ".join(str(word) for word in command)
    return text if len(text) < 200 else f"{text[:200]} …"

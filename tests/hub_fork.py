"""Hubs and operators for the tests, forked from a process that has imported them once: half of a start is imports.

What a hub does after its imports is what it always does: its arguments, environment, folder and log are its own, and
it ends as any Python program. `hub_command.HUB` is the ordinary way, for tests of the start itself. So it is with the
operator, which the tests of the demo and of the chart start in the ordinary way.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from jhkube.iri_grammar import leave_out_iri_grammar

__all__ = ["HubProcess", "fork_hub", "fork_operator"]

ROOT = Path(__file__).parents[1]

HUB, OPERATOR = "jupyterhub.app", "jhkube.cli"
"""The modules whose `main` is the program."""

IMPORTED = {
    HUB: (
        "jupyterhub.app",
        "jupyterhub.proxy",
        "sqlalchemy.dialects.sqlite.aiosqlite",
        "sqlalchemy.dialects.sqlite.pysqlite",
        "alembic.command",
        "alembic.runtime.migration",
        "kubespawner",
        "oauthenticator.generic",
        "jhkube.spawner",
        "jhkube.auth",
        "jhkube.deployment.settings",
    ),
    OPERATOR: ("jhkube.commands.operator", "jhkube.operator.process"),
}
"""What each program of the tests imports, and nothing that begins anything."""

READ_AT_IMPORT = ("CILOGON_HOST", "KUBECONFIG")
"""Variables that these read when they are imported. Programs that have others are forked from another process."""

NUMBER = struct.Struct("=i")
"""How a process's number, and later its end, come back."""

LARGEST_REQUEST = 2**18
"""In bytes; the environment is most of it."""


class HubProcess:
    """A forked hub or operator, with what the tests use of `subprocess.Popen`.

    Parameters
    ----------
    told
        Where the number of the hub's process comes, and its exit status when it ends.
    """

    def __init__(self, told: int) -> None:
        self._told = told
        self.pid = self._next()
        self.returncode: int | None = None

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._told)

    def _next(self) -> int:
        data = os.read(self._told, NUMBER.size)
        if len(data) != NUMBER.size:
            raise RuntimeError("the process that forks it has ended")
        number: int = NUMBER.unpack(data)[0]
        return number

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.returncode = self._next()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once it has ended; raise `subprocess.TimeoutExpired` after so many seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise subprocess.TimeoutExpired("a forked program", timeout or 0)
            select.select([self._told], [], [], left)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without warning."""
        self.send_signal(signal.SIGKILL)


def fork_hub(arguments: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: BinaryIO) -> HubProcess:
    """Start a hub as `jupyterhub` with these arguments does, in a session of its own; all it writes is logged."""
    return _fork(HUB, ["jupyterhub", *arguments], cwd, env, log)


def fork_operator(arguments: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: BinaryIO) -> HubProcess:
    """Start an operator as `jhkube operator` with these arguments does, in a session of its own."""
    return _fork(OPERATOR, ["jhkube", "operator", *arguments], cwd, env, log)


def _fork(
    program: str, command: Sequence[str | Path], cwd: Path, env: Mapping[str, str], log: BinaryIO
) -> HubProcess:
    request = {"command": [str(each) for each in command], "cwd": str(cwd), "env": dict(env)}
    told, tells = os.pipe()
    try:
        socket.send_fds(
            _server(program, *(env.get(name) for name in READ_AT_IMPORT)),
            [json.dumps(request).encode()],
            [log.fileno(), tells],
        )
    finally:
        os.close(tells)
    return HubProcess(told)


@functools.cache
def _server(program: str, *read_at_import: str | None) -> socket.socket:
    """Return the way to this process's own server with these variables, which ends when this process does."""
    environ = {name: value for name, value in os.environ.items() if name not in READ_AT_IMPORT}
    environ |= {name: value for name, value in zip(READ_AT_IMPORT, read_at_import, strict=True) if value is not None}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", "tests.hub_fork", program],
            cwd=ROOT,
            env={**environ, "PYTHONUNBUFFERED": "1"},
            stdin=theirs,
            start_new_session=True,
        )
    return ours


def _serve(program: str) -> None:
    """Fork a process for each request, until nobody is left who could ask; return in each process of its own."""
    leave_out_iri_grammar()
    for name in IMPORTED[program]:
        importlib.import_module(name)
    # What is there now stays shared between the processes.
    gc.collect()
    gc.freeze()
    # The processes between this one and those are not waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    asked = socket.socket(fileno=os.dup(0))
    while True:
        data, descriptors, _, _ = socket.recv_fds(asked, LARGEST_REQUEST, 2)
        if not data:
            os._exit(0)
        if os.fork() == 0:
            asked.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _fork_and_tell(descriptors[1])
            _become(**json.loads(data), log=descriptors[0])
            return
        for each in descriptors:
            os.close(each)


def _fork_and_tell(tells: int) -> None:
    """Fork once more and return in the new process; the old one tells its number and its end, and ends."""
    pid = os.fork()
    if pid:
        # Nobody may be left to hear it.
        with contextlib.suppress(BrokenPipeError):
            os.write(tells, NUMBER.pack(pid))
            os.write(tells, NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
        os._exit(0)
    os.close(tells)


def _become(command: Sequence[str], cwd: str, env: Mapping[str, str], log: int) -> None:
    """Give this process what a program has that was started."""
    os.setsid()
    os.chdir(cwd)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = list(command)
    sys.path.insert(0, cwd)
    random.seed()


if __name__ == "__main__":
    PROGRAM = sys.argv[1]
    _serve(PROGRAM)
    sys.exit(importlib.import_module(PROGRAM).main())

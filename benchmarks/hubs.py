"""Hubs as processes of their own, with what is read off them: answers, processor time and memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from devcluster.settings import Settings
from tests.hubs import end_rest
from tests.ports import free_port

from .rows import say

__all__ = ["CRYPT_KEY", "BenchHub", "at_rest", "processor_seconds", "recorded", "resident_mib", "run"]

HERE = Path(__file__).parent
API_TOKEN = "bench-" + "0" * 32
CRYPT_KEY = "11" * 32


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a benchmark to its end; when it is terminated it ends its hubs and pods, as after Ctrl-C."""

    async def until_terminated() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await main

    asyncio.run(until_terminated())


class BenchHub:
    """A hub with one of this folder's configurations, which reads `settings` from JHKUBE_BENCH."""

    def __init__(
        self,
        config: str,
        settings: Mapping[str, Any],
        folder: Path,
        port: int,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "hub.log"
        own = {"port": port, "hub_port": free_port(), "proxy_port": free_port(), "token": API_TOKEN}
        self.settings = {**own, **settings}
        self._config, self._folder, self._environ = config, folder, dict(environ or {})

    async def up(self, timeout: float = 60) -> float:
        """Start the hub and return, when it answers, how many seconds that took."""
        self._folder.mkdir(parents=True, exist_ok=True)
        node = Settings.load().cache / "node_modules/.bin"
        environ = os.environ | {
            "JHKUBE_BENCH": json.dumps(self.settings),
            "JUPYTERHUB_CRYPT_KEY": CRYPT_KEY,
            "PATH": f"{Path(sys.executable).parent}:{node}:{os.environ['PATH']}",
            **self._environ,
        }
        began = time.monotonic()
        with self.log.open("ab") as log:
            # In a session of its own: an interrupt of the benchmark must not end it before `down` has.
            self.process = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, "-m", "jupyterhub", "-f", str(HERE / self._config)],
                cwd=self._folder,
                env=environ,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.session = aiohttp.ClientSession(
            headers={"Authorization": f"token {API_TOKEN}"}, connector=aiohttp.TCPConnector(limit=0)
        )
        async with asyncio.timeout(timeout):
            while True:
                if self.process.poll() is not None:
                    raise RuntimeError(f"the hub ended:\n{self.log.read_text()[-3000:]}")
                with contextlib.suppress(aiohttp.ClientError):
                    async with self.session.get(f"{self.settings['health']}/hub/health") as answer:
                        if answer.status == 200:
                            return time.monotonic() - began
                await asyncio.sleep(0.05)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make a request to the hub's API, and return its JSON."""
        async with self.session.request(method, f"{self.url}/hub/api{path}", json=body) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {text}")
            return json.loads(text) if text else None

    async def down(self) -> None:
        """End the hub, and its proxy."""
        if not hasattr(self, "process"):
            return
        await self.session.close()
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self.process.wait, 30)
        end_rest(self.process.pid, self._folder)
        self.process.wait()


@contextlib.asynccontextmanager
async def recorded(pid: int, path: Path) -> AsyncIterator[None]:
    """Record a process by py-spy, as collapsed stacks."""
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    spy = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("py-spy")), "record", "--rate", "200", "--format", "raw"),
        *("--pid", str(pid), "--output", str(path)),
        stdout=asyncio.subprocess.DEVNULL,
    )
    # Until it has found its way around the process.
    await asyncio.sleep(1)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            spy.send_signal(signal.SIGINT)
        await spy.wait()


async def at_rest(idle: float = 0.85, longest: float = 60) -> None:
    """Wait until the machine has done what an earlier round has left it, removing dozens of pods for one.

    Parameters
    ----------
    idle
        The part of its processors' time that is to be unused, over a second.
    longest
        How long to wait for that, in seconds.
    """
    until = time.monotonic() + longest
    before = _processor_times()
    while time.monotonic() < until:
        await asyncio.sleep(1)
        now = _processor_times()
        if now[0] - before[0] >= idle * (now[1] - before[1]):
            return
        before = now
    say(f"the machine did not come to rest within {longest:.0f} s")


def _processor_times() -> tuple[int, int]:
    """The time in which the processors had nothing to do, and all of it."""
    times = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return times[3] + times[4], sum(times)


def processor_seconds(pid: int) -> float:
    """Return the seconds of processor that a process has used, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int, field: str = "VmRSS") -> float:
    """Return a process's memory: `VmRSS` as it is now, `VmHWM` at its highest."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(field)

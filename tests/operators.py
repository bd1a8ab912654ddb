"""`jhkube operator` as a process of its own, with the account that the chart gives it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.accounts import kubectl
from tests.ports import free_port


async def define(definitions: list[dict[str, Any]]) -> None:
    """Have the API server know kinds of custom resources; other tests have them too, so they stay."""
    await kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(definitions))
    names = [f"crd/{each['metadata']['name']}" for each in definitions]
    await kubectl("wait", "--for=condition=Established", *names, "--timeout=60s")


class Operator:
    """An operator's process.

    Parameters
    ----------
    namespace
        Where it works.
    kubeconfig
        Its account.
    folder
        Where its logs go.
    arguments
        More arguments.
    environ
        More variables.
    """

    def __init__(self, namespace: str, kubeconfig: Path, folder: Path, *arguments: str, **environ: str) -> None:
        self.namespace, self.kubeconfig, self.folder = namespace, kubeconfig, folder
        self.arguments, self.environ = arguments, environ
        self.process: asyncio.subprocess.Process | None = None
        self.runs = self.liveness = self.metrics = 0

    @property
    def log(self) -> str:
        """Everything that it has written."""
        return "".join(file.read_text() for file in sorted(self.folder.glob("operator-*.log")))

    async def start(self) -> None:
        """Start it, and return when it works."""
        self.runs += 1
        path = self.folder / f"operator-{self.runs}.log"
        environ = {**os.environ, "KUBECONFIG": str(self.kubeconfig), **self.environ}
        self.liveness, self.metrics = free_port(), free_port()
        command = [sys.executable, "-m", "jhkube.cli", "operator", "--namespace", self.namespace, *self.arguments]
        command += [f"--liveness-port={self.liveness}", f"--metrics-port={self.metrics}"]
        with path.open("w") as log:
            self.process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=log, stderr=log)
        async with asyncio.timeout(90):
            while "Working in" not in path.read_text():
                assert self.process.returncode is None, path.read_text()
                await asyncio.sleep(0.1)

    async def end(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal, if it runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()

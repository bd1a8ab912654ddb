"""A PostgreSQL server of the tests' own: Debian's, on the loopback, without the safety that takes time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from devcluster.packages import POSTGRESQL
from tests.ports import free_port


class PostgreSQL:
    """A server; within the block it runs. As root it runs as `postgres`, since it refuses to be root.

    Parameters
    ----------
    is_durable
        Whether each commit is on the disk before it is said to be done, as in production.
    """

    def __init__(self, *, is_durable: bool = False) -> None:
        self._fsync = "on" if is_durable else "off"
        self.user = "postgres" if os.geteuid() == 0 else None
        self.port = free_port()

    @property
    def url(self) -> str:
        """The database, as JupyterHub takes it."""
        return f"postgresql+psycopg://hub@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> PostgreSQL:
        # Not below pytest's folder, which nobody else may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="jhkube-postgresql-"))
        if self.user:
            shutil.chown(self.folder, self.user)
        wanted = ("--username=hub", "--auth=trust", "--no-sync", "--no-instructions", "--locale=C.UTF-8")
        if not self._run("initdb", *wanted):
            raise RuntimeError("initdb failed: see above")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "stop", "--mode=immediate", "--timeout=240")
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start the server, and return when it takes connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync={self._fsync}"
        log = self.folder / "log"
        until = time.monotonic() + 240
        while not self._run("pg_ctl", "start", "--wait", "--timeout=240", f"--log={log}", f"--options={options}"):
            # After a kill it has to wait until the children of the last one have ended themselves.
            if time.monotonic() > until:
                raise RuntimeError(log.read_text())
            time.sleep(0.2)

    def kill(self) -> None:
        """End the server as a machine does that loses power: no connection is closed in order."""
        pid = int((self.folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

    def _run(self, program: str, *arguments: str) -> bool:
        command = [POSTGRESQL / program, f"--pgdata={self.folder}", *arguments]
        return subprocess.run(command, user=self.user, cwd="/", stdin=subprocess.DEVNULL).returncode == 0

"""From a container's start to its first HTTP answer: the lab image beside the same packages simply installed.

    python -m benchmarks.lab_start [--starts 10]

The images `plain` and `lab` of the registry, and `lab` with jupyterhub's own command in place of its own, are started
in turn by the development cluster's containerd, each after the one before has ended, and asked until they answer. The
clock starts with the container's first process, as the kernel has it. This program plays the hub, in the network
namespace of the cluster's node, where the containers are. The first round is not counted: it reads the images from
the disk.
"""

from __future__ import annotations

import argparse
import http.server
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from devcluster.build import binaries
from devcluster.images import DEMO_TAG, PLAIN_TAG
from devcluster.network import enter
from devcluster.settings import Settings
from tests.ports import free_port

from .rows import Row, Target, emit, quantile, say

SETTINGS = Settings.load()
CTR = (str(binaries(SETTINGS) / "ctr"), "-a", str(SETTINGS.containerd), "-n", "jhkube-bench")
PLAIN, LAB = f"{SETTINGS.registry}/plain:{PLAIN_TAG}", f"{SETTINGS.registry}/lab:{DEMO_TAG}"
TARGET = Target(ratio=0.8)
STARTED: dict[str, tuple[str, ...]] = {
    "plain": (PLAIN,),
    "lab, by jupyterhub's own command": (LAB, "lab-start", "python3", "-m", "jupyterhub.singleuser"),
    "lab": (LAB,),
}


class Hub(http.server.BaseHTTPRequestHandler):
    """Says what a server asks its hub for at its start: the version."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b'{"version": "6.1.1"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def ctr(*arguments: str) -> str:
    return subprocess.run([*CTR, *arguments], check=True, capture_output=True, text=True).stdout


def first_answer(port: int, timeout: float = 60) -> float:
    """Return when the server on the port first answered, in seconds since the machine's boot."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=timeout) as asked:
                asked.sendall(b"GET /user/ada/api HTTP/1.0\r\n\r\n")
                status = asked.recv(12)
            if status.endswith(b"200"):
                return time.clock_gettime(time.CLOCK_BOOTTIME)
        except OSError:
            pass
        time.sleep(0.005)
    raise TimeoutError(f"no answer in {timeout} s")


def process(pid: str) -> list[str]:
    """Return what the kernel says of a process from its state on: fields 3 and up of stat, in proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def process_start(pid: str) -> float:
    """Return when a process started, in seconds since the machine's boot."""
    return int(process(pid)[19]) / os.sysconf("SC_CLK_TCK")


def cores_used(pid: str) -> float:
    """Return the processor seconds of a process and of those that it started, so far."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = sum(map(int, process(pid)[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(cores_used, children))


def measured(name: str, hub: int) -> tuple[float, float]:
    """Start a container; return seconds to its first answer, and the processor's seconds until then."""
    image, *command = STARTED[name]
    port = free_port()
    environ = {
        "JUPYTERHUB_API_TOKEN": "benchmark",
        "JUPYTERHUB_USER": "ada",
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-ada",
        "JUPYTERHUB_API_URL": f"http://127.0.0.1:{hub}/hub/api",
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": "/user/ada/oauth_callback",
        "JUPYTERHUB_OAUTH_SCOPES": '["access:servers!server=ada/"]',
        "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}/user/ada/",
        "JUPYTERHUB_DEFAULT_URL": "/lab",
    }
    container = f"lab-start-{port}"
    variables = [word for key, value in environ.items() for word in ("--env", f"{key}={value}")]
    entry = ("tini", "--", *command) if command else ()
    ctr("run", "-d", "--net-host", *variables, image, container, *entry)
    try:
        answered = first_answer(port)
        pid = next(line.split()[1] for line in ctr("tasks", "ls").splitlines() if line.startswith(container))
        return answered - process_start(pid), cores_used(pid)
    finally:
        subprocess.run([*CTR, "tasks", "kill", "-s", "SIGKILL", "-a", container], check=False, capture_output=True)
        subprocess.run([*CTR, "tasks", "delete", "-f", container], check=False, capture_output=True)
        ctr("containers", "delete", container)


def rows(results: dict[str, list[tuple[float, float]]]) -> list[Row]:
    """Return what came of it, the lab beside the plain image."""
    found = []
    for index, (what, target) in enumerate((("to the first answer", TARGET), ("processor time until then", None))):
        ours, theirs = ([start[index] for start in results[name]] for name in ("lab", "plain"))
        for part, name in ((0.5, "median"), (0.95, "p95")):
            found.append(
                Row(
                    group="Start of the lab image's server",
                    beside="the same packages, simply installed",
                    measure=f"{what}, {name}",
                    size=1,
                    of="at once",
                    unit="s",
                    jhkube=round(quantile(ours, part), 3),
                    other=round(quantile(theirs, part), 3),
                    target=target if name == "median" else None,
                )
            )
    return found


def main() -> None:
    """Measure, and print rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=10, help="of each, beside the one that is not counted")
    parser.add_argument("--quick", action="store_true", help="three starts of each")
    options = parser.parse_args()
    if not Path(f"/run/netns/{SETTINGS.netns}").samefile("/proc/self/ns/net"):
        command = [*enter(SETTINGS), sys.executable, "-m", "benchmarks.lab_start", *sys.argv[1:]]
        os.execvp(command[0], command)
    starts = 3 if options.quick else options.starts
    hub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    for image in (PLAIN, LAB):
        ctr("images", "pull", "--plain-http", "--hosts-dir", str(SETTINGS.containerd.parent / "registries"), image)
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTED}
    for number in range(starts + 1):
        # Each goes first in its turn.
        names = [*STARTED][number % len(STARTED) :] + [*STARTED][: number % len(STARTED)]
        for name in names:
            found = measured(name, hub.server_port)
            say(f"{number} {name}: {found[0]:.2f} s, {found[1]:.2f} s of a core")
            if number:
                results[name].append(found)
    for row in rows(results):
        emit(row)
    for name, started in results.items():
        say(f"{name}: {statistics.median(wall for wall, _ in started):.2f} s, medians")


if __name__ == "__main__":
    main()

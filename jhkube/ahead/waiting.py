"""Wait in a pod until the hub hands over a start, then become the server.

This file runs in people's pods, with the Python of their image: it uses the standard library alone. `wait.sh` calls
it as `waiting.py SECONDS PORT script|command COMMAND…`.

The hub sends one request, `POST /jhkube/handover`, with the secret of the file `key` in its folder and with the
environment of the start. Everything else is answered with 503 and nothing more: the hub takes 503 for a server that
is not there yet, and strangers learn nothing. After `SECONDS` the program ends, whatever happened to the hub,
with status 0, so that kubelet does not start it again.
"""

from __future__ import annotations

import gc
import hmac
import importlib
import json
import os
import platform
import runpy
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

PATH = "/jhkube/handover"
LONGEST_HEAD = 16 * 1024
LONGEST_BODY = 256 * 1024
SLOWEST = 5.0
"""Seconds for a whole request: a busy hub may send what follows the first words of its own seconds later."""

NO_CONTENT = "HTTP/1.1 204 No Content\r\nConnection: close\r\nX-Waited: {:.3f}\r\n\r\n"
"""The answer to the hub; it says for how many seconds the program has listened."""

UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

MODULES = (
    "jupyterhub.singleuser",
    "jupyterlab.labapp",
    "jupyter_server.serverapp",
    "jupyter_server.services.contents.largefilemanager",
    "jupyter_server.services.kernels.kernelmanager",
    "jupyter_server.services.sessions.sessionmanager",
    "jupyter_server.gateway.managers",
    "jupyter_client.asynchronous",
    "jupyter_client.provisioning.local_provisioner",
    "jupyter_core.migrate",
    "nbconvert.exporters",
    "notebook_shim.nbserver",
    "tornado.platform.asyncio",
    "tornado.simple_httpclient",
    "IPython.core.interactiveshell",
    "anyio._backends._asyncio",
    "anyio.lowlevel",
    "babel.dates",
    "babel.numbers",
    "httpcore",
    "ipykernel.kernelspec",
    "jinja2.ext",
    "sqlite3",
)
"""What a single-user server and its first page import, as far as an image has it.

Its handlers and extensions are not listed.

Not `jupyterlab.labhubapp`: its import changes Jupyter's handlers for a server that does not begin as jupyterhub's
extension, and nobody could log in to one that does.
"""


class Deadline:
    """Ends the process some seconds from now, by a clock that nobody can set, unless it is lifted."""

    def __init__(self, seconds: float) -> None:
        self._lifted = threading.Event()
        self._thread = threading.Thread(target=self._wait, args=(seconds,), daemon=True)
        self._thread.start()

    def _wait(self, seconds: float) -> None:
        if not self._lifted.wait(seconds):
            os._exit(0)

    def lift(self) -> None:
        """Let the process go on."""
        self._lifted.set()
        self._thread.join()


def preload() -> None:
    """Import what the server will import. A module that is not there, or broken, is the server's own trouble."""
    gc.disable()
    for name in MODULES:
        _import(name)
    server = sys.modules.get("jupyter_server.serverapp")
    for modules in getattr(server, "JUPYTER_SERVICE_HANDLERS", {}).values():
        for name in modules or ():
            _import(name)
    for name in _extensions():
        _import(name)
        # What an extension of the image does in advance.
        with suppress(Exception, SystemExit):
            sys.modules[name]._jhkube_prepare_start()
    # The server tells its platform, for which Python starts a program, once.
    platform.platform()
    read_authorities()
    # What has been made by now stays, so that no later look for garbage walks it.
    gc.collect()
    gc.freeze()
    gc.enable()


def read_authorities() -> None:
    """Read the certificates of all authorities, which would take half of the time that is left for the start.

    JupyterLab's extension manager makes a client with them when it begins. The first who asks for such a context gets
    the one that is made here, and everybody after that their own.
    """
    with suppress(Exception):
        # By name: not every image has them.
        ssl: Any = importlib.import_module("ssl")
        certifi: Any = importlib.import_module("certifi")
        make, known = ssl.create_default_context, os.environ.get("SSL_CERT_FILE") or certifi.where()
        context = make(cafile=known)

        def made(purpose: object = ssl.Purpose.SERVER_AUTH, **sources: object) -> object:
            if purpose is ssl.Purpose.SERVER_AUTH and sources == {"cafile": known}:
                ssl.create_default_context = make
                return context
            return make(purpose, **sources)

        ssl.create_default_context = made


def _import(name: str) -> None:
    # A module of the person's own may raise anything, even SystemExit.
    with suppress(Exception, SystemExit):
        importlib.import_module(name)


def _extensions() -> list[str]:
    """Return the server extensions that Jupyter's configuration enables."""
    enabled: dict[str, bool] = {}
    with suppress(Exception):
        # By name: it is in people's images, and not where jhkube is.
        paths = importlib.import_module("jupyter_core.paths")
        for folder in reversed(paths.jupyter_config_path()):
            for file in sorted(Path(folder, "jupyter_server_config.d").glob("*.json")):
                with suppress(OSError, ValueError, AttributeError):
                    section = json.loads(file.read_text("utf-8")).get("ServerApp", {})
                    enabled.update(section.get("jpserver_extensions", {}))
    return [name for name, is_on in enabled.items() if is_on]


def listen(port: int) -> socket.socket:
    """Return a socket that listens on all addresses of the pod."""
    if socket.has_dualstack_ipv6():
        with suppress(OSError):
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def received(listener: socket.socket, key: str) -> dict[str, str]:
    """Return the environment that is handed over; until then, refuse everything else, one request at a time.

    The listener is closed before the answer goes out, so that whoever was answered can listen there next.
    """
    since = time.monotonic()
    while True:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            environment = environment_in(connection, key)
            if environment is not None:
                listener.close()
                with suppress(OSError):
                    connection.sendall(NO_CONTENT.format(time.monotonic() - since).encode())
                return environment
            connection.sendall(UNAVAILABLE)
            connection.shutdown(socket.SHUT_WR)


def environment_in(connection: socket.socket, key: str) -> dict[str, str] | None:
    """Return the environment in a request, or None where it is not the hub's, or not well formed."""
    until = time.monotonic() + SLOWEST
    said = b""
    while b"\r\n\r\n" not in said:
        if len(said) > LONGEST_HEAD or not (data := _some(connection, until)):
            return None
        said += data
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    fields = dict(line.lower().split(b":", 1) for line in lines if b":" in line)
    given = fields.get(b"authorization", b"").strip()
    # First, and always: how long it takes to refuse a request tells nothing.
    is_hub = hmac.compare_digest(given, b"bearer " + key.lower().encode())
    if not is_hub or first.split(b" ")[:2] != [b"POST", PATH.encode()]:
        return None
    length = fields.get(b"content-length", b"").strip()
    if not length.isdigit() or len(length) > 6 or int(length) > LONGEST_BODY:
        return None
    while len(body) < int(length):
        if not (data := _some(connection, until)):
            return None
        body += data
    return _environment(body)


def _environment(body: bytes) -> dict[str, str] | None:
    try:
        handed = json.loads(body)
    except ValueError:
        return None
    if not isinstance(handed, dict):
        return None
    for name, value in handed.items():
        if not name or "=" in name or not isinstance(value, str) or "\0" in name + value:
            return None
    return handed


def _some(connection: socket.socket, until: float) -> bytes:
    """Return what comes next, or nothing where the request takes too long."""
    left = until - time.monotonic()
    if left <= 0:
        return b""
    connection.settimeout(left)
    try:
        return connection.recv(65536)
    except TimeoutError:
        return b""


def run(how: str, command: list[str]) -> None:
    """Become the server: in this process where its program is a Python script, else in its place."""
    if how == "command":
        os.execvp(command[0], command)
    sys.argv = command
    sys.path[0] = str(Path(command[0]).resolve().parent)
    runpy.run_path(command[0], run_name="__main__")


def main(argv: list[str]) -> None:
    """Wait, and become the server."""
    seconds, port, how, *command = argv
    key = Path(__file__).with_name("key").read_text("utf-8").strip()
    if not key:
        # The server ran here and has ended. Its start cannot be had again.
        return
    deadline = Deadline(float(seconds))
    # The first process of a container is not ended by a signal that it does not handle.
    before = signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if how == "script":
        preload()
    environment = received(listen(int(port)), key)
    deadline.lift()
    signal.signal(signal.SIGTERM, before)
    os.environ.update(environment)
    run(how, command)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Told of readiness, not polling for it: the moment at which a pod's server answers."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.utils import make_ssl_context

from jhkube.watch._containers import MAIN_CONTAINER, MAIN_FIELD

__all__ = ["Cadence", "Stage", "answering", "answers", "hub_ssl_context", "stage_of"]

_LONGEST_LINE = 65536
"""As asyncio's streams have it."""


@dataclass(frozen=True)
class Cadence:
    """How often a pod is asked whether it answers, in seconds."""

    eager: float = 0.05
    """When the server can be about to listen."""
    fading: float = 0.01
    """The wait as a part of the time the eager time has lasted: 0.3 s between tries after 30 s."""
    slowest: float = 0.5
    """The longest wait between two tries of an eager time."""
    idle: float | None = 2.0
    """While the pod has an address and something else must come first, in case the kubelet's report of the
    end of that is late; None for never."""
    connect_timeout: float = 1.0
    answer_timeout: float = 10.0

    def pause(self, lasted: float) -> float:
        """The wait before the next try, when the eager time has lasted so many seconds."""
        return min(max(self.eager, lasted * self.fading), self.slowest)


class Stage:
    """How near a pod's server is to listening."""

    NO_ADDRESS = "no address"
    """There is nothing to connect to."""
    PREPARING = "preparing"
    """The pod has an address, and an init container or a pull must end first."""
    STARTING = "starting"
    """The server's container runs, or can be about to."""


def stage_of(pod: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]] = ()) -> str:
    """The `Stage` of a pod; pure.

    The kubelet reports a container as running up to a second after it began, so a server counts as starting
    from the moment nothing is left that must come before it.
    """
    if pod is None or "deletionTimestamp" in pod["metadata"]:
        return Stage.NO_ADDRESS
    status = pod["status"]
    if not status.get("podIP") or status.get("phase") in ("Failed", "Succeeded"):
        return Stage.NO_ADDRESS
    main = _main_container(status)
    if "running" in main:
        return Stage.STARTING
    if (main.get("waiting") or {}).get("reason", "ContainerCreating") not in ("ContainerCreating", "PodInitializing"):
        return Stage.PREPARING
    if _is_made(events):
        return Stage.STARTING
    for init in status.get("initContainerStatuses") or ():
        state = init.get("state") or {}
        # a sidecar among the init containers runs on, and has "started" when the next may begin
        sidecar = "running" in state and init.get("started") and init.get("ready")
        if (state.get("terminated") or {}).get("exitCode") != 0 and not sidecar:
            return Stage.PREPARING
    return Stage.PREPARING if _is_pulling(events) else Stage.STARTING


def _main_container(status: Mapping[str, Any]) -> Mapping[str, Any]:
    statuses = status.get("containerStatuses") or ()
    for container in statuses:
        if container["name"] == MAIN_CONTAINER:
            return container.get("state") or {}
    return (statuses[0].get("state") or {}) if statuses else {}


def _is_made(events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an event says that the main container was made, which its status may tell a second later."""
    return any(
        event.get("reason") in ("Created", "Started") and event["involvedObject"].get("fieldPath") == MAIN_FIELD
        for event in events
    )


def _is_pulling(events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the newest event on an image says that it is being pulled."""
    for event in reversed(events):
        if event.get("reason") in ("Pulled", "Created", "Started"):
            return False
        if event.get("reason") == "Pulling":
            return True
    return False


async def answering(
    stage: Callable[[], str],
    url: Callable[[], str],
    changed: asyncio.Event,
    *,
    path: str,
    ssl_context: ssl.SSLContext | None = None,
    cadence: Cadence = Cadence(),
) -> str:
    """Return the server's URL as soon as it answers.

    Parameters
    ----------
    stage
        How near the server is to listening; called at the beginning and after each change. What it raises ends
        the wait.
    url
        The server's URL, as `http://10.1.2.3:8888`; called only when the pod has an address.
    changed
        Set by whoever watches the pod. Cleared here.
    path
        What to ask for: `/user/alice/api`.
    ssl_context
        The hub's own context where `internal_ssl` is on.
    """
    eager_since = 0.0
    now, address = Stage.NO_ADDRESS, ""
    changed.set()
    while True:
        if changed.is_set():
            changed.clear()
            before, now = now, stage()
            if now == Stage.STARTING != before:
                eager_since = time.monotonic()
            # Not at each try: there can be a hundred.
            address = url() if now != Stage.NO_ADDRESS else ""
        if now == Stage.NO_ADDRESS:
            await changed.wait()
            continue
        is_eager = now == Stage.STARTING
        if (is_eager or cadence.idle is not None) and await answers(address, path, ssl_context, cadence):
            return address
        if is_eager:
            await asyncio.sleep(cadence.pause(time.monotonic() - eager_since))
        else:
            await _set_within(changed, cadence.idle)


async def _set_within(event: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


async def answers(
    url: str, path: str, ssl_context: ssl.SSLContext | None = None, cadence: Cadence = Cadence()
) -> bool:
    """Whether a server answers at this URL with anything but an error of its own (5xx), as the hub asks it
    afterwards.

    The connect comes first and alone, on a plain socket: nearly all tries end there, at a tenth of the cost
    of an HTTP client's.
    """
    host, port, family, is_secure = _address_of(url)
    connected = await _connected(host, port, family, cadence.connect_timeout)
    if connected is None:
        return False
    secure = (ssl_context or ssl.create_default_context()) if is_secure else None
    parts = urlsplit(url)
    request = (
        f"GET {parts.path.rstrip('/')}{path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        "User-Agent: jhkube\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    ).encode()
    try:
        async with asyncio.timeout(cadence.answer_timeout):
            if secure:
                line = await _said_securely(connected, request, host, secure)
            else:
                line = await _said(connected, request)
    except (OSError, TimeoutError, ValueError):
        # ssl.SSLError and every refused or broken connection are OSErrors
        return False
    # HTTP/1.1 200 OK
    words = line.split(maxsplit=2)
    return len(words) > 1 and words[0].startswith(b"HTTP/") and words[1] < b"500"


async def _said(connected: socket.socket, request: bytes) -> bytes:
    """The beginning of the answer to a request, with its first line.

    On the plain socket: when many servers answer in one second, each turn of the hub's loop that a stream takes costs
    ten times what is done in it.
    """
    loop = asyncio.get_running_loop()
    said = b""
    try:
        await loop.sock_sendall(connected, request)
        while b"\n" not in said and len(said) < _LONGEST_LINE and (data := await loop.sock_recv(connected, 4096)):
            said += data
    finally:
        connected.close()
    return said


async def _said_securely(connected: socket.socket, request: bytes, host: str, context: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection(sock=connected, ssl=context, server_hostname=host)
    try:
        writer.write(request)
        return await reader.readline()
    finally:
        writer.transport.abort()


def hub_ssl_context(spawner: Any) -> Any:
    """What the hub itself asks a spawner's server with, where `internal_ssl` is on."""
    settings = spawner.user.settings
    return make_ssl_context(  # type: ignore[no-untyped-call]
        settings.get("internal_ssl_key"),
        settings.get("internal_ssl_cert"),
        cafile=settings.get("internal_ssl_ca"),
    )


@lru_cache(maxsize=1024)
def _address_of(url: str) -> tuple[str, int, socket.AddressFamily | None, bool]:
    """Host, port, address family (None: the host is a name) and whether it is https."""
    parts = urlsplit(url)
    host, is_secure = parts.hostname or "", parts.scheme == "https"
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        family = None
    else:
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
    return host, parts.port or (443 if is_secure else 80), family, is_secure


async def _connected(
    host: str, port: int, family: socket.AddressFamily | None, timeout: float
) -> socket.socket | None:
    """A connected socket, or None.

    Every spawn makes dozens of these; `loop.sock_connect` within a timeout costs twice as much.
    """
    loop = asyncio.get_running_loop()
    address: Any = (host, port)
    if family is None:
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            return None
        family, address = found[0][0], found[0][4]
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        error = sock.connect_ex(address)
        if error == errno.EINPROGRESS:
            writable = loop.create_future()
            loop.add_writer(sock, _settle, writable, True)
            timer = loop.call_later(timeout, _settle, writable, False)
            try:
                in_time = await writable
            finally:
                timer.cancel()
                loop.remove_writer(sock)
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if in_time else errno.ETIMEDOUT
    except BaseException:
        sock.close()
        raise
    if error:
        sock.close()
        return None
    return sock


def _settle(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)

"""The readiness probe: the moment at which a pod's server answers."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import math
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.utils import make_ssl_context
from tornado.httputil import HTTPHeaders, HTTPInputError

from jhkube.watch.containers import MAIN_CONTAINER, MAIN_FIELD

__all__ = [
    "Cadence",
    "Headers",
    "Stage",
    "answer_of",
    "hub_ssl_context",
    "set_within",
    "stage_of",
    "wait_until_answers",
]


@dataclass(frozen=True)
class Cadence:
    """How often a pod is probed, in seconds."""

    eager: float = 0.05
    """When the server can be about to listen."""
    fading: float = 0.005
    """The wait as a part of the time the eager time has lasted, at the most: 0.1 s between tries after 20 s."""
    slowest: float = 0.4
    """The longest wait between two tries of an eager time."""
    idle: float | None = 2.0
    """While the pod has an address and something else must come first, in case the kubelet's report of the
    end of that is late; None for never."""

    def pause(self, lasted: float) -> float:
        """The wait between two tries when the eager time has lasted so many seconds: `eager`, doubled some times."""
        wanted = min(lasted * self.fading, self.slowest)
        return self.eager * 2.0 ** int(math.log2(max(wanted / self.eager, 1.0)))

    def until_next(self, now: float, since: float) -> float:
        """The wait until the next try, when the eager time began at `since`, in seconds of the same clock.

        All that wait at a time try at the same moments. A try of sixteen in one turn of the hub's loop takes half of
        what each takes in a turn of its own (74 and 144 us of the processor).
        """
        pause = self.pause(now - since)
        return pause - now % pause


class Stage:
    """How near a pod's server is to listening."""

    NO_ADDRESS = "no address"
    """There is nothing to connect to."""
    PREPARING = "preparing"
    """The pod has an address, and an init container or a pull must end first."""
    STARTING = "starting"
    """The server's container runs, or can be about to."""


def stage_of(pod: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]] = ()) -> str:
    """The `Stage` of a pod.

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


async def wait_until_answers(
    stage: Callable[[], str],
    url: Callable[[], str],
    changed: asyncio.Event,
    *,
    path: str,
    ssl_context: ssl.SSLContext | None = None,
    cadence: Cadence = Cadence(),
) -> None:
    """Return as soon as a server answers.

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
        if (is_eager or cadence.idle is not None) and await answer_of(address, path, ssl_context) is not None:
            return
        if is_eager:
            await asyncio.sleep(cadence.until_next(time.monotonic(), eager_since))
        else:
            await set_within(changed, cadence.idle)


async def set_within(event: asyncio.Event, seconds: float | None) -> None:
    """Return when an event is set, or so many seconds have passed; None for no limit."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


Headers = Mapping[str, str]
"""An answer's headers; their names in any case."""

_CONNECT_TIMEOUT = 1.0
_END = b"\r\n\r\n"
_LONGEST_HEAD = 65536
"""As asyncio's streams have it."""


async def answer_of(
    url: str, path: str, ssl_context: ssl.SSLContext | None = None, *, answer_timeout: float = 10.0
) -> Headers | None:
    """The headers of a server's answer, or None where it says nothing or an error of its own (5xx).

    That is what JupyterHub's `wait_for_http_server` takes for an answer. The connect comes first and alone, on a
    plain socket: nearly all tries end there, at a tenth of the cost of an HTTP client's.

    Parameters
    ----------
    url
        The server's, as `http://10.1.2.3:8888`.
    path
        What to ask for: `/user/alice/api`.
    ssl_context
        The hub's own context where `internal_ssl` is on.
    answer_timeout
        How long to wait for the answer after the connect, in seconds.
    """
    host, port, family, is_secure = _address_of(url)
    connected = await _connected(host, port, family, _CONNECT_TIMEOUT)
    if connected is None:
        return None
    secure = (ssl_context or ssl.create_default_context()) if is_secure else None
    parts = urlsplit(url)
    request = (
        f"GET {parts.path.rstrip('/')}{path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        "User-Agent: jhkube\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    ).encode()
    try:
        async with asyncio.timeout(answer_timeout):
            if secure:
                said = await _said_securely(connected, request, host, secure)
            else:
                said = await _said(connected, request)
    except (OSError, TimeoutError, ValueError, EOFError, asyncio.LimitOverrunError):
        # ssl.SSLError and every refused or broken connection are OSErrors
        return None
    line, _, fields = said.partition(_END)[0].partition(b"\n")
    # HTTP/1.1 200 OK
    words = line.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or words[1] >= b"500":
        return None
    try:
        return HTTPHeaders.parse(fields.decode("latin-1"))
    except (HTTPInputError, ValueError):
        return HTTPHeaders()


async def _said(connected: socket.socket, request: bytes) -> bytes:
    """The beginning of the answer to a request, with all its headers.

    On the plain socket: when many servers answer in one second, each turn of the hub's loop that a stream takes costs
    ten times what is done in it.
    """
    loop = asyncio.get_running_loop()
    said = b""
    try:
        await loop.sock_sendall(connected, request)
        while _END not in said and len(said) < _LONGEST_HEAD and (data := await loop.sock_recv(connected, 4096)):
            said += data
    finally:
        connected.close()
    return said


async def _said_securely(connected: socket.socket, request: bytes, host: str, context: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection(sock=connected, ssl=context, server_hostname=host)
    try:
        writer.write(request)
        return await reader.readuntil(_END)
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
            # A pod on the hub's own node has refused by now, with no turn of the loop.
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or errno.EINPROGRESS
        if error == errno.EINPROGRESS:
            # The number, as the selector writes out a socket that it does not know yet, which takes two requests.
            number, writable = sock.fileno(), loop.create_future()
            loop.add_writer(number, _settle, writable, True)
            timer = loop.call_later(timeout, _settle, writable, False)
            try:
                in_time = await writable
            finally:
                timer.cancel()
                loop.remove_writer(number)
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

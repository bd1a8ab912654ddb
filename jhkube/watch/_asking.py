"""Asking a pod's server whether it answers, on a plain socket."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.utils import make_ssl_context
from tornado.httputil import HTTPHeaders, HTTPInputError

__all__ = ["Headers", "address_of", "answer_of", "hub_ssl_context"]

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
    host, port, family, is_secure = address_of(url)
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
def address_of(url: str) -> tuple[str, int, socket.AddressFamily | None, bool]:
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

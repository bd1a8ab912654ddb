"""A small server over a real socket that counts what it is asked, fails on demand and takes orders.

The stand-ins for GitHub, CILogon and a git host are built on it. Whatever a test can do in the same process,
another process can do by `POST /_control/<action>` with the action's arguments as a JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fnmatch
import hmac
import inspect
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

__all__ = ["Clock", "Control", "Fault", "StandIn", "StandInError"]

CONTROL_HEADER = "X-Control-Token"
"""The header that carries the control token, where the stand-in was given one."""


class StandInError(Exception):
    """What was asked of the stand-in cannot be done; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One way of failing, for the requests whose path matches."""

    path: str
    """A shell pattern for the path: `/api/v3/user/*`."""

    status: int | None = None
    """Answer with this status; None lets the request through (after `delay`)."""

    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: str | None = None
    """Answer with this text, as JSON by its content type, whether it is JSON or not."""

    delay: float = 0.0
    """Seconds to wait first; `heal` ends the wait."""

    drop: bool = False
    """Close the connection without an answer."""

    method: str | None = None
    page: int | None = None
    """Only requests for this page of a list; a request that names no page asks for page 1."""

    after: int = 0
    """Let so many matching requests pass before the first failure."""

    times: int | None = None
    """Fail so many times, then no more; None fails until `heal`."""

    def matches(self, request: web.Request) -> bool:
        """Say whether the request is one that this fault is for."""
        return (
            fnmatch.fnmatchcase(request.path, self.path)
            and self.method in (None, request.method)
            and (self.page is None or request.query.get("page", "1") == str(self.page))
        )


class RequestLog:
    """How often each path was asked for, what was answered, and how many requests were under way at once."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything but the requests that are under way."""
        self.counts: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.in_flight = getattr(self, "in_flight", 0)
        self.peak = self.in_flight

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain JSON values."""
        return {
            "total": self.counts.total(),
            "counts": dict(self.counts),
            "statuses": dict(self.statuses),
            "peak": self.peak,
        }


class StandIn:
    """A server with routes of its own, faults, a request log and control actions.

    Subclasses add routes to `app` and actions to `actions` in their constructor.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one.
    public_url
        The address under which clients reach it, where that is not the one it listens on.
    control_token
        Asked for in `X-Control-Token` by `/_control/`; None leaves control open to loopback addresses.
    ssl_context
        Serve https.
    """

    auto_decompress = True

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        public_url: str | None = None,
        control_token: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.public_url = public_url.rstrip("/") if public_url else None
        self.control_token = control_token
        self.ssl_context = ssl_context
        self.requests = RequestLog()
        self._faults: list[list[Any]] = []
        self._healed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.actions: dict[str, Callable[..., Any]] = {
            "fail": self.fail,
            "heal": self.heal,
            "requests": self.requests.to_dict,
            "clear_requests": self.requests.clear,
        }
        self.app = web.Application(middlewares=[self._account_for])
        self.app.router.add_route("*", "/_control/{action}", self._control)

    @property
    def url(self) -> str:
        """The server's address as clients should write it, without a slash at the end."""
        if self.public_url:
            return self.public_url
        scheme = "https" if self.ssl_context else "http"
        host = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(self.host, self.host)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def base_url(self, request: web.Request) -> str:
        """Return the address by which this client reached the server, for links in the answer."""
        return self.public_url or f"{request.scheme}://{request.host}"

    async def start(self) -> None:
        """Listen; returns once connections are accepted."""
        self._runner = web.AppRunner(
            self.app, access_log=None, auto_decompress=self.auto_decompress, shutdown_timeout=1.0
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port, ssl_context=self.ssl_context).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and end the connections."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    def fail(self, path: str, *, retry_after: int | None = None, **how: Any) -> Fault:
        """Fail requests whose path matches, until `heal` or for so many `times`.

        Parameters
        ----------
        path
            A shell pattern for the path.
        retry_after
            Seconds for a Retry-After header.
        how
            The other fields of `Fault`: `status=500`, `delay=5`, `drop=True`, `page=2`, `times=1`, ...

        Examples
        --------
        >>> github.fail("/api/v3/user/orgs", page=2, status=502)  # doctest: +SKIP
        """
        if retry_after is not None:
            how["headers"] = {"Retry-After": str(retry_after), **how.get("headers", {})}
        fault = Fault(path, **how)
        self._faults.append([fault, 0])
        return fault

    def heal(self) -> None:
        """Stop failing; requests that are delayed go on."""
        self._faults.clear()
        self._healed.set()
        self._healed = asyncio.Event()

    @web.middleware
    async def _account_for(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_control/"):
            return await handler(request)
        log, key = self.requests, f"{request.method} {request.path}"
        log.counts[key] += 1
        log.in_flight += 1
        log.peak = max(log.peak, log.in_flight)
        status: int | str = "dropped"
        try:
            response = await self._fault_answer(request) or await handler(request)
            if request.transport is not None and not request.transport.is_closing():
                status = response.status
            return response
        except web.HTTPException as answer:
            status = answer.status
            raise
        finally:
            log.in_flight -= 1
            log.statuses[f"{key} {status}"] += 1

    async def _fault_answer(self, request: web.Request) -> web.Response | None:
        for entry in list(self._faults):
            fault: Fault = entry[0]
            if not fault.matches(request):
                continue
            entry[1] += 1
            if entry[1] <= fault.after or (fault.times is not None and entry[1] > fault.after + fault.times):
                continue
            if fault.delay:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._healed.wait(), fault.delay)
            if fault.drop:
                if request.transport is not None:
                    request.transport.abort()
                return web.Response(status=500)
            if fault.status is not None or fault.body is not None:
                status = fault.status or 200
                text = fault.body if fault.body is not None else self.fault_body(status)
                return web.Response(
                    status=status, text=text, content_type="application/json", headers=dict(fault.headers)
                )
        return None

    def fault_body(self, status: int) -> str:
        """Return the body that goes with a failure's status."""
        return web.json_response({"message": f"The stand-in was told to answer {status}"}).text or ""

    async def _control(self, request: web.Request) -> web.Response:
        if self.control_token is None:
            if request.remote not in ("127.0.0.1", "::1"):
                return web.json_response({"error": "control is for this machine only"}, status=403)
        elif not hmac.compare_digest(request.headers.get(CONTROL_HEADER, "").encode(), self.control_token.encode()):
            return web.json_response({"error": f"{CONTROL_HEADER} is missing or wrong"}, status=401)
        name = request.match_info["action"]
        action = self.actions.get(name)
        if action is None:
            known = ", ".join(sorted(self.actions))
            return web.json_response({"error": f"no action {name!r}; there are: {known}"}, status=404)
        try:
            arguments = await request.json() if request.can_read_body else {}
            inspect.signature(action).bind(**arguments)
            result = action(**arguments)
            if isinstance(result, Awaitable):
                result = await result
        except (StandInError, TypeError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"result": _plain(result)})


class Control:
    """A client for the control actions of a stand-in in another process.

    Examples
    --------
    >>> control = Control("http://127.0.0.1:9010")  # doctest: +SKIP
    >>> await control("leave", organization="observatory", login="ada")  # doctest: +SKIP
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {CONTROL_HEADER: token} if token is not None else {}

    async def __call__(self, action: str, **arguments: Any) -> Any:
        """Perform the action there; return what it returned, as JSON values.

        Raises
        ------
        StandInError
            If the stand-in refuses, with its reason.
        """
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.post(f"{self.url}/_control/{action}", json=arguments) as response,
        ):
            answer = await response.json()
        if response.status != 200:
            raise StandInError(answer["error"])
        return answer["result"]


class Clock:
    """The time as a stand-in sees it: the machine's, moved on by `advance`."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        """Return the seconds since the epoch."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once, for what expires."""
        self.offset += seconds


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value

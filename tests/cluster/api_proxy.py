"""A proxy before the real API server: it passes on what is asked, and answers with a fault where a test wants one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from kubernetes_asyncio.client import ApiClient, Configuration, CoreV1Api

HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
"""What a load balancer says whose API server is away."""

ALL = "*"
"""Any method, or any path."""

_NOT_PASSED_ON = {"connection", "content-encoding", "content-length", "date", "host", "transfer-encoding"}


@dataclass(frozen=True)
class Fault:
    """What is answered in the place of the API server."""

    status: int = 200
    body: str | Mapping[str, Any] = ""
    """A text is HTML, as a load balancer's; anything else is JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: float = 1
    """How often, before the API server answers again."""
    is_cut: bool = False
    """Pass on half of the API server's answer, and break the connection."""
    length: int = 0
    """Send so many bytes of a log, in lines; as many as nobody can read at once."""


def refusal(code: int, message: str = "", reason: str = "", kind: str = "", **more: Any) -> Fault:
    """Return a refusal as the API server words it; `more` as for `Fault`."""
    return Fault(code, status_object(code, message, reason, kind), **more)


def status_object(code: int, message: str = "", reason: str = "", kind: str = "") -> dict[str, Any]:
    """Return a Status object."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "code": code,
        "message": message,
        "reason": reason,
        "details": {"kind": kind},
    }


class ApiProxy:
    """The API server as clients of the proxy see it: real, but for the faults that a test has asked for.

    Parameters
    ----------
    configuration
        Which server is asked, for another one that speaks HTTP; the cluster's API server if left out.
    """

    def __init__(self, configuration: Configuration | None = None) -> None:
        self._configuration = configuration
        self.asked: list[tuple[str, str]] = []
        """The requests that are no watches and no lists: their method and the last part of their path, in order."""
        self.bodies: list[Any] = []
        """What was sent with each of them."""
        self.paths: list[str] = []
        """All requests, as `GET /api/v1/nodes`."""
        self.listed = 0
        """How many lists, or pages of them, were asked for."""
        self.watched: list[str] = []
        """From which version each watch was to begin, once it is open or refused."""
        self.url = ""
        self.on_write: Callable[[str, str, Any], None] | None = None
        """Called after each request that has written something, with its method, path and body, before its answer."""
        self._faults: list[tuple[str, str, Fault, float]] = []
        self._ahead = 0
        self._is_mute = False
        self._watching: dict[asyncio.Queue[bytes | None], None] = {}

    # Faults.

    def fail(self, method: str, name: str, *faults: Fault) -> None:
        """Answer requests of a method with these, in turn: of this path, or of paths that end in this name.

        The method of a watch is `WATCH`.
        """
        self._faults += [(method, name, fault, fault.times) for fault in faults]

    def heal(self) -> None:
        """Forget all faults, and what was asked."""
        self._faults.clear()
        for seen in (self.asked, self.bodies, self.paths, self.watched):
            seen.clear()
        self.listed, self._ahead, self._is_mute, self.on_write = 0, 0, False, None

    def mute(self) -> None:
        """Let the open watches, and those to come, tell nothing of what the API server says."""
        self._is_mute = True

    def say(self, change: Mapping[str, Any]) -> None:
        """Send a line to each open watch, whatever the API server says; watches that begin later tell all again."""
        self._is_mute = False
        for queue in self._watching:
            queue.put_nowait(json.dumps(change).encode() + b"\n")
            queue.put_nowait(None)

    def end_watches(self) -> None:
        """End each open watch as the API server does when its time is up."""
        for queue in self._watching:
            queue.put_nowait(None)

    def restore_old_database(self) -> None:
        """Let the versions of watches be ahead of the API server's, as after a restore of etcd; end the open ones.

        The API server takes such a watch and says nothing of any object whose version is not that high.
        """
        self._ahead = 1_000_000_000
        self.end_watches()

    # The proxy.

    def _fault(self, method: str, name: str, path: str) -> Fault | None:
        for index, (wanted, ending, fault, times) in enumerate(self._faults):
            if wanted in (method, ALL) and ending in (name, path, ALL):
                self._faults[index : index + 1] = [(wanted, ending, fault, times - 1)] if times > 1 else []
                return fault
        return None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rstrip("/").rpartition("/")[2]
        is_watch = "watch" in request.query
        body = await request.read()
        self.paths.append(f"{request.method} {request.path}")
        if request.method == "GET" and not is_watch and "limit" in request.query:
            self.listed += 1
            # Its version is the restored database's.
            self._ahead = 0
        elif not is_watch:
            self.asked.append((request.method, name))
            self.bodies.append(json.loads(body) if body else None)
        fault = self._fault("WATCH" if is_watch else request.method, name, request.path)
        if fault is not None and fault.length:
            return await _flood(request, fault.length)
        if fault is not None and not fault.is_cut:
            if is_watch:
                self._note_watch(request)
            if isinstance(fault.body, str):
                return web.Response(
                    status=fault.status, text=fault.body, content_type="text/html", headers=fault.headers
                )
            return web.json_response(fault.body, status=fault.status, headers=fault.headers)
        async with await self._passed_on(request, body) as answer:
            if is_watch and answer.status == 200:
                return await self._watch(request, answer)
            if name == "log":
                return await _pass_on(request, answer, is_cut=fault is not None)
            content = await answer.read()
            has_written = request.method != "GET" and answer.status < 300 and "dryRun" not in request.query
            if has_written and self.on_write is not None:
                self.on_write(request.method, request.path, json.loads(body) if body else None)
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in _NOT_PASSED_ON}
            if fault is None:
                return web.Response(status=answer.status, body=content, headers=kept)
            response = web.StreamResponse(status=answer.status, headers=kept | {"Content-Length": str(len(content))})
            await response.prepare(request)
            await response.write(content[: len(content) // 2])
            assert request.transport is not None
            request.transport.close()
            return response

    async def _passed_on(self, request: web.Request, body: bytes) -> aiohttp.ClientResponse:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _NOT_PASSED_ON}
        query: list[tuple[str, str]] = []
        await self._api.update_params_for_auth(headers, query, ["BearerToken"])
        for key, value in request.query.items():
            is_moved = self._ahead and key == "resourceVersion" and "watch" in request.query
            query.append((key, str(int(value) + self._ahead) if is_moved else value))
        session: aiohttp.ClientSession = self._api.rest_client.pool_manager
        return await session.request(
            request.method,
            f"{self._api.configuration.host}{request.path}",
            params=query,
            data=body or None,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=120),
            server_hostname=self._api.configuration.tls_server_name,
        )

    async def _watch(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        """Pass on the lines of a watch, and those of the test, until either ends it."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._watching[queue] = None
        self._note_watch(request)

        async def lines() -> None:
            async for line in answer.content:
                if not self._is_mute:
                    queue.put_nowait(line)
            queue.put_nowait(None)

        reading = asyncio.create_task(lines())
        try:
            with contextlib.suppress(ConnectionError):
                while (line := await queue.get()) is not None:
                    await response.write(line)
        finally:
            del self._watching[queue]
            reading.cancel()
            answer.close()
        return response

    def _note_watch(self, request: web.Request) -> None:
        self.watched.append(request.query.get("resourceVersion", ""))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[CoreV1Api]:
        """Within the block it passes requests on; gives a client of it, who has an administrator's rights."""
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        async with ApiClient(self._configuration) as self._api:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                async with ApiClient(Configuration(host=self.url)) as client:
                    yield CoreV1Api(client)
            finally:
                self.end_watches()
                await runner.cleanup()


async def _pass_on(request: web.Request, answer: aiohttp.ClientResponse, *, is_cut: bool) -> web.StreamResponse:
    """Pass on an answer as it comes, or break off after the first of it: a log that is followed ends with its pod."""
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        async for part in answer.content.iter_any():
            await response.write(part)
            if is_cut:
                assert request.transport is not None
                request.transport.close()
                break
    return response


async def _flood(request: web.Request, length: int) -> web.StreamResponse:
    """Send a log of so many bytes, as fast as it is read."""
    lines = (b"a line of a log that nobody wants to read" + b"." * 58 + b"\n") * 2621
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while length > 0:
            await response.write(lines[:length])
            length -= len(lines)
    return response


def kubeconfig_for(url: str) -> str:
    """Return a kubeconfig by which commands find an API server that asks for no credentials."""
    return json.dumps(
        {
            "current-context": "none",
            "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
            "clusters": [{"name": "none", "cluster": {"server": url}}],
            "users": [{"name": "none", "user": {}}],
        }
    )

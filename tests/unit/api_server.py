"""Answers of an API server that no cluster gives on demand: errors in a row, a database from yesterday."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from kubernetes_asyncio.client import ApiClient, Configuration, CoreV1Api


def status(code: int, message: str = "", reason: str = "", kind: str = "") -> dict[str, Any]:
    """A Status object."""
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


class ScriptedServer:
    """Gives the answers that a test has written down, over real sockets; lists and watches what `pods` holds."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], list[dict[str, Any]]] = {}
        """What to answer by method and the path's last part, in turn; the last of them for ever."""
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        """What was sent with each of them."""
        self.pods: dict[str, dict[str, Any]] = {}
        self.version = 1
        self.watch_answer: dict[str, Any] | None = None
        """What each watch is answered, in place of a watch."""
        self.watched: list[str] = []
        """The version of each watch."""
        self.listed = 0
        self._watching: list[asyncio.Queue[dict[str, Any] | None]] = []

    def put(self, name: str, version: int | None = None, **parts: Any) -> None:
        """Have a pod, and tell the watches of it that begin before its version."""
        self.version = version or self.version + 1
        pod = {"kind": "Pod", "metadata": {"namespace": "labs", "name": name, "resourceVersion": str(self.version)}}
        pod["metadata"] |= {"uid": f"uid-of-{name}"} | parts.pop("metadata", {})
        self.pods[name] = pod | parts
        for queue in self._watching:
            queue.put_nowait({"type": "ADDED", "object": self.pods[name]})

    def remove(self, name: str) -> None:
        """Have a pod no more, and tell the watches."""
        self.version += 1
        pod = self.pods.pop(name)
        pod["metadata"]["resourceVersion"] = str(self.version)
        self.say({"type": "DELETED", "object": pod})

    def say(self, change: dict[str, Any]) -> None:
        """Send a line to each watch."""
        for queue in self._watching:
            queue.put_nowait(change)

    def end_watches(self) -> None:
        """End each watch as its time is up."""
        for queue in self._watching:
            queue.put_nowait(None)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        last = request.path.rstrip("/").rpartition("/")[2]
        if request.method == "GET" and last == "pods":
            return await (self._watch(request) if "watch" in request.query else self._list())
        self.asked.append((request.method, last))
        self.bodies.append(await request.json() if request.body_exists else None)
        scripted = self.answers.get((request.method, last))
        if not scripted:
            return web.json_response({"metadata": {"name": last, "uid": "1"}}, status=201)
        answer = scripted.pop(0) if len(scripted) > 1 else scripted[0]
        return web.json_response(answer, status=answer.get("code", 201))

    async def _list(self) -> web.Response:
        self.listed += 1
        return web.json_response(
            {"items": list(self.pods.values()), "metadata": {"resourceVersion": str(self.version)}}
        )

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        since = request.query["resourceVersion"]
        self.watched.append(since)
        if self.watch_answer is not None:
            return web.json_response(self.watch_answer, status=self.watch_answer["code"])
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._watching.append(queue)
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while (change := await queue.get()) is not None:
                # Whoever watches from a version that is not there yet is told of nothing before it.
                version = change["object"].get("metadata", {}).get("resourceVersion")
                if version is None or int(version) > int(since):
                    await response.write(json.dumps(change).encode() + b"\n")
        finally:
            self._watching.remove(queue)
        return response

    @asynccontextmanager
    async def running(self) -> AsyncIterator[CoreV1Api]:
        """Within the block it answers; gives a client of it."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            async with ApiClient(Configuration(host=f"http://127.0.0.1:{port}")) as client:
                yield CoreV1Api(client)
        finally:
            self.end_watches()
            await runner.cleanup()

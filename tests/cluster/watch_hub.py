"""A hub for tests of starts: JHKubeSpawner with nothing configured, and a wire to the API server that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.conftest import RUN
from tests.hub_fork import HubProcess, fork_hub
from tests.hubs import CACHE, end_rest
from tests.ports import free_port

CONFIG = Path(__file__).with_name("watch_hub_config.py")
TOKEN = "tests-" + "0" * 32


@dataclass
class Wire:
    """A TCP connection to somewhere else, that a test can cut, freeze and mend."""

    target: str
    """`host:port`."""
    connections: set[asyncio.StreamWriter] = field(default_factory=set)
    is_cut: bool = False
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    opened: int = 0

    async def __aenter__(self) -> Wire:
        self.flows.set()
        self.answers.set()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.server.close()
        self.cut()

    def cut(self) -> None:
        """End every connection and take no new one."""
        self.is_cut = True
        self.drop()

    def mend(self) -> None:
        self.is_cut = False
        self.answers.set()

    def hold_answers(self) -> None:
        """Let requests through, and keep back what is answered until the wire is mended.

        A handshake is no answer: a client that has no connection open can make one.
        """
        self.answers.clear()

    def drop(self) -> None:
        """End every connection, once."""
        for writer in list(self.connections):
            writer.transport.abort()

    def freeze(self) -> None:
        """Let nothing through and end nothing, as a firewall that forgot its connections does."""
        self.flows.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        if self.is_cut:
            writer.transport.abort()
            return
        host, _, port = self.target.rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        self.connections |= {writer, back}
        said = 0

        async def may_ask() -> None:
            nonlocal said
            said += 1
            await self.flows.wait()

        async def may_answer() -> None:
            await self.flows.wait()
            # What a client of TLS says first is its half of the handshake.
            if said > 1:
                await self.answers.wait()

        copying = [
            asyncio.create_task(self._copy(reader, back, may_ask)),
            asyncio.create_task(self._copy(there, writer, may_answer)),
        ]
        try:
            await asyncio.wait(copying)
        except asyncio.CancelledError:
            for task in copying:
                task.cancel()
        self.connections -= {writer, back}
        writer.transport.abort()
        back.transport.abort()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: Callable[[], Awaitable[None]]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await gate()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    def thaw_for_new(self) -> None:
        """What is frozen stays so for ever; new connections work."""
        self.flows = asyncio.Event()
        self.flows.set()


def api_server(kubeconfig_host: str) -> str:
    """`host:port` of the API server's URL."""
    parts = urlsplit(kubeconfig_host)
    return f"{parts.hostname}:{parts.port or 443}"


@dataclass
class WatchHub:
    """A real hub as a process of its own."""

    folder: Path
    namespace: str
    host: str
    image: str
    patience: dict[str, float] = field(default_factory=dict)
    api_host: str = ""
    slow_spawn_timeout: float = 1
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port, self.hub_port, self.proxy_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: HubProcess | None = None
        self.session = aiohttp.ClientSession(
            headers={"Authorization": f"token {TOKEN}"}, connector=aiohttp.TCPConnector(limit=0)
        )

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text(errors="replace")

    async def start(self) -> None:
        settings = {
            "namespace": self.namespace,
            "host": self.host,
            "image": self.image,
            "patience": self.patience,
            "api_host": self.api_host,
            "slow_spawn_timeout": self.slow_spawn_timeout,
            "port": self.port,
            "hub_port": self.hub_port,
            "proxy_port": self.proxy_port,
            "token": TOKEN,
        }
        environ = {
            **os.environ,
            "JHKUBE_TEST_HUB": json.dumps(settings),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PATH": f"{Path(sys.executable).parent}:{CACHE / 'node_modules/.bin'}:{os.environ['PATH']}",
            **self.environ,
        }
        with (self.folder / "hub.log").open("ab") as log:
            self.process = fork_hub(["-f", CONFIG], cwd=self.folder, env=environ, log=log)
        until = time.monotonic() + 240
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"the hub ended:\n{self.log[-4000:]}")
            with contextlib.suppress(aiohttp.ClientError):
                async with self.session.get(f"{self.url}/hub/health") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)
        raise TimeoutError(self.log[-4000:])

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the hub and its proxy."""
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(how)
        await asyncio.to_thread(process.wait, 240)
        end_rest(process.pid, self.folder)

    async def close(self) -> None:
        if self.process:
            await self.end()
        await self.session.close()
        logs = RUN / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        (logs / f"{self.folder.name}.log").write_text(self.log)

    async def api(self, method: str, path: str, **kwargs: Any) -> tuple[int, Any]:
        async with self.session.request(method, f"{self.url}/hub/api{path}", **kwargs) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text.startswith(("{", "[")) else text

    async def ask(self, user: str, server: str = "", **traits: Any) -> tuple[int, Any]:
        """Ask for a server whose spawner has these traits."""
        (self.folder / f"{user}.json").write_text(json.dumps(traits))
        status, body = await self.api("POST", f"/users/{user}")
        assert status in (201, 409), body
        return await self.api("POST", path(user, server))

    async def progress(
        self, user: str, server: str = "", timeout: float = 240, until: str = "nothing of a hub's own"
    ) -> list[dict[str, Any]]:
        """All messages of a start, to its end or to one of these words."""
        messages = []
        async with (
            asyncio.timeout(timeout),
            self.session.get(f"{self.url}/hub/api{path(user, server)}/progress") as answer,
        ):
            assert answer.status == 200, await answer.text()
            async for line in answer.content:
                if line.startswith(b"data:"):
                    messages.append(json.loads(line[5:]))
                    if messages[-1].get("ready") or messages[-1].get("failed"):
                        return messages
                    if until in messages[-1].get("message", ""):
                        return messages
        raise RuntimeError(f"no end: {messages}")

    async def started(self, user: str, server: str = "", **traits: Any) -> list[dict[str, Any]]:
        status, body = await self.ask(user, server, **traits)
        assert status in (201, 202), body
        messages = await self.progress(user, server)
        assert messages[-1].get("ready"), messages
        return messages

    async def failed(self, user: str, server: str = "", **traits: Any) -> list[dict[str, Any]]:
        """Ask for a server that cannot start; gives its messages, of which the last says why."""
        status, body = await self.ask(user, server, **traits)
        if status >= 400:
            return [{"failed": True, "message": body["message"], "status": status}]
        messages = await self.progress(user, server)
        assert messages[-1].get("failed"), messages
        return messages

    async def stopped(self, user: str, server: str = "") -> None:
        status, body = await self.api("DELETE", path(user, server))
        assert status in (202, 204, 404), body
        async with asyncio.timeout(180):
            while (await self.servers(user)).get(server):
                await asyncio.sleep(0.1)

    async def servers(self, user: str) -> dict[str, Any]:
        _, body = await self.api("GET", f"/users/{user}")
        servers: dict[str, Any] = body.get("servers", {})
        return servers


def path(user: str, server: str = "") -> str:
    return f"/users/{user}/servers/{server}" if server else f"/users/{user}/server"


async def pods_of(core: Any, namespace: str, user: str) -> list[Any]:
    """The user's pods, those that are being deleted too."""
    pods = await core.list_namespaced_pod(namespace)
    annotation = "hub.jupyter.org/username"
    return [pod for pod in pods.items if (pod.metadata.annotations or {}).get(annotation) == user]


async def gone(core: Any, namespace: str, user: str, timeout: float = 180) -> None:
    """Return once the user has no pod any more."""
    async with asyncio.timeout(timeout):
        while await pods_of(core, namespace, user):
            await asyncio.sleep(0.2)

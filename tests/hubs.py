"""A real JupyterHub as a process of its own, and people who use it: for the cluster and browser tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import aiohttp

from tests.hub_fork import HubProcess, fork_hub
from tests.ports import free_port

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config" / "jupyterhub_config.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jhkube"


def end_rest(group: int, folder: Path) -> None:
    """End what is left of a hub: its process group, and its proxy, of which the hub's folder has the number.

    JupyterHub ends the proxy itself, unless it was killed or failed while it started; and runs it in a session of its
    own, out of reach of a signal to the group.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    with contextlib.suppress(OSError, ValueError):
        proxy = int((folder / "jupyterhub-proxy.pid").read_text())
        if b"configurable-http-proxy" in Path(f"/proc/{proxy}/cmdline").read_bytes():
            os.kill(proxy, signal.SIGKILL)


@dataclass
class Hub:
    """A hub run from the project's own configuration files."""

    folder: Path
    environ: dict[str, str]
    connect_host: str
    """The address of this machine as the pods reach it."""
    config: Path = CONFIG
    port: int = 0
    hub_port: int = 0
    proxy_port: int = 0
    process: HubProcess | None = None
    base: str = ""
    """The path below which it is, without a slash at the end: `/a`."""
    trusted: ssl.SSLContext | bool = True
    """What browsers trust, where the provider has a certificate of its own."""
    lines: Path = field(init=False)

    def __post_init__(self) -> None:
        self.port = self.port or free_port()
        self.hub_port = free_port()
        self.proxy_port = free_port()
        self.lines = self.folder / "hub.log"

    @property
    def url(self) -> str:
        """The address that a browser opens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}{self.base}"

    @property
    def log(self) -> str:
        """Everything that the hub and its proxy have written."""
        return self.log_from(0)

    @property
    def logged(self) -> int:
        """How many bytes that is."""
        return self.lines.stat().st_size if self.lines.exists() else 0

    def log_from(self, start: int) -> str:
        """Return what has been written from a byte on."""
        return self.lines.read_bytes()[start:].decode(errors="replace") if self.lines.exists() else ""

    @property
    def process_environ(self) -> dict[str, str]:
        """The environment of the hub's process."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("JHKUBE_")},
            "PATH": f"{Path(sys.executable).parent}:{CACHE / 'node_modules/.bin'}:{os.environ['PATH']}",
            "CONFIGPROXY_AUTH_TOKEN": "0" * 64,
            "JHKUBE_DATA_DIR": str(self.folder),
            "JHKUBE_BIND_URL": f"{self.url}/",
            "JHKUBE_HUB_CONNECT_HOST": self.connect_host,
            "JHKUBE_HUB_PORT": str(self.hub_port),
            "JHKUBE_PROXY_API_URL": f"http://127.0.0.1:{self.proxy_port}",
            "OAUTH_CALLBACK_URL": f"{self.url}/hub/oauth_callback",
            **self.environ,
        }

    async def start(self, timeout: float = 240) -> None:
        """Start the hub and return when it answers; raise with its log's end where it does not."""
        with self.lines.open("ab") as log:
            self.process = fork_hub(
                ["--debug", "-f", self.config], cwd=self.folder, env=self.process_environ, log=log
            )
        until = time.monotonic() + timeout
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < until:
                if self.process.poll() is not None:
                    raise RuntimeError(f"the hub ended:\n{self.log[-4000:]}")
                try:
                    async with session.get(f"{self.url}/hub/health") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)
        raise TimeoutError(f"the hub did not answer in {timeout} s:\n{self.log[-4000:]}")

    async def stop(self) -> None:
        """End the hub as Ctrl-C would, and its proxy with it."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End the hub without warning, and its proxy with it, as a machine that loses power does."""
        await self._end(signal.SIGKILL)

    async def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        group, self.process = self.process, None
        if group.poll() is None:
            if how is signal.SIGKILL:
                os.killpg(group.pid, how)
            else:
                group.send_signal(how)
        await asyncio.to_thread(group.wait, 240)
        end_rest(group.pid, self.folder)

    async def login(self, name: str) -> Person:
        """Log in as one of the provider's people, and return the person with a token of the hub's."""
        connector = aiohttp.TCPConnector(ssl=self.trusted)
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True))
        person = Person(self, name, session)
        try:
            answer = await person.follow(f"{self.url}/hub/oauth_login?next={self.base}/hub/token")
            if answer.status != 200:
                raise PermissionError(f"{answer.status}: {await answer.text()}")
            await person.take_token()
        except BaseException:
            await session.close()
            raise
        return person

    async def guest(self) -> Person:
        """Press *Continue as a guest*, and return the guest with a token of the hub's."""
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        async with session.get(f"{self.url}/hub/guest-login?next=%2Fhub%2Ftoken") as answer:
            page = await answer.text()
        form = re.search(r'<form class="jhkube-guest[^>]*action="([^"]+)".*?value="([^"]+)"', page, re.DOTALL)
        assert form, page
        async with session.post(f"{self.url}{form[1]}", data={"_xsrf": form[2]}) as answer:
            names = set(re.findall(r"guest-[a-z2-7]{20}", await answer.text()))
        guest = Person(self, names.pop(), session)
        await guest.take_token()
        return guest


@dataclass
class Person:
    """Somebody logged in to a hub."""

    hub: Hub
    name: str
    session: aiohttp.ClientSession
    token: str = ""

    async def close(self) -> None:
        """Forget the person's cookies and connections."""
        await self.session.close()

    async def follow(self, url: str) -> aiohttp.ClientResponse:
        """Return the page at the end of the redirects, as this person where the stand-in asks who it is."""
        for _ in range(20):
            parts = urlsplit(url)
            if parts.path.endswith("/authorize"):
                query = [*parse_qsl(parts.query), ("login", self.name)]
                url = urlunsplit(parts._replace(query=urlencode(query)))
            answer = await self.session.get(url, allow_redirects=False)
            if answer.status not in (301, 302, 303, 307):
                return answer
            url = urljoin(url, answer.headers["Location"])
        raise RuntimeError(f"too many redirects, the last to {url}")

    async def take_token(self) -> None:
        """Make a token of the hub's API for this person, as the hub's token page does."""
        xsrf = {cookie.key: cookie.value for cookie in self.session.cookie_jar}["_xsrf"]
        url = f"{self.hub.url}/hub/api/users/{self.name}/tokens"
        answer = await self.session.post(url, params={"_xsrf": xsrf}, json={"note": "tests"})
        answer.raise_for_status()
        self.token = (await answer.json())["token"]

    async def api(self, method: str, path: str, **kwargs: Any) -> tuple[int, Any]:
        """Return the status and the JSON body of a request to the hub's API; `path` is below `/hub/api`."""
        async with aiohttp.request(
            method,
            f"{self.hub.url}/hub/api{path}",
            headers={"Authorization": f"token {self.token}"},
            **kwargs,
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def start(self, server: str = "", **options: Any) -> tuple[int, Any]:
        """Ask for a server with these options; return status and body without waiting for it."""
        return await self.api("POST", self._path(server), json=options)

    async def progress(
        self, server: str = "", timeout: float = 300, told: Callable[[dict[str, Any]], None] = lambda event: None
    ) -> list[dict[str, Any]]:
        """Return the start's progress events, once the last says that it is ready or has failed.

        Each is told when it comes.
        """
        events = []
        url = f"{self.hub.url}/hub/api{self._path(server)}/progress"
        headers = {"Authorization": f"token {self.token}"}
        async with asyncio.timeout(timeout), aiohttp.request("GET", url, headers=headers) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                if line.startswith(b"data:"):
                    events.append(json.loads(line[5:]))
                    told(events[-1])
                    if events[-1].get("ready") or events[-1].get("failed"):
                        return events
        raise RuntimeError(f"the progress ended without a result: {events}")

    async def started(self, server: str = "", timeout: float = 300, **options: Any) -> list[dict[str, Any]]:
        """Start a server and return its progress once it is ready; raise with the hub's words if it fails."""
        status, body = await self.start(server, **options)
        if status not in (201, 202):
            raise RuntimeError(f"{status}: {body}")
        events = await self.progress(server, timeout)
        if not events[-1].get("ready"):
            raise RuntimeError(f"the start failed: {events}")
        return events

    async def stop(self, server: str = "", timeout: float = 180) -> None:
        """Stop a server and return when it is gone."""
        status, body = await self.api("DELETE", self._path(server))
        if status not in (202, 204, 404):
            raise RuntimeError(f"{status}: {body}")
        async with asyncio.timeout(timeout):
            while await self.server(server):
                await asyncio.sleep(0.2)

    async def server(self, server: str = "") -> dict[str, Any] | None:
        """Return what the hub says about a server, or None where it has none."""
        status, body = await self.api("GET", f"/users/{self.name}")
        if status != 200:
            raise RuntimeError(f"{status}: {body}")
        servers: dict[str, dict[str, Any]] = body["servers"]
        return servers.get(server)

    def _path(self, server: str) -> str:
        return f"/users/{self.name}/servers/{server}" if server else f"/users/{self.name}/server"

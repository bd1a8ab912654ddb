"""A real hub as a process of its own, and people with a browser's cookies: for tests of logins, without a cluster."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from jhkube.identity import AUTH_STATE_KEY, UserIdentity
from tests.hub_fork import HubProcess, fork_hub
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("hub_config.py")
API_TOKEN = "tests-" + "0" * 32

GITHUB = "jhkube.auth.GitHubOrgAuthenticator"
CILOGON = "jhkube.auth.CILogonGroupAuthenticator"


def query_of(url: str) -> dict[str, str]:
    """Return the parameters of a URL."""
    return dict(parse_qsl(urlsplit(url).query))


@dataclass
class Page:
    """What came at the end of the redirects."""

    status: int
    url: str
    text: str

    @property
    def message(self) -> str:
        """The words of the page, without its marks."""
        words = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", self.text, flags=re.DOTALL)
        return " ".join(words.replace("&#39;", "'").replace("&#34;", '"').split())


@dataclass
class RunningHub:
    """A hub with the settings of a test."""

    folder: Path
    settings: Mapping[str, Any]
    python_settings: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    host: str = "127.0.0.1"
    """Where it listens: another address for what runs in a pod."""
    process: HubProcess | None = None

    @property
    def url(self) -> str:
        """The hub's address, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    @property
    def log(self) -> str:
        """Everything that the hub has written."""
        return (self.folder / "hub.log").read_text(errors="replace")

    def warnings(self, text: str) -> list[str]:
        """Return the warnings and errors of the log in which a text is."""
        return [line for line in self.log.splitlines() if re.match(r"(.\[[0-9;]*m)?\[[WE] ", line) and text in line]

    @property
    def spawner_notes(self) -> list[list[str]]:
        """What the spawners were told: [`start` or `renew`, name, token]."""
        notes = self.folder / "spawner.jsonl"
        return [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        """What the hub's process has in its environment."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("JHKUBE_", "GITHUB_"))}
        return {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "JUPYTERHUB_CRYPT_KEY": "11" * 32,
            "JHKUBE_DEV_HUB_URL": self.url,
            **self.environ,
        }

    def launch(self) -> HubProcess:
        """Start the process, and do not wait for it."""
        (self.folder / "settings.json").write_text(json.dumps(self.settings))
        if self.python_settings:
            (self.folder / "settings.py").write_text(self.python_settings)
        with (self.folder / "hub.log").open("ab") as log:
            self.process = fork_hub(["-f", CONFIG], cwd=self.folder, env=self.environment, log=log)
        return self.process

    async def start(self, timeout: float = 240) -> None:
        """Start the hub and return when it answers; raise with the end of its log where it does not."""
        process = self.launch()
        until = time.monotonic() + timeout
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < until:
                if process.poll() is not None:
                    raise RuntimeError(f"the hub ended:\n{self.log[-4000:]}")
                try:
                    async with session.get(f"{self.url}/hub/health") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        raise TimeoutError(f"the hub did not answer in {timeout} s:\n{self.log[-4000:]}")

    async def stop(self) -> None:
        """End the hub and wait for its end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(self.process.wait, 120)
        self.process = None

    async def refused_start(self) -> str:
        """Start a hub that must not come up; return its log once it has ended by itself with an error."""
        process = self.launch()
        status = await asyncio.to_thread(process.wait, 240)
        assert status != 0, self.log
        return self.log

    async def inspect(self, name: str) -> dict[str, Any]:
        """Return a person's `auth_state`, `groups` and `admin`; empty where there is no such user."""
        async with aiohttp.request("GET", f"{self.url}/hub/inspection/{name}") as answer:
            assert answer.status == 200, await answer.text()
            return dict(await answer.json())

    async def change(self, name: str, auth_state: dict[str, Any] | None) -> None:
        """Let the hub hold another auth_state for a person."""
        async with aiohttp.request("PUT", f"{self.url}/hub/inspection/{name}", json=auth_state) as answer:
            assert answer.status == 200, await answer.text()

    async def lose_key(self, name: str) -> None:
        """Let a person's auth_state be one that no key of the hub's opens."""
        async with aiohttp.request("DELETE", f"{self.url}/hub/inspection/{name}") as answer:
            assert answer.status == 200, await answer.text()

    async def known_for(self, name: str) -> tuple[int, float]:
        """Return a person's number in the hub's database, and for how many seconds the hub has known who they are."""
        async with aiohttp.request("HEAD", f"{self.url}/hub/inspection/{name}") as answer:
            assert answer.status == 200
            return int(answer.headers["X-Id"]), float(answer.headers["X-Known-For"])

    async def forget_refresh(self, name: str) -> None:
        """Let the next request of this person ask the provider again."""
        async with aiohttp.request("POST", f"{self.url}/hub/inspection/{name}") as answer:
            assert answer.status == 200, await answer.text()

    async def make_idle(self, name: str, seconds: int) -> None:
        """Let a person be older, and idle for longer, by so many seconds."""
        async with aiohttp.request("POST", f"{self.url}/hub/age/{name}/{seconds}") as answer:
            assert answer.status == 200, await answer.text()

    async def set_refresh_timeout(self, seconds: float) -> None:
        """Let refreshes delay a request for so many seconds from now on."""
        async with aiohttp.request("POST", f"{self.url}/hub/patience/{seconds}") as answer:
            assert answer.status == 200, await answer.text()

    async def api(self, method: str, path: str, **kwargs: Any) -> tuple[int, Any]:
        """Make a request to the hub's API with all rights; return the status and the JSON body."""
        headers = {"Authorization": f"token {API_TOKEN}"}
        async with aiohttp.request(method, f"{self.url}/hub/api{path}", headers=headers, **kwargs) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def metrics(self) -> dict[tuple[str, ...], float]:
        """Return the hub's samples by name and the values of their labels, in the order of the labels' names."""
        headers = {"Authorization": f"token {API_TOKEN}"}
        async with aiohttp.request("GET", f"{self.url}/hub/metrics", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            families = list(text_string_to_metric_families(await answer.text()))
        return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


class Browser:
    """Somebody with cookies, who answers the provider's page as `login`.

    Parameters
    ----------
    hub
        The hub to visit.
    login
        Who to be at the provider.
    """

    def __init__(self, hub: RunningHub, login: str) -> None:
        self.hub, self.login = hub, login
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.visited: list[str] = []

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.session.close()

    async def step(self, url: str) -> tuple[Page, str | None]:
        """Request one URL; return the page, and where it redirects to."""
        self.visited.append(url)
        async with self.session.get(url, allow_redirects=False) as answer:
            page = Page(answer.status, url, await answer.text())
            location = answer.headers.get("Location") if answer.status in (301, 302, 303, 307) else None
            return page, urljoin(url, location) if location else None

    async def open(self, path: str, *, stop_at: str | None = None) -> Page:
        """Follow the redirects from a page of the hub.

        Parameters
        ----------
        path
            A path of the hub, or a whole URL.
        stop_at
            Return before a redirect to a URL in which this text is; the page's `url` is the redirect's target.
        """
        url: str | None = urljoin(self.hub.url, path)
        for _ in range(25):
            assert url is not None
            if "/authorize" in urlsplit(url).path and "client_id=" in url:
                parts = urlsplit(url)
                url = urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query), ("login", self.login)])))
            page, url = await self.step(url)
            if url is None:
                return page
            if stop_at is not None and stop_at in url:
                return Page(page.status, url, page.text)
        raise RuntimeError(f"too many redirects: {self.visited}")

    async def log_in(self) -> Page:
        """Log in, from the hub's own link to the provider, and end on the hub's home page."""
        return await self.open("/hub/oauth_login?next=%2Fhub%2Fhome")

    async def is_logged_in(self) -> bool:
        """Say whether the hub knows this browser without another login."""
        page, target = await self.step(f"{self.hub.url}/hub/home")
        return target is None and page.status == 200

    async def refreshed(self, name: str | None = None) -> bool:
        """Let the hub ask the provider again, and say whether the person is still logged in."""
        await self.hub.forget_refresh(name or self.login)
        return await self.is_logged_in()


async def identity_of(hub: RunningHub, name: str) -> UserIdentity:
    """Return who somebody is to unix and git, as their auth_state has it."""
    return UserIdentity.from_dict((await hub.inspect(name))["auth_state"][AUTH_STATE_KEY])


async def logged_in(hub: RunningHub, browse: Callable[[RunningHub, str], Browser], login: str) -> Browser:
    """Return somebody's browser once they have logged in; fails with the page's words where they were refused."""
    browser = browse(hub, login)
    page = await browser.log_in()
    assert page.status == 200, page.message
    return browser

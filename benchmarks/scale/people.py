"""People with browsers, and what their servers say to the hub for them: real requests, one by one, to a hub."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import aiohttp

__all__ = ["FAILURES", "Crowd", "Person", "RefusedError", "Servers", "login_of"]

FIRST_ID = 41_000_000
"""GitHub's number of the first person; the others follow."""

START_PATIENCE = 300.0
"""Seconds after which somebody gives up a start."""


def login_of(number: int) -> str:
    """Return a person's name, at GitHub and at the hub."""
    return f"person{number:05}"


class RefusedError(Exception):
    """The hub did not do what somebody asked it for."""


FAILURES = (RefusedError, aiohttp.ClientError, TimeoutError)


class Person:
    """Somebody with a browser of their own.

    Parameters
    ----------
    hub
        The hub's address.
    number
        Which person.
    connector
        The connections of this machine, which all people share.
    """

    def __init__(self, hub: str, number: int, connector: aiohttp.BaseConnector) -> None:
        self.name, self._hub = login_of(number), hub
        self._session = aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(total=600),
        )
        self._xsrf = ""

    async def close(self) -> None:
        """Close the browser."""
        await self._session.close()

    async def log_in(self) -> None:
        """Go to the hub, through GitHub, and back to the page of a start with its form."""
        url = f"{self._hub}/hub/oauth_login?{urlencode({'next': f'/hub/spawn/{self.name}'})}"
        for _ in range(20):
            if "/login/oauth/authorize" in url and "login=" not in url:
                url += f"&{urlencode({'login': self.name})}"
            async with self._session.get(url, allow_redirects=False) as answer:
                text = await answer.text()
                if answer.status == 200:
                    found = re.search(r'xsrf_token: "([^"]+)"', text)
                    if found is None or 'id="spawn_form"' not in text:
                        raise RefusedError(f"{self.name} sees no form: {text[:2000]}")
                    self._xsrf = found[1]
                    return
                if answer.status not in (301, 302, 303):
                    raise RefusedError(f"{self.name} cannot log in: {answer.status} {text[:500]}")
                url = urljoin(url, answer.headers["Location"])
        raise RefusedError(f"{self.name} is sent from page to page")

    async def start(self) -> None:
        """Press Start, and read the progress until the server is ready."""
        form = {"_xsrf": self._xsrf}
        url = f"{self._hub}/hub/spawn/{self.name}?{urlencode(form)}"
        async with self._session.post(url, data=form, allow_redirects=False) as answer:
            if answer.status != 302:
                raise RefusedError(f"{self.name} cannot start: {answer.status} {(await answer.text())[:500]}")
        url = f"{self._hub}/hub/api/users/{self.name}/server/progress?{urlencode(form)}"
        until = time.monotonic() + START_PATIENCE
        while time.monotonic() < until:
            async with self._session.get(url) as answer:
                async for line in answer.content:
                    if line.startswith(b"data:"):
                        event = json.loads(line[5:])
                        if event.get("ready"):
                            return
                        if event.get("failed"):
                            raise RefusedError(f"the server of {self.name} did not start: {event}")
            # A hub that takes longer than a second to begin a start says meanwhile that there is none.
            await asyncio.sleep(0.5)
        raise RefusedError(f"the server of {self.name} did not get ready")

    async def open_server(self, token: str) -> None:
        """Open one's server: the browser gets a code from the hub, and the server exchanges it, as its secret is."""
        client = f"jupyterhub-user-{self.name}"
        redirect = f"/user/{self.name}/oauth_callback"
        asked = {"client_id": client, "redirect_uri": redirect, "response_type": "code", "state": "bench"}
        url = f"{self._hub}/hub/api/oauth2/authorize?{urlencode(asked)}"
        async with self._session.get(url, allow_redirects=False) as answer:
            location = answer.headers.get("Location", "")
            code = dict(parse_qsl(urlsplit(location).query)).get("code")
            if code is None:
                raise RefusedError(f"{self.name} cannot open the server: {answer.status} {location}")
        sent = {"client_id": client, "client_secret": token, "grant_type": "authorization_code"}
        sent |= {"code": code, "redirect_uri": redirect}
        async with self._session.post(f"{self._hub}/hub/api/oauth2/token", data=sent) as answer:
            access = (await answer.json())["access_token"]
        headers = {"Authorization": f"token {access}"}
        async with self._session.get(f"{self._hub}/hub/api/user", headers=headers) as answer:
            if (await answer.json())["name"] != self.name:
                raise RefusedError(f"the server of {self.name} takes its owner for somebody else")

    async def stop(self) -> None:
        """Press Stop, and wait until the server is gone."""
        url = f"{self._hub}/hub/api/users/{self.name}/server?{urlencode({'_xsrf': self._xsrf})}"
        while True:
            async with self._session.delete(url) as answer:
                if answer.status in (204, 404):
                    return
                if answer.status not in (202, 400):
                    raise RefusedError(f"{self.name} cannot stop: {answer.status} {(await answer.text())[:500]}")
            await asyncio.sleep(0.5)


class Servers:
    """What the servers of people at work ask the hub, every `interval` seconds each, evenly spread.

    A server reports its person's activity, as jupyterhub-singleuser does every 300 s, and asks whose a browser's
    token is, whose answer it keeps for 300 s.

    Parameters
    ----------
    hub
        The hub's address.
    tokens
        The server's token and the browser's, by person.
    interval
        In seconds.
    """

    def __init__(self, hub: str, tokens: dict[str, tuple[str, str]], interval: float) -> None:
        self._hub, self._tokens, self._interval = hub, list(tokens.items()), interval
        self.seconds: list[float] = []
        """Of each request."""
        self.late = 0.0
        """How many seconds the last answers came after the work's end: more than a moment, and the hub does not
        keep up."""
        self.failed = 0
        """How many requests were not answered as they should be."""

        self._next = 0

    async def work(self, seconds: float) -> None:
        """Ask for so long, from where the last work ended; nobody waits for the answers to others."""
        loop, pause = asyncio.get_running_loop(), self._interval / len(self._tokens)
        began = loop.time()
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
            asyncio.TaskGroup() as group,
        ):
            for index in range(max(round(seconds / pause), 1)):
                await asyncio.sleep(max(began + index * pause - loop.time(), 0))
                name, (server, browser) = self._tokens[self._next % len(self._tokens)]
                self._next += 1
                group.create_task(self._report(session, name, server, browser))
            ended = loop.time()
        self.late = loop.time() - ended

    async def _report(self, session: aiohttp.ClientSession, name: str, server: str, browser: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        activity = {"last_activity": now, "servers": {"": {"last_activity": now}}}
        url = f"{self._hub}/hub/api/users/{name}/activity"
        await self._ask(session.post(url, json=activity, headers={"Authorization": f"token {server}"}))
        await self._ask(session.get(f"{self._hub}/hub/api/user", headers={"Authorization": f"token {browser}"}))

    async def _ask(self, asking: Any) -> None:
        began = time.perf_counter()
        try:
            async with asking as answer:
                await answer.read()
                self.failed += answer.status != 200
        except FAILURES:
            self.failed += 1
        self.seconds.append(time.perf_counter() - began)


class Crowd:
    """People who do the same things, each thing all of them together; who could not do one does no more.

    Parameters
    ----------
    people
        Who.
    at_a_time
        How many do something at the same time, each the next as soon as another is done.
    """

    def __init__(self, people: list[Person], at_a_time: int) -> None:
        self.people, self._at_a_time = people, at_a_time
        self.failures: list[str] = []

    async def do(self, action: Callable[[Person], Awaitable[Any]]) -> tuple[float, list[float]]:
        """Let all do something; return the seconds of all of it, and of each who could."""
        waiting, seconds, able = iter(self.people), [], []

        async def go_on() -> None:
            for person in waiting:
                began = time.perf_counter()
                try:
                    await action(person)
                except FAILURES as failure:
                    self.failures.append(f"{type(failure).__name__}: {failure}")
                    continue
                seconds.append(time.perf_counter() - began)
                able.append(person)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_a_time):
                group.create_task(go_on())
        self.people = able
        if not able:
            raise RefusedError(f"nobody could: {self.failures[-1]}")
        return time.perf_counter() - began, seconds

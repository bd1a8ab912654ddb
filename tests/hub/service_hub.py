"""A hub with the service "My servers", as the project's own configuration starts it, and people who ask it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from jhkube.service.hub_config import ACCESS_SCOPE, SERVICE_NAME
from tests.cluster.api_proxy import kubeconfig_for
from tests.hub.conftest import StartHub
from tests.hub.running import ROOT, RunningHub
from tests.ports import free_port

CONFIG = ROOT / "config" / "jupyterhub_config.d" / "45-my-servers.py"
SETTINGS = {
    "JupyterHub": {"authenticator_class": "dummy", "allow_named_servers": True},
    "Authenticator": {"allow_all": True, "enable_auth_state": True},
}
SUBJECTS = {"ada": "github:1", "eve": "github:2", "kay": "github:3"}
"""Who the people of the tests are at their provider."""

SPAWNER = """
import os

from traitlets import Bool
from jhkube.options_form.choice import Available
from jhkube.options_form.sizes import DEFAULT_SIZES, parse_sizes

class LabSpawner(TinySpawner):
    namespace = os.environ.get("JHKUBE_NAMESPACE", "labs")
    image_menu = "there is one"
    pvc_name_template = "claim-{user_server}"
    delete_pvc = Bool(True)

    @property
    def pvc_name(self):
        return f"claim-{self.user.name}--{self.name}"

    async def first_menu(self):
        pass

    def own_sizes(self):
        return parse_sizes(DEFAULT_SIZES)

    async def available(self):
        return Available(sizes=self.own_sizes())

    async def start(self):
        if self.user_options.get("debug"):
            error = RuntimeError()
            error.jupyterhub_message = "There is no room for your server. Try again later."
            raise error
        return await super().start()

c.JupyterHub.spawner_class = LabSpawner
c.Spawner.consecutive_failure_limit = 0
c.JupyterHub.load_roles.append({"name": "teacher", "users": ["tess"], "scopes": ["read:servers!group=class"]})
c.JupyterHub.load_groups = {"class": {"users": ["ada", "eve"]}, "others": {"users": ["kay"]}}
"""
"""A spawner with pods in name, sizes to choose from, and starts that fail; and a teacher with a class."""


def identity(name: str, subject: str) -> dict[str, Any]:
    """Return the auth_state that one of jhkube's authenticators would have left."""
    written = {"version": 2, "name": name, "uid": 2000, "gid": 2000, "subject": subject, "full_name": "", "email": ""}
    return {"jhkube_identity": {**written, "groups": [], "login": name}}


class ServiceHub:
    """A hub and its service; requests go to the service's own port, since there is no proxy."""

    def __init__(self, hub: RunningHub, port: int) -> None:
        self.hub, self.port = hub, port
        self.tokens: dict[str, str] = {}

    @property
    def url(self) -> str:
        """The service's address, with a slash at the end."""
        return f"http://127.0.0.1:{self.port}/services/jhkube/"

    async def answers(self) -> None:
        """Return once the service answers."""
        await answered(self.url)

    async def add(self, name: str, subject: str = "", *, groups: tuple[str, ...] = ()) -> str:
        """Make a person with a token of all that they may; return it."""
        assert (await self.hub.api("POST", f"/users/{name}"))[0] in (201, 409)
        if subject:
            await self.hub.change(name, identity(name, subject))
        for group in groups:
            await self.hub.api("POST", f"/groups/{group}")
            await self.hub.api("POST", f"/groups/{group}/users", json={"users": [name]})
        self.tokens[name] = await self.token(name)
        return self.tokens[name]

    async def token(self, name: str, *scopes: str) -> str:
        """Return a new token of a person's: of these scopes, or of all that they may."""
        body = {"scopes": list(scopes)} if scopes else {}
        status, made = await self.hub.api("POST", f"/users/{name}/tokens", json=body)
        assert status == 201, made
        return str(made["token"])

    async def ask(
        self,
        who: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        raw: bytes | None = None,
    ) -> tuple[int, Any]:
        """Ask the API as somebody; return the status and the JSON body."""
        headers = {"Authorization": f"token {token if token is not None else self.tokens[who]}"} if who else {}
        sent = {"data": raw} if raw is not None else {} if body is None else {"json": body}
        async with aiohttp.request(method, f"{self.url}api/{path}", headers=headers, **sent) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def reach(self, who: str, server: str, *states: str, timeout: float = 180) -> dict[str, Any]:
        """Return a server of somebody's, once it is in one of these states."""
        async with asyncio.timeout(timeout):
            while True:
                status, found = await self.ask(who, "GET", f"servers/{server}")
                if status == 200 and found["state"] in states:
                    return dict(found)
                await asyncio.sleep(0.1)


async def start_service(
    start_hub: StartHub, kubeconfig: Path | None = None, *, python_settings: str = "", **environ: str
) -> ServiceHub:
    """Start a hub with the service; return it once the service answers."""
    port = free_port()
    environ = {
        "JHKUBE_MY_SERVERS": "true",
        "JHKUBE_MY_SERVERS_PORT": str(port),
        "KUBECONFIG": str(kubeconfig or "/nonexistent"),
        **environ,
    }
    hub = await start_hub(SETTINGS, python_settings=with_service(python_settings), environ=environ)
    service = ServiceHub(hub, port)
    await answered(service.url)
    return service


def with_service(python_settings: str) -> str:
    """Return settings of a hub with the service before them."""
    return f"load_subconfig({str(CONFIG)!r})\n{python_settings}"


def no_cluster(folder: Path) -> Path:
    """Return a kubeconfig of a cluster that does not answer."""
    path = folder / "kubeconfig"
    path.write_text(kubeconfig_for(f"http://127.0.0.1:{free_port()}"))
    return path


async def answered(url: str) -> None:
    """Return once a service answers."""
    async with asyncio.timeout(120), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{url}api/openapi.json") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


def services_of(hub_pid: int) -> list[int]:
    """Return the processes of the service that are a hub's children."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == hub_pid and b"jhkube.service" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@asynccontextmanager
async def service_apart(
    hub_api: str, url: str, token: str, kubeconfig: Path, folder: Path, **environ: str
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Within the block the service runs as a process of its own, as in a Deployment; gives it once it answers.

    Parameters
    ----------
    hub_api
        The hub's API.
    url
        Where the service listens: scheme, host and port.
    token
        What hub and service know each other by.
    kubeconfig
        The service's account in the cluster.
    folder
        Where its log goes.
    environ
        More variables.
    """
    prefix = f"/services/{SERVICE_NAME}/"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("JHKUBE_")},
        "PYTHONPATH": str(ROOT),
        "KUBECONFIG": str(kubeconfig),
        "JUPYTERHUB_API_TOKEN": token,
        "JUPYTERHUB_API_URL": hub_api,
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_SERVICE_NAME": SERVICE_NAME,
        "JUPYTERHUB_SERVICE_PREFIX": prefix,
        "JUPYTERHUB_SERVICE_URL": url,
        "JUPYTERHUB_CLIENT_ID": f"service-{SERVICE_NAME}",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps([ACCESS_SCOPE]),
        **environ,
    }
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jhkube.service"], env=environment, stdout=log, stderr=log, cwd=folder
        )
    try:
        await answered(f"{url}{prefix}")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 120)


class ServiceBrowser:
    """Somebody with cookies at hub and service, who follows redirects between the two."""

    def __init__(self, service: ServiceHub, name: str) -> None:
        self.service, self.name = service, name
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> ServiceBrowser:
        page = await self.session.get(f"{self.service.hub.url}/hub/login")
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', await page.text())
        assert xsrf
        form = {"username": self.name, "password": "", "_xsrf": xsrf[1]}
        answer = await self.session.post(f"{self.service.hub.url}/hub/login", data=form, allow_redirects=False)
        assert answer.status == 302, await answer.text()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.session.close()

    def _place(self, url: str) -> str:
        parts = urlsplit(url)
        base = self.service.hub.url if parts.path.startswith("/hub/") else f"http://127.0.0.1:{self.service.port}"
        return f"{base}{parts.path}{f'?{parts.query}' if parts.query else ''}"

    async def open(self, path: str, *, method: str = "GET", **more: Any) -> tuple[int, str, str]:
        """Follow the redirects from a path; return the status, the page and the last path."""
        headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "document"}
        headers |= more.pop("headers", {})
        url = self._place(path)
        for _ in range(12):
            async with self.session.request(method, url, allow_redirects=False, headers=headers, **more) as answer:
                text = (await answer.read()).decode(errors="replace")
                if answer.status not in (301, 302, 303, 307):
                    return answer.status, text, urlsplit(url).path
                url, method, more = self._place(answer.headers["Location"]), "GET", {}
        raise RuntimeError(f"too many redirects, the last to {url}")

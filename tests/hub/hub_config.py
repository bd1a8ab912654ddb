# ruff: noqa: F821
"""The configuration of the hubs that tests run: no proxy, no pods, and the settings of the test."""

import asyncio
import json
import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from jupyterhub.handlers import BaseHandler
from jupyterhub.spawner import Spawner
from traitlets.config import Config

from tests.no_proxy import NoProxy


class TinySpawner(Spawner):
    """A server in the hub's own process, which answers everything; it notes the tokens that it is given."""

    _listener = None

    @property
    def made_for(self):
        return Path("made-for").read_text() if Path("made-for").exists() else ""

    async def lost_rights(self, auth_state):
        return Path("lost-rights").read_text() if Path("lost-rights").exists() else ""

    async def start(self):
        self._listener = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.note("start", await self.user.get_auth_state())
        return "http://{}:{}".format(*self._listener.sockets[0].getsockname())

    async def serve(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-JupyterHub-Version: 0\r\nConnection: close\r\n\r\n{}"
        )
        await writer.drain()
        writer.close()

    async def stop(self, now=False):
        self.note("stop", await self.user.get_auth_state())
        while Path("hold-stops").exists():
            await asyncio.sleep(0.05)
        self._listener.close()
        self._listener = None

    def get_state(self):
        return {**super().get_state(), "pod_name": "as KubeSpawner 6 wrote it"}

    async def poll(self):
        return None if self._listener else 0

    async def renew_token(self, auth_state):
        if Path("refuse-tokens").exists():
            raise RuntimeError("the cluster does not answer")
        self.note("renew", auth_state)

    def note(self, what, auth_state):
        with Path("spawner.jsonl").open("a") as notes:
            notes.write(json.dumps([what, self.user.name, (auth_state or {}).get("access_token")]) + "\n")


class Inspection(BaseHandler):
    """What only the hub knows of a person, and the order to take what it knows for old."""

    def check_xsrf_cookie(self):
        pass

    async def prepare(self):
        self._jupyterhub_user = None

    async def get(self, name):
        user = self.find_user(name)
        self.write(
            {
                "auth_state": await user.get_auth_state(),
                "groups": sorted(group.name for group in user.groups),
                "admin": user.admin,
                "user_options": {name: each.user_options for name, each in user.orm_spawners.items()},
                "states": {name: each.state for name, each in user.orm_spawners.items()},
                # Another text at each encryption.
                "encrypted": (user.encrypted_auth_state or b"").hex(),
            }
            if user
            else {}
        )

    async def head(self, name):
        user = self.find_user(name)
        self.set_header("X-Id", user.id)
        self.set_header("X-Known-For", str(time.monotonic() - user._auth_refreshed))

    async def post(self, name):
        self.find_user(name)._auth_refreshed = None

    async def put(self, name):
        await self.find_user(name).save_auth_state(json.loads(self.request.body))

    async def patch(self, name):
        self.find_user(name).admin = True
        self.db.commit()

    async def delete(self, name):
        user = self.find_user(name)
        user.encrypted_auth_state = b"encrypted with a key that is lost"
        self.db.commit()


class Age(BaseHandler):
    """Lets a person be older, and idle for longer, by so many seconds."""

    def check_xsrf_cookie(self):
        pass

    async def post(self, name, seconds):
        user = self.find_user(name).orm_user
        user.created -= timedelta(seconds=int(seconds))
        if user.last_activity:
            user.last_activity -= timedelta(seconds=int(seconds))
        self.db.commit()


class Patience(BaseHandler):
    """Lets refreshes delay a request for so many seconds, and no longer."""

    def check_xsrf_cookie(self):
        pass

    async def post(self, seconds):
        sessions = self.authenticator.sessions
        sessions._limits = replace(sessions._limits, refresh_timeout=float(seconds))


url = os.environ["JHKUBE_DEV_HUB_URL"]
c.JupyterHub.bind_url = url + "/"
c.JupyterHub.hub_bind_url = url
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.spawner_class = TinySpawner
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "cookie_secret"
c.JupyterHub.cleanup_servers = False
c.JupyterHub.extra_handlers = [
    (r"/inspection/(.*)", Inspection),
    (r"/age/([^/]+)/([0-9]+)", Age),
    (r"/patience/([0-9.]+)", Patience),
]
# On a busy machine a start is as complete when its request is answered as on another one. The service "My servers"
# waits a minute for that answer.
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 45, "slow_stop_timeout": 45}
c.JupyterHub.init_spawners_timeout = 120
c.Spawner.start_timeout = 240
c.Spawner.http_timeout = 240
c.JupyterHub.services = [{"name": "tests", "api_token": "tests-" + "0" * 32}]
c.JupyterHub.load_roles = [
    {
        "name": "tests",
        "services": ["tests"],
        "scopes": ["admin:users", "admin:servers", "admin:groups", "list:users", "tokens", "read:metrics"],
    }
]
c.JupyterHub.log_level = "DEBUG"
c.merge(Config(json.loads(Path("settings.json").read_text())))
if Path("settings.py").exists():
    exec(Path("settings.py").read_text())

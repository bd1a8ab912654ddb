"""The hub that `spawn.py` measures: the same for every spawner but for the spawner's class."""

import json
import os
import socket
import time

from jupyterhub.proxy import Proxy
from jupyterhub.user import User
from kubernetes_asyncio.client.rest import RESTClientObject

bench = json.loads(os.environ["JHKUBE_BENCH"])
gateway, clock_port = bench["gateway"], bench["clock_port"]

# What the measurement needs to know, told to its clock from inside: the same calls for every spawner.

clock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def tell(what, who):
    clock.sendto(f"{what} {who} {time.time():.6f}".encode(), (gateway, clock_port))


spawn, add_user, request = User.spawn, Proxy.add_user, RESTClientObject.request


async def told_spawn(self, *args, **kwargs):
    tell("requested", self.name)
    result = await spawn(self, *args, **kwargs)
    tell("up", self.name)
    return result


async def told_add_user(self, user, *args, **kwargs):
    result = await add_user(self, user, *args, **kwargs)
    tell("ready", user.name)
    return result


async def told_request(self, method, url, query_params=None, **kwargs):
    query = dict(query_params or ())
    resource = next((part for part in ("pods", "events", "secrets", "services") if f"/{part}" in url), "other")
    verb = "watch" if query.get("watch") else "list" if method == "GET" and url.endswith(resource) else method.lower()
    tell(f"api:{verb}-{resource}", "-")
    return await request(self, method, url, query_params=query_params, **kwargs)


User.spawn, Proxy.add_user, RESTClientObject.request = told_spawn, told_add_user, told_request

c = get_config()  # noqa: F821
c.JupyterHub.spawner_class = bench["spawner"]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.cookie_secret = b"0" * 32
c.JupyterHub.bind_url = f"http://127.0.0.1:{bench['port']}/"
c.JupyterHub.hub_ip = "0.0.0.0"  # noqa: S104
c.JupyterHub.hub_port = bench["hub_port"]
c.JupyterHub.hub_connect_ip = gateway
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{bench['proxy_port']}"
c.ConfigurableHTTPProxy.auth_token = "0" * 64
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.init_spawners_timeout = -1
c.JupyterHub.services = [{"name": "bench", "api_token": "bench-bench"}]
c.JupyterHub.load_roles = [
    {"name": "bench", "scopes": ["admin:users", "admin:servers", "list:users"], "services": ["bench"]}
]
c.JupyterHub.log_level = "INFO"

c.KubeSpawner.namespace = bench["namespace"]
c.KubeSpawner.image = bench["image"]
c.KubeSpawner.cmd = bench["cmd"]
c.KubeSpawner.environment = {"BENCH_UDP": f"{gateway}:{clock_port}"}
c.KubeSpawner.uid = 1000
c.KubeSpawner.delete_grace_period = 0
c.KubeSpawner.start_timeout = 600
c.KubeSpawner.http_timeout = 120
c.KubeSpawner.cpu_guarantee = 0.001
c.KubeSpawner.mem_guarantee = "8M"
if bench["init_seconds"]:
    c.KubeSpawner.init_containers = [
        {"name": "slow", "image": bench["init_image"], "command": ["sleep", str(bench["init_seconds"])]}
    ]

"""The hub that `spawn.py` measures: the same for both spawners but for their class and how a home is set."""

import json
import os
import socket
import time

from jupyterhub.auth import DummyAuthenticator
from jupyterhub.proxy import Proxy
from jupyterhub.user import User

from jhkube.identity import AUTH_STATE_KEY, UnixGroup, UserIdentity

bench = json.loads(os.environ["JHKUBE_BENCH"])
gateway, clock_port = bench["gateway"], bench["clock_port"]

# What the measurement needs to know, told to its clock from inside: the same calls for every spawner.

clock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def tell(what, who):
    clock.sendto(f"{bench['name']} {what} {who} {time.time():.6f}".encode(), (gateway, clock_port))


spawn, add_user = User.spawn, Proxy.add_user


async def told_spawn(self, *args, **kwargs):
    tell("requested", self.name)
    return await spawn(self, *args, **kwargs)


async def told_add_user(self, user, *args, **kwargs):
    result = await add_user(self, user, *args, **kwargs)
    tell("ready", user.name)
    return result


User.spawn, Proxy.add_user = told_spawn, told_add_user


class KnownPeople(DummyAuthenticator):
    """Knows of everybody what a login with GitHub would have left."""

    async def add_user(self, user):
        super().add_user(user)
        await user.save_auth_state(state_of(user.name))

    async def authenticate(self, handler, data):
        return {"name": data["username"], "auth_state": state_of(data["username"])}


def state_of(name):
    number = int(name.removeprefix("person")) + 1
    identity = UserIdentity(
        name=name,
        uid=20_000 + number,
        gid=20_000 + number,
        subject=f"github:{number}",
        full_name=f"Person {number}",
        email=f"{name}@example.org",
        groups=(UnixGroup("observatory", 30_000), UnixGroup("imaging", 30_001)),
        login=name,
    )
    return {AUTH_STATE_KEY: identity.to_dict(), "access_token": "gho_" + "0" * 36}


c = get_config()  # noqa: F821
c.JupyterHub.spawner_class = bench["spawner"]
c.JupyterHub.authenticator_class = KnownPeople
c.Authenticator.allow_all = True
c.Authenticator.enable_auth_state = True
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.cookie_secret = b"0" * 32
c.JupyterHub.bind_url = f"http://127.0.0.1:{bench['port']}/"
c.JupyterHub.hub_ip = "0.0.0.0"  # noqa: S104
c.JupyterHub.hub_port = bench["hub_port"]
c.JupyterHub.hub_connect_ip = gateway
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{bench['proxy_port']}"
c.ConfigurableHTTPProxy.auth_token = "0" * 64
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.active_server_limit = 0
c.JupyterHub.services = [{"name": "bench", "api_token": bench["token"]}]
c.JupyterHub.load_roles = [
    {"name": "bench", "scopes": ["admin:users", "admin:servers", "list:users"], "services": ["bench"]}
]
c.JupyterHub.log_level = "INFO"

c.KubeSpawner.namespace = bench["namespace"]
c.KubeSpawner.image = bench["image"]
c.KubeSpawner.cmd = bench["cmd"]
c.KubeSpawner.environment = {"BENCH_UDP": f"{gateway}:{clock_port}", "BENCH_NAME": bench["name"]}
# A home's folder on the claim is root's where the cluster's storage is so; JupyterLab starts all the same.
c.KubeSpawner.environment |= {
    f"JUPYTER_{name}_DIR": f"/tmp/jupyter/{name.lower()}" for name in ("CONFIG", "DATA", "RUNTIME")
}
c.KubeSpawner.delete_grace_period = 0
c.KubeSpawner.start_timeout = 600
c.KubeSpawner.http_timeout = 120
c.KubeSpawner.cpu_guarantee = 0.001
c.KubeSpawner.mem_guarantee = "8M"
if bench["init_seconds"]:
    c.KubeSpawner.init_containers = [
        {"name": "slow", "image": bench["init_image"], "command": ["sleep", str(bench["init_seconds"])]}
    ]
if bench["spawner"].startswith("jhkube"):
    c.JHKubeSpawner.home = "shared-pvc"
    c.JHKubeSpawner.home_claim = "homes"
    c.JHKubeSpawner.home_made_by = "nobody"
    c.JHKubeSpawner.git_hosts = ["github.com"]
    if bench["repository"]:
        c.ImageMenu.repositories = [bench["repository"]]
        c.ImageMenu.insecure_registries = [bench["repository"].partition("/")[0]]
        # As many as are started at once have to fit on one node.
        c.JHKubeSpawner.sizes = [
            {"name": name, "cores": cores, "memory": "1G", "guarantee_ratio": 0.001}
            for name, cores in (("small", 2), ("medium", 3))
        ]
        c.JHKubeSpawner.start_ahead = bench["start_ahead"]
        c.JHKubeSpawner.start_ahead_limit = 100
else:
    c.KubeSpawner.uid = 1000
    c.KubeSpawner.gid = 1000
    c.KubeSpawner.volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": "homes"}}]
    c.KubeSpawner.volume_mounts = [
        {"name": "home", "mountPath": "/home/{username}", "subPath": "{username}"},
    ]
    c.KubeSpawner.working_dir = "/home/{username}"
    c.KubeSpawner.environment["HOME"] = "/home/{username}"

"""The hub that is measured: one side of each pair is jhkube, the other KubeSpawner with GitHubOAuthenticator.

It has no proxy: people and servers talk to the hub itself. What it does inside, `/hub/bench` tells.
"""

import asyncio
import json
import os
import time

from jupyterhub.handlers import BaseHandler
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

from tests.no_proxy import NoProxy

bench = json.loads(os.environ["JHKUBE_BENCH"])
is_jhkube = bench["side"] == "jhkube"


class Meter:
    """Counts queries and commits with their time, and notes the longest time in which the loop did nothing else."""

    def __init__(self):
        self.start()

    def start(self):
        self.queries, self.query_seconds, self.commits, self.commit_seconds = 0, 0.0, 0, 0.0
        self.block, self.since = 0.0, time.process_time()

    async def beat(self):
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            self.block = max(self.block, time.monotonic() - before - 0.005)

    def read(self):
        """Return what was found since this was last asked."""
        found = {
            "queries": self.queries,
            "query_seconds": self.query_seconds,
            "commits": self.commits,
            "commit_seconds": self.commit_seconds,
            "block": self.block,
            "processor": time.process_time() - self.since,
        }
        self.start()
        return found


meter = Meter()
asyncio.get_event_loop().create_task(meter.beat())


@event.listens_for(Engine, "before_cursor_execute")
def begin_query(connection, *rest):
    connection.info["began"] = time.perf_counter()


@event.listens_for(Engine, "after_cursor_execute")
def end_query(connection, *rest):
    meter.queries += 1
    meter.query_seconds += time.perf_counter() - connection.info["began"]


do_commit = DefaultDialect.do_commit


def timed_commit(self, connection):
    began = time.perf_counter()
    do_commit(self, connection)
    meter.commits += 1
    meter.commit_seconds += time.perf_counter() - began


DefaultDialect.do_commit = timed_commit


class BenchHandler(BaseHandler):
    """Tells what the meter found, and starts it again."""

    async def prepare(self):
        self._jupyterhub_user = None

    async def get(self):
        self.write(meter.read())


c = get_config()  # noqa: F821
c.JupyterHub.bind_url = f"http://127.0.0.1:{bench['port']}/"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{bench['port']}"
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.extra_handlers = [("/bench", BenchHandler)]
c.JupyterHub.db_url = bench["database"]
c.JupyterHub.cookie_secret = b"0" * 32
c.JupyterHub.cleanup_servers = False
c.JupyterHub.init_spawners_timeout = -1
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.services = [{"name": "bench", "api_token": bench["token"]}]
c.JupyterHub.load_roles = [{"name": "bench", "scopes": ["list:users", "read:users"], "services": ["bench"]}]
c.JupyterHub.log_level = "INFO"

c.KubeSpawner.namespace = bench["namespace"]
c.KubeSpawner.port = bench["server_port"]
c.KubeSpawner.extra_pod_config = {"nodeName": bench["node"]}
c.KubeSpawner.delete_grace_period = 0
c.KubeSpawner.start_timeout = 600
c.KubeSpawner.cpu_guarantee = 0.001
c.KubeSpawner.mem_guarantee = "8M"
c.KubeSpawner.image = f"{bench['repository']}:r1"

common = {
    "github_url": bench["github_url"],
    "client_id": bench["client_id"],
    "client_secret": bench["client_secret"],
    "allowed_organizations": {"lab00"},
}
if is_jhkube:
    c.JupyterHub.spawner_class = "jhkube.spawner.JHKubeSpawner"
    c.JupyterHub.authenticator_class = "jhkube.auth.GitHubOrgAuthenticator"
    c.GitHubOrgAuthenticator.update(common)
    load_subconfig(bench["memory"])  # noqa: F821
    c.JHKubeSpawner.home = "shared-pvc"
    c.JHKubeSpawner.home_claim = "homes"
    c.JHKubeSpawner.home_made_by = "nobody"
    c.JHKubeSpawner.git_hosts = ["github.com"]
    c.ImageMenu.repositories = [bench["repository"]]
    c.ImageMenu.insecure_registries = [bench["repository"].partition("/")[0]]
else:
    c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
    c.JupyterHub.authenticator_class = "oauthenticator.github.GitHubOAuthenticator"
    c.GitHubOAuthenticator.update(common)
    c.GitHubOAuthenticator.enable_auth_state = True
    c.GitHubOAuthenticator.scope = ["read:org", "user:email"]
    c.GitHubOAuthenticator.populate_teams_in_auth_state = True
    c.GitHubOAuthenticator.manage_groups = True

    def group_names(auth_state):
        teams = auth_state["teams"]
        organizations = {team["organization"]["login"] for team in teams}
        return organizations | {f"{team['organization']['login']}:{team['slug']}" for team in teams}

    c.GitHubOAuthenticator.auth_state_groups_key = group_names
    c.KubeSpawner.uid = 1000
    c.KubeSpawner.gid = 1000
    c.KubeSpawner.volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": "homes"}}]
    c.KubeSpawner.volume_mounts = [{"name": "home", "mountPath": "/home/{username}", "subPath": "{username}"}]
    c.KubeSpawner.profile_list = [
        {"display_name": name, "slug": name, "kubespawner_override": {"cpu_limit": cores}}
        for name, cores in (("small", 1), ("medium", 2), ("large", 4))
    ]
for name, value in bench["settings"].items():
    section, trait = name.split(".")
    c[section][trait] = value

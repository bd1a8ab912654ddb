"""The configuration of the hub that the tests of starts run: anybody may come in, and a test sets a user's traits."""

import json
import os
from pathlib import Path

settings = json.loads(os.environ["JHKUBE_TEST_HUB"])


def set_traits(spawner):
    wanted = Path(f"{spawner.user.name}.json")
    if wanted.exists():
        for name, value in json.loads(wanted.read_text()).items():
            setattr(spawner, name, value)


c = get_config()  # noqa: F821
c.JupyterHub.spawner_class = "jhkube.spawner.JHKubeSpawner"
# A test does not wait for a minute to see that no node comes.
c.JHKubeSpawner.start_patience = settings["patience"]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.allow_named_servers = True
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.cookie_secret_file = "cookie-secret"
c.JupyterHub.bind_url = f"http://127.0.0.1:{settings['port']}/"
c.JupyterHub.hub_ip = "0.0.0.0"
c.JupyterHub.hub_port = settings["hub_port"]
c.JupyterHub.hub_connect_ip = settings["host"]
c.JupyterHub.cleanup_servers = False
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": settings["slow_spawn_timeout"]}
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings['proxy_port']}"
c.ConfigurableHTTPProxy.auth_token = "0" * 64
c.JupyterHub.services = [{"name": "tests", "api_token": settings["token"]}]
c.JupyterHub.load_roles = [
    {"name": "tests", "scopes": ["admin:users", "admin:servers", "list:users"], "services": ["tests"]}
]
c.KubeSpawner.namespace = settings["namespace"]
c.KubeSpawner.image = settings["image"]
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
c.KubeSpawner.uid = 1000
# A test waits less long than that for an end: what ends before has found its reason.
c.KubeSpawner.start_timeout = 500
c.KubeSpawner.http_timeout = 120
c.KubeSpawner.k8s_api_request_retry_timeout = 120
c.KubeSpawner.cpu_guarantee = 0.001
c.KubeSpawner.mem_guarantee = "8M"
c.KubeSpawner.delete_grace_period = 0
c.KubeSpawner.pre_spawn_hook = set_traits
if settings["api_host"]:
    c.KubeSpawner.k8s_api_host = settings["api_host"]

"""Stands for the chart's own configuration: it sets what that sets, and then loads what that loads."""

import os
import sys
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient

FOLDER = Path("/usr/local/etc/jupyterhub")
sys.path.insert(0, str(FOLDER))

from z2jh import get_config, get_secret_value  # noqa: E402

AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient")

c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.cookie_secret = bytes.fromhex(get_secret_value("hub.config.JupyterHub.cookie_secret"))
c.CryptKeeper.keys = get_secret_value("hub.config.CryptKeeper.keys").split(";")
c.JupyterHub.cleanup_servers = False
c.JupyterHub.last_activity_interval = 60
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
c.JupyterHub.concurrent_spawn_limit = 64
c.JupyterHub.allow_named_servers = False

# The proxy is a pod of its own; the addresses are those of the Services.
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = (
    f"http://{os.environ['PROXY_API_SERVICE_HOST']}:{os.environ['PROXY_API_SERVICE_PORT']}"
)
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_url = f"http://{os.environ['HUB_SERVICE_HOST']}:{os.environ['HUB_SERVICE_PORT']}"

release = os.environ["HELM_RELEASE_NAME"]
c.KubeSpawner.common_labels = {"app": "jupyterhub", "release": release, "chart": "jupyterhub-4.3.0"}
c.KubeSpawner.extra_labels = {"hub.jupyter.org/network-access-hub": "true"}
c.KubeSpawner.namespace = os.environ["POD_NAMESPACE"]
c.KubeSpawner.image = "registry.example.org/not-this-one:1"
c.KubeSpawner.image_pull_policy = "IfNotPresent"
c.KubeSpawner.cmd = "jupyterhub-singleuser"
c.KubeSpawner.uid = 1000
c.KubeSpawner.fs_gid = 100
c.KubeSpawner.allow_privilege_escalation = False
c.KubeSpawner.events_enabled = True
c.KubeSpawner.start_timeout = 300
c.KubeSpawner.mem_guarantee = "1G"
c.KubeSpawner.node_affinity_preferred = [
    {
        "weight": 100,
        "preference": {
            "matchExpressions": [{"key": "hub.jupyter.org/node-purpose", "operator": "In", "values": ["user"]}]
        },
    }
]
c.KubeSpawner.tolerations = [
    {"key": "hub.jupyter.org/dedicated", "operator": "Equal", "value": "user", "effect": "NoSchedule"}
]

# `cull.enabled`, as it is by default.
culler = ["python3", "-m", "jupyterhub_idle_culler", "--url=http://localhost:8081/hub/api", "--timeout=3600"]
c.JupyterHub.services = [{"name": "jupyterhub-idle-culler", "command": culler}]
c.JupyterHub.load_roles = [
    {
        "name": "jupyterhub-idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["jupyterhub-idle-culler"],
    }
]

for name, traits in get_config("hub.config", {}).items():
    c[name].update(traits)
for part in sorted((FOLDER / "jupyterhub_config.d").glob("*.py")):
    exec(compile(part.read_text(), part.name, "exec"))
for _, code in sorted(get_config("hub.extraConfig", {}).items()):
    exec(code)

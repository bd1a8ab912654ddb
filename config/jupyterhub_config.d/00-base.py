"""The hub itself: where it listens, where it keeps its session database, and how pods reach it."""

from pathlib import Path

from jhkube.settings import Settings

settings = Settings.load()
data_dir = Path(settings["hub.dataDir"]).resolve()

if settings["hub.bindUrl"]:
    c.JupyterHub.bind_url = settings["hub.bindUrl"]

# Pods reach the hub by this address: the hub's Service in a cluster, this machine's address outside of it.
if settings["hub.connectHost"]:
    c.JupyterHub.hub_bind_url = f"http://{settings['hub.connectHost']}:{settings['hub.port']}"
    c.JupyterHub.hub_connect_url = c.JupyterHub.hub_bind_url
if settings["hub.proxyApiUrl"]:
    c.ConfigurableHTTPProxy.api_url = settings["hub.proxyApiUrl"]

c.JupyterHub.db_url = settings["hub.dbUrl"] or f"sqlite:///{data_dir / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(data_dir / "jupyterhub_cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(data_dir / "jupyterhub-proxy.pid")

# Pods outlive the hub: it finds them again when it comes back.
c.JupyterHub.cleanup_servers = False
c.JupyterHub.concurrent_spawn_limit = int(settings["hub.concurrentSpawns"])
c.JupyterHub.allow_named_servers = True

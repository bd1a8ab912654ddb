"""The hub itself: its address, its proxy, its database and keys, its log, and how pods reach it."""

from pathlib import Path

from tornado.netutil import is_valid_ip

from jhkube.deployment.crypt_keys import crypt_keys
from jhkube.logs import JSON_LINES, hide_url_secrets
from jhkube.settings import Settings

settings = Settings.load()
data_dir = Path(settings["hub.dataDir"]).resolve()

# The address on which the proxy accepts connections, and the path below which the hub is.
if settings["hub.bindUrl"]:
    c.JupyterHub.bind_url = settings["hub.bindUrl"].rstrip("/") + (settings["hub.baseUrl"] or "/")
elif settings["hub.baseUrl"]:
    c.JupyterHub.base_url = settings["hub.baseUrl"]

# The address at which pods reach the hub. The hub listens on it if it is an IP address, and on all addresses if it is
# the name of a Service.
if settings["hub.connectHost"]:
    c.JupyterHub.hub_connect_ip = settings["hub.connectHost"]
    c.JupyterHub.hub_ip = settings["hub.connectHost"] if is_valid_ip(settings["hub.connectHost"]) else ""
    c.JupyterHub.hub_port = settings["hub.port"]

# The proxy: its API, the secret shared with the hub, and the proxies in front of it that send clients' addresses.
if settings["proxy.apiUrl"]:
    c.ConfigurableHTTPProxy.api_url = settings["proxy.apiUrl"]
if settings["proxy.authToken"]:
    c.ConfigurableHTTPProxy.auth_token = settings["proxy.authToken"]
if settings["proxy.external"]:
    c.ConfigurableHTTPProxy.should_start = False
if settings["proxy.trusted"]:
    c.JupyterHub.trusted_downstream_ips = settings["proxy.trusted"]

# What is stored: people and sessions in the database, the cookie secret, and the keys that encrypt auth_state.
if not settings.in_chart:
    c.JupyterHub.db_url = f"sqlite:///{data_dir / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(data_dir / "jupyterhub_cookie_secret")
    c.ConfigurableHTTPProxy.pid_file = str(data_dir / "jupyterhub-proxy.pid")
if settings["hub.dbUrl"]:
    c.JupyterHub.db_url = settings["hub.dbUrl"]
if settings["hub.cryptKeysFile"]:
    c.CryptKeeper.keys = crypt_keys(Path(settings["hub.cryptKeysFile"]))

# The log: one line for each event, as text or JSON. Secrets in URLs are hidden here too, because authenticators that
# are not jhkube's do not do it.
hide_url_secrets()
if settings["log.level"]:
    c.JupyterHub.log_level = settings["log.level"].upper()
if settings["log.format"] == "json":
    c.JupyterHub.logging_config = JSON_LINES

# Pods continue when the hub stops. It finds them again when it starts.
c.JupyterHub.cleanup_servers = False

# Named servers, and how many servers start at the same time. The chart has its own values for both.
if settings.unless_charts("hub.concurrentSpawns") is not None:
    c.JupyterHub.concurrent_spawn_limit = settings["hub.concurrentSpawns"]
if settings.unless_charts("hub.namedServers") is not None:
    c.JupyterHub.allow_named_servers = settings["hub.namedServers"]

"""The rights of `jhkube operator`: it starts and stops the servers of some groups, by custom resource."""

from jhkube.service.hub_config import OPERATOR_SERVICE
from jhkube.service.in_hub import Idle, hub_handlers
from jhkube.settings import Settings

settings = Settings.load()

if settings["operator.groups"]:
    if not settings["operator.token"]:
        raise ValueError("JHKUBE_OPERATOR_TOKEN is missing: it is needed with JHKUBE_OPERATOR_GROUPS")
    c.JupyterHub.services.append({"name": OPERATOR_SERVICE, "api_token": settings["operator.token"]})
    scopes = [
        f"{scope}!group={group}" for group in settings["operator.groups"] for scope in ("servers", "read:users")
    ]
    c.JupyterHub.load_roles.append({"name": OPERATOR_SERVICE, "services": [OPERATOR_SERVICE], "scopes": scopes})
    # These handlers say why a start failed. The service My servers uses them too.
    if not settings["myServers.enabled"]:
        c.JupyterHub.extra_handlers.extend(hub_handlers(Idle.from_settings(settings)))

"""Services next to the hub: the culler of idle servers, and Prometheus' access to the hub's metrics."""

import json
import os
import sys

from jhkube.deployment.idle import Removal
from jhkube.service.removals import removal_handlers
from jhkube.settings import SETTINGS, Settings

settings = Settings.load()

# The culler reads the sizes of servers from the labels of their pods, as the hub's own account.
CLUSTER = ("JHKUBE_NAMESPACE", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")

# The culler stops servers that nobody uses. The hub starts it, and its role has only the scopes that it needs.
if settings["culler.enabled"]:
    culler = {each.variable: json.dumps(settings[each.name]) for each in SETTINGS if each.name.startswith("culler.")}
    culler |= {name: os.environ[name] for name in CLUSTER if name in os.environ}
    c.JupyterHub.services.append(
        {
            "name": "jhkube-culler",
            "command": [sys.executable, "-m", "jhkube.culler"],
            "environment": {**culler, "JHKUBE_LOG_FORMAT": settings["log.format"]},
        }
    )
    memberships = [f"read:groups!group={name}" for name in settings["culler.groups"]]
    c.JupyterHub.load_roles.append(
        {
            "name": "jhkube-culler",
            "services": ["jhkube-culler"],
            "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers", *memberships],
        }
    )
    # The lab image warns people in JupyterLab before a server stops because of its maximum age.
    if settings["culler.maxAge"]:
        c.JHKubeSpawner.environment.update(
            {
                "JHKUBE_STOPS_AFTER": str(settings["culler.maxAge"]),
                "JHKUBE_STOP_WARNING": str(settings["culler.warning"]),
            }
        )
    # The culler asks the hub to remove stopped servers. The hub itself decides which of them are due.
    if settings["culler.removeAfter"]:
        c.JupyterHub.extra_handlers.extend(removal_handlers(Removal.from_settings(settings)))

# Prometheus reads /hub/metrics with a token that allows nothing else. Or everybody can read it, without a token.
if settings["metrics.token"]:
    c.JupyterHub.services.append({"name": "jhkube-metrics", "api_token": settings["metrics.token"]})
    c.JupyterHub.load_roles.append(
        {"name": "jhkube-metrics", "services": ["jhkube-metrics"], "scopes": ["read:metrics"]}
    )
if settings["metrics.public"]:
    c.JupyterHub.authenticate_prometheus = False

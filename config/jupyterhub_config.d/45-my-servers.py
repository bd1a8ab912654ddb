"""The service "My servers": a page and an API for people's own servers, their logs and their disks."""

import os
import sys

from jupyterhub.app import JupyterHub

from jhkube.service.hub_config import ACCESS_SCOPE, ALLOWED_SCOPES, GATEWAY_SCOPES, OWN_DISKS, SERVICE_NAME, USER_ROLE
from jhkube.service.in_hub import Idle, hub_handlers
from jhkube.settings import Settings

settings = Settings.load()

CLUSTER = ("JHKUBE_NAMESPACE", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")

if settings["myServers.enabled"]:
    service = {
        "name": SERVICE_NAME,
        "oauth_client_allowed_scopes": list(ALLOWED_SCOPES),
        # People see no page that asks for consent: with their token the service can do no more than they can.
        "oauth_no_confirm": True,
    }
    if settings["myServers.url"]:
        service |= {"url": settings["myServers.url"], "api_token": settings["myServers.token"]}
    else:
        # The hub starts it, so it has the hub's account in the cluster.
        service |= {
            "url": f"http://127.0.0.1:{settings['myServers.port']}",
            "command": [sys.executable, "-m", "jhkube.service", f"--hub-pid={os.getpid()}"],
            "environment": {
                **{name: os.environ[name] for name in CLUSTER if name in os.environ},
                "JHKUBE_MY_SERVERS_LARGEST_DISK": settings["myServers.largestDisk"],
                "JHKUBE_MY_SERVERS_SECRETS": str(settings["myServers.secrets"]).lower(),
                OWN_DISKS: str(settings["myServers.ownDisks"]),
                "JHKUBE_MY_SERVERS_KUBEFLOW": str(settings["myServers.kubeflow"]).lower(),
                "JHKUBE_MY_SERVERS_RENKU_FORGE": settings["myServers.renkuForge"],
                "JHKUBE_GUESTS": str(settings["guests.enabled"]).lower(),
                "JHKUBE_HOME_SIZE": settings["home.size"],
                "JHKUBE_LOG_FORMAT": settings["log.format"],
            },
        }
    c.JupyterHub.services.append(service)
    c.JupyterHub.extra_handlers.extend(hub_handlers(Idle.from_settings(settings)))
    if settings["myServers.kubeflow"] or settings["myServers.renkuForge"]:
        c.JupyterHub.custom_scopes.update(GATEWAY_SCOPES)
    # The service shows the end of the log of a server that failed.
    c.JHKubeSpawner.keep_failed_logs = True
    # People can attach the secrets that they create there.
    c.JHKubeSpawner.own_secrets = settings["myServers.secrets"]
    # The same for disks.
    c.JHKubeSpawner.own_disks = settings["myServers.ownDisks"] > 0

    # Who may use it. If the operator has a role `user` that says so, it cannot be defined a second time.
    if settings["myServers.everybody"]:
        if "extra_user_scopes" in JupyterHub.class_trait_names():
            c.JupyterHub.extra_user_scopes.update({ACCESS_SCOPE})
        else:
            c.JupyterHub.load_roles.append(USER_ROLE)

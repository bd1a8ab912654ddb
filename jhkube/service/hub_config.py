"""What the hub's configuration says of the service: its name, and what it may do with a person's token."""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "ACCESS_SCOPE",
    "ALLOWED_SCOPES",
    "GATEWAY_SCOPE",
    "GATEWAY_SCOPES",
    "OPERATOR_SERVICE",
    "OWN_DISKS",
    "SERVICE_NAME",
    "USER_ROLE",
]

SERVICE_NAME: Final = "jhkube"
"""The service's name in the hub, so that it is at `/services/jhkube/`."""

ACCESS_SCOPE: Final = f"access:services!service={SERVICE_NAME}"
"""The scope that lets somebody use the service."""

ALLOWED_SCOPES: Final = (ACCESS_SCOPE, "servers", "access:servers", "read:users:name", "read:users:groups")
"""What the hub lets a person's token do that it gives the service, as far as the person may do it themselves.

There is no more than that: the service has no scope of its own.
"""

GATEWAY_SCOPE: Final = "custom:jhkube:kubeflow-userid"
"""The scope of a gateway that says by the header `kubeflow-userid` for whom it asks."""

GATEWAY_SCOPES: Final[dict[str, Any]] = {
    GATEWAY_SCOPE: {"description": "Ask the front doors for the person that the header kubeflow-userid names"}
}
"""Its definition, for `JupyterHub.custom_scopes`."""

OPERATOR_SERVICE: Final = "jhkube-operator"
"""The name in the hub of what starts servers as custom resources ask for them."""

OWN_DISKS: Final = "JHKUBE_MY_SERVERS_OWN_DISKS"
"""The service's variable with how many disks a person may make without a server."""

USER_ROLE: Final[dict[str, Any]] = {"name": "user", "scopes": ["self", ACCESS_SCOPE]}
"""Everybody's role with that scope, for a hub that has no `extra_user_scopes`: JupyterHub before 6."""

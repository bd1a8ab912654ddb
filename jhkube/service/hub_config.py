"""What the hub's configuration says of the service: its name, and what it may do with a person's token; pure."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["ACCESS_SCOPE", "ALLOWED_SCOPES", "SERVICE_NAME", "USER_ROLE"]

SERVICE_NAME: Final = "jhkube"
"""The service's name in the hub, so that it is at `/services/jhkube/`."""

ACCESS_SCOPE: Final = f"access:services!service={SERVICE_NAME}"
"""The scope that lets somebody use the service."""

ALLOWED_SCOPES: Final = (ACCESS_SCOPE, "servers", "access:servers", "read:users:name", "read:users:groups")
"""What the hub lets a person's token do that it gives the service, as far as the person may do it themselves.

There is no more than that: the service has no scope of its own.
"""

USER_ROLE: Final[dict[str, Any]] = {"name": "user", "scopes": ["self", ACCESS_SCOPE]}
"""Everybody's role with that scope, for a hub that has no `extra_user_scopes`: JupyterHub before 6."""

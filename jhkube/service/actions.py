"""What each route does: asked of the hub with the person's token, and of the cluster where it is surely theirs."""

from __future__ import annotations

from typing import Any

from jhkube.service.cluster import Cluster
from jhkube.service.disk_actions import DiskActions, DiskLimits
from jhkube.service.hub_client import HubClient, Person
from jhkube.service.log_actions import LogActions
from jhkube.service.own_secrets import OwnSecrets
from jhkube.service.server_actions import ServerActions
from jhkube.service.validation import Request

__all__ = ["Actions"]


class Actions(ServerActions, LogActions, DiskActions):
    """The routes, by their names in the table; each returns what its schema says, or raises a `Refusal`.

    Parameters
    ----------
    hub
        The hub.
    cluster
        The API server.
    disks
        What people may do with disks.
    own_secrets
        Whether people can have secrets of their own.
    """

    def __init__(
        self, hub: HubClient, cluster: Cluster, disks: DiskLimits | None = None, *, own_secrets: bool = False
    ) -> None:
        super().__init__(hub, cluster, disks or DiskLimits())
        self._secrets = OwnSecrets(cluster, is_on=own_secrets)

    @property
    def has_secrets(self) -> bool:
        """Whether people can have secrets of their own."""
        return self._secrets.is_on

    async def secrets(self, person: Person, request: Request) -> Any:
        """Return a person's own secrets, without their values."""
        return {"secrets": await self._secrets.listed(await self._hub.servers(person.token, person.name))}

    async def make_secret(self, person: Person, request: Request) -> Any:
        """Make a secret."""
        hub = await self._hub.servers(person.token, person.name)
        return await self._secrets.make(hub, person.name, request.parts["name"], request.body["files"])

    async def remove_secret(self, person: Person, request: Request) -> None:
        """Delete a secret."""
        hub = await self._hub.servers(person.token, person.name)
        await self._secrets.remove(hub, person.name, request.parts["name"])

"""What the routes about disks do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from jhkube.cluster_accounts import STARTS, Right
from jhkube.identity import GUEST_SUBJECT
from jhkube.service.claim_views import check_growth, check_unused, claim_view, homes_on, storage_class_view
from jhkube.service.cluster import Cluster
from jhkube.service.hub_answers import HubServers
from jhkube.service.hub_client import HubClient, Person
from jhkube.service.new_claim import check_new_claim, claim_name, new_claim
from jhkube.service.own_objects import OwnObjects
from jhkube.service.ownership import Object, claims_of, server_of
from jhkube.service.refusals import Refusal, no_claim
from jhkube.service.server_views import UNKNOWN_PERSON
from jhkube.service.validation import Request

__all__ = ["DiskActions", "DiskLimits"]

MOST_ASKED: Final = 10
"""How many servers are asked what is free on their disks."""


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """What people may do with disks, as the operator has it."""

    largest: str = ""
    """How large they may let them grow, as Kubernetes writes it; empty for not at all."""

    own: int = 0
    """How many they may make without a server."""

    usual: str = "10Gi"
    """How large a disk is that the hub makes; one that is made alone is no larger where `largest` is empty."""


class DiskActions(OwnObjects):
    """The routes about disks.

    Parameters
    ----------
    hub
        The hub.
    cluster
        The API server.
    limits
        What people may do with disks.
    """

    def __init__(self, hub: HubClient, cluster: Cluster, limits: DiskLimits) -> None:
        super().__init__(hub, cluster)
        self._disks = limits
        # Two requests at once would each see room for one more.
        self._making_claim = asyncio.Lock()

    @property
    def can_disks_grow(self) -> bool:
        """Whether people may let their disks grow, as far as the operator is asked."""
        return bool(self._disks.largest)

    async def claims(self, person: Person, request: Request) -> Any:
        """Return all of a person's disks."""
        hub, claims, pods = await self._claims(person)
        free = await self._free(person, hub, claims, pods)
        return {"claims": [claim_view(each, pods, free) for each in claims]}

    async def claim(self, person: Person, request: Request) -> Any:
        """Return one disk."""
        hub, claim, pods = await self._claim(person, request.parts["name"])
        return claim_view(claim, pods, await self._free(person, hub, [claim], pods))

    async def _free(
        self, person: Person, hub: HubServers, claims: Iterable[Object], pods: Iterable[Object]
    ) -> dict[str, int]:
        """Return the bytes that are free in the homes on these disks, by the names of servers that run and tell."""
        names = {server_of(pod) for claim in claims for pod in homes_on(claim, pods)}
        asked = [each.name for each in hub.servers if each.is_ready and each.name in names][:MOST_ASKED]
        told = await asyncio.gather(*(self._hub.unsaved(person.token, person.name, name) for name in asked))
        return {name: said.free for name, said in zip(asked, told, strict=True) if said and said.free is not None}

    async def make_claim(self, person: Person, request: Request) -> Any:
        """Make a disk without a server."""
        asked = request.body
        async with self._making_claim:
            hub, claims, pods = await self._claims(person)
            if hub.subject.startswith(GUEST_SUBJECT):
                raise Refusal(HTTPStatus.FORBIDDEN, "Guests cannot make disks. Log in to have some.")
            limits = self._disks
            check_new_claim(claims, asked["size"], most=limits.own, largest=limits.largest or limits.usual)
            if not hub.subject:
                raise Refusal(HTTPStatus.CONFLICT, UNKNOWN_PERSON)
            await self._check_right(hub, STARTS[1])
            name = claim_name(person.name, asked["name"], own_namespace=bool(hub.own_namespace))
            claim = new_claim(name, person.name, hub.subject, asked)
            return claim_view(await self._cluster.make_claim(hub.namespace, claim), pods)

    async def check_right(self, person: Person, right: Right) -> None:
        """Raise a `Refusal` where the cluster does not let a person do something in their own namespace themselves.

        It is not asked where nothing says that people have accounts in the cluster.
        """
        await self._check_right(await self._hub.servers(person.token, person.name), right)

    async def _check_right(self, hub: HubServers, right: Right) -> None:
        account, namespace = hub.account, hub.own_namespace
        if account is None or not namespace:
            return
        if not account.name:
            raise Refusal(
                HTTPStatus.FORBIDDEN, "Your login does not tell this hub who you are in the cluster. Log in again."
            )
        if not await self._cluster.may(account, namespace, right):
            resource = f"{right.group}/{right.resource}" if right.group else right.resource
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                f"User “{account.name}” is not authorized to {right.verb} {resource} in the namespace {namespace}."
                " Ask an administrator of the cluster for a Role that allows it.",
            )

    async def change_claim(self, person: Person, request: Request) -> Any:
        """Let a disk grow."""
        _, claim, pods = await self._claim(person, request.parts["name"])
        wanted, name = request.body["size"], claim["spec"].get("storageClassName")
        check_growth(claim, wanted, self._disks.largest, None)
        classes = await self._cluster.storage_classes() if name else []
        found = next((each for each in classes if each["metadata"]["name"] == name), None)
        grows = bool(found and found.get("allowVolumeExpansion"))
        check_growth(claim, wanted, self._disks.largest, grows)
        return claim_view(await self._cluster.grow_claim(claim, wanted), pods)

    async def remove_claim(self, person: Person, request: Request) -> None:
        """Delete a disk that no server uses."""
        hub, claim, _ = await self._claim(person, request.parts["name"])
        pods = await self._cluster.all_pods(claim["metadata"]["namespace"])
        check_unused(claim, pods, hub)
        await self._cluster.delete_claim(claim)

    async def _claims(self, person: Person) -> tuple[HubServers, list[Object], list[Object]]:
        hub = await self._hub.servers(person.token, person.name)
        if not hub.subject:
            return hub, [], []
        namespaces = {hub.namespace, *(each.namespace for each in hub.servers)} - {""}
        lists = [await self._cluster.claims(each, person.name) for each in sorted(namespaces)]
        claims = claims_of((claim for claims in lists for claim in claims), hub.subject)
        pods = await self._pods_of_hubs(person, hub) if claims else []
        return hub, sorted(claims, key=lambda each: str(each["metadata"]["name"])), pods

    async def _claim(self, person: Person, name: str) -> tuple[HubServers, Object, list[Object]]:
        hub, claims, pods = await self._claims(person)
        claim = next((each for each in claims if each["metadata"]["name"] == name), None)
        if claim is None:
            raise no_claim(name)
        return hub, claim, pods

    async def storage_classes(self, person: Person, request: Request) -> Any:
        """Return the cluster's storage classes."""
        found = await self._cluster.storage_classes()
        return {"storage_classes": [storage_class_view(each) for each in found]}

"""What each route does: asked of the hub with the person's token, and of the cluster where it is surely theirs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from jhkube.cluster_accounts import STARTS, Right
from jhkube.identity import GUEST_SUBJECT
from jhkube.service.claim_views import check_growth, check_unused, claim_view, homes_on, storage_class_view
from jhkube.service.cluster import Cluster
from jhkube.service.event_views import event_views
from jhkube.service.hub_answers import HubServer, HubServers
from jhkube.service.hub_client import HubClient, is_new
from jhkube.service.idle_views import idle_warnings
from jhkube.service.new_claim import check_new_claim, claim_name, new_claim
from jhkube.service.own_secrets import OwnSecrets
from jhkube.service.ownership import Object, claims_of, hub_of_pod, pod_of, pods_of, server_of
from jhkube.service.refusals import Refusal, no_claim, no_pod, no_server
from jhkube.service.server_views import (
    UNKNOWN_PERSON,
    container_names,
    elsewhere_views,
    gpu_views,
    group_server_view,
    kept_log_view,
    log_view,
    server_view,
    state_of,
)
from jhkube.service.validation import Request
from jhkube.watch.containers import MAIN_CONTAINER

__all__ = ["Actions", "DiskLimits", "Person"]

STOPS_IN: Final = 75.0
"""Seconds that a restart waits for the server to stop."""

MOST_ASKED: Final = 10
"""How many servers are asked what is free on their disks."""

LOOKS_EVERY: Final = 0.5
"""Seconds between two looks at a server that is stopping."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks."""

    name: str
    """The hub's name of them."""

    token: str = field(repr=False)
    """The token that they came with, or that the hub gave the service for them."""


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """What people may do with disks, as the operator has it."""

    largest: str = ""
    """How large they may let them grow, as Kubernetes writes it; empty for not at all."""

    own: int = 0
    """How many they may make without a server."""

    usual: str = "10Gi"
    """How large a disk is that the hub makes; one that is made alone is no larger where `largest` is empty."""


class Actions:
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
        self._hub, self._cluster, self._disks = hub, cluster, disks or DiskLimits()
        self._secrets = OwnSecrets(cluster, is_on=own_secrets)
        # Two requests at once would each see room for one more.
        self._making_claim = asyncio.Lock()

    @property
    def has_secrets(self) -> bool:
        """Whether people can have secrets of their own."""
        return self._secrets.is_on

    @property
    def can_disks_grow(self) -> bool:
        """Whether people may let their disks grow, as far as the operator is asked."""
        return bool(self._disks.largest)

    async def options(self, person: Person, request: Request) -> Any:
        """Return what may be chosen."""
        return dict(await self._hub.options(person.token, person.name))

    async def check_options(self, person: Person, options: Mapping[str, Any]) -> None:
        """Return where these options can be taken; raise a `Refusal` with the field where they cannot."""
        await self._hub.check_options(person.token, person.name, options)

    async def own_namespace(self, person: Person) -> str:
        """Return the namespace that is this person's alone; empty where there is none."""
        return (await self._hub.servers(person.token, person.name)).own_namespace

    # Servers.

    async def servers(self, person: Person, request: Request) -> Any:
        """Return all of a person's servers."""
        hub = await self._hub.servers(person.token, person.name)
        views = await self._views(person, hub, hub.servers)
        return {"servers": views, "elsewhere": await self._elsewhere(person, hub)}

    async def _elsewhere(self, person: Person, hub: HubServers) -> list[dict[str, str]]:
        """Return the person's servers at other hubs; none where nobody can tell."""
        if not hub.hub or not hub.subject:
            return []
        try:
            return elsewhere_views(await self._pods_of_hubs(person, hub), hub.hub, hub.hub_urls)
        except Refusal:
            # What the hub itself knows is told without the cluster too.
            return []

    async def server(self, person: Person, request: Request) -> Any:
        """Return one server."""
        return await self._server_view(person, request.parts["name"])

    async def group_servers(self, person: Person, request: Request) -> Any:
        """Return the servers of a group's members."""
        hub = await self._hub.group_servers(person.token, request.parts["group"])
        return {"servers": [group_server_view(each) for each in hub.servers]}

    async def put_server(self, person: Person, request: Request) -> Any:
        """Make a server, or change one, and start it unless told not to."""
        name, body = request.parts["name"], request.body
        options, display_name = body.get("options"), body.get("display_name", "")
        hub = await self._hub.servers(person.token, person.name)
        if display_name and not is_new(hub.hub_version):
            raise Refusal(
                HTTPStatus.CONFLICT, "This hub (JupyterHub 5) has no display names. Leave it out.", "display_name"
            )
        if options:
            await self._hub.check_options(person.token, person.name, options)
        server = hub.named(name)
        if body.get("start", True):
            await self._start(person, hub, name, options, display_name)
        elif not is_new(hub.hub_version):
            raise Refusal(
                HTTPStatus.CONFLICT,
                "This hub (JupyterHub 5) makes a server when it starts it. Leave start out, or set it to true.",
                "start",
            )
        elif server is None:
            await self._hub.make(person.token, person.name, name, options or {}, display_name)
        else:
            await self._hub.change(person.token, person.name, name, options, display_name)
        return await self._server_view(person, name)

    async def start_server(self, person: Person, request: Request) -> Any:
        """Start a server; one that runs and is given options is stopped first."""
        name, options = request.parts["name"], request.body.get("options")
        hub = await self._hub.servers(person.token, person.name)
        if hub.named(name) is None:
            raise no_server(name)
        if options:
            # Before a server that runs is stopped for options that cannot be taken.
            await self._hub.check_options(person.token, person.name, options)
        await self._start(person, hub, name, options, "")
        return await self._server_view(person, name)

    async def _start(self, person: Person, hub: HubServers, name: str, options: Any, display_name: str) -> None:
        server = hub.named(name)
        state = state_of(server) if server else "stopped"
        if state in ("running", "starting") and not options:
            return
        if state in ("running", "starting"):
            await self._hub.stop(person.token, person.name, name)
        if state in ("running", "starting", "stopping"):
            await self._stopped(person, name)
        await self._hub.start(person.token, person.name, name, options, display_name, hub.hub_version)

    async def _stopped(self, person: Person, name: str) -> None:
        """Return when a server has stopped."""
        until = time.monotonic() + STOPS_IN
        while time.monotonic() < until:
            server = (await self._hub.servers(person.token, person.name)).named(name)
            if server is None or state_of(server) in ("stopped", "failed"):
                return
            await asyncio.sleep(LOOKS_EVERY)
        raise Refusal(HTTPStatus.CONFLICT, "Your server is still stopping. Start it when it has stopped.", "name")

    async def stop_server(self, person: Person, request: Request) -> Any:
        """Stop a server; nothing happens to one that does not run."""
        name = request.parts["name"]
        server = (await self._hub.servers(person.token, person.name)).named(name)
        if server is None:
            raise no_server(name)
        if state_of(server) not in ("stopped", "failed"):
            await self._hub.stop(person.token, person.name, name)
        return await self._server_view(person, name)

    async def remove_server(self, person: Person, request: Request) -> None:
        """Stop and remove a server, and its disk where that is asked for."""
        name = request.parts["name"]
        hub = await self._hub.servers(person.token, person.name)
        server = hub.named(name)
        if server is None:
            raise no_server(name)
        if not name:
            raise Refusal(HTTPStatus.CONFLICT, "The default server cannot be removed. Stop it instead.", "name")
        claim = await self._disk_to_delete(person, hub, server) if request.query["claims"] == "delete" else None
        if state_of(server) not in ("stopped", "failed"):
            await self._hub.stop(person.token, person.name, name)
            await self._stopped(person, name)
        await self._hub.remove(person.token, person.name, name)
        if claim is not None:
            await self._cluster.delete_claim(claim)

    async def _disk_to_delete(self, person: Person, hub: HubServers, server: HubServer) -> Object | None:
        """Return the disk that goes with a server, once it is sure that no other server uses it."""
        own = await self._hub.own_claim(person.token, person.name, server.name)
        if not own:
            raise Refusal(
                HTTPStatus.CONFLICT,
                "This server has no disk of its own, so none is deleted. Remove it and keep the disk.",
                "claims",
            )
        if not hub.subject:
            raise Refusal(HTTPStatus.CONFLICT, UNKNOWN_PERSON, "claims")
        namespace = server.namespace or hub.namespace
        claims = claims_of(await self._cluster.claims(namespace, person.name), hub.subject)
        claim = next((each for each in claims if each["metadata"]["name"] == own), None)
        if claim is not None:
            pods = await self._cluster.all_pods(namespace)
            here = [each for each in pods if hub_of_pod(each) in ("", hub.hub)]
            mine = pod_of(here, hub.subject, person.name, server.name)
            check_unused(claim, [each for each in pods if each is not mine], _without(hub, server.name))
        return claim

    async def _server_view(self, person: Person, name: str) -> dict[str, Any]:
        hub = await self._hub.servers(person.token, person.name)
        server = hub.named(name)
        if server is None:
            raise no_server(name)
        if state_of(server) == "running":
            unsaved = await self._hub.unsaved(person.token, person.name, name)
            server = replace(server, unsaved=unsaved)
        return (await self._views(person, hub, [server]))[0]

    async def _views(self, person: Person, hub: HubServers, servers: Iterable[HubServer]) -> list[dict[str, Any]]:
        """Return servers with what their pods tell, by one list; without that where the cluster is away."""
        warnings: list[str] = []
        pods: list[Object] = []
        servers = list(servers)
        if not hub.subject:
            warnings = [UNKNOWN_PERSON] if any(each.is_ready for each in servers) else []
        elif any(each.is_ready or each.pending for each in servers):
            try:
                pods = await self._pods(person, hub)
            except Refusal as refusal:
                warnings = [refusal.message]
        views = [server_view(each, pod_of(pods, hub.subject, person.name, each.name), *warnings) for each in servers]
        for each, view in zip(servers, views, strict=True):
            view["warnings"] += idle_warnings(each, view, hub.idle, datetime.now(UTC))
        return views

    async def _pods(self, person: Person, hub: HubServers) -> list[Object]:
        """Return the pods of this hub that are surely this person's."""
        return [pod for pod in await self._pods_of_hubs(person, hub) if hub_of_pod(pod) in ("", hub.hub)]

    async def _pods_of_hubs(self, person: Person, hub: HubServers) -> list[Object]:
        """Return the pods of all hubs that are surely this person's."""
        namespaces = {each.namespace or hub.namespace for each in hub.servers} or {hub.namespace}
        lists = [await self._cluster.pods(namespace, person.name) for namespace in sorted(namespaces) if namespace]
        return pods_of((pod for pods in lists for pod in pods), hub.subject)

    # What the cluster says of one server.

    async def _pod(self, person: Person, name: str) -> tuple[HubServers, HubServer, Object | None]:
        hub = await self._hub.servers(person.token, person.name)
        server = hub.named(name)
        if server is None:
            raise no_server(name)
        pods = await self._pods(person, hub) if hub.subject else []
        return hub, server, pod_of(pods, hub.subject, person.name, name)

    async def events(self, person: Person, request: Request) -> Any:
        """Return what the cluster has said since the start; also of a pod that is gone, as long as it knows."""
        hub, server, pod = await self._pod(person, request.parts["name"])
        uid = pod["metadata"]["uid"] if pod else server.pod_uid
        namespace = pod["metadata"]["namespace"] if pod else server.namespace or hub.namespace
        found = await self._cluster.events(namespace, uid) if uid and namespace else []
        return {"events": event_views(found, uid)}

    async def log(self, person: Person, request: Request) -> Any:
        """Return the end of a container's log; after a failure that of the pod that is gone."""
        _, _, pod = await self._pod(person, request.parts["name"])
        if pod is None:
            return await self._kept_log(person, request)
        containers = container_names(pod)
        container = _chosen_container(containers, request)
        previous = request.query["previous"]
        text, truncated = await self._cluster.log(pod, container, tail=request.query["tail"], previous=previous)
        return log_view(container, containers, text, previous=previous, truncated=truncated)

    async def _kept_log(self, person: Person, request: Request) -> Any:
        kept = await self._hub.kept_log(person.token, person.name, request.parts["name"])
        if kept is None or request.query["previous"]:
            raise no_pod()
        _chosen_container([kept["container"]], request)
        return kept_log_view(kept, request.query["tail"])

    async def followed_log(
        self, person: Person, request: Request
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Return what gives the log's end and then what comes, once it is entered."""
        if request.query["previous"]:
            raise Refusal(HTTPStatus.BAD_REQUEST, "An earlier log has ended, so it cannot be followed.", "follow")
        _, _, pod = await self._pod(person, request.parts["name"])
        if pod is None:
            raise no_pod()
        container = _chosen_container(container_names(pod), request)
        return self._cluster.followed_log(pod, container, tail=request.query["tail"])

    # Disks.

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

    # Secrets.

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

    # What there is to choose from.

    async def storage_classes(self, person: Person, request: Request) -> Any:
        """Return the cluster's storage classes."""
        found = await self._cluster.storage_classes()
        return {"storage_classes": [storage_class_view(each) for each in found]}

    async def gpus(self, person: Person, request: Request) -> Any:
        """Return the GPUs of the hub's sizes."""
        return {"gpus": gpu_views(await self._hub.options(person.token, person.name))}


def _chosen_container(containers: Sequence[str], request: Request) -> str:
    """Return the container that a request asks for, the server's own if it says none."""
    container = str(request.query["container"] or (containers[0] if containers else MAIN_CONTAINER))
    if container not in containers:
        raise Refusal(
            HTTPStatus.NOT_FOUND,
            f"This server has no such container. There are {', '.join(containers)}.",
            "container",
        )
    return container


def _without(hub: HubServers, name: str) -> HubServers:
    """Return the servers but one."""
    return HubServers(tuple(each for each in hub.servers if each.name != name), hub.subject, hub.namespace)

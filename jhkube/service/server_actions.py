"""What the routes about servers do: list them, make, start, stop and remove them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from jhkube.service.claim_views import check_unused
from jhkube.service.hub_answers import HubServer, HubServers
from jhkube.service.hub_client import Person, is_new
from jhkube.service.idle_views import idle_warnings
from jhkube.service.own_objects import OwnObjects
from jhkube.service.ownership import Object, claims_of, hub_of_pod, pod_of
from jhkube.service.pod_metrics import usage_view
from jhkube.service.refusals import Refusal, no_server
from jhkube.service.server_views import (
    UNKNOWN_PERSON,
    elsewhere_views,
    gpu_views,
    group_server_view,
    server_view,
    state_of,
)
from jhkube.service.validation import Request

__all__ = ["ServerActions"]

STOPS_IN: Final = 75.0
"""Seconds that a restart waits for the server to stop."""

LOOKS_EVERY: Final = 0.5
"""Seconds between two looks at a server that is stopping."""


class ServerActions(OwnObjects):
    """The routes about servers, and about what one can choose for them."""

    async def options(self, person: Person, request: Request) -> Any:
        """Return what may be chosen."""
        return dict(await self._hub.options(person.token, person.name))

    async def check_options(self, person: Person, options: Mapping[str, Any]) -> None:
        """Return where these options can be taken; raise a `Refusal` with the field where they cannot."""
        await self._hub.check_options(person.token, person.name, options)

    async def own_namespace(self, person: Person) -> str:
        """Return the namespace that is this person's alone; empty where there is none."""
        return (await self._hub.servers(person.token, person.name)).own_namespace

    async def gpus(self, person: Person, request: Request) -> Any:
        """Return the GPUs of the hub's sizes."""
        return {"gpus": gpu_views(await self._hub.options(person.token, person.name))}

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
        metrics: list[Object] = []
        servers = list(servers)
        if not hub.subject:
            warnings = [UNKNOWN_PERSON] if any(each.is_ready for each in servers) else []
        elif any(each.is_ready or each.pending for each in servers):
            try:
                pods, metrics = await asyncio.gather(self._pods(person, hub), self._metrics(person, hub))
            except Refusal as refusal:
                warnings = [refusal.message]
        views = []
        for each in servers:
            pod = pod_of(pods, hub.subject, person.name, each.name)
            view = server_view(each, pod, *warnings, usage=usage_view(pod, metrics) if pod else None)
            view["warnings"] += idle_warnings(each, view, hub.idle, datetime.now(UTC))
            views.append(view)
        return views


def _without(hub: HubServers, name: str) -> HubServers:
    """Return the servers but one."""
    return HubServers(tuple(each for each in hub.servers if each.name != name), hub.subject, hub.namespace)

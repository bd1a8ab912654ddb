"""What the routes about a server's log and its events do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any

from jhkube.service.event_views import event_views
from jhkube.service.hub_client import Person
from jhkube.service.own_objects import OwnObjects
from jhkube.service.refusals import Refusal, no_pod
from jhkube.service.server_views import container_names, kept_log_view, log_view
from jhkube.service.validation import Request
from jhkube.watch.containers import MAIN_CONTAINER

__all__ = ["LogActions"]


class LogActions(OwnObjects):
    """The routes about what a server has written, and what the cluster has said of it."""

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

# mypy: allow-untyped-calls
"""Renku's door: its errors, and each route done by the service's own."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from kubespawner.slugs import safe_slug

from jhkube._version import __version__
from jhkube.service.actions import Actions
from jhkube.service.caller import Caller
from jhkube.service.door_views import is_shown
from jhkube.service.doors import LOG_LINES, DoorHandler, door_rules
from jhkube.service.gateway import GatewayMixin
from jhkube.service.refusals import Refusal, no_server
from jhkube.service.renku.launch import read_launch, session_name, size_of_class, user_options
from jhkube.service.renku.routes import ROUTES
from jhkube.service.renku.views import (
    autosave_views,
    container_name,
    is_of,
    server_options,
    session_view,
    version_view,
)
from jhkube.service.routes import Route
from jhkube.service.validation import Request

__all__ = ["renku_handlers"]

ALIVE = ("running", "starting")


def renku_handlers(prefix: str, actions: Actions, forge: str, *, has_guests: bool = False) -> list[Any]:
    """Return tornado's rules for the door.

    Parameters
    ----------
    prefix
        The service's path, with slashes around it.
    actions
        What does the routes.
    forge
        The URL of the git host that has the projects.
    has_guests
        Whether the hub has guests, which Renku calls anonymous sessions.
    """
    return door_rules(f"{prefix}renku/", ROUTES, RenkuHandler, actions, forge=forge, has_guests=has_guests)


class RenkuHandler(GatewayMixin, DoorHandler):
    """One path of the door.

    Parameters
    ----------
    routes
        Its routes by method.
    actions
        What does the service's routes.
    forge
        The URL of the git host that has the projects.
    has_guests
        Whether the hub has guests.
    """

    open_routes = frozenset({"renku.health", "renku.version"})

    def initialize(
        self, routes: Mapping[str, Route], actions: Actions, forge: str = "", *, has_guests: bool = False
    ) -> None:
        """Keep what the rule gives."""
        super().initialize(routes, actions)
        self._forge, self._has_guests = forge, has_guests

    async def answer(self, request: Request) -> None:
        """Answer as Renku does."""
        if self.caller is None:
            self._tell(request.route.name)
            return
        status, answer = await self.doing(request)(self.caller, request)
        self.set_status(status)
        if answer is not None:
            self.write_json(status, answer)

    def refuse(self, refusal: Refusal) -> None:
        """Answer with Renku's error: 1xxx for the person's mistakes, 3xxx for what passes, 2xxx for ours."""
        status = int(refusal.status)
        # Renku's word for a request that cannot be taken.
        status = int(HTTPStatus.UNPROCESSABLE_ENTITY) if status == HTTPStatus.BAD_REQUEST else status
        kind = 1000 if status < 500 else 3000 if status == HTTPStatus.SERVICE_UNAVAILABLE else 2000
        error = {"code": kind + status, "message": refusal.message, "detail": refusal.field or None}
        self.write_json(status, {"error": error})

    def _tell(self, name: str) -> None:
        """Answer a route that says nothing of anybody."""
        if name == "renku.version":
            self.write_json(HTTPStatus.OK, version_view(__version__, has_guests=self._has_guests))
        else:
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.write(f"service running under {self.hub_auth.base_url}renku/notebooks")

    async def _session(self, caller: Caller, view: Any, *, image_is_missing: bool = False) -> dict[str, Any]:
        available = await caller.do("options")
        return session_view(view, available, self._forge, self._host(), image_is_missing=image_is_missing)

    def _host(self) -> str:
        return f"{self.request.protocol}://{self.request.host}"

    async def _servers(self, caller: Caller, request: Request) -> tuple[int, Any]:
        available = await caller.do("options")
        views = (await caller.do("servers"))["servers"]
        sessions = [session_view(each, available, self._forge, self._host()) for each in views if is_shown(each)]
        return HTTPStatus.OK, {"servers": {each["name"]: each for each in sessions if is_of(each, request.query)}}

    async def _server(self, caller: Caller, request: Request) -> tuple[int, Any]:
        return HTTPStatus.OK, await self._session(caller, await caller.do("server", {"name": request.parts["name"]}))

    async def _launch(self, caller: Caller, request: Request) -> tuple[int, Any]:
        launch = read_launch(request.body)
        name = {"name": session_name(safe_slug(caller.person.name), launch)}
        views = (await caller.do("servers"))["servers"]
        view = next((each for each in views if each["name"] == name["name"]), None)
        if view is not None and view["state"] in ALIVE:
            return HTTPStatus.OK, await self._session(caller, view)
        options = user_options(launch, self._forge, await caller.do("options"))
        is_missing = bool(launch.image) and not await self._may_choose(caller, launch.image)
        if is_missing:
            del options["image"]
        view = await caller.do("put_server", name, body={"options": options})
        return HTTPStatus.CREATED, await self._session(caller, view, image_is_missing=is_missing)

    async def _may_choose(self, caller: Caller, image: str) -> bool:
        try:
            await self._actions.check_options(caller.person, {"profile": "lab", "image": image})
        except Refusal as refusal:
            if refusal.field != "options.image":
                raise
            return False
        return True

    async def _change(self, caller: Caller, request: Request) -> tuple[int, Any]:
        name = {"name": request.parts["name"]}
        state, size_class = request.body.get("state"), request.body.get("resource_class_id")
        view = await caller.do("server", name)
        if size_class is not None:
            if view["state"] in ALIVE:
                raise Refusal(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    "The class of a session that runs cannot be changed. Pause it first.",
                    "resource_class_id",
                )
            size = size_of_class((await caller.do("options"))["sizes"], size_class)
            body = {"options": {**view["options"], "size": size}, "start": state == "running"}
            view = await caller.do("put_server", name, body=body)
        elif state == "running":
            view = await caller.do("start_server", name, body={})
        elif state == "hibernated":
            view = await caller.do("stop_server", name, body={})
        return HTTPStatus.OK, await self._session(caller, view)

    async def _remove(self, caller: Caller, request: Request) -> tuple[int, Any]:
        await caller.do("remove_server", {"name": request.parts["name"]})
        return HTTPStatus.NO_CONTENT, None

    async def _server_options(self, caller: Caller, request: Request) -> tuple[int, Any]:
        return HTTPStatus.OK, server_options((await caller.do("options"))["sizes"])

    async def _logs(self, caller: Caller, request: Request) -> tuple[int, Any]:
        view = await caller.do("server", {"name": request.parts["name"]})
        lines = min(request.query["max_lines"], LOG_LINES)
        logs = {}
        for container in view["containers"]:
            try:
                # There is no log of no lines.
                log = await caller.do(
                    "log", {"name": request.parts["name"]}, {"container": container, "tail": str(max(lines, 1))}
                )
            except Refusal as refusal:
                if refusal.status != HTTPStatus.NOT_FOUND:
                    raise
                # A container that was not started yet.
                continue
            logs[container_name(container, view["containers"][0])] = log["text"] if lines else ""
        return HTTPStatus.OK, logs

    async def _images(self, caller: Caller, request: Request) -> tuple[int, Any]:
        image = request.query["image_url"] or ""
        if not image:
            text = "The request names no image. Give its name as image_url."
            raise Refusal(HTTPStatus.BAD_REQUEST, text, "image_url")
        if not await self._may_choose(caller, image):
            raise Refusal(HTTPStatus.NOT_FOUND, "There is no such image, or you may not choose it here.", "image_url")
        return HTTPStatus.OK, None

    async def _autosaves(self, caller: Caller, request: Request) -> tuple[int, Any]:
        views = (await caller.do("servers"))["servers"]
        return HTTPStatus.OK, autosave_views(views, request.parts["path"], self._forge)

    async def _remove_autosave(self, caller: Caller, request: Request) -> tuple[int, Any]:
        _, found = await self._autosaves(caller, request)
        name = request.parts["name"]
        if name not in [each["name"] for each in found["autosaves"]]:
            raise no_server(name)
        await caller.do("remove_server", {"name": name}, {"claims": "delete"})
        return HTTPStatus.NO_CONTENT, None

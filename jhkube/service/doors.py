# mypy: allow-untyped-calls
"""Front doors: other systems' APIs, each read by a table of its own and done by the service's routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final

from jhkube.options_form.option_values import OptionError
from jhkube.service.actions import Actions
from jhkube.service.caller import Caller
from jhkube.service.identification import Identified
from jhkube.service.refusals import Refusal
from jhkube.service.routes import Route
from jhkube.service.validation import Request, read_request

__all__ = ["LOG_LINES", "DoorHandler", "door_rules"]

LOG_LINES: Final = 5000
"""How many of a log's last lines a door shows at most."""

DONE_IN: Final = 150.0
"""Seconds that a request may take."""


def door_rules(
    prefix: str, routes: Sequence[Route], handler: type[DoorHandler], actions: Actions, **more: Any
) -> list[Any]:
    """Return tornado's rules for a door.

    Parameters
    ----------
    prefix
        The door's path, with slashes around it.
    routes
        Its table. The name `{path}` stands for any number of a path's parts, every other one for one.
    handler
        What answers.
    actions
        What does the service's routes.
    more
        What else the handler is made with.
    """
    by_path: dict[str, dict[str, Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method] = route
    patterns = {
        path.replace(".", "\\.")
        .replace("{path}", "(?P<path>.+)")
        .replace("{", "(?P<")
        .replace("}", ">[^/]+)"): methods
        for path, methods in by_path.items()
    }
    return [
        (f"{prefix}{pattern}", handler, {"routes": methods, "actions": actions, **more})
        for pattern, methods in (*patterns.items(), (".*", {}))
    ]


class DoorHandler(Identified):
    """One path of a door.

    Parameters
    ----------
    routes
        Its routes by method.
    actions
        What does the service's routes.
    """

    open_routes: ClassVar[Collection[str]] = ()
    """The names of the routes that say nothing of anybody, so that anybody may ask them."""

    def initialize(self, routes: Mapping[str, Route], actions: Actions) -> None:
        """Keep what the rule gives."""
        self._routes, self._actions = routes, actions
        self.caller: Caller | None = None

    def set_default_headers(self) -> None:
        """Say that it is JSON."""
        super().set_default_headers()
        self.set_header("Content-Type", "application/json")

    async def _any(self, **parts: str) -> None:
        try:
            await self._answer(parts)
        except OptionError as error:
            self.refuse(Refusal(HTTPStatus.BAD_REQUEST, error.message, error.field))
        except Refusal as refusal:
            self.refuse(refusal)

    get = post = put = patch = delete = _any

    async def _answer(self, parts: Mapping[str, str]) -> None:
        route = self._routes.get(self.request.method or "")
        if route is None or route.name not in self.open_routes:
            person = await self.identify()
            if person is None:
                raise Refusal(
                    HTTPStatus.UNAUTHORIZED,
                    "Who you are is not known. Log in to the hub, or send a token of the hub: Authorization: token …",
                )
            self.caller = Caller(person, self.scopes, self._actions)
        if route is None:
            if not self._routes:
                raise Refusal(HTTPStatus.NOT_FOUND, "This API has no such path.")
            self.set_header("Allow", ", ".join(self._routes))
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"Allowed here: {', '.join(self._routes)}.")
        # These APIs take no notice of what they do not know.
        query = {
            name: [each.decode(errors="replace") for each in values]
            for name, values in self.request.query_arguments.items()
            if name in route.query
        }
        request = read_request(route, parts, query, self.request.body if route.has_body else b"")
        try:
            async with asyncio.timeout(DONE_IN):
                await self.answer(request)
        except TimeoutError:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "This takes too long at the moment. Try again.") from None

    def doing(self, request: Request) -> Callable[[Caller, Request], Awaitable[Any]]:
        """Return the method that does a request: it has the name of the route, which is after the door's own."""
        done: Callable[[Caller, Request], Awaitable[Any]] = getattr(self, f"_{request.route.name.partition('.')[2]}")
        return done

    async def answer(self, request: Request) -> None:
        """Answer a request that is as the table says."""
        raise NotImplementedError

    def refuse(self, refusal: Refusal) -> None:
        """Answer in the door's own shape that something is not done."""
        raise NotImplementedError

    def write_json(self, status: int, answer: Any) -> None:
        """Write an answer."""
        self.set_status(status)
        self.write(json.dumps(answer))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write tornado's own errors as the door's."""
        phrase = HTTPStatus(status_code).phrase if status_code in HTTPStatus._value2member_map_ else "Error"
        said = "The service failed. Tell your administrator." if status_code >= 500 else f"{phrase}."
        self.refuse(Refusal(status_code, said))
        self.finish()

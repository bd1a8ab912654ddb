"""The API's handlers: each request read by the table of routes, done, and answered as JSON."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from tornado.iostream import StreamClosedError

from jhkube.service.actions import Actions
from jhkube.service.hub_client import Person
from jhkube.service.identification import Identified, check_route_scopes
from jhkube.service.openapi import openapi
from jhkube.service.refusals import Refusal
from jhkube.service.routes import LOG_FOLLOW_SECONDS, ROUTES, Route
from jhkube.service.validation import Request, read_request

__all__ = ["MOST_FOLLOWED_BY_ONE", "api_handlers"]

DONE_IN: Final = 150.0
"""Seconds that a request may take, a log that is followed excepted: a restart waits for a stop and for the hub."""

MOST_FOLLOWED: Final = 60
"""How many logs are followed at once: each takes one of the 100 connections to the API server that all share."""

MOST_FOLLOWED_BY_ONE: Final = 5
"""How many of them may be one person's."""


def api_handlers(prefix: str, actions: Actions) -> list[Any]:
    """Return tornado's rules for the API, below the service's prefix."""
    more: dict[str, Any] = {"actions": actions, "followers": Counter()}
    by_path: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        by_path.setdefault(route.path, {})[route.method] = route
    return [
        (f"{prefix}api/openapi\\.json", OpenApiHandler, {"prefix": prefix}),
        *(
            (f"{prefix}api/{_pattern(path)}", ApiHandler, {"routes": routes, **more})
            for path, routes in by_path.items()
        ),
        (f"{prefix}api/.*", ApiHandler, {"routes": {}, **more}),
    ]


def _pattern(path: str) -> str:
    return path.replace("{", "(?P<").replace("}", ">[^/]+)")


class JsonHandler(Identified):
    """A handler whose errors are `{"message", "field"}`."""

    def set_default_headers(self) -> None:
        """Say that it is JSON."""
        super().set_default_headers()
        self.set_header("Content-Type", "application/json")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write tornado's own errors as the API's."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, Refusal):
            self.set_status(error.status)
            self.finish(json.dumps(error.to_json()))
            return
        phrase = HTTPStatus(status_code).phrase if status_code in HTTPStatus._value2member_map_ else "Error"
        said = "The service failed. Tell your administrator." if status_code >= 500 else f"{phrase}."
        self.finish(json.dumps(Refusal(status_code, said).to_json()))

    def log_exception(self, *args: Any) -> None:
        """Log no refusal: it is the answer, and nothing is wrong."""
        if not isinstance(args[1], Refusal):
            super().log_exception(*args)


class ApiHandler(JsonHandler):
    """One path of the API.

    Parameters
    ----------
    routes
        Its routes by method.
    actions
        What does them.
    followers
        How many logs are followed, by their person's name.
    """

    def initialize(self, routes: Mapping[str, Route], actions: Actions, followers: Counter[str]) -> None:
        """Keep what the rule gives."""
        self._routes, self._actions, self._followers = routes, actions, followers
        self._doing: asyncio.Task[Any] | None = None

    async def _any(self, **parts: str) -> None:
        try:
            await self._answer(parts)
        except Refusal as refusal:
            self.set_status(refusal.status)
            self.write(refusal.to_json())

    get = post = put = patch = delete = _any

    async def _answer(self, parts: Mapping[str, str]) -> None:
        person = await self.identify()
        if person is None:
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "Who you are is not known. Log in, or send a token of the hub: Authorization: token …",
            )
        route = self._route()
        check_route_scopes(route, person, self.scopes)
        query = {
            name: [each.decode(errors="replace") for each in self.request.query_arguments[name]]
            for name in self.request.query_arguments
        }
        query.pop("_xsrf", None)
        request = read_request(route, parts, query, self.request.body)
        if request.query.get("follow"):
            await self._follow(person, request)
            return
        do = getattr(self._actions, route.name)
        try:
            async with asyncio.timeout(DONE_IN):
                answer = await do(person, request)
        except TimeoutError:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "This takes too long at the moment. Try again.") from None
        self.set_status(route.status)
        if answer is not None:
            self.write(json.dumps(answer))

    def _route(self) -> Route:
        if not self._routes:
            raise Refusal(HTTPStatus.NOT_FOUND, "The API has no such path. api/openapi.json lists its paths.")
        route = self._routes.get(self.request.method or "")
        if route is None:
            self.set_header("Allow", ", ".join(self._routes))
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"Allowed here: {', '.join(self._routes)}.")
        return route

    async def _follow(self, person: Person, request: Request) -> None:
        """Write a log as it comes, until it ends, nobody listens any more, or time is up."""
        if self._followers.total() >= MOST_FOLLOWED or self._followers[person.name] >= MOST_FOLLOWED_BY_ONE:
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS, "Too many logs are followed at the moment. Reload the page to see more."
            )
        self._followers[person.name] += 1
        try:
            await self._write_followed(person, request)
        finally:
            self._followers[person.name] -= 1
            if not self._followers[person.name]:
                del self._followers[person.name]

    async def _write_followed(self, person: Person, request: Request) -> None:
        opened = await self._actions.followed_log(person, request)
        self._doing = asyncio.current_task()
        try:
            async with opened as log:
                self.set_header("Content-Type", "text/plain; charset=utf-8")
                await self.flush()
                async with asyncio.timeout(LOG_FOLLOW_SECONDS):
                    async for part in log:
                        self.write(part)
                        await self.flush()
        except (TimeoutError, StreamClosedError, OSError):
            # The pod went, or whoever read.
            return
        finally:
            self._doing = None

    def on_connection_close(self) -> None:
        """End what is done for nobody any more."""
        if self._doing is not None:
            self._doing.cancel()


class OpenApiHandler(JsonHandler):
    """The API's description; it says nothing of anybody, so anybody may have it."""

    def initialize(self, prefix: str) -> None:
        """Keep the prefix."""
        self._prefix = prefix

    def get(self) -> None:
        """Write it."""
        self.write(json.dumps(openapi(self._prefix)))

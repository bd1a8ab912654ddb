# mypy: allow-untyped-calls
"""Who asks: by the hub's OAuth cookie or a token in the header, with the hub's own XSRF check."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from jupyterhub.services.auth import HubOAuth, HubOAuthenticated, UserNotAllowed, check_scopes
from tornado import web

from jhkube.service.hub_client import ANSWERS_IN, HUB_AWAY, Person
from jhkube.service.refusals import Refusal
from jhkube.service.routes import Route

__all__ = ["Identified", "check_route_scopes"]

CONTENT_SECURITY = (
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
"""The stylesheet is the hub's, and Bootstrap's has its icons inside."""

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Identified(HubOAuthenticated, web.RequestHandler):
    """A handler that knows who asks before anything else of it runs."""

    hub_auth: HubOAuth
    scopes: frozenset[str] = frozenset()

    def set_default_headers(self) -> None:
        """Have nothing kept, guessed, framed or loaded from elsewhere."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Content-Security-Policy", CONTENT_SECURITY)

    async def identify(self) -> Person | None:
        """Return who asks; None for nobody that the hub knows.

        Raises
        ------
        Refusal
            403 for somebody who may not use the service, for a service, and for a form that another site has sent;
            503 where the hub does not answer.
        """
        try:
            async with asyncio.timeout(ANSWERS_IN):
                model: dict[str, Any] | None = await self.hub_auth.get_user(self, sync=False)
        except (TimeoutError, ValueError):
            # It does not answer, or something before it answers in its place.
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, HUB_AWAY) from None
        except web.HTTPError as error:
            if error.status_code >= 500:
                raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, HUB_AWAY) from None
            raise
        if model is None:
            return None
        try:
            allowed = self.check_hub_user(model)
        except UserNotAllowed:
            allowed = None
        person = self._asking(model) if allowed is not None else ""
        if not person:
            raise Refusal(HTTPStatus.FORBIDDEN, "This is for people whom the hub lets use the service “jhkube”.")
        if self.request.method not in SAFE_METHODS:
            try:
                self.check_xsrf_cookie()
            except web.HTTPError:
                raise Refusal(
                    HTTPStatus.FORBIDDEN, "The form is too old, or another site has sent it. Reload the page."
                ) from None
        self.scopes = frozenset(model["scopes"])
        return Person(person, str(self.hub_auth.get_token(self)))

    def _asking(self, model: Mapping[str, Any]) -> str:
        """Return the name of the person who asks, by what the hub says of their token; empty for a service's."""
        return str(model["name"]) if model.get("kind") == "user" else ""

    def get_current_user(self) -> None:
        """Return nobody: tornado's own way would block everybody while the hub is asked."""
        return


def check_route_scopes(route: Route, person: Person, scopes: frozenset[str]) -> None:
    """Raise a `Refusal` where a token has none of a route's scopes for its person's own servers.

    For a group's servers the hub alone says what a token may see.
    """
    if "group" in route.parts or check_scopes({f"{each}!user={person.name}" for each in route.scopes}, scopes):
        return
    raise Refusal(
        HTTPStatus.FORBIDDEN, f"Your token does not allow this. It needs the hub's scope {' or '.join(route.scopes)}."
    )

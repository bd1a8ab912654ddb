"""Somebody who has the service's routes done for them: the pages and the front doors ask as the API does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jhkube.service.actions import Actions
from jhkube.service.hub_client import Person
from jhkube.service.identification import check_route_scopes
from jhkube.service.validation import read_request, route_named

__all__ = ["Caller"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, with what their token allows."""

    person: Person
    scopes: frozenset[str]
    """The scopes of their token."""
    actions: Actions
    """What does the routes."""

    async def do(
        self,
        name: str,
        parts: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        """Return what a route answers; the request is checked as one to the API is.

        Parameters
        ----------
        name
            The route's name in the table.
        parts
            The names in its path.
        query
            The query's values.
        body
            The body, as JSON values; None for none.

        Raises
        ------
        Refusal
            Where the route refuses it.
        """
        route = route_named(name)
        check_route_scopes(route, self.person, self.scopes)
        sent = b"" if body is None else json.dumps(body).encode()
        request = read_request(route, parts or {}, {key: [value] for key, value in (query or {}).items()}, sent)
        return await getattr(self.actions, name)(self.person, request)

# mypy: allow-untyped-calls
"""What the form's script asks the hub about the pod that is made while the form is read."""

from __future__ import annotations

from typing import Any, Final

from jupyterhub.apihandlers.base import APIHandler
from tornado import web

__all__ = ["ahead_handlers"]

LONGEST: Final = 64 * 1024
"""Bytes of what a form may say."""

FIELDS: Final = 200
"""How many fields a form may have."""

NOT_FIELDS: Final = "The body of the request must be the fields of the form, as lists of texts by name."


def ahead_handlers() -> list[tuple[str, type[APIHandler]]]:
    """Return the handlers with their paths, for `JupyterHub.extra_handlers`."""
    return [(r"/jhkube/ahead/([^/]*)", AheadHandler)]


class AheadHandler(APIHandler):
    """The pod that is made for the form of one's own server; a POST says what the form shows now."""

    def _spawner(self, server_name: str) -> Any:
        user = self.current_user
        if not hasattr(user, "spawners"):
            raise web.HTTPError(403, "Only a person has servers, and this is a service.")
        if not self.has_scope(f"servers!server={user.name}/{server_name}"):
            raise web.HTTPError(403, "This needs the scope servers.")
        # The form of a named server is shown before the server is in the hub's records.
        if server_name not in user.spawners and server_name not in user.orm_user.orm_spawners:
            raise web.HTTPError(404)
        spawner = user.spawners[server_name]
        if not hasattr(spawner, "ahead_view"):
            raise web.HTTPError(404)
        return spawner

    def _write_view(self, spawner: Any) -> None:
        view = spawner.ahead_view()
        self.write({"state": view.state, "message": view.message})

    async def get(self, server_name: str) -> None:
        """Write `{"state": "waiting", "message": "…"}`; a state is none, waiting or failed."""
        self._write_view(self._spawner(server_name))

    async def post(self, server_name: str) -> None:
        """Have the pod follow the form's fields; writes the same."""
        spawner = self._spawner(server_name)
        fields = self.get_json_body() if len(self.request.body) <= LONGEST else None
        if not isinstance(fields, dict) or len(fields) > FIELDS or not all(map(_is_texts, fields.values())):
            raise web.HTTPError(400, NOT_FIELDS)
        await spawner.follow_choice(fields)
        self._write_view(spawner)


def _is_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)

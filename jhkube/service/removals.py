# mypy: allow-untyped-calls
"""Handlers in the hub's process: named servers that nobody came back to are announced, and then removed.

The culler asks for it. The hub's process decides, by its own clock and records, so that a server that was started a
moment ago is never taken for one that nobody uses.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from jupyterhub import orm
from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.apihandlers.users import UserServerAPIHandler
from jupyterhub.scopes import Scope, needs_scope
from tornado import web

from jhkube.deployment.idle import Removal
from jhkube.watch.unsaved_question import unsaved_kept

__all__ = ["announced_removal", "removal_handlers"]

AT_ONCE: Final = 50
"""After how many servers others have their turn."""

_STATE_KEY: Final = "jhkube_removal_announced"
"""Since when the person sees the warning. A start writes a new state, without this key."""


def removal_handlers(rules: Removal) -> list[tuple[str, type[APIHandler], dict[str, Any]]]:
    """Return the handlers with their paths, for `JupyterHub.extra_handlers`."""
    return [
        (r"/jhkube/removals", RemovalsHandler, {"rules": rules}),
        (r"/jhkube/removals/([^/]+)/([^/]+)", RemovalHandler, {"rules": rules}),
    ]


def announced_removal(orm_spawner: Any, rules: Removal, now: datetime) -> tuple[str, bool]:
    """Return when a server is removed, empty where its person is not told yet; and whether it is kept for longer."""
    announced = _announced(orm_spawner.state)
    if announced is None or not _is_stopped(orm_spawner):
        return "", False
    at = _removed_at(orm_spawner, rules, now)
    return at.isoformat() if at else "", not _is_saved(orm_spawner.state) and rules.unsaved_factor > 1


def _announced(state: Mapping[str, Any] | None) -> datetime | None:
    written = (state or {}).get(_STATE_KEY)
    return datetime.fromisoformat(written) if written else None


def _is_saved(state: Mapping[str, Any] | None) -> bool:
    unsaved = unsaved_kept(state)
    return unsaved is not None and unsaved.state == "none"


def _is_stopped(orm_spawner: Any) -> bool:
    return bool(orm_spawner.name) and orm_spawner.server is None and orm_spawner.last_activity is not None


def _removed_at(orm_spawner: Any, rules: Removal, now: datetime) -> datetime | None:
    state = orm_spawner.state
    return rules.removed_at(
        now, orm_spawner.last_activity.replace(tzinfo=UTC), _announced(state), is_saved=_is_saved(state)
    )


class RemovalsHandler(APIHandler):
    """Has the people be told whose servers will be removed; says which servers are due."""

    def initialize(self, rules: Removal) -> None:
        """Keep the rules."""
        self._rules = rules

    @needs_scope("delete:servers")
    async def post(self) -> None:
        """Write `{"due": [["ada", "old"], …]}`."""
        if self.parsed_scopes["delete:servers"] != Scope.ALL:
            raise web.HTTPError(403)
        now = datetime.now(UTC)
        # The earliest at which one can be announced.
        before = now - timedelta(seconds=max(self._rules.after - self._rules.warning, 0))
        columns: Any = orm.Spawner
        candidates = (
            self.db.query(columns)
            .filter(columns.name != "", columns.server_id.is_(None))
            .filter(columns.last_activity <= before.replace(tzinfo=None))
            .all()
        )
        due = []
        for index, orm_spawner in enumerate(candidates):
            if index % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            if orm_spawner not in self.db or not _is_stopped(orm_spawner):
                continue
            at = _removed_at(orm_spawner, self._rules, now)
            if at is not None and _announced(orm_spawner.state) is None:
                orm_spawner.state = {**(orm_spawner.state or {}), _STATE_KEY: now.isoformat()}
                self.db.commit()
            if at is not None and at <= now:
                due.append([orm_spawner.user.name, orm_spawner.name])
        self.write({"due": due})


class RemovalHandler(UserServerAPIHandler):
    """Removes a server that is due, with its disk."""

    def initialize(self, rules: Removal) -> None:
        """Keep the rules."""
        self._rules = rules

    def get_json_body(self) -> dict[str, Any]:
        """Return what JupyterHub's own handler takes for the order to remove a server and not only to stop it."""
        return {"remove": True}

    @needs_scope("delete:servers")
    async def delete(self, user_name: str, server_name: str = "") -> None:
        """Answer as JupyterHub does; 409 for a server that is not due, or that runs."""
        user = self.find_user(user_name)
        orm_spawner = user.orm_user.orm_spawners.get(server_name) if user is not None else None
        if orm_spawner is None:
            raise web.HTTPError(404)
        spawner, now = user.spawners.get(server_name), datetime.now(UTC)
        is_stopped = _is_stopped(orm_spawner) and not (spawner is not None and spawner.active)
        at = _removed_at(orm_spawner, self._rules, now) if is_stopped else None
        if at is None or at > now or _announced(orm_spawner.state) is None:
            self.set_status(409)
            self.finish(json.dumps({"message": "The server is in use, or it is not due."}))
            return
        # Nothing is awaited between the look and the removal.
        await super().delete(user_name, server_name)

    async def _not_here(self, *args: Any) -> None:
        raise web.HTTPError(405)

    get = post = put = patch = _not_here

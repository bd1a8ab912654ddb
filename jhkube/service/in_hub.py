# mypy: allow-untyped-calls
"""Handlers in the hub's process: what only that knows about servers.

They are added by `c.JupyterHub.extra_handlers = hub_handlers()`, together with the one of `in_hub_options`, and are
below `/hub/jhkube/`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import jupyterhub
from jupyterhub import orm
from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from tornado import web

from jhkube.cluster_accounts import ClusterAccount, NoClusterAccount
from jhkube.deployment.idle import IdleTimes, Removal
from jhkube.service.hub_answers import HubFailure, HubServer, HubServers
from jhkube.service.hub_choices import Choices
from jhkube.service.hub_config import GATEWAY_SCOPE
from jhkube.service.in_hub_options import OptionsHandler, speaks_for
from jhkube.service.removals import announced_removal
from jhkube.spawner_ownership import cluster_account, identity_in
from jhkube.watch.ends import ENDS
from jhkube.watch.failure import redacted
from jhkube.watch.kept_logs import KEPT_LOGS
from jhkube.watch.unsaved import Unsaved
from jhkube.watch.unsaved_question import UnsavedMixin, unsaved_kept

__all__ = ["Idle", "hub_handlers"]

AT_ONCE: Final = 20
"""Of how many people the servers are looked at before others have their turn."""


def hub_handlers(idle: Idle | None = None) -> list[tuple[Any, ...]]:
    """Return the handlers with their paths, for `JupyterHub.extra_handlers`.

    Parameters
    ----------
    idle
        When idle servers stop and are removed, so that people are told; None where they do not.
    """
    rules = {"idle": idle}
    return [
        (r"/jhkube/users/([^/]+)/options", OptionsHandler),
        (r"/jhkube/users/([^/]+)/servers", UserServersHandler, rules),
        (r"/jhkube/users/([^/]+)/servers/([^/]*)/claim", OwnClaimHandler),
        (r"/jhkube/users/([^/]+)/servers/([^/]*)/unsaved", UnsavedHandler),
        (r"/jhkube/users/([^/]+)/servers/([^/]*)/log", KeptLogHandler),
        (r"/jhkube/groups/([^/]+)/servers", GroupServersHandler),
    ]


def _account_made(handler: APIHandler, user: Any) -> str:
    """Return when a person's account was made, for those who may read it."""
    made = user.orm_user.created
    return str(made.isoformat()) if made and handler.has_scope(f"read:users!user={user.name}") else ""


@dataclass(frozen=True, slots=True)
class Idle:
    """When idle servers stop, and when stopped ones are removed."""

    times: Callable[[Collection[str]], IdleTimes]
    """Returns the rules for somebody in these groups."""

    removal: Removal

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Idle | None:
        """Return what the settings say; None where the culler is off."""
        if not settings["culler.enabled"]:
            return None
        return cls(partial(IdleTimes.from_settings, settings), Removal.from_settings(settings))


class UserServersHandler(APIHandler):
    """A person's servers.

    Parameters
    ----------
    idle
        When idle servers stop and are removed.
    """

    def initialize(self, idle: Idle | None) -> None:
        """Keep the rules."""
        self._idle = idle

    @needs_scope("read:servers")
    async def get(self, user_name: str) -> None:
        """Write a `HubServers`; whose they are, by the provider's id, is for themselves only."""
        user = self.find_user(user_name)
        if user is None:
            raise web.HTTPError(404)
        names = sorted({"", *user.orm_user.orm_spawners})
        is_self = speaks_for(self, user)
        if not is_self and GATEWAY_SCOPE in self.parsed_scopes:
            # A gateway whose scope is for others.
            raise web.HTTPError(404)
        auth_state = (await user.get_auth_state() or {}) if is_self else {}
        subject = await _subject(user)
        choices = await Choices.of(user.spawner if is_self else None)
        found = HubServers(
            servers=tuple(
                self._with_removal(user, choices.told(_server(self, user, name, subject))) for name in names
            ),
            subject=subject if is_self else "",
            namespace=str(getattr(user.spawner, "namespace", "")),
            own_namespace=_own_namespace(user.spawner),
            account=_account(user.spawner, auth_state) if is_self else None,
            hub_version=jupyterhub.__version__,
            named_servers=bool(self.allow_named_servers),
            idle=self._idle.times([group.name for group in user.groups]) if self._idle else None,
            hub=getattr(user.spawner, "hub_name", ""),
            hub_urls=_hub_urls(user.spawner),
            account_made=_account_made(self, user),
        )
        self.write(found.to_json())

    def _with_removal(self, user: Any, server: HubServer) -> HubServer:
        orm_spawner = user.orm_user.orm_spawners.get(server.name)
        if self._idle is None or orm_spawner is None:
            return server
        at, is_kept_longer = announced_removal(orm_spawner, self._idle.removal, datetime.now(UTC))
        return replace(server, removed_at=at, is_kept_longer=is_kept_longer)


class GroupServersHandler(APIHandler):
    """The servers of a group's members."""

    @needs_scope("read:servers")
    async def get(self, group_name: str) -> None:
        """Write a `HubServers` of those servers that the hub has a record of."""
        group = orm.Group.find(self.db, name=group_name)
        if group is None:
            raise web.HTTPError(404)
        servers = []
        ended = ENDS.users()
        for index, orm_user in enumerate(sorted(group.users, key=lambda each: each.name)):
            if index % AT_ONCE == AT_ONCE - 1:
                # A group can be large, and others wait for the hub too.
                await asyncio.sleep(0)
            if orm_user not in self.db:
                continue
            user = self._user_from_orm(orm_user)
            subject = await _subject(user) if user.id in ended else ""
            servers += [_server(self, user, name, subject) for name in sorted(orm_user.orm_spawners)]
        self.write(HubServers(tuple(servers), hub_version=jupyterhub.__version__).to_json())


class OwnClaimHandler(APIHandler):
    """The claim of one server alone; a POST has the removal of the server leave it to the service."""

    @needs_scope("read:servers")
    async def get(self, user_name: str, server_name: str) -> None:
        """Write `{"claim": …}`, empty where the server has none, or shares it with others."""
        self.write({"claim": _own_claim(self._spawner(user_name, server_name))})

    @needs_scope("delete:servers")
    async def post(self, user_name: str, server_name: str) -> None:
        """Answer 204."""
        spawner = self._spawner(user_name, server_name)
        if spawner.has_trait("delete_pvc"):
            spawner.delete_pvc = False
        self.set_status(204)

    def _spawner(self, user_name: str, server_name: str) -> Any:
        user = self.find_user(user_name)
        if user is None or server_name not in user.orm_user.orm_spawners:
            raise web.HTTPError(404)
        return user.spawners[server_name]


class UnsavedHandler(APIHandler):
    """What a server that runs says about unsaved work: asked now, unless it was just asked."""

    @needs_scope("access:servers")
    async def get(self, user_name: str, server_name: str) -> None:
        """Write `{"unsaved": …}`, null where nobody knows."""
        user = self.find_user(user_name)
        if user is None or server_name not in user.orm_user.orm_spawners:
            raise web.HTTPError(404)
        spawner = user.spawners.get(server_name)
        if isinstance(spawner, UnsavedMixin):
            await spawner.ask_unsaved()
        unsaved = _unsaved(user, server_name)
        self.write({"unsaved": unsaved.to_json() if unsaved else None})


def _unsaved(user: Any, server_name: str) -> Unsaved | None:
    """Return what a server last said about unsaved work; None where it was never asked."""
    spawner = user.spawners.get(server_name)
    if isinstance(spawner, UnsavedMixin):
        return spawner.unsaved
    orm_spawner = user.orm_user.orm_spawners.get(server_name)
    return unsaved_kept(orm_spawner.state) if orm_spawner is not None else None


class KeptLogHandler(APIHandler):
    """The end of the log of a server that failed, for the person whose it is."""

    @needs_scope("access:servers")
    async def get(self, user_name: str, server_name: str) -> None:
        """Write it; 404 where there is none, or its pod was made for somebody else."""
        user = self.find_user(user_name)
        if user is None or not speaks_for(self, user):
            raise web.HTTPError(404)
        subject = await _subject(user)
        found = KEPT_LOGS.find(user.id, server_name)
        if found is None or not subject or found.subject != subject:
            raise web.HTTPError(404)
        self.write(
            {
                "container": found.container,
                "text": found.content.decode(errors="replace"),
                "truncated": found.is_truncated,
                "ended": datetime.fromtimestamp(found.ended, UTC).isoformat(timespec="seconds"),
                "start": found.is_start,
            }
        )


def _own_claim(spawner: Any) -> str:
    """Return the name of the claim that goes with one server, by the rule of KubeSpawner's `delete_forever`."""
    template = str(getattr(spawner, "pvc_name_template", ""))
    return str(spawner.pvc_name) if spawner.name and "{user_server}" in template else ""


def _account(spawner: Any, auth_state: Mapping[str, Any]) -> ClusterAccount | None:
    """Return who somebody is to the API server; nobody at all where they should be somebody, and nothing says who."""
    try:
        return cluster_account(spawner, auth_state)
    except NoClusterAccount:
        return ClusterAccount("")


def _own_namespace(spawner: Any) -> str:
    return str(spawner.namespace) if getattr(spawner, "enable_user_namespaces", False) else ""


def _hub_urls(spawner: Any) -> dict[str, str]:
    """Return where several hubs are, by name; empty where there is one."""
    parsed = getattr(spawner, "parsed_hubs", tuple)
    return {each.name: each.url for each in parsed()}


async def _subject(user: Any) -> str:
    """Return the provider's immutable id of a person; empty where nobody knows it."""
    identity = identity_in(await user.get_auth_state() or {})
    return identity.subject if identity else ""


def _server(handler: APIHandler, user: Any, name: str, subject: str) -> HubServer:
    """Return what the hub knows of a server; one that has no spawner yet gets none.

    Parameters
    ----------
    handler
        What asks, with the scopes of its token.
    user, name
        Whose server, and which.
    subject
        The provider's id of the person, where somebody may have been called so before them.
    """
    spawner = user.spawners.get(name)
    model = handler.server_model(spawner or user.orm_user.orm_spawners[name], user=user)
    start = getattr(spawner, "pod_start", None)
    failure = _failure(spawner)
    finding = getattr(start, "finding", None)
    ended = None if spawner is not None and spawner.active else ENDS.get(user.id, name, subject)
    return HubServer(
        name=name,
        user=user.name,
        display_name=model.get("display_name") or "",
        pending=model["pending"] or "",
        is_ready=model["ready"],
        started=model["started"],
        last_activity=model["last_activity"],
        url=model["url"],
        options=model["user_options"] or {},
        namespace=str(getattr(spawner, "namespace", "")),
        pod_uid=str(getattr(start, "uid", None) or ""),
        phases=tuple(start.times.spent.items()) if start is not None else (),
        waiting_for=finding.meanwhile if finding is not None and failure is None else "",
        failure=failure,
        unsaved=_unsaved(user, name) if handler.has_scope(f"access:servers!server={user.name}/{name}") else None,
        ended=HubFailure(ended.message, ended.reason, ended.detail) if ended is not None else None,
    )


def _failure(spawner: Any) -> HubFailure | None:
    """Return why the last start failed; None where it did not, or the hub has forgotten it."""
    future = getattr(spawner, "_spawn_future", None)
    if future is None or spawner.active or not future.done() or future.cancelled():
        return None
    error = future.exception()
    if error is None:
        return None
    found = getattr(error, "failure", None)
    if found is not None:
        return HubFailure(found.message, found.reason, found.detail)
    said = str(getattr(error, "jupyterhub_message", "") or "")
    if not said and isinstance(error, web.HTTPError):
        said = str(error.log_message or "")
    fallback = "Your server did not start. Try again; tell your administrator if it happens again."
    return HubFailure(redacted(said) or fallback)

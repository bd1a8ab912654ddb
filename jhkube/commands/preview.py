# mypy: allow-untyped-calls
"""The pod that a start would create, made by a spawner as the hub has it, with nothing created."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jupyterhub import orm
from jupyterhub.objects import Server
from jupyterhub.user import User
from jupyterhub.utils import maybe_future, url_escape_path, url_path_join
from kubernetes_asyncio.client import V1Pod
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from jhkube.checks.configured import ConfiguredHub, load_cluster_configuration
from jhkube.identity import AUTH_STATE_KEY, UserIdentity
from jhkube.images.menu import ImageMenu

__all__ = ["TOKEN", "PreviewRequest", "preview"]

TOKEN = "made-anew-at-each-start"  # noqa: S105
"""What stands for the server's own token for the hub."""


@dataclass(frozen=True, slots=True)
class PreviewRequest:
    """What somebody would ask the hub for."""

    identity: UserIdentity
    """Who they are; the name is the hub's."""

    groups: tuple[str, ...] = ()
    """Their groups in the hub."""

    server: str = ""
    """The server's name; empty for the default server."""

    options: Mapping[str, Any] | None = None
    """The `user_options`; None for the defaults."""


async def preview(hub: ConfiguredHub, request: PreviewRequest) -> dict[str, Any]:
    """Return the pod's manifest, as the API's JSON.

    `auth_state_hook` and `modify_pod_hook` are called, as a start calls them; `pre_spawn_hook` is not, since it
    is there to make something.

    Raises
    ------
    StartRefused
        For an option that cannot be taken, with the sentence that the form shows.
    NoClusterConfigured
        Where no cluster is configured; none need answer.
    """
    load_cluster_configuration()
    menu = hub.menu
    try:
        await menu.refresh()
        spawner = _spawner(hub, request)
        return await _manifest(spawner, request)
    finally:
        await menu.stop()


async def _manifest(spawner: Any, request: PreviewRequest) -> dict[str, Any]:
    """Take a spawner through a start, in the order of JupyterHub and KubeSpawner, up to the pod's creation."""
    spawner.user_options = dict(request.options or {})
    spawner.clear_state()
    spawner.api_token = TOKEN
    await spawner.run_auth_state_hook({AUTH_STATE_KEY: request.identity.to_dict()})
    await spawner.apply_group_overrides()
    await spawner._run_apply_user_options(spawner.user_options)
    await spawner.load_user_options()
    pod: V1Pod = await spawner.get_pod_manifest()
    if spawner.modify_pod_hook:
        pod = await maybe_future(spawner.modify_pod_hook(spawner, pod))
    pod.metadata.namespace = spawner.namespace
    manifest: dict[str, Any] = spawner.api.api_client.sanitize_for_serialization(pod)
    return manifest


def _spawner(hub: ConfiguredHub, request: PreviewRequest) -> Any:
    """Return a person's spawner, as the hub makes it, in a database that is in memory only."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    orm.Base.metadata.create_all(engine)
    database = Session(engine)
    person = orm.User(name=request.identity.name)
    person.groups = [orm.Group(name=name) for name in dict.fromkeys(request.groups)]
    database.add(person)
    database.commit()
    app = hub.app
    user = User(
        person,
        {
            **app.tornado_settings,
            "allow_named_servers": app.allow_named_servers,
            "authenticator": hub.authenticator,
            "base_url": app.base_url,
            "config": hub.config,
            "cookie_host_prefix_enabled": app.cookie_host_prefix_enabled,
            "hub": hub.hub,
            "public_url": urlsplit(app.public_url) if app.public_url else "",
            "spawner_class": _quiet_class(hub.spawner_class, hub.menu),
            "subdomain_host": app.subdomain_host,
            "subdomain_hook": app.subdomain_hook,
            "domain": app.domain,
        },
    )
    # jupyterhub 6 tells a new named server from one that it knows.
    make = getattr(user, "get_or_create_spawner", None)
    spawner = make(request.server, "") if make else user.get_spawner(request.server)
    base_url = url_path_join(user.base_url, url_escape_path(request.server), "/")
    server = orm.Server(base_url=base_url)
    database.add(server)
    database.commit()
    spawner.server = Server(orm_server=server)
    spawner.admin_access = app.admin_access
    return spawner


def _quiet_class(spawner_class: type, menu: ImageMenu) -> type:
    """Return a spawner's class that looks at a menu which is there, and leaves homes alone."""

    async def nothing(self: Any) -> None:
        """Let the person's claim be as it is."""

    return type(
        spawner_class.__name__,
        (spawner_class,),
        {
            "running_menu": classmethod(lambda cls, config: menu if menu.repositories else None),
            "_ensure_home": nothing,
        },
    )

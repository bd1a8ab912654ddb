# mypy: allow-untyped-calls
"""`jhkube show-pod`: the pod that a start would create, as YAML, with nothing created."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml
from jupyterhub import orm
from jupyterhub.objects import Server
from jupyterhub.user import User
from jupyterhub.utils import maybe_future, url_escape_path, url_path_join
from kubernetes_asyncio.client import V1Pod
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool
from tornado.web import HTTPError
from traitlets.config import Config

from jhkube.checks.configuration import not_jhkube
from jhkube.checks.configured import ConfigurationError, ConfiguredHub, load_cluster_configuration
from jhkube.commands.frame import set_up
from jhkube.identity import AUTH_STATE_KEY, UserIdentity
from jhkube.images.menu import ImageMenu
from jhkube.login.stand_in import UnknownNumber, stand_in
from jhkube.redaction import without_secrets_in

__all__ = ["add_arguments", "run"]

TOKEN = "made-anew-at-each-start"  # noqa: S105
"""What stands for the server's own token for the hub."""

SHOWN, REFUSED = 0, 1
"""The exit status: shown; the hub would refuse the start."""

LAST_NUMBER = 2**31 - 1
"""The largest uid or gid that Kubernetes takes (its API reference, PodSecurityContext)."""

PLACEHOLDER = 65533
"""A uid that is no person's, for who wants to see the rest of the manifest."""

LISTS = ("presets",)
"""Options that may be given more than once."""

FLAGS = ("debug", "reset_environment")
"""Options that are true or false."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command is told to its parser."""
    set_up(
        parser,
        run,
        "Print the manifest of the pod that a start would create, as YAML. Nothing is created and nobody "
        "logs in: who the person is comes from the arguments. The exit status is 0 where the pod is shown, 1 where "
        "the hub would refuse the start, 2 where the configuration or an argument is at fault.",
    )
    parser.add_argument("--user", required=True, help="the person's name in the hub")
    parser.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="NAME[=GID]",
        help="a hub group of the person, with its gid where the configuration does not tell it; may be repeated",
    )
    parser.add_argument("--server", default="", help="the server's name; the default server without it")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option as the form or REST sends it, such as size=small; may be repeated",
    )
    parser.add_argument("--subject", default="", help="the provider's id of the person: github:1234 or cilogon:SUB")
    parser.add_argument("--uid", type=_unix_number, help="the uid, instead of the one that the subject leads to")
    parser.add_argument("--gid", type=_unix_number, help="the primary group's gid; the uid without it")
    parser.add_argument(
        "--placeholder-uid", action="store_true", help=f"use the uid {PLACEHOLDER} where nothing tells the right one"
    )


def run(config: Config, arguments: argparse.Namespace) -> int:
    """Print the manifest and return the exit status."""
    logging.basicConfig(handlers=[logging.NullHandler()])
    return asyncio.run(_shown(config, arguments))


async def _shown(config: Config, arguments: argparse.Namespace) -> int:
    hub = ConfiguredHub(config)
    if not hub.is_jhkube:
        found = not_jhkube(hub)
        raise ConfigurationError(f"{found.text}. {found.remedy}")
    groups = dict(_group(text) for text in arguments.group)
    identity = _identity(hub, groups, arguments)
    options = _options(arguments.option)
    try:
        pod = await preview(hub, PreviewRequest(identity, tuple(groups), arguments.server, options))
    except HTTPError as error:
        print(f"jhkube show-pod: {getattr(error, 'jupyterhub_message', error)}", file=sys.stderr)
        for name, failure in hub.menu.failures.items():
            print(f"{name}: {failure}", file=sys.stderr)
        return REFUSED
    if hub.spawner.pre_spawn_hook:
        print("jhkube show-pod: pre_spawn_hook was not called; a start calls it", file=sys.stderr)
    pod, hidden = without_secrets_in(pod, frozenset({TOKEN}))
    if hidden:
        names = ", ".join(sorted(set(hidden)))
        print(f"jhkube show-pod: secrets, by their names or their look, are not shown in: {names}", file=sys.stderr)
    print(yaml.safe_dump(pod, sort_keys=False, allow_unicode=True), end="")
    return SHOWN


def _unix_number(text: str) -> int:
    number = int(text)
    if not 0 < number <= LAST_NUMBER:
        raise argparse.ArgumentTypeError(f"{text} is no number of a person or a group: those are 1 to {LAST_NUMBER}")
    return number


def _identity(hub: ConfiguredHub, groups: dict[str, int | None], arguments: argparse.Namespace) -> UserIdentity:
    if not hub.authenticator.validate_username(arguments.user):
        raise ValueError(f"--user {arguments.user!r}: no hub gives anybody that name")

    def made(uid: int | None) -> UserIdentity:
        return stand_in(
            hub.authenticator, arguments.user, groups, subject=arguments.subject, uid=uid, gid=arguments.gid
        )

    try:
        return made(arguments.uid)
    except UnknownNumber as error:
        if not arguments.placeholder_uid:
            raise ValueError(
                f"{error}, or --uid, or --placeholder-uid for a pod that is only to be looked at"
            ) from None
        return made(PLACEHOLDER)


def _group(text: str) -> tuple[str, int | None]:
    name, is_given, gid = text.rpartition("=")
    if not is_given:
        return text, None
    if not name or not gid.isdecimal():
        raise ValueError(f"--group {text}: a group has a name, and a number of digits only, as in observatory=70001")
    return name, int(gid)


def _options(pairs: Iterable[str]) -> dict[str, Any]:
    """Return `user_options`; texts, but for lists, and for what is true or false."""
    options: dict[str, Any] = {}
    for pair in pairs:
        key, is_given, text = pair.partition("=")
        if not is_given:
            raise ValueError(f"--option {pair}: an option has a value, as in size=small")
        if key in LISTS:
            options.setdefault(key, []).append(text)
        elif key in FLAGS and text in ("true", "false"):
            options[key] = json.loads(text)
        else:
            options[key] = text
    return options


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
    Refused
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

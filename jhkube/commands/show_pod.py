# mypy: allow-untyped-calls
"""`jhkube show-pod`: the pod that a start would create, as YAML, with nothing created."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from tornado.web import HTTPError
from traitlets.config import Config

from jhkube.checks.configuration import not_jhkube
from jhkube.checks.configured import ConfigurationError, ConfiguredHub
from jhkube.commands.frame import set_up
from jhkube.commands.preview import TOKEN, PreviewRequest, preview
from jhkube.identity import UnixGroup, UserIdentity
from jhkube.login.claim_traits import ClaimTraits
from jhkube.login.github_traits import GitHubTraits
from jhkube.login.names import account_name, group_name
from jhkube.login.numbers import IdError, UnknownNumber
from jhkube.redaction import without_secrets_in

__all__ = ["add_arguments", "run", "stand_in"]

SHOWN, REFUSED = 0, 1
"""The exit status: shown; the hub would refuse the start."""

LAST_NUMBER = 2**31 - 1
"""The largest uid or gid that Kubernetes takes (its API reference, PodSecurityContext)."""

PLACEHOLDER = 65533
"""A uid that is no person's, for who wants to see the rest of the manifest."""

LISTS = ("presets", "secrets", "disks")
"""Options that may be given more than once."""

OBJECTS = ("environment",)
"""Options that may be given more than once, each time with a name of their own and its value."""

FLAGS = ("debug", "lfs", "reset_environment", "submodules")
"""Options that are true or false."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command is told to its parser."""
    set_up(
        parser,
        run,
        "Print the manifest of the pod that a start would create, as YAML. Nothing is created and nobody logs in: "
        "the arguments say who the person is. The exit status is 0 if the pod is printed, 1 if the hub would refuse "
        "the start, and 2 if the configuration or an argument is wrong.",
    )
    parser.add_argument("--user", required=True, help="the person's name in the hub")
    parser.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="NAME[=GID]",
        help="a hub group of the person, with its gid if it does not follow from the configuration; may be repeated",
    )
    parser.add_argument("--server", default="", help="the server's name (default: the default server)")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the form or REST, such as size=small, or environment=SURVEY=deep for a variable; "
        "may be repeated",
    )
    parser.add_argument(
        "--subject", default="", help="the person's id at the provider: github:1234, cilogon:SUB or oidc:ISSUER#SUB"
    )
    parser.add_argument("--uid", type=_unix_number, help="the uid (default: the one that follows from the subject)")
    parser.add_argument("--gid", type=_unix_number, help="the gid of the primary group (default: the uid)")
    parser.add_argument(
        "--placeholder-uid", action="store_true", help=f"use the uid {PLACEHOLDER} if the right one is not known"
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


def stand_in(
    authenticator: Any,
    name: str,
    groups: Mapping[str, int | None],
    *,
    subject: str = "",
    uid: int | None = None,
    gid: int | None = None,
) -> UserIdentity:
    """Return the identity that somebody would have.

    Parameters
    ----------
    authenticator
        The hub's authenticator, whose rules give numbers.
    name
        The hub's user name.
    groups
        Hub group to gid, None where the configuration is to tell it. A group whose gid nothing tells is no unix
        group.
    subject
        The provider's id of the person, as identities carry it: `github:1234`, `cilogon:http://…`.
    uid, gid
        The numbers, where they are known; the gid is the uid where it is not given.

    Raises
    ------
    UnknownNumber
        Where nothing tells the uid.
    IdError
        Where the subject's number cannot be used.
    """
    own = _uid_of(authenticator, subject) if uid is None else uid
    is_ours = isinstance(authenticator, GitHubTraits | ClaimTraits)
    found = {
        group: authenticator.gid_of(group) if given is None and is_ours else given for group, given in groups.items()
    }
    return UserIdentity(
        name=account_name(name),
        uid=own,
        gid=own if gid is None else gid,
        subject=subject,
        groups=tuple(UnixGroup(group_name(group), number) for group, number in found.items() if number is not None),
    )


def _uid_of(authenticator: Any, subject: str) -> int:
    if isinstance(authenticator, GitHubTraits | ClaimTraits):
        return authenticator.uid_of(subject)
    if subject:
        raise IdError(f"{type(authenticator).__name__} gives nobody a number: give --uid")
    raise UnknownNumber(f"{type(authenticator).__name__} gives nobody a number")


def _group(text: str) -> tuple[str, int | None]:
    name, is_given, gid = text.rpartition("=")
    if not is_given:
        return text, None
    if not name or not gid.isdecimal():
        raise ValueError(f"--group {text}: a group has a name, and a number of digits only, as in observatory=70001")
    return name, int(gid)


def _options(pairs: Iterable[str]) -> dict[str, Any]:
    """Return `user_options`; texts, but for lists, for objects, and for what is true or false."""
    options: dict[str, Any] = {}
    for pair in pairs:
        key, is_given, text = pair.partition("=")
        if not is_given:
            raise ValueError(f"--option {pair}: an option has a value, as in size=small")
        if key in LISTS:
            options.setdefault(key, []).append(text)
        elif key in OBJECTS:
            name, has_value, value = text.partition("=")
            if not name or not has_value:
                raise ValueError(f"--option {pair}: {key} has names and values, as in {key}=SURVEY=deep")
            options.setdefault(key, {})[name] = value
        elif key in FLAGS and text in ("true", "false"):
            options[key] = json.loads(text)
        else:
            options[key] = text
    return options

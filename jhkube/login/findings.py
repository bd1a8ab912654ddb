"""What is wrong or doubtful in an authenticator's configuration; pure, from its traits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jhkube.login.organization_lists import name_of

__all__ = ["Finding", "check_github_names", "cilogon_findings", "common_findings", "github_findings"]

_ORGANIZATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(#[0-9]{1,18})?")
_TEAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*:[A-Za-z0-9][A-Za-z0-9_.-]*(#[0-9]{1,18})?")

SHORTEST_SECRET = 32
"""Characters of `number_secret`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell the operator."""

    trait: str
    text: str
    is_error: bool = True
    """Whether the hub must not start; a warning otherwise, for what upstream allows."""


def check_github_names(names: Iterable[str], *, teams_only: bool = False) -> None:
    """Raise ValueError for a name that no organization or team has: it could never match."""
    for name in names:
        if _TEAM.fullmatch(name) or (not teams_only and _ORGANIZATION.fullmatch(name)):
            continue
        shape = "`org:team` or `org:team#id`" if teams_only else "`org`, `org#id`, `org:team` or `org:team#id`"
        raise ValueError(f"{name!r} can never match: it should be {shape}, with the names that GitHub's URLs have")


def common_findings(config: Any, allowed: Iterable[str], denied: Iterable[str]) -> Iterator[Finding]:
    """Return what concerns both authenticators.

    Parameters
    ----------
    config
        The authenticator.
    allowed, denied
        The traits' names that let in and keep out by group.
    """
    lists = [name for name in allowed if getattr(config, name)]
    if config.allow_all and lists:
        yield Finding("allow_all", f"lets everybody in, so {' and '.join(lists)} decide nothing", is_error=False)
    kept_out = {name.lower(): trait for trait in denied for name in getattr(config, trait)}
    # allowed_groups are names after group_rules, which a provider's name need not be.
    for trait in (each for each in lists if each != "allowed_groups" or not config.group_rules):
        for name in sorted(getattr(config, trait)):
            by = kept_out.get(name.lower()) or kept_out.get(name_of(name.lower()))
            if by:
                yield Finding(trait, f"{name!r} can never let anybody in: it is in {by} as well")
    if not config.enable_auth_state:
        text = "is off, so nobody's identity, groups or token outlive the login, and nobody is refreshed"
        yield Finding("enable_auth_state", text, is_error=False)
    elif not config.auth_refresh_age:
        text = "is 0, which turns off the refresh before a spawn too: who has left stays in until the next login"
        yield Finding("auth_refresh_age", text, is_error=False)
    if not config.manage_groups:
        yield Finding("manage_groups", "is off, so the hub has no groups of the provider's", is_error=False)
    if config.unknown_identity == "accept":
        text = "is `accept`: whoever comes first under a name whose owner is not known gets the account"
        yield Finding("unknown_identity", text, is_error=False)
    if config.admin_groups and config.group_rules:
        yield from _unreachable(config, "admin_groups")
    if config.group_rules:
        yield from _unreachable(config, "allowed_groups")
    if config.rules.leaves_out_the_rest:
        text = 'can give a group any name, so all groups that no rule matches are left out; say so by ".*": None'
        yield Finding("group_rules", text, is_error=False)
    for name, subject in config.account_handovers.items():
        if not re.fullmatch(r"(github:[0-9]+|cilogon:.+)", subject):
            yield Finding("account_handovers", f"{name!r}: {subject!r} is no id; `github:1234` or `cilogon:…` are")


def github_findings(config: Any) -> Iterator[Finding]:
    """Return what concerns GitHub."""
    lists = ("allowed_organizations", "allowed_teams", "allowed_groups", "admin_organizations")
    yield from common_findings(config, lists, ("denied_organizations",))
    used = [name for name in (*lists, "denied_organizations") if getattr(config, name)]
    if used and not {"read:org", "user", "write:org", "admin:org"} & set(config.scope):
        text = f"has no `read:org`: {' and '.join(used)} see public memberships only"
        yield Finding("scope", text, is_error=False)
    needed = {"public": {"public_repo", "repo"}, "all": {"repo"}}.get(config.git_access)
    if needed and not needed & set(config.scope):
        text = f"is set without `{min(needed)}`, so git_access = {config.git_access!r} gives git nothing"
        yield Finding("scope", text, is_error=False)
    try:
        config.numeric_ids  # noqa: B018
    except ValueError as error:
        yield Finding("team_gid_offset", str(error))


def cilogon_findings(config: Any) -> Iterator[Finding]:
    """Return what concerns CILogon."""
    yield from common_findings(config, ("allowed_groups",), ("denied_groups",))
    if not config.idps:
        yield Finding("idps", "is empty: name at least one identity provider, with its username_derivation")
    for entity, settings in config.idps.items():
        everybody = settings.get("allow_all") or "*" in settings.get("allowed_domains", [])
        if everybody and config.allowed_groups:
            text = f"lets everybody of {entity} in, so allowed_groups decides nothing for them"
            yield Finding("idps", text, is_error=False)
    if not config.number_secret:
        text = (
            "is not set, so everybody can compute derived gids, and find a group name that has the gid of another "
            "group; set it before people have files"
        )
        yield Finding("number_secret", text, is_error=False)
    elif len(config.number_secret) < SHORTEST_SECRET:
        text = f"has fewer than {SHORTEST_SECRET} characters and could be guessed; `openssl rand -hex 32` makes one"
        yield Finding("number_secret", text)
    try:
        config.numbers  # noqa: B018
    except ValueError as error:
        yield Finding("uid_range", str(error))


def _unreachable(config: Any, trait: str) -> Iterator[Finding]:
    for name in sorted(getattr(config, trait)):
        if not config.rules.can_give(name):
            yield Finding(trait, f"{name!r} can never match: no rule of group_rules gives a group that name")

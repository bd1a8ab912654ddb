"""What is wrong or doubtful in the configuration of an authenticator, beyond what each trait checks itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Finding", "common_findings"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell the operator."""

    trait: str
    text: str
    is_error: bool = True
    """Whether the hub must not start; a warning otherwise, for what upstream allows."""


def common_findings(config: Any, allowed: Iterable[str], denied: Iterable[str]) -> Iterator[Finding]:
    """Return what concerns all authenticators.

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
            by = kept_out.get(name.lower()) or kept_out.get(name.lower().partition("#")[0])
            if by:
                yield Finding(trait, f"{name!r} can never let anybody in: it is in {by} as well")
    if not config.enable_auth_state:
        text = "is off, so the hub keeps nobody's identity, groups and token after the login, and refreshes nobody"
        yield Finding("enable_auth_state", text, is_error=False)
    elif not config.auth_refresh_age:
        text = "is 0, so nothing is refreshed before a start: people who have left keep access until the next login"
        yield Finding("auth_refresh_age", text, is_error=False)
    if not config.manage_groups:
        yield Finding("manage_groups", "is off, so the hub has no groups of the provider's", is_error=False)
    if config.unknown_identity == "accept":
        text = (
            "is `accept`: if the owner of a name is not known, the first person who logs in with it gets the account"
        )
        yield Finding("unknown_identity", text, is_error=False)
    if config.admin_groups and config.group_rules:
        yield from _unreachable(config, "admin_groups")
    if config.group_rules:
        yield from _unreachable(config, "allowed_groups")
    if config.rules.leaves_out_the_rest:
        text = 'can give a group any name, so all groups that no rule matches are left out; add ".*": None to say so'
        yield Finding("group_rules", text, is_error=False)
    yield from config.guest_findings()
    for name, subject in config.account_handovers.items():
        if config.handovers[config.normalize_username(name)] != subject:
            yield Finding("account_handovers", f"{name!r} is there twice, since the hub writes names in lower case")
        if not re.fullmatch(r"(github:[0-9]+|cilogon:.+|oidc:.+#.+)", subject):
            yield Finding(
                "account_handovers",
                f"{name!r}: {subject!r} is not an id; `github:1234`, `cilogon:…` or `oidc:…#…` are",
            )


def _unreachable(config: Any, trait: str) -> Iterator[Finding]:
    for name in sorted(getattr(config, trait)):
        if not config.rules.can_give(name):
            yield Finding(trait, f"{name!r} can never match: no rule of group_rules gives a group that name")

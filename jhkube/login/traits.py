"""What an operator configures about logins, whoever the provider is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from traitlets import Bool, Dict, Enum, Float, HasTraits, Integer, List, TraitError, Unicode, default, validate

from jhkube.login.names import GroupRules, check_patterns

__all__ = ["Finding", "LoginTraits", "checked", "common_findings"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell the operator."""

    trait: str
    text: str
    is_error: bool = True
    """Whether the hub must not start; a warning otherwise, for what upstream allows."""


class LoginTraits(HasTraits):
    """The traits that all authenticators have, and the values they stand for."""

    never_in_names: ClassVar[str] = ""
    """Characters that no group of this provider has in its name."""

    group_rules = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(allow_none=True),
        config=True,
        help=r"""
        What the hub's groups are called: regular expressions for the provider's names, matched as a whole, in order.
        The first that matches gives the name (with `\1` for its first parenthesis); None leaves the group out, and
        then it is no unix group either. A group that no rule matches keeps its name, unless a rule can give it:
        below, an organization that somebody calls `staff` is left out.

        Example::

            c.GitHubOrgAuthenticator.group_rules = {
                "observatory": "staff",
                "observatory:(.*)": r"staff-\1",
                "telescope-ops:.*": None,
            }
        """,
    )

    group_priority = List(
        Unicode(),
        config=True,
        help="""
        Which unix groups come first: regular expressions for the provider's names. NFS with AUTH_SYS carries 16
        groups, so those that count on file servers belong here.

        Example::

            c.GitHubOrgAuthenticator.group_priority = ["observatory(:.*)?", "telescope-ops"]
        """,
    )

    group_limit = Integer(
        16,
        min=0,
        config=True,
        help="""
        How many unix groups file servers understand: a warning names those of a person that are beyond. The default
        is that of NFS with AUTH_SYS (RFC 5531, appendix A). 0 asks for no warning.

        Example::

            c.GitHubOrgAuthenticator.group_limit = 32
        """,
    )

    minimum_id = Integer(
        1000,
        min=1,
        config=True,
        help="""
        The lowest uid and gid given; those below belong to the system. What the provider says is never given
        silently another number: it is refused, or moved by a setting.

        Example::

            c.GitHubOrgAuthenticator.minimum_id = 10_000
        """,
    )

    maximum_id = Integer(
        2**31 - 1,
        min=1,
        max=2**31 - 1,
        config=True,
        help="""
        The highest uid and gid given; Kubernetes takes none above the default.

        Example::

            c.GitHubOrgAuthenticator.maximum_id = 1_999_999_999
        """,
    )

    show_allowed = Bool(
        False,
        config=True,
        help="""
        Whether the page for somebody who is refused names the organizations, teams or groups that would admit them.

        Example::

            c.GitHubOrgAuthenticator.show_allowed = True
        """,
    )

    account_handovers = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="""
        Accounts that belong to a certain person, whoever came under the name before: hub user names, each with the
        provider's immutable id as the log has it, `github:…`, `cilogon:…` or `oidc:…`. Nobody else comes in under
        such a name.

        It hands an account over: to the person's own new account at the provider, or to a successor. The first login
        of the new owner stops the old owner's servers and ends their sessions, tokens, shares and administrator's
        rights. The home is still the old owner's: see the guide to handing an account over.

        Example::

            c.GitHubOrgAuthenticator.account_handovers = {"ada": "github:6180339"}
        """,
    )

    unknown_identity = Enum(
        ["refuse", "accept"],
        default_value="refuse",
        config=True,
        help="""
        What becomes of a login under a name of which the hub holds an auth_state that does not tell whose it is: the
        key that encrypted it is lost (`JUPYTERHUB_CRYPT_KEY`), or another authenticator wrote it. `refuse` keeps a
        home from somebody who has taken over a name meanwhile. `accept` takes whoever comes first for the owner: set
        it while people come back after a lost key, then unset it.

        Example::

            c.GitHubOrgAuthenticator.unknown_identity = "accept"
        """,
    )

    stop_servers_of_leavers = Bool(
        False,
        config=True,
        help="""
        Whether the servers of somebody are stopped whose session ends since nothing lets them in any more, something
        denies them, or their token was revoked. Homes stay. By default servers go on until somebody stops them, or
        [a culler](../howto/idle-culler.md).

        A look is made when the person or their server next talks to the hub, after `auth_refresh_age`; JupyterLab
        does so every five minutes. An outage of the provider stops nothing.

        Example::

            c.GitHubOrgAuthenticator.stop_servers_of_leavers = True
        """,
    )

    known_max_age = Integer(
        8 * 3600,
        min=0,
        config=True,
        help="""
        Seconds for which a session goes on while nothing can be learned about the person: the provider is down, or
        the person has used up their own rate limit there. After that the session ends. Whoever has left can stay no
        longer than that. It is exact to a quarter of an hour.

        Example::

            c.GitHubOrgAuthenticator.known_max_age = 24 * 3600
        """,
    )

    known_max_age_at_start = Integer(
        3600,
        min=0,
        config=True,
        help="""
        The same before the start of a server: with older knowledge nothing is started, and what runs goes on. Less
        than a quarter of an hour (900) counts as that. It has
        no effect where there is no refresh before a start (`refresh_pre_spawn`, `auth_refresh_age`), and with a
        `refresh_user_hook`.

        Example::

            c.GitHubOrgAuthenticator.known_max_age_at_start = 4 * 3600
        """,
    )

    refresh_timeout = Float(
        5.0,
        min=0.1,
        config=True,
        help="""
        Seconds for which a refresh may hold up a person's request. After that the request goes on with what is known,
        and the refresh ends in the background.

        Example::

            c.GitHubOrgAuthenticator.refresh_timeout = 2
        """,
    )

    token_renewal_margin = Integer(
        3600,
        min=0,
        config=True,
        help="""
        Seconds before its end at which a token that expires is exchanged for a new one, by the next refresh; there is
        one before every spawn. Never more than half of the token's life is cut off. Running servers are given the new
        token.

        Example::

            c.GitHubOrgAuthenticator.token_renewal_margin = 2 * 3600
        """,
    )

    expired_token_grace = Integer(
        8 * 3600,
        min=0,
        config=True,
        help="""
        Seconds for which a session goes on after its token has ended by itself and there is no refresh token: nothing
        new can be learned about the person then. CILogon's tokens live 15 minutes, and not every client gets refresh
        tokens. 0 asks for a new login at once.

        Example::

            c.CILogonGroupAuthenticator.expired_token_grace = 3600
        """,
    )

    @default("enable_auth_state")
    def _enable_auth_state_default(self) -> bool:
        return True

    @default("manage_groups")
    def _manage_groups_default(self) -> bool:
        return True

    @default("auth_refresh_strict")
    def _auth_refresh_strict_default(self) -> bool:
        # jupyterhub 6.1 would let API tokens pass after a refresh that said no: who has left would stay in.
        return True

    @property
    def rules(self) -> GroupRules:
        """What the groups are called."""
        return GroupRules.parse(self.group_rules, never=self.never_in_names)

    @validate("group_rules")
    def _validate_group_rules(self, proposal: Any) -> Any:
        return checked(self, proposal, lambda value: GroupRules.parse(value, never=self.never_in_names))

    @validate("group_priority")
    def _validate_group_priority(self, proposal: Any) -> Any:
        return checked(self, proposal, lambda value: check_patterns(value, never=self.never_in_names))

    def findings(self) -> Iterable[Finding]:
        """Return what is wrong or doubtful in the configuration as a whole."""
        return ()


def checked(owner: Any, proposal: Any, check: Any) -> Any:
    """Return a trait's new value, or let the error that `check` raises name the trait of `owner`."""
    try:
        check(proposal["value"])
    except ValueError as error:
        raise TraitError(f"{type(owner).__name__}.{proposal['trait'].name}: {error}") from None
    return proposal["value"]


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
            by = kept_out.get(name.lower()) or kept_out.get(name.lower().partition("#")[0])
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
        if not re.fullmatch(r"(github:[0-9]+|cilogon:.+|oidc:.+#.+)", subject):
            yield Finding(
                "account_handovers", f"{name!r}: {subject!r} is no id; `github:1234`, `cilogon:…` or `oidc:…#…` are"
            )


def _unreachable(config: Any, trait: str) -> Iterator[Finding]:
    for name in sorted(getattr(config, trait)):
        if not config.rules.can_give(name):
            yield Finding(trait, f"{name!r} can never match: no rule of group_rules gives a group that name")

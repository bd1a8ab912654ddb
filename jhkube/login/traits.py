"""What an operator configures about logins, whoever the provider is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

from traitlets import Bool, Dict, Enum, HasTraits, Integer, List, Set, Unicode, default, validate

from jhkube.login.findings import Finding
from jhkube.login.names import GroupRules, check_patterns
from jhkube.operator_models import FiniteFloat, checked_trait

__all__ = ["LoginTraits", "TextSet"]


class TextSet(Set):
    """A set of texts; something in it that no set can have, such as a list, is refused by the trait's name too."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the value as a set of texts; raises TraitError where it cannot be one."""
        try:
            return super().validate(obj, value)
        except TypeError:
            self.error(obj, value)


class LoginTraits(HasTraits):
    """The traits that all authenticators have, and the values they stand for."""

    never_in_names: ClassVar[str] = ""
    """Characters that no group of this provider has in its name."""

    group_rules = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(allow_none=True),
        config=True,
        help=r"""
        The names of the hub's groups: regular expressions for the provider's names, tried in order, each for the
        whole name. The first that matches gives the name (with `\1` for its first group). None leaves the group out,
        also as a unix group. A group that no rule matches keeps its name, unless a rule can give that name: in the
        example, an organization that somebody calls `staff` is left out.

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
        The unix groups that come first: regular expressions for the provider's names. NFS with AUTH_SYS sends only 16
        groups, so list those that matter on file servers.

        Example::

            c.GitHubOrgAuthenticator.group_priority = ["observatory(:.*)?", "telescope-ops"]
        """,
    )

    group_limit = Integer(
        16,
        min=0,
        config=True,
        help="""
        The number of unix groups that file servers accept. A warning in the log names a person's groups beyond it.
        The default is the limit of NFS with AUTH_SYS (RFC 5531, appendix A). 0 turns the warning off.

        Example::

            c.GitHubOrgAuthenticator.group_limit = 32
        """,
    )

    minimum_id = Integer(
        1000,
        min=1,
        config=True,
        help="""
        The lowest uid and gid that a person or group can have. Lower numbers belong to the system. A lower number
        from the provider is refused, unless a setting moves it; it is never changed silently.

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
        The highest uid and gid that a person or group can have. Kubernetes accepts none above the default.

        Example::

            c.GitHubOrgAuthenticator.maximum_id = 1_999_999_999
        """,
    )

    show_allowed = Bool(
        False,
        config=True,
        help="""
        Whether people who are refused see the names of the organizations, teams or groups that are allowed.

        Example::

            c.GitHubOrgAuthenticator.show_allowed = True
        """,
    )

    account_handovers = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="""
        Accounts that belong to a certain person, whoever used the name before: hub user names, each with the
        provider's immutable id as it appears in the log, `github:…`, `cilogon:…` or `oidc:…`. Nobody else can log in
        with such a name.

        Use it to hand an account over to the person's new account at the provider, or to a successor. The first login
        of the new owner stops the former owner's servers and ends their sessions, tokens, shares and administrator's
        rights. The home still belongs to the former owner: see [the guide](../howto/hand-over.md).

        Example::

            c.GitHubOrgAuthenticator.account_handovers = {"ada": "github:6180339"}
        """,
    )

    unknown_identity = Enum(
        ["refuse", "accept"],
        default_value="refuse",
        config=True,
        help="""
        What to do with a login if the name has an auth_state that does not say whose it is: because the key that
        encrypted it is lost (`JUPYTERHUB_CRYPT_KEY`), or because another authenticator wrote it. `refuse` protects a
        home from a person who has taken over the name. `accept` treats the first person who logs in as the owner: set
        it while people return after a lost key, then remove it.

        Example::

            c.GitHubOrgAuthenticator.unknown_identity = "accept"
        """,
    )

    stop_servers_of_leavers = Bool(
        False,
        config=True,
        help="""
        Whether to stop the servers of people whose session ends because they are no longer allowed, because they are
        denied, or because their token was revoked. With `cluster_accounts` also those of people who may no longer
        create pods or claims in their namespace. Homes stay. By default servers continue until somebody or [a
        culler](../howto/idle-culler.md) stops them.

        The hub checks this when the person or their server next talks to it, after `auth_refresh_age`. JupyterLab
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
        Seconds for which a session continues while the provider says nothing about the person, because it is down or
        the person has used up their own rate limit there. Then the session ends, so a person who has left can stay no
        longer than this. It may end as much as a quarter of an hour earlier.

        Example::

            c.GitHubOrgAuthenticator.known_max_age = 24 * 3600
        """,
    )

    known_max_age_at_start = Integer(
        3600,
        min=0,
        config=True,
        help="""
        The same limit before the start of a server: if the hub's knowledge is older, no server starts, and running
        servers continue. Values below a quarter of an hour (900) count as 900. It has no effect without a refresh
        before a start (`refresh_pre_spawn`, `auth_refresh_age`), or with a `refresh_user_hook`.

        Example::

            c.GitHubOrgAuthenticator.known_max_age_at_start = 4 * 3600
        """,
    )

    refresh_timeout = FiniteFloat(
        5.0,
        min=0.1,
        config=True,
        help="""
        Seconds for which a refresh may delay a person's request. Then the request continues with the data of the last
        refresh, and the new refresh finishes in the background.

        Example::

            c.GitHubOrgAuthenticator.refresh_timeout = 2
        """,
    )

    refresh_spread = FiniteFloat(
        0.2,
        min=0,
        max=0.9,
        config=True,
        help="""
        The part of `auth_refresh_age` by which a person's refresh may be due earlier. Each person has their own share
        of it, so that people who log in together are not asked about together. Nobody's refresh is due later than
        `auth_refresh_age`. 0 makes all refreshes due after exactly that time.

        Example::

            c.GitHubOrgAuthenticator.refresh_spread = 0.5
        """,
    )

    token_renewal_margin = Integer(
        3600,
        min=0,
        config=True,
        help="""
        Seconds before a token expires at which the next refresh exchanges it for a new one. There is a refresh before
        every spawn. A token is never exchanged in the first half of its lifetime. Running servers get the new token.

        Example::

            c.GitHubOrgAuthenticator.token_renewal_margin = 2 * 3600
        """,
    )

    expired_token_grace = Integer(
        8 * 3600,
        min=0,
        config=True,
        help="""
        Seconds for which a session continues after its token has expired, if there is no refresh token. In that time
        the hub cannot check the person's memberships. CILogon's tokens are valid for 15 minutes, and not every client
        gets refresh tokens. 0 requires a new login immediately.

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
        parse = partial(GroupRules.parse, never=self.never_in_names)
        return checked_trait(type(self).__name__, proposal, parse)

    @validate("group_priority")
    def _validate_group_priority(self, proposal: Any) -> Any:
        check = partial(check_patterns, never=self.never_in_names)
        return checked_trait(type(self).__name__, proposal, check)

    def findings(self) -> Iterable[Finding]:
        """Return what is wrong or doubtful in the configuration as a whole."""
        return ()

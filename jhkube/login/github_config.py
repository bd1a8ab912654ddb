"""What an operator configures about GitHub: the traits of `GitHubOrgAuthenticator`."""

# mypy: allow-untyped-calls
from __future__ import annotations

from typing import Any

from oauthenticator.github import GitHubOAuthenticator
from traitlets import Dict, Enum, Integer, List, Set, Unicode, default

from jhkube.login.group_rules import GroupRules
from jhkube.login.sessions import Sessions
from jhkube.login.unix_ids import NumericIds

__all__ = ["GitHubConfig"]

GIT_SCOPES = {"none": [], "public": ["public_repo"], "all": ["repo"]}

NEVER_IN_NAMES = " /@,;!#"
"""Characters that neither an organization's login nor a team's slug has."""


class GitHubConfig(Sessions, GitHubOAuthenticator):
    """The settings, and the values they stand for."""

    git_access = Enum(
        ["none", "public", "all"],
        default_value="none",
        config=True,
        help="""
        What git may do with the person's token: nothing (`none`), push to public repositories (`public`, scope
        `public_repo`), or reach all repositories of the person (`all`, scope `repo`). It adds to the default of
        `scope`; where `scope` is set, that decides.

        Example::

            c.GitHubOrgAuthenticator.git_access = "all"
        """,
    )

    allowed_teams = Set(
        Unicode(),
        config=True,
        help="""
        Teams whose members come in, as `org:team`, both as URLs have them.

        Example::

            c.GitHubOrgAuthenticator.allowed_teams = {"observatory:imaging"}
        """,
    )

    denied_organizations = Set(
        Unicode(),
        config=True,
        help="""
        Organizations (`org`) and teams (`org:team`) whose members do not come in, whatever else lets them: denying
        wins over every kind of allowing, also over `allow_all` and `admin_users`.

        Only what GitHub shows to the hub can be denied: an organization that has not granted the hub's OAuth app
        access keeps its private members to itself.

        Example::

            c.GitHubOrgAuthenticator.denied_organizations = {"observatory:suspended"}
        """,
    )

    admin_organizations = Set(
        Unicode(),
        config=True,
        help="""
        Organizations and teams whose members are administrators of the hub, by GitHub's names, whatever
        `group_rules` makes of them. They come in as well. Where it is set, somebody who leaves stops being one.

        Example::

            c.GitHubOrgAuthenticator.admin_organizations = {"observatory:platform"}
        """,
    )

    group_rules = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(allow_none=True),
        config=True,
        help=r"""
        What the hub's groups are called: regular expressions for `org` and `org:team`, matched as a whole, in order;
        the first that matches gives the name (with `\\1` for its first parenthesis), None leaves the group out.
        A group that no rule matches keeps its name. A group that is left out is no unix group either.

        Example::

            c.GitHubOrgAuthenticator.group_rules = {
                "observatory": "staff",
                "observatory:(.*)": r"staff-\\1",
                ".*": None,
            }
        """,
    )

    group_priority = List(
        Unicode(),
        config=True,
        help="""
        Which unix groups come first: regular expressions for `org` and `org:team`. NFS with AUTH_SYS carries 16
        groups, so what counts on file servers belongs here.

        Example::

            c.GitHubOrgAuthenticator.group_priority = ["observatory(:.*)?", "telescope-ops"]
        """,
    )

    minimum_id = Integer(
        1000,
        min=1,
        config=True,
        help="""
        The lowest uid and gid given. GitHub's ids below it are refused, or moved by `low_id_offset`.
        """,
    )

    maximum_id = Integer(
        2**31 - 1,
        min=1,
        config=True,
        help="""
        The highest uid and gid given; Kubernetes takes none above the default. GitHub's ids above it are refused, or
        moved by `high_id_offset`.
        """,
    )

    low_id_offset = Integer(
        None,
        allow_none=True,
        config=True,
        help="""
        Added to ids of people and organizations below `minimum_id`; None refuses them. A young GitHub Enterprise
        Server has such ids. Set it before people have files: it decides their uid.

        Example::

            c.GitHubOrgAuthenticator.low_id_offset = 1_950_000_000
        """,
    )

    high_id_offset = Integer(
        None,
        allow_none=True,
        config=True,
        help="""
        Added to ids of people and organizations above `maximum_id`, so a negative number; None refuses them.

        Example::

            c.GitHubOrgAuthenticator.high_id_offset = -100_000_000
        """,
    )

    team_gid_offset = Integer(
        1_000_000_000,
        config=True,
        help="""
        Added to the ids of teams, which GitHub numbers apart from organizations: without it a team and an
        organization could have one gid.
        """,
    )

    @default("scope")
    def _scope_default(self) -> list[str]:
        return ["read:org", "user:email", *GIT_SCOPES[self.git_access]]

    @property
    def numeric_ids(self) -> NumericIds:
        """How GitHub's ids become uids and gids."""
        return NumericIds(
            self.minimum_id, self.maximum_id, self.low_id_offset, self.high_id_offset, self.team_gid_offset
        )

    @property
    def rules(self) -> GroupRules:
        """What the groups are called."""
        return GroupRules.parse(self.group_rules, never=NEVER_IN_NAMES)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.numeric_ids, self.rules  # noqa: B018

"""What an operator configures about GitHub: the traits of `GitHubOrgAuthenticator`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from traitlets import Enum, Integer, List, Unicode, default, validate

from jhkube.login.findings import Finding, common_findings
from jhkube.login.github_account import check_github_names
from jhkube.login.numbers import NumericIds, UnknownNumber
from jhkube.login.traits import LoginTraits, TextSet
from jhkube.operator_models import checked_trait

__all__ = ["ORGANIZATION_SCOPES", "GitHubTraits"]

DOORS = ("allowed_organizations", "allowed_teams", "allowed_groups", "admin_organizations")
"""The traits that let somebody in by an organization, a team or a group."""

ORGANIZATION_SCOPES = frozenset({"read:org", "user", "write:org", "admin:org"})
"""The scopes that show private memberships; each is enough."""

GIT_SCOPES = {"none": [], "public": ["public_repo"], "all": ["repo"]}

NEVER_IN_NAMES = " /@;"
"""Characters that neither an organization's login nor a team's slug has."""


class Scopes(List[str]):
    """A list of scopes; one text with spaces or commas between them is understood too."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the scopes as a list."""
        return super().validate(obj, [value] if isinstance(value, str) else value)


class GitHubTraits(LoginTraits):
    """The settings, and the values they stand for."""

    never_in_names: ClassVar[str] = NEVER_IN_NAMES

    scope = Scopes(
        Unicode(),
        config=True,
        help="""
        The OAuth scopes to ask for, as a list or as one text with spaces or commas between them. By default
        `read:org` for organizations and teams, `user:email` for the address, and what `git_access` needs.

        Example::

            c.GitHubOrgAuthenticator.scope = "read:org, user:email, gist"
        """,
    )

    git_access = Enum(
        ["none", "public", "all"],
        default_value="none",
        config=True,
        help="""
        What git may do with the person's token: nothing (`none`), push to public repositories (`public`, scope
        `public_repo`), or reach all repositories of the person (`all`, scope `repo`). It adds to the default of
        `scope`, and has no effect if `scope` is set.

        Example::

            c.GitHubOrgAuthenticator.git_access = "all"
        """,
    )

    allowed_organizations = TextSet(
        Unicode(),
        config=True,
        help="""
        Organizations (`org`) and teams (`org:team`) whose members may log in, with the names in GitHub's URLs.

        A name can change hands: when an organization is renamed, anybody can create another one with the old name. In
        `org#id` only the id counts, which never changes, and the name is for people who read it. `jhkube check`
        prints the ids.

        Example::

            c.GitHubOrgAuthenticator.allowed_organizations = {"observatory#21955855", "telescope-ops:night-shift"}
        """,
    )

    allowed_teams = TextSet(
        Unicode(),
        config=True,
        help="""
        Teams whose members may log in, as `org:team` with the names in GitHub's URLs, or `org:team#id` with the id.

        Example::

            c.GitHubOrgAuthenticator.allowed_teams = {"observatory:imaging"}
        """,
    )

    denied_organizations = TextSet(
        Unicode(),
        config=True,
        help="""
        Organizations (`org`) and teams (`org:team`) whose members may not log in. Denying wins over every kind of
        allowing, including `allow_all` and `admin_users`.

        The hub can deny only what GitHub shows it: GitHub hides the private members of an organization that has not
        granted the hub's OAuth app access. If an organization requires single sign-on (SAML), GitHub says that its
        list is incomplete. Then a person who could be in a denied organization is refused; with ids (`org#id`) the
        hub can tell who that is.

        Example::

            c.GitHubOrgAuthenticator.denied_organizations = {"observatory:suspended"}
        """,
    )

    admin_organizations = TextSet(
        Unicode(),
        config=True,
        help="""
        Organizations and teams whose members are administrators of the hub, by GitHub's names or ids, independent of
        `group_rules`. They may also log in. If it is set, people who leave are no longer administrators.

        Example::

            c.GitHubOrgAuthenticator.admin_organizations = {"observatory:platform"}
        """,
    )

    low_id_offset = Integer(
        None,
        allow_none=True,
        config=True,
        help="""
        The number that is added to ids of people and organizations below `minimum_id`; None refuses such ids. A new
        GitHub Enterprise Server has them. Set it before people have files, because it changes their uid.

        Example::

            c.GitHubOrgAuthenticator.low_id_offset = 1_950_000_000
        """,
    )

    high_id_offset = Integer(
        None,
        allow_none=True,
        config=True,
        help="""
        The negative number that is added to ids of people and organizations above `maximum_id`; None refuses such
        ids.

        Example::

            c.GitHubOrgAuthenticator.high_id_offset = -100_000_000
        """,
    )

    team_gid_offset = Integer(
        1_000_000_000,
        config=True,
        help="""
        The number that is added to ids of teams. GitHub numbers teams and organizations separately, so without it a
        team and an organization could have the same gid. Set it before people have files.

        Example::

            c.GitHubOrgAuthenticator.team_gid_offset = 1_100_000_000
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

    def taken_ids(self) -> Mapping[str, range]:
        """Return the ranges that other traits move ids of GitHub to."""
        return self.numeric_ids.windows()

    @validate("github_url")
    def _validate_github_url(self, proposal: Any) -> str:
        # Upstream compares it with https://github.com, and puts paths behind it.
        url = str(proposal["value"]).rstrip("/")
        return url if "://" in url else f"https://{url}"

    @validate("allowed_organizations", "denied_organizations", "admin_organizations")
    def _validate_names(self, proposal: Any) -> Any:
        return checked_trait(type(self).__name__, proposal, check_github_names)

    @validate("allowed_teams")
    def _validate_teams(self, proposal: Any) -> Any:
        check = partial(check_github_names, teams_only=True)
        return checked_trait(type(self).__name__, proposal, check)

    @validate("scope")
    def _validate_scope(self, proposal: Any) -> list[str]:
        return [scope for words in proposal["value"] for scope in words.replace(",", " ").split()]

    def findings(self) -> Iterator[Finding]:
        """Return what is wrong or doubtful in the configuration as a whole."""
        yield from common_findings(self, DOORS, ("denied_organizations",))
        used = [name for name in (*DOORS, "denied_organizations") if getattr(self, name)]
        if used and not ORGANIZATION_SCOPES & set(self.scope):
            text = f"has no `read:org`: {' and '.join(used)} see public memberships only"
            yield Finding("scope", text, is_error=False)
        needed = {"public": {"public_repo", "repo"}, "all": {"repo"}}.get(self.git_access)
        if needed and not needed & set(self.scope):
            text = f"is set without `{min(needed)}`, so git_access = {self.git_access!r} gives git nothing"
            yield Finding("scope", text, is_error=False)
        try:
            self.numeric_ids  # noqa: B018
        except ValueError as error:
            yield Finding("team_gid_offset", str(error))

    def uid_of(self, subject: str) -> int:
        """Return the uid of the person with an id such as `github:1234`; raises `UnknownNumber` for another id."""
        provider, _, key = subject.partition(":")
        if provider == "github" and key.isdecimal():
            return self.numeric_ids.account(int(key), f"the account {key}")
        raise UnknownNumber("with GitHub the uid is the account's id: give it as --subject github:ID")

    def gid_of(self, group: str) -> int | None:
        """Return None: the gid of an organization is its id, which no name tells."""
        return None

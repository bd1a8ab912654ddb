"""A person as GitHub describes them: profile, addresses, organizations and teams; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jhkube.identity import UnixGroup, UserIdentity
from jhkube.login.group_rules import by_priority
from jhkube.login.unix_ids import IdError, NumericIds
from jhkube.login.unix_names import account_name, group_name

__all__ = ["GitHubAccount", "GitHubGroup", "email_fields", "organization_fields", "team_fields"]


@dataclass(frozen=True, slots=True)
class GitHubGroup:
    """An organization or a team."""

    name: str
    """`org` or `org:team`, in GitHub's spelling: the login and the slug, as URLs have them."""

    id: int
    """GitHub's number; teams are numbered apart from organizations."""

    is_team: bool = False


@dataclass(frozen=True, slots=True)
class GitHubAccount:
    """A person."""

    login: str
    id: int
    name: str
    email: str
    groups: tuple[GitHubGroup, ...]
    """Organizations first, then teams, each by name."""

    @classmethod
    def parse(
        cls,
        user: Mapping[str, Any],
        emails: Iterable[Mapping[str, Any]],
        organizations: Iterable[Mapping[str, Any]],
        teams: Iterable[Mapping[str, Any]],
    ) -> GitHubAccount:
        """Return the person that the answers of GitHub's API describe.

        Parameters
        ----------
        user, emails, organizations, teams
            What `/user`, `/user/emails`, `/user/orgs` and `/user/teams` answered; of the last two, the fields
            that `organization_fields` and `team_fields` keep are enough.

        Raises
        ------
        ValueError
            Where an answer is not what GitHub documents.
        """
        try:
            groups = [GitHubGroup(str(each["login"]), int(each["id"])) for each in organizations]
            groups += [
                GitHubGroup(f"{each['organization']['login']}:{each['slug']}", int(each["id"]), is_team=True)
                for each in teams
            ]
            return cls(
                login=str(user["login"]),
                id=int(user["id"]),
                name=str(user.get("name") or ""),
                email=_primary(emails) or str(user.get("email") or ""),
                groups=tuple(sorted(groups, key=lambda group: (group.is_team, group.name.lower()))),
            )
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"an answer is not as GitHub documents it: {error!r}") from None

    @property
    def subject(self) -> str:
        """The person's immutable id, as identities carry it."""
        return f"github:{self.id}"

    def identity(self, hub_name: str, ids: NumericIds, priority: Iterable[str] = ()) -> UserIdentity:
        """Return who the person is to unix and git.

        Raises
        ------
        IdError
            Where an id cannot be used, or the name is one of the system's.
        """
        try:
            name = account_name(hub_name)
        except ValueError as error:
            raise IdError(f"{error}; username_map can give the person another one") from None
        uid = ids.account(self.id, f"the account {self.login}")
        groups: dict[int, UnixGroup] = {}
        names = {name: uid}
        by_name = {group.name: group for group in self.groups}
        for each in by_priority(by_name, priority):
            group = by_name[each]
            number = ids.team if group.is_team else ids.account
            gid = number(group.id, f"the {'team' if group.is_team else 'organization'} {each}")
            unix_name = group_name(each)
            if names.setdefault(unix_name, gid) != gid:
                unix_name = f"{unix_name[:21]}-{gid}"
            groups[gid] = UnixGroup(unix_name, gid)
        return UserIdentity(
            name=name,
            uid=uid,
            gid=uid,
            subject=self.subject,
            full_name=self.name,
            email=self.email,
            groups=tuple(groups.values()),
            login=self.login,
        )


def email_fields(email: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is used of an address in `/user/emails`."""
    return {key: email[key] for key in ("email", "primary", "verified")}


def organization_fields(organization: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is used of an organization in `/user/orgs`."""
    return {"login": organization["login"], "id": organization["id"]}


def team_fields(team: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is used of a team in `/user/teams`."""
    return {"id": team["id"], "slug": team["slug"], "organization": organization_fields(team["organization"])}


def _primary(emails: Iterable[Mapping[str, Any]]) -> str:
    return next((str(each["email"]) for each in emails if each["primary"] and each["verified"]), "")

"""A person as GitHub describes them, and the lists of organizations and teams that operators write."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jhkube.identity import UnixGroup, UserIdentity
from jhkube.login.names import account_name, by_priority, group_name
from jhkube.login.numbers import IdError, NumericIds

__all__ = [
    "GitHubAccount",
    "GitHubGroup",
    "Hidden",
    "any_of",
    "check_github_names",
    "email_fields",
    "may_hide",
    "name_of",
    "organization_fields",
    "team_fields",
]


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
            groups = [GitHubGroup(_plain(each["login"]), int(each["id"])) for each in organizations]
            groups += [
                GitHubGroup(
                    f"{_plain(each['organization']['login'])}:{_plain(each['slug'])}", int(each["id"]), is_team=True
                )
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


def _plain(name: Any) -> str:
    """Return a login or a slug; raises TypeError for what is none, such as one with the colon of a team in it."""
    if not isinstance(name, str) or not name.isprintable() or ":" in name or not name:
        raise TypeError(f"{name!r} is not the name of an organization or a team")
    return name


def _primary(emails: Iterable[Mapping[str, Any]]) -> str:
    return next((str(each["email"]) for each in emails if each["primary"] and each["verified"]), "")


_ORGANIZATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(#[0-9]{1,18})?")
_TEAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*:[A-Za-z0-9][A-Za-z0-9_.-]*(#[0-9]{1,18})?")

MOST_HIDDEN = 1000
"""Ids that are kept of a header at the most; with more any organization can be hidden."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Organizations that GitHub does not show, since they ask for single sign-on (SAML)."""

    ids: frozenset[int] = frozenset()
    """Which; empty where GitHub does not say."""

    link: str = ""
    """Where the person can sign in to one of them; empty where GitHub names no such place."""

    @classmethod
    def parse(cls, header: str | None, github_url: str) -> Hidden | None:
        """Return what an X-GitHub-SSO header says; None where it says that nothing is hidden.

        https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api

        Parameters
        ----------
        header
            `partial-results; organizations=21955855,20582480`, or `required; url=https://github.com/orgs/…`.
        github_url
            Where GitHub is: no link that leads elsewhere is taken.
        """
        kind, *parameters = (part.strip() for part in (header or "").split(";"))
        if kind.lower() not in ("partial-results", "required"):
            return None
        named = [part.partition("=")[::2] for part in parameters]
        ids = [each for name, value in named if name == "organizations" for each in re.findall("[0-9]{1,18}", value)]
        if len(ids) > MOST_HIDDEN:
            # Part of a list would say that the others are not hidden.
            ids = []
        link = dict(named).get("url", "")
        try:
            is_githubs = link.isprintable() and urlsplit(link)[:2] == urlsplit(github_url)[:2]
        except ValueError:
            is_githubs = False
        return cls(frozenset(map(int, ids)), link if is_githubs else "")

    def __or__(self, other: Hidden | None) -> Hidden:
        if other is None:
            return self
        # Where one list does not say which are missing, any can be.
        ids = self.ids | other.ids if self.ids and other.ids else frozenset()
        return Hidden(ids, self.link or other.link)


def name_of(entry: str) -> str:
    """Return the name in an entry, `lab` in `lab#21955855`."""
    return entry.partition("#")[0]


def any_of(entries: Iterable[str], groups: Mapping[str, int | None]) -> bool:
    """Say whether entries name one of the groups: by its id where the entry has one, and else by its name.

    Parameters
    ----------
    entries
        `org`, `org:team`, `org#id` or `org:team#id`.
    groups
        The groups of a person by GitHub's names, each with its id; teams are numbered apart from organizations.
    """
    # GitHub's names differ by more than their case.
    names = {name.lower() for name in groups}
    ids = {(":" in name, number) for name, number in groups.items()}
    for entry in entries:
        name, _, number = entry.partition("#")
        if (":" in name, int(number)) in ids if number else name.lower() in names:
            return True
    return False


def may_hide(hidden: Hidden, entries: Collection[str]) -> bool:
    """Say whether one of the entries can be among what is hidden: what has no organization's id, always can."""
    for entry in entries:
        name, _, number = entry.partition("#")
        if not hidden.ids or not number or ":" in name or int(number) in hidden.ids:
            return True
    return False


def check_github_names(names: Iterable[str], *, teams_only: bool = False) -> None:
    """Raise ValueError for a name that no organization or team has: it could never match."""
    for name in names:
        if _TEAM.fullmatch(name) or (not teams_only and _ORGANIZATION.fullmatch(name)):
            continue
        shape = "`org:team` or `org:team#id`" if teams_only else "`org`, `org#id`, `org:team` or `org:team#id`"
        raise ValueError(f"{name!r} can never match: it should be {shape}, with the names that GitHub's URLs have")

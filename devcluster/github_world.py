"""The accounts, organizations, teams and repositories that the GitHub stand-in knows; they change as told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from devcluster.standin import Clock, StandInError

__all__ = ["Email", "Membership", "Organization", "Person", "Repository", "Team", "World"]

Role = Literal["member", "admin"]

FIRST_FREE_ID = 181_000_003
"""Accounts without an id of their own are numbered from here, as lately made accounts on GitHub are."""

ID_STEP = 7919
"""The distance of one made-up id to the next: accounts made together are not neighbours."""


@dataclass(slots=True)
class Email:
    """An address of a person, as `/user/emails` shows it."""

    email: str
    primary: bool = False
    verified: bool = True
    visibility: str | None = None


@dataclass(slots=True)
class Person:
    """An account."""

    login: str
    id: int
    name: str | None = None
    email: str | None = None
    """The public address; None where the person shows none."""

    emails: list[Email] = field(default_factory=list)
    bio: str | None = None
    location: str | None = None
    company: str | None = None


@dataclass(slots=True)
class Membership:
    """How a person belongs to an organization."""

    role: Role = "member"
    public: bool = False
    state: Literal["active", "pending"] = "active"
    """`pending` is an invitation that was not accepted: it makes nobody a member."""


@dataclass(slots=True)
class Team:
    """A team of an organization."""

    id: int
    slug: str
    name: str
    description: str | None = None
    members: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Organization:
    """An organization with its members by account id and its teams by slug."""

    login: str
    id: int
    name: str | None = None
    description: str | None = None
    restricted: bool = False
    """Whether OAuth App access restrictions are on: only `granted` applications learn anything private."""

    granted: set[str] = field(default_factory=set)
    """Client ids of OAuth Apps that were granted access, and of GitHub Apps that are installed."""

    saml: bool = False
    """Whether it asks for single sign-on: only tokens of `signed_in` people learn anything of it."""

    signed_in: set[int] = field(default_factory=set)

    members: dict[int, Membership] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)


@dataclass(slots=True)
class Repository:
    """A repository; its owner, or the owning organization's members, may push."""

    id: int
    owner: str
    name: str
    private: bool = True
    description: str | None = None


class World:
    """Everybody and everything; logins are looked up without regard to case, as GitHub does."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.people: dict[int, Person] = {}
        self.organizations: dict[int, Organization] = {}
        self.repositories: dict[tuple[str, str], Repository] = {}
        self._next_id = FIRST_FREE_ID

    @classmethod
    def from_dict(cls, text: Mapping[str, Any], clock: Clock | None = None) -> World:
        """Return the world that a people file describes.

        Parameters
        ----------
        text
            `people`: objects with the arguments of `add_person`; `organizations`: objects with those of
            `add_organization`, and `members` (arguments of `join`) and `teams` (arguments of `add_team`);
            `repositories`: arguments of `add_repository`.
        """
        world = cls(clock)
        for person in text.get("people", ()):
            world.add_person(**person)
        for entry in text.get("organizations", ()):
            settings = dict(entry)
            members, teams = settings.pop("members", ()), settings.pop("teams", ())
            login = world.add_organization(**settings).login
            for member in members:
                world.join(login, **member)
            for team in teams:
                world.add_team(login, **team)
        for repository in text.get("repositories", ()):
            world.add_repository(**repository)
        return world

    @classmethod
    def from_file(cls, path: str | Path) -> World:
        """Return the world that a JSON people file describes."""
        return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))

    def actions(self) -> dict[str, Any]:
        """Return what can be done to the world from outside, by name."""
        names = (
            "add_person set_person remove_person rename_person take_login add_organization set_organization "
            "remove_organization join sign_in leave add_team remove_team join_team leave_team add_repository"
        )
        return {name: getattr(self, name) for name in names.split()}

    def person(self, login: str) -> Person:
        """Return the account with that login."""
        found = self.find_person(login)
        if found is None:
            raise StandInError(f"there is no person {login!r}")
        return found

    def find_person(self, login: str) -> Person | None:
        """Return the account with that login, or None."""
        return next((each for each in self.people.values() if each.login.lower() == login.lower()), None)

    def organization(self, login: str) -> Organization:
        """Return the organization with that login."""
        found = self.find_organization(login)
        if found is None:
            raise StandInError(f"there is no organization {login!r}")
        return found

    def find_organization(self, login: str) -> Organization | None:
        """Return the organization with that login, or None."""
        return next((each for each in self.organizations.values() if each.login.lower() == login.lower()), None)

    def add_person(
        self,
        login: str,
        *,
        id: int | None = None,
        name: str | None = None,
        email: str | None = None,
        emails: Sequence[str | Mapping[str, Any]] | None = None,
        **profile: Any,
    ) -> Person:
        """Make an account.

        Parameters
        ----------
        email
            The public address; None shows none.
        emails
            All addresses, the first one primary, each a text or the fields of `Email`; by default
            `<login>@example.org` and the address that GitHub itself gives out.
        profile
            `bio`, `location`, `company`.
        """
        self._refuse_taken(login)
        account_id = self._new_id() if id is None else id
        if emails is None:
            emails = [email or f"{login}@example.org", f"{account_id}+{login}@users.noreply.github.com"]
        addresses = [
            Email(entry, primary=index == 0) if isinstance(entry, str) else Email(**entry)
            for index, entry in enumerate(emails)
        ]
        person = Person(login, account_id, name, email, addresses, **profile)
        self.people[account_id] = person
        return person

    def set_person(self, login: str, **changes: Any) -> Person:
        """Change fields of an account: `name`, `email`, `emails`, `bio`, ..."""
        person = self.person(login)
        if "emails" in changes:
            changes["emails"] = [Email(**entry) for entry in changes["emails"]]
        return _changed(person, changes)

    def remove_person(self, login: str) -> None:
        """Delete an account, its memberships with it; its login is free again."""
        person = self.person(login)
        for organization in self.organizations.values():
            self._forget_member(organization, person.id)
        del self.people[person.id]

    def rename_person(self, login: str, new_login: str) -> Person:
        """Give an account another login; the id stays."""
        person = self.person(login)
        if new_login.lower() != login.lower():
            self._refuse_taken(new_login)
        person.login = new_login
        return person

    def take_login(self, login: str, *, old_account: str | None = None) -> Person:
        """Let somebody else take a login: the account that had it is renamed, a new one with a new id has it.

        Parameters
        ----------
        old_account
            What the account that had the login is called from now on; `<login>-was-here` by default.
        """
        self.rename_person(login, old_account or f"{login}-was-here")
        return self.add_person(login)

    def add_organization(
        self,
        login: str,
        *,
        id: int | None = None,
        granted: Iterable[str] = (),
        **settings: Any,
    ) -> Organization:
        """Make an organization; `settings` are `name`, `description`, `restricted`."""
        self._refuse_taken(login)
        account_id = self._new_id() if id is None else id
        organization = Organization(login, account_id, granted=set(granted), **settings)
        self.organizations[account_id] = organization
        return organization

    def set_organization(self, login: str, **changes: Any) -> Organization:
        """Change fields of an organization: `restricted`, `granted`, `login`, ..."""
        if "granted" in changes:
            changes["granted"] = set(changes["granted"])
        return _changed(self.organization(login), changes)

    def remove_organization(self, login: str) -> None:
        """Delete an organization with its teams and memberships."""
        del self.organizations[self.organization(login).id]

    def join(
        self,
        organization: str,
        login: str,
        *,
        role: Role = "member",
        public: bool = False,
        state: Literal["active", "pending"] = "active",
        teams: Iterable[str] = (),
    ) -> Membership:
        """Make a person a member, privately unless `public`, and of teams of the organization."""
        membership = Membership(role, public, state)
        self.organization(organization).members[self.person(login).id] = membership
        for team in teams:
            self.join_team(organization, team, login)
        return membership

    def sign_in(self, organization: str, login: str) -> None:
        """Let a person go through the single sign-on of an organization."""
        self.organization(organization).signed_in.add(self.person(login).id)

    def leave(self, organization: str, login: str) -> None:
        """End a person's membership in an organization and its teams."""
        self._forget_member(self.organization(organization), self.person(login).id)

    def add_team(
        self,
        organization: str,
        slug: str,
        *,
        name: str | None = None,
        id: int | None = None,
        description: str | None = None,
        members: Iterable[str] = (),
    ) -> Team:
        """Make a team; its members become members of the organization where they are not yet."""
        home = self.organization(organization)
        if slug in home.teams:
            raise StandInError(f"{organization} has a team {slug!r} already")
        team_id = self._new_id() // 10 if id is None else id
        home.teams[slug] = Team(team_id, slug, name or slug, description)
        for login in members:
            self.join_team(organization, slug, login)
        return home.teams[slug]

    def remove_team(self, organization: str, slug: str) -> None:
        """Delete a team."""
        team = self.team(organization, slug)
        del self.organization(organization).teams[team.slug]

    def team(self, organization: str, slug: str) -> Team:
        """Return a team of an organization."""
        try:
            return self.organization(organization).teams[slug]
        except KeyError:
            raise StandInError(f"{organization} has no team {slug!r}") from None

    def join_team(self, organization: str, slug: str, login: str) -> None:
        """Make a person a member of a team, and of its organization."""
        person = self.person(login)
        self.team(organization, slug).members.add(person.id)
        self.organization(organization).members.setdefault(person.id, Membership())

    def leave_team(self, organization: str, slug: str, login: str) -> None:
        """End a person's membership in a team."""
        self.team(organization, slug).members.discard(self.person(login).id)

    def add_repository(
        self, owner: str, name: str, *, private: bool = True, description: str | None = None
    ) -> Repository:
        """Make a repository of a person or an organization; the git server fills it when first used."""
        if self.find_organization(owner) is None:
            self.person(owner)
        repository = Repository(self._new_id(), owner, name, private, description)
        self.repositories[owner.lower(), name.lower()] = repository
        return repository

    def memberships(self, person: Person) -> list[tuple[Organization, Membership]]:
        """Return the organizations that a person belongs to or is invited to, by id as GitHub lists them."""
        return [
            (organization, organization.members[person.id])
            for _, organization in sorted(self.organizations.items())
            if person.id in organization.members
        ]

    def _new_id(self) -> int:
        self._next_id += ID_STEP
        return self._next_id

    def _refuse_taken(self, login: str) -> None:
        if self.find_person(login) or self.find_organization(login):
            raise StandInError(f"the login {login!r} is taken")

    @staticmethod
    def _forget_member(organization: Organization, person_id: int) -> None:
        organization.members.pop(person_id, None)
        for team in organization.teams.values():
            team.members.discard(person_id)


Thing = TypeVar("Thing", Person, Organization)


def _changed(thing: Thing, changes: Mapping[str, Any]) -> Thing:
    for key, value in changes.items():
        if key not in thing.__slots__ or key == "id":
            raise StandInError(f"{type(thing).__name__} has no field {key!r} that can be changed")
        setattr(thing, key, value)
    return thing

"""The calls of GitHub's REST API: functions from `Call` to `Answer` without I/O, and the JSON they return.

After https://docs.github.com/en/rest, which has a chapter for each.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from devcluster.github_tokens import Application, Token, TokenStore
from devcluster.github_world import Membership, Organization, Person, Repository, Team, World
from devcluster.standin_oauth import BasicCredentials, same_secret

__all__ = ["PREFIX", "ROUTES", "Answer", "Call", "Route", "message", "not_found", "scopes_shown"]

PREFIX = "/api/v3"
"""Where GitHub Enterprise Server keeps the REST API."""

DOCS = "https://docs.github.com/rest"
RESTRICTED = (
    "Although you appear to have the correct authorization credentials, the `{org}` organization has "
    "enabled OAuth App access restrictions, meaning that data access to third-parties is limited. For more "
    "information on these restrictions, including how to enable this app, visit "
    "https://docs.github.com/articles/restricting-access-to-your-organization-s-data/"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call returns: a status, JSON (None for no body), and whether the JSON is one page of a list."""

    status: int
    data: Any = None
    is_list: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the API, by a person with a token."""

    world: World
    applications: dict[str, Application]
    tokens: TokenStore
    token: Token | None
    person: Person | None
    base: str
    """The stand-in's address, for links."""

    path: dict[str, str]
    """The variable parts of the path."""

    query: dict[str, str]
    basic: BasicCredentials | None = None
    body: Any = None

    @property
    def caller(self) -> Person:
        """The person whose token it is; calls for which a token is needed see nobody else."""
        assert self.person is not None
        return self.person

    def allows(self, *any_of: str) -> bool:
        """Say whether the token has one of the scopes."""
        return self.token is not None and self.token.allows(*any_of)

    def reaches(self, organization: Organization) -> bool:
        """Say whether the token's application may learn what is private in the organization."""
        if self.token is None:
            return False
        if self.token.is_github_app or organization.restricted:
            return self.token.client_id in organization.granted
        return True

    def needs_sign_on(self, organization: Organization) -> bool:
        """Say whether the organization asks the caller for single sign-on first (SAML)."""
        return organization.saml and self.caller.id not in organization.signed_in

    def sees_membership(self, organization: Organization, membership: Membership) -> bool:
        """Say whether the caller's own membership is told to this token."""
        return self.reaches(organization) and (membership.public or self.allows("read:org"))


def message(status: int, text: str, *, docs: str = DOCS) -> Answer:
    """Return an error as GitHub words it."""
    return Answer(status, {"message": text, "documentation_url": docs, "status": str(status)})


def not_found() -> Answer:
    """Return what GitHub says of what is not there, or not for this caller."""
    return message(404, "Not Found")


def user(call: Call) -> Answer:
    """`GET /user`."""
    person = call.caller
    data = full_account(call.base, person)
    if call.allows("read:user"):
        data |= {
            "private_gists": 0,
            "total_private_repos": 0,
            "owned_private_repos": 0,
            "disk_usage": 0,
            "collaborators": 0,
            "two_factor_authentication": True,
        }
    return Answer(200, data)


def user_emails(call: Call) -> Answer:
    """`GET /user/emails`: needs `user:email`."""
    if not call.allows("user:email"):
        return not_found()
    fields = ("email", "primary", "verified", "visibility")
    return Answer(200, [{key: getattr(each, key) for key in fields} for each in call.caller.emails], True)


def user_orgs(call: Call) -> Answer:
    """`GET /user/orgs`: needs `read:org` or `user`; private memberships need `read:org`."""
    if not call.allows("read:org", "user"):
        return message(
            403,
            "You need at least read:org scope or user scope to list your organizations.",
            docs=f"{DOCS}/orgs/orgs#list-organizations-for-the-authenticated-user",
        )
    listed = [
        organization
        for organization, membership in call.world.memberships(call.caller)
        if membership.state == "active" and call.sees_membership(organization, membership)
    ]
    shown = [each for each in listed if not call.needs_sign_on(each)]
    return Answer(200, [simple_organization(call.base, each) for each in shown], True, sso_headers(call, listed))


def sso_headers(call: Call, organizations: Sequence[Organization]) -> dict[str, str]:
    """Return the header that tells which organizations were left out of a list."""
    hidden = [str(each.id) for each in organizations if call.needs_sign_on(each)]
    return {"X-GitHub-SSO": f"partial-results; organizations={','.join(hidden)}"} if hidden else {}


def user_teams(call: Call) -> Answer:
    """`GET /user/teams`: needs `read:org`, `user` or `repo`; private memberships need `read:org`."""
    if not call.allows("read:org", "user", "repo"):
        return not_found()
    listed = [
        team_of(call.base, organization, team)
        for organization, membership in call.world.memberships(call.caller)
        if membership.state == "active" and call.sees_membership(organization, membership)
        if not call.needs_sign_on(organization)
        for team in organization.teams.values()
        if call.caller.id in team.members
    ]
    homes = [organization for organization, _ in call.world.memberships(call.caller)]
    return Answer(200, listed, True, sso_headers(call, homes))


def user_memberships(call: Call) -> Answer:
    """`GET /user/memberships/orgs`: needs `read:org`; `state` chooses active or pending ones."""
    if not call.allows("read:org"):
        return not_found()
    state = call.query.get("state")
    listed = [
        membership_of(call.base, organization, call.caller, membership)
        for organization, membership in call.world.memberships(call.caller)
        if call.reaches(organization) and state in (None, membership.state)
    ]
    return Answer(200, listed, True)


def user_membership(call: Call) -> Answer:
    """`GET /user/memberships/orgs/{org}`: needs `read:org`."""
    organization = call.world.find_organization(call.path["org"])
    membership = organization.members.get(call.caller.id) if organization else None
    if organization is None or membership is None or not call.allows("read:org"):
        return not_found()
    if not call.reaches(organization):
        return message(403, RESTRICTED.format(org=organization.login))
    return Answer(200, membership_of(call.base, organization, call.caller, membership))


def account(call: Call) -> Answer:
    """`GET /users/{username}` and `GET /user/{account_id}`."""
    if "id" in call.path:
        person = call.world.people.get(int(call.path["id"]))
    else:
        person = call.world.find_person(call.path["username"])
    return Answer(200, full_account(call.base, person)) if person else not_found()


def public_orgs(call: Call) -> Answer:
    """`GET /users/{username}/orgs`: public memberships, whoever asks."""
    person = call.world.find_person(call.path["username"])
    if person is None:
        return not_found()
    listed = [
        simple_organization(call.base, organization)
        for organization, membership in call.world.memberships(person)
        if membership.public and membership.state == "active"
    ]
    return Answer(200, listed, True)


def organization_account(call: Call) -> Answer:
    """`GET /orgs/{org}`."""
    organization = call.world.find_organization(call.path["org"])
    if organization is None:
        return not_found()
    data = simple_organization(call.base, organization)
    return Answer(200, data | {"name": organization.name, "type": "Organization"})


def organization_member(call: Call) -> Answer:
    """`GET /orgs/{org}/members/{username}`: 204, 404, or for outsiders a redirect to the public members."""
    organization = call.world.find_organization(call.path["org"])
    if organization is None:
        return not_found()
    own = organization.members.get(call.caller.id)
    if not call.reaches(organization):
        return message(403, RESTRICTED.format(org=organization.login))
    if own is None or own.state != "active" or not call.allows("read:org"):
        where = f"{call.base}{PREFIX}/orgs/{organization.login}/public_members/{call.path['username']}"
        return Answer(302, headers={"Location": where})
    person = call.world.find_person(call.path["username"])
    membership = organization.members.get(person.id) if person else None
    return Answer(204) if membership and membership.state == "active" else not_found()


def public_member(call: Call) -> Answer:
    """`GET /orgs/{org}/public_members/{username}`."""
    organization = call.world.find_organization(call.path["org"])
    person = call.world.find_person(call.path["username"])
    membership = organization.members.get(person.id) if organization and person else None
    return Answer(204) if membership and membership.public and membership.state == "active" else not_found()


def team_member(call: Call) -> Answer:
    """`GET /orgs/{org}/teams/{team}/members/{username}`, the legacy call that oauthenticator makes."""
    organization = call.world.find_organization(call.path["org"])
    team = organization.teams.get(call.path["team"]) if organization else None
    person = call.world.find_person(call.path["username"])
    if organization is None or team is None or person is None or not call.allows("read:org"):
        return not_found()
    if not call.reaches(organization):
        return message(403, RESTRICTED.format(org=organization.login))
    insider = call.caller.id in organization.members
    return Answer(204) if insider and person.id in team.members else not_found()


def repository(call: Call) -> Answer:
    """`GET /repos/{owner}/{repo}`: private ones need `repo`, pushing needs `public_repo` or `repo`."""
    found = call.world.repositories.get((call.path["owner"].lower(), call.path["repo"].lower()))
    if found is None:
        return not_found()
    organization = call.world.find_organization(found.owner)
    writes = False
    if call.person is not None:
        if organization is None:
            writes = call.person.login.lower() == found.owner.lower()
        elif call.reaches(organization):
            membership = organization.members.get(call.person.id)
            writes = membership is not None and membership.state == "active"
    if found.private and not (writes and call.allows("repo")):
        return not_found()
    pushes = writes and call.allows("repo", "public_repo")
    return Answer(200, repository_of(call.base, found, pushes))


def check_token(call: Call) -> Answer:
    """`POST /applications/{client_id}/token`: an application asks whether its token is alive."""
    token = _own_token(call)
    if isinstance(token, Answer):
        return token
    person = call.world.people.get(token.person_id)
    if person is None:
        return not_found()
    return Answer(200, {"token": token.value, "scopes": scopes_shown(token), "user": full_account(call.base, person)})


def delete_token(call: Call) -> Answer:
    """`DELETE /applications/{client_id}/token`: an application revokes its token."""
    token = _own_token(call)
    if isinstance(token, Answer):
        return token
    call.tokens.revoke(token)
    return Answer(204)


def _own_token(call: Call) -> Token | Answer:
    application = call.applications.get(call.path["client_id"])
    if (
        application is None
        or call.basic is None
        or call.basic.username != application.client_id
        or not same_secret(call.basic.password, application.client_secret)
    ):
        return not_found()
    token = call.tokens.find(str((call.body or {}).get("access_token", "")))
    if token is None or token.client_id != application.client_id:
        return message(404, "Not Found", docs=f"{DOCS}/apps/oauth-applications")
    return token


def scopes_shown(token: Token) -> list[str]:
    """Return the scopes as GitHub tells them: a GitHub App's token has none."""
    return [] if token.is_github_app else list(token.scopes)


def simple_account(base: str, login: str, account_id: int, kind: str) -> dict[str, Any]:
    """Return the fields that every mention of an account has."""
    node = base64.b64encode(f"0{len(kind)}:{kind}{account_id}".encode()).decode()
    return {
        "login": login,
        "id": account_id,
        "node_id": node,
        "avatar_url": f"{base}/avatars/u/{account_id}?v=4",
        "url": f"{base}{PREFIX}/{'users' if kind == 'User' else 'orgs'}/{login}",
        "html_url": f"{base}/{login}",
        "type": kind,
        "site_admin": False,
    }


def full_account(base: str, person: Person) -> dict[str, Any]:
    """Return a person's public profile."""
    return simple_account(base, person.login, person.id, "User") | {
        "name": person.name,
        "company": person.company,
        "blog": "",
        "location": person.location,
        "email": person.email,
        "hireable": None,
        "bio": person.bio,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": "2019-05-06T07:08:09Z",
        "updated_at": "2026-01-02T03:04:05Z",
    }


def simple_organization(base: str, organization: Organization) -> dict[str, Any]:
    """Return an organization as lists of organizations have it."""
    shown = simple_account(base, organization.login, organization.id, "Organization")
    for key in ("type", "html_url", "site_admin"):
        del shown[key]
    return shown | {"description": organization.description}


def team_of(base: str, organization: Organization, team: Team) -> dict[str, Any]:
    """Return a team as `/user/teams` has it, its organization within."""
    return {
        "id": team.id,
        "node_id": base64.b64encode(f"04:Team{team.id}".encode()).decode(),
        "name": team.name,
        "slug": team.slug,
        "description": team.description,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "pull",
        "url": f"{base}{PREFIX}/organizations/{organization.id}/team/{team.id}",
        "html_url": f"{base}/orgs/{organization.login}/teams/{team.slug}",
        "members_count": len(team.members),
        "parent": None,
        "organization": simple_organization(base, organization) | {"type": "Organization"},
    }


def membership_of(base: str, organization: Organization, person: Person, membership: Membership) -> dict[str, Any]:
    """Return a membership with its state and role."""
    return {
        "url": f"{base}{PREFIX}/orgs/{organization.login}/memberships/{person.login}",
        "state": membership.state,
        "role": membership.role,
        "organization": simple_organization(base, organization),
        "user": simple_account(base, person.login, person.id, "User"),
    }


def repository_of(base: str, found: Repository, pushes: bool) -> dict[str, Any]:
    """Return a repository with what the caller may do to it."""
    return {
        "id": found.id,
        "name": found.name,
        "full_name": f"{found.owner}/{found.name}",
        "private": found.private,
        "description": found.description,
        "html_url": f"{base}/{found.owner}/{found.name}",
        "default_branch": "main",
        "permissions": {"admin": False, "maintain": False, "push": pushes, "triage": pushes, "pull": True},
    }


@dataclass(frozen=True, slots=True)
class Route:
    """A path with the function that answers it and the scopes it accepts."""

    method: str
    path: str
    answer: Callable[[Call], Answer]
    accepts: str = ""
    anonymous: bool = False


ROUTES = (
    Route("GET", "/user", user),
    Route("GET", "/user/emails", user_emails, "user, user:email"),
    Route("GET", "/user/orgs", user_orgs, "admin:org, read:org, user, write:org"),
    Route("GET", "/user/teams", user_teams, "admin:org, read:org, repo, user, write:org"),
    Route("GET", "/user/memberships/orgs", user_memberships, "admin:org, read:org, write:org"),
    Route("GET", "/user/memberships/orgs/{org}", user_membership, "admin:org, read:org, write:org"),
    Route("GET", r"/user/{id:\d+}", account, anonymous=True),
    Route("GET", "/users/{username}", account, anonymous=True),
    Route("GET", "/users/{username}/orgs", public_orgs, anonymous=True),
    Route("GET", "/orgs/{org}", organization_account, anonymous=True),
    Route("GET", "/orgs/{org}/members/{username}", organization_member, "admin:org, read:org, write:org"),
    Route("GET", "/orgs/{org}/public_members/{username}", public_member, anonymous=True),
    Route("GET", "/orgs/{org}/teams/{team}/members/{username}", team_member, "admin:org, read:org, write:org"),
    Route("GET", "/repos/{owner}/{repo}", repository, "public_repo, repo", anonymous=True),
    Route("POST", "/applications/{client_id}/token", check_token, anonymous=True),
    Route("DELETE", "/applications/{client_id}/token", delete_token, anonymous=True),
)

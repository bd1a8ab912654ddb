"""Who may come in, and who they are: the authenticators, with GitHub and with CILogon."""

# mypy: allow-untyped-calls
from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from oauthenticator.oauth2 import OAuthenticator

from jhkube.identity import AUTH_STATE_KEY
from jhkube.login.errors import ProviderUnavailable, Refused
from jhkube.login.github_account import GitHubAccount, organization_fields, team_fields
from jhkube.login.github_api import GitHubApi
from jhkube.login.github_config import GitHubConfig
from jhkube.login.sessions import MEMORY_KEY, VISIT, Visit
from jhkube.login.unix_ids import IdError

__all__ = ["GitHubOrgAuthenticator"]

MEMBERSHIPS_KEY = "jhkube_memberships"
"""The key of auth_state for the provider's own names of the groups a person is in."""


class GitHubOrgAuthenticator(GitHubConfig):
    """Log in with GitHub: organizations and teams open the door, and become groups with stable numbers.

    Everything that GitHubOAuthenticator does stays, and every trait of it.

    Examples
    --------
    In jupyterhub_config.py::

        c.JupyterHub.authenticator_class = "jhkube-github"
        c.GitHubOrgAuthenticator.allowed_organizations = {"observatory", "telescope-ops:night-shift"}
    """

    async def token_to_user(self, token_info: dict[str, Any]) -> dict[str, Any]:
        """Return what `/user` says."""
        visit = VISIT.get(None)
        if visit is None:
            visit = Visit()
            VISIT.set(visit)
        api = self._api(token_info, visit)
        user = await api.one(self.userdata_url)
        visit.learned = api.learned
        return dict(user)

    async def update_auth_model(self, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Ask for addresses, organizations and teams at once; leave the identity in auth_state."""
        state = auth_model["auth_state"]
        user, visit = state[self.user_auth_state_key], VISIT.get(None) or Visit()
        api = self._api(state["token_response"], visit)
        emails, organizations, teams = await asyncio.gather(
            api.all(f"{self.github_api}/user/emails", _email_fields, denied=frozenset({403, 404})),
            api.all(f"{self.github_api}/user/orgs", organization_fields, denied=frozenset({403})),
            api.all(f"{self.github_api}/user/teams", team_fields, denied=frozenset({403, 404})),
        )
        try:
            account = GitHubAccount.parse(user, emails or [], organizations or [], teams or [])
        except ValueError as error:
            raise ProviderUnavailable(self.login_service, str(error)) from None
        rules = self.rules
        kept = tuple(group for group in account.groups if rules(group.name) is not None)
        try:
            identity = GitHubAccount(account.login, account.id, account.name, account.email, kept).identity(
                auth_model["name"], self.numeric_ids, self.group_priority
            )
        except IdError as error:
            self.log.error("%s cannot be given an account: %s", auth_model["name"], error)
            raise Refused("This hub cannot give you an account: please tell its operators.") from None
        user["email"] = user.get("email") or account.email or None
        state[AUTH_STATE_KEY] = identity.to_dict()
        state[MEMBERSHIPS_KEY] = [group.name for group in account.groups]
        state[MEMORY_KEY] = visit.learned | api.learned
        if self.admin_organizations and not auth_model["admin"]:
            auth_model["admin"] = _any_of(self.admin_organizations, state[MEMBERSHIPS_KEY])
        return auth_model

    async def get_user_groups(self, auth_state: dict[str, Any]) -> set[str]:
        """Return the hub's groups: organizations and teams, as `group_rules` has them."""
        if self.auth_state_groups_key:
            return set(await super().get_user_groups(auth_state))
        return self.rules.apply(auth_state[MEMBERSHIPS_KEY])

    def check_blocked_users(self, username: str, auth_model: dict[str, Any] | None = None) -> bool:
        """Say whether nothing denies the person; the hub asks this before anything that allows."""
        if auth_model and _any_of(self.denied_organizations, auth_model["auth_state"][MEMBERSHIPS_KEY]):
            self.log.warning("%s is refused: a member of a denied organization", username)
            raise Refused(f"You are {username} on GitHub, and a member of an organization that is not let in here.")
        return bool(super().check_blocked_users(username, auth_model))

    async def check_allowed(self, username: str, auth_model: dict[str, Any] | None = None) -> bool:
        """Say whether the person comes in: by an organization or a team, or by what upstream has."""
        # Not GitHubOAuthenticator's own, which makes a request for every organization of the list.
        if await OAuthenticator.check_allowed(self, username, auth_model):
            return True
        assert auth_model is not None
        return _any_of(self.allowed_organizations | self.allowed_teams, auth_model["auth_state"][MEMBERSHIPS_KEY])

    def _api(self, token_info: dict[str, Any], visit: Visit) -> GitHubApi:
        headers = self.build_userdata_request_headers(token_info["access_token"], token_info["token_type"])
        return GitHubApi(
            lambda url, more: self.ask(url, {**headers, **more}, follow_redirects=False),
            self.read_json,
            visit.remembered,
        )


def _email_fields(email: Any) -> dict[str, Any]:
    return {key: email[key] for key in ("email", "primary", "verified")}


def _any_of(rule: Collection[str], names: Collection[str]) -> bool:
    """Say whether a rule names one of the groups; GitHub's names differ by more than their case."""
    return bool({name.lower() for name in rule} & {name.lower() for name in names})

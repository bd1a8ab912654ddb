# mypy: allow-untyped-calls
"""Who may come in, and who they are: the authenticators, with GitHub and with CILogon."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from oauthenticator.cilogon import CILogonLoginHandler
from oauthenticator.oauth2 import OAuthenticator, _deserialize_state

from jhkube.identity import AUTH_STATE_KEY, UserIdentity
from jhkube.login.account_config import MEMBERSHIPS_KEY
from jhkube.login.cilogon_account import CILogonAccount, renamed
from jhkube.login.cilogon_config import CILogonConfig
from jhkube.login.claims import (
    ClaimedGroup,
    ClaimError,
    claim,
    full_name,
    groups_in,
    number_in,
    subject_claim,
    text_claim,
    verified_email,
)
from jhkube.login.errors import ListHidden, ProviderUnavailable, Refused, TokenRejected
from jhkube.login.github_account import GitHubAccount, email_fields, organization_fields, team_fields
from jhkube.login.github_api import GitHubApi
from jhkube.login.github_config import GitHubConfig
from jhkube.login.id_registry import IdRegistry, kept_auth_states
from jhkube.login.id_tokens import IdTokens, nonce_of, subject_in
from jhkube.login.organization_lists import Hidden, any_of, may_hide, name_of
from jhkube.login.refusals import denied_text, not_admitted_text, unknown_idp_text
from jhkube.login.sessions import MEMORY_KEY, VISIT, Visit
from jhkube.login.unix_ids import IdError

__all__ = ["CILogonGroupAuthenticator", "GitHubOrgAuthenticator"]

IDS_KEY = "jhkube_membership_ids"
"""The key of auth_state for GitHub's ids of the organizations and teams that a person is in, by name."""

HIDDEN_KEY = "jhkube_hidden_organizations"
"""The key of auth_state for the ids of organizations that GitHub hides until a single sign-on; empty if unknown."""


class GitHubOrgAuthenticator(GitHubConfig):
    """Log in with GitHub: organizations and teams open the door, and become groups with stable numbers.

    Everything that GitHubOAuthenticator does stays, and every trait of it.

    Examples
    --------
    In jupyterhub_config.py::

        c.JupyterHub.authenticator_class = "jhkube-github"
        c.GitHubOrgAuthenticator.allowed_organizations = {"observatory", "telescope-ops:night-shift"}
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._links: dict[str, str] = {}

    async def token_to_user(self, token_info: dict[str, Any]) -> dict[str, Any]:
        """Return what `/user` says."""
        visit = VISIT.get(None)
        if visit is None:
            visit = Visit()
            VISIT.set(visit)
        api = self._api(token_info, visit)
        user = await api.one(self.userdata_url)
        visit.learned = api.learned
        return user

    async def update_auth_model(self, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Ask for addresses, organizations and teams at once; leave the person's identity in auth_state."""
        state = auth_model["auth_state"]
        user, visit = state[self.user_auth_state_key], VISIT.get(None) or Visit()
        api = self._api(state["token_response"], visit)
        account = await self._account(api, state)
        rules = self.rules
        named = replace(account, groups=tuple(each for each in account.groups if rules(each.name) is not None))
        try:
            identity = named.identity(auth_model["name"], self.numeric_ids, self.group_priority)
        except IdError as error:
            raise self.no_account(auth_model["name"], error) from None
        user["email"] = user.get("email") or account.email or None
        state[MEMORY_KEY] = visit.learned | api.learned
        visit.is_stale = api.is_stale
        self.keep(state, identity, (group.name for group in account.groups))
        state[IDS_KEY] = {group.name: group.id for group in account.groups}
        self._note_hidden(state, identity.subject, api.hidden)
        if self.admin_organizations and not auth_model["admin"]:
            auth_model["admin"] = any_of(self.admin_organizations, state[IDS_KEY])
        return auth_model

    def subject_of(self, user_info: Mapping[str, Any]) -> str | None:
        """Return the immutable id in what `/user` says."""
        return f"github:{user_info['id']}" if user_info.get("id") else None

    def check_blocked_users(self, username: str, auth_model: dict[str, Any] | None = None) -> bool:
        """Say whether nothing denies the person; the hub asks this first, and even where all are allowed."""
        if auth_model and any_of(self.denied_organizations, auth_model["auth_state"][IDS_KEY]):
            self.log.warning("%s is refused: in one of denied_organizations", username)
            raise Refused(
                denied_text(
                    "GitHub",
                    self._login(auth_model),
                    what="an organization or team",
                    operators_text=self.operators_text,
                )
            )
        hidden = self._hidden(auth_model) if auth_model else None
        if hidden and may_hide(hidden, self.denied_organizations):
            self.log.warning(
                "%s is refused: organizations that ask for SAML are hidden, and denied_organizations could name one",
                username,
            )
            raise ListHidden("organizations are hidden until a single sign-on", self._sign_on_link(hidden))
        return bool(super().check_blocked_users(username, auth_model))

    async def check_allowed(self, username: str, auth_model: dict[str, Any] | None = None) -> bool:
        """Say whether the person comes in: by an organization or a team, or by what upstream has."""
        # Not GitHubOAuthenticator's own, which makes a request for every organization of the list.
        if await OAuthenticator.check_allowed(self, username, auth_model):
            return True
        assert auth_model is not None
        admitting = self.allowed_organizations | self.allowed_teams
        if any_of(admitting, auth_model["auth_state"][IDS_KEY]):
            return True
        self.log.warning("%s is refused: in none of the allowed organizations and teams", username)
        hidden = self._hidden(auth_model)
        if hidden and may_hide(hidden, admitting):
            # Unknown, and no refusal: a session goes on for as long as what is known may be old.
            raise ListHidden("organizations are hidden until a single sign-on", self._sign_on_link(hidden))
        hint = (
            "A private membership counts once the organization has granted this hub's OAuth app access, in its "
            f"settings; you can ask for that at {self._connection_page}."
        )
        # A GitHub App's token names no scopes at all.
        scope = set(auth_model["auth_state"]["scope"])
        if scope and not scope & {"read:org", "user", "write:org", "admin:org"}:
            hint += " This login did not let the hub see private memberships."
        raise Refused(
            not_admitted_text(
                "GitHub",
                self._login(auth_model),
                what="organizations or teams on GitHub",
                names={name_of(entry) for entry in admitting} if self.show_allowed else (),
                hint=hint,
                operators_text=self.operators_text,
            )
        )

    async def _account(self, api: GitHubApi, state: dict[str, Any]) -> GitHubAccount:
        """Return the person; a list that does not come is as it was the last time, and at a login an error."""
        user, base = state[self.user_auth_state_key], self.github_api
        lists = {
            f"{base}/user/emails": (email_fields, {403, 404}),
            f"{base}/user/orgs": (organization_fields, {403}),
            f"{base}/user/teams": (dict if self.populate_teams_in_auth_state else team_fields, {403, 404}),
        }
        asked = (api.all(url, fields, hidden) for url, (fields, hidden) in lists.items())
        answers: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
        has_old_teams = isinstance(answers[2], ProviderUnavailable)
        emails, organizations, teams = (
            self._kept(api, url, found) for url, found in zip(lists, answers, strict=True)
        )
        if organizations is None:
            # Without the scope read:org GitHub lists only what everybody can see.
            organizations = await api.all(f"{base}/users/{user['login']}/orgs", organization_fields)
        if has_old_teams:
            # Who has left an organization has left its teams.
            present = {organization["login"] for organization in organizations}
            teams = [team for team in teams if team["organization"]["login"] in present]
        if self.populate_teams_in_auth_state:
            state["teams"] = teams or []
        try:
            return GitHubAccount.parse(user, emails or (), organizations or (), teams or ())
        except ValueError as error:
            raise ProviderUnavailable("GitHub", str(error)) from None

    @staticmethod
    def _kept(api: GitHubApi, url: str, found: Any) -> Any:
        if isinstance(found, ProviderUnavailable) and (known := api.known(url)) is not None:
            return known
        if isinstance(found, BaseException):
            raise found
        return found

    def _api(self, token_info: dict[str, Any], visit: Visit) -> GitHubApi:
        headers = self.build_userdata_request_headers(token_info["access_token"], token_info["token_type"])
        return GitHubApi(
            lambda url, more: self.ask(url, {**headers, **more}, follow_redirects=False),
            self.read_json,
            self.client_id,
            visit.remembered,
            self.github_url,
        )

    @property
    def _connection_page(self) -> str:
        """Where people see what they have granted this hub at GitHub, and grant more."""
        return f"{self.github_url.rstrip('/')}/settings/connections/applications/{self.client_id}"

    def _note_hidden(self, state: dict[str, Any], subject: str, hidden: Hidden | None) -> None:
        """Keep what is hidden in auth_state; the link, which is for one use, in memory."""
        self._links.pop(subject, None)
        if hidden is not None:
            state[HIDDEN_KEY] = sorted(hidden.ids)
            if hidden.link:
                self._links[subject] = hidden.link

    def _hidden(self, auth_model: Mapping[str, Any]) -> Hidden | None:
        state = auth_model["auth_state"]
        if HIDDEN_KEY not in state:
            return None
        return Hidden(frozenset(state[HIDDEN_KEY]), self._links.get(state[AUTH_STATE_KEY]["subject"], ""))

    def _sign_on_link(self, hidden: Hidden) -> str:
        return hidden.link or self._connection_page

    def _login(self, auth_model: Mapping[str, Any]) -> str:
        return str(auth_model["auth_state"][self.user_auth_state_key]["login"])


class NonceLoginHandler(CILogonLoginHandler):
    """Sends people to CILogon with a nonce that belongs to this login alone."""

    def authorize_redirect(self, *args: Any, **kwargs: Any) -> Any:
        """Add the nonce to the parameters."""
        parameters = kwargs.setdefault("extra_params", {})
        parameters["nonce"] = nonce_of(_deserialize_state(parameters["state"])["state_id"])
        return super().authorize_redirect(*args, **kwargs)


class CILogonGroupAuthenticator(CILogonConfig):
    """Log in with CILogon: groups open the door, and everybody has numbers that stay.

    Everything that CILogonOAuthenticator does stays, and every trait of it. Id tokens are checked: their
    signature, whom they are for, and that they belong to this very login.

    Examples
    --------
    In jupyterhub_config.py::

        c.JupyterHub.authenticator_class = "jhkube-cilogon"
        c.CILogonGroupAuthenticator.idps = {
            "https://idp.example.org/idp/shibboleth": {"username_derivation": {"username_claim": "eppn"}},
        }
        c.CILogonGroupAuthenticator.allowed_groups = {"observatory"}
    """

    login_handler = NonceLoginHandler

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.id_tokens = IdTokens(self.login_service, self.issuer, self.client_id, self._json_at)
        self._registry: IdRegistry | None = None
        self._told_unusable: dict[str, tuple[str, ...]] = {}

    async def get_token_info(self, handler: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the token endpoint's answer, its id token checked."""
        info = await super().get_token_info(handler, params)
        if "code" in params:
            nonce = nonce_of(_deserialize_state(handler.get_state_cookie())["state_id"])
            await self.id_tokens.claims(info.get("id_token"), nonce=nonce)
        elif info.get("id_token"):
            await self.id_tokens.claims(info["id_token"], nonce=None)
        return info

    async def token_to_user(self, token_info: dict[str, Any]) -> dict[str, Any]:
        """Return the claims of the person whose id token it was (OpenID Connect Core 1.0, section 5.3.2)."""
        claims: dict[str, Any] = await super().token_to_user(token_info)
        if token_info.get("id_token") and subject_in(token_info["id_token"]) != claims.get("sub"):
            raise TokenRejected("CILogon answered about somebody else than the one who logged in.")
        return claims

    async def update_auth_model(self, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Leave the person's identity in auth_state, from their claims."""
        state = auth_model["auth_state"]
        claims = state[self.user_auth_state_key]
        try:
            found = self._groups_in(claims)
            account = CILogonAccount(
                subject=subject_claim(claims),
                name=full_name(claims),
                email=verified_email(claims),
                groups=renamed(found, self.rules, self.group_priority),
                uid=number_in(claims, self.uid_claims),
                gid=number_in(claims, self.gid_claims),
            )
            identity = account.identity(auth_model["name"], self.numbers)
        except ClaimError as error:
            raise self.odd_claim(auth_model["name"], claims, error) from None
        except IdError as error:
            raise self.no_account(auth_model["name"], error) from None
        self.keep(state, identity, (group.name for group in found))
        self._tell_unusable(identity, account.unusable_groups(self.numbers))
        return auth_model

    def _groups_in(self, claims: Mapping[str, Any]) -> tuple[ClaimedGroup, ...]:
        value = claim(claims, self.groups_claim)
        try:
            return groups_in(value, name_key=self.group_name_key, gid_key=self.group_gid_key)
        except ClaimError as error:
            raise ClaimError(f"the claim {self.groups_claim} cannot be read: {error}") from None

    def _tell_unusable(self, identity: UserIdentity, reasons: tuple[str, ...]) -> None:
        if reasons and self._told_unusable.get(identity.subject) != reasons:
            self._told_unusable[identity.subject] = reasons
            self.log.error("%s has groups that are no unix groups: %s", identity.name, "; ".join(reasons))

    async def check_identity(self, db: Any, auth_model: Mapping[str, Any]) -> None:
        """Refuse whose number is another's: derived numbers can meet, and so can two providers' claims.

        A group whose number is another's is taken from the person, and stays a group of the hub's.
        """
        await super().check_identity(db, auth_model)
        if self._registry is None:
            named = (self.allowed_groups | self.admin_groups) - self.gids.keys()
            self._registry = IdRegistry(self.numbers.gids, self.log, self._groups_here, named)
        registry = self._registry
        await registry.load(lambda: kept_auth_states(db))
        try:
            state = auth_model["auth_state"]
            identity = registry.note(UserIdentity.from_dict(state[AUTH_STATE_KEY]), self._groups_here(state))
        except IdError as error:
            raise self.no_account(auth_model["name"], error) from None
        state[AUTH_STATE_KEY] = identity.to_dict()

    def _groups_here(self, auth_state: Mapping[str, Any]) -> set[str]:
        return self.rules.apply(auth_state.get(MEMBERSHIPS_KEY) or ())

    def check_claims(self, user_info: dict[str, Any]) -> None:
        """Raise `ClaimError` where what the name is made of cannot be used, `Refused` for others' people."""
        idp = text_claim(user_info, "idp")
        if idp not in self.idps:
            self.log.warning("Somebody of the identity provider %r is refused: it is not in idps", idp)
            raise Refused(unknown_idp_text(idp, self.operators_text))
        text_claim(user_info, "sub")
        text_claim(user_info, self.idps[idp]["username_derivation"]["username_claim"])

    def subject_of(self, user_info: Mapping[str, Any]) -> str | None:
        """Return the immutable id in a person's claims."""
        return f"cilogon:{user_info['sub']}" if user_info.get("sub") else None

    def check_blocked_users(self, username: str, auth_model: dict[str, Any] | None = None) -> bool:
        """Say whether nothing denies the person; the hub asks this first, and even where all are allowed."""
        if auth_model:
            rules, names = self.rules, auth_model["auth_state"][MEMBERSHIPS_KEY]
            if self.denied_groups & {rules(name) or name for name in names}:
                self.log.warning("%s is refused: in one of denied_groups", username)
                raise Refused(denied_text("CILogon", username, what="a group", operators_text=self.operators_text))
        return bool(super().check_blocked_users(username, auth_model))

    async def check_allowed(self, username: str, auth_model: dict[str, Any] | None = None) -> bool:
        """Say whether the person comes in, by what upstream has, which knows the groups too."""
        if auth_model is not None and not await OAuthenticator.check_allowed(self, username, auth_model):
            claims = auth_model["auth_state"][self.user_auth_state_key]
            idp = self.idps[claims["idp"]]
            if idp.get("allowed_domains") and idp.get("allowed_domains_claim") and not idp.get("allow_all"):
                try:
                    text_claim(claims, idp["allowed_domains_claim"])
                except ClaimError as error:
                    raise self.odd_claim(username, claims, error) from None
        if await super().check_allowed(username, auth_model):
            return True
        self.log.warning("%s is refused: nothing allows them", username)
        names = self.allowed_groups if self.show_allowed else ()
        raise Refused(
            not_admitted_text("CILogon", username, what="groups", names=names, operators_text=self.operators_text)
        )

    async def _json_at(self, url: str) -> dict[str, Any]:
        response = await self.ask(url, {"Accept": "application/json", "User-Agent": "JupyterHub"})
        if response.code != 200:
            raise ProviderUnavailable("CILogon", f"{url}: {response.code}")
        return dict(self.read_json(response, dict))

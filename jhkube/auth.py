# mypy: allow-untyped-calls
"""Who may come in, and who they are: the authenticators, with GitHub, with CILogon and with OpenID Connect."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from oauthenticator.cilogon import CILogonLoginHandler, CILogonOAuthenticator
from oauthenticator.github import GitHubOAuthenticator
from oauthenticator.oauth2 import OAuthenticator
from traitlets import Unicode, default

from jhkube.identity import AUTH_STATE_KEY
from jhkube.login.authenticator import MEMORY_KEY, ProviderAuthenticator
from jhkube.login.claims import ClaimError, name_claim, text_claim
from jhkube.login.errors import ListHidden, ListWithheld, Refused, denied_text, not_admitted_text, unknown_idp_text
from jhkube.login.findings import Finding
from jhkube.login.github_account import Hidden, any_of, may_hide, name_of
from jhkube.login.github_api import GitHubApi, account_at
from jhkube.login.github_traits import ORGANIZATION_SCOPES, GitHubTraits
from jhkube.login.numbers import IdError
from jhkube.login.oidc import OIDCOrgAuthenticator
from jhkube.login.openid import NonceLoginHandler, OpenIDAuthenticator
from jhkube.login.sessions import STALE_KEY

__all__ = ["CILogonGroupAuthenticator", "GitHubOrgAuthenticator", "OIDCOrgAuthenticator"]

IDS_KEY = "jhkube_membership_ids"
"""The key of auth_state for GitHub's ids of the organizations and teams that a person is in, by name."""

HIDDEN_KEY = "jhkube_hidden_organizations"
"""The key of auth_state for the ids of organizations that GitHub hides until a single sign-on; empty if unknown."""


WITHHELD_KEY = "jhkube_withheld"
"""The key of auth_state for which of `organizations` and `teams` the token's scopes do not show."""


class GitHubOrgAuthenticator(GitHubTraits, ProviderAuthenticator, GitHubOAuthenticator):
    """Log in with GitHub: organizations and teams decide who may log in, and become groups with stable gids.

    All features and traits of GitHubOAuthenticator stay.

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
        """Return what `/user` says; under `MEMORY_KEY` is what was known and what was learned, for the next step."""
        remembered = token_info.get(MEMORY_KEY) or {}
        api = self._api(token_info, remembered)
        user = await api.one(self.userdata_url)
        return user | {MEMORY_KEY: {"remembered": remembered, "learned": api.learned}}

    async def update_auth_model(self, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Ask for addresses, organizations and teams at once; leave the person's identity in auth_state."""
        state = auth_model["auth_state"]
        user = state[self.user_auth_state_key]
        memory = user.pop(MEMORY_KEY, {"remembered": {}, "learned": {}})
        api = self._api(state["token_response"], memory["remembered"])
        whole_teams = self.populate_teams_in_auth_state
        said, before = (memory[when].get(self.userdata_url) for when in ("learned", "remembered"))
        is_same_user = said is not None and said == before
        account, teams = await account_at(
            api, self.github_api, user, is_same_user=is_same_user, whole_teams=whole_teams
        )
        if whole_teams:
            state["teams"] = teams
        rules = self.rules
        named = replace(account, groups=tuple(each for each in account.groups if rules(each.name) is not None))
        try:
            identity = named.identity(auth_model["name"], self.numeric_ids, self.group_priority)
        except IdError as error:
            raise self.no_account(auth_model["name"], error) from None
        user["email"] = user.get("email") or account.email or None
        state[MEMORY_KEY] = memory["learned"] | api.learned
        if api.is_stale:
            auth_model[STALE_KEY] = True
        self.keep(state, identity, (group.name for group in account.groups))
        state[IDS_KEY] = {group.name: group.id for group in account.groups}
        state[WITHHELD_KEY] = sorted(api.withheld)
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
        if auth_model:
            self._check_withheld(username, auth_model["auth_state"][WITHHELD_KEY])
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
        if scope and not scope & ORGANIZATION_SCOPES:
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

    def _check_withheld(self, username: str, withheld: Collection[str]) -> None:
        """Refuse whose login was narrowed on its way to GitHub, where something denied could be what it hides.

        Where the hub itself does not ask for the scope, public memberships are what counts.
        """
        could_hide = {"organizations"} if self.denied_organizations else set()
        if any(":" in entry for entry in self.denied_organizations):
            could_hide.add("teams")
        if could_hide & set(withheld) and ORGANIZATION_SCOPES & set(self.scope):
            self.log.warning(
                "%s is refused: the token does not show %s, and denied_organizations could name one",
                *(username, " and ".join(withheld)),
            )
            raise ListWithheld("GitHub", " and ".join(withheld))

    def _api(self, token_info: Mapping[str, Any], remembered: Mapping[str, Any]) -> GitHubApi:
        headers = self.build_userdata_request_headers(token_info["access_token"], token_info["token_type"])
        return GitHubApi(
            lambda url, more: self.client.ask(url, {**headers, **more}, follow_redirects=False),
            self.client.read_json,
            self.client_id,
            remembered,
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


class CILogonNonceHandler(NonceLoginHandler, CILogonLoginHandler):
    """Sends people to CILogon, with its own parameters and the nonce."""


class CILogonGroupAuthenticator(OpenIDAuthenticator, CILogonOAuthenticator):
    """Log in with CILogon: groups decide who may log in, and everybody has a stable uid and gid.

    All features and traits of CILogonOAuthenticator stay. Id tokens are checked: their
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

    login_handler = CILogonNonceHandler

    @property
    def subject_prefix(self) -> str:
        """What comes before `sub` in an identity's subject."""
        return "cilogon:"

    issuer = Unicode(
        config=True,
        help="""
        The provider's issuer, as its id tokens have it; its configuration is at
        `<issuer>/.well-known/openid-configuration`. By default `https://` and `cilogon_host`.

        Example::

            c.CILogonGroupAuthenticator.issuer = "https://test.cilogon.org"
        """,
    )

    @default("issuer")
    def _issuer_default(self) -> str:
        return f"https://{self.cilogon_host}"

    @default("authorize_url")
    def _authorize_url_default(self) -> str:
        return f"{self.issuer}/authorize"

    @default("token_url")
    def _token_url_default(self) -> str:
        return f"{self.issuer}/oauth2/token"

    @default("userdata_url")
    def _userdata_url_default(self) -> str:
        return f"{self.issuer}/oauth2/userinfo"

    def findings(self) -> Iterator[Finding]:
        """Return what is wrong or doubtful in the configuration as a whole."""
        yield from super().findings()
        if not self.idps:
            yield Finding("idps", "is empty: name at least one identity provider, with its username_derivation")
        for entity, settings in self.idps.items():
            everybody = settings.get("allow_all") or "*" in settings.get("allowed_domains", [])
            if everybody and self.allowed_groups:
                text = f"lets everybody of {entity} in, so allowed_groups decides nothing for them"
                yield Finding("idps", text, is_error=False)

    def check_claims(self, user_info: dict[str, Any]) -> None:
        """Raise `ClaimError` where what the name is made of cannot be used, `Refused` for others' people."""
        idp = text_claim(user_info, "idp")
        if idp not in self.idps:
            self.log.warning("Somebody of the identity provider %r is refused: it is not in idps", idp)
            raise Refused(unknown_idp_text(idp, self.operators_text))
        text_claim(user_info, "sub")
        name_claim(user_info, self.idps[idp]["username_derivation"]["username_claim"])

    async def check_allowed(self, username: str, auth_model: dict[str, Any] | None = None) -> bool:
        """Say whether the person comes in; first that the claim is there by which a domain would let them in."""
        if auth_model is not None and not await OAuthenticator.check_allowed(self, username, auth_model):
            claims = auth_model["auth_state"][self.user_auth_state_key]
            idp = self.idps[claims["idp"]]
            if idp.get("allowed_domains") and idp.get("allowed_domains_claim") and not idp.get("allow_all"):
                try:
                    text_claim(claims, idp["allowed_domains_claim"])
                except ClaimError as error:
                    raise self.odd_claim(username, claims, error) from None
        return await super().check_allowed(username, auth_model)

# mypy: allow-untyped-calls
"""Logging in with any OpenID Connect provider: Keycloak, Dex, GitLab, Entra ID and others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from oauthenticator.generic import GenericOAuthenticator
from traitlets import Unicode, default

from jhkube.login.claims import text_claim
from jhkube.login.errors import ProviderUnavailable
from jhkube.login.findings import Finding
from jhkube.login.openid import NonceLoginHandler, OpenIDAuthenticator

__all__ = ["OIDCOrgAuthenticator"]

ENDPOINTS = {
    "authorize_url": "authorization_endpoint",
    "token_url": "token_endpoint",
    "userdata_url": "userinfo_endpoint",
}
"""The traits that a provider's configuration fills in, each with the name that it has there."""


class DiscoveringLoginHandler(NonceLoginHandler):
    """Asks the provider where people log in, and sends them there."""

    async def get(self) -> None:
        """Redirect to the provider."""
        await self.authenticator.discover()
        super().get()


class OIDCOrgAuthenticator(OpenIDAuthenticator, GenericOAuthenticator):
    """Log in with an OpenID Connect provider: groups of a claim decide who may log in; uids and gids are stable.

    All features and traits of GenericOAuthenticator stay. The provider's addresses and keys are
    found by its issuer. Id tokens are checked: their signature, whom they are for, and that they belong to this very
    login.

    Examples
    --------
    In jupyterhub_config.py::

        c.JupyterHub.authenticator_class = "jhkube-oidc"
        c.OIDCOrgAuthenticator.issuer = "https://keycloak.example.org/realms/observatory"
        c.OIDCOrgAuthenticator.client_id = "jupyterhub"
        c.OIDCOrgAuthenticator.allowed_groups = {"astronomers"}
    """

    login_handler = DiscoveringLoginHandler

    issuer = Unicode(
        config=True,
        help="""
        The provider's issuer, exactly as its id tokens have it; its configuration is at
        `<issuer>/.well-known/openid-configuration`. `authorize_url`, `token_url` and `userdata_url` come from there
        if they are not set.

        The issuer is part of everybody's id (`oidc:<issuer>#<sub>`), because a `sub` is unique only within one
        provider. If the issuer changes, accounts have to be handed over (`account_handovers`).

        Example::

            c.OIDCOrgAuthenticator.issuer = "https://keycloak.example.org/realms/observatory"
        """,
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._discovered: list[str] = []

    @default("login_service")
    def _login_service_default(self) -> str:
        return "OpenID Connect"

    @default("scope")
    def _scope_default(self) -> list[str]:
        return ["openid", "profile", "email"]

    @default("username_claim")
    def _username_claim_default(self) -> str:
        return "preferred_username"

    @default("groups_claim")
    def _groups_claim_default(self) -> str:
        return "groups"

    @default("auth_state_groups_key")
    def _auth_state_groups_key_default(self) -> str:
        # GenericOAuthenticator's own default would pass by groups_claim.
        return ""

    @property
    def subject_prefix(self) -> str:
        """What comes before `sub` in an identity's subject: no issuer has a `#` in it."""
        return f"oidc:{self.issuer}#"

    async def discover(self) -> None:
        """Fill in the provider's addresses that are not set, from its configuration.

        Raises
        ------
        ProviderUnavailable
            Where the provider does not tell an address that is needed.
        """
        needed = [trait for trait in ENDPOINTS if trait != "userdata_url" or not self.userdata_from_id_token]
        missing = [trait for trait in needed if not getattr(self, trait)]
        if not missing and not self._discovered:
            return
        try:
            configuration = await self.id_tokens.configuration()
            found = {trait: self._endpoint(configuration, ENDPOINTS[trait]) for trait in missing or self._discovered}
        except ProviderUnavailable:
            if missing:
                raise
            self.log.debug("The configuration of %s cannot be had now; the addresses of before hold", self.issuer)
            return
        for trait, url in found.items():
            setattr(self, trait, url)
        self._discovered = list(found)

    def _endpoint(self, configuration: Mapping[str, Any], name: str) -> str:
        url = configuration.get(name)
        # People and secrets are sent there: never from https to anything less.
        schemes = {"https", urlsplit(self.issuer).scheme}
        address = _split(url)
        if not isinstance(url, str) or address is None or address.scheme not in schemes or not address.netloc:
            raise ProviderUnavailable(self.login_service, f"the configuration of {self.issuer} has no usable {name}")
        return url

    async def get_token_info(self, handler: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the token endpoint's answer, its id token checked."""
        await self.discover()
        return await super().get_token_info(handler, params)

    async def token_to_user(self, token_info: dict[str, Any]) -> dict[str, Any]:
        """Return the person's claims, from `userdata_url` or, with `userdata_from_id_token`, from the id token."""
        if self.userdata_from_id_token:
            return await self.id_tokens.claims(token_info.get("id_token"), nonce=None)
        await self.discover()
        return await super().token_to_user(token_info)

    def check_claims(self, user_info: dict[str, Any]) -> None:
        """Raise `ClaimError` where what the name or the id is made of cannot be used."""
        text_claim(user_info, "sub")
        super().check_claims(user_info)

    def findings(self) -> Iterator[Finding]:
        """Return what is wrong or doubtful in the configuration as a whole."""
        yield from super().findings()
        address = _split(self.issuer)
        if not self.issuer:
            yield Finding("issuer", "is not set: name the provider, as its id tokens have it")
        elif (
            address is None
            or address.scheme not in ("https", "http")
            or not address.netloc
            or address.query
            or address.fragment
        ):
            text = f"is {self.issuer!r}: it should be a URL such as https://idp.example.org/realms/lab"
            yield Finding("issuer", text)
        elif address.scheme == "http":
            yield Finding("issuer", "begins with http: secrets and tokens travel unencrypted", is_error=False)
        if "openid" not in self.scope:
            yield Finding("scope", "has no `openid`: the provider sends no id token then, and nobody comes in")


def _split(url: Any) -> SplitResult | None:
    """Return the parts of an address; None for what is none."""
    try:
        return urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return None

# mypy: allow-untyped-calls
"""Logging in with an OpenID provider: id tokens that are checked, and claims that become an identity."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import jwt
from oauthenticator.oauth2 import OAuthLoginHandler, _deserialize_state

from jhkube.identity import AUTH_STATE_KEY, UserIdentity
from jhkube.login.authenticator import MEMBERSHIPS_KEY, ProviderAuthenticator
from jhkube.login.claim_traits import ClaimTraits
from jhkube.login.claims import (
    ClaimedAccount,
    ClaimedGroup,
    ClaimError,
    claim,
    full_name,
    groups_in,
    number_in,
    renamed,
    text_claim,
    verified_email,
)
from jhkube.login.errors import (
    ListWithheld,
    ProviderUnavailable,
    Refused,
    TokenRejected,
    denied_text,
    not_admitted_text,
)
from jhkube.login.numbers import IdError
from jhkube.login.owners import NumberOwners, kept_auth_states

__all__ = ["IdTokens", "NonceLoginHandler", "OpenIDAuthenticator", "configuration_url"]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key that the provider alone has; `none` and shared secrets are not among them."""

LEEWAY = 60
"""Seconds by which the provider's clock may be another."""

KEYS_LAST = 24 * 3600.0
"""Seconds for which the provider's keys are kept; a token with an unknown key makes them asked for again."""

KEYS_AGAIN = 10.0
"""Seconds between two requests for keys at the least: anybody can send a token with an unknown key."""


def configuration_url(issuer: str) -> str:
    """Return where a provider's configuration is (OpenID Connect Discovery 1.0, section 4)."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


def nonce_of(state_id: str) -> str:
    """Return the nonce that belongs to a login's state: an id token of another login has another."""
    return hashlib.sha256(f"jhkube-nonce:{state_id}".encode()).hexdigest()


def subject_in(token: str) -> str | None:
    """Return the `sub` of an id token that was checked before."""
    try:
        subject: str | None = jwt.decode(token, options={"verify_signature": False}).get("sub")
    except jwt.PyJWTError:
        return None
    return subject


class IdTokens:
    """Checks id tokens after OpenID Connect Core 1.0, section 3.1.3.7.

    Parameters
    ----------
    provider
        Its name, for errors.
    issuer
        What `iss` has to be; the provider's configuration is below it.
    client_id
        What `aud` has to be.
    get
        Returns the JSON object at a URL, or raises `ProviderUnavailable`.
    """

    def __init__(
        self, provider: str, issuer: str, client_id: str, get: Callable[[str], Awaitable[dict[str, Any]]]
    ) -> None:
        self._provider, self._issuer, self._client_id, self._get = provider, issuer, client_id, get
        self._keys: jwt.PyJWKSet | None = None
        self._asked = float("-inf")
        self._configuration: dict[str, Any] | None = None
        self._configured = 0.0
        self._asking = asyncio.Lock()

    async def configuration(self, *, again: bool = False) -> dict[str, Any]:
        """Return the provider's configuration, asked for `again` or after a day.

        Raises
        ------
        ProviderUnavailable
            Where it cannot be had, or is another issuer's.
        """
        if again or self._configuration is None or time.monotonic() - self._configured > KEYS_LAST:
            configuration = await self._get(configuration_url(self._issuer))
            if configuration.get("issuer") != self._issuer:
                raise ProviderUnavailable(self._provider, f"the issuer is not {self._issuer}")
            self._configuration, self._configured = configuration, time.monotonic()
        return self._configuration

    async def claims(self, token: str | None, *, nonce: str | None) -> dict[str, Any]:
        """Return the claims of an id token.

        Parameters
        ----------
        token
            The token; None where the provider sent none.
        nonce
            What `nonce` has to be; None for a token that came with a refresh, which need not have one.

        Raises
        ------
        TokenRejected
            Where there is no token, or it is not from this provider, for this hub, of this login and of now.
        ProviderUnavailable
            Where the provider's keys cannot be had.
        """
        if not token:
            raise TokenRejected(f"{self._provider} sent no id token.")
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._client_id,
                issuer=self._issuer,
                leeway=LEEWAY,
                options={"require": ["iss", "aud", "sub", "exp", "iat"]},
            )
        except (jwt.PyJWTError, UnicodeError) as error:
            # The class of the error says what is wrong; its text may hold parts of the token.
            raise TokenRejected(f"{self._provider} sent an invalid id token: {type(error).__name__}.") from None
        if "azp" in claims and claims["azp"] != self._client_id:
            raise TokenRejected(f"{self._provider} sent an id token for another client.")
        if nonce is not None and claims.get("nonce") != nonce:
            raise TokenRejected(f"{self._provider} sent an id token of another login.")
        return claims

    async def _key(self, key_id: str | None) -> jwt.PyJWK:
        async with self._asking:
            since = time.monotonic() - self._asked
            known = self._named(key_id)
            if (known is None and since > KEYS_AGAIN) or since > KEYS_LAST:
                configuration = await self.configuration(again=True)
                self._keys = jwt.PyJWKSet.from_dict(await self._get(str(configuration.get("jwks_uri"))))
                self._asked = time.monotonic()
                known = self._named(key_id)
        if known is None:
            raise jwt.InvalidKeyError
        return known

    def _named(self, key_id: str | None) -> jwt.PyJWK | None:
        keys = self._keys.keys if self._keys else []
        if key_id is None and len(keys) == 1:
            return keys[0]
        return next((key for key in keys if key.key_id == key_id), None)


class NonceLoginHandler(OAuthLoginHandler):
    """Sends people to the provider with a nonce that belongs to this login alone."""

    def authorize_redirect(self, *args: Any, **kwargs: Any) -> Any:
        """Add the nonce to the parameters."""
        parameters = kwargs.setdefault("extra_params", {})
        parameters["nonce"] = nonce_of(_deserialize_state(parameters["state"])["state_id"])
        return super().authorize_redirect(*args, **kwargs)


class OpenIDAuthenticator(ClaimTraits, ProviderAuthenticator):
    """The steps of a login that CILogon and other OpenID providers have in common."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.id_tokens = IdTokens(self.login_service, self.issuer, self.client_id, self.client.json_at)
        self._numbers_of: NumberOwners | None = None
        self._told_unusable: dict[str, tuple[str, ...]] = {}

    def subject_of(self, user_info: Mapping[str, Any]) -> str | None:
        """Return the immutable id in a person's claims."""
        return f"{self.subject_prefix}{user_info['sub']}" if user_info.get("sub") else None

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
        claims: Any = await super().token_to_user(token_info)
        if not isinstance(claims, dict):
            raise ProviderUnavailable(self.login_service, "what it says about a person is no JSON object")
        subject = claims.get("sub")
        # A claim that is missing or odd is refused as such, and ends no session at once.
        is_told = isinstance(subject, (str, int)) and subject != ""
        if token_info.get("id_token") and is_told and subject_in(token_info["id_token"]) != str(subject):
            raise TokenRejected(f"{self.login_service} answered about a different person than the one who logged in.")
        return dict(claims)

    async def update_auth_model(self, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Leave the person's identity in auth_state, from their claims."""
        state = auth_model["auth_state"]
        claims = state[self.user_auth_state_key]
        try:
            found = self._groups_in(claims)
            account = ClaimedAccount(
                provider=self.subject_prefix,
                subject=text_claim(claims, "sub"),
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
        if self._numbers_of is None:
            named = (self.allowed_groups | self.admin_groups) - self.gids.keys()
            self._numbers_of = NumberOwners(self.numbers.gids, self.log, self._groups_here, named)
        owners = self._numbers_of
        await owners.load(lambda: kept_auth_states(db))
        try:
            state = auth_model["auth_state"]
            identity = owners.note(UserIdentity.from_dict(state[AUTH_STATE_KEY]), self._groups_here(state))
        except IdError as error:
            raise self.no_account(auth_model["name"], error) from None
        state[AUTH_STATE_KEY] = identity.to_dict()

    def _groups_here(self, auth_state: Mapping[str, Any]) -> set[str]:
        return self.rules.apply(auth_state.get(MEMBERSHIPS_KEY) or ())

    def check_blocked_users(self, username: str, auth_model: dict[str, Any] | None = None) -> bool:
        """Say whether nothing denies the person; the hub asks this first, and even where all are allowed."""
        if auth_model:
            rules, names = self.rules, auth_model["auth_state"][MEMBERSHIPS_KEY]
            if self.denied_groups & {rules(name) or name for name in names}:
                self.log.warning("%s is refused: in one of denied_groups", username)
                text = denied_text(self.login_service, username, what="a group", operators_text=self.operators_text)
                raise Refused(text)
            self._check_withheld(username, auth_model["auth_state"])
        return bool(super().check_blocked_users(username, auth_model))

    def _check_withheld(self, username: str, auth_state: Mapping[str, Any]) -> None:
        """Refuse whose login was narrowed on its way to the provider, where that may be why no groups came."""
        granted = auth_state.get("scope")
        missing = sorted(set(self.scope) - set(granted)) if granted else []
        if self.denied_groups and missing and claim(auth_state[self.user_auth_state_key], self.groups_claim) is None:
            self.log.warning(
                "%s is refused: no groups came, the login lacks the scopes %s, and there are denied_groups",
                *(username, ", ".join(missing)),
            )
            raise ListWithheld(self.login_service, "groups")

    async def check_allowed(self, username: str, auth_model: dict[str, Any] | None = None) -> bool:
        """Say whether the person comes in, by what upstream has, which knows the groups too."""
        if await super().check_allowed(username, auth_model):
            return True
        self.log.warning("%s is refused: nothing allows them", username)
        names = self.allowed_groups if self.show_allowed else ()
        text = not_admitted_text(
            self.login_service, username, what="groups", names=names, operators_text=self.operators_text
        )
        raise Refused(text)

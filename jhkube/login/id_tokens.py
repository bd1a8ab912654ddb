"""Signed id tokens of an OpenID provider: whose they are, for whom, and from which login."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt

from jhkube.login.errors import ProviderUnavailable, TokenRejected

__all__ = ["IdTokens", "nonce_of", "subject_in"]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key that the provider alone has; `none` and shared secrets are not among them."""

LEEWAY = 60
"""Seconds by which the provider's clock may be another."""

KEYS_LAST = 24 * 3600.0
"""Seconds for which the provider's keys are kept; a token with an unknown key makes them asked for again."""

KEYS_AGAIN = 10.0
"""Seconds between two requests for keys at the least: anybody can send a token with an unknown key."""


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
        self._asking = asyncio.Lock()

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
        except jwt.PyJWTError as error:
            # The class of the error says what is wrong; its text may hold parts of the token.
            raise TokenRejected(
                f"{self._provider} sent an id token that is not good: {type(error).__name__}."
            ) from None
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
                configuration = await self._get(f"{self._issuer}/.well-known/openid-configuration")
                if configuration.get("issuer") != self._issuer:
                    raise ProviderUnavailable(self._provider, f"the issuer is not {self._issuer}")
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

"""What the CILogon stand-in gives out: codes, access and refresh tokens, and signed id tokens."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from devcluster.standin_oauth import challenge_of, same_secret

__all__ = ["SCOPES", "Client", "Code", "Session", "SessionStore", "SigningKey"]

SCOPES = ("openid", "email", "profile", "org.cilogon.userinfo", "offline_access")

CODE_LIFETIME = 300
"""Seconds in which a code has to be exchanged."""


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client."""

    client_id: str
    client_secret: str = field(repr=False)
    callback_urls: tuple[str, ...]
    name: str = "JupyterHub"
    scopes: tuple[str, ...] = SCOPES
    """What the client may ask for at most."""

    refresh_tokens: bool = False
    """Whether it is given refresh tokens."""

    token_lifetime: int = 900
    """Seconds that an access token lives."""

    refresh_lifetime: int = 864_000
    """Seconds that a refresh token lives."""


@dataclass(frozen=True, slots=True)
class Code:
    """What a person agreed to, waiting to be exchanged."""

    value: str = field(repr=False)
    login: str
    client_id: str
    scopes: tuple[str, ...]
    redirect_uri: str
    code_challenge: str | None
    nonce: str | None
    expires_at: float
    auth_time: float


@dataclass(slots=True)
class Session:
    """An access token, with a refresh token where the client gets one."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    login: str
    client_id: str
    scopes: tuple[str, ...]
    nonce: str | None
    auth_time: float
    expires_at: float
    refresh_expires_at: float


class SessionStore:
    """Every code and token that is alive."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._codes: dict[str, Code] = {}
        self._sessions: dict[str, Session] = {}
        self._by_refresh: dict[str, Session] = {}

    def code(
        self,
        client: Client,
        login: str,
        *,
        scopes: tuple[str, ...],
        redirect_uri: str,
        code_challenge: str | None,
        nonce: str | None,
    ) -> Code:
        """Note what a person agreed to."""
        now, value = self._clock(), _opaque("authzGrant")
        code = Code(
            value,
            login,
            client.client_id,
            scopes,
            redirect_uri,
            code_challenge,
            nonce,
            now + CODE_LIFETIME,
            now,
        )
        self._codes[value] = code
        return code

    def redeem(self, value: str, client: Client, redirect_uri: str, verifier: str | None) -> Code | None:
        """Return what a code stands for; it is spent by asking. None where it does not hold."""
        code = self._codes.get(value)
        if code is None or code.client_id != client.client_id:
            return None
        del self._codes[value]
        verified = code.code_challenge is None or (
            verifier is not None and same_secret(challenge_of(verifier), code.code_challenge)
        )
        return code if verified and code.redirect_uri == redirect_uri and code.expires_at > self._clock() else None

    def open(
        self,
        client: Client,
        login: str,
        scopes: tuple[str, ...],
        *,
        nonce: str | None = None,
        auth_time: float | None = None,
    ) -> Session:
        """Give out an access token, and a refresh token where the client gets them."""
        now = self._clock()
        session = Session(
            _opaque("accessToken"),
            _opaque("refreshToken") if client.refresh_tokens else None,
            login,
            client.client_id,
            scopes,
            nonce,
            now if auth_time is None else auth_time,
            now + client.token_lifetime,
            now + client.refresh_lifetime,
        )
        self._sessions[session.access_token] = session
        if session.refresh_token:
            self._by_refresh[session.refresh_token] = session
        return session

    def refresh(self, client: Client, refresh_token: str) -> Session | None:
        """Trade a refresh token for a new pair and end the old pair; None where it does not hold."""
        old = self._by_refresh.get(refresh_token)
        if old is None or old.client_id != client.client_id:
            return None
        self.close(old)
        if old.refresh_expires_at <= self._clock():
            return None
        return self.open(client, old.login, old.scopes, auth_time=old.auth_time)

    def find(self, access_token: str) -> Session | None:
        """Return the session of a living access token."""
        session = self._sessions.get(access_token)
        return session if session and session.expires_at > self._clock() else None

    def close(self, session: Session) -> None:
        """End a session's tokens."""
        self._sessions.pop(session.access_token, None)
        if session.refresh_token:
            self._by_refresh.pop(session.refresh_token, None)

    def of(self, login: str | None) -> list[Session]:
        """Return a person's sessions, or all."""
        return [each for each in self._sessions.values() if login in (None, each.login)]


class SigningKey:
    """An RSA key with its id, as it appears in the key set."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = secrets.token_hex(16).upper()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a JSON web token, signed with RS256."""
        return jwt.encode(dict(claims), self._key, algorithm="RS256", headers={"kid": self.key_id})

    def public(self) -> dict[str, Any]:
        """Return the public key as a JSON web key (RFC 7517)."""
        key: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        del key["key_ops"]
        return key | {"kid": self.key_id, "use": "sig", "alg": "RS256"}


def _opaque(kind: str) -> str:
    return f"https://cilogon.example/oauth2/{secrets.token_hex(16)}/{kind}"

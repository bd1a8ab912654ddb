"""The codes, tokens and refresh tokens that the GitHub stand-in has given out, and what their scopes allow.

The shapes are those of "Scopes for OAuth apps" and "Refreshing user access tokens" under
https://docs.github.com/en/apps.
"""

from __future__ import annotations

import hmac
import secrets
import string
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from devcluster.standin_oauth import challenge_of

__all__ = ["Application", "Grant", "Token", "TokenStore", "expanded_scopes", "normalized_scopes"]

IMPLIED_SCOPES = {
    "user": {"read:user", "user:email", "user:follow"},
    "repo": {"repo:status", "repo_deployment", "public_repo", "repo:invite", "security_events"},
    "admin:org": {"write:org", "read:org"},
    "write:org": {"read:org"},
}
"""The scopes that come with another one."""

KNOWN_SCOPES = {*IMPLIED_SCOPES, *(scope for implied in IMPLIED_SCOPES.values() for scope in implied)} | {
    "gist",
    "notifications",
    "workflow",
    "read:packages",
}

CODE_LIFETIME = 600
"""Seconds in which a code has to be exchanged."""

TOKEN_LIFETIME = 8 * 3600
"""Seconds that a GitHub App's user token lives."""

REFRESH_LIFETIME = 15_897_600
"""Seconds that a refresh token lives: six months."""

TOKENS_PER_GRANT = 10
"""Tokens for one person, application and set of scopes; one more revokes the oldest."""

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def requested_scopes(text: str) -> frozenset[str]:
    """Return the scopes in a request's text, where they stand apart by spaces or commas."""
    return frozenset(text.replace(",", " ").split())


def expanded_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Return the scopes with all that come with them."""
    found = set(scopes)
    for scope in scopes:
        found |= IMPLIED_SCOPES.get(scope, set())
    return frozenset(found)


def normalized_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes GitHub grants of those asked for: known ones, without those that another implies."""
    known = set(scopes) & KNOWN_SCOPES
    implied = {scope for wide in known for scope in IMPLIED_SCOPES.get(wide, ())}
    return tuple(sorted(known - implied))


@dataclass(slots=True)
class Application:
    """A registered OAuth App, or a GitHub App whose user tokens expire."""

    client_id: str
    client_secret: str = field(repr=False)
    callback_urls: tuple[str, ...]
    name: str = "JupyterHub"
    kind: str = "oauth-app"
    """`oauth-app` or `github-app`."""

    permissions: tuple[str, ...] = ("read:org", "user:email", "repo")
    """What a GitHub App may do, in the words of scopes; an OAuth App has what was asked for."""

    token_lifetime: int = TOKEN_LIFETIME
    """Seconds that a GitHub App's tokens live."""

    @property
    def is_github_app(self) -> bool:
        """Whether tokens expire and scopes come from the app's permissions."""
        return self.kind == "github-app"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person agreed to, waiting to be exchanged for a token."""

    code: str = field(repr=False)
    person_id: int
    client_id: str
    scopes: tuple[str, ...]
    redirect_uri: str
    redirect_uri_given: bool
    code_challenge: str | None
    expires_at: float


@dataclass(slots=True)
class Token:
    """An access token, with its refresh token where it expires."""

    value: str = field(repr=False)
    person_id: int
    client_id: str
    scopes: tuple[str, ...]
    is_github_app: bool
    expires_at: float | None = None
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_at: float | None = None

    @property
    def rights(self) -> frozenset[str]:
        """All scopes that the token has, the implied ones among them."""
        return expanded_scopes(self.scopes)

    def allows(self, *any_of: str) -> bool:
        """Say whether the token has one of the scopes."""
        return bool(self.rights & set(any_of))


def token_text(prefix: str) -> str:
    """Return a new token in GitHub's format: a prefix, 30 random characters and a checksum of six."""
    body = "".join(secrets.choice(BASE62) for _ in range(30))
    number, checksum = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        checksum = BASE62[digit] + checksum
    return f"{prefix}_{body}{checksum}"


class TokenStore:
    """Every code and token that is alive."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._grants: dict[str, Grant] = {}
        self._tokens: dict[str, Token] = {}
        self._by_refresh: dict[str, Token] = {}
        self._alike: dict[tuple[int, str, tuple[str, ...]], list[Token]] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def grant(
        self,
        application: Application,
        person_id: int,
        *,
        scopes: Iterable[str],
        redirect_uri: str,
        redirect_uri_given: bool = True,
        code_challenge: str | None = None,
    ) -> Grant:
        """Note what a person agreed to; the grant's code can be exchanged once."""
        grant = Grant(
            secrets.token_hex(10),
            person_id,
            application.client_id,
            normalized_scopes(scopes),
            redirect_uri,
            redirect_uri_given,
            code_challenge,
            self._clock() + CODE_LIFETIME,
        )
        self._grants[grant.code] = grant
        return grant

    def redeem(self, code: str, client_id: str, verifier: str | None) -> Grant | None:
        """Return the grant of a code, which is spent by asking; None where it does not hold."""
        grant = self._grants.get(code)
        if grant is None or grant.client_id != client_id:
            return None
        del self._grants[code]
        if grant.expires_at <= self._clock():
            return None
        if grant.code_challenge is not None and not (
            verifier and hmac.compare_digest(challenge_of(verifier), grant.code_challenge)
        ):
            return None
        return grant

    def issue(self, application: Application, person_id: int, scopes: Iterable[str]) -> Token:
        """Give out a token."""
        if application.is_github_app:
            now = self._clock()
            token = Token(
                token_text("ghu"),
                person_id,
                application.client_id,
                normalized_scopes(application.permissions),
                True,
                now + application.token_lifetime,
                token_text("ghr"),
                now + REFRESH_LIFETIME,
            )
            self._by_refresh[token.refresh_token or ""] = token
        else:
            token = Token(token_text("gho"), person_id, application.client_id, normalized_scopes(scopes), False)
            alike = self._alike.setdefault((person_id, application.client_id, token.scopes), [])
            for old in alike[: max(0, len(alike) + 1 - TOKENS_PER_GRANT)]:
                self.revoke(old)
            alike.append(token)
        self._tokens[token.value] = token
        return token

    def refresh(self, application: Application, refresh_token: str) -> Token | None:
        """Trade a refresh token for a new pair and end the old pair; None where it does not hold."""
        old = self._by_refresh.get(refresh_token)
        if old is None or old.client_id != application.client_id:
            return None
        expired = (old.refresh_expires_at or 0) <= self._clock()
        self.revoke(old)
        return None if expired else self.issue(application, old.person_id, old.scopes)

    def find(self, value: str) -> Token | None:
        """Return the living token of that text."""
        token = self._tokens.get(value)
        if token is None or (token.expires_at is not None and token.expires_at <= self._clock()):
            return None
        return token

    def revoke(self, token: Token) -> None:
        """End a token together with its refresh token."""
        self._tokens.pop(token.value, None)
        alike = self._alike.get((token.person_id, token.client_id, token.scopes), [])
        if token in alike:
            alike.remove(token)
        if token.refresh_token:
            self._by_refresh.pop(token.refresh_token, None)

    def of_person(self, person_id: int) -> list[Token]:
        """Return the tokens that speak for a person, oldest first; expired ones can still be refreshed."""
        return [token for token in self._tokens.values() if token.person_id == person_id]

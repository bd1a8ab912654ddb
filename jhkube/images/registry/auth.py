"""How a registry is told who asks: challenges, and the tokens that answer them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from yarl import URL

from .credentials import Credential, RegistryCredentials
from .http import Recent, place_of

__all__ = ["Authorizer", "Challenge", "parse_challenges"]

TOKEN_LIFE = 60.0
"""Seconds a token lives when its server does not say (the distribution project's token specification)."""

LONGEST_LIFE = 3600.0
"""Seconds after which a token is renewed in any case, whatever its server says."""

TOKEN_MARGIN = 10.0
"""A token is renewed this many seconds before its end, or in the last fifth of a short life."""

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CHALLENGE_PART = re.compile(
    # After the scheme Negotiate there may be one word alone, with = at its end.
    rf"""[\s,=]*(?P<name>{_WORD})           # realm, or the next challenge's scheme: Bearer
         (?:\s*=\s*(?P<value>"(?:[^"\\]|\\.)*"|{_WORD}))?""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a WWW-Authenticate header."""

    scheme: str
    """In lower case: `basic`, `bearer`."""

    parameters: Mapping[str, str]
    """Names in lower case; values without quotes."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes asked for; one scope may have commas (`repository:lab:pull,push`), a space parts two."""
        return tuple(self.parameters.get("scope", "").split())


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges of WWW-Authenticate headers (RFC 9110, section 11.6.1), in order.

    Several challenges may stand in one header, and commas inside of quotes part nothing. What cannot be read
    is left out.

    Examples
    --------
    >>> parse_challenges(['Bearer realm="https://a.example/token",scope="repository:lab:pull,push"'])[0].scopes
    ('repository:lab:pull,push',)
    """
    found: list[tuple[str, dict[str, str]]] = []
    for header in headers:
        position = 0
        while match := _CHALLENGE_PART.match(header, position):
            position = match.end()
            name, value = match["name"].lower(), match["value"]
            if value is None:
                found.append((name, {}))
            elif found:
                if value.startswith('"'):
                    value = re.sub(r"\\(.)", r"\1", value[1:-1])
                found[-1][1].setdefault(name, value)
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


@dataclass(frozen=True, slots=True)
class _Bearer:
    """A token, and until when it is used."""

    header: str = field(repr=False)
    renew_at: float
    """Seconds of the monotonic clock."""


Fetch = Callable[[str, URL, Mapping[str, str], Mapping[str, str] | None], Awaitable[Any]]
"""Sends one request to a token server: method, URL, headers, form; returns the decoded JSON."""


class Authorizer:
    """Knows the Authorization header for each repository of one registry.

    What a challenge taught is kept, so that only a repository's first request is refused, and a token is
    renewed before it ends. Many requests that need the same token wait for one renewal.
    """

    def __init__(
        self,
        host: str,
        origin: URL,
        credentials: RegistryCredentials,
        token_servers: Iterable[str],
        fetch: Fetch,
        denied: Callable[[str], Exception],
    ) -> None:
        self._host = host
        self._origin = origin
        self._credentials = credentials
        self._token_servers = frozenset(server.lower() for server in token_servers)
        self._fetch = fetch
        self._denied = denied
        self._learnt: Recent[str, Challenge] = Recent()
        self._tokens: Recent[tuple[str, ...], _Bearer] = Recent()
        self._renewals: Recent[tuple[str, ...], asyncio.Lock] = Recent()

    def use_credentials(self, credentials: RegistryCredentials) -> None:
        """Answer challenges by these accounts from now on."""
        self._credentials = credentials
        self._tokens.clear()

    async def header(self, repository: str) -> str | None:
        """Return what to send for a repository, as far as is known without being asked."""
        challenge = self._learnt.get(repository)
        return None if challenge is None else await self._answer(repository, challenge, refused=None)

    async def answer(self, repository: str, headers: Iterable[str], refused: str | None) -> str:
        """Return what answers a challenge.

        Parameters
        ----------
        repository
            The repository the refused request was for.
        headers
            The answer's WWW-Authenticate headers.
        refused
            The Authorization header that was refused, if one was sent.
        """
        challenges = parse_challenges(headers)
        for scheme in ("bearer", "basic"):
            for challenge in challenges:
                if challenge.scheme == scheme:
                    header = await self._answer(repository, challenge, refused)
                    if header == refused:
                        raise self._denied("it refuses the configured credentials")
                    self._learnt[repository] = challenge
                    return header
        raise self._denied("it wants a login of a kind that is neither Basic nor Bearer")

    async def _answer(self, repository: str, challenge: Challenge, refused: str | None) -> str:
        credential = self._credentials.find(self._host, repository)
        if challenge.scheme == "basic":
            if credential is None or not credential.username:
                raise self._denied("it asks for a user name and a password, and none are configured for it")
            return credential.basic
        if credential is not None and credential.registry_token:
            return f"Bearer {credential.registry_token}"
        realm = self._realm(challenge)
        service = challenge.parameters.get("service", "")
        scopes = challenge.scopes or (f"repository:{repository}:pull",)
        key = (str(realm), service, *scopes)
        lock = self._renewals.get(key)
        if lock is None:
            lock = self._renewals[key] = asyncio.Lock()
        async with lock:
            token = self._tokens.get(key)
            if token is None or token.header == refused or time.monotonic() >= token.renew_at:
                token = await self._token(realm, service, scopes, credential)
                if credential == self._credentials.find(self._host, repository):
                    self._tokens[key] = token
        return token.header

    def _realm(self, challenge: Challenge) -> URL:
        """Return the token server's address, if it is one that this registry may send us to."""
        text = challenge.parameters.get("realm", "")
        try:
            realm = URL(text)
            realm.origin()
        except ValueError:
            realm = URL()
        if realm.scheme not in ("http", "https") or not realm.host or realm.user is not None:
            raise self._denied("its challenge names no address of a token server")
        if realm.origin() == self._origin:
            return realm
        if not {realm.host.lower(), place_of(realm)} & self._token_servers:
            raise self._denied(
                f"it sends us for a token to {place_of(realm)}, another host than its own; "
                "if that is right, add it to the token servers"
            )
        if realm.scheme == "http" and self._origin.scheme == "https":
            raise self._denied(f"it sends us for a token to {place_of(realm)} without TLS")
        return realm

    async def _token(self, realm: URL, service: str, scopes: Iterable[str], credential: Credential | None) -> _Bearer:
        """Ask a token server (distribution's token and OAuth 2 specifications)."""
        asked_at = time.monotonic()
        if credential is not None and credential.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": credential.identity_token,
                "service": service,
                "scope": " ".join(scopes),
                "client_id": "jhkube",
            }
            data = await self._fetch("POST", realm, {}, form)
        else:
            query = [*realm.query.items()]
            if service:
                query.append(("service", service))
            query.extend(("scope", scope) for scope in scopes)
            headers = {"Authorization": credential.basic} if credential is not None else {}
            data = await self._fetch("GET", realm.with_query(query), headers, None)
        data = data if isinstance(data, Mapping) else {}
        token = data.get("token") or data.get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise self._denied(f"its token server {place_of(realm)} answered without a token")
        life = data.get("expires_in")
        seconds = float(min(life, LONGEST_LIFE)) if isinstance(life, int | float) and life > 0 else TOKEN_LIFE
        return _Bearer(f"Bearer {token}", asked_at + seconds - min(TOKEN_MARGIN, seconds / 5))

"""What the stand-ins' OAuth endpoints have in common: reading requests, PKCE, redirects and pages."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web
from yarl import URL

__all__ = [
    "BasicCredentials",
    "authorize_request",
    "challenge_of",
    "challenge_problem",
    "page",
    "redirect",
    "same_secret",
    "token_request",
]


@dataclass(frozen=True, slots=True)
class BasicCredentials:
    """The user name and password of a Basic `Authorization` header (RFC 7617)."""

    username: str
    password: str = field(repr=False)

    @classmethod
    def from_header(cls, header: str) -> BasicCredentials | None:
        """Return the credentials in a header's text, or None where it has none that can be read."""
        kind, _, encoded = header.partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return None
        return cls(username, password) if colon else None


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a code verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def challenge_problem(asked: Mapping[str, str]) -> str | None:
    """Return what is wrong with an authorize request's code challenge; None where it is right or absent."""
    challenge = asked.get("code_challenge")
    if challenge is None:
        return None
    if asked.get("code_challenge_method") != "S256":
        return "Only code_challenge_method S256 is supported."
    return None if re.fullmatch(r"[\w-]{43}", challenge) else "The code_challenge is no S256 challenge."


def same_secret(given: str, known: str) -> bool:
    """Compare two secrets in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode(), known.encode())


async def authorize_request(request: web.Request) -> dict[str, str]:
    """Return the parameters of an authorize request: the query's, or those of the page's own form."""
    if request.method == "POST":
        return {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    return dict(request.query)


async def token_request(request: web.Request) -> dict[str, str]:
    """Return a token request's parameters from its form or JSON body, the query, and Basic credentials."""
    asked = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = await request.json()
        except ValueError:
            body = {}
        if isinstance(body, dict):
            asked |= {key: str(value) for key, value in body.items()}
    else:
        asked |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    basic = BasicCredentials.from_header(request.headers.get("Authorization", ""))
    if basic:
        asked |= {"client_id": basic.username, "client_secret": basic.password}
    return asked


def redirect(target: str, parameters: Mapping[str, str]) -> web.Response:
    """Send the browser on, with parameters added to the target's own."""
    return web.Response(status=302, headers={"Location": str(URL(target).update_query(parameters))})


def page(status: int, html: str) -> web.Response:
    """Answer with a page that is neither kept nor framed."""
    headers = {"Cache-Control": "no-store", "X-Frame-Options": "deny"}
    return web.Response(status=status, text=html, content_type="text/html", headers=headers)

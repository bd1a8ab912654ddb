# mypy: allow-untyped-calls
"""How the identity provider is asked: connections, outages, and tokens that end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from oauthenticator.oauth2 import OAuthenticator
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from traitlets import default

from jhkube.login.errors import ProviderUnavailable, TokenRejected
from jhkube.login.http import answer, json_body
from jhkube.login.outages import Outage
from jhkube.logs import hide_url_secrets

__all__ = ["Provider"]

CONNECTIONS = 32
"""Requests to the provider at once; with tornado's own default of 10 the people of a class wait for each other."""

LONGEST_LIFE = 10 * 365 * 24 * 3600
"""Seconds: a token that is said to live longer is taken for one that does not end."""

ENDED = frozenset({"bad_refresh_token", "bad_verification_code", "invalid_grant", "redirect_uri_mismatch"})
"""Errors of a token endpoint that say that a grant is over; others are the operator's, not the person's."""


class Provider(OAuthenticator):
    """Upstream's requests, with every failure told apart: no answer, a no, and a token that is over."""

    @default("http_client")
    def _http_client_default(self) -> AsyncHTTPClient:
        return AsyncHTTPClient(force_instance=True, max_clients=CONNECTIONS)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.parent is not None and isinstance(self.log, logging.Logger):
            hide_url_secrets(self.log)
        self.outage = Outage(self.login_service, self.log)
        # Waits without a limit: the client's own queue would fail the last of a class after 20 s.
        self._connections = asyncio.Semaphore(CONNECTIONS)

    async def ask(self, url: str, headers: Mapping[str, str], **request: Any) -> HTTPResponse:
        """Return the provider's answer, of whatever status.

        Raises
        ------
        ProviderUnavailable
            Where there is none that decides anything.
        """
        options = {**self.http_request_kwargs, "validate_cert": self.validate_server_cert, **request}
        made = HTTPRequest(url, headers=dict(headers), **options)
        return await self._answer(made)

    async def _answer(self, request: HTTPRequest) -> HTTPResponse:
        async with self._connections:
            return await answer(self.http_client, request, self.outage, self.login_service)

    def read_json(self, response: HTTPResponse, kind: type | tuple[type, ...]) -> Any:
        """Return an answer's JSON body; raises `ProviderUnavailable` where it is not of that `kind`."""
        return json_body(response, kind, self.outage, self.login_service)

    async def fetch(self, req: HTTPRequest, label: str = "fetching", parse_json: bool = True, **kwargs: Any) -> Any:
        """Make a request as upstream's `fetch` does, but log an outage once, and no answer's body ever."""
        response = await self._answer(req)
        if kwargs.get("raise_error", True) and not 200 <= response.code < 300:
            self.log.warning("%s: %s answered %d", label, self.login_service, response.code)
            if response.code in (401, 403):
                raise TokenRejected(f"{self.login_service} does not accept the token of this login any more.")
            raise HTTPClientError(response.code, response=response)
        if not parse_json:
            return response
        return self.read_json(response, (dict, list)) if response.body else None

    async def get_token_info(self, handler: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the token endpoint's answer; `expires_at` is added where the token ends, in Unix seconds.

        Raises
        ------
        TokenRejected
            Where the code or the refresh token does not hold.
        ProviderUnavailable
            Where there is no answer, or the hub's own registration is not accepted.
        """
        body = urlencode(params).encode()
        headers = self.build_token_info_request_headers()
        response = await self.ask(self.token_url, headers, method="POST", body=body)
        info: dict[str, Any] = self.read_json(response, dict)
        if not _is_token(info.get("access_token")):
            error = str(info.get("error") or response.code)
            if error in ENDED:
                raise TokenRejected(
                    f"{self.login_service} did not confirm this login ({error}). Please log in again."
                )
            self.log.error("%s gives this hub no token: %s", self.login_service, error)
            raise ProviderUnavailable(self.login_service, f"no token: {error}")
        kind = info.get("token_type")
        info |= {"token_type": kind if isinstance(kind, str) and kind.isalpha() else "Bearer"}
        lifetime = _seconds(info.pop("expires_in", None))
        if lifetime:
            info |= {"expires_in": lifetime, "expires_at": int(time.time()) + lifetime}
        return info

    def build_auth_state_dict(self, token_info: dict[str, Any], user_info: dict[str, Any]) -> dict[str, Any]:
        """Return upstream's auth_state, with scopes understood whether spaces or commas separate them."""
        auth_state: dict[str, Any] = super().build_auth_state_dict(token_info, user_info)
        scope = token_info.get("scope") or ""
        words = scope.replace(",", " ").split() if isinstance(scope, str) else scope
        auth_state["scope"] = [each for each in words if isinstance(each, str)] if isinstance(words, list) else []
        return auth_state


def _is_token(value: Any) -> bool:
    """Say whether a value can be a token (RFC 6749, appendix A.12)."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and value != ""


def _seconds(value: Any) -> int | None:
    """Return a token's lifetime; None where the provider names none that can be."""
    try:
        seconds = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < LONGEST_LIFE else None

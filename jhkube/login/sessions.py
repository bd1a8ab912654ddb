"""A session's life after the login: refreshed, kept through outages, ended when the provider says so."""

# mypy: allow-untyped-calls
from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any
from urllib.parse import urlencode

from oauthenticator.oauth2 import OAuthenticator
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from traitlets import Float, Integer, default

from jhkube.identity import AUTH_STATE_KEY
from jhkube.login.errors import ProviderUnavailable, Refused, TokenRejected
from jhkube.login.http import answer, json_body
from jhkube.login.outages import Outage

__all__ = ["MEMORY_KEY", "VISIT", "Sessions", "Visit"]

MEMORY_KEY = "jhkube_answers"
"""The key of auth_state for what the provider answered last, so that it can be asked for changes only."""

CONNECTIONS = 64
"""Requests to the provider at once; tornado's own default of 10 makes people of a class wait for each other."""

ENDED = frozenset({"bad_refresh_token", "invalid_grant", "bad_verification_code"})
"""Errors of a token endpoint that say that a grant is over; others are the operator's, not the person's."""


@dataclass
class Visit:
    """One time that the provider is asked about a person."""

    remembered: Mapping[str, Any] = field(default_factory=dict)
    """What it answered the last time."""

    learned: dict[str, Any] = field(default_factory=dict)
    """What it answered now, in the same shape."""


VISIT: ContextVar[Visit] = ContextVar("jhkube_visit")
"""The visit under way: upstream's methods, which stand in between, have no parameter for it."""


class Sessions(OAuthenticator):
    """What both authenticators do about tokens, refreshes and outages."""

    refresh_timeout = Float(
        5.0,
        min=0.1,
        config=True,
        help="""
        Seconds for which a refresh may hold up a person's request. After that the request goes on with what is known,
        and the refresh ends in the background.

        Example::

            c.GitHubOrgAuthenticator.refresh_timeout = 2
        """,
    )

    token_renewal_margin = Integer(
        3600,
        min=0,
        config=True,
        help="""
        Seconds before its end at which a token that expires is exchanged for a new one, by the next refresh; there is
        one before every spawn. Never more than half of the token's life is cut off.

        Example::

            c.GitHubOrgAuthenticator.token_renewal_margin = 2 * 3600
        """,
    )

    @default("enable_auth_state")
    def _enable_auth_state_default(self) -> bool:
        return True

    @default("manage_groups")
    def _manage_groups_default(self) -> bool:
        return True

    @default("auth_refresh_strict")
    def _auth_refresh_strict_default(self) -> bool:
        # jupyterhub 6.1 lets API tokens pass after a refresh that said no: somebody who left would stay in.
        return True

    @default("http_client")
    def _http_client_default(self) -> AsyncHTTPClient:
        return AsyncHTTPClient(force_instance=True, max_clients=CONNECTIONS)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._outage = Outage(self.login_service, self.log)
        self._flights: dict[int, asyncio.Future[Any]] = {}

    async def ask(self, url: str, headers: Mapping[str, str], **request: Any) -> HTTPResponse:
        """Return the provider's answer, of whatever status; raises `ProviderUnavailable` where there is none."""
        options = {**self.http_request_kwargs, "validate_cert": self.validate_server_cert, **request}
        made = HTTPRequest(url, headers=dict(headers), **options)
        return await answer(self.http_client, made, self._outage, self.login_service)

    def read_json(self, response: HTTPResponse, kind: type) -> Any:
        """Return an answer's JSON body; raises `ProviderUnavailable` where it is not of that `kind`."""
        return json_body(response, kind, self._outage, self.login_service)

    async def fetch(self, req: HTTPRequest, label: str = "fetching", parse_json: bool = True, **kwargs: Any) -> Any:
        """Make a request as upstream's `fetch` does, but let an outage be logged once, and no body ever."""
        response = await answer(self.http_client, req, self._outage, self.login_service)
        if kwargs.get("raise_error", True) and not 200 <= response.code < 300:
            self.log.warning("%s: %s answered %d", label, self.login_service, response.code)
            if response.code == 401:
                raise TokenRejected(f"{self.login_service} does not accept the token any more.")
            raise HTTPClientError(response.code, response=response)
        if not parse_json:
            return response
        return self.read_json(response, (dict, list)) if response.body else None  # type: ignore[arg-type]

    async def get_token_info(self, handler: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the token endpoint's answer, with the time at which an expiring token ends as `expires_at`."""
        response = await self.ask(
            self.token_url,
            self.build_token_info_request_headers(),
            method="POST",
            body=urlencode(params).encode(),
        )
        info: dict[str, Any] = self.read_json(response, dict)
        if "access_token" not in info:
            error = str(info.get("error") or response.code)
            if error in ENDED:
                raise TokenRejected(f"{self.login_service} does not accept this login any more ({error}).")
            self.log.error("%s gives no tokens: %s", self.login_service, error)
            raise ProviderUnavailable(self.login_service, f"no token: {error}")
        if info.get("expires_in"):
            info["expires_at"] = int(time.time()) + int(info["expires_in"])
        return info

    def build_auth_state_dict(self, token_info: dict[str, Any], user_info: dict[str, Any]) -> dict[str, Any]:
        """Return upstream's auth_state, with scopes understood whether separated by spaces or commas."""
        auth_state: dict[str, Any] = super().build_auth_state_dict(token_info, user_info)
        scope = token_info.get("scope") or ""
        auth_state["scope"] = scope.replace(",", " ").split() if isinstance(scope, str) else list(scope)
        return auth_state

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> bool | dict[str, Any]:
        """Return what has changed about a person, True where nothing did or nothing can be known, False to log out.

        Refreshes of one person at the same time are one: a refresh token that rotates can be used once.
        """
        if not self.enable_auth_state:
            return True
        flight = self._flights.get(user.id)
        if flight is None:
            flight = asyncio.ensure_future(self._refresh(user, handler))
            self._flights[user.id] = flight
            flight.add_done_callback(lambda _: self._flights.pop(user.id, None))
        # Not cancelled when time is up: a new token that is under way would be lost with it.
        done, _ = await asyncio.wait({flight}, timeout=self.refresh_timeout)
        if not done:
            self._outage.failed(f"a refresh took longer than {self.refresh_timeout} s")
            return True
        outcome: bool | dict[str, Any] = flight.result()
        return dict(outcome) if isinstance(outcome, dict) else outcome

    async def _refresh(self, user: Any, handler: Any) -> bool | dict[str, Any]:
        auth_state = await user.get_auth_state()
        if self.refresh_user_hook is not None:
            refreshed = await self._call_refresh_user_hook(user, auth_state)
            if refreshed is not None:
                return refreshed  # type: ignore[no-any-return]
        if not auth_state:
            self.log.info("%s: nothing is known about the last login, a new one is needed", user.name)
            return False
        try:
            model = await self._visit(user, auth_state)
            if not await self._may_stay(user, model):
                raise Refused("no longer allowed")
        except ProviderUnavailable:
            return True
        except (TokenRejected, Refused) as error:
            self.log.warning("%s: the session ends: %s", user.name, error)
            return False
        return model

    async def _visit(self, user: Any, auth_state: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the provider about the person; return their model, with the name that they have here."""
        VISIT.set(Visit(auth_state.get(MEMORY_KEY) or {}))
        token_info = auth_state["token_response"]
        user_info = await self.token_to_user(token_info)
        state = self.build_auth_state_dict(token_info, user_info)
        if isawaitable(state):
            state = await state
        if self.modify_auth_state_hook is not None:
            state = await self._call_modify_auth_state_hook(state)
        # The hub's name and not the provider's: a login that was renamed to an administrator's gives no rights.
        model: dict[str, Any] = {
            "name": user.name,
            "admin": True if user.name in self.admin_users else None,
            "auth_state": state,
        }
        model = await self.update_auth_model(model)
        if self.manage_groups:
            model = await self._apply_managed_groups(model)
        before, now = auth_state.get(AUTH_STATE_KEY), model["auth_state"][AUTH_STATE_KEY]
        if before and before.get("subject") != now["subject"]:
            raise TokenRejected("the token is now another person's")
        return model

    async def _may_stay(self, user: Any, model: dict[str, Any]) -> bool:
        """Say whether the person would be let in if they came now."""
        for question in (self.check_blocked_users, self.check_allowed):
            if question == self.check_allowed and self.allow_all:
                continue
            reply = question(user.name, model)
            if not (await reply if isawaitable(reply) else reply):
                return False
        return True

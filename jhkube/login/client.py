"""A client of the identity provider: requests, outages, and every failure told apart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

from jhkube.login.errors import ProviderUnavailable, TokenLimited, TokenRejected
from jhkube.metrics import PROVIDER_AVAILABLE, PROVIDER_FAILURES, PROVIDER_LIMITS
from jhkube.retry_after import LONGEST_WAIT, retry_after

__all__ = ["CONNECTIONS", "Outage", "ProviderClient", "asked_wait", "is_rate_limit", "scopes_in"]

CONNECTIONS = 32
"""Requests to the provider at once; with tornado's own default of 10 the people of a class wait for each other."""

LONGEST_LIFE = 10 * 365 * 24 * 3600
"""Seconds: a token that is said to live longer is taken for one that does not end."""

LARGEST_ANSWER = 2 * 2**20
"""Bytes of JSON that are read, on the event loop: a page of GitHub's teams has some hundred thousand."""

ENDED = frozenset({"bad_refresh_token", "bad_verification_code", "invalid_grant", "redirect_uri_mismatch"})
"""Errors of a token endpoint that say that a grant is over; others are the operator's, not the person's."""


class ProviderClient:
    """Asks one provider; an answer is returned whatever its status, as long as it decides something.

    Parameters
    ----------
    provider
        Its name, for errors, the log and metrics.
    http_client
        Returns what makes the requests; called when the first is made, since it belongs to an event loop.
    options
        What every request has, as `tornado.httpclient.HTTPRequest` takes it.
    log
        Where outages are told.
    """

    def __init__(
        self,
        provider: str,
        http_client: Callable[[], AsyncHTTPClient],
        options: Mapping[str, Any],
        log: logging.Logger,
    ) -> None:
        self._provider, self._http_client, self._options, self._log = provider, http_client, options, log
        self._outage = Outage(provider, log)
        # Waits without a limit: the client's own queue would fail the last of a class after 20 s.
        self._connections = asyncio.Semaphore(CONNECTIONS)

    async def ask(self, url: str, headers: Mapping[str, str], **request: Any) -> HTTPResponse:
        """Return the answer to a request of a URL; `request` is more of it, as `answer` raises errors."""
        return await self.answer(HTTPRequest(url, headers=dict(headers), **{**self._options, **request}))

    async def answer(self, request: HTTPRequest) -> HTTPResponse:
        """Return what the provider answered, whatever the status, as long as it decides something.

        Raises
        ------
        TokenLimited
            Where the rate limit of the person is used up whose token the request has: no outage of the provider's.
        ProviderUnavailable
            Where no answer came, or one that only says that the provider cannot answer now: 5xx, 429, and 403
            when it limits the rate.
        """
        where = f"{request.method} {_path_of(request.url)}"
        async with self._connections:
            try:
                response = await self._http_client().fetch(request, raise_error=False)
            except (OSError, HTTPClientError, ValueError) as error:
                # Not every client reports a connection that failed in the response's own `error`. A ValueError is
                # about an address, which may be one that the provider has named.
                response = HTTPResponse(request, 599, error=error)
        reason = ""
        is_limit = response.code == 429 or is_rate_limit(response)
        if is_limit and _is_personal(request):
            self._outage.limited()
            raise TokenLimited(self._provider, f"{where}: {response.code}", asked_wait(response))
        if response.code == 599:
            reason = f"{where}: {type(response.error).__name__}: {response.error}"
        elif response.code >= 500 or is_limit:
            reason = f"{where}: {response.code}"
        if reason:
            self._outage.failed(reason)
            raise ProviderUnavailable(self._provider, reason, asked_wait(response))
        self._outage.answered()
        return response

    def read_json(self, response: HTTPResponse, kind: type | tuple[type, ...]) -> Any:
        """Return the body of an answer as the `kind` of JSON value it has to be.

        Raises
        ------
        ProviderUnavailable
            Where it is something else. What is no JSON is an outage, such as a page of a proxy in between; JSON of
            another kind, or more of it than anybody's, is an odd answer about one person.
        """
        if len(response.body or b"") > LARGEST_ANSWER:
            size = f"{len(response.body)} bytes, more than {LARGEST_ANSWER}"
            raise ProviderUnavailable(self._provider, f"{_path_of(response.request.url)}: {size}")
        reason = f"{_path_of(response.request.url)}: {response.code} without the JSON that belongs to it"
        try:
            value = json.loads(response.body or b"")
        except (ValueError, RecursionError):
            self._outage.failed(reason)
            raise ProviderUnavailable(self._provider, reason) from None
        if not isinstance(value, kind):
            raise ProviderUnavailable(self._provider, reason)
        return value

    async def json_at(self, url: str) -> dict[str, Any]:
        """Return the JSON object at a URL that needs no token; raises `ProviderUnavailable` where there is none."""
        response = await self.ask(url, {"Accept": "application/json", "User-Agent": "JupyterHub"})
        if response.code != 200:
            raise ProviderUnavailable(self._provider, f"{url}: {response.code}")
        return dict(self.read_json(response, dict))

    async def fetch(self, request: HTTPRequest, label: str, *, parse_json: bool, raise_error: bool) -> Any:
        """Make a request as upstream's `fetch` does, but log an outage once, and no answer's body ever."""
        response = await self.answer(request)
        if raise_error and not 200 <= response.code < 300:
            self._log.warning("%s: %s answered %d", label, self._provider, response.code)
            if response.code in (401, 403):
                raise TokenRejected(f"{self._provider} does not accept the token of this login any more.")
            raise HTTPClientError(response.code, response=response)
        if not parse_json:
            return response
        return self.read_json(response, (dict, list)) if response.body else None

    async def token(self, url: str, headers: Mapping[str, str], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the token endpoint's answer; `expires_at` is added where the token ends, in Unix seconds.

        Raises
        ------
        TokenRejected
            Where the code or the refresh token does not hold.
        ProviderUnavailable
            Where there is no answer, or the hub's own registration is not accepted.
        """
        response = await self.ask(url, headers, method="POST", body=urlencode(parameters).encode())
        info: dict[str, Any] = self.read_json(response, dict)
        if not _is_token(info.get("access_token")):
            error = str(info.get("error") or response.code)
            if error in ENDED:
                raise TokenRejected(f"{self._provider} did not confirm this login ({error}). Please log in again.")
            self._log.error("%s gives this hub no token: %s", self._provider, error)
            raise ProviderUnavailable(self._provider, f"no token: {error}")
        kind = info.get("token_type")
        info |= {"token_type": kind if isinstance(kind, str) and kind.isalpha() else "Bearer"}
        lifetime = _seconds(info.pop("expires_in", None))
        if lifetime:
            info |= {"expires_in": lifetime, "expires_at": int(time.time()) + lifetime}
        return info


def scopes_in(scope: Any) -> list[str]:
    """Return the scopes that a token endpoint names, whether spaces or commas separate them."""
    words = scope.replace(",", " ").split() if isinstance(scope, str) else scope
    return [each for each in words if isinstance(each, str)] if isinstance(words, list) else []


class Outage:
    """Whether a provider answers, as far as this process has seen.

    Parameters
    ----------
    provider
        Its name, for the log.
    log
        Where the lines go.
    calm
        Seconds without a failure after which an answer ends the outage: a provider that fails every other
        request has one outage, not hundreds.
    clock
        The time in seconds; monotonic.
    """

    def __init__(
        self,
        provider: str,
        log: logging.Logger,
        *,
        calm: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider, self._log, self._calm, self._clock = provider, log, calm, clock
        self._since: float | None = None
        self._last = 0.0
        PROVIDER_AVAILABLE.labels(provider).set(1)
        PROVIDER_FAILURES.labels(provider)
        PROVIDER_LIMITS.labels(provider)
        self._failures = 0

    @property
    def is_on(self) -> bool:
        """Whether the provider failed and has not been calm since."""
        return self._since is not None

    def failed(self, reason: str) -> None:
        """Note a failure; the first of an outage is a warning in the log."""
        self._last = self._clock()
        self._failures += 1
        PROVIDER_FAILURES.labels(self._provider).inc()
        if self._since is None:
            self._since = self._last
            PROVIDER_AVAILABLE.labels(self._provider).set(0)
            self._log.warning(
                "%s does not answer: %s. People stay logged in with what is known of them.", self._provider, reason
            )
        else:
            self._log.debug("%s still does not answer: %s", self._provider, reason)

    def limited(self) -> None:
        """Note an answer that one person's rate limit was instead of: it says nothing about the provider."""
        PROVIDER_LIMITS.labels(self._provider).inc()

    def answered(self) -> None:
        """Note an answer."""
        if self._since is None or self._clock() - self._last < self._calm:
            return
        self._log.info(
            "%s answers again, %.0f seconds after it first did not; %d requests failed",
            self._provider,
            self._clock() - self._since,
            self._failures,
        )
        self._since, self._failures = None, 0
        PROVIDER_AVAILABLE.labels(self._provider).set(1)


def _path_of(url: str) -> str:
    """Return the path of an address, without what may be secret; empty for what is no address."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


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


def _is_personal(request: HTTPRequest) -> bool:
    """Say whether a request is made with a person's token, and not with the hub's own credentials."""
    return request.headers.get("Authorization", "").partition(" ")[0].lower() in ("bearer", "token")


def is_rate_limit(response: HTTPResponse) -> bool:
    """Say whether a 403 is GitHub's way to limit a rate and not a refusal.

    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    """
    if response.code != 403:
        return False
    headers = response.headers
    if headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in headers:
        return True
    return b"rate limit" in (response.body or b"").lower()


def asked_wait(response: HTTPResponse, now: float | None = None) -> float:
    """Return the seconds for which the provider asks not to be asked again, 0 where it does not say."""
    headers = response.headers
    now = time.time() if now is None else now
    wait = retry_after(headers.get("Retry-After"), now)
    if wait is None and headers.get("X-RateLimit-Remaining") == "0":
        with contextlib.suppress(ValueError, OverflowError):
            wait = min(max(int(headers.get("X-RateLimit-Reset", "")) - now, 0.0), LONGEST_WAIT)
    return wait or 0.0

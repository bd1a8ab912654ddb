"""Asking a provider over HTTP: an answer, or the reason why there is none."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any
from urllib.parse import urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

from jhkube.login.errors import ProviderUnavailable, TokenLimited
from jhkube.login.outages import Outage
from jhkube.retry_after import LONGEST_WAIT, retry_after

__all__ = ["answer", "json_body"]


async def answer(client: AsyncHTTPClient, request: HTTPRequest, outage: Outage, provider: str) -> HTTPResponse:
    """Return what the provider answered, whatever the status, as long as it decides something.

    Raises
    ------
    TokenLimited
        Where the rate limit of the person is used up whose token the request has: no outage of the provider's.
    ProviderUnavailable
        Where no answer came, or one that only says that the provider cannot answer now: 5xx, 429, and 403
        when it limits the rate.
    """
    where = f"{request.method} {urlsplit(request.url).path}"
    try:
        response = await client.fetch(request, raise_error=False)
    except (OSError, HTTPClientError) as error:
        # Not every client reports a connection that failed in the response's own `error`.
        response = HTTPResponse(request, 599, error=error)
    reason = ""
    is_limit = response.code == 429 or is_rate_limit(response)
    if is_limit and _is_personal(request):
        outage.limited()
        raise TokenLimited(provider, f"{where}: {response.code}", asked_wait(response))
    if response.code == 599:
        reason = f"{where}: {type(response.error).__name__}: {response.error}"
    elif response.code >= 500 or is_limit:
        reason = f"{where}: {response.code}"
    if reason:
        outage.failed(reason)
        raise ProviderUnavailable(provider, reason, asked_wait(response))
    outage.answered()
    return response


def json_body(response: HTTPResponse, kind: type | tuple[type, ...], outage: Outage, provider: str) -> Any:
    """Return the body of an answer as the `kind` of JSON value it has to be.

    Raises
    ------
    ProviderUnavailable
        Where it is something else. What is no JSON is an outage, such as a page of a proxy in between; JSON of
        another kind is an odd answer about one person.
    """
    reason = f"{urlsplit(response.request.url).path}: {response.code} without the JSON that belongs to it"
    try:
        value = json.loads(response.body or b"")
    except (ValueError, RecursionError):
        outage.failed(reason)
        raise ProviderUnavailable(provider, reason) from None
    if not isinstance(value, kind):
        raise ProviderUnavailable(provider, reason)
    return value


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

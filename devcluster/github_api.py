"""GitHub's REST API as the stand-in serves it: the rules that every call is under.

After "Using the REST API" in https://docs.github.com/en/rest: authentication, pagination, rate limits and
conditional requests.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web
from yarl import URL

from devcluster.github_calls import PREFIX, ROUTES, Answer, Call, Route, message, not_found, scopes_shown
from devcluster.github_tokens import Application, TokenStore
from devcluster.github_world import World
from devcluster.standin_oauth import BasicCredentials

__all__ = ["RateLimits", "RestApi"]

RATE_WINDOW = 3600
"""Seconds after which a rate limit starts anew."""


class RateLimits:
    """How many requests each caller has left in the present hour."""

    def __init__(self, clock: Callable[[], float], limit: int = 5000, anonymous: int = 60) -> None:
        self._clock = clock
        self.limit = limit
        self.anonymous = anonymous
        self._used: dict[str, tuple[float, int]] = {}

    def use_up(self, caller: str) -> None:
        """Leave a caller nothing for the next hour."""
        self._used[caller] = (self._clock(), self.limit)

    def headers(self, caller: str, cost: int) -> tuple[bool, dict[str, str]]:
        """Note a request's cost; say whether there was enough left, with the headers that tell so."""
        limit = self.anonymous if caller == "" else self.limit
        started, used = self._used.get(caller, (self._clock(), 0))
        if self._clock() >= started + RATE_WINDOW:
            started, used = self._clock(), 0
        enough = used + cost <= limit
        used = min(limit, used + cost)
        self._used[caller] = (started, used)
        return enough, {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(limit - used),
            "X-RateLimit-Used": str(used),
            "X-RateLimit-Reset": str(math.ceil(started + RATE_WINDOW)),
            "X-RateLimit-Resource": "core",
        }


class RestApi:
    """The rules that every call is under, and the routes."""

    def __init__(
        self,
        world: World,
        applications: dict[str, Application],
        tokens: TokenStore,
        limits: RateLimits,
        base_url: Callable[[web.Request], str],
    ) -> None:
        self._world, self._applications, self._tokens = world, applications, tokens
        self._limits, self._base_url = limits, base_url

    def add_routes(self, app: web.Application) -> None:
        """Serve the API under `/api/v3`."""
        for route in ROUTES:
            app.router.add_route(route.method, PREFIX + route.path, self._handler(route))
        app.router.add_route("GET", f"{PREFIX}/rate_limit", self._handler(Route("GET", "", self._rate_limit)))
        app.router.add_route("*", PREFIX + "/{rest:.*}", self._handler(Route("*", "", lambda call: not_found())))

    def _rate_limit(self, call: Call) -> Answer:
        _, headers = self._limits.headers(str(call.caller.id), 0)
        names = ("limit", "remaining", "reset", "used")
        rate = {name: int(headers[f"X-RateLimit-{name.title()}"]) for name in names}
        return Answer(200, {"resources": {"core": rate}, "rate": rate})

    def _handler(self, route: Route) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            if not request.headers.get("User-Agent", "").strip():
                return web.Response(
                    status=403,
                    text="Request forbidden by administrative rules. "
                    "Please make sure your request has a User-Agent header.\n",
                )
            value, basic = _credentials(request.headers.get("Authorization", ""))
            own_credentials = route.path.startswith("/applications/")
            token = self._tokens.find(value) if value and not own_credentials else None
            person = self._world.people.get(token.person_id) if token else None
            if value is not None and person is None and not own_credentials:
                return _response(message(401, "Bad credentials"), {})
            if person is None and not route.anonymous:
                return _response(message(401, "Requires authentication"), {})
            call = Call(
                world=self._world,
                applications=self._applications,
                tokens=self._tokens,
                token=token,
                person=person,
                base=self._base_url(request),
                path=dict(request.match_info),
                query=dict(request.query),
                basic=basic,
                body=await _json_body(request),
            )
            return self._finished(request, route, call, route.answer(call))

        return handle

    def _finished(self, request: web.Request, route: Route, call: Call, answer: Answer) -> web.Response:
        headers = dict(answer.headers)
        if call.token:
            headers |= {
                "X-OAuth-Scopes": ", ".join(scopes_shown(call.token)),
                "X-Accepted-OAuth-Scopes": route.accepts,
                "X-OAuth-Client-Id": call.token.client_id,
            }
        if answer.is_list:
            answer, link = _page(answer, call, request)
            if link:
                headers["Link"] = link
        caller = str(call.person.id) if call.person else ""
        cost = 0 if route.path == "" else 1
        if answer.status == 200 and request.method == "GET":
            # GitHub's ETags differ from token to token, as `Vary: Authorization` announces.
            seen = json.dumps(answer.data) + (call.token.value if call.token else "") + headers.get("Link", "")
            etag = f'W/"{hashlib.sha256(seen.encode()).hexdigest()}"'
            headers |= {
                "ETag": etag,
                "Cache-Control": "private, max-age=60, s-maxage=60",
                "Vary": "Accept, Authorization, Cookie, X-GitHub-OTP",
            }
            if _names_etag(request.headers.get("If-None-Match", ""), etag):
                answer, cost = Answer(304), 0
        enough, rate = self._limits.headers(caller, cost)
        headers |= rate
        if not enough:
            who = f"user ID {caller}" if caller else f"{request.remote}"
            answer = message(403, f"API rate limit exceeded for {who}.")
            headers.pop("Link", None)
            headers.pop("ETag", None)
        return _response(answer, headers)


def _response(answer: Answer, headers: dict[str, str]) -> web.Response:
    headers = {**headers, "X-GitHub-Media-Type": "github.v3; format=json", "Server": "GitHub.com"}
    if answer.data is None:
        return web.Response(status=answer.status, headers=headers)
    return web.json_response(answer.data, status=answer.status, headers=headers)


def _credentials(header: str) -> tuple[str | None, BasicCredentials | None]:
    """Return the token that a request offers, and its Basic credentials where it has some."""
    kind, _, value = header.partition(" ")
    if kind.lower() in ("bearer", "token"):
        return value.strip(), None
    if kind.lower() == "basic":
        basic = BasicCredentials.from_header(header)
        return (basic.password or basic.username, basic) if basic else ("", None)
    return ("", None) if header else (None, None)


async def _json_body(request: web.Request) -> Any:
    if not request.can_read_body:
        return None
    try:
        return await request.json()
    except ValueError:
        return None


def _number(text: str | None, default: int, highest: int) -> int:
    return min(max(int(text), 1), highest) if text and re.fullmatch(r"\d{1,6}", text) else default


def _page(answer: Answer, call: Call, request: web.Request) -> tuple[Answer, str]:
    """Cut one page out of a list; return it with the Link header that leads to the others."""
    items: Sequence[Any] = answer.data
    size = _number(call.query.get("per_page"), 30, 100)
    page = _number(call.query.get("page"), 1, 999_999)
    last = max(1, math.ceil(len(items) / size))
    here = URL(call.base + request.path)

    def link(number: int, relation: str) -> str:
        return f'<{here.with_query({**call.query, "page": str(number)})}>; rel="{relation}"'

    links = []
    if page > 1:
        links.append(link(min(page - 1, last), "prev"))
    if page < last:
        links += [link(page + 1, "next"), link(last, "last")]
    if page > 1:
        links.append(link(1, "first"))
    cut = list(items[(page - 1) * size : page * size])
    return Answer(answer.status, cut, True, answer.headers), ", ".join(links)


def _names_etag(header: str, etag: str) -> bool:
    """Say whether an If-None-Match header names the ETag (RFC 9110, section 8.8.3.2: weak comparison)."""
    opaque = etag.removeprefix("W/")
    return any(part.strip().removeprefix("W/") in (opaque, "*") for part in header.split(",") if part.strip())

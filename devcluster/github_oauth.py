"""GitHub's web application flow as the stand-in plays it: authorize, exchange a code, refresh a token.

After https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps and the
two chapters on troubleshooting next to it; PKCE is RFC 7636 with S256 only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from yarl import URL

from devcluster.github_pages import choose_person_page
from devcluster.github_tokens import Application, Token, TokenStore, normalized_scopes, requested_scopes
from devcluster.github_world import Person, World
from devcluster.standin_oauth import (
    authorize_request,
    challenge_problem,
    page,
    redirect,
    same_secret,
    token_request,
)
from devcluster.standin_pages import problem_page

__all__ = ["OAuthFlow"]

DOCS = "https://docs.github.com/apps/managing-oauth-apps"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
KEPT_PARAMETERS = ("client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method")

TOKEN_ERRORS = {
    "incorrect_client_credentials": "The client_id and/or client_secret passed are incorrect.",
    "redirect_uri_mismatch": "The redirect_uri MUST match the registered callback URL for this application.",
    "bad_verification_code": "The code passed is incorrect or expired.",
    "bad_refresh_token": "The refresh token passed is incorrect or expired.",
    "unsupported_grant_type": "The grant type passed is not supported.",
}


def fits_callback(redirect_uri: str, callback: str) -> bool:
    """Say whether a redirect goes to the registered callback or below it.

    Scheme, host and port have to be the callback's, the host a subdomain at most, and the path the same or
    below; on a loopback address the port may be another one (RFC 8252, section 7.3).
    """
    try:
        asked, registered = URL(redirect_uri), URL(callback)
    except ValueError:
        return False
    if asked.scheme != registered.scheme or not asked.host or not registered.host or asked.user:
        return False
    loopback = registered.host in LOOPBACK and asked.host == registered.host
    host_fits = asked.host == registered.host or asked.host.endswith("." + registered.host)
    port_fits = loopback or asked.port == registered.port
    base = registered.path.rstrip("/")
    path_fits = asked.path.rstrip("/") == base or asked.path.startswith(base + "/")
    return host_fits and port_fits and path_fits and ".." not in asked.path


class OAuthFlow:
    """The pages and the endpoint under `/login/oauth`."""

    def __init__(self, world: World, applications: dict[str, Application], tokens: TokenStore) -> None:
        self._world, self._applications, self._tokens = world, applications, tokens

    def add_routes(self, app: web.Application) -> None:
        """Serve the flow."""
        app.router.add_get("/login/oauth/authorize", self.authorize)
        app.router.add_post("/login/oauth/authorize", self.authorize)
        app.router.add_post("/login/oauth/access_token", self.access_token)

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """Ask who to be, or with `login` take that person's agreement as given."""
        asked = await authorize_request(request)
        application = self._applications.get(asked.get("client_id", ""))
        if application is None:
            return _problem(404, "No such application", "The client_id is not one of a registered application.")
        given = asked.get("redirect_uri", "")
        callback = next(
            (each for each in application.callback_urls if fits_callback(given, each)),
            None if given else application.callback_urls[0],
        )
        if callback is None:
            return redirect(
                application.callback_urls[0],
                _error("redirect_uri_mismatch", asked),
            )
        target = given or callback
        challenge = asked.get("code_challenge")
        problem = challenge_problem(asked)
        if problem:
            return redirect(target, _error("invalid_request", asked, problem))
        if "cancel" in asked:
            return redirect(target, _error("access_denied", asked, "The user has denied your application access."))
        scopes = normalized_scopes(requested_scopes(asked.get("scope", "")))
        if application.is_github_app:
            scopes = normalized_scopes(application.permissions)
        if "login" not in asked:
            kept = {key: asked[key] for key in KEPT_PARAMETERS if key in asked}
            html = choose_person_page(application.name, scopes, self.people(), request.path, kept)
            return page(200, html)
        person = self._world.find_person(asked["login"])
        if person is None:
            return _problem(404, "No such account", f"There is no account {asked['login']!r} here.")
        grant = self._tokens.grant(
            application,
            person.id,
            scopes=scopes,
            redirect_uri=target,
            redirect_uri_given=bool(given),
            code_challenge=challenge,
        )
        return redirect(target, {"code": grant.code} | _state(asked))

    async def access_token(self, request: web.Request) -> web.StreamResponse:
        """Exchange a code or a refresh token; errors come with status 200, as GitHub sends them."""
        asked = await token_request(request)
        application = self._applications.get(asked.get("client_id", ""))
        if application is None or not same_secret(asked.get("client_secret", ""), application.client_secret):
            return _answer(request, _token_error("incorrect_client_credentials"))
        kind = asked.get("grant_type", "authorization_code")
        if kind == "refresh_token":
            token = self._tokens.refresh(application, asked.get("refresh_token", ""))
            if token is None or token.person_id not in self._world.people:
                return _answer(request, _token_error("bad_refresh_token"))
            return _answer(request, self._token_answer(token))
        if kind != "authorization_code":
            return _answer(request, _token_error("unsupported_grant_type"))
        grant = self._tokens.redeem(asked.get("code", ""), application.client_id, asked.get("code_verifier"))
        if grant is None or grant.person_id not in self._world.people:
            return _answer(request, _token_error("bad_verification_code"))
        if asked.get("redirect_uri", grant.redirect_uri) != grant.redirect_uri:
            return _answer(request, _token_error("redirect_uri_mismatch"))
        return _answer(request, self._token_answer(self._tokens.issue(application, grant.person_id, grant.scopes)))

    def people(self) -> list[tuple[Person, list[str]]]:
        """Return everybody with the organizations they are in, for the pages."""
        return [
            (
                person,
                [each.name or each.login for each, membership in self._world.memberships(person)],
            )
            for person in self._world.people.values()
        ]

    def _token_answer(self, token: Token) -> dict[str, Any]:
        answer: dict[str, Any] = {"access_token": token.value}
        if token.expires_at is not None and token.refresh_expires_at is not None:
            now = self._world.clock()
            answer |= {
                "expires_in": round(token.expires_at - now),
                "refresh_token": token.refresh_token,
                "refresh_token_expires_in": round(token.refresh_expires_at - now),
            }
        shown = () if token.is_github_app else token.scopes
        return answer | {"scope": ",".join(shown), "token_type": "bearer"}


def _state(asked: Mapping[str, str]) -> dict[str, str]:
    return {"state": asked["state"]} if "state" in asked else {}


def _error(error: str, asked: Mapping[str, str], text: str | None = None) -> dict[str, str]:
    anchor = error.replace("_", "-")
    return {
        "error": error,
        "error_description": text or TOKEN_ERRORS[error],
        "error_uri": f"{DOCS}/troubleshooting-authorization-request-errors/#{anchor}",
    } | _state(asked)


def _token_error(error: str) -> dict[str, str]:
    anchor = error.replace("_", "-")
    return {
        "error": error,
        "error_description": TOKEN_ERRORS[error],
        "error_uri": f"{DOCS}/troubleshooting-oauth-app-access-token-request-errors/#{anchor}",
    }


def _problem(status: int, heading: str, text: str) -> web.Response:
    return page(status, problem_page("GitHub", heading, text))


def _answer(request: web.Request, data: Mapping[str, Any]) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    if "json" in request.headers.get("Accept", ""):
        return web.json_response(data, headers=headers)
    return web.Response(text=urlencode(data), content_type="application/x-www-form-urlencoded", headers=headers)

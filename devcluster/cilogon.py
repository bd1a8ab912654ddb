"""A stand-in for CILogon over real sockets: OpenID Connect with whatever claims a person is given.

Run it with `python -m devcluster.cilogon --port 9012`. `CILogonOAuthenticator.cilogon_host` can be pointed at it
where it serves https (`--certificate`); with http, set `authorize_url`, `token_url` and `userdata_url` instead.
The endpoints are those of https://www.cilogon.org/oidc; a claim that a person has not is not sent at all.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from devcluster.cilogon_demo import DEMO_CALLBACKS, DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_PEOPLE
from devcluster.cilogon_pages import choose_page
from devcluster.cilogon_tokens import SCOPES, Client, Session, SessionStore, SigningKey
from devcluster.standin import Clock, Control, StandIn, StandInError
from devcluster.standin_cli import run, server_arguments, standin_parser
from devcluster.standin_oauth import (
    authorize_request,
    challenge_problem,
    page,
    redirect,
    same_secret,
    token_request,
)
from devcluster.standin_pages import problem_page

__all__ = ["DEMO_CLIENT_ID", "DEMO_CLIENT_SECRET", "DEMO_PEOPLE", "CILogonStandIn", "Client", "Control"]

PROFILE_CLAIMS = ("name", "given_name", "family_name", "preferred_username")


class CILogonStandIn(StandIn):
    """CILogon, as far as a hub needs it; the state is in memory.

    Parameters
    ----------
    people
        Claims by login; the demo's by default. A login is only the name by which a person is chosen.
    clients
        The registered clients; `DEMO_CLIENT_ID` by default.
    server
        Where to listen, and the rest of `StandIn`'s parameters.

    Examples
    --------
    >>> async with CILogonStandIn() as cilogon:  # doctest: +SKIP
    ...     cilogon.set_claims("ada", isMemberOf="observatory;telescope-ops", uidNumber=None)
    ...     cilogon.bend_id_token(aud="another-client")
    ...     hub_config.CILogonOAuthenticator.token_url = f"{cilogon.url}/oauth2/token"
    """

    def __init__(
        self,
        people: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        clients: Iterable[Client] = (),
        **server: Any,
    ) -> None:
        super().__init__(**server)
        self.clock = Clock()
        self._first_people = DEMO_PEOPLE if people is None else people
        self._first_clients = tuple(clients) or (
            Client(DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_CALLBACKS, "The JupyterHub demo"),
        )
        self.people: dict[str, dict[str, Any]] = {}
        self.clients: dict[str, Client] = {}
        self.key = SigningKey()
        self.reset()

        router = self.app.router
        router.add_get("/.well-known/openid-configuration", self._configuration)
        router.add_get("/oauth2/certs", self._certificates)
        router.add_route("*", "/authorize", self._authorize)
        router.add_post("/oauth2/token", self._token)
        router.add_route("*", "/oauth2/userinfo", self._userinfo)
        router.add_post("/oauth2/revoke", self._revoke)
        self.actions |= {
            "add_client": self.add_client,
            "add_person": self.add_person,
            "advance": self.clock.advance,
            "bend_id_token": self.bend_id_token,
            "expire_tokens": self.expire_tokens,
            "issue_token": self.issue_token,
            "remove_person": self.remove_person,
            "reset": self.reset,
            "revoke_tokens": self.revoke_tokens,
            "rotate_key": self.rotate_key,
            "set_claims": self.set_claims,
            "state": self.state,
        }

    def reset(self) -> None:
        """Go back to the beginning: the first people and clients, no tokens, no faults, no counts."""
        self.clock.offset = 0.0
        self.people.clear()
        self.people.update(copy.deepcopy({login: dict(each) for login, each in self._first_people.items()}))
        self.clients.clear()
        self.clients.update({client.client_id: client for client in self._first_clients})
        self.sessions = SessionStore(self.clock)
        self._signing_key = self.key
        self._bent: dict[str, Any] = {}
        self.heal()
        self.requests.clear()

    def person(self, login: str) -> dict[str, Any]:
        """Return a person's claims."""
        try:
            return self.people[login]
        except KeyError:
            raise StandInError(f"there is no person {login!r}") from None

    def add_person(self, login: str, **claims: Any) -> dict[str, Any]:
        """Make a person with these claims; `sub` is made up where it is not given."""
        if login in self.people:
            raise StandInError(f"there is a person {login!r} already")
        subject = {"sub": f"http://cilogon.example/serverA/users/{len(self.people) + 7_000_001}"}
        self.people[login] = subject | claims
        return self.people[login]

    def set_claims(self, login: str, **claims: Any) -> dict[str, Any]:
        """Set some of a person's claims; None takes a claim away."""
        person = self.person(login)
        person.update(claims)
        for name in [name for name, value in person.items() if value is None]:
            del person[name]
        return person

    def remove_person(self, login: str) -> None:
        """Forget a person; their tokens are no good any more."""
        self.revoke_tokens(login)
        del self.people[login]

    def add_client(self, client_id: str, client_secret: str, callback_urls: Iterable[str], **settings: Any) -> None:
        """Register a client, or change one; `settings` are the other fields of `Client`."""
        if "scopes" in settings:
            settings["scopes"] = tuple(settings["scopes"])
        self.clients[client_id] = Client(client_id, client_secret, tuple(callback_urls), **settings)

    def issue_token(
        self, login: str, scopes: Iterable[str] | None = None, client_id: str | None = None
    ) -> dict[str, Any]:
        """Give out tokens without the flow, as the token endpoint would answer; the issuer is `url`."""
        self.person(login)
        client = self.clients[client_id] if client_id else next(iter(self.clients.values()))
        session = self.sessions.open(client, login, client.scopes if scopes is None else tuple(scopes))
        return self._token_answer(session, self.url)

    def revoke_tokens(self, login: str | None = None) -> int:
        """End a person's tokens, or everybody's; return how many."""
        chosen = self.sessions.of(login)
        for session in chosen:
            self.sessions.close(session)
        return len(chosen)

    def expire_tokens(self, login: str | None = None) -> int:
        """Let access tokens end now, their refresh tokens still being good; return how many."""
        chosen = self.sessions.of(login)
        for session in chosen:
            session.expires_at = self.clock()
        return len(chosen)

    def bend_id_token(self, *, wrong_key: bool = False, **claims: Any) -> None:
        """Put these claims into every id token from now on, None for none: another `aud`, an old `exp`, ...

        Parameters
        ----------
        wrong_key
            Sign with a key that is not in the key set.
        """
        self._bent = claims
        self._signing_key = SigningKey() if wrong_key else self.key

    def rotate_key(self) -> None:
        """Sign with a new key, which alone is in the key set."""
        self.key = self._signing_key = SigningKey()

    def state(self) -> dict[str, Any]:
        """Return everybody's claims, and how many sessions they have."""
        return {
            login: {"claims": claims, "sessions": len(self.sessions.of(login))}
            for login, claims in self.people.items()
        }

    def claims_for(self, login: str, scopes: Iterable[str]) -> dict[str, Any]:
        """Return the claims that a token with these scopes shows."""
        asked = set(scopes)

        def shown(name: str) -> bool:
            if name == "sub":
                return True
            if name in ("email", "email_verified"):
                return "email" in asked
            if name in PROFILE_CLAIMS:
                return "profile" in asked
            return "org.cilogon.userinfo" in asked

        return {name: value for name, value in self.people[login].items() if shown(name)}

    async def _configuration(self, request: web.Request) -> web.Response:
        base = self.base_url(request)
        return web.json_response(
            {
                "issuer": base,
                "authorization_endpoint": f"{base}/authorize",
                "token_endpoint": f"{base}/oauth2/token",
                "userinfo_endpoint": f"{base}/oauth2/userinfo",
                "revocation_endpoint": f"{base}/oauth2/revoke",
                "jwks_uri": f"{base}/oauth2/certs",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": list(SCOPES),
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _certificates(self, request: web.Request) -> web.Response:
        return web.json_response({"keys": [self.key.public()]})

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        asked = await authorize_request(request)
        client = self.clients.get(asked.get("client_id", ""))
        target = asked.get("redirect_uri", "")
        if client is None:
            return page(400, problem_page("CILogon", "Unknown client", "The client_id is not registered."))
        if target not in client.callback_urls:
            text = "The redirect_uri is not one of those that the client registered."
            return page(400, problem_page("CILogon", "Wrong redirect", text))
        state = {"state": asked["state"]} if "state" in asked else {}
        scopes = tuple(scope for scope in asked.get("scope", "").split() if scope in client.scopes)
        problem = challenge_problem(asked)
        if asked.get("response_type") != "code":
            return redirect(target, {"error": "unsupported_response_type"} | state)
        if "openid" not in scopes:
            return redirect(target, {"error": "invalid_scope", "error_description": "openid is required"} | state)
        if problem:
            return redirect(target, {"error": "invalid_request", "error_description": problem} | state)
        if "cancel" in asked:
            text = "User denied authorization request"
            return redirect(target, {"error": "access_denied", "error_description": text} | state)
        if "login" not in asked:
            return page(200, choose_page(client.name, self.people, request.path, asked))
        if asked["login"] not in self.people:
            return page(404, problem_page("CILogon", "No such person", f"There is no {asked['login']!r} here."))
        code = self.sessions.code(
            client,
            asked["login"],
            scopes=scopes,
            redirect_uri=target,
            code_challenge=asked.get("code_challenge"),
            nonce=asked.get("nonce"),
        )
        return redirect(target, {"code": code.value} | state)

    async def _token(self, request: web.Request) -> web.Response:
        asked = await token_request(request)
        client = self._client(asked)
        if client is None:
            return _refusal(401, "invalid_client", "unknown client or wrong secret")
        kind = asked.get("grant_type")
        if kind == "authorization_code":
            code = self.sessions.redeem(
                asked.get("code", ""), client, asked.get("redirect_uri", ""), asked.get("code_verifier")
            )
            if code is None or code.login not in self.people:
                return _refusal(400, "invalid_grant", "the authorization code does not hold")
            session = self.sessions.open(client, code.login, code.scopes, nonce=code.nonce, auth_time=code.auth_time)
        elif kind == "refresh_token":
            found = self.sessions.refresh(client, asked.get("refresh_token", ""))
            if found is None:
                return _refusal(400, "invalid_grant", "the refresh token does not hold")
            session = found
        else:
            return _refusal(400, "unsupported_grant_type", "authorization_code or refresh_token are")
        return web.json_response(
            self._token_answer(session, self.base_url(request)), headers={"Cache-Control": "no-store"}
        )

    def _client(self, asked: Mapping[str, str]) -> Client | None:
        client = self.clients.get(asked.get("client_id", ""))
        return client if client and same_secret(asked.get("client_secret", ""), client.client_secret) else None

    def _token_answer(self, session: Session, issuer: str) -> dict[str, Any]:
        now = int(self.clock())
        claims = {
            "iss": issuer,
            "aud": session.client_id,
            "iat": now,
            "exp": now + 900,
            "auth_time": int(session.auth_time),
            "nonce": session.nonce,
            **self.claims_for(session.login, session.scopes),
            **self._bent,
        }
        answer = {
            "access_token": session.access_token,
            "token_type": "Bearer",
            "expires_in": round(session.expires_at - self.clock()),
            "scope": " ".join(session.scopes),
            "id_token": self._signing_key.sign({name: value for name, value in claims.items() if value is not None}),
        }
        if session.refresh_token:
            answer["refresh_token"] = session.refresh_token
            answer["refresh_token_lifetime"] = round(session.refresh_expires_at - self.clock())
        return answer

    async def _userinfo(self, request: web.Request) -> web.Response:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        session = self.sessions.find(token.strip()) if kind.lower() == "bearer" else None
        if session is None:
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return _refusal(401, "invalid_token", "the access token does not hold", headers)
        protocol = {"iss": self.base_url(request), "aud": session.client_id}
        return web.json_response(protocol | self.claims_for(session.login, session.scopes))

    async def _revoke(self, request: web.Request) -> web.Response:
        asked = await token_request(request)
        client = self._client(asked)
        if client is None:
            return _refusal(401, "invalid_client", "unknown client or wrong secret")
        for session in self.sessions.of(None):
            if session.client_id == client.client_id and asked.get("token") in (
                session.access_token,
                session.refresh_token,
            ):
                self.sessions.close(session)
        return web.Response(status=200)


def _refusal(status: int, error: str, description: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"error": error, "error_description": description}
    return web.json_response(body, status=status, headers=headers)


def main() -> None:
    """Run the stand-in from the command line."""
    parser = standin_parser("devcluster.cilogon", __doc__, port=9012)
    parser.add_argument("--people", help="JSON file with claims by login")
    parser.add_argument("--client-id", default=DEMO_CLIENT_ID, help="the client's id (default: %(default)s)")
    parser.add_argument(
        "--callback", action="append", help="a callback URL of the client; may be given more than once"
    )
    options = parser.parse_args()
    secret = os.environ.get("STANDIN_CLIENT_SECRET", DEMO_CLIENT_SECRET)
    callbacks = tuple(options.callback or DEMO_CALLBACKS)
    run(
        CILogonStandIn(
            json.loads(Path(options.people).read_text(encoding="utf-8")) if options.people else None,
            clients=[Client(options.client_id, secret, callbacks, "The JupyterHub demo")],
            **server_arguments(options),
        )
    )


if __name__ == "__main__":
    main()

"""A stand-in for GitHub over real sockets: its OAuth flow, its REST API, and a control endpoint for tests.

Run it with `python -m devcluster.github --port 9010`; it behaves like a GitHub Enterprise Server, so
`GitHubOAuthenticator.github_url` is all that has to point at it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from devcluster.github_api import RateLimits, RestApi
from devcluster.github_demo import DEMO_CALLBACKS, DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_WORLD
from devcluster.github_oauth import OAuthFlow
from devcluster.github_pages import home_page
from devcluster.github_tokens import Application, Token, TokenStore
from devcluster.github_world import World
from devcluster.standin import Clock, Control, Fault, StandIn, StandInError
from devcluster.standin_cli import run, server_arguments, standin_parser

__all__ = [
    "DEMO_CLIENT_ID",
    "DEMO_CLIENT_SECRET",
    "DEMO_WORLD",
    "Application",
    "Control",
    "GitHubStandIn",
    "StandInError",
]


class GitHubStandIn(StandIn):
    """GitHub, as far as a hub and git need it; the state is in memory.

    Parameters
    ----------
    people
        The world to begin with, in the shape of a people file (`World.from_dict`); the demo's by default.
    applications
        The registered applications; one OAuth App, `DEMO_CLIENT_ID`, by default.
    rate_limit
        Requests an hour for each person.
    server
        Where to listen, and the rest of `StandIn`'s parameters.

    Examples
    --------
    >>> async with GitHubStandIn() as github:  # doctest: +SKIP
    ...     github.world.leave("observatory", "ada")
    ...     github.fail("/api/v3/user/teams", status=500, times=2)
    ...     hub_config.GitHubOAuthenticator.github_url = github.url
    """

    def __init__(
        self,
        people: Mapping[str, Any] | None = None,
        *,
        applications: Iterable[Application] = (),
        rate_limit: int = 5000,
        **server: Any,
    ) -> None:
        super().__init__(**server)
        self.clock = Clock()
        self._people = DEMO_WORLD if people is None else people
        self._applications = tuple(applications) or (
            Application(DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_CALLBACKS, "The JupyterHub demo"),
        )
        self._rate_limit = rate_limit
        self.world = World(self.clock)
        self.applications: dict[str, Application] = {}
        self.tokens = TokenStore(self.clock)
        self.limits = RateLimits(self.clock, rate_limit)
        self.reset()

        flow = OAuthFlow(self.world, self.applications, self.tokens)
        flow.add_routes(self.app)
        RestApi(self.world, self.applications, self.tokens, self.limits, self.base_url).add_routes(self.app)
        self._people_shown = flow.people
        self.app.router.add_get("/", self._home)
        self.actions |= self.world.actions() | {
            "add_application": self.add_application,
            "advance": self.clock.advance,
            "expire_tokens": self.expire_tokens,
            "issue_token": self.issue_token,
            "rate_limited": self.rate_limited,
            "use_up_limit": self.use_up_limit,
            "reset": self.reset,
            "revoke_tokens": self.revoke_tokens,
            "state": self.state,
        }

    def reset(self) -> None:
        """Go back to the beginning: the first world and applications, no tokens, no faults, no counts."""
        self.clock.offset = 0.0
        fresh = World.from_dict(self._people, self.clock)
        vars(self.world).update(vars(fresh))
        self.applications.clear()
        for application in self._applications:
            self.applications[application.client_id] = Application(
                **{name: getattr(application, name) for name in Application.__slots__}
            )
        vars(self.tokens).update(vars(TokenStore(self.clock)))
        vars(self.limits).update(vars(RateLimits(self.clock, self._rate_limit)))
        self.heal()
        self.requests.clear()

    def add_application(
        self, client_id: str, client_secret: str, callback_urls: Iterable[str], **settings: Any
    ) -> None:
        """Register or change an application; `settings`: `name`, `kind`, `permissions`, `token_lifetime`."""
        self.applications[client_id] = Application(client_id, client_secret, tuple(callback_urls), **settings)

    def issue_token(
        self, login: str, scopes: Iterable[str] = (), client_id: str | None = None
    ) -> dict[str, str | None]:
        """Give out a token without the flow; return `access_token` and `refresh_token`."""
        application = self._application(client_id)
        token = self.tokens.issue(application, self.world.person(login).id, scopes)
        return {"access_token": token.value, "refresh_token": token.refresh_token}

    def revoke_tokens(self, login: str | None = None, token: str | None = None) -> int:
        """Revoke one token, or all of a person's with their refresh tokens; return how many."""
        chosen = self._chosen(login, token)
        for each in chosen:
            self.tokens.revoke(each)
        return len(chosen)

    def expire_tokens(self, login: str | None = None, token: str | None = None) -> int:
        """Let tokens that can expire do so now, their refresh tokens still being good; return how many."""
        chosen = [each for each in self._chosen(login, token) if each.expires_at is not None]
        for each in chosen:
            each.expires_at = self.clock()
        return len(chosen)

    def rate_limited(self, path: str = "/api/v3/*", *, reset_in: int = 60, **how: Any) -> Fault:
        """Answer 403 with nothing left of the rate limit, as GitHub does; `how` as for `fail`."""
        headers = {
            "X-RateLimit-Limit": str(self.limits.limit),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Used": str(self.limits.limit),
            "X-RateLimit-Reset": str(math.ceil(self.clock() + reset_in)),
            "X-RateLimit-Resource": "core",
        }
        body = json.dumps({"message": "API rate limit exceeded for user ID 1.", "status": "403"})
        return self.fail(path, status=403, headers=headers, body=body, **how)

    def use_up_limit(self, login: str) -> None:
        """Use up a person's rate limit; what has not changed costs nothing and is still answered."""
        self.limits.use_up(str(self.world.person(login).id))

    def state(self) -> dict[str, Any]:
        """Return who is where, and how many tokens live; no token itself."""
        names = {person.id: person.login for person in self.world.people.values()}
        return {
            "people": [
                {
                    "login": each.login,
                    "id": each.id,
                    "name": each.name,
                    "tokens": len(self.tokens.of_person(each.id)),
                }
                for each in self.world.people.values()
            ],
            "organizations": [
                {
                    "login": each.login,
                    "id": each.id,
                    "members": [names[member] for member in each.members],
                    "teams": {slug: [names[member] for member in team.members] for slug, team in each.teams.items()},
                }
                for each in self.world.organizations.values()
            ],
        }

    def _application(self, client_id: str | None) -> Application:
        if client_id is None:
            return next(iter(self.applications.values()))
        try:
            return self.applications[client_id]
        except KeyError:
            raise StandInError(f"there is no application {client_id!r}") from None

    def _chosen(self, login: str | None, token: str | None) -> list[Token]:
        if token is not None:
            found = self.tokens.find(token)
            return [found] if found else []
        if login is not None:
            return self.tokens.of_person(self.world.person(login).id)
        return [each for person in self.world.people.values() for each in self.tokens.of_person(person.id)]

    async def _home(self, request: web.Request) -> web.Response:
        page = home_page(self._people_shown(), f"{self.base_url(request)}/api/v3")
        return web.Response(text=page, content_type="text/html")


def main() -> None:
    """Run the stand-in from the command line."""
    parser = standin_parser("devcluster.github", __doc__, port=9010)
    parser.add_argument("--people", help="JSON file with people, organizations and repositories")
    parser.add_argument("--client-id", default=DEMO_CLIENT_ID, help="the application's id (default: %(default)s)")
    parser.add_argument(
        "--callback", action="append", help="a callback URL of the application; may be given more than once"
    )
    options = parser.parse_args()
    secret = os.environ.get("STANDIN_CLIENT_SECRET", DEMO_CLIENT_SECRET)
    callbacks = tuple(options.callback or DEMO_CALLBACKS)
    run(
        GitHubStandIn(
            json.loads(Path(options.people).read_text(encoding="utf-8")) if options.people else None,
            applications=[Application(options.client_id, secret, callbacks, "The JupyterHub demo")],
            **server_arguments(options),
        )
    )


if __name__ == "__main__":
    main()

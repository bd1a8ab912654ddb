"""A plain client of the GitHub stand-in's API, for the tests of the stand-in."""

from __future__ import annotations

from typing import Any

import aiohttp

from devcluster.github import GitHubStandIn

MINE = ("read:org", "user:email")
"""The scopes that a hub asks for."""


class Api:
    """A client of the stand-in's API with somebody's token."""

    def __init__(self, github: GitHubStandIn, session: aiohttp.ClientSession) -> None:
        self.github = github
        self.session = session

    def token(self, login: str, *scopes: str, client_id: str | None = None) -> str:
        token = self.github.issue_token(login, scopes, client_id)["access_token"]
        assert token is not None
        return token

    async def get(self, path: str, token: str | None = None, **headers: str) -> tuple[aiohttp.ClientResponse, Any]:
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(
            f"{self.github.url}/api/v3{path}", headers=sent | named, allow_redirects=False
        ) as response:
            body = await response.read()
            data = await response.json() if body else None
        return response, data


def logins(organizations: list[dict[str, Any]]) -> set[str]:
    """The names in a list of organizations."""
    return {each["login"] for each in organizations}

"""A certified OpenID provider as a process of its own: npm's oidc-provider, whose people the tests change."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from devcluster.settings import Settings

SCRIPT = Path(__file__).with_name("oidc_server.mjs")
LIBRARY = "node_modules/oidc-provider/lib/index.js"

CLIENT_ID, CLIENT_SECRET = "jhkube-tests", "secret-of-the-tests-0123456789abcdef"


@dataclass
class OIDCServer:
    """The provider, for one hub.

    Parameters
    ----------
    redirect_uri
        The hub's callback.
    lifetime
        Seconds for which its tokens live.
    refresh_tokens
        Whether it gives refresh tokens.
    certificate
        A PEM file with a certificate and its key, with which it is https; None for http.
    """

    redirect_uri: str
    lifetime: int = 3600
    refresh_tokens: bool = True
    certificate: Path | None = None
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    bend: dict[str, Any] | None = None
    issuer: str = ""

    async def __aenter__(self) -> Self:
        library = Settings.load().cache / LIBRARY
        if not library.exists():
            raise FileNotFoundError(f"{library} is missing: run `python3 -m devcluster tools`")
        settings = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uri": self.redirect_uri,
            "lifetime": self.lifetime,
            "refresh_tokens": self.refresh_tokens,
            "certificate": str(self.certificate or ""),
        }
        self._process = await asyncio.create_subprocess_exec(
            *("node", str(SCRIPT), str(library), json.dumps(settings)), stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.issuer = (await asyncio.wait_for(self._process.stdout.readline(), 120)).decode().strip()
        assert self.issuer, "the provider ended before it answered"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._process.terminate()
        await self._process.wait()

    async def set_person(self, login: str, **claims: Any) -> None:
        """Let somebody be known to the provider by these claims, from now on."""
        self.people[login] = {"preferred_username": login, **claims}
        await self._tell()

    async def set_bend(self, **bend: Any) -> None:
        """Bend what the provider says; nothing at all without arguments.

        `claims` and `head` change the id token, `forged` signs it with another's key, `unsigned` not at all,
        `without` leaves parts of the token endpoint's answer out, and paths in `fail` answer 503.
        """
        self.bend = bend or None
        await self._tell()

    async def _tell(self) -> None:
        told = {"people": self.people, "bend": self.bend}
        # It is asked from this machine only, whatever its certificate is.
        async with aiohttp.request("PUT", f"{self.issuer}/control", json=told, ssl=False) as answer:
            assert answer.status == 200, await answer.text()

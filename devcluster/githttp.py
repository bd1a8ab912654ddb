"""A git host over HTTP: git's own `http-backend` behind Basic auth with the GitHub stand-in's tokens.

Run it with `python -m devcluster.githttp --port 9011 --github http://127.0.0.1:9010 --root FOLDER`. Who may
read or push which repository is decided by the stand-in alone: the git host asks its `/repos/{owner}/{name}`
with the token that was offered, and brings a repository forth, with a first commit, when it is first used.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from devcluster.standin import StandIn, StandInError
from devcluster.standin_cli import run, server_arguments, standin_parser
from devcluster.standin_oauth import BasicCredentials

__all__ = ["GitServer", "Offer"]

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names that are one folder and no option of git."""

CHUNK = 64 * 1024
OFFERS_KEPT = 10_000

README = """# {name}

A repository of the demo. Change it, commit and push: nobody else will read it.
"""


@dataclass(frozen=True, slots=True)
class Offer:
    """A request with credentials, as the log keeps it."""

    at: float
    """Seconds since the epoch."""

    host: str
    """The Host header: under which name the client thought to reach this server."""

    path: str
    username: str
    token_sha256: str
    """The SHA-256 of the token, in hexadecimal; the token itself is not kept."""

    status: int
    """What was answered."""


@dataclass(frozen=True, slots=True)
class Access:
    """What the stand-in says of a repository and a token."""

    status: int
    pull: bool = False
    push: bool = False


class GitServer(StandIn):
    """Bare repositories in a folder, served over smart HTTP.

    Parameters
    ----------
    root
        The folder of the repositories, one subfolder for each owner.
    github_url
        The GitHub stand-in that gave out the tokens.
    cache_seconds
        How long an answer of the stand-in is believed.
    server
        Where to listen, and the rest of `StandIn`'s parameters.

    Examples
    --------
    >>> async with GitServer(folder, github_url=github.url) as git:  # doctest: +SKIP
    ...     print(f"git clone {git.url}/observatory/notes")
    """

    # git's http-backend inflates gzip bodies itself, and knows from CONTENT_LENGTH where they end
    auto_decompress = False

    def __init__(self, root: str | Path, *, github_url: str, cache_seconds: float = 2.0, **server: Any) -> None:
        super().__init__(**server)
        self.root = Path(root).resolve()
        self.github_url = github_url.rstrip("/")
        self.cache_seconds = cache_seconds
        self.offers: deque[Offer] = deque(maxlen=OFFERS_KEPT)
        self._known: dict[tuple[str, str, str], tuple[float, Access]] = {}
        self._making: dict[Path, asyncio.Lock] = {}
        self._session: aiohttp.ClientSession | None = None
        self.app.router.add_get("/", self._home)
        service = "{owner}/{name}/{service:info/refs|git-upload-pack|git-receive-pack}"
        self.app.router.add_route("*", f"/{service}", self._serve)
        self.actions |= {
            "create_repository": self.create_repository,
            "forget": self.forget,
            "offers": lambda: list(self.offers),
        }

    async def start(self) -> None:
        """Listen; returns once connections are accepted."""
        self.root.mkdir(parents=True, exist_ok=True)
        headers = {"User-Agent": "devcluster-githttp"}
        self._session = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=120))
        await super().start()

    async def stop(self) -> None:
        """Stop listening and end the connections."""
        await super().stop()
        if self._session:
            await self._session.close()
            self._session = None

    def forget(self) -> None:
        """Forget the offers, and what the stand-in said of whom."""
        self.offers.clear()
        self._known.clear()

    async def create_repository(self, owner: str, name: str) -> str:
        """Make the bare repository with a first commit, where it is not there yet; return its folder."""
        if not (SAFE_NAME.fullmatch(owner) and SAFE_NAME.fullmatch(name)):
            raise StandInError(f"{owner}/{name} is no name for a repository")
        folder = self._folder(owner, name)
        async with self._making.setdefault(folder, asyncio.Lock()):
            if (folder / "HEAD").exists():
                return str(folder)
            # made beside its place and then moved, so that a half-made one is never served
            half_made = folder.with_suffix(".half-made")
            await _git("init", "--quiet", "--bare", "--initial-branch=main", str(half_made))
            blob = await _git("hash-object", "-w", "--stdin", cwd=half_made, text=README.format(name=name))
            tree = await _git("mktree", cwd=half_made, text=f"100644 blob {blob}\tREADME.md\n")
            commit = await _git("commit-tree", tree, "-m", "Begin", cwd=half_made)
            await _git("update-ref", "refs/heads/main", commit, cwd=half_made)
            half_made.rename(folder)
        return str(folder)

    def _folder(self, owner: str, name: str) -> Path:
        return self.root / owner.lower() / f"{name.lower().removesuffix('.git')}.git"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        credentials = _credentials(request)
        owner, name = request.match_info["owner"], request.match_info["name"].removesuffix(".git")
        try:
            response = await self._guarded(request, credentials, owner, name)
        except web.HTTPException as refusal:
            self._note(request, credentials, refusal.status)
            raise
        self._note(request, credentials, response.status)
        return response

    async def _guarded(
        self, request: web.Request, credentials: BasicCredentials | None, owner: str, name: str
    ) -> web.StreamResponse:
        if not (SAFE_NAME.fullmatch(owner) and SAFE_NAME.fullmatch(name)):
            raise web.HTTPNotFound(text="Repository not found.\n")
        service = request.match_info["service"]
        if service == "info/refs":
            service = request.query.get("service", "")
        if service not in ("git-upload-pack", "git-receive-pack"):
            raise web.HTTPForbidden(text="Only git's smart protocol is spoken here.\n")
        pushes = service == "git-receive-pack"
        access = await self._access(owner, name, credentials.password if credentials else "")
        if access.status == 401 or (credentials is None and (pushes or not access.pull)):
            raise web.HTTPUnauthorized(
                text="Invalid username or token.\n" if credentials else "Authentication is needed.\n",
                headers={"WWW-Authenticate": 'Basic realm="GitHub"'},
            )
        if access.status not in (200, 404):
            raise web.HTTPBadGateway(text=f"GitHub answered {access.status}.\n")
        if not access.pull:
            raise web.HTTPNotFound(text="Repository not found.\n")
        if pushes and not access.push:
            raise web.HTTPForbidden(text="Write access to repository not granted.\n")
        await self.create_repository(owner, name)
        login = credentials.username if credentials else ""
        return await self._backend(request, self._folder(owner, name), login or "token")

    async def _access(self, owner: str, name: str, token: str) -> Access:
        key = (owner.lower(), name.lower(), _sha256(token))
        asked_at, access = self._known.get(key, (0.0, Access(0)))
        if asked_at and time.monotonic() - asked_at < self.cache_seconds:
            return access
        assert self._session is not None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.github_url}/api/v3/repos/{owner}/{name}"
        try:
            async with self._session.get(url, headers=headers) as response:
                data = await response.json() if response.status == 200 else {}
                may = data.get("permissions", {})
                access = Access(response.status, may.get("pull", False), may.get("push", False))
        except (aiohttp.ClientError, TimeoutError):
            return Access(504)
        if access.status in (200, 401, 404):
            self._known[key] = (time.monotonic(), access)
        return access

    async def _backend(self, request: web.Request, folder: Path, user: str) -> web.StreamResponse:
        """Hand the request to git's http-backend (a CGI program) and stream both bodies."""
        headers = request.headers
        environment = _environment() | {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{folder.relative_to(self.root)}/{request.match_info['service']}",
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": headers.get("Content-Type", ""),
            "REMOTE_USER": user,
            "REMOTE_ADDR": request.remote or "",
            "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
        }
        if "Content-Length" in headers:
            environment["CONTENT_LENGTH"] = headers["Content-Length"]
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        feeding = asyncio.create_task(_feed(request, process.stdin))
        try:
            status, answer_headers = await _cgi_headers(process.stdout)
            response = web.StreamResponse(status=status, headers=answer_headers)
            await response.prepare(request)
            while chunk := await process.stdout.read(CHUNK):
                await response.write(chunk)
            await response.write_eof()
            return response
        finally:
            feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await feeding
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await process.wait()

    def _note(self, request: web.Request, credentials: BasicCredentials | None, status: int) -> None:
        if credentials is not None:
            offer = Offer(
                time.time(),
                request.host,
                request.path,
                credentials.username,
                _sha256(credentials.password),
                status,
            )
            self.offers.append(offer)

    async def _home(self, request: web.Request) -> web.Response:
        return web.Response(text=f"git clone {self.base_url(request)}/OWNER/REPOSITORY\n")


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _credentials(request: web.Request) -> BasicCredentials | None:
    header = request.headers.get("Authorization", "")
    credentials = BasicCredentials.from_header(header)
    if credentials is None:
        return BasicCredentials("", "unreadable") if header else None
    # as on GitHub, a token may stand in the user name's place
    return credentials if credentials.password else BasicCredentials("", credentials.username)


def _environment() -> dict[str, str]:
    """Return an environment in which git reads nobody's own configuration and commits as the demo."""
    who = {"NAME": "Demo", "EMAIL": "demo@localhost"}
    people = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
    return {**kept, **people, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": os.devnull}


async def _git(*arguments: str, cwd: Path | None = None, text: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        cwd=cwd,
        env=_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(text.encode())
    if process.returncode != 0:
        raise StandInError(f"git {arguments[0]} failed: {err.decode(errors='replace').strip()}")
    return out.decode().strip()


async def _feed(request: web.Request, stdin: asyncio.StreamWriter) -> None:
    try:
        async for chunk in request.content.iter_chunked(CHUNK):
            stdin.write(chunk)
            await stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return
    finally:
        stdin.close()


async def _cgi_headers(stdout: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Return the status and the headers that a CGI program wrote before its body (RFC 3875, section 6.3)."""
    status, headers = 200, {}
    while (line := (await stdout.readline()).decode("latin-1")).strip():
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers[name] = value.strip()
    if not headers and status == 200:
        return 502, {"Content-Type": "text/plain"}
    return status, headers


def main() -> None:
    """Run the git host from the command line."""
    parser = standin_parser("devcluster.githttp", __doc__, port=9011)
    parser.add_argument("--root", required=True, help="folder of the repositories")
    parser.add_argument("--github", default="http://127.0.0.1:9010", help="the GitHub stand-in's address")
    options = parser.parse_args()
    run(GitServer(options.root, github_url=options.github, **server_arguments(options)))


if __name__ == "__main__":
    main()

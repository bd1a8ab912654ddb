"""Git repositories for tests: commits in them, and a server of the large files of git-lfs over https."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from devcluster.standin_tls import server_context
from tests.ports import free_port

__all__ = ["PLAIN_GIT", "LargeFiles", "add_submodule", "git", "large_files", "pushed"]

PLAIN_GIT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
"""Variables for a git that reads nobody's own configuration."""

WHO = {f"GIT_{role}_{key}": "ada@example.org" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}


def git(folder: Path, *arguments: str) -> str:
    """Return what git says in a folder."""
    environment = {"PATH": os.environ["PATH"], **PLAIN_GIT, **WHO}
    run = subprocess.run(
        ["git", "-C", str(folder), *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def pushed(work: Path, message: str, files: Mapping[str, str] | None = None) -> None:
    """Commit files of a clone with what was added before, and push the commit."""
    for name, text in (files or {}).items():
        (work / name).write_text(text)
        git(work, "add", name)
    git(work, "commit", "--quiet", "-m", message)
    git(work, "push", "--quiet", "origin", "HEAD")


def add_submodule(work: Path, path: str, url: str, commit: str) -> None:
    """Let the next commit of a clone have a submodule, which is not cloned here."""
    (work / ".gitmodules").write_text(f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n')
    git(work, "add", ".gitmodules")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")


@dataclass
class LargeFiles:
    """A server of large files that has one file."""

    url: str
    pointer: str
    """What is in the repository instead of the file."""
    asked: list[str] = field(default_factory=list)
    """The operations that clients have asked for."""

    @property
    def files(self) -> dict[str, str]:
        """What a repository has that keeps the file here, as `sky.fits`."""
        return {
            ".lfsconfig": f"[lfs]\n  url = {self.url}\n",
            ".gitattributes": "*.fits filter=lfs diff=lfs merge=lfs -text\n",
            "sky.fits": self.pointer,
        }


@asynccontextmanager
async def large_files(content: bytes, certificate: Path, host: str = "localhost") -> AsyncIterator[LargeFiles]:
    """Within the block there is a server of one large file.

    Parameters
    ----------
    content
        The file.
    certificate
        The server's certificate with its key.
    host
        The name or address at which clients reach this machine.
    """
    oid = hashlib.sha256(content).hexdigest()
    port = free_port()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"
    served = LargeFiles(f"https://{host}:{port}", pointer)

    async def batch(request: web.Request) -> web.Response:
        served.asked.append((await request.json())["operation"])
        found = {"oid": oid, "size": len(content), "actions": {"download": {"href": f"{served.url}/{oid}"}}}
        answer = {"transfer": "basic", "objects": [found]}
        return web.json_response(answer, content_type="application/vnd.git-lfs+json")

    async def download(_: web.Request) -> web.Response:
        return web.Response(body=content)

    app = web.Application()
    app.router.add_post("/objects/batch", batch)
    app.router.add_get(f"/{oid}", download)
    runner = web.AppRunner(app)
    await runner.setup()
    address = "127.0.0.1" if host == "localhost" else host
    await web.TCPSite(runner, address, port, ssl_context=server_context(certificate)).start()
    try:
        yield served
    finally:
        await runner.cleanup()

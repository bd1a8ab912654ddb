"""The git host: real clones and pushes with the tokens of the GitHub stand-in."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devcluster.githttp import GitServer
from devcluster.github import GitHubStandIn
from devcluster.standin_tls import certificate_file, server_context

ALL = ("repo", "read:org")


@pytest.fixture
async def github() -> AsyncIterator[GitHubStandIn]:
    async with GitHubStandIn() as standin:
        yield standin


@pytest.fixture
async def server(github: GitHubStandIn, tmp_path: Path) -> AsyncIterator[GitServer]:
    async with GitServer(tmp_path / "repositories", github_url=github.url, cache_seconds=0) as git:
        yield git


async def run_git(*arguments: object, cwd: Path | None = None, **more: str) -> tuple[int, str]:
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "HOME": os.devnull,
        **more,
    }
    process = await asyncio.create_subprocess_exec(
        "git",
        *("-c", "user.name=Tester", "-c", "user.email=tester@localhost"),
        *map(str, arguments),
        cwd=cwd,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


def with_token(server: GitServer, token: str, repository: str) -> str:
    return f"{server.url.replace('://', f'://someone:{token}@')}/{repository}"


def token_of(github: GitHubStandIn, login: str, *scopes: str) -> str:
    token = github.issue_token(login, scopes)["access_token"]
    assert token is not None
    return token


async def test_a_member_clones_commits_and_pushes(github: GitHubStandIn, server: GitServer, tmp_path: Path) -> None:
    url = with_token(server, token_of(github, "grace", *ALL), "observatory/notes")
    code, said = await run_git("clone", url, tmp_path / "notes")
    assert code == 0, said
    (tmp_path / "notes" / "night.txt").write_text("clear sky\n")
    await run_git("add", ".", cwd=tmp_path / "notes")
    await run_git("commit", "-m", "The first night", cwd=tmp_path / "notes")
    code, said = await run_git("push", cwd=tmp_path / "notes")
    assert code == 0, said
    code, said = await run_git("clone", url + ".git", tmp_path / "again")
    assert code == 0, said
    assert (tmp_path / "again" / "night.txt").read_text() == "clear sky\n"


async def test_a_large_push_streams(github: GitHubStandIn, server: GitServer, tmp_path: Path) -> None:
    url = with_token(server, token_of(github, "ada", *ALL), "ada/scratch")
    await run_git("clone", url, tmp_path / "scratch")
    (tmp_path / "scratch" / "big.bin").write_bytes(os.urandom(8_000_000))
    await run_git("add", ".", cwd=tmp_path / "scratch")
    await run_git("commit", "-m", "A large file", cwd=tmp_path / "scratch")
    # beyond http.postBuffer, git sends the pack chunked and without a length
    code, said = await run_git("-c", "http.postBuffer=65536", "push", cwd=tmp_path / "scratch")
    assert code == 0, said
    assert (await run_git("clone", url, tmp_path / "again"))[0] == 0
    assert (tmp_path / "again" / "big.bin").stat().st_size == 8_000_000


async def test_a_gzipped_request_is_read(github: GitHubStandIn, server: GitServer, tmp_path: Path) -> None:
    url = with_token(server, token_of(github, "ada", *ALL), "ada/scratch")
    await run_git("clone", url, tmp_path / "scratch")
    for number in range(60):
        await run_git("commit", "--allow-empty", "-m", f"{number}", cwd=tmp_path / "scratch")
        await run_git("tag", f"v{number}", cwd=tmp_path / "scratch")
    assert (await run_git("push", "--tags", "origin", "main", cwd=tmp_path / "scratch"))[0] == 0
    # a fetch that names many commits is over 1024 bytes, and git compresses it then
    options = ("-c", "protocol.version=0")
    code, said = await run_git(*options, "clone", url, tmp_path / "again", GIT_CURL_VERBOSE="1")
    assert code == 0, said
    assert "content-encoding: gzip" in said.lower()
    assert (await run_git("rev-parse", "v59^{commit}", cwd=tmp_path / "again"))[0] == 0


async def test_a_private_repository_asks_for_credentials(server: GitServer, tmp_path: Path) -> None:
    code, said = await run_git("clone", f"{server.url}/observatory/notes", tmp_path / "notes")
    assert code != 0
    assert "could not read Username" in said


async def test_anybody_reads_a_public_repository(server: GitServer, tmp_path: Path) -> None:
    code, said = await run_git("clone", f"{server.url}/observatory/handbook", tmp_path / "handbook")
    assert code == 0, said


@pytest.mark.parametrize(
    ("login", "scopes", "repository", "reason"),
    [
        ("rosalind", ALL, "observatory/notes", "not found"),
        ("grace", ("public_repo", "read:org"), "observatory/notes", "not found"),
        ("grace", ALL, "ada/scratch", "not found"),
        ("grace", ALL, "observatory/nothing", "not found"),
    ],
    ids=["an outsider", "a token for public repositories", "another's repository", "no repository"],
)
async def test_what_one_may_not_see_is_not_found(
    github: GitHubStandIn,
    server: GitServer,
    tmp_path: Path,
    login: str,
    scopes: tuple[str, ...],
    repository: str,
    reason: str,
) -> None:
    url = with_token(server, token_of(github, login, *scopes), repository)
    code, said = await run_git("clone", url, tmp_path / "clone")
    assert code != 0
    assert reason in said


async def test_a_token_without_scopes_does_not_push_to_a_public_repository(
    github: GitHubStandIn, server: GitServer, tmp_path: Path
) -> None:
    url = with_token(server, token_of(github, "grace", "read:org"), "observatory/handbook")
    await run_git("clone", url, tmp_path / "handbook")
    await run_git("commit", "--allow-empty", "-m", "Nothing", cwd=tmp_path / "handbook")
    code, said = await run_git("push", cwd=tmp_path / "handbook")
    assert code != 0
    assert "403" in said


async def test_a_revoked_token_is_refused(github: GitHubStandIn, server: GitServer, tmp_path: Path) -> None:
    token = token_of(github, "grace", *ALL)
    github.revoke_tokens(token=token)
    code, said = await run_git("clone", with_token(server, token, "observatory/notes"), tmp_path / "notes")
    assert code != 0
    assert "Authentication failed" in said


async def test_the_log_tells_which_token_was_offered_and_does_not_keep_it(
    github: GitHubStandIn, server: GitServer, tmp_path: Path
) -> None:
    token = token_of(github, "grace", *ALL)
    await run_git("clone", f"{server.url}/observatory/handbook", tmp_path / "handbook")
    assert list(server.offers) == []
    await run_git("clone", with_token(server, token, "observatory/notes"), tmp_path / "notes")
    assert {offer.token_sha256 for offer in server.offers} == {hashlib.sha256(token.encode()).hexdigest()}
    assert {offer.host for offer in server.offers} == {f"127.0.0.1:{server.port}"}
    assert token not in repr(server.offers)


@pytest.mark.parametrize(
    "path",
    ["/..%2F..%2Fetc/passwd", "/observatory/..", "/observatory/%2E%2E%2Fx", "/-u/x", "/observatory/.git"],
)
async def test_names_cannot_lead_out_of_the_folder(server: GitServer, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    request = f"GET {path}/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 404")
    assert list(server.root.iterdir()) == []


async def test_over_https_a_clone_needs_the_certificate(github: GitHubStandIn, tmp_path: Path) -> None:
    certificate = certificate_file(tmp_path / "certificate.pem")
    root = tmp_path / "repositories"
    async with GitServer(root, github_url=github.url, ssl_context=server_context(certificate)) as server:
        url = with_token(server, token_of(github, "grace", *ALL), "observatory/notes")
        assert url.startswith("https://")
        assert (await run_git("clone", url, tmp_path / "untrusting"))[0] != 0
        code, said = await run_git("-c", f"http.sslCAInfo={certificate}", "clone", url, tmp_path / "notes")
        assert code == 0, said


async def test_of_many_first_clones_one_makes_the_repository(
    github: GitHubStandIn, server: GitServer, tmp_path: Path
) -> None:
    url = with_token(server, token_of(github, "grace", *ALL), "observatory/notes")
    codes = await asyncio.gather(*(run_git("clone", url, tmp_path / f"clone-{number}") for number in range(4)))
    assert [code for code, _ in codes] == [0] * 4
    commits = {(tmp_path / f"clone-{number}" / ".git/refs/heads/main").read_text() for number in range(4)}
    assert len(commits) == 1


async def test_an_answer_of_github_is_believed_for_a_short_while(github: GitHubStandIn, tmp_path: Path) -> None:
    token = token_of(github, "grace", *ALL)
    async with GitServer(tmp_path / "r", github_url=github.url, cache_seconds=60) as server:
        url = with_token(server, token, "observatory/notes")
        assert (await run_git("ls-remote", url))[0] == 0
        github.revoke_tokens(token=token)
        assert (await run_git("ls-remote", url))[0] == 0
        server.forget()
        assert (await run_git("ls-remote", url))[0] != 0


async def test_when_github_is_down_the_git_host_says_so(
    github: GitHubStandIn, server: GitServer, tmp_path: Path
) -> None:
    github.fail("/api/v3/*", status=503)
    url = with_token(server, token_of(github, "grace", *ALL), "observatory/notes")
    code, said = await run_git("clone", url, tmp_path / "notes")
    assert code != 0
    assert "502" in said

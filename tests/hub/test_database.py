"""The hub's session database: PostgreSQL for real, with a database that dies and a key that changes under the hub."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator

import aiohttp
import pytest

from devcluster.github import GitHubStandIn
from jhkube.cli import main
from tests.hub.conftest import StartHub, github_settings
from tests.hub.running import CONFIG, Browser, RunningHub
from tests.postgresql import PostgreSQL


@pytest.fixture
def database() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


async def answers(browser: Browser) -> bool:
    """Say whether the hub shows a person their page."""
    try:
        return await browser.is_logged_in()
    except aiohttp.ClientError:
        return False


@pytest.fixture
def rekey(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `jhkube rekey` where a hub runs, with what the hub has in its environment: the status and what it says."""

    def run(hub: RunningHub, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(hub.folder)
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        status = main(["rekey", "--config", str(CONFIG), *arguments])
        return status, *capsys.readouterr()

    return run


@pytest.mark.hub_versions
async def test_a_hub_on_postgresql_outlives_itself_its_database_and_its_key(
    database: PostgreSQL,
    start_hub: StartHub,
    github: GitHubStandIn,
    add_person: Callable[..., str],
    browse: Callable[[RunningHub, str], Browser],
    rekey: Callable[..., tuple[int, str, str]],
) -> None:
    settings = github_settings(github, allowed_organizations=["lab"])
    settings["JupyterHub"]["db_url"] = database.url
    old, new, lost = (secrets.token_hex(32) for _ in range(3))
    hub = await start_hub(settings, environ={"JUPYTERHUB_CRYPT_KEY": old})
    early, late, stranger = (add_person("lab") for _ in range(3))
    browser = browse(hub, early)
    assert (await browser.log_in()).status == 200
    assert (await browse(hub, stranger).log_in()).status == 200
    assert (await hub.api("POST", f"/users/{early}/server", json={"size": "small"}))[0] == 201
    before = await hub.inspect(early)
    token = before["auth_state"]["access_token"]
    assert (before["groups"], bool(token)) == (["lab"], True)

    # A restart, with a new key in front of the old one.
    await hub.stop()
    hub.environ["JUPYTERHUB_CRYPT_KEY"] = f"{new};{old}"
    await hub.start()
    assert await browser.is_logged_in()
    assert (await hub.inspect(early))["auth_state"] == before["auth_state"]

    # A database that dies, and comes back.
    process = hub.process
    database.kill()
    async with asyncio.timeout(180):
        while await answers(browser):
            await asyncio.sleep(0.1)
    database.start()
    async with asyncio.timeout(180):
        while not await answers(browser):
            await asyncio.sleep(0.1)
    assert hub.process is process
    assert process is not None
    assert process.poll() is None
    assert (await hub.inspect(early))["groups"] == ["lab"]
    assert (await browse(hub, late).log_in()).status == 200

    # The old key goes. A hub with several keys writes anew what it reads; the stranger's it did not read.
    status, said, _ = rekey(hub, "--check")
    assert (status, said.splitlines()[-1]) == (
        1,
        "Encrypted with an older key: 1. Run `jhkube rekey` without --check.",
    )
    assert rekey(hub)[:2] == (0, "1 encrypted again with the newest key; 2 had it already.\n")
    assert await browser.refreshed(early)
    await hub.stop()
    hub.environ["JUPYTERHUB_CRYPT_KEY"] = new
    await hub.start()
    assert [(await hub.inspect(name))["auth_state"] is None for name in (early, late, stranger)] == [False] * 3
    assert await browser.is_logged_in()

    # Whose no key opens is named, and the others are written all the same.
    await hub.lose_key(stranger)
    hub.environ["JUPYTERHUB_CRYPT_KEY"] = f"{lost};{new}"
    status, said, errors = rekey(hub)
    assert (status, said) == (1, "2 encrypted again with the newest key; 0 had it already.\n")
    assert f"No key opens 1: {stranger}." in errors

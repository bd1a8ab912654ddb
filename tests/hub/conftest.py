"""The hubs and stand-ins that the tests of logins share, and people for each test."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from devcluster.github import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, GitHubStandIn
from tests.hub.running import GITHUB, Browser, RunningHub

WORLD = {
    "organizations": [
        {"login": "lab", "teams": [{"slug": "admins"}, {"slug": "suspended"}, {"slug": "imaging"}]},
        {"login": "partner", "teams": [{"slug": "guests"}]},
        {"login": "banned"},
        {"login": "elsewhere"},
    ],
}
"""The organizations of the tests; each test makes its own people."""

HEIR = 7_000_001
"""The id at GitHub of who is to have the account `heir`."""

PATIENT = {"refresh_timeout": 120.0, "http_request_kwargs": {"connect_timeout": 120.0, "request_timeout": 120.0}}
"""Traits of an authenticator whose provider may be slow, as everything is on a busy machine."""

StartHub = Callable[..., Awaitable[RunningHub]]


def github_settings(github: GitHubStandIn, **traits: Any) -> dict[str, Any]:
    """Return a hub's settings for logins at the stand-in, `traits` being the authenticator's."""
    return {
        "JupyterHub": {"authenticator_class": GITHUB},
        "GitHubOrgAuthenticator": {
            "github_url": github.url,
            "client_id": DEMO_CLIENT_ID,
            "client_secret": DEMO_CLIENT_SECRET,
            "auth_refresh_age": 3600,
            **PATIENT,
            **traits,
        },
    }


@pytest.fixture(scope="session")
async def shared_github() -> AsyncIterator[GitHubStandIn]:
    async with GitHubStandIn(WORLD, rate_limit=1_000_000) as github:
        yield github


@pytest.fixture
async def github(shared_github: GitHubStandIn) -> AsyncIterator[GitHubStandIn]:
    """The stand-in for GitHub, where nothing fails yet; people and organizations of other tests may be there."""
    shared_github.heal()
    shared_github.requests.clear()
    yield shared_github
    shared_github.heal()


@pytest.fixture(scope="session")
async def shared_hub(
    shared_github: GitHubStandIn, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    hub = RunningHub(
        tmp_path_factory.mktemp("hub"),
        github_settings(
            shared_github,
            allowed_organizations=["lab"],
            allowed_teams=["partner:guests"],
            denied_organizations=["banned", "lab:suspended"],
            admin_organizations=["lab:admins"],
            # In capitals, as GitHub may write a login: the name of the hub is in lower case.
            account_handovers={"Heir": f"github:{HEIR}"},
        ),
    )
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def hub(shared_hub: RunningHub, github: GitHubStandIn) -> RunningHub:
    """A hub that lets in `lab` and `partner:guests`, but neither `banned` nor `lab:suspended`."""
    return shared_hub


@pytest.fixture
async def impatient_hub(hub: RunningHub, github: GitHubStandIn) -> AsyncIterator[RunningHub]:
    """The hub of the test's file, where a refresh delays nobody for longer than 1 s."""
    await hub.set_refresh_timeout(1.0)
    yield hub
    github.heal()
    await hub.set_refresh_timeout(120.0)


@pytest.fixture(scope="session")
async def shared_narrow_hub(
    shared_github: GitHubStandIn, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    hub = RunningHub(
        tmp_path_factory.mktemp("narrow"),
        github_settings(
            shared_github,
            scope="user:email, gist",
            allowed_organizations=["lab"],
            admin_users=["chief"],
            show_allowed=True,
            custom_403_message="Ask at the desk.",
            group_rules={"lab": "staff", "elsewhere": None},
            low_id_offset=1_950_000_000,
            unknown_identity="accept",
        ),
    )
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def narrow_hub(shared_narrow_hub: RunningHub, github: GitHubStandIn) -> RunningHub:
    """A hub that asks for no organizations, names those that it lets in, renames groups and moves low ids."""
    return shared_narrow_hub


@pytest.fixture
async def start_hub(tmp_path: Path) -> AsyncIterator[StartHub]:
    """Starts hubs of the test's own, and ends them afterwards."""
    hubs: list[RunningHub] = []

    async def start(settings: dict[str, Any], **more: Any) -> RunningHub:
        folder = tmp_path / f"hub{len(hubs)}"
        folder.mkdir()
        hub = RunningHub(folder, settings, **more)
        hubs.append(hub)
        await hub.start()
        return hub

    yield start
    for hub in hubs:
        await hub.stop()


_numbers = itertools.count(1)


@pytest.fixture
def next_login() -> Callable[[], str]:
    """Makes logins that no other test has."""
    return lambda: f"person{next(_numbers)}"


@pytest.fixture
def add_person(shared_github: GitHubStandIn) -> Callable[..., str]:
    """Makes an account that no other test has, a private member of `organizations`, and returns its login."""

    def add(*organizations: str, **profile: Any) -> str:
        login = profile.pop("login", None) or f"person{next(_numbers)}"
        shared_github.world.add_person(login, **profile)
        for each in organizations:
            organization, _, team = each.partition(":")
            shared_github.world.join(organization, login, teams=[team] if team else [])
        return login

    return add


@pytest.fixture
async def browse() -> AsyncIterator[Callable[[RunningHub, str], Browser]]:
    """Makes browsers, and closes them afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        browsers: list[Browser] = []

        def make(hub: RunningHub, login: str) -> Browser:
            browser = Browser(hub, login)
            stack.push_async_exit(browser)
            browsers.append(browser)
            return browser

        yield make

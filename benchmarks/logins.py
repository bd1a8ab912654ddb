"""A class that logs in at once: jhkube's authenticator for GitHub beside OAuthenticator's own.

    python -m benchmarks.logins [--sizes 20 100 200]

A real hub, the GitHub stand-in and the people are three processes on this machine, which share its cores. Every
person is in 5 organizations and 5 teams, all of which become groups, and the hub lets one of the organizations in. A
login is the whole way, from the hub's link to GitHub to the hub's home page. The API is asked for one user every
50 ms meanwhile, one request after the other. Both have two rounds, by turns (ABBA). A refresh is the hub asking
GitHub again, where nothing has changed. The stand-in counts the requests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from devcluster.github import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET
from devcluster.standin import Control
from tests.hub.running import GITHUB, Browser, RunningHub
from tests.ports import free_port

from .hubs import at_rest, processor_seconds, recorded
from .rows import Row, emit, quantile, say

SIZES = (20, 100, 200)
ORGANIZATIONS = 5
STOCK, OURS = "GitHubOAuthenticator", "jhkube"


@dataclass(frozen=True)
class Result:
    """What one authenticator took for so many at once."""

    logins: list[float]
    """Seconds of each."""

    api: list[float]
    """Seconds of each request to the hub's API meanwhile."""

    processor: float
    """Seconds of the hub, for all logins."""

    login_requests: float
    """Requests of the hub to GitHub, a login."""

    refresh_requests: float
    """Requests of the hub to GitHub, a refresh."""

    refresh_processor: float
    """Seconds of the hub, for all refreshes."""


def world(people: int) -> dict[str, Any]:
    """Return a people file with so many people, all in all organizations and their teams."""
    logins = [f"person{number:03}" for number in range(people)]
    return {
        "people": [{"login": login, "name": f"Person {login[-3:]}"} for login in logins],
        "organizations": [
            {
                "login": f"lab{number:02}",
                "members": [{"login": login} for login in logins],
                "teams": [{"slug": "everybody", "members": logins}],
            }
            for number in range(ORGANIZATIONS)
        ],
    }


def settings(name: str, github_url: str) -> dict[str, Any]:
    """Return the configuration of a hub with one of the authenticators, both with the same groups."""
    common = {
        "github_url": github_url,
        "client_id": DEMO_CLIENT_ID,
        "client_secret": DEMO_CLIENT_SECRET,
        "allowed_organizations": ["lab00"],
        "auth_refresh_age": 3600,
    }
    if name == OURS:
        chosen, own = GITHUB, {"GitHubOrgAuthenticator": common}
    else:
        chosen = "oauthenticator.github.GitHubOAuthenticator"
        stock = {
            "enable_auth_state": True,
            "scope": ["read:org", "user:email"],
            "populate_teams_in_auth_state": True,
            "manage_groups": True,
        }
        own = {"GitHubOAuthenticator": {**common, **stock}}
    return {"JupyterHub": {"authenticator_class": chosen, "log_level": "INFO"}, **own}


STOCK_GROUPS = """
def group_names(auth_state):
    teams = auth_state["teams"]
    organizations = {team["organization"]["login"] for team in teams}
    return organizations | {f"{team['organization']['login']}:{team['slug']}" for team in teams}

c.GitHubOAuthenticator.auth_state_groups_key = group_names
"""
"""How a user of OAuthenticator makes the same groups of organizations and teams."""


async def log_in(browser: Browser) -> float:
    """Return the seconds that a login takes."""
    began = time.perf_counter()
    page = await browser.log_in()
    if page.status != 200:
        raise RuntimeError(f"{browser.login}: {page.status} {page.message}")
    return time.perf_counter() - began


async def probe(hub: RunningHub, found: list[float]) -> None:
    """Note the seconds that each request to the API takes, until cancelled."""
    while True:
        began = time.perf_counter()
        status, _ = await hub.api("GET", "/users/person000")
        if status not in (200, 404):
            raise RuntimeError(f"the API answered {status}")
        found.append(time.perf_counter() - began)
        await asyncio.sleep(0.05)


async def hub_requests(github: Control) -> int:
    """Return how many requests the hub made since this was last asked; the browsers' own do not count."""
    log = await github("requests")
    counts = log["counts"]
    await github("clear_requests")
    answers = Counter(what.rpartition(" ")[2] for what in Counter(log["statuses"]).elements())
    say(f"GitHub answered: {dict(answers)}")
    return sum(count for what, count in counts.items() if "/api/v3/" in what or "access_token" in what)


async def measure(name: str, people: int, folder: Path, github_url: str, profile: Path | None) -> Result:
    """Let everybody log in to a hub of its own, and let it refresh everybody."""
    github = Control(github_url)
    await github("reset")
    hub = RunningHub(folder, settings(name, github_url), "" if name == OURS else STOCK_GROUPS)
    await hub.start()
    assert hub.process is not None
    await at_rest()
    browsers = [Browser(hub, f"person{number:03}") for number in range(people)]
    try:
        api: list[float] = []
        probing = asyncio.create_task(probe(hub, api))
        processor = processor_seconds(hub.process.pid)
        async with recorded(hub.process.pid, profile) if profile else contextlib.nullcontext():
            logins = await asyncio.gather(*map(log_in, browsers))
        processor = processor_seconds(hub.process.pid) - processor
        probing.cancel()
        _, person = await hub.api("GET", "/users/person000")
        if len(person["groups"]) != 2 * ORGANIZATIONS:
            raise RuntimeError(f"{name}: {person['groups']} are not the groups of 5 organizations and 5 teams")
        requests = await hub_requests(github)
        for browser in browsers:
            await hub.forget_refresh(browser.login)
        refreshing = processor_seconds(hub.process.pid)
        if not all(await asyncio.gather(*(browser.is_logged_in() for browser in browsers))):
            raise RuntimeError("somebody was logged out by a refresh")
        refreshing = processor_seconds(hub.process.pid) - refreshing
        refreshes = await hub_requests(github)
    finally:
        for browser in browsers:
            await browser.session.close()
        await hub.stop()
    return Result(logins, api, processor, requests / people, refreshes / people, refreshing)


def together(first: Result, second: Result) -> Result:
    """Return two rounds as one: all their times, and the means of what is counted."""
    means = {
        field.name: (getattr(first, field.name) + getattr(second, field.name)) / 2
        for field in fields(Result)
        if field.name not in ("logins", "api")
    }
    return Result(logins=first.logins + second.logins, api=first.api + second.api, **means)


def rows(people: int, ours: Result, stock: Result) -> Iterator[Row]:
    """Yield the table's rows for so many at once."""

    def row(measure: str, unit: str, jhkube: float, other: float) -> Row:
        return Row("Login with GitHub", STOCK, measure, people, "at once", unit, jhkube, other)

    yield row("a login, median", "s", quantile(ours.logins, 0.5), quantile(stock.logins, 0.5))
    yield row("a login, p95", "s", quantile(ours.logins, 0.95), quantile(stock.logins, 0.95))
    yield row("the hub's API meanwhile, p95", "s", quantile(ours.api, 0.95), quantile(stock.api, 0.95))
    processor = 1000 * ours.processor / people, 1000 * stock.processor / people
    yield row("processor of the hub, a login", "ms", *processor)
    yield row("requests to GitHub, a login", "", ours.login_requests, stock.login_requests)
    yield row("requests to GitHub, an unchanged refresh", "", ours.refresh_requests, stock.refresh_requests)
    refreshing = 1000 * ours.refresh_processor / people, 1000 * stock.refresh_processor / people
    yield row("processor of the hub, an unchanged refresh", "ms", *refreshing)


def main(sizes: list[int], profiles: Path | None) -> None:
    """Measure, and print rows."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        people_file = Path(folder, "people.json")
        people_file.write_text(json.dumps(world(max(sizes))))
        command = [sys.executable, "-m", "devcluster.github", "--port", str(port), "--people", str(people_file)]
        github = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert github.stdout is not None
            github.stdout.readline()
            for people in sizes:
                results: dict[str, list[Result]] = {STOCK: [], OURS: []}
                for turn, name in enumerate((STOCK, OURS, OURS, STOCK)):
                    own = Path(folder, f"{name}-{people}-{turn}")
                    own.mkdir()
                    profile = profiles / f"logins-{name}.txt" if profiles else None
                    result = asyncio.run(measure(name, people, own, f"http://127.0.0.1:{port}", profile))
                    say(f"{name}, {people} at once: {max(result.logins):.1f} s")
                    results[name].append(result)
                for row in rows(people, together(*results[OURS]), together(*results[STOCK])):
                    emit(row)
        finally:
            github.terminate()
            github.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--quick", action="store_true", help="twenty at once only")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="record the hubs by py-spy")
    options = parser.parse_args()
    main([20] if options.quick else list(options.sizes), options.profile)

"""How long a class of people waits to log in at once, and whether the hub answers its API meanwhile.

    python -m benchmarks.logins --people 200

A real hub, the GitHub stand-in and the people are three processes on this machine, which share its cores. Every
person is in 5 organizations and 5 teams. A login is the whole way, from the hub's link to GitHub to the hub's
home page. The API is asked for one user every 50 ms, one request after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from devcluster.github import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET
from tests.hub.running import GITHUB, Browser, RunningHub, free_port

ORGANIZATIONS = 5


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


async def log_in(hub: RunningHub, login: str, start: asyncio.Event) -> float:
    """Return the seconds that a login takes."""
    async with Browser(hub, login) as browser:
        await start.wait()
        began = time.perf_counter()
        page = await browser.log_in()
        if page.status != 200:
            raise RuntimeError(f"{login}: {page.status} {page.message}")
        return time.perf_counter() - began


async def probe(hub: RunningHub, done: asyncio.Event) -> list[float]:
    """Return the seconds that each request to the API took, until `done`."""
    found = []
    while not done.is_set():
        began = time.perf_counter()
        status, _ = await hub.api("GET", "/users/person000")
        if status not in (200, 404):
            raise RuntimeError(f"the API answered {status}")
        found.append(time.perf_counter() - began)
        await asyncio.sleep(0.05)
    return found


def line(name: str, seconds: list[float]) -> str:
    """Return one line of the result."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return f"{name:24} {len(seconds):5}   p50 {cuts[49]:6.3f} s   p95 {cuts[94]:6.3f} s   worst {max(seconds):6.3f} s"


async def measure(people: int, folder: Path, github_url: str) -> None:
    """Start a hub, measure, and print."""
    settings = {
        "JupyterHub": {"authenticator_class": GITHUB, "log_level": "INFO"},
        "GitHubOrgAuthenticator": {
            "github_url": github_url,
            "client_id": DEMO_CLIENT_ID,
            "client_secret": DEMO_CLIENT_SECRET,
            "allowed_organizations": ["lab00"],
        },
    }
    hub = RunningHub(folder, settings)
    await hub.start(timeout=120)
    try:
        done = asyncio.Event()
        done_probing = asyncio.create_task(probe(hub, done))
        await asyncio.sleep(2)
        done.set()
        print(line("API, nobody logs in", await done_probing))

        done.clear()
        start = asyncio.Event()
        logins = [asyncio.create_task(log_in(hub, f"person{number:03}", start)) for number in range(people)]
        await asyncio.sleep(0.5)
        done_probing = asyncio.create_task(probe(hub, done))
        began = time.perf_counter()
        start.set()
        seconds = await asyncio.gather(*logins)
        total = time.perf_counter() - began
        done.set()
        print(line(f"{people} logins at once", seconds))
        print(line("API meanwhile", await done_probing))
        print(f"all logged in after {total:.1f} s; {people / total:.1f} logins a second")
    finally:
        await hub.stop()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=200, help="logins at once (default: %(default)s)")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} before")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        people_file = Path(folder, "people.json")
        people_file.write_text(json.dumps(world(options.people)))
        command = [sys.executable, "-m", "devcluster.github", "--port", str(port), "--people", str(people_file)]
        github = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert github.stdout is not None
            github.stdout.readline()
            asyncio.run(measure(options.people, Path(folder), f"http://127.0.0.1:{port}"))
        finally:
            github.terminate()
            github.wait()


if __name__ == "__main__":
    main()

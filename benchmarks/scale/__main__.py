"""How many people one hub carries: jhkube beside KubeSpawner with GitHubOAuthenticator, as hubs grow.

    python -m benchmarks.scale [--sizes 100 1000] [--databases sqlite] [--sides jhkube] [--parts morning]

A real hub of one process, on the real API server and etcd, with kwok in place of kubelets: it gives each pod an
address after a second, and has it ready after another. All these addresses are of this machine, and one small server
answers for all. The hub has no proxy: people and servers talk to it directly. GitHub's stand-in and a registry are
processes of their own, and so are the people. All share this machine's cores; what each took is in the results.

A morning: so many people are at work, each with a running server that reports every 300 s and asks as often whose a
browser's token is. That goes on for a minute. Then a class of others logs in, starts servers, opens them and stops
them, 32 at a time, as fast as the hub lets them, while those at work go on.

Nine o'clock: nobody is there yet, and so many people come within two minutes, log in, start, and open their server.

Each result is kept in `benchmarks/results/scale.json` as soon as it is there; a part that is measured again takes the
place of its old result.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from kubernetes_asyncio import client, config

from devcluster.standin import Control
from tests.ports import free_port
from tests.postgresql import PostgreSQL
from tests.registry.servers import RealRegistry

from ..hubs import run
from ..machine import machine, versions
from ..rows import emit, say
from .filled import Copies
from .hub import World
from .morning import Mornings
from .people import FIRST_ID, login_of
from .plane import ControlPlane
from .results import OURS, RESULTS, STOCK, rows

SIZES = (100, 1_000, 5_000, 10_000)
NINE_SIZES = (250, 500, 1_000, 2_000)
NEWCOMERS = 200
ORGANIZATIONS = 5
DATABASES = ("sqlite", "postgresql")
PARTS = ("morning", "nine")
SCOPES = {OURS: ("read:org", "user:email"), STOCK: ("read:org", "user:email")}


def people_file(people: int) -> dict[str, Any]:
    """Return so many people, all in all organizations and their teams."""
    logins = [login_of(number) for number in range(people)]
    return {
        "people": [
            {"login": login, "name": f"Person {login}", "id": FIRST_ID + number}
            for number, login in enumerate(logins)
        ],
        "organizations": [
            {
                "login": f"lab{number:02}",
                "members": [{"login": login} for login in logins],
                "teams": [{"slug": "everybody", "members": logins}],
            }
            for number in range(ORGANIZATIONS)
        ],
    }


@contextlib.asynccontextmanager
async def process(*module: str) -> AsyncIterator[tuple[int, str]]:
    """Run a module in a process of its own; give its process id and the first line that it prints."""
    started = await asyncio.create_subprocess_exec(sys.executable, "-m", *module, stdout=subprocess.PIPE)
    try:
        assert started.stdout is not None
        yield started.pid, (await started.stdout.readline()).decode().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.terminate()
        await started.wait()


@contextlib.asynccontextmanager
async def world(folder: Path, people: int) -> AsyncIterator[World]:
    """Start everything around a hub."""
    async with AsyncExitStack() as stack:
        plane = ControlPlane(folder)
        await asyncio.to_thread(plane.__enter__)
        stack.callback(plane.__exit__, None, None, None)
        people_path, port = folder / "people.json", free_port()
        people_path.write_text(json.dumps(people_file(people)))
        github = await stack.enter_async_context(
            process("devcluster.github", "--port", str(port), "--people", str(people_path))
        )
        server = await stack.enter_async_context(process("benchmarks.scale.servers"))
        accesslog = {"level": "error", "accesslog": {"disabled": False}}
        registry = RealRegistry(folder / "registry", log=accesslog)
        await registry.start()
        stack.callback(registry.stop)
        registry.seed("lab", [f"r{number}" for number in range(1, 41)])
        await config.load_kube_config(str(plane.kubeconfig("bench")))
        core = client.CoreV1Api(await stack.enter_async_context(client.ApiClient()))
        url = f"http://127.0.0.1:{port}"
        yield World(
            plane=plane,
            core=core,
            github_url=url,
            registry=registry.host,
            registry_log=folder / "registry" / "log",
            server_port=int(server[1]),
            pids={"GitHub": github[0], "servers": server[0], "people": os.getpid()},
            copies={side: Copies(Control(url), url, scopes) for side, scopes in SCOPES.items()},
        )


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """Give the address of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'jupyterhub.sqlite'}"
        return
    with PostgreSQL(is_durable=True) as server:
        yield server.url


def keep(key: str, found: dict[str, Any]) -> None:
    """Put a result into the file, in the place of an older one."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"results": {}}
    results |= {"machine": machine(), "versions": versions(), "date": time.strftime("%Y-%m-%d")}
    results["results"][key] = found | {"date": results["date"]}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


async def one(around: World, part: str, kind: str, side: str, size: int, options: argparse.Namespace) -> None:
    """Measure one hub of one side, and keep what was found."""
    key = "/".join([part, kind, side, str(size), *options.set])
    settings = dict(each.split("=", 1) for each in options.set)
    say(f"{part}, {size} people, {kind}, {side} …")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="jhkube-scale-hub-") as folder, database(kind, Path(folder)) as url:
        bench = Mornings(around, side, url, Path(folder), settings, options.profile)
        if part == "morning":
            found = await bench.work(size, options.newcomers, options.work_seconds)
        else:
            found = await bench.nine_o_clock(size, options.nine_seconds)
    say(f"{key}: {time.monotonic() - began:.0f} s")
    if not options.dry:
        keep(key, found)


async def main(options: argparse.Namespace) -> None:
    """Measure, keep what was found, and print rows."""
    mornings = sorted(options.sizes) if "morning" in options.parts else []
    nines = sorted(options.nine_sizes) if "nine" in options.parts else []
    people = max([size + options.newcomers for size in mornings] + nines)
    with tempfile.TemporaryDirectory(prefix="jhkube-scale-") as folder:
        say(f"logs are in {folder} while this runs")
        async with world(Path(folder), people) as around:
            for part, size in [("nine", size) for size in nines] + [("morning", size) for size in mornings]:
                for kind in options.databases:
                    for side in options.sides:
                        await one(around, part, kind, side, size, options)
    if not options.dry:
        for row in rows(json.loads(RESULTS.read_text())["results"]):
            emit(row)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="people at work")
    parser.add_argument("--nine-sizes", type=int, nargs="+", default=NINE_SIZES, help="people who come at nine")
    parser.add_argument("--newcomers", type=int, default=NEWCOMERS, help="the class that comes in a morning")
    parser.add_argument("--work-seconds", type=float, default=60, help="how long people work before the class comes")
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    parser.add_argument("--sides", nargs="+", choices=(STOCK, OURS), default=(STOCK, OURS))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--set", nargs="*", default=[], metavar="CLASS.TRAIT=VALUE", help="more settings of the hubs")
    parser.add_argument("--nine-seconds", type=float, default=120, help="the time within which they come")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="record the hubs by py-spy")
    parser.add_argument("--dry", action="store_true", help="keep no result and print no row")
    parser.add_argument("--quick", action="store_true", help="100 people on SQLite, and 50 at nine; keeps nothing")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.sizes, chosen.nine_sizes, chosen.newcomers, chosen.databases = (100,), (50,), 20, ("sqlite",)
        chosen.work_seconds, chosen.nine_seconds, chosen.dry = 10.0, 20.0, True
    run(main(chosen))

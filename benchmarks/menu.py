"""What a refresh of the image menu costs, beside a scan of the registry while the user waits.

Run with `python -m benchmarks.menu`, with Debian's docker-registry installed; before it stands a front that lists
tags in pages of 1,000, as most registries do. The alternative is what hubs did that ask the registry at each form:
list all pages, and ask for the manifest of each of the ten tags shown; with the same client, so that only the way
differs.

Times are of the hub's process (the registry and its front are others). "Longest block" is the longest time that one
callback kept the event loop, in processor time of its thread, Python's garbage collector apart: what that takes grows
with all that the process has in memory, and it may run at anybody's turn. Numbers are the median of the
repetitions, blocks the longest of them all.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from asyncio import events
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jhkube.images.menu import ImageMenu
from jhkube.images.registry.client import Registry
from tests.registry.servers import RealRegistry

from ._paged_registry import PAGE
from .rows import Row, Target, emit, say

SIZES = (10, 1_000, 10_000)
SCAN = "a scan at each form"
FIRST_DAY = datetime(1998, 1, 1, tzinfo=UTC)
OFFERS = [{"kinds": {"release": 3, "weekly": 4, "daily": 3}, "all_tags": True}]


@dataclass
class Cost:
    """What one piece of work took."""

    requests: int = 0
    kilobytes: float = 0.0
    milliseconds: float = 0.0
    cpu_milliseconds: float = 0.0
    block_milliseconds: float = 0.0


def tags_of(count: int) -> list[str]:
    """Return tags as LSST's builds make them: dailies, a weekly for each seven, some releases."""
    tags: list[str] = []
    day = FIRST_DAY
    while len(tags) < count:
        tags.append(f"d_{day:%Y_%m_%d}")
        if day.weekday() == 0:
            year, week, _ = day.isocalendar()
            tags.append(f"w_{year}_{week:02}")
        if day.day == 1 and day.month % 3 == 0:
            tags.append(f"r{day.year - 1990}_{day.month // 3}_0")
        day += timedelta(days=1)
    return tags[:count]


@contextmanager
def loop_watch(cost: Cost) -> Iterator[None]:
    """Note the longest callback, by timing each one that the event loop runs."""
    gc.collect()
    run = events.Handle._run
    collected = began = 0.0
    started = time.thread_time()

    def collecting(phase: str, info: dict[str, int]) -> None:
        nonlocal collected, began
        if phase == "start":
            began = time.thread_time()
        else:
            collected += time.thread_time() - began

    def note() -> None:
        used = time.thread_time() - started - collected
        cost.block_milliseconds = max(cost.block_milliseconds, used * 1e3)

    def timed(handle: events.Handle) -> Any:
        nonlocal collected, started
        collected, started = 0.0, time.thread_time()
        try:
            return run(handle)
        finally:
            if events.Handle._run is timed:
                note()

    gc.callbacks.append(collecting)
    events.Handle._run = timed  # type: ignore[method-assign]
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        cost.milliseconds = (time.perf_counter() - wall) * 1e3
        cost.cpu_milliseconds = (time.process_time() - cpu) * 1e3
        note()
        events.Handle._run = run  # type: ignore[method-assign]
        gc.callbacks.remove(collecting)


async def refresh(menu: ImageMenu) -> Cost:
    """Refresh once."""
    cost = Cost()
    requests, received = sum(menu.requests.values()), menu.bytes_received
    with loop_watch(cost):
        await menu.refresh()
    if menu.current.errors:
        raise RuntimeError(menu.current.errors)
    cost.requests = sum(menu.requests.values()) - requests
    cost.kilobytes = (menu.bytes_received - received) / 1e3
    return cost


async def scan(host: str, repository: str) -> Cost:
    """List all tags and ask for the manifest of each one shown, while somebody waits."""
    cost = Cost()
    async with Registry(f"http://{host}") as registry:
        with loop_watch(cost):
            listed = await registry.tags(repository)
            for tag in sorted(listed, reverse=True)[:10]:
                await registry.digest(repository, tag)
        cost.requests, cost.kilobytes = sum(registry.requests.values()), registry.bytes_received / 1e3
    return cost


async def measure(registry: RealRegistry, host: str, count: int, repetition: int, cache: Path) -> dict[str, Cost]:
    """Return what each piece of work took for so many tags."""
    repository = f"lab/of{count}"
    if repetition == 0:
        registry.seed(repository, tags_of(count))
    settings: dict[str, Any] = {
        "repositories": [f"{host}/{repository}"],
        "insecure_registries": [host],
        "offers": OFFERS,
        "cache_file": str(cache / f"{count}-{repetition}.json"),
        "describe_images": False,
    }
    menu = ImageMenu(**settings)
    costs = {"first refresh": await refresh(menu), "nothing changed": await refresh(menu)}
    new = [f"w_{2100 + repetition}_{week:02}" for week in range(1, 11)]
    registry.seed(repository, new)
    costs["ten new tags"] = await refresh(menu)
    costs["offer"] = Cost()
    with loop_watch(costs["offer"]):
        menu.offer_for(["astronomy"]).find("w_2000_01")
    await menu.stop()
    costs["disk"] = Cost()
    with loop_watch(costs["disk"]):
        ImageMenu(**settings)
    costs["scan"] = await scan(host, repository)
    for tag in new:
        registry.untag(repository, tag)
    return costs


def summary(costs: list[Cost]) -> Cost:
    """Return one cost of several repetitions'."""
    result = Cost(max(cost.requests for cost in costs))
    for name in ("kilobytes", "milliseconds", "cpu_milliseconds"):
        setattr(result, name, statistics.median(getattr(cost, name) for cost in costs))
    result.block_milliseconds = max(cost.block_milliseconds for cost in costs)
    return result


def rows(count: int, costs: dict[str, Cost]) -> Iterator[Row]:
    """Yield the table's rows for so many tags."""
    old = costs["scan"]
    pages = Target(at_most=-(-count // PAGE), sizes=(10_000,))
    for work in ("first refresh", "nothing changed", "ten new tags"):
        new = costs[work]
        target = pages if work == "nothing changed" else None
        for measure, unit, ours, theirs, aim in (
            ("requests", "", new.requests, old.requests, target),
            ("received", "kB", new.kilobytes, old.kilobytes, None),
            ("processor", "ms", new.cpu_milliseconds, old.cpu_milliseconds, None),
            ("longest block of the loop", "ms", new.block_milliseconds, old.block_milliseconds, None),
        ):
            yield Row(f"Menu refresh, {work}", SCAN, measure, count, "tags", unit, ours, theirs, aim)
    offer = costs["offer"]
    yield Row("Menu, while a user waits", SCAN, "requests", count, "tags", "", offer.requests, old.requests)
    yield Row("Menu, while a user waits", SCAN, "time", count, "tags", "ms", offer.milliseconds, old.milliseconds)
    disk = costs["disk"]
    yield Row(
        "Menu, while a user waits", SCAN, "a hub reads it from disk, once", count, "tags", "ms", disk.milliseconds
    )


async def main(sizes: list[int], repetitions: int) -> None:
    """Measure, and print rows."""
    with tempfile.TemporaryDirectory() as directory:
        registry = await RealRegistry(Path(directory) / "registry").start()
        command = [sys.executable, "-m", "benchmarks._paged_registry", registry.host]
        front = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        try:
            assert front.stdout is not None
            host = (await front.stdout.readline()).decode().strip()
            for count in sizes:
                runs = [
                    await measure(registry, host, count, repetition, Path(directory))
                    for repetition in range(repetitions)
                ]
                for row in rows(count, {work: summary([run[work] for run in runs]) for work in runs[0]}):
                    emit(row)
                say(f"{count} tags")
        finally:
            front.terminate()
            await front.wait()
            registry.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--quick", action="store_true", help="one repetition instead of five")
    given = parser.parse_args()
    asyncio.run(main(list(given.sizes), 1 if given.quick else 5))

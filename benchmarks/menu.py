"""What a refresh of the image menu costs, beside a scan of the registry while the user waits.

Run with `python -m benchmarks.menu [--tags 10,1000,10000] [--json]`, with Debian's docker-registry installed. Its
registry lists all tags in one page; a registry with pages of 1,000 has ten for 10,000 tags.

For each number of tags: the first refresh, one with nothing changed, one with ten new tags; and what a form costs
its user. Times are of the hub's process (the registry is one of its own). "block" is the longest time that one
callback kept the event loop, on the clock and in the processor time of the loop's thread: on a machine that does
other things besides, the latter is the number to look at. Python's garbage collector is counted apart, since what
it takes grows with all that the process has in memory and it may run at anybody's turn: "GC" is its longest run. It
has run once before each measurement, as in a hub that has been up for a while. Numbers are the median of
the repetitions, blocks the longest of them all.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from asyncio import events
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jhkube.options_form.menu import ImageMenu
from jhkube.options_form.registry import Registry
from tests.registry.servers import RealRegistry

FIRST_DAY = datetime(1998, 1, 1, tzinfo=UTC)
OFFERS = [{"kinds": {"release": 3, "weekly": 4, "daily": 3}, "all_tags": True}]


@dataclass
class Row:
    """One measurement."""

    tags: int
    what: str
    requests: int = 0
    kilobytes: float = 0.0
    milliseconds: float = 0.0
    cpu_milliseconds: float = 0.0
    block_milliseconds: float = 0.0
    block_cpu_milliseconds: float = 0.0
    collector_milliseconds: float = 0.0


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
def loop_watch(row: Row) -> Iterator[None]:
    """Note the longest callback, by timing each one that the event loop runs."""
    gc.collect()
    run = events.Handle._run
    collected = began = 0.0
    started, started_cpu = time.perf_counter(), time.thread_time()

    def collecting(phase: str, info: dict[str, int]) -> None:
        nonlocal collected, began
        if phase == "start":
            began = time.perf_counter()
        else:
            took = time.perf_counter() - began
            collected += took
            row.collector_milliseconds = max(row.collector_milliseconds, took * 1e3)

    def note() -> None:
        row.block_milliseconds = max(row.block_milliseconds, (time.perf_counter() - started - collected) * 1e3)
        used = time.thread_time() - started_cpu - collected
        row.block_cpu_milliseconds = max(row.block_cpu_milliseconds, used * 1e3)

    def timed(handle: events.Handle) -> Any:
        nonlocal collected, started, started_cpu
        collected, started, started_cpu = 0.0, time.perf_counter(), time.thread_time()
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
        row.milliseconds = (time.perf_counter() - wall) * 1e3
        row.cpu_milliseconds = (time.process_time() - cpu) * 1e3
        note()
        events.Handle._run = run  # type: ignore[method-assign]
        gc.callbacks.remove(collecting)


async def refresh(menu: ImageMenu, tags: int, what: str) -> Row:
    row = Row(tags, what)
    requests, received = sum(menu.requests.values()), menu.bytes_received
    with loop_watch(row):
        await menu.refresh()
    assert menu.current.errors == (), menu.current.errors
    row.requests = sum(menu.requests.values()) - requests
    row.kilobytes = (menu.bytes_received - received) / 1e3
    return row


async def scan(host: str, repository: str, tags: int) -> Row:
    """List all tags and ask for the manifest of each one shown, while somebody waits."""
    row = Row(tags, "scan while the user waits")
    async with Registry(host) as registry:
        with loop_watch(row):
            listed = await registry.tags(repository)
            shown = sorted(listed, reverse=True)[:10]
            for tag in shown:
                await registry.digest(repository, tag)
        row.requests, row.kilobytes = sum(registry.requests.values()), registry.bytes_received / 1e3
    return row


async def measure(registry: RealRegistry, count: int, repetition: int, cache: Path) -> list[Row]:
    repository = f"lab/of{count}"
    tags = tags_of(count)
    if repetition == 0:
        registry.seed(repository, tags)
    settings: dict[str, Any] = {
        "repositories": [f"{registry.host}/{repository}"],
        "offers": OFFERS,
        "cache_file": str(cache / f"{count}-{repetition}.json"),
        "describe_images": False,
    }
    menu = ImageMenu(**settings)
    rows = [await refresh(menu, count, "first refresh"), await refresh(menu, count, "nothing changed")]
    new = [f"w_{2100 + repetition}_{week:02}" for week in range(1, 11)]
    registry.seed(repository, new)
    rows.append(await refresh(menu, count, "ten new tags"))
    row = Row(count, "a user's offer, just refreshed")
    with loop_watch(row):
        menu.offer_for(["astronomy"]).find("w_2000_01")
    rows.append(row)
    row = Row(count, "a user's offer")
    with loop_watch(row):
        menu.offer_for(["astronomy"]).find("w_2000_01")
    rows.append(row)
    await menu.stop()
    row = Row(count, "a hub starts with the menu on disk")
    with loop_watch(row):
        ImageMenu(**settings)
    rows.append(row)
    rows.append(await scan(registry.host, repository, count))
    for tag in new:
        registry.untag(repository, tag)
    return rows


def summary(rows: list[Row]) -> Row:
    result = Row(rows[0].tags, rows[0].what, rows[0].requests)
    for name in ("kilobytes", "milliseconds", "cpu_milliseconds"):
        setattr(result, name, statistics.median(getattr(row, name) for row in rows))
    for name in ("block_milliseconds", "block_cpu_milliseconds", "collector_milliseconds"):
        setattr(result, name, max(getattr(row, name) for row in rows))
    return result


async def main(counts: list[int], repetitions: int, as_json: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        registry = await RealRegistry(Path(directory) / "registry").start()
        try:
            results = []
            for count in counts:
                runs = [
                    await measure(registry, count, repetition, Path(directory)) for repetition in range(repetitions)
                ]
                results += [summary(list(rows)) for rows in zip(*runs, strict=True)]
        finally:
            registry.stop()
    if as_json:
        json.dump([asdict(row) for row in results], sys.stdout, indent=1)
        return
    print(f"{'tags':>6}  {'':<35} {'requests':>8} {'kB':>7} {'ms':>8} {'CPU':>8} {'block':>9} {'CPU':>6} {'GC':>6}")
    for row in results:
        print(
            f"{row.tags:>6}  {row.what:<35} {row.requests:>8} {row.kilobytes:>7.1f} {row.milliseconds:>8.1f} "
            f"{row.cpu_milliseconds:>8.1f} {row.block_milliseconds:>9.1f} "
            f"{row.block_cpu_milliseconds:>6.1f} {row.collector_milliseconds:>6.1f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tags", default="10,1000,10000", help="numbers of tags, with commas")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    asyncio.run(main([int(count) for count in given.tags.split(",")], given.repetitions, given.json))

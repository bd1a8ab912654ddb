"""Parse and sort tags: microseconds a tag, beside `packaging.version` on as many versions.

Run as `python -m benchmarks.tags`. Each number is processor time, the median of several runs, ours and the
reference's by turns, so that what else the machine does counts for neither. The reference parses and sorts plain
versions: no kinds, dates, display names or architectures.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import random
import statistics
import time
from collections.abc import Callable

from packaging.version import Version

from jhkube.images.tags import parse_tag, sort_tags

from .rows import Row, Target, emit

SIZES = (10, 1_000, 10_000)
TARGET = Target(at_most=10.0, sizes=(10_000,))


def lsst_tags(count: int) -> list[str]:
    """Return tags as years of a Rubin Science Platform leave them: dailies, weeklies, releases, trials."""
    tags = [
        "recommended",
        "latest",
        "latest_weekly",
        "latest_daily",
        "latest_release",
        "recommended_c0045.003",
    ]
    day = datetime.date(2026, 11, 20)
    while len(tags) < count:
        tags.append(f"d_{day:%Y_%m_%d}")
        if day.day % 3 == 0:
            tags.append(f"d_{day:%Y_%m_%d}-amd64")
            tags.append(f"d_{day:%Y_%m_%d}-arm64")
        if day.weekday() == 3:
            year, week, _ = day.isocalendar()
            tags += [f"w_{year}_{week:02d}", f"w_{year}_{week:02d}_c0045.{day.day:03d}"]
            tags.append(f"exp_w_{year}_{week:02d}_nosudo")
        if day.day == 1:
            release = f"r{(day.year - 1950) * 2 + day.month // 7}_0_{day.month % 6}"
            tags += [release, f"{release}_rsp{day.month}", f"{release}_rc1", f"{release}_rc2_rsp{day.month}"]
        day -= datetime.timedelta(days=1)
    return tags[:count]


def mixed_tags(count: int) -> list[str]:
    """Return tags of every shipped scheme in equal parts, and as many that no scheme knows."""
    tags: list[str] = []
    number = 0
    day = datetime.date(2026, 11, 20)
    while len(tags) < count:
        number += 1
        day -= datetime.timedelta(days=1)
        hexadecimal = f"{number * 2654435761 % 2**48:012x}"
        tags += [
            f"w_{day:%G_%V}",
            f"{day:%Y-%m-%d}",
            f"x86_64-{day:%Y-%m-%d}",
            f"{number % 40}.{number % 13}.{number}",
            f"v{number % 40}.{number % 13}.{number}-rc.{number % 7}",
            f"python-3.{number % 14}.{number}",
            f"sha-{hexadecimal[:7]}",
            hexadecimal,
            f"feature-branch_{number}",
            f"pr-{number}-arm64",
        ]
    return tags[:count]


def versions(count: int) -> list[str]:
    """Return versions that `packaging` can read, of about the same shape."""
    return [f"{n % 40}.{n % 13}.{n}" + (f"rc{n % 7}" if n % 3 == 0 else "") for n in range(count)]


def microseconds(work: Callable[[], object], count: int) -> float:
    """Return the processor time that one of `count` pieces of the work took, in microseconds."""
    times = max(10_000 // count, 1)
    gc.collect()
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) * 1e6 / count / times


def parse_and_sort(texts: list[str]) -> object:
    """Do what a menu does with the tags of a repository."""
    return sort_tags(map(parse_tag, texts))


def main() -> None:
    """Measure, and print rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--quick", action="store_true", help="three runs instead of nine")
    options = parser.parse_args()
    for count in options.sizes:
        lsst, mixed, plain = lsst_tags(count), mixed_tags(count), versions(count)
        for texts in (lsst, mixed, plain):
            random.Random(46).shuffle(texts)
        work: dict[str, Callable[[], object]] = {
            "lsst": lambda texts=lsst: parse_and_sort(texts),
            "mixed": lambda texts=mixed: parse_and_sort(texts),
            "reference": lambda texts=plain: sorted(map(Version, texts), reverse=True),
        }
        measured: dict[str, list[float]] = {name: [] for name in work}
        for run in work.values():
            run()
        for _ in range(3 if options.quick else 9):
            for name, run in work.items():
                measured[name].append(microseconds(run, count))
        median = {name: statistics.median(times) for name, times in measured.items()}
        for name, measure in {"lsst": "LSST's tags, a tag", "mixed": "tags of all schemes, a tag"}.items():
            emit(
                Row(
                    group="Parse and sort tags",
                    beside="packaging.version",
                    measure=measure,
                    size=count,
                    of="tags",
                    unit="µs",
                    jhkube=median[name],
                    other=median["reference"],
                    target=TARGET,
                )
            )


if __name__ == "__main__":
    main()

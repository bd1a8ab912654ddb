"""Parse and sort 10,000 tags: microseconds a tag, beside `packaging.version` on as many versions.

Run as `python benchmarks/tags.py`. Each number is processor time, the median of several runs, ours and
the reference's by turns, so that what else the machine does counts for neither; the exit status is 1 where
a median is over the limit.

The reference parses and sorts plain versions: no kinds, dates, display names or architectures.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import random
import statistics
import sys
import time
from collections.abc import Callable

from packaging.version import Version

from jhkube.options_form.tags import ImageTag, parse_tag, sort_tags

LIMIT_US = 10.0
"""The most that a tag may take, in microseconds."""


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
    gc.collect()
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e6 / count


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, and say whether the limit held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="how many tags (default 10000)")
    parser.add_argument("--runs", type=int, default=9, help="how many runs the median is of (default 9)")
    options = parser.parse_args(arguments)
    count = options.count

    def parse_and_sort(texts: list[str]) -> list[ImageTag]:
        return sort_tags(map(parse_tag, texts))

    lsst, mixed, plain = lsst_tags(count), mixed_tags(count), versions(count)
    for texts in (lsst, mixed, plain):
        random.Random(46).shuffle(texts)
    parsed = list(map(parse_tag, lsst))
    work: dict[str, Callable[[], object]] = {
        "LSST tags, parse and sort": lambda: parse_and_sort(lsst),
        "mixed tags, parse and sort": lambda: parse_and_sort(mixed),
        "LSST tags, sort alone": lambda: sort_tags(parsed),
        "packaging.version, parse and sort": lambda: sorted(map(Version, plain), reverse=True),
    }
    measured: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(options.runs):
        for name, run in work.items():
            measured[name].append(microseconds(run, count))

    print(f"{count} tags, median of {options.runs} runs (fastest – slowest), µs a tag; limit {LIMIT_US:g}")
    for name, times in measured.items():
        print(f"  {name:34} {statistics.median(times):6.2f}  ({min(times):.2f} – {max(times):.2f})")
    within = all(
        statistics.median(measured[name]) <= LIMIT_US for name in work if name.endswith("tags, parse and sort")
    )
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())

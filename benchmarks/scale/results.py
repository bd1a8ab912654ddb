"""The results of mornings as rows of a table: jhkube's beside the other side's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..rows import Row

__all__ = ["OURS", "RESULTS", "STOCK", "as_run", "rows"]

STOCK, OURS = "KubeSpawner", "jhkube"
RESULTS = Path(__file__).parents[1] / "results" / "scale.json"

MORNING = (
    ("start", "the hub's start", "s", 1),
    ("login_rate", "logins a second", "", 1),
    ("spawn_rate", "starts a second", "", 1),
    ("open_rate", "servers opened a second", "", 1),
    ("stop_rate", "stops a second", "", 1),
    ("login_p95", "a login, p95", "s", 1),
    ("spawn_overhead_p95", "a start but for its pod, p95", "s", 1),
    ("work_busy", "the hub, for those at work", "% of a core", 100),
    ("work_api_p95", "the hub's API while people work, p95", "ms", 1000),
    ("login_api_p95", "the hub's API during logins, p95", "ms", 1000),
    ("spawn_api_p95", "the hub's API during starts, p95", "ms", 1000),
    ("work_block", "longest block, while people work", "ms", 1000),
    ("login_block", "longest block, during logins", "ms", 1000),
    ("spawn_block", "longest block, during starts", "ms", 1000),
    ("login_processor", "processor of the hub, a login", "ms", 1000),
    ("spawn_processor", "processor of the hub, a start", "ms", 1000),
    ("login_queries", "queries, a login", "", 1),
    ("spawn_queries", "queries, a start", "", 1),
    ("login_commits", "commits, a login", "", 1),
    ("spawn_commits", "commits, a start", "", 1),
    ("login_commit_seconds", "in which the loop waits for commits, a login", "ms", 1000),
    ("spawn_commit_seconds", "in which the loop waits for commits, a start", "ms", 1000),
    ("login_github", "requests to GitHub, a login", "", 1),
    ("spawn_github", "requests to GitHub, a start", "", 1),
    ("work_github", "requests to GitHub, a report of one at work", "", 1),
    ("spawn_kubernetes", "requests to the API server, a start", "", 1),
    ("spawn_registry", "requests to the registry, a start", "", 1),
    ("memory", "memory", "MiB", 1),
    ("database", "database", "MiB", 1),
    ("failed", "newcomers who got an error", "", 1),
)
"""A result's name, its words, its unit and a factor."""

NINE = (
    ("nine_seconds", "until the last server is open", "s", 1),
    ("nine_rate", "people a second", "", 1),
    ("nine_login_p95", "a login, p95", "s", 1),
    ("nine_overhead_p95", "a start but for its pod, p95", "s", 1),
    ("nine_busy", "the hub", "% of a core", 100),
    ("nine_processor", "processor of the hub, a person", "ms", 1000),
    ("nine_api_p95", "the hub's API meanwhile, p95", "ms", 1000),
    ("nine_block", "longest block", "ms", 1000),
    ("nine_queries", "queries, a person", "", 1),
    ("nine_commit_seconds", "in which the loop waits for commits, a person", "ms", 1000),
    ("memory", "memory", "MiB", 1),
    ("failed", "people who got an error", "", 1),
)

TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def rows(results: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """Yield rows for the sizes of which there are results of both sides.

    Parameters
    ----------
    results
        By part, database, side and size: `morning/sqlite/jhkube/1000`; and by settings after that, which are not
        of this table.
    """
    keys = [key.split("/") for key in results if key.count("/") == 3]
    for part, title, of, measures in (
        ("morning", "One hub", "at work", MORNING),
        ("nine", "Nine o'clock", "come in two minutes", NINE),
    ):
        for database, name in TITLES.items():
            sizes = sorted(int(key[3]) for key in keys if key[:3] == [part, database, OURS])
            for size in sizes:
                ours = results[f"{part}/{database}/{OURS}/{size}"]
                stock = results.get(f"{part}/{database}/{STOCK}/{size}")
                if stock is None:
                    continue
                for key, words, unit, factor in measures:
                    values = factor * ours[key], factor * stock[key]
                    yield Row(f"{title}, {name}", STOCK, words, size, of, unit, *values)


def as_run(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return the file of results as a run, of which tables are made."""
    of = {key: kept[key] for key in ("date", "machine", "versions")}
    return {**of, "failed": {}, "rows": [row.to_dict() for row in rows(kept["results"])]}

"""`python -m benchmarks`: run the benchmarks, show their table, and put it into the documentation."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from . import report
from .machine import machine, versions
from .rows import Row
from .runner import BENCHMARKS, ONLY_BY_NAME, run_all
from .scale.results import RESULTS as SCALE
from .scale.results import as_run

ROOT = Path(__file__).parents[1]
LATEST = ROOT / "benchmarks" / "results" / "latest.json"
"""The last whole run: what the README and the documentation show."""

TRIED = ROOT / ".run" / "benchmarks"
"""Where runs of a part, or quick ones, leave what they found."""

PLOTS = ROOT / "docs" / "benchmarks"
DOCUMENTS = {ROOT / "README.md": LATEST, ROOT / "docs" / "benchmarks.md": LATEST, ROOT / "docs" / "one-hub.md": SCALE}
"""Which results a document shows."""


def main() -> int:
    """Do what the command line says; the exit status is 1 where a benchmark failed, whatever its numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="measure, and print the table")
    run.add_argument("names", nargs="*", metavar="BENCHMARK", help=f"{', '.join(BENCHMARKS)}; all by default")
    run.add_argument("--keep", action="store_true", help="put a part that is run again into the last whole run")
    run.add_argument("--quick", action="store_true", help="small sizes and few rounds: to try whether it runs")
    show = verbs.add_parser("table", help="print the table of a run")
    show.add_argument("file", nargs="?", type=Path, default=LATEST)
    verbs.add_parser("readme", help="put the last whole run into the README and the docs, and draw the plots")
    options = parser.parse_args()
    match options.verb:
        case "run":
            unknown = set(options.names) - set(BENCHMARKS) - {each.partition("-")[0] for each in BENCHMARKS}
            if unknown:
                parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
            if options.keep and not fits(json.loads(LATEST.read_text())):
                parser.error("the last whole run was on another machine or with other versions: run all of it")
            return measure(options.names, options.quick, options.keep and not options.quick)
        case "table":
            print(report.aligned(report.markdown(json.loads(options.file.read_text()))))
        case "readme":
            publish()
    return 0


def fits(run: dict[str, Any]) -> bool:
    """Whether what is measured now may stand beside a run's numbers."""
    same = {"load_before": None}
    return [run["machine"] | same, run["versions"]] == [machine() | same, versions()]


def with_part(run: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Return a whole run with the numbers of a part that was run again, in the place of its own."""
    again = {row["group"] for row in part["rows"]}
    rows = [row for row in run["rows"] if row["group"] not in again]
    place = next((index for index, row in enumerate(run["rows"]) if row["group"] in again), len(rows))
    failed = {name: why for name, why in run["failed"].items() if name in BENCHMARKS and name not in part["seconds"]}
    return {
        **run,
        "date": part["date"],
        "seconds": {**run["seconds"], **part["seconds"]},
        "failed": {**failed, **part["failed"]},
        "rows": rows[:place] + part["rows"] + rows[place:],
    }


def measure(names: list[str], quick: bool, keep: bool) -> int:
    """Run benchmarks, keep what they found, and print it."""
    chosen = [name for name in BENCHMARKS if {name, name.partition("-")[0]} & set(names)]
    chosen = chosen or [name for name in BENCHMARKS if name not in ONLY_BY_NAME]
    whole = not names and not quick
    began = time.monotonic()
    result: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": versions(),
        "seconds": {},
        "failed": {},
        "rows": [],
    }
    path = LATEST if whole else TRIED / "latest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for outcome in run_all(chosen, quick):
        result["rows"] += [row.to_dict() for row in outcome.rows]
        result["seconds"][outcome.name] = round(outcome.seconds)
        if outcome.failure:
            result["failed"][outcome.name] = outcome.failure
        # What was found is kept even if the next benchmark takes the machine down.
        path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    if keep and not whole:
        path = LATEST
        result = with_part(json.loads(path.read_text()), result)
        path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(f"\n{report.aligned(report.markdown(result))}")
    print(f"{time.monotonic() - began:.0f} s in all; every number is in {path.relative_to(ROOT)}")
    if path == LATEST:
        print("`python -m benchmarks readme` puts this run into the README and the documentation.")
    return 1 if result["failed"] else 0


def publish() -> None:
    """Put the tables and the plots of what was last measured into the documents, and draw the plots."""
    from .plots import draw

    for document, path in DOCUMENTS.items():
        document.write_text(published(document.read_text(), kept(path)))
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    for group, series in (plotted(kept(LATEST)) | plotted(kept(SCALE))).items():
        draw(series, PLOTS / f"{picture(group)}.svg")


def kept(path: Path) -> dict[str, Any]:
    """Return the run in a file of results."""
    results: dict[str, Any] = json.loads(path.read_text())
    return as_run(results) if path == SCALE else results


def published(text: str, run: dict[str, Any]) -> str:
    """Return a document with what it shows of a run: a table, a summary, plots.

    Raises
    ------
    ValueError
        Where a document has a marker without its end, or twice, or none at all.
    """
    shown = [f"![{group}](benchmarks/{picture(group)}.svg)" for group in plotted(run)]
    blocks = {"table": report.markdown(run), "summary": report.summary(run), "plots": "\n\n".join(shown)}
    wanted = [name for name in blocks if f"<!-- benchmarks: {name} -->" in text]
    if not wanted:
        raise ValueError("there should be a marker for a table, a summary or plots")
    for name in wanted:
        text = report.with_block(text, name, blocks[name])
    return text


def plotted(run: dict[str, Any]) -> dict[str, list[report.Series]]:
    """Return what grows, by group: what was measured at three sizes or more."""
    groups: dict[str, list[report.Series]] = {}
    for series in report.series_of(Row.from_dict(row) for row in run["rows"]):
        if len(series.rows) > 2:
            groups.setdefault(series.rows[0].group, []).append(series)
    return groups


def picture(group: str) -> str:
    """Return the file name of a group's picture.

    >>> picture("Spawn, start of 20 s")
    'spawn-start-of-20-s'
    """
    return "-".join("".join(each if each.isalnum() else " " for each in group.lower()).split())


if __name__ == "__main__":
    sys.exit(main())

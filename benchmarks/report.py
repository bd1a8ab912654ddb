"""The tables of a run: the whole one for the terminal and the documentation, and six rows of it for the README."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .growth import growth
from .rows import Row, Target

__all__ = ["FELT", "Felt", "Series", "headline", "markdown", "series_of", "summary", "with_block"]

HEAD = ("", "jhkube", "baseline", "ratio", "growth", "target")


@dataclass(frozen=True)
class Felt:
    """A number that people feel: a row of the README."""

    words: str
    """What the row is called in the README."""

    group: str
    """The row's heading in the whole table."""

    measure: str
    """The row's name in the whole table."""

    size: int
    """The size that is shown."""


FELT = (
    Felt("**Form** with 10,000 tags: render it", "A form, from memory", "render, first after a refresh", 10_000),
    Felt(
        "**Start to lab**: from the click until JupyterLab is ready",
        "Spawn, JupyterLab",
        "request → ready, median",
        1,
    ),
    Felt(
        "**Ready detection**: from a lab's first answer until the hub knows, 16 starts at once, p95",
        "Spawn, JupyterLab",
        "first answer → ready, p95",
        16,
    ),
    Felt(
        "**Large hub**, 5,000 pods: the longest time for which the hub answers nobody",
        "A large hub",
        "longest block of the loop, on the wall",
        5_000,
    ),
    Felt("**Login** with GitHub, 20 people at once, median", "Login with GitHub", "a login, median", 20),
    Felt(
        "**Image**: from the container's start until the server answers",
        "Start of the lab image's server",
        "to the first answer, median",
        1,
    ),
)
"""The rows of the README, in their order."""


@dataclass(frozen=True)
class Series:
    """One measure at all its sizes, smallest first: a line of the table, a line of a plot."""

    rows: tuple[Row, ...]

    @property
    def sizes(self) -> list[int]:
        """The sizes."""
        return [row.size for row in self.rows]

    @property
    def jhkube(self) -> list[float]:
        """Jhkube's values."""
        return [row.jhkube for row in self.rows]

    @property
    def other(self) -> list[float] | None:
        """The alternative's values; None where there is none."""
        values = [row.other for row in self.rows if row.other is not None]
        return values if len(values) == len(self.rows) else None


def series_of(rows: Iterable[Row]) -> list[Series]:
    """Return the rows as series, in the order in which each was first met, those of one group together."""
    found: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        found.setdefault(row.group, {}).setdefault(row.measure, []).append(row)
    return [
        Series(tuple(sorted(group, key=lambda row: row.size)))
        for measures in found.values()
        for group in measures.values()
    ]


def headline(run: dict[str, Any]) -> str:
    """Return the sentence that says when and on what it was measured."""
    machine = run["machine"]
    return (
        f"{run['date']}, {machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, "
        f"{machine['system']}; Python {machine['python']}, "
        + ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    )


def markdown(run: dict[str, Any]) -> str:
    """Return the whole table of a run, with what it is of above it and what failed below it."""
    rows = [Row.from_dict(row) for row in run["rows"]]
    lines = [f"Measured {headline(run)}. A cell has one number for each of the sizes in the heading above it.", ""]
    lines += ["| " + " | ".join(HEAD) + " |", "|---|--:|--:|--:|---|---|"]
    heading = ""
    for series in series_of(rows):
        row = series.rows[0]
        sizes = " · ".join(f"{size:,}" for size in series.sizes)
        baseline = f"; baseline: {row.beside}" if row.beside else ""
        title = f"**{row.group}**, {sizes} {row.of}{baseline}"
        if title != heading:
            heading = title
            lines.append(f"| {title} |" + " |" * (len(HEAD) - 1))
        lines.append("| " + " | ".join(cells(series)) + " |")
    for name, reason in run["failed"].items():
        lines += ["", f"**{name} failed**: {reason}"]
    return "\n".join(lines)


def summary(run: dict[str, Any]) -> str:
    """Return the README's table: one line for each of `FELT`, with what it is compared with.

    A row that the run does not have, since its benchmark failed, says so.
    """
    rows = {(row.group, row.measure, row.size): row for row in map(Row.from_dict, run["rows"])}
    lines = [f"Measured {headline(run)}.", "", "|  | jhkube | baseline | the baseline is |", "|---|--:|--:|---|"]
    for felt in FELT:
        row = rows.get((felt.group, felt.measure, felt.size))
        if row is None:
            lines.append(f"| {felt.words} | not measured |  |  |")
            continue
        unit = f" {row.unit}" if row.unit else ""
        other = "" if row.other is None else f"{number(row.other)}{unit}"
        lines.append(f"| {felt.words} | {number(row.jhkube)}{unit} | {other} | {row.beside} |")
    return "\n".join(lines)


def cells(series: Series) -> list[str]:
    """Return the cells of a series' line."""
    unit = f" {series.rows[0].unit}" if series.rows[0].unit else ""
    grows = ""
    if len(series.rows) > 2:
        grows = growth(series.sizes, series.jhkube)
        if series.other is not None:
            grows += f"; baseline: {growth(series.sizes, series.other)}"
    return [
        series.rows[0].measure,
        " · ".join(map(number, series.jhkube)) + unit,
        " · ".join("–" if row.other is None else number(row.other) for row in series.rows) + unit
        if any(row.other is not None for row in series.rows)
        else "",
        " · ".join("–" if row.ratio is None else number(row.ratio) for row in series.rows)
        if any(row.ratio is not None for row in series.rows)
        else "",
        grows,
        target_cell(series),
    ]


def target_cell(series: Series) -> str:
    """Return what was aimed at, and whether it is met."""
    verdicts = {row.size: row.is_met for row in series.rows if row.is_met is not None}
    target = next((row.target for row in series.rows if row.is_met is not None), None)
    if target is None:
        return ""
    missed = [f"{size:,}" for size, is_met in verdicts.items() if not is_met]
    verdict = "met"
    if missed:
        verdict = "**not met**" if len(missed) == len(verdicts) else f"**not met at {', '.join(missed)}**"
    return f"{wording(target, series.rows[0].unit)}: {verdict}"


def wording(target: Target, unit: str) -> str:
    """Return a target in words."""
    parts = []
    if target.at_most is not None:
        parts.append(f"≤ {target.at_most:,g}{f' {unit}' if unit else ''}")
    if target.ratio is not None:
        parts.append(f"≤ {target.ratio:g} × baseline")
    if target.more is not None:
        parts.append(f"≤ {target.more:g} more" if target.more else "no more")
    where = f" at {', '.join(f'{size:,}' for size in target.sizes)}" if target.sizes else ""
    return ", ".join(parts) + where


def number(value: float) -> str:
    """Return a number with as many digits as say something.

    >>> number(0.01234), number(1.234), number(1234.5), number(2.0)
    ('0.012', '1.23', '1,234', '2')
    """
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    text = f"{value:.{digits}f}"
    return f"{value:.1g}" if float(text) == 0 else text


def aligned(table: str) -> str:
    """Return a Markdown table with its columns under each other, for a terminal."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    is_heading = [len(line) > 1 and not any(line[1:]) for line in lines]
    widths = [
        max(
            (len(line[i]) for line, skip in zip(lines, is_heading, strict=True) if not skip and i < len(line)),
            default=0,
        )
        for i in range(len(HEAD))
    ]
    shown = []
    for line, heading in zip(lines, is_heading, strict=True):
        if set("".join(line)) <= set("-:"):
            shown.append("  ".join("-" * width for width in widths))
        elif heading:
            shown.append(line[0].replace("**", ""))
        else:
            first, *rest = (cell.replace("**", "") for cell in line)
            padded = [first.ljust(widths[0])]
            padded += [
                cell.rjust(width) if i < 3 else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(rest, widths[1:], strict=True))
            ]
            shown.append("  ".join(padded).rstrip())
    others = [line for line in table.splitlines() if line[:1] != "|" and line]
    return "\n".join([*others[:1], "", *shown, "", *others[1:]])


def with_block(text: str, name: str, block: str) -> str:
    """Return a document with a block between its markers.

    Parameters
    ----------
    text
        The document, with `<!-- benchmarks: NAME -->` and `<!-- benchmarks: end of NAME -->` in it, once each.
    name
        The block's.

    Raises
    ------
    ValueError
        Where the document has not exactly one pair of markers.
    """
    begin, end = f"<!-- benchmarks: {name} -->", f"<!-- benchmarks: end of {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"there should be one {begin} and one {end}")
    return re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{block}\n{end}", text, count=1, flags=re.DOTALL)

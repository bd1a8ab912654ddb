"""The plots of a run: how each cost grows with the size, jhkube's beside the alternative's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from .growth import growth
from .report import Series, number

__all__ = ["draw"]

COLUMNS = 3
OURS, OTHERS = "#1f5fbf", "#c4651a"


def draw(series: Sequence[Series], path: Path) -> None:
    """Write one picture with a small plot for each measure, as SVG; the same rows give the same file."""
    mpl.rcParams |= {"svg.hashsalt": "jhkube", "svg.fonttype": "none", "font.size": 8}
    rows = math.ceil(len(series) / COLUMNS)
    figure = Figure(figsize=(3.1 * COLUMNS, 2.3 * rows + 0.3), layout="constrained")
    for index, each in enumerate(series):
        first = each.rows[0]
        axes = figure.add_subplot(rows, COLUMNS, index + 1)
        lowest = max(each.jhkube + (each.other or [])) / 1000 or 1.0
        lines = [("jhkube", each.jhkube, OURS, "o")]
        if each.other is not None:
            lines.append((first.beside, each.other, OTHERS, "s"))
        for name, values, colour, mark in lines:
            label = f"{name}: {growth(each.sizes, values)}"
            shown = [max(value, lowest) for value in values]
            axes.plot(each.sizes, shown, color=colour, marker=mark, markersize=4, linewidth=1.4, label=label)
        axes.set(xscale="log", yscale="log", xlabel=first.of)
        axes.set_title(f"{first.measure}{f', {first.unit}' if first.unit else ''}", fontsize=8)
        axes.xaxis.set_major_locator(FixedLocator(each.sizes))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        low, high = axes.get_ylim()
        if high / low < 10:
            # Less than a decade apart would look like a cliff.
            middle = math.sqrt(low * high)
            axes.set_ylim(middle / 4, middle * 4)
        axes.yaxis.set_minor_locator(NullLocator())
        axes.grid(True, color="#dddddd", linewidth=0.6)
        axes.legend(fontsize=6.5, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None})

"""A measurement as a value: what a benchmark prints, one line of JSON each, and what the table is made of."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Row", "Target", "emit", "quantile", "say"]


@dataclass(frozen=True, slots=True)
class Target:
    """What was aimed at; whatever is None does not count."""

    at_most: float | None = None
    """The most that jhkube's value may be, in the row's unit."""

    ratio: float | None = None
    """The most that jhkube's value may be, as a part of the other's."""

    more: float | None = None
    """By how much jhkube's value may be above the other's, in the row's unit."""

    sizes: tuple[int, ...] = ()
    """The sizes for which it counts; empty for all."""

    def is_met(self, jhkube: float, other: float | None) -> bool:
        """Say whether a value meets all of it; the last digit that the table shows is let off."""
        most = [math.inf] if self.at_most is None else [self.at_most]
        if other is not None:
            most += [] if self.ratio is None else [other * self.ratio]
            most += [] if self.more is None else [other + self.more]
        return jhkube <= min(most) + 1e-9


@dataclass(frozen=True, slots=True)
class Row:
    """One value of jhkube's, beside that of the alternative."""

    group: str
    """What was done: the heading in the table."""

    beside: str
    """The alternative: `KubeSpawner`."""

    measure: str
    """What was measured."""

    size: int
    """Of how many."""

    of: str
    """What there are so many of: `at once`, `pods`, `tags`."""

    unit: str
    """`s`, `ms`, `MiB`, …; empty for a count."""

    jhkube: float
    other: float | None = None
    target: Target | None = None

    @property
    def ratio(self) -> float | None:
        """Jhkube's value as a part of the other's, if there is such a part."""
        return self.jhkube / self.other if self.other else None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where there is none for this size."""
        if self.target is None or (self.target.sizes and self.size not in self.target.sizes):
            return None
        return self.target.is_met(self.jhkube, self.other)

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Row:
        """Return the row that `to_dict` wrote."""
        target = data.get("target")
        if target is not None:
            target = Target(**{**target, "sizes": tuple(target["sizes"])})
        return cls(**{**data, "target": target})


def emit(row: Row) -> None:
    """Print a row for whoever runs the benchmark."""
    print(json.dumps(row.to_dict(), ensure_ascii=False), flush=True)


def say(text: str) -> None:
    """Tell how far the benchmark is."""
    print(f"  {text}", file=sys.stderr, flush=True)


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value below which this part of the values is, between two of them in proportion.

    >>> quantile([1.0, 2.0, 3.0], 0.5)
    2.0
    """
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[round(part * 100) - 1]

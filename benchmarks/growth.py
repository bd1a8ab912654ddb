"""How a cost grows with the size, told from a few measurements: the exponent of a fitted power."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["exponent", "growth"]

CONSTANT, BELOW_LINEAR, LINEAR = 0.15, 0.8, 1.2
"""Up to which exponent a growth is called so; the measurements' own scatter is about 0.1."""


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the exponent e of the power `size ** e` that fits best (least squares of the logarithms).

    A value of zero, which has no logarithm, counts as a thousandth of the largest.

    >>> round(exponent([10, 100, 1000], [2, 20, 200]), 2)
    1.0
    """
    top = max(values)
    if top <= 0 or len(set(sizes)) < 2:
        return 0.0
    xs = [math.log(size) for size in sizes]
    ys = [math.log(value if value > 0 else top / 1000) for value in values]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum((x - mean_x) ** 2 for x in xs)


def growth(sizes: Sequence[float], values: Sequence[float]) -> str:
    """Return the growth in a word: `constant`, `below linear`, `linear` or `worse`.

    It is that of the larger half of the sizes: a fixed cost hides at small sizes what comes at larger ones.

    Parameters
    ----------
    sizes
        In rising order.

    Examples
    --------
    >>> growth([10, 100, 1000], [5, 5.2, 4.9])
    'constant'
    >>> growth([10, 1000, 10000], [100, 110, 1000])
    'linear'
    """
    half = (len(sizes) - 1) // 2
    power = exponent(sizes[half:], values[half:])
    if power <= CONSTANT:
        return "constant"
    if power <= BELOW_LINEAR:
        return "below linear"
    return "linear" if power <= LINEAR else "worse"

"""Kubernetes' and JupyterHub's ways to write an amount, as numbers, and numbers as people read them; pure."""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = ["cores_text", "memory_text", "parse_cores", "parse_memory", "parse_quantity"]

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkKMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,3}))?\Z")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def parse_quantity(text: str | int | float) -> Decimal:
    """Return the number of a Kubernetes quantity, in its base unit.

    See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.

    >>> parse_quantity("1500m"), parse_quantity("2Gi")
    (Decimal('1.500'), Decimal('2147483648'))
    """
    match = _QUANTITY.match(str(text).strip())
    if not match:
        raise ValueError(f"{text!r} is not an amount such as 2, 500m or 4Gi")
    number, suffix, exponent = match.groups()
    if exponent:
        return Decimal(number).scaleb(int(exponent))
    if suffix in _BINARY:
        return Decimal(number) * Decimal(1024) ** _BINARY[suffix]
    return Decimal(number).scaleb(_DECIMAL[suffix]) if suffix else Decimal(number)


def parse_cores(text: str | int | float) -> float:
    """Return a number of cores: `0.5`, `"500m"`, `2`."""
    return float(parse_quantity(text))


def parse_memory(text: str | int | float) -> int:
    """Return a number of bytes, by JupyterHub's way of writing where that differs from Kubernetes'.

    JupyterHub's `mem_limit` means 1024³ bytes by `G`, as does `Gi` in both.

    >>> parse_memory("4G") == parse_memory("4Gi") == 4 * 1024**3
    True
    """
    if isinstance(text, str) and text and text[-1] in "KMGT":
        text += "i"
    return int(parse_quantity(text))


def cores_text(cores: float) -> str:
    """Return a number of cores as one reads it: `1 core`, `0.5 cores`."""
    return f"{cores:g} core{'' if cores == 1 else 's'}"


def memory_text(memory: float) -> str:
    """Return bytes as one reads them: `512 MiB`, `1.5 GiB`."""
    for unit, size in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2)):
        if memory >= size:
            return f"{round(memory / size, 2):g} {unit}"
    return f"{int(memory)} bytes"

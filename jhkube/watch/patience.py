"""How long each thing that may pass by itself is waited for, before a start counts as failed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["FOREVER", "Patience", "parse_patience"]

FOREVER = math.inf
"""Patience without end: only the hub's own `start_timeout` ends such a wait."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each state that may pass by itself is waited for, in seconds."""

    unschedulable: float = 60.0
    """No node has room. A cluster autoscaler decides within 30 s on small clusters and 60 s on large ones
    (the service level its FAQ states), and says so by an event, which then counts as `scale_up`."""

    scale_up: float = FOREVER
    """A node is being added."""

    pull: float = 45.0
    """A registry that does not answer, or asks to slow down."""

    crash_loop: float = 0.0
    """A server that has crashed twice, and that kubelet starts again in growing intervals."""

    volume: float = 90.0
    """A volume that cannot be mounted: servers of files restart."""

    detach: float = 180.0
    """A disk that is still attached elsewhere: that takes a cloud minutes."""

    missing: float = 15.0
    """A Secret, ConfigMap or claim that is not there, as the hub itself makes some of them after the pod; or an init
    container that fails and is tried again."""

    node: float = 60.0
    """A node that does not answer, or cannot set up a pod's network."""


def parse_patience(config: Mapping[str, Any]) -> Patience:
    """Return the patience of a configured mapping: seconds by field of `Patience`, None for no end.

    >>> parse_patience({"unschedulable": 300, "pull": None}).pull
    inf

    Raises
    ------
    ValueError
        Where a key or a number is none; the message says which.
    """
    known = [field.name for field in fields(Patience)]
    if unknown := sorted(map(str, config.keys() - set(known))):
        raise ValueError(f"unknown {', '.join(unknown)}; there are {', '.join(known)}")
    return Patience(**{name: _seconds(name, value) for name, value in config.items()})


def _seconds(name: str, value: Any) -> float:
    if value is None:
        return FOREVER
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError(f"{name} should be a number of seconds from 0 on, or None for no end, not {value!r}")
    return float(value)

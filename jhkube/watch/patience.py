"""How long each thing that may pass by itself is waited for, before a start counts as failed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, Strict, model_validator

from jhkube.operator_models import OperatorModel, read_model
from jhkube.operator_types import Wanted

__all__ = ["FOREVER", "Patience", "parse_patience"]

FOREVER = math.inf
"""Patience without end: only the hub's own `start_timeout` ends such a wait."""


Span = Annotated[float, Strict(), Field(ge=0), Wanted("a number of seconds from 0 on, or None for no end")]


class Patience(OperatorModel):
    """How long each state that may pass by itself is waited for, in seconds."""

    unschedulable: Span = 60.0
    """No node has room. A cluster autoscaler decides within 30 s on small clusters and 60 s on large ones
    (the service level its FAQ states), and says so by an event, which then counts as `scale_up`."""

    scale_up: Span = FOREVER
    """A node is being added."""

    pull: Span = 45.0
    """A registry that does not answer, or asks to slow down."""

    crash_loop: Span = 0.0
    """A server that has crashed twice, and that kubelet starts again in growing intervals."""

    volume: Span = 90.0
    """A volume that cannot be mounted: servers of files restart."""

    detach: Span = 180.0
    """A disk that is still attached elsewhere: that takes a cloud minutes."""

    missing: Span = 15.0
    """A Secret, ConfigMap or claim that is not there, as the hub itself makes some of them after the pod; or an init
    container that fails and is tried again."""

    node: Span = 60.0
    """A node that does not answer, or cannot set up a pod's network."""

    @model_validator(mode="before")
    @classmethod
    def _no_end(cls, data: Any) -> Any:
        """Take None for no end, before the base takes it for not given."""
        if not isinstance(data, Mapping):
            return data
        return {name: FOREVER if seconds is None else seconds for name, seconds in data.items()}


def parse_patience(config: Any) -> Patience:
    """Return the patience of a configured mapping: seconds by field of `Patience`, None for no end.

    >>> parse_patience({"unschedulable": 300, "pull": None}).pull
    inf

    Raises
    ------
    ConfigError
        Where a key is not known or a number malformed; the message says which.
    """
    return read_model(Patience, "start_patience", config)

"""The phases of a start, timed as the watch sees them end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from jhkube.metrics import START_PHASE_SECONDS
from jhkube.watch._containers import MAIN_CONTAINER, MAIN_FIELD

__all__ = ["PHASES", "PhaseTimes", "phase_of"]

PHASES: Final = ("created", "scheduled", "pulled", "started", "ready")
"""What ends each phase: the pod is made, has a node, has its image, its server's program runs, and answers."""


def phase_of(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> str:
    """Return the last phase that a pod has behind it, `ready` excepted; pure."""
    for status in pod["status"].get("containerStatuses") or ():
        if status["name"] == MAIN_CONTAINER and "running" in (status.get("state") or {}):
            return "started"
    if any(e.get("reason") == "Pulled" and e["involvedObject"].get("fieldPath") == MAIN_FIELD for e in events):
        return "pulled"
    return "scheduled" if pod["spec"].get("nodeName") else "created"


class PhaseTimes:
    """Notes when the phases of one start end; as a text, how long each took in seconds.

    Parameters
    ----------
    clock
        The time in seconds; monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._spent: dict[str, float] = {}

    def __str__(self) -> str:
        phases = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in self._spent.items())
        return f"{sum(self._spent.values()):.1f} s ({phases})"

    @property
    def spent(self) -> Mapping[str, float]:
        """How long each phase took that is behind the start, in seconds, in the order of `PHASES`."""
        return dict(self._spent)

    def reached(self, phase: str) -> None:
        """Note that a phase has ended, and with it those before; nothing where that is known.

        What comes at once took no time, as far as the watch can tell: a phase that was passed over counts as 0 s.
        """
        for each in PHASES[len(self._spent) : PHASES.index(phase) + 1]:
            now = self._clock()
            self._spent[each] = now - self._since
            START_PHASE_SECONDS.labels(each).observe(self._spent[each])
            self._since = now

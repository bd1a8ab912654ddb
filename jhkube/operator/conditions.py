"""Conditions and phases of a custom resource, as the Kubernetes API conventions have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

__all__ = ["LONGEST_MESSAGE", "START_FAILED", "Outcome", "Phase", "conditions_of", "since"]

START_FAILED: Final = "StartFailed"
"""The reason of a start that failed, where the cluster has no word for it."""


LONGEST_MESSAGE: Final = 4096
"""Characters of a message: a status has it four times, and the API server keeps no large objects."""


class Phase(StrEnum):
    """What a resource is doing, in a word for `kubectl get`."""

    PENDING = "Pending"
    RUNNING = "Running"
    RESTARTING = "Restarting"
    STOPPED = "Stopped"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a resource stands after it was looked at."""

    phase: Phase
    reason: str
    """One word, as Kubernetes has them: `ImagePullBackOff`."""

    message: str
    """A sentence for people: what happens, or what happened and what to do; cut where it is endless."""

    def __post_init__(self) -> None:
        if len(self.message) > LONGEST_MESSAGE:
            object.__setattr__(self, "message", f"{self.message[: LONGEST_MESSAGE - 1]}…")


_READY = {Phase.RUNNING}
_PROGRESSING = {Phase.PENDING, Phase.RESTARTING}


def conditions_of(
    outcome: Outcome, previous: Sequence[Mapping[str, Any]], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """Return the conditions Ready, Progressing and Failed.

    Parameters
    ----------
    outcome
        How the resource stands.
    previous
        The conditions that it has: one that stays what it is keeps its time.
    generation
        The generation of the resource that was looked at.
    now
        The time.
    """
    had = {str(each.get("type")): each for each in previous}
    states = {
        "Ready": outcome.phase in _READY,
        "Progressing": outcome.phase in _PROGRESSING,
        "Failed": outcome.phase is Phase.FAILED,
    }
    return [_condition(kind, is_so, outcome, had.get(kind, {}), generation, now) for kind, is_so in states.items()]


def since(previous: Sequence[Mapping[str, Any]], reason: str) -> datetime | None:
    """Return since when the resource has been progressing for this reason; None where it has not."""
    for each in previous:
        if each.get("type") == "Progressing" and each.get("status") == "True" and each.get("reason") == reason:
            try:
                return datetime.fromisoformat(str(each["lastTransitionTime"]))
            except (KeyError, ValueError):
                return None
    return None


def _condition(
    kind: str, is_so: bool, outcome: Outcome, had: Mapping[str, Any], generation: int, now: datetime
) -> dict[str, Any]:
    status = "True" if is_so else "False"
    # A new reason begins anew: how long it has lasted decides whether it counts as a failure.
    stays = had.get("status") == status and (not is_so or had.get("reason") == outcome.reason)
    return {
        "type": kind,
        "status": status,
        "reason": outcome.reason,
        "message": outcome.message,
        "observedGeneration": generation,
        "lastTransitionTime": had["lastTransitionTime"]
        if stays and had.get("lastTransitionTime")
        else now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }

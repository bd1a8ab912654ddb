"""How a JupyterServer stands, and what is to be done for it: from its resource and what the hub says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from jhkube.operator.conditions import START_FAILED, Outcome, Phase, conditions_of
from jhkube.operator.server_spec import AskedServer
from jhkube.service.hub_answers import HubServer
from jhkube.service.server_views import group_server_view

__all__ = ["SLOW", "Action", "Memory", "Step", "next_step", "server_status"]

SLOW: Final = 30.0
"""Seconds until a server is looked at again at which nothing is about to change."""

SOON: Final = 1.0
LONGEST_LOOK: Final = 10.0

STABLE: Final = 600.0
"""Seconds for which a server has to run so that earlier starts count no more."""

FIRST_PAUSE: Final = 30.0
"""Seconds between the first start that failed and the second; each pause is twice as long as the one before."""

MOST_STARTS: Final = 5
"""How often a server is started that fails, or ends on its own, again and again."""

RUNNING: Final = Outcome(Phase.RUNNING, "Running", "The server runs.")
STOPPED: Final = Outcome(Phase.STOPPED, "Stopped", "The server is stopped, as its resource asks (running: false).")
STOPPED_AT_HUB: Final = Outcome(
    Phase.STOPPED,
    "StoppedAtHub",
    "The server was stopped at the hub, by its person or because nobody used it. It starts when its person starts it,"
    " or when this resource is changed.",
)
STOPPING: Final = Outcome(Phase.PENDING, "Stopping", "The server is stopping.")
CHANGED: Final = Outcome(
    Phase.RESTARTING, "SpecChanged", "The server restarts, because the options of its resource were changed."
)
STARTING: Final = Outcome(Phase.PENDING, "Starting", "The server is starting.")
IDLE: Final = "Idle"
NOT_STARTED: Final = "The server did not start, and the hub does not know why. Look at the hub's log."


_UNKNOWN: Final = {"state": "stopped", "message": "", "failure": None, "started": None}


class Action(StrEnum):
    """What is asked of the hub."""

    NONE = "none"
    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Step:
    """What is done for a server now."""

    action: Action
    outcome: Outcome
    """How it then stands."""

    wait: float
    """In how many seconds to look again."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the status of a resource tells of earlier looks, by whichever operator."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    generation: int = 0
    """The generation that was looked at."""

    account: str = ""
    """When the account of the person was made: a name that comes back has another one."""

    options: str = ""
    """The hash of the options of the last start; empty where nothing was started for the resource."""

    is_made: bool = False
    """Whether the named server was made for the resource."""

    attempts: int = 0
    """How often the server was started, since it last ran for a while or the resource was changed."""

    last_start: datetime | None = None
    failed_since: datetime | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Memory:
        """Return what a resource remembers, as the API's JSON has it."""
        status = body.get("status") or {}
        conditions = {each.get("type"): each for each in status.get("conditions") or ()}
        failed = conditions.get("Failed", {})
        return cls(
            phase=str(status.get("phase", "")),
            reason=str(failed.get("reason", "")),
            message=str(status.get("message", "")),
            generation=int(status.get("observedGeneration", 0)),
            account=str(status.get("account", "")),
            options=str(status.get("optionsHash", "")),
            is_made=bool(status.get("made")),
            attempts=int(status.get("attempts", 0)),
            last_start=_time(status.get("lastStart")),
            failed_since=_time(failed.get("lastTransitionTime")) if failed.get("status") == "True" else None,
        )

    def is_of(self, asked: AskedServer, generation: int) -> bool:
        """Return whether what is asked for now was started already."""
        return (self.generation, self.options) == (generation, asked.options_hash)

    def started(self, asked: AskedServer, generation: int, now: datetime, *, is_made: bool) -> Memory:
        """Return what is to be remembered of a start that is about to be asked for."""
        attempts = self.attempts + 1 if self.is_of(asked, generation) else 1
        return replace(
            self, options=asked.options_hash, attempts=attempts, last_start=now, is_made=self.is_made or is_made
        )

    def running(self, asked: AskedServer, server: HubServer, now: datetime) -> Memory:
        """Return what is to be remembered of a server that runs."""
        began = _time(server.started)
        is_stable = began is not None and (now - began).total_seconds() > STABLE
        return replace(self, options=self.options or asked.options_hash, attempts=0 if is_stable else self.attempts)


def next_step(asked: AskedServer, memory: Memory, generation: int, server: HubServer | None, now: datetime) -> Step:
    """Return what to do for a server, and how it then stands.

    Parameters
    ----------
    asked
        What the resource asks for.
    memory
        What its status remembers.
    generation
        The resource's generation.
    server
        What the hub says of the server; None where it knows none of this name.
    now
        The time.
    """
    view: Mapping[str, Any] = group_server_view(server) if server else _UNKNOWN
    state = view["state"]
    if not asked.running:
        return _down(state)
    if server is None or state in ("stopped", "failed"):
        return _again(asked, memory, view, now) if memory.is_of(asked, generation) else _start(memory)
    if state == "running":
        return _up(asked, memory, server, now)
    return Step(Action.NONE, _on_its_way(memory, view), _look(memory, now))


def server_status(
    outcome: Outcome,
    body: Mapping[str, Any],
    memory: Memory,
    now: datetime,
    server: HubServer | None = None,
    public_url: str = "",
) -> dict[str, Any]:
    """Return the resource's status as it should be.

    Parameters
    ----------
    outcome
        How the server stands.
    body
        The resource, as the API's JSON.
    memory
        What is to be remembered.
    now
        The time.
    server
        What the hub says of the server; None where it does not know it.
    public_url
        The hub's address as people open it, without a slash at the end; empty where it is not known.
    """
    had = body.get("status") or {}
    generation = int(body["metadata"].get("generation", 0))
    view: Mapping[str, Any] = group_server_view(server) if server else _UNKNOWN
    found = {
        "url": f"{public_url}{server.url}" if server and view["state"] == "running" else "",
        "started": view["started"],
        "account": memory.account,
        "optionsHash": memory.options,
        "made": memory.is_made,
        "attempts": memory.attempts,
        "lastStart": _text(memory.last_start) if memory.last_start else "",
    }
    return {
        "phase": outcome.phase.value,
        "message": outcome.message,
        "state": view["state"],
        "observedGeneration": generation,
        "conditions": conditions_of(outcome, had.get("conditions") or (), generation, now),
        **{name: value for name, value in found.items() if value},
    }


def _down(state: str) -> Step:
    if state in ("running", "starting"):
        return Step(Action.STOP, STOPPING, SOON)
    if state == "stopping":
        return Step(Action.NONE, STOPPING, SOON)
    return Step(Action.NONE, STOPPED, SLOW)


def _up(asked: AskedServer, memory: Memory, server: HubServer, now: datetime) -> Step:
    """Return what to do for a server that runs: one that was not started for the resource is left as it is."""
    if memory.options and memory.options != asked.options_hash:
        return Step(Action.STOP, CHANGED, SOON)
    wait = SLOW
    used = [time for time in (_time(server.last_activity), _time(server.started)) if time]
    if asked.idle_seconds and used:
        left = asked.idle_seconds - (now - max(used)).total_seconds()
        if left <= 0:
            return Step(Action.STOP, _idle(Phase.PENDING, asked), SOON)
        wait = min(wait, left + 0.5)
    return Step(Action.NONE, RUNNING, wait)


def _again(asked: AskedServer, memory: Memory, view: Mapping[str, Any], now: datetime) -> Step:
    """Return what to do for a server that is down, although what is asked for was started already."""
    failure = view["failure"]
    if memory.phase == Phase.STOPPED.value:
        return Step(Action.NONE, Outcome(Phase.STOPPED, memory.reason, memory.message), SLOW)
    if memory.reason == IDLE:
        return Step(Action.NONE, _idle(Phase.STOPPED, asked), SLOW)
    if failure is None and (memory.phase == Phase.RUNNING.value or memory.reason == STOPPED_AT_HUB.reason):
        return Step(Action.NONE, STOPPED_AT_HUB, SLOW)
    has_failed = memory.phase == Phase.FAILED.value and memory.reason == START_FAILED
    if memory.attempts == 0 or (failure is None and memory.attempts == 1 and not has_failed):
        # It ended on its own after it ran for a while, or the hub has forgotten a start because it was started again.
        return _start(memory)
    # What the hub has said when the start failed may be all that there is.
    message = failure["message"] if failure else memory.message if has_failed else NOT_STARTED
    failed = Outcome(Phase.FAILED, (failure["reason"] if failure else "") or START_FAILED, message)
    if memory.attempts >= MOST_STARTS:
        return Step(Action.NONE, failed, SLOW)
    began = memory.failed_since or now
    left = FIRST_PAUSE * 2.0 ** (memory.attempts - 1) - (now - began).total_seconds()
    return Step(Action.NONE, failed, min(left + 0.1, SLOW)) if left > 0 else _start(memory)


def _start(memory: Memory) -> Step:
    return Step(Action.START, CHANGED if memory.phase == Phase.RESTARTING.value else STARTING, SOON)


def _on_its_way(memory: Memory, view: Mapping[str, Any]) -> Outcome:
    """Return how a server stands that starts or stops, and why, where that was told already."""
    if memory.phase == Phase.RESTARTING.value:
        return CHANGED
    if view["state"] == "starting":
        return Outcome(Phase.PENDING, "Starting", view["message"])
    if memory.phase == Phase.PENDING.value and memory.reason in (IDLE, STOPPED_AT_HUB.reason):
        return Outcome(Phase.PENDING, memory.reason, memory.message)
    if memory.phase == Phase.RUNNING.value:
        return Outcome(Phase.PENDING, STOPPED_AT_HUB.reason, STOPPING.message)
    return STOPPING


def _look(memory: Memory, now: datetime) -> float:
    """Return in how many seconds to look at a server that is on its way: less and less often."""
    if memory.last_start is None:
        return SOON
    return min(LONGEST_LOOK, max(SOON, (now - memory.last_start).total_seconds() / 5))


def _idle(phase: Phase, asked: AskedServer) -> Outcome:
    time = _words(asked.idle_seconds or 0)
    if phase is Phase.PENDING:
        return Outcome(phase, IDLE, f"Nobody has used the server for {time}, so it is being stopped.")
    return Outcome(
        phase,
        IDLE,
        f"Nobody has used the server for {time}, so it was stopped. It starts when its person starts it, or when this"
        " resource is changed.",
    )


def _words(seconds: int) -> str:
    """Return a time for people: `90 minutes`."""
    for unit, size in (("hour", 3600), ("minute", 60)):
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} seconds"


def _time(text: str | None) -> datetime | None:
    """Return a time as the hub or the API server writes it; None for anything else."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

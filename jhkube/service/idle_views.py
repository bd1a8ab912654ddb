"""What the service says of servers that are about to stop or to be removed because nobody uses them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from jhkube.deployment.idle import IdleTimes
from jhkube.service.hub_answers import HubServer

__all__ = ["idle_warnings"]


def idle_warnings(server: HubServer, view: Mapping[str, Any], idle: IdleTimes | None, now: datetime) -> list[str]:
    """Return what the person should know about an idle server's end, as sentences.

    Parameters
    ----------
    server
        What the hub says.
    view
        The server by the schema `Server`.
    idle
        When idle servers stop; None where none do.
    now
        The time.
    """
    if view["state"] == "running" and idle is not None:
        return _of_a_stop(view, idle, now)
    if view["state"] in ("stopped", "failed") and server.removed_at:
        return [_of_a_removal(server)]
    return []


def _of_a_stop(view: Mapping[str, Any], idle: IdleTimes, now: datetime) -> list[str]:
    said = []
    started = _time(view["started"])
    seen = _time(view["last_activity"]) or started
    if seen and idle.is_near(stop := idle.idle_stop(view["size"], seen), now):
        said.append(f"Your server stops {_in(stop, now)} because nobody uses it. Open it to keep it running.")
    if started and idle.max_age and idle.is_near(stop := started + timedelta(seconds=idle.max_age), now):
        said.append(
            f"Your server stops {_in(stop, now)} because it has run for the longest time allowed. Save your work."
        )
    return said


def _of_a_removal(server: HubServer) -> str:
    why = " It may have unsaved work, so it is kept for longer." if server.is_kept_longer else ""
    day = server.removed_at[:16].replace("T", " ")
    return f"Nobody uses this server. It is removed, with its disk, on {day} UTC. Start it to keep it.{why}"


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _in(then: datetime, now: datetime) -> str:
    minutes = math.ceil((then - now).total_seconds() / 60)
    return f"in about {minutes} minutes" if minutes > 1 else "in a minute"

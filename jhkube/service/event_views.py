"""What the API says of the cluster's events: in plain words, and raw without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from jhkube.watch.failure import redacted
from jhkube.watch.progress import sentence_of

__all__ = ["event_views"]

_CONTAINER = re.compile(r"\{([^}]+)\}")


def event_views(events: Iterable[Mapping[str, Any]], uid: str) -> list[dict[str, Any]]:
    """Return the events of a pod by the schema `Event`, oldest first.

    Parameters
    ----------
    events
        As the API's JSON.
    uid
        The pod's: one of the same name that was there before had another.
    """
    mine = [each for each in events if uid and (each.get("involvedObject") or {}).get("uid") == uid]
    mine.sort(key=lambda each: _time(each) or "")
    return [_view(each) for each in mine]


def _view(event: Mapping[str, Any]) -> dict[str, Any]:
    container = _CONTAINER.search(event["involvedObject"].get("fieldPath") or "")
    message = redacted(event.get("message") or "")
    _, sentence = sentence_of(event)
    if not sentence and event.get("type") == "Warning":
        sentence = f"{event.get('reason') or 'Warning'}: {message}"
    return {
        "time": _time(event),
        "sentence": sentence,
        "type": event.get("type") or "Normal",
        "reason": event.get("reason") or "",
        "message": message,
        "container": container[1] if container else "",
        "count": max(int(event.get("count") or 1), 0),
    }


def _time(event: Mapping[str, Any]) -> str | None:
    series = event.get("series") or {}
    found: str | None = event.get("lastTimestamp") or series.get("lastObservedTime") or event.get("eventTime")
    return str(found or event.get("firstTimestamp") or event["metadata"].get("creationTimestamp") or "") or None

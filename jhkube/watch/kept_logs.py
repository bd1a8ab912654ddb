"""The end of the log of a server that failed, kept for an hour: its pod is deleted, and the log goes with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kubernetes_asyncio.client import ApiException

from jhkube.watch.containers import MAIN_CONTAINER

__all__ = ["KEPT_FOR", "KEPT_LOGS", "LONGEST", "KeptLog", "KeptLogs", "failed_container", "has_ended", "log_end"]

KEPT_FOR: Final = 3600.0
"""Seconds for which a log is kept."""

LONGEST: Final = 65_536
"""How many bytes of a log are kept."""

MOST: Final = 16 * 1_048_576
"""How many bytes all of them may have; the oldest go first."""

READ_IN: Final = 10.0
"""Seconds that the API server has for a log: so much longer may a stop take."""

LINES: Final = 1000
"""How many of the last lines are asked for."""


@dataclass(frozen=True, slots=True)
class KeptLog:
    """What is left of a server that failed."""

    container: str
    """Whose log it is."""

    content: bytes = field(repr=False)
    """Its end."""

    is_truncated: bool
    """Whether there was more of it."""

    ended: float
    """When the server had failed, in seconds since 1970."""

    is_start: bool
    """Whether it failed while it started; else it ended by itself later."""

    subject: str
    """Whose it is: the provider's immutable id that the pod said; empty where it said none."""

    uid: str
    """The pod's uid."""


class KeptLogs:
    """The logs by the hub's number of a person and the name of a server.

    A hub forgets the spawner of a named server when it has stopped, so they are not kept there.

    Parameters
    ----------
    clock
        The time in seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._logs: dict[tuple[int, str], KeptLog] = {}

    def keep(self, user: int, server: str, log: KeptLog) -> None:
        """Keep a log in the place of an earlier one of the same server."""
        self.forget(user, server)
        self._logs[user, server] = log
        size = sum(len(each.content) for each in self._logs.values())
        for key, each in list(self._logs.items()):
            if size <= MOST and not self._is_old(each):
                break
            size -= len(each.content)
            del self._logs[key]

    def find(self, user: int, server: str) -> KeptLog | None:
        """Return the log of a server; None where there is none, or no longer."""
        found = self._logs.get((user, server))
        if found is not None and self._is_old(found):
            self.forget(user, server)
            return None
        return found

    def forget(self, user: int, server: str) -> None:
        """Keep the log of a server no longer."""
        self._logs.pop((user, server), None)

    def _is_old(self, log: KeptLog) -> bool:
        return self._clock() - log.ended > KEPT_FOR


KEPT_LOGS: Final = KeptLogs()
"""Those of all servers of the hub."""


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Say whether the server of a pod has ended by itself."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Failed", "Succeeded"):
        return True
    return any(
        each["name"] == MAIN_CONTAINER and "terminated" in (each.get("state") or {})
        for each in status.get("containerStatuses") or ()
    )


def failed_container(pod: Mapping[str, Any]) -> str:
    """Return the container of a pod whose log says most of why it failed; empty where none of them has run.

    The server's own container comes before others, and those that prepare the server count where no other has run.
    """
    status = pod.get("status") or {}
    main = sorted(status.get("containerStatuses") or (), key=lambda each: str(each["name"]) != MAIN_CONTAINER)
    for statuses in (main, status.get("initContainerStatuses") or ()):
        ran = [each for each in statuses if _has_run(each)]
        if ran:
            return str(next(filter(_has_failed, ran), ran[0])["name"])
    return ""


def _has_run(status: Mapping[str, Any]) -> bool:
    return "running" in (status.get("state") or {}) or bool(_ends(status))


def _has_failed(status: Mapping[str, Any]) -> bool:
    return any(each.get("exitCode") for each in _ends(status))


def _ends(status: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    states = (status.get(name) or {} for name in ("state", "lastState"))
    return [each["terminated"] for each in states if each.get("terminated")]


async def log_end(api: Any, pod: Mapping[str, Any], container: str) -> tuple[bytes, bool]:
    """Return the end of a container's log, and whether there was more of it.

    Raises
    ------
    ApiException
        Where the API server refuses.
    TimeoutError
        Where it has not sent all within `READ_IN` seconds.
    """
    metadata, kept, total = pod["metadata"], bytearray(), 0
    async with asyncio.timeout(READ_IN):
        response = await api.read_namespaced_pod_log(
            metadata["name"], metadata["namespace"], container=container, tail_lines=LINES, _preload_content=False
        )
        async with response:
            if response.status >= 300:
                raise ApiException(status=response.status, reason=response.reason)
            async for part in response.content.iter_any():
                total += len(part)
                kept += part
                del kept[:-LONGEST]
    return bytes(kept), total > len(kept)

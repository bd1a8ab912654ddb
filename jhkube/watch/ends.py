"""Why a server that ran has ended on its own, remembered until its next start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jhkube.watch.containers import MAIN_CONTAINER
from jhkube.watch.failure import Failure
from jhkube.watch.failures import pod_failure

__all__ = ["ENDS", "Ends", "end_of"]

REMEMBERED: Final = 2000
"""How many ends are kept; the oldest is forgotten first."""

OUT_OF_MEMORY: Final = (
    "Your server used more memory than its size allows and was ended. Start it with a larger size; your files are"
    " still there."
)


def end_of(pod: Mapping[str, Any]) -> Failure | None:
    """Return why a pod that ran has ended; None where it ended as servers do, or says nothing.

    Parameters
    ----------
    pod
        The pod as last seen, as the API's JSON.
    """
    status = pod.get("status") or {}
    for each in status.get("containerStatuses") or ():
        ended = (each.get("state") or {}).get("terminated") or {}
        if each.get("name") == MAIN_CONTAINER and ended.get("reason") == "OOMKilled":
            return Failure(
                "OOMKilled", OUT_OF_MEMORY, f"container {MAIN_CONTAINER}: exit code {ended.get('exitCode')}"
            )
    # A reason of the pod as a whole: evicted, its node lost.
    return pod_failure(pod) if status.get("phase") == "Failed" and status.get("reason") else None


class Ends:
    """The last end of each server, by the hub's number of its person and by its name.

    A hub forgets the spawner of a named server when it has stopped, so this is not kept there.
    """

    def __init__(self) -> None:
        self._ends: dict[tuple[int, str], Failure] = {}

    def note(self, user: int, server: str, end: Failure) -> None:
        """Remember an end."""
        self._ends.pop((user, server), None)
        self._ends[user, server] = end
        if len(self._ends) > REMEMBERED:
            del self._ends[next(iter(self._ends))]

    def forget(self, user: int, server: str) -> None:
        """Forget the end of a server that is started again."""
        self._ends.pop((user, server), None)

    def get(self, user: int, server: str) -> Failure | None:
        """Return the end of a server; None where it did not end on its own."""
        return self._ends.get((user, server))


ENDS: Final = Ends()
"""What this hub has seen since it started."""

"""Why a server that ran has ended on its own, remembered until its next start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jhkube.identity import GUEST_SUBJECT, made_for
from jhkube.watch.containers import MAIN_CONTAINER
from jhkube.watch.failure import Failure
from jhkube.watch.failures import pod_failure

__all__ = ["ENDS", "OUT_OF_MEMORY", "Ends", "end_of", "lacked_memory"]

REMEMBERED: Final = 2000
"""How many ends are kept; the oldest is forgotten first."""

OUT_OF_MEMORY: Final = "OOMKilled"
"""Kubernetes' own word for it."""

MEMORY_SENTENCE: Final = (
    "Your server used more memory than its size allows and was ended. Start it with a larger size; your files are"
    " still there."
)

GUESTS_MEMORY_SENTENCE: Final = (
    "Your server used more memory than its size allows and was ended. Files of guests are not kept. Start it with a"
    " larger size."
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
        if each.get("name") == MAIN_CONTAINER and ended.get("reason") == OUT_OF_MEMORY:
            said = f"container {MAIN_CONTAINER}: exit code {ended.get('exitCode')}"
            is_guest = made_for(pod).startswith(GUEST_SUBJECT)
            return Failure(OUT_OF_MEMORY, GUESTS_MEMORY_SENTENCE if is_guest else MEMORY_SENTENCE, said)
    # A reason of the pod as a whole: evicted, its node lost.
    return pod_failure(pod) if status.get("phase") == "Failed" and status.get("reason") else None


def lacked_memory(reason: str, detail: str) -> bool:
    """Say whether a server failed because its size has too little memory; of a step before it, no size helps.

    Parameters
    ----------
    reason, detail
        Those of its `Failure`.
    """
    return reason == OUT_OF_MEMORY and detail.startswith(f"container {MAIN_CONTAINER}:")


class Ends:
    """The last end of each server, by the hub's number of its person and by its name.

    A hub forgets the spawner of a named server when it has stopped, so this is not kept there. The hub's database may
    give the number of a person who was deleted to somebody else, so each end also says whose it is.
    """

    def __init__(self) -> None:
        self._ends: dict[tuple[int, str], tuple[Failure, str]] = {}

    def note(self, user: int, server: str, end: Failure, subject: str) -> None:
        """Remember an end.

        Parameters
        ----------
        user, server
            The hub's number of a person, and the name of their server.
        end
            Why it ended.
        subject
            Whose it is: the provider's immutable id that the pod said; empty where it said none.
        """
        self.forget(user, server)
        self._ends[user, server] = (end, subject)
        if len(self._ends) > REMEMBERED:
            del self._ends[next(iter(self._ends))]

    def forget(self, user: int, server: str) -> None:
        """Forget the end of a server that is started again."""
        self._ends.pop((user, server), None)

    def get(self, user: int, server: str, subject: str) -> Failure | None:
        """Return the end of a server; None where it did not end on its own, or was somebody else's."""
        end, whose = self._ends.get((user, server), (None, ""))
        return end if whose == subject else None

    def users(self) -> set[int]:
        """Return the hub's numbers of those whose servers have ended on their own."""
        return {user for user, _ in self._ends}


ENDS: Final = Ends()
"""What this hub has seen since it started."""

"""Why a pod does not start: its status and its events as a reason a person can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jhkube.watch.containers import container_failure, extra_container_failure
from jhkube.watch.failure import Failure, redacted
from jhkube.watch.patience import Patience
from jhkube.watch.placement import node_failure, scheduling_failure, volume_failure

__all__ = ["deleted_failure", "pod_failure"]

_VOLUME_EVENTS = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})
_NODE_EVENTS = frozenset({"FailedCreatePodSandBox", "NetworkNotReady", "NodeNotReady", "TaintManagerEviction"})
_PROGRESS_EVENTS = frozenset({"Pulling", "Pulled", "Created", "Started", "SuccessfulAttachVolume"})
"""Events that show the volumes and the network to be there."""

# status.reason of a pod that failed as a whole -> what the user reads, and the status code
_POD_REASONS = {
    "Evicted": (
        "The node ran short of memory or disk and put your server out. Try again; choose a larger size if "
        "it stays so.",
        429,
    ),
    "NodeLost": ("The node your server was on stopped answering. Try again.", 429),
    "NodeShutdown": ("The node your server was on was shut down. Try again.", 429),
    "Shutdown": ("The node your server was on was shut down. Try again.", 429),
    "Terminated": ("The node your server was on was shut down. Try again.", 429),
    "DeadlineExceeded": ("Your server ran up to the longest time it is allowed. Try again.", 400),
    "Preempting": ("Something more important needed the room of your server. Try again later.", 429),
    "UnexpectedAdmissionError": (
        "The node could not give your server a device it needs, such as a GPU. Try again.",
        429,
    ),
    "NodeAffinity": ("The node that was to run your server no longer fits it. Try again.", 429),
}
_DISRUPTIONS = {
    "PreemptionByScheduler": "Something more important needed the room of your server. Try again later.",
    "EvictionByEvictionAPI": "The node of your server is being emptied for maintenance. Try again.",
    "DeletionByTaintManager": "The node of your server stopped working. Try again.",
    "DeletionByPodGC": "The node of your server is gone. Try again.",
    "TerminationByKubelet": "The node of your server ran short of memory, or is shut down. Try again.",
}


def pod_failure(
    pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]] = (), patience: Patience | None = None
) -> Failure | None:
    """Why the pod does not start, as far as its status and its events tell.

    Parameters
    ----------
    pod
        The pod, as the API's JSON.
    events
        The pod's events, oldest first, as the API's JSON. Without them most failures are still found; those
        of volumes and of the node's network are not.
    patience
        For how long each kind of state may last.

    Returns
    -------
    None as long as nothing is wrong. A `Failure` with patience 0 when waiting cannot help; with more, when it
    may pass: it counts as failed once the same reason has been given for that many seconds.
    """
    patience = patience or Patience()
    return (
        _whole_pod(pod)
        or container_failure(pod, events, patience)
        or scheduling_failure(pod, events, patience)
        or _from_events(pod, events, patience)
        or _ended_without_a_word(pod)
        or extra_container_failure(pod)
    )


def deleted_failure(pod: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]] = ()) -> Failure:
    """What to say of a pod that was there and is gone, or is going, before its server answered."""
    if pod is not None:
        failure = _whole_pod(pod)
        if failure is not None:
            return failure
    for event in reversed(events):
        if event.get("reason") in {"Preempted", "Evicted", "TaintManagerEviction", "NodeNotReady"}:
            reason = str(event["reason"])
            message = _POD_REASONS.get(
                "Evicted" if reason == "Evicted" else "Preempting" if reason == "Preempted" else "NodeLost"
            )
            assert message is not None
            return Failure(reason, message[0], redacted(event.get("message") or ""), status_code=message[1])
    return Failure(
        "Deleted",
        "Your server was removed from the cluster while it was starting. Start it again.",
        "the pod was deleted",
        status_code=409,
    )


def _whole_pod(pod: Mapping[str, Any]) -> Failure | None:
    status = pod.get("status", {})
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            reason = condition.get("reason") or "DisruptionTarget"
            said = _DISRUPTIONS.get(reason, "The cluster took the room of your server back. Try again.")
            return Failure(reason, said, redacted(condition.get("message") or ""), status_code=429)
    if status.get("phase") not in ("Failed", "Unknown") and status.get("reason") != "NodeLost":
        return None
    reason = status.get("reason")
    if not reason:
        # Failed with no reason of its own is the containers' failure
        return None
    detail = redacted(status.get("message") or "")
    if reason.startswith("OutOf"):  # OutOfcpu, OutOfmemory, OutOfnvidia.com/gpu
        return Failure(
            reason,
            f"The node that was to run your server has no {reason[5:] or 'room'} left. Try again.",
            detail,
            status_code=429,
        )
    message, code = _POD_REASONS.get(reason, ("The node refused to run your server. Try again.", 400))
    return Failure(reason, message, detail, status_code=code)


def _ended_without_a_word(pod: Mapping[str, Any]) -> Failure | None:
    """What to say of a pod that failed where neither the server's container nor an init container says why."""
    status = pod.get("status", {})
    if status.get("phase") != "Failed":
        return None
    return Failure("Failed", "Your server failed to start. Try again.", redacted(status.get("message") or ""))


def _from_events(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], patience: Patience) -> Failure | None:
    """The newest event that tells of trouble, unless a later one shows it over."""
    if any("running" in (s.get("state") or {}) for s in pod.get("status", {}).get("containerStatuses") or ()):
        return None
    for event in reversed(events):
        reason = event.get("reason")
        if reason in _VOLUME_EVENTS:
            return volume_failure(event, patience)
        if reason in _NODE_EVENTS:
            return node_failure(event, patience)
        if reason in _PROGRESS_EVENTS:
            return None
    return None

"""Why a pod has no node, or its node cannot give it its volumes and network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jhkube.watch.failure import Failure, redacted
from jhkube.watch.patience import Patience

__all__ = ["node_failure", "scheduling_failure", "volume_failure"]

SCALING_REASONS = frozenset({"TriggeredScaleUp", "Nominated", "NominatedNode"})
"""Events that say a node is on its way: the cluster autoscaler's, and Karpenter's."""
_NO_SCALING_REASONS = frozenset({"FailedScaleUp", "NotTriggerScaleUp"})
"""Events that take that back: no node came, or none is tried for a while ("1 in backoff after failed scale-up")."""

_RESOURCES = {
    "cpu": "processor cores",
    "memory": "memory",
    "ephemeral-storage": "disk space",
    "pods": "room for one more server",
}
# persistentvolumeclaim "claim-alice" not found
_CLAIM_MISSING = re.compile(r"persistentvolumeclaim \"([^\"]+)\" not found")
# persistentvolumeclaim "claim-alice" is being deleted
_CLAIM_DELETED = re.compile(r"persistentvolumeclaim \"([^\"]+)\" is being deleted|PVC is being deleted")
# persistentvolumeclaim "claim-alice" bound to non-existent persistentvolume "pv-1"; one or more pvc(s) bound to
# non-existent pv(s)
_VOLUME_GONE = re.compile(r"bound to non-existent (?:persistentvolume|pv)")
# node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod
_ONE_POD = re.compile(r"ReadWriteOncePod access mode (?:and is )?already in[- ]use by another pod")
# pod has unbound immediate PersistentVolumeClaims; node(s) didn't find available persistent volumes to bind
_UNBOUND = re.compile(
    r"unbound immediate PersistentVolumeClaims|didn't find available persistent volumes|free storage"
)
# node(s) didn't match PersistentVolume's node affinity; node(s) had no available volume zone
_DISK_ELSEWHERE = re.compile(
    r"volume node affinity conflict|PersistentVolume's node affinity|no available volume zone"
)
# MountVolume.SetUp failed for volume "x" : secret "y" not found; references non-existent secret key: z
_OBJECT_MISSING = re.compile(r"(?P<kind>secret|configmap) \"(?P<name>[^\"]+)\" not found", re.IGNORECASE)
_KEY_MISSING = re.compile(r"references non-existent (?P<kind>secret|config) key", re.IGNORECASE)
_REPEATED_WITHIN = 0.4
"""In which part of the patience kubelet has tried again for certain: its tries lie twice as far apart each time."""
_VOLUME_NAME = re.compile(r"volume \"([^\"]+)\"|unmounted volumes=\[([^\]]+)\]")


def scheduling_failure(
    pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], patience: Patience
) -> Failure | None:
    """What to say of a pod that has no node yet; None while the scheduler has not decided."""
    condition = _condition(pod, "PodScheduled")
    if condition is None or condition.get("status") != "False":
        return None
    text = condition.get("message") or ""
    reason = condition.get("reason") or "Unschedulable"
    detail = redacted(text)
    if missing := _CLAIM_MISSING.search(text):
        return Failure(
            reason,
            f"The storage “{missing[1]}” of your server does not exist. Tell your administrator; "
            "if it was removed, its files may be gone.",
            detail,
            patience.missing,
            f"Waiting for the storage “{missing[1]}”.",
        )
    if claim := _claim_failure(reason, text, detail, patience):
        return claim
    if _UNBOUND.search(text):
        return Failure(
            reason,
            "The storage for your server was not provisioned. Try again; "
            "tell your administrator if it happens again.",
            detail,
            patience.volume,
            "Waiting for your server's storage to be provisioned.",
        )
    if reason == "SchedulingGated":
        return Failure(
            reason,
            "The cluster did not schedule your server. Tell your administrator.",
            detail,
            patience.scale_up,
            "The cluster does not schedule your server yet; waiting.",
        )
    cause = _no_room(text)
    no_node_came = f"{cause}, and the new node did not start. Try again, or choose a smaller size."
    scaling = [str(e["reason"]) for e in events if e.get("reason") in SCALING_REASONS | _NO_SCALING_REASONS]
    if scaling and scaling[-1] in SCALING_REASONS:
        return Failure(
            reason,
            no_node_came,
            detail,
            patience.scale_up,
            "A node is being added to the cluster for your server; this can take some minutes.",
            429,
        )
    if not SCALING_REASONS.isdisjoint(scaling):
        # By a reason of its own, so that its time begins now and not when the pod was first without a node.
        return Failure(
            scaling[-1],
            no_node_came,
            detail,
            patience.unschedulable,
            f"{cause}. The new node did not start; waiting for another one.",
            429,
        )
    return Failure(
        reason,
        f"{cause}. Choose a smaller size, stop a server you no longer need, or try again later.",
        detail,
        patience.unschedulable,
        f"{cause}. Waiting for room or for a node to be added.",
        429,
    )


def _claim_failure(reason: str, text: str, detail: str, patience: Patience) -> Failure | None:
    """What to say of a claim that cannot be used now, in the scheduler's words or kubelet's."""
    if _CLAIM_DELETED.search(text):
        return Failure(
            reason,
            "The storage of your server is being deleted. Try again in a minute; tell your administrator "
            "if it happens again.",
            detail,
            patience.volume,
            "The storage of your server is being deleted; waiting for that.",
            409,
        )
    if _VOLUME_GONE.search(text):
        return Failure(
            reason,
            "The volume behind your server's storage is gone. Tell your administrator; its files may be gone, too.",
            detail,
            patience.missing,
            "Waiting for the volume of your server's storage.",
        )
    if _ONE_POD.search(text):
        return Failure(
            reason,
            "Your server's storage is in use by another server, and only one server can use it at a time. "
            "Stop the other server, or try again in some minutes.",
            detail,
            patience.detach,
            "Your server's storage is in use by another server; waiting for it.",
            429,
        )
    return None


def volume_failure(event: Mapping[str, Any], patience: Patience) -> Failure:
    """What to say of a FailedMount or FailedAttachVolume event.

    A mount that works at last has no event of its own, and a busy node takes its time until the next one. kubelet
    tries again after 0.5 s and then twice as long each time. So what is missing is still missing only where kubelet
    said so again, within the patience for it; what was said once and not again is waited for like any other volume.
    """
    if not _is_repeated(event, patience.missing * _REPEATED_WITHIN):
        patience = patience.model_copy(update={"missing": max(patience.missing, patience.volume)})
    text = event.get("message") or ""
    reason = event.get("reason") or "FailedMount"
    detail = redacted(text)
    named = _VOLUME_NAME.search(text)
    volume = f"“{(named[1] or named[2])}”" if named else "of your server"
    if missing := _OBJECT_MISSING.search(text):
        return Failure(
            reason,
            f"Your server needs the {missing['kind']} “{missing['name']}”, which does not exist. Tell your "
            "administrator.",
            detail,
            patience.missing,
            f"Waiting for the {missing['kind']} “{missing['name']}”.",
        )
    if missing := _CLAIM_MISSING.search(text):
        return Failure(
            reason,
            f"The storage “{missing[1]}” of your server does not exist. Tell your administrator.",
            detail,
            patience.missing,
            f"Waiting for the storage “{missing[1]}”.",
        )
    if claim := _claim_failure(reason, text, detail, patience):
        return claim
    if _KEY_MISSING.search(text) or "hostPath type check failed" in text or "is not a directory" in text:
        return Failure(
            reason,
            f"The volume {volume} cannot be mounted as it is configured. Tell your administrator.",
            detail,
            patience.missing,
            f"The volume {volume} cannot be mounted yet; trying again.",
        )
    if "Multi-Attach" in text or "already used by" in text or "is already exclusively attached" in text:
        return Failure(
            reason,
            f"The disk {volume} is still in use by another server or node. Stop the other server, "
            "or try again in some minutes.",
            detail,
            patience.detach,
            f"The disk {volume} is still attached elsewhere; waiting for it.",
            429,
        )
    return Failure(
        reason,
        f"The volume {volume} could not be mounted. Try again in some minutes; tell your administrator "
        "if it happens again.",
        detail,
        patience.volume,
        f"The volume {volume} cannot be mounted yet; trying again.",
    )


def _is_repeated(event: Mapping[str, Any], seconds: float) -> bool:
    """Whether an event has occurred again after so many seconds; true where its times are not known."""
    series = event.get("series") or {}
    times = [event.get("firstTimestamp"), series.get("lastObservedTime") or event.get("lastTimestamp")]
    try:
        first, last = (datetime.fromisoformat(str(each)) for each in times)
        return (last - first).total_seconds() >= seconds
    except (TypeError, ValueError):
        return True


def node_failure(event: Mapping[str, Any], patience: Patience) -> Failure:
    """What to say of an event of the node: no network for the pod, or the node itself away."""
    reason = event.get("reason") or "NodeNotReady"
    away = reason in {"NodeNotReady", "TaintManagerEviction"}
    if away:
        message = "The node of your server stopped answering. Try again."
        meanwhile = "The node does not answer at the moment; waiting."
    else:
        message = (
            "The node could not set up your server's network. Try again; tell your administrator if it happens again."
        )
        meanwhile = "The node is setting up the network; trying again."
    return Failure(reason, message, redacted(event.get("message") or ""), patience.node, meanwhile)


def _condition(pod: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    for condition in pod.get("status", {}).get("conditions") or ():
        if condition.get("type") == kind:
            found: Mapping[str, Any] = condition
            return found
    return None


def _no_room(text: str) -> str:
    """The scheduler's message, "0/3 nodes are available: 3 Insufficient memory.", as half a sentence."""
    lacking = list(dict.fromkeys(re.findall(r"Insufficient ([\w./-]*\w)", text)))
    if "Too many pods" in text:
        lacking.append("pods")
    if lacking:
        words = [_RESOURCES.get(name, f"“{name}”") for name in lacking]
        return f"No node of the cluster has enough free {' and '.join(words)} for your server"
    if _DISK_ELSEWHERE.search(text):
        return "Your server's disk is on a node, or in a zone, that has no room"
    if re.search(r"didn't match (?:Pod's )?node (?:selector|affinity)|node\(s\) didn't match", text):
        return "No node of the cluster is of the kind your server asks for"
    if "taint" in text:
        return "Every node of the cluster is reserved for something else, or not ready"
    return "No node of the cluster can take your server"

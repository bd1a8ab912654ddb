"""Servers and disks in the shapes that Kubeflow's web app reads: rows, statuses, and objects of Kubernetes.

Each object is made from what the service's API says and from nothing else, so that no environment and no name of a
Secret can be in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from jhkube.service.door_views import POD_PHASES, View, path_name, pod_name, size_of

__all__ = [
    "claim_events",
    "claim_object",
    "claim_row",
    "event_object",
    "notebook_object",
    "notebook_row",
    "pod_object",
]

PHASES: Final = {
    "running": ("ready", "running"),
    "starting": ("waiting", "schedulingPod"),
    "stopping": ("terminating", "notebookStopping"),
    "stopped": ("stopped", "noPodsRunning"),
    # Both apps offer to start a notebook only in this phase; the message says what failed.
    "failed": ("stopped", "errorEvent"),
}
"""The phase, and the key by which StatCan's app finds a translation, by a server's state."""

CLAIM_PHASES: Final = {
    "ready": ("ready", "pvcBound"),
    "growing": ("waiting", "pvcPending"),
    "waiting": ("unavailable", "pvcPendingUnavailable"),
    "deleting": ("terminating", "pvcDeleting"),
    "lost": ("warning", "pvcPending"),
}

MIB: Final = 1024**2


def _status(view: View) -> dict[str, str]:
    phase, key = PHASES[view["state"]]
    failure = view["failure"] or {}
    return {
        "phase": phase,
        "key": key,
        "state": failure.get("reason", ""),
        "message": " ".join([view["message"], *view["warnings"]]),
    }


def _cores(size: View | None) -> str:
    return f"{size['cores']:g}" if size else ""


def memory_quantity(memory: int) -> str:
    """Return bytes as Kubernetes writes them: `2Gi`."""
    for unit, power in (("Gi", 1024 * MIB), ("Mi", MIB)):
        if memory % power == 0:
            return f"{memory // power}{unit}"
    return str(memory)


def _memory(size: View | None) -> str:
    return memory_quantity(size["memory"]) if size else ""


def _gpus(size: View | None) -> dict[str, Any]:
    count = size["gpus"] if size else 0
    vendor = size["gpu_resource"].partition(".")[0].upper() if size and count else ""
    return {"count": count, "message": f"{count} {vendor}" if count else ""}


def _metadata(name: str, namespace: str, created: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": namespace,
        "labels": {},
        "annotations": {},
        "creationTimestamp": created or "",
    }


def _notebook_metadata(view: View, namespace: str) -> dict[str, Any]:
    metadata = _metadata(path_name(view["name"]), namespace, view["started"] or view["last_activity"])
    metadata["labels"] = {"app": metadata["name"]}
    metadata["annotations"] = {
        "notebooks.kubeflow.org/server-type": "jupyter",
        "notebooks.kubeflow.org/last-activity": view["last_activity"] or "",
    }
    if view["state"] in ("stopped", "stopping", "failed"):
        metadata["annotations"]["kubeflow-resource-stopped"] = view["last_activity"] or ""
    return metadata


def notebook_row(view: View, sizes: Iterable[View], namespace: str) -> dict[str, Any]:
    """Return a row of the list of notebooks, with the keys of both web apps.

    Parameters
    ----------
    view
        The server, by the schema `Server`.
    sizes
        The sizes that the person may choose, by the schema `SizeChoice`: they say what a size has.
    namespace
        The namespace that was asked for.
    """
    size = size_of(view, sizes)
    metadata = _notebook_metadata(view, namespace)
    activity = view["last_activity"] or ""
    return {
        "name": metadata["name"],
        "namespace": namespace,
        "serverType": "jupyter",
        "age": metadata["creationTimestamp"],
        "lastActivity": activity,
        "last_activity": activity,
        "image": view["image"],
        "shortImage": view["image"].rpartition("/")[2],
        "cpu": _cores(size),
        "memory": _memory(size),
        "gpus": _gpus(size),
        "volumes": list(view["claims"]),
        "status": _status(view),
        "labels": metadata["labels"],
        "metadata": metadata,
    }


def _pod_spec(view: View, sizes: Iterable[View]) -> dict[str, Any]:
    size = size_of(view, sizes)
    amounts: dict[str, Any] = {"cpu": _cores(size), "memory": _memory(size)} if size else {}
    if size and size["gpus"]:
        amounts[size["gpu_resource"]] = str(size["gpus"])
    claims = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in view["claims"]]
    container = {
        # The web app asks for the log of the container that is called as the notebook.
        "name": path_name(view["name"]),
        "image": view["image"],
        "resources": {"requests": amounts, "limits": amounts},
        "env": [],
        "volumeMounts": [],
    }
    return {"containers": [container], "volumes": claims}


def notebook_object(view: View, sizes: Iterable[View], namespace: str) -> dict[str, Any]:
    """Return a server as a Notebook, with `processed_status` as Kubeflow adds it."""
    is_running = view["state"] == "running"
    condition = {
        "type": "Running" if is_running else "Terminated" if view["state"] in ("stopped", "failed") else "Waiting",
        "status": "True",
        "reason": _status(view)["state"],
        "message": view["message"],
        "lastProbeTime": view["last_activity"] or "",
        "lastTransitionTime": view["started"] or view["last_activity"] or "",
    }
    state = {"running": {"startedAt": view["started"]}} if is_running else {"waiting": {"reason": view["state"]}}
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "Notebook",
        "metadata": _notebook_metadata(view, namespace),
        "spec": {"template": {"spec": _pod_spec(view, sizes)}},
        "status": {"conditions": [condition], "readyReplicas": int(is_running), "containerState": state},
        "processed_status": _status(view),
    }


def pod_object(view: View, sizes: Iterable[View], namespace: str) -> dict[str, Any]:
    """Return the pod of a server that has one, without anything that may be secret."""
    metadata = _metadata(pod_name(view["name"]), namespace, view["started"])
    metadata["labels"] = {"notebook-name": path_name(view["name"])}
    status = {
        "name": path_name(view["name"]),
        "ready": view["state"] == "running",
        "restartCount": 0,
        "image": view["image"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": _pod_spec(view, sizes),
        "status": {
            "phase": POD_PHASES.get(view["state"], "Unknown"),
            "startTime": view["started"] or "",
            "containerStatuses": [status],
        },
    }


def event_object(event: View, name: str, namespace: str, kind: str = "Notebook") -> dict[str, Any]:
    """Return an event of the service's API as Kubernetes has it; plain words are its message where there are any."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": _metadata(f"{name}.{event['reason']}".lower(), namespace, event["time"]),
        "involvedObject": {"kind": kind, "name": name, "namespace": namespace},
        "type": event["type"],
        "reason": event["reason"],
        "message": event["sentence"] or event["message"],
        "count": event["count"],
        "firstTimestamp": event["time"] or "",
        "lastTimestamp": event["time"] or "",
        "source": {"component": "jhkube"},
    }


def claim_row(view: View, namespace: str) -> dict[str, Any]:
    """Return a row of the list of disks, with the keys of both web apps.

    Parameters
    ----------
    view
        The disk, by the schema `Claim`.
    namespace
        The namespace that was asked for.
    """
    phase, key = CLAIM_PHASES[view["state"]]
    is_wrong = phase == "warning"
    modes = list(view["access_modes"])
    return {
        "name": view["name"],
        "namespace": namespace,
        "status": {
            "phase": phase,
            "key": key,
            "state": view["state"] if is_wrong else "",
            "message": view["message"],
            "eventMessage": view["message"] if is_wrong else "",
        },
        "age": view["created"] or "",
        "capacity": view["size"],
        "size": view["size"],
        "modes": modes,
        "mode": modes[0] if modes else "",
        "class": view["storage_class"],
        "notebooks": claim_notebooks(view),
        "labels": {},
    }


def claim_notebooks(view: View) -> list[str]:
    """Return the names of the notebooks that have a disk mounted."""
    return sorted({path_name(each["server"]) for each in view["used_by"]})


def claim_object(view: View, namespace: str) -> dict[str, Any]:
    """Return a disk as a PersistentVolumeClaim."""
    has = {"capacity": {"storage": memory_quantity(view["capacity_bytes"])}} if view["capacity_bytes"] else {}
    phases = {"waiting": "Pending", "lost": "Lost"}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(view["name"], namespace, view["created"]),
        "spec": {
            "accessModes": list(view["access_modes"]),
            "resources": {"requests": {"storage": view["size"]}},
            "storageClassName": view["storage_class"],
        },
        "status": {"phase": phases.get(view["state"], "Bound"), **has},
    }


def claim_events(view: View, namespace: str) -> list[dict[str, Any]]:
    """Return what there is to say of a disk, as one event; none of a disk that is ready."""
    if view["state"] == "ready":
        return []
    kind = "Warning" if view["state"] == "lost" else "Normal"
    event = {
        "time": view["created"],
        "sentence": view["message"],
        "type": kind,
        "reason": str(view["state"]).capitalize(),
        "count": 1,
    }
    return [event_object(event, view["name"], namespace, "PersistentVolumeClaim")]

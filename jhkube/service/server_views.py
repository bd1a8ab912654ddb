"""What the API says of a server, its log and its GPUs: the hub's word and the pod's, made one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from jhkube.identity import is_guest_name
from jhkube.pod.build import WARNING_ANNOTATION, label_value
from jhkube.service.hub_answers import HubServer
from jhkube.service.ownership import Object, hub_of_pod, is_over, mounted_claims, server_of
from jhkube.watch.containers import MAIN_CONTAINER
from jhkube.watch.ends import OUT_OF_MEMORY, lacked_memory
from jhkube.watch.failure import redacted
from jhkube.watch.failures import pod_failure
from jhkube.watch.repository import repository_notice
from jhkube.watch.steps import NEXT_SENTENCES
from jhkube.watch.unsaved import MemoryEnd, Unsaved, unsaved_sentence

__all__ = [
    "container_names",
    "elsewhere_views",
    "gpu_views",
    "group_server_view",
    "kept_log_view",
    "log_view",
    "server_view",
    "state_of",
]

SAID: Final = {
    "running": "Your server is running.",
    "stopping": "Your server is stopping.",
    "stopped": "Your server is stopped. Its disk stays.",
}

GUEST_STOPPED: Final = "Your server is stopped. Files of guests are not kept."

MEMORY_WARNING: Final = (
    "Your server used more memory than its size allows. It was ended and started again: what was in memory is lost,"
    " your files are still there."
)
IMAGE_GONE: Final = (
    "The image of this server is not offered any more. A running server continues; choose another image when you"
    " start it again."
)
UNKNOWN_PERSON: Final = (
    "The hub does not know your account's id at its provider, so it cannot tell which pods and disks are yours."
    " Log in again, or ask an administrator."
)


def state_of(server: HubServer) -> str:
    """Return a server's state: stopped, starting, running, stopping or failed."""
    if server.pending == "stop":
        return "stopping"
    if server.pending in ("spawn", "check"):
        return "starting"
    if server.is_ready:
        return "running"
    return "failed" if server.failure else "stopped"


def _sentence(server: HubServer, state: str) -> str:
    if state == "failed" and server.failure:
        return server.failure.message
    if state == "stopped" and server.ended:
        return server.ended.message
    if state == "stopped" and is_guest_name(server.user):
        return GUEST_STOPPED
    if state == "starting":
        return server.waiting_for or NEXT_SENTENCES[server.phases[-1][0] if server.phases else ""]
    return SAID[state]


def _common(server: HubServer) -> dict[str, Any]:
    state = state_of(server)
    failure = server.failure if state == "failed" else server.ended if state == "stopped" else None
    return {
        "name": server.name,
        "display_name": server.display_name or server.name,
        "state": state,
        "message": _sentence(server, state),
        "started": server.started if state in ("running", "stopping", "starting") else None,
        "last_activity": server.last_activity,
        "image": _option(server, "image"),
        "size": _option(server, "size"),
        "steps": [{"name": name, "seconds": round(max(seconds, 0.0), 3)} for name, seconds in server.phases],
        "failure": failure.to_json() if failure else None,
    }


def server_view(
    server: HubServer, pod: Object | None, *warnings: str, usage: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a server by the schema `Server`.

    Parameters
    ----------
    server
        What the hub says.
    pod
        Its pod, which is surely this person's; None where there is none.
    warnings
        What else the person should know, as sentences.
    usage
        What it uses now, by the schema `Usage`; None where nobody knows.
    """
    view = _common(server)
    written = _written(pod)
    unsaved = _unsaved(server.unsaved, view["state"]) if server.unsaved else None
    memory_end = server.unsaved.memory if server.unsaved and view["state"] == "running" else None
    if unsaved and unsaved["state"] == "some":
        warnings = (*warnings, unsaved["message"])
    return {
        **view,
        "url": server.url,
        "image": written["image"] or view["image"],
        "image_tag": written["tag"],
        "size": _size(view["size"], written["size"]),
        "options": dict(server.options),
        "usage": dict(usage) if usage and view["state"] == "running" else None,
        "larger_size": _larger_size(server, view, pod, memory_end),
        "claims": sorted(mounted_claims(pod)) if pod else [],
        "containers": container_names(pod) if pod else [],
        "warnings": [
            *warnings,
            *(_pod_warnings(pod) if pod and view["state"] == "running" else ()),
            *((str(memory_end),) if memory_end else ()),
            *((IMAGE_GONE,) if server.is_image_gone else ()),
        ],
        "unsaved": unsaved,
    }


def _larger_size(
    server: HubServer, view: Mapping[str, Any], pod: Object | None, memory_end: MemoryEnd | None
) -> dict[str, str] | None:
    """Return the size to go on with, where a server had too little memory."""
    failure = view["failure"]
    lacked = lacked_memory(failure["reason"], failure["detail"]) if failure else False
    if view["state"] == "running":
        was_full = memory_end is not None and memory_end.limit is not None
        lacked = was_full or (pod is not None and _was_out_of_memory(pod))
    return server.larger_size.to_json() if lacked and server.larger_size else None


def _was_out_of_memory(pod: Object) -> bool:
    """Say whether the server in a pod was ended for its memory, and started again by its node."""
    return any(
        status["name"] == MAIN_CONTAINER
        and ((status.get("lastState") or {}).get("terminated") or {}).get("reason") == OUT_OF_MEMORY
        for status in (pod.get("status") or {}).get("containerStatuses") or ()
    )


def _unsaved(unsaved: Unsaved, state: str) -> dict[str, Any]:
    """Return what is known of unsaved work, by the schema `Unsaved`."""
    return {
        "state": unsaved.state,
        "message": unsaved_sentence(unsaved, at_stop=state not in ("running", "stopping")),
        "asked": unsaved.asked,
        "repositories": unsaved.to_json()["repositories"],
    }


def group_server_view(server: HubServer) -> dict[str, Any]:
    """Return a server by the schema `GroupServer`: for others than the person whose it is."""
    return {**_common(server), "user": server.user}


def elsewhere_views(pods: Iterable[Object], hub: str, urls: Mapping[str, str]) -> list[dict[str, str]]:
    """Return a person's servers at other hubs by the schema `ServerElsewhere`.

    Parameters
    ----------
    pods
        The pods that are surely this person's.
    hub
        The name of this hub.
    urls
        Where the hubs are, by name.
    """
    views = []
    for pod in pods:
        other = hub_of_pod(pod)
        if other in ("", hub) or is_over(pod):
            continue
        is_running = (pod.get("status") or {}).get("phase") == "Running"
        state = "stopping" if "deletionTimestamp" in pod["metadata"] else "running" if is_running else "starting"
        views.append({"name": server_of(pod), "hub": other, "url": urls.get(other, ""), "state": state})
    return sorted(views, key=lambda view: (view["hub"], view["name"]))


def _option(server: HubServer, name: str) -> str:
    value = server.options.get(name)
    return value if isinstance(value, str) else ""


def _size(asked: str, label: str) -> str:
    """Return the size's name: a label may have a slug in its place."""
    return asked if asked and label_value(asked) == label else label or asked


def _written(pod: Object | None) -> dict[str, str]:
    """Return what a pod says of what runs in it."""
    metadata: Mapping[str, Any] = pod["metadata"] if pod else {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return {
        "image": str(annotations.get("jhkube/image", "")),
        "tag": str(labels.get("jhkube/image-tag", "")),
        "size": str(labels.get("jhkube/size", "")),
    }


def container_names(pod: Object) -> list[str]:
    """Return the names of a pod's containers, the server's own first, those of its preparation last."""
    main = [each["name"] for each in pod["spec"].get("containers") or ()]
    main.sort(key=lambda name: name != MAIN_CONTAINER)
    return main + [each["name"] for each in pod["spec"].get("initContainers") or ()]


def gpu_views(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the GPUs of a hub's sizes by the schema `Gpu`.

    Parameters
    ----------
    options
        What somebody may choose, by the schema `Options`.
    """
    ceiling = options["ceiling"]["gpus"]
    views = []
    for resource in options["gpu_resources"]:
        sizes = [each for each in options["sizes"] if each["gpu_resource"] == resource]
        counts = [each["gpus"] for each in sizes if ceiling is None or each["gpus"] <= ceiling]
        views.append(
            {
                "resource": resource,
                "allowed": bool(counts),
                "most": max(counts, default=0),
                "sizes": [each["value"] for each in sizes if ceiling is None or each["gpus"] <= ceiling],
            }
        )
    return views


def log_view(container: str, containers: Sequence[str], text: str, **more: Any) -> dict[str, Any]:
    """Return a log by the schema `Log`.

    Parameters
    ----------
    container
        Whose log it is.
    containers
        What else has one.
    text
        The log's end.
    more
        The other fields, where they are not those of a container that is there.
    """
    view = {"container": container, "containers": list(containers), "text": text}
    return {**view, "previous": False, "truncated": False, "ended": None, "message": "", **more}


def kept_log_view(kept: Mapping[str, Any], tail: int) -> dict[str, Any]:
    """Return the log of a server that failed, which the hub has kept, by the schema `Log`.

    Parameters
    ----------
    kept
        What the hub tells of it.
    tail
        How many of its last lines are wanted.
    """
    lines = str(kept["text"]).splitlines(keepends=True)
    when = f"{str(kept['ended'])[:16].replace('T', ' ')} UTC"
    failed = "the start that failed" if kept["start"] else "the server that ended by itself"
    return log_view(
        kept["container"],
        [kept["container"]],
        "".join(lines[-tail:]),
        truncated=kept["truncated"] or len(lines) > tail,
        ended=kept["ended"],
        message=f"This is the end of the log of {failed} at {when}. It is kept for an hour.",
    )


def _pod_warnings(pod: Object) -> list[str]:
    """Return what is wrong with the pod of a server that runs."""
    annotations: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    said = []
    not_as_asked = [text for text in (annotations.get(WARNING_ANNOTATION, ""), repository_notice(pod)) if text]
    if _was_out_of_memory(pod):
        said.append(MEMORY_WARNING)
    if "deletionTimestamp" in pod["metadata"]:
        said.append("The cluster is removing your server's pod: save your work now.")
    elif not said and (failure := pod_failure(pod)) is not None:
        said.append(redacted(failure.meanwhile or failure.message))
    return list(dict.fromkeys([*said, *not_as_asked]))

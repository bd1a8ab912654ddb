"""Servers in the shapes that Renku's clients read, with the keys of its README and the later ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from jhkube.service.door_views import POD_PHASES, View, default_choice, path_name, pod_name, size_of
from jhkube.service.renku.launch import DEFAULT_BRANCH, DEFAULT_URL

__all__ = ["autosave_views", "container_name", "is_of", "server_options", "session_view", "version_view"]

PREFIX: Final = "renku.io/"
MAIN: Final = "jupyter-server"
"""What Renku calls the container that people work in."""

STATES: Final = {
    "running": "running",
    "starting": "starting",
    "stopping": "stopping",
    "stopped": "hibernated",
    "failed": "failed",
}
STEPS: Final = (
    ("created", "Initialization"),
    ("scheduled", "Placement on a node"),
    ("pulled", "Downloading server image"),
    ("ready", "Starting session"),
)
"""The steps of a start in Renku's words, by the hub's step that ends each."""

UNSCHEDULABLE: Final = "Unschedulable"
"""The only step that the web client of 2021 shows as an error."""

GIGABYTE: Final = 1000**3
DEFAULT_IMAGE_USED: Final = "Server was started using the default image."


def container_name(name: str, main: str) -> str:
    """Return what Renku calls a container."""
    return MAIN if name == main else name


def _project(view: View, forge: str) -> tuple[str, str]:
    """Return namespace and project of a server's repository; empty where it is none of the forge's."""
    url = view["options"].get("repository")
    base = f"{forge.rstrip('/')}/"
    if not isinstance(url, str) or not url.lower().startswith(base.lower()):
        return "", ""
    namespace, _, project = url[len(base) :].removesuffix(".git").rpartition("/")
    return namespace.lower(), project.lower()


def _text(view: View, option: str) -> str:
    value = view["options"].get(option)
    return value if isinstance(value, str) else ""


def _has_default_image(view: View, available: View) -> bool:
    """Say whether a session has the hub's image, and neither one that was asked for nor that of its commit."""
    default = default_choice(available["images"])
    is_it = not default or view["image"] in ("", default["reference"])
    return not _text(view, "image") and is_it


def _time(text: str | None) -> str | None:
    """Return a time as Renku writes it: its Python client cannot read `Z` before Python 3.11."""
    return f"{text.removesuffix('Z')}+00:00" if text and text.endswith("Z") else text


def _hibernation(view: View) -> dict[str, str]:
    """Return what is known of unsaved work in a session that is paused; nothing if nobody knows."""
    unsaved = view.get("unsaved") or {}
    if view["state"] != "stopped" or unsaved.get("state") not in ("some", "none"):
        return {}
    return {
        "hibernationDate": _time(unsaved["asked"]) or "",
        "hibernationDirty": str(any(each["changed"] != 0 for each in unsaved["repositories"])).lower(),
        "hibernationSynchronized": str(all(each["unpushed"] == 0 for each in unsaved["repositories"])).lower(),
    }


def _class_id(view: View, sizes: Sequence[View]) -> dict[str, str]:
    """Return the position of a session's size, counted from 1; nothing if it cannot be chosen any more."""
    number = next((number for number, size in enumerate(sizes, 1) if size["value"] == view["size"]), None)
    return {"resourceClassId": str(number)} if number else {}


def _annotations(view: View, available: View, forge: str) -> dict[str, str]:
    namespace, project = _project(view, forge)
    repository = _text(view, "repository")
    values = {
        "namespace": namespace,
        "projectName": project,
        "branch": _text(view, "branch") or (DEFAULT_BRANCH if repository else ""),
        "commit-sha": _text(view, "commit"),
        "default_image_used": str(_has_default_image(view, available)),
        "repository": repository,
        "git-host": urlsplit(forge).netloc,
        "servername": view["name"],
        "lastActivityDate": _time(view["last_activity"]) or "",
        **_class_id(view, available["sizes"]),
        **_hibernation(view),
    }
    return {f"{PREFIX}{name}": value for name, value in values.items()}


def is_of(session: Mapping[str, Any], filters: Mapping[str, str | None]) -> bool:
    """Say whether a session is what a list was asked for.

    Parameters
    ----------
    session
        As `session_view` returns it.
    filters
        The query: `namespace`, `project`, `branch`, `commit_sha`; None for any.
    """
    names = {"namespace": "namespace", "project": "projectName", "branch": "branch", "commit_sha": "commit-sha"}
    for name, annotation in names.items():
        wanted, has = filters.get(name), session["annotations"][f"{PREFIX}{annotation}"]
        if wanted is not None and (wanted if name == "branch" else wanted.lower()) != has:
            return False
    return True


def gigabytes(amount: float) -> str:
    """Return bytes as Renku writes them: `1G`, `0.25G`."""
    return f"{round(amount / GIGABYTE, 2):g}G"


def _resources(size: View | None) -> dict[str, Any]:
    """Return what a session may use: flat as in the README, and as requests."""
    if size is None:
        return {"requests": {}, "usage": {}}
    requests = {"cpu": size["cores"], "memory": gigabytes(size["memory"]), "gpu": size["gpus"]}
    return {"cpu": f"{size['cores']:g}", "memory": requests["memory"], "requests": requests, "usage": {}}


def _details(view: View) -> list[dict[str, str]]:
    """Return the steps of a start, those behind it, the one under way, and those to come."""
    if view["state"] in ("stopped", "stopping"):
        return []
    done = {each["name"] for each in view["steps"]}
    details, under_way = [], "failed" if view["state"] == "failed" else "executing"
    for name, words in STEPS:
        if view["state"] == "running" or name in done:
            status = "ready"
        else:
            status, under_way = under_way, "waiting"
        details.append({"step": words, "status": status})
    return details


def _status(view: View, warnings: Sequence[str]) -> dict[str, Any]:
    """Return the status with the keys of both generations; `message` is in both."""
    reason = (view["failure"] or {}).get("reason", "")
    is_running = view["state"] == "running"
    count = len(view["containers"])
    step = str(view["steps"][-1]["name"]).capitalize() if view["steps"] else ""
    if reason == UNSCHEDULABLE:
        step = UNSCHEDULABLE
    return {
        "state": STATES[view["state"]],
        "message": view["message"],
        "details": _details(view),
        "totalNumContainers": count,
        "readyNumContainers": count if is_running else 0,
        "warnings": [{"message": each, "critical": False} for each in (*warnings, *view["warnings"])],
        "phase": POD_PHASES.get(view["state"], ""),
        "ready": is_running,
        "stopping": view["state"] == "stopping",
        "step": "Ready" if is_running else step,
        "reason": reason,
    }


def session_view(
    view: View, available: View, forge: str, host: str, *, image_is_missing: bool = False
) -> dict[str, Any]:
    """Return a server as a session.

    Parameters
    ----------
    view
        The server, by the schema `Server`.
    available
        What the person may choose, by the schema `Options`.
    forge
        The URL of the git host that has the projects.
    host
        The hub's own address, without a slash at the end.
    image_is_missing
        Whether it was just started with the default image, since another that was asked for cannot be chosen.
    """
    is_missing = image_is_missing or bool(_text(view, "repository") and view["image"])
    warnings = [DEFAULT_IMAGE_USED] if is_missing and _has_default_image(view, available) else []
    return {
        "name": path_name(view["name"]),
        "url": f"{host}{view['url']}",
        "image": view["image"],
        # A session that is paused has a time too: Renku's clients read one of every session.
        "started": _time(view["started"] or view["last_activity"]),
        "state": {"pod_name": pod_name(view["name"])},
        "status": _status(view, warnings),
        "resources": _resources(size_of(view, available["sizes"])),
        "annotations": _annotations(view, available, forge),
        "cloudstorage": [],
    }


def server_options(sizes: Sequence[View]) -> dict[str, Any]:
    """Return what a session can have: as later versions say it, and amounts as those of 2021 did."""
    default = default_choice(sizes)

    def choice(order: int, words: str, values: list[Any], value: Any) -> dict[str, Any]:
        options = list(dict.fromkeys(values))
        return {"order": order, "displayName": words, "type": "enum", "default": value, "options": options}

    amounts: dict[str, Any] = {}
    if default is not None:
        cores, memory, gpus = (sorted({each[field] for each in sizes}) for field in ("cores", "memory", "gpus"))
        amounts = {
            "cpu_request": choice(2, "Number of CPUs", cores, default["cores"]),
            "mem_request": choice(3, "Amount of memory", [*map(gigabytes, memory)], gigabytes(default["memory"])),
            "gpu_request": choice(4, "Number of GPUs", gpus, default["gpus"]),
        }
    return {
        "defaultUrl": choice(1, "Default environment", [DEFAULT_URL], DEFAULT_URL),
        **amounts,
        "lfs_auto_fetch": {"order": 6, "displayName": "Fetch Git LFS files", "type": "boolean", "default": False},
        "cloudstorage": {"enabled": False},
    }


def autosave_views(servers: Iterable[View], project: str, forge: str) -> dict[str, Any]:
    """Return the stopped servers of a project that have unsaved work, as autosaves.

    A server says so itself with the key `unsaved`; where it says nothing, nothing is known.

    Parameters
    ----------
    servers
        The person's servers, by the schema `Server`.
    project
        The project with its namespace: `group/sub/study`.
    forge
        The URL of the git host that has the projects.
    """
    autosaves = []
    for view in servers:
        unsaved = view.get("unsaved") or {}
        is_project = "/".join(_project(view, forge)) == project.lower()
        if is_project and view["state"] in ("stopped", "failed") and unsaved.get("state") == "some":
            autosaves.append(
                {
                    "name": path_name(view["name"]),
                    "branch": _text(view, "branch") or DEFAULT_BRANCH,
                    "commit": _text(view, "commit")[:7],
                    "date": _time(unsaved.get("asked") or view["last_activity"]) or "",
                    "pvs": True,
                }
            )
    return {"pvsSupport": True, "autosaves": autosaves}


def version_view(version: str, *, has_guests: bool) -> dict[str, Any]:
    """Return what is built, and whether the hub has guests, by Renku's schema."""
    never = {"idle": 0, "hibernation": 0}
    data = {
        "anonymousSessionsEnabled": has_guests,
        "cloudstorageEnabled": False,
        "sshEnabled": False,
        "defaultCullingThresholds": {"registered": never, "anonymous": never},
    }
    return {"name": "renku-notebooks", "versions": [{"version": version, "data": data}]}

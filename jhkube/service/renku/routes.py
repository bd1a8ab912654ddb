"""The table of Renku's routes: what each takes.

Read off SwissDataScienceCenter/renku-notebooks at ff97f34 and 1.18.1, and its README of 2021. What they take beyond
these schemas has no effect here.
"""

from __future__ import annotations

from typing import Any, Final

from jhkube.service.routes import Route
from jhkube.service.schemas import SERVER_NAME

__all__ = ["ROUTES"]

_TEXT: Final = {"type": ["string", "null"], "maxLength": 512}
_AMOUNT: Final = {"type": ["string", "number", "null"]}
PATH: Final = {
    "type": "string",
    "maxLength": 255,
    "pattern": "^[A-Za-z0-9_][-A-Za-z0-9_.]*(/[A-Za-z0-9_][-A-Za-z0-9_.]*)*$",
}
"""A namespace or a project, as GitLab has them in its URLs."""

_SIZE_ID: Final = {"type": ["integer", "null"], "minimum": 1, "maximum": 10_000}
LAUNCH: Final = {
    "type": "object",
    "required": ["namespace", "project", "commit_sha"],
    "properties": {
        "namespace": PATH,
        "project": PATH,
        "branch": _TEXT,
        "commit_sha": {"type": "string", "pattern": "^[0-9A-Fa-f]{7,64}$"},
        "notebook": _TEXT,
        "image": _TEXT,
        "resource_class_id": _SIZE_ID,
        "storage": {"type": ["number", "null"], "minimum": 0},
        "serverOptions": {
            "type": ["object", "null"],
            "properties": {
                "defaultUrl": _TEXT,
                "cpu_request": _AMOUNT,
                "mem_request": _AMOUNT,
                "disk_request": _AMOUNT,
                "gpu_request": {"type": ["string", "integer", "null"]},
                "lfs_auto_fetch": {"type": ["boolean", "null"]},
            },
        },
        "lfs_auto_fetch": {"type": ["boolean", "null"]},
        "default_url": _TEXT,
        "environment_variables": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
        "user_secrets": {"type": ["object", "null"]},
        "cloudstorage": {"type": ["array", "null"]},
    },
}
CHANGE: Final = {
    "type": "object",
    "properties": {
        "state": {"enum": ["running", "hibernated", None]},
        "resource_class_id": _SIZE_ID,
    },
}
FILTERS: Final[dict[str, Any]] = {
    name: {"type": "string", "maxLength": 512} for name in ("namespace", "project", "branch", "commit_sha")
}
LINES: Final = {"type": "integer", "minimum": 0, "maximum": 1_000_000, "default": 250}

_NAME: Final[dict[str, Any]] = {"name": SERVER_NAME}
_PROJECT: Final[dict[str, Any]] = {"path": {"type": "string", "maxLength": 511}}
"""Namespace and project, with their slashes: Renku's web client encodes these, and a proxy may decode them."""

_N: Final = "notebooks/"


def _route(name: str, method: str, path: str, summary: str, status: int = 200, **more: Any) -> Route:
    return Route(f"renku.{name}", method, path, summary, (), None, status=status, **more)


ROUTES: Final = (
    _route("health", "GET", "health", "Whether the service runs."),
    _route("version", "GET", f"{_N}version", "What is built."),
    _route("servers", "GET", f"{_N}servers", "My sessions.", query=FILTERS),
    _route("launch", "POST", f"{_N}servers", "Start a session of a commit; one that runs is told.", 201, body=LAUNCH),
    _route("server", "GET", f"{_N}servers/{{name}}", "One session.", parts=_NAME),
    _route("change", "PATCH", f"{_N}servers/{{name}}", "Pause, resume or resize.", parts=_NAME, body=CHANGE),
    _route("remove", "DELETE", f"{_N}servers/{{name}}", "Remove a session, keep its disk.", 204, parts=_NAME),
    _route("server_options", "GET", f"{_N}server_options", "What a session can have."),
    _route("logs", "GET", f"{_N}logs/{{name}}", "The logs, by container.", parts=_NAME, query={"max_lines": LINES}),
    _route(
        "images",
        "GET",
        f"{_N}images",
        "Whether I may choose an image.",
        query={"image_url": {"type": "string", "maxLength": 512}},
    ),
    _route("autosaves", "GET", f"{_N}{{path}}/autosave", "Unsaved work.", parts=_PROJECT),
    _route(
        "remove_autosave",
        "DELETE",
        f"{_N}{{path}}/autosave/{{name}}",
        "Remove a stopped session with its disk.",
        204,
        parts={**_PROJECT, **_NAME},
    ),
)
"""All routes, below `renku/`."""

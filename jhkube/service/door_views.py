"""What the front doors' views of servers and choices have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from jhkube.service.schemas import DEFAULT_SERVER

__all__ = ["POD_PHASES", "View", "default_choice", "is_shown", "path_name", "pod_name", "size_of"]

View = Mapping[str, Any]
"""What the service's API says of a thing."""

POD_PHASES: Final = {"running": "Running", "starting": "Pending", "stopping": "Running", "failed": "Failed"}
"""The phase that Kubernetes gives a server's pod, by the server's state; one that is stopped has no pod."""


def path_name(server: str) -> str:
    """Return the name of a server at a door: `~` stands for the default server, as in the service's API.

    Examples
    --------
    >>> path_name("study"), path_name("")
    ('study', '~')
    """
    return server or DEFAULT_SERVER


def pod_name(server: str) -> str:
    """Return the name of a server's pod at a door: as a StatefulSet calls it.

    Examples
    --------
    >>> pod_name("study")
    'study-0'
    """
    return f"{path_name(server)}-0"


def is_shown(view: View) -> bool:
    """Say whether a server is in a door's list: the default server is once it was used."""
    return bool(view["name"] or view["state"] != "stopped" or view["options"] or view["last_activity"])


def size_of(view: View, sizes: Iterable[View]) -> View | None:
    """Return the size of a server, by the schema `SizeChoice`; None where it cannot be chosen any more."""
    return next((size for size in sizes if size["value"] == view["size"]), None)


def default_choice(choices: Sequence[View]) -> View | None:
    """Return what is taken where nothing is chosen: the default, or the first; None where there is nothing."""
    return next((each for each in choices if each["default"]), choices[0] if choices else None)

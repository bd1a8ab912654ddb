"""A session that Renku's API asks for: its name and its options of the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jhkube.options_form.option_values import OptionError
from jhkube.service.size_choice import Asked, count_value, quantity_value, smallest_size

__all__ = ["DEFAULT_BRANCH", "DEFAULT_URL", "Launch", "read_launch", "session_name", "size_of_class", "user_options"]

DEFAULT_BRANCH: Final = "master"
"""What Renku's rule of names has for a branch that is left out."""

DEFAULT_URL: Final = "/lab"
"""The only page that a session opens with."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What is asked for, as far as it counts here."""

    namespace: str
    """In lower case, as the project is."""
    project: str
    commit: str
    branch: str = ""
    """Empty for the repository's default branch."""
    image: str = ""
    """Empty for the default."""
    size_class: int | None = None
    """The position of a size, counted from 1; None for none."""
    asked: Asked | None = None
    """Amounts in the place of a size; None for none."""
    environment: Mapping[str, str] = field(default_factory=dict)
    lfs: bool = False
    """Whether files of Git LFS are fetched."""


def read_launch(body: Mapping[str, Any]) -> Launch:
    """Return what a body asks for that is as the table of routes says.

    Raises
    ------
    OptionError
        Where it asks for what this hub does not do, or what cannot be.
    """
    if body.get("cloudstorage"):
        raise OptionError("cloudstorage", "Cloud storage cannot be mounted on this hub. Leave cloudstorage out.")
    if body.get("user_secrets"):
        raise OptionError("user_secrets", "Renku's secrets are not on this hub. Leave user_secrets out.")
    options = body.get("serverOptions") or {}
    url = body.get("default_url") or options.get("defaultUrl") or DEFAULT_URL
    if url != DEFAULT_URL:
        raise OptionError("default_url", f"Sessions open with {DEFAULT_URL} on this hub. Leave default_url out.")
    asked = Asked(
        cores=quantity_value(options.get("cpu_request"), "serverOptions.cpu_request"),
        memory=quantity_value(options.get("mem_request"), "serverOptions.mem_request"),
        gpus=count_value(options.get("gpu_request"), "serverOptions.gpu_request"),
    )
    return Launch(
        namespace=body["namespace"].lower(),
        project=body["project"].lower(),
        commit=body["commit_sha"].lower(),
        branch=body.get("branch") or "",
        image=(body.get("image") or "").strip(),
        size_class=body.get("resource_class_id"),
        asked=asked if asked != Asked() else None,
        environment=dict(body.get("environment_variables") or {}),
        lfs=bool(body.get("lfs_auto_fetch") or options.get("lfs_auto_fetch")),
    )


def session_name(user: str, launch: Launch) -> str:
    """Return a session's name, by Renku's rule: the same for the same commit, so that a second POST finds the first.

    Parameters
    ----------
    user
        The person's name in the hub, as it can be in a host's name.
    launch
        What is asked for.
    """
    branch = launch.branch or DEFAULT_BRANCH
    text = f"{user}-{launch.namespace}-{launch.project}-{branch}-{launch.commit}"
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    name = user if user[:1].isascii() and user[:1].isalpha() else f"n{user}"
    project = "".join(each if each.isascii() and each.isalnum() else "-" for each in launch.project)
    return f"{name[:12]}-{project[:20]}-{digest[:8]}".lower()


def size_of_class(sizes: Sequence[Mapping[str, Any]], size_class: int) -> str:
    """Return the value of the size at a position; Renku knows its classes by numbers.

    Raises
    ------
    OptionError
        Where there is none.
    """
    if not 1 <= size_class <= len(sizes):
        raise OptionError("resource_class_id", f"There is no class {size_class}. Choose one from 1 to {len(sizes)}.")
    return str(sizes[size_class - 1]["value"])


def user_options(launch: Launch, forge: str, available: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the hub for a session.

    Parameters
    ----------
    launch
        What is asked for.
    forge
        The URL of the git host that has the projects.
    available
        What the person may choose, by the schema `Options`.

    Raises
    ------
    OptionError
        Where no size holds what is asked for.
    """
    options: dict[str, Any] = {
        "profile": "lab",
        "repository": f"{forge.rstrip('/')}/{launch.namespace}/{launch.project}",
        "commit": launch.commit,
    }
    if launch.branch:
        options["branch"] = launch.branch
    if launch.image:
        options["image"] = launch.image
    if launch.lfs:
        options["lfs"] = True
    if launch.environment:
        options["environment"] = dict(launch.environment)
    size = ""
    if launch.size_class is not None:
        size = size_of_class(available["sizes"], launch.size_class)
    elif launch.asked is not None:
        size = smallest_size(available["sizes"], launch.asked)
    if size:
        options["size"] = size
    return options

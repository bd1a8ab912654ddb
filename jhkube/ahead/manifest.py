"""The manifest of a pod that waits: what it differs in from that of a start, and when the two belong together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from kubernetes_asyncio.client.models import (
    V1Container,
    V1KeyToPath,
    V1Pod,
    V1SecretVolumeSource,
    V1Volume,
    V1VolumeMount,
)

from jhkube.pod.parts import PodParts, apply_parts, user_container
from jhkube.pod.secret import PRIVATE, PUBLIC, SecretFiles, secret_name

__all__ = [
    "AHEAD_LABEL",
    "HANDED_OVER",
    "TAKEN",
    "WAITING",
    "CannotWait",
    "ahead_files",
    "fingerprint",
    "handed_over",
    "spec_digest",
    "waiting_pod",
]

AHEAD_LABEL: Final = "jhkube/ahead"
"""The label of a pod that was made before its start."""

WAITING: Final = "waiting"
"""The label's value while nobody has pressed Start."""

TAKEN: Final = "taken"
"""The label's value once the pod belongs to a server."""

HANDED_OVER: Final = frozenset(
    {
        "JPY_API_TOKEN",
        "JUPYTERHUB_ADMIN_ACCESS",
        "JUPYTERHUB_API_TOKEN",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES",
        "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES",
        "JUPYTERHUB_OAUTH_SCOPES",
        "JUPYTERHUB_SERVICE_PREFIX",
        "JUPYTERHUB_SERVICE_URL",
    }
)
"""Variables that the hub knows only when a server starts; all others are in the waiting pod already."""

AHEAD_PATH: Final = "/etc/jhkube-ahead"
AHEAD_VOLUME: Final = "jhkube-ahead"
SINGLEUSER: Final = "jupyterhub-singleuser"

_FILES: Final = {"ahead-key": "key", "ahead-wait.sh": "wait.sh", "ahead-waiting.py": "waiting.py"}
"""Names in the pod's folder by the keys of its Secret."""

_CHANGING: Final = ("nodeName", "schedulingGates")
"""Fields of a pod's spec that Kubernetes writes after it was created."""


class CannotWait(ValueError):
    """A start of which no pod can be made in advance; says why."""


def ahead_files(key: str) -> SecretFiles:
    """Return the files that only a waiting pod's Secret has.

    Parameters
    ----------
    key
        What the hub shows when it hands over a start; empty once that has happened.
    """
    ours = files("jhkube.ahead")
    texts = {name: (ours / path).read_text("utf-8") for name, path in _FILES.items() if path != "key"}
    return SecretFiles({"ahead-key": key, **texts}, private=frozenset({"ahead-key"}))


def waiting_pod(pod: V1Pod, *, seconds: int, port: int, priority_class: str = "") -> V1Pod:
    """Make the manifest of a start into that of a pod that waits for it, in place, and return it.

    Parameters
    ----------
    pod
        The finished manifest, with the name that the waiting pod is to have.
    seconds
        How long the pod waits.
    port
        Where the server will listen.
    priority_class
        The PriorityClass in place of that of the start; empty for the same.

    Raises
    ------
    CannotWait
        Where the start's own values are needed before the server's program runs.
    """
    handed_over(pod)
    container = user_container(pod)
    container.env = [each for each in container.env or [] if each.name not in HANDED_OVER]
    _wait_before_command(container, [f"{AHEAD_PATH}/wait.sh", str(seconds), str(port)])
    key_mode = PRIVATE if _has_fs_group(pod) else PUBLIC
    items = [
        V1KeyToPath(key=key, path=path, mode=key_mode if path == "key" else PUBLIC) for key, path in _FILES.items()
    ]
    source = V1SecretVolumeSource(secret_name=secret_name(pod.metadata.name), default_mode=PRIVATE, items=items)
    apply_parts(
        pod,
        PodParts(
            volumes=(V1Volume(name=AHEAD_VOLUME, secret=source),),
            volume_mounts=(V1VolumeMount(name=AHEAD_VOLUME, mount_path=AHEAD_PATH, read_only=True),),
            labels={AHEAD_LABEL: WAITING},
        ),
    )
    if priority_class:
        pod.spec.priority_class_name = priority_class
    return pod


def _wait_before_command(container: V1Container, wait: list[str]) -> None:
    """Have a container wait where its server's program would begin: after a shell that sets the umask, say."""
    fields = [field for field in ("command", "args") if getattr(container, field)]
    if not fields:
        raise CannotWait("the command is left to the image: set c.KubeSpawner.cmd")
    programs = (
        (field, number)
        for field in fields
        for number, word in enumerate(getattr(container, field))
        if word.rpartition("/")[2] == SINGLEUSER
    )
    field, position = next(programs, (fields[0], 0))
    words = list(getattr(container, field))
    setattr(container, field, [*words[:position], "/bin/sh", *wait, *words[position:]])


def handed_over(pod: V1Pod) -> dict[str, str]:
    """Return the variables of a start that its waiting pod does not have.

    Raises
    ------
    CannotWait
        Where one of them is no plain text, or something else in the pod refers to one.
    """
    container = user_container(pod)
    environment: dict[str, str] = {}
    others: list[str] = [*(container.command or ()), *(container.args or ())]
    for each in container.env or ():
        if each.name not in HANDED_OVER:
            others.append(each.value or "")
        elif each.value is None or "$(" in each.value or "$$" in each.value:
            raise CannotWait(f"{each.name} is not a plain text")
        else:
            environment[each.name] = each.value
    for name in sorted(HANDED_OVER):
        if any(f"$({name})" in text for text in others):
            raise CannotWait(f"the command or a variable refers to {name}")
    return environment


def _has_fs_group(pod: V1Pod) -> bool:
    context = pod.spec.security_context
    if isinstance(context, dict):
        return context.get("fsGroup", context.get("fs_group")) is not None
    return getattr(context, "fs_group", None) is not None


def fingerprint(pod: Mapping[str, Any], files: SecretFiles) -> str:
    """Return what two manifests have in common that belong to the same choice of the same person: a hash.

    Parameters
    ----------
    pod
        The manifest of a start as the API's JSON; what is handed over is left out.
    files
        What the pod's Secret holds; tokens, which are renewed in a running pod, are left out.
    """
    containers = [
        {**each, "env": [variable for variable in each.get("env") or () if variable["name"] not in HANDED_OVER]}
        for each in pod["spec"]["containers"]
    ]
    public = {name: text for name, text in files.contents.items() if name not in files.private}
    return _digest({**pod, "spec": {**pod["spec"], "containers": containers}, "files": public})


def spec_digest(pod: Mapping[str, Any]) -> str:
    """Return a hash of what a pod of the cluster runs, which is the same for as long as nobody changes the pod.

    Parameters
    ----------
    pod
        The pod as the API server has it, complete.
    """
    return _digest({name: value for name, value in pod["spec"].items() if name not in _CHANGING})


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

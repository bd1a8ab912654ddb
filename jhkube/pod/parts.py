"""What is added to a pod, as a value, and the one place where it is added.

User data never passes through KubeSpawner's ``str.format`` templates: the pod that
``KubeSpawner.get_pod_manifest`` returns is finished, and `apply_parts` works on that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes_asyncio.client.models import (
    V1Container,
    V1EnvVar,
    V1Pod,
    V1ResourceRequirements,
    V1Volume,
    V1VolumeMount,
)

__all__ = [
    "ChoiceConflict",
    "InitStep",
    "PartsConflict",
    "PodParts",
    "apply_parts",
    "modest_resources",
    "mount_path_of",
    "name_of",
    "script_of",
    "unexpanded",
    "user_container",
]

INIT_CONTAINER = "jhkube-init"
"""The one init container that runs all the `InitStep`s of a pod, as the user."""

_PREAMBLE = """\
set -eu
fail() { # told to whoever reads the pod's status
  printf '%s\\n' "$1" >&2
  [ ! -w /dev/termination-log ] || printf '%s' "$1" >/dev/termination-log
  exit 1
}
"""


class PartsConflict(ValueError):
    """Two parts of a pod, or a part and the operator's own configuration, ask for the same place."""


class ChoiceConflict(ValueError):
    """Something that a person chose has no place in the pod; the message is a sentence for them."""


@dataclass(frozen=True, slots=True)
class InitStep:
    """Something to be done as the user, in the user's image, before the server starts.

    Steps of all parts share one init container: each further one would cost every start its own time.
    """

    script: str
    """POSIX shell for `sh`, constant: what varies comes in by `env`. `fail SENTENCE` ends the start."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Variables for the script."""

    volume_mounts: tuple[V1VolumeMount, ...] = ()
    """Mounts of the init container; two steps may name the same."""


@dataclass(frozen=True, slots=True)
class PodParts:
    """Some volumes, mounts, variables and labels that belong together."""

    volumes: tuple[V1Volume, ...] = ()
    """Volumes of the pod."""

    volume_mounts: tuple[V1VolumeMount, ...] = ()
    """Mounts of the user's container."""

    init_containers: tuple[V1Container, ...] = ()
    """Init containers; they run after those the operator has configured, in the order given."""

    init_steps: tuple[InitStep, ...] = ()
    """Steps for the init container that runs as the user, after `init_containers`."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Variables of the user's container; what the operator's `environment` sets wins."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the pod."""

    annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of the pod."""

    working_dir: str = ""
    """The user's container's working directory; what the operator's `working_dir` says wins."""


def unexpanded(text: str) -> str:
    """Return `text` so that kubelet passes it on unchanged in `env`, `command` or `args`.

    Kubelet expands ``$(NAME)`` there, and ``$$`` is how it spells a dollar sign.

    >>> unexpanded("costs $(HOME)")
    'costs $$(HOME)'
    """
    return text.replace("$", "$$")


def user_container(pod: V1Pod) -> V1Container:
    """Return the container that the user's server runs in: KubeSpawner's `notebook`, or the first."""
    containers = pod.spec.containers
    return next((container for container in containers if container.name == "notebook"), containers[0])


def apply_parts(pod: V1Pod, *parts: PodParts) -> V1Pod:
    """Add `parts` to `pod`, in place, and return it.

    To be called after `security.run_as`: the init container takes over whom the user's container runs as. All parts
    with steps go into one call, since these share an init container.

    Raises
    ------
    PartsConflict
        Where a volume's name, a mount's path or an init container's name is taken already.
    """
    container = user_container(pod)
    for part in parts:
        _add_named(pod.spec, "volumes", part.volumes, "volume")
        _add_named(pod.spec, "init_containers", part.init_containers, "init container")
        _add_mounts(container, part.volume_mounts)
        _add_env(container, part.env)
        if part.working_dir and not container.working_dir:
            container.working_dir = part.working_dir
        pod.metadata.labels = {**(pod.metadata.labels or {}), **part.labels}
        pod.metadata.annotations = {**(pod.metadata.annotations or {}), **part.annotations}
    steps = [step for part in parts for step in part.init_steps]
    if steps:
        _add_named(pod.spec, "init_containers", (_init_container(container, steps),), "init container")
    return pod


def script_of(*scripts: str) -> list[str]:
    """Return the command that runs `scripts` one after the other with `sh`, with `fail` at hand."""
    return ["/bin/sh", "-c", unexpanded("\n".join((_PREAMBLE, *(f"(\n{script})" for script in scripts))))]


def modest_resources(container: V1Container) -> V1ResourceRequirements:
    """Return `container`'s cores and memory for an init container.

    A pod is scheduled by the larger of its init containers and its containers, so this costs nothing, and a
    ResourceQuota asks it of every container.
    """
    resources = container.resources or V1ResourceRequirements()
    return V1ResourceRequirements(requests=_modest(resources.requests), limits=_modest(resources.limits))


def _modest(amounts: Mapping[str, str] | None) -> dict[str, str]:
    return {name: amount for name, amount in (amounts or {}).items() if name in ("cpu", "memory")}


def _init_container(container: V1Container, steps: list[InitStep]) -> V1Container:
    init = V1Container(
        name=INIT_CONTAINER,
        image=container.image,
        image_pull_policy=container.image_pull_policy,
        command=script_of(*(step.script for step in steps)),
        resources=modest_resources(container),
        security_context=container.security_context,
    )
    for step in steps:
        _add_mounts(init, step.volume_mounts)
        _add_env(init, step.env)
    return init


def name_of(item: Any) -> str:
    """Return the name of a model, or of the plain dict that `extra_pod_config` may have put there."""
    return str(item["name"] if isinstance(item, dict) else item.name)


def mount_path_of(mount: Any) -> str:
    """Return where a mount is, without a slash at the end."""
    path = mount.get("mountPath", mount.get("mount_path")) if isinstance(mount, dict) else mount.mount_path
    return "/" + str(path).strip("/")


def _add_named(spec: Any, attribute: str, items: tuple[Any, ...], word: str) -> None:
    if not items:
        return
    there = list(getattr(spec, attribute) or [])
    by_name = {name_of(item): item for item in there}
    for item in items:
        if item.name not in by_name:
            by_name[item.name] = item
            there.append(item)
        elif by_name[item.name] != item:
            raise PartsConflict(
                f"the pod has two different {word}s named {item.name!r}: rename the one in the configuration"
            )
    setattr(spec, attribute, there)


def _add_mounts(container: V1Container, mounts: tuple[V1VolumeMount, ...]) -> None:
    if not mounts:
        return
    there = list(container.volume_mounts or [])
    by_path = {mount_path_of(mount): mount for mount in there}
    for mount in mounts:
        path = mount_path_of(mount)
        if path not in by_path:
            by_path[path] = mount
            there.append(mount)
        elif by_path[path] != mount:
            raise PartsConflict(
                f"two volumes are to be mounted at {path}: {name_of(by_path[path])!r} and {mount.name!r};"
                " remove one from volume_mounts, or with the Zero to JupyterHub chart"
                " set singleuser.storage.type to none"
            )
    container.volume_mounts = there


def _add_env(container: V1Container, env: Mapping[str, str]) -> None:
    if not env:
        return
    there = list(container.env or [])
    taken = {name_of(variable) for variable in there}
    added = [V1EnvVar(name=name, value=unexpanded(value)) for name, value in env.items() if name not in taken]
    # In front, so that the operator's own variables may refer to them as $(HOME).
    container.env = added + there

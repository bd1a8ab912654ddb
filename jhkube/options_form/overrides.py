"""What a choice changes in KubeSpawner's traits: the overrides of a size, of presets and of check boxes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .presets import Preset
from .sizes import Size

__all__ = [
    "FRESH_ENVIRONMENT",
    "Appended",
    "merged",
    "option_overrides",
    "preset_overrides",
    "size_overrides",
    "without_templates",
]

FRESH_FOLDER: Final = "/tmp/jhkube-fresh"
"""Where packages and settings of a fresh environment go."""

FRESH_ENVIRONMENT: Final = {
    "JHKUBE_RESET_ENVIRONMENT": "true",
    "PYTHONUSERBASE": f"{FRESH_FOLDER}/python",
    "JUPYTER_CONFIG_DIR": f"{FRESH_FOLDER}/jupyter/config",
    "JUPYTER_DATA_DIR": f"{FRESH_FOLDER}/jupyter/data",
    "JUPYTERLAB_SETTINGS_DIR": f"{FRESH_FOLDER}/jupyter/settings",
    "JUPYTERLAB_WORKSPACES_DIR": f"{FRESH_FOLDER}/jupyter/workspaces",
    "IPYTHONDIR": f"{FRESH_FOLDER}/ipython",
    "R_LIBS_USER": f"{FRESH_FOLDER}/r",
}
"""What sets a person's own packages and settings aside for one start, in any image, and touches no file.

An image whose start script wants to do more looks at `JHKUBE_RESET_ENVIRONMENT`; that of `images/lab` moves things
out of the way instead and takes the variables that are below `FRESH_FOLDER` back.
"""

# What KubeSpawner fills into volumes, labels and environment; every other brace is text.
TEMPLATE_FIELDS: Final = frozenset(
    f"{{{name}}}"
    for name in (
        *(
            f"{form}{name}"
            for form in ("", "safe_", "escaped_")
            for name in ("username", "servername", "user_server")
        ),
        *(
            "unescaped_username",
            "unescaped_servername",
            "userid",
            "hubnamespace",
            "namespace",
            "pod_name",
            "pvc_name",
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Appended:
    """An override that adds to a list trait of KubeSpawner, where a plain value would replace it.

    KubeSpawner calls it with the spawner. Applied twice, it adds once.
    """

    trait: str
    """The trait's name: `tolerations`, `volumes`, `volume_mounts`."""

    items: tuple[Any, ...]
    """What is added, as Kubernetes writes it."""

    def __call__(self, spawner: Any) -> list[Any] | dict[str, Any]:
        current = getattr(spawner, self.trait)
        if isinstance(current, Mapping):
            added = {f"jhkube-{index:03}": item for index, item in enumerate(self.items)}
            return {**current, **{key: item for key, item in added.items() if item not in current.values()}}
        return [*current, *(item for item in self.items if item not in current)]


def without_templates(value: Any) -> Any:
    """Return a value that KubeSpawner's `str.format` leaves as it was meant.

    Braces are doubled in every text, except around the fields that KubeSpawner documents, such as
    `{username}`.
    """
    if isinstance(value, str):
        parts = re.split(r"(\{[a-z_]+\})", value)
        return "".join(
            part if part in TEMPLATE_FIELDS else part.replace("{", "{{").replace("}", "}}") for part in parts
        )
    if isinstance(value, Mapping):
        return {key: without_templates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_templates(item) for item in value]
    return value


def size_overrides(size: Size) -> dict[str, Any]:
    """Return limits, guarantees and the choice of nodes that a size stands for."""
    overrides: dict[str, Any] = {
        "cpu_limit": size.cores,
        "cpu_guarantee": size.cores_guarantee,
        "mem_limit": size.memory,
        "mem_guarantee": size.memory_guarantee,
    }
    if size.gpus:
        # An extended resource cannot be overcommitted: its request has to be its limit.
        gpus = {size.gpu_resource: str(size.gpus)}
        overrides |= {"extra_resource_limits": gpus, "extra_resource_guarantees": dict(gpus)}
    if size.node_selector:
        overrides["node_selector"] = dict(size.node_selector)
    if size.tolerations:
        overrides["tolerations"] = Appended("tolerations", tuple(dict(each) for each in size.tolerations))
    return overrides


def preset_overrides(presets: Sequence[Preset]) -> dict[str, Any]:
    """Return what the checked presets add; of two that set one variable, the later wins."""
    overrides: dict[str, Any] = {}
    for preset in presets:
        for trait, values in (
            ("environment", preset.environment),
            ("extra_labels", preset.labels),
            ("extra_annotations", preset.annotations),
        ):
            if values:
                overrides.setdefault(trait, {}).update(without_templates(values))
    for trait in ("volumes", "volume_mounts"):
        items: list[Any] = []
        for preset in presets:
            items += [item for item in without_templates(getattr(preset, trait)) if item not in items]
        if items:
            overrides[trait] = Appended(trait, tuple(items))
    return overrides


def option_overrides(*, reset_environment: bool, debug: bool) -> dict[str, Any]:
    """Return what the two check boxes set."""
    overrides: dict[str, Any] = {}
    if reset_environment:
        overrides["environment"] = dict(FRESH_ENVIRONMENT)
    if debug:
        overrides["debug"] = True
    return overrides


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return several overrides as one: dicts are merged, of other values the last one wins."""
    whole: dict[str, Any] = {}
    for part in parts:
        for trait, value in part.items():
            if isinstance(value, Mapping) and isinstance(whole.get(trait), Mapping):
                whole[trait] = {**whole[trait], **value}
            else:
                whole[trait] = value
    return whole

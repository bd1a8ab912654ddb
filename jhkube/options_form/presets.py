"""Presets: a check box on the form that adds environment, volumes or labels to a server; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jhkube.operator_fields import ConfigError, Fields, read_items

__all__ = ["ConfigError", "Preset", "parse_presets", "presets_for"]

FIELDS: Final = (
    "name",
    "display_name",
    "description",
    "environment",
    "volumes",
    "volume_mounts",
    "labels",
    "annotations",
    "groups",
    "default",
)


@dataclass(frozen=True, slots=True)
class Preset:
    """Something that a person may add to a server."""

    name: str
    """What `user_options` carry."""

    display_name: str
    """What stands beside the check box."""

    description: str = ""
    """What it does, in one line for people."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables, taken as they are: braces are not a template's."""

    volumes: tuple[Mapping[str, Any], ...] = ()
    """Volumes of the pod, as Kubernetes writes them."""

    volume_mounts: tuple[Mapping[str, Any], ...] = ()
    """Mounts of the server's container, as Kubernetes writes them."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the pod."""

    annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of the pod."""

    groups: frozenset[str] = frozenset()
    """The hub groups that may take it; everybody where empty."""

    is_default: bool = False
    """Whether the box is checked for somebody who has not chosen yet."""


def parse_presets(config: Any) -> tuple[Preset, ...]:
    """Return the presets that an operator configured, in their order.

    Parameters
    ----------
    config
        A list of dicts: ``[{"name": "scratch", "display_name": "Mount the scratch disk", "volumes": […],
        "volume_mounts": […]}]``.

    Raises
    ------
    ConfigError
        Where something cannot be; the sentence names the field, and the nearest right one.
    """
    presets = tuple(_parse_preset(where, item) for where, item in read_items("presets", config))
    seen: set[str] = set()
    for index, preset in enumerate(presets):
        if preset.name in seen:
            raise ConfigError(f"presets[{index}].name: {preset.name!r} is the name of a preset before it")
        seen.add(preset.name)
    return presets


def presets_for(groups: Collection[str], presets: Sequence[Preset]) -> tuple[Preset, ...]:
    """Return the presets that somebody in these hub groups may take."""
    mine = frozenset(groups)
    return tuple(preset for preset in presets if not preset.groups or preset.groups & mine)


def _parse_preset(where: str, item: Any) -> Preset:
    fields = Fields(where, item, FIELDS)
    name = fields.name()
    fields.where = f"{where} ({name})"
    volumes = fields.objects("volumes", required=("name",))
    mounts = fields.objects("volume_mounts", required=("name", "mountPath"))
    names = {volume["name"] for volume in volumes}
    for volume in volumes:
        if len(volume) != 2:
            raise fields.wrong("volumes", "a list of volumes, each with a name and one source such as 'nfs'")
    for mount in mounts:
        if names and mount["name"] not in names:
            raise fields.wrong("volume_mounts", f"a list of mounts of {', '.join(sorted(names))}")
        if not mount["mountPath"].startswith("/"):
            raise fields.wrong("volume_mounts", "a list of mounts whose mountPath begins with '/'")
    return Preset(
        name=name,
        display_name=fields.text("display_name") or name.replace("-", " ").replace("_", " ").capitalize(),
        description=fields.text("description"),
        environment=fields.texts("environment", environment=True),
        volumes=volumes,
        volume_mounts=mounts,
        labels=fields.texts("labels"),
        annotations=fields.texts("annotations"),
        groups=fields.words("groups"),
        is_default=fields.flag("default"),
    )

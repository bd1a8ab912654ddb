"""Presets: a check box on the form that adds environment, volumes or labels to a server."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from jhkube.operator_errors import not_wanted
from jhkube.operator_models import ChoosableModel, read_named
from jhkube.operator_types import Environment, KubernetesObjects, Texts

__all__ = ["ClusterPreset", "Preset", "parse_presets", "presets_for"]


class Preset(ChoosableModel):
    """Something that a person may add to a server."""

    environment: Environment = Field(default_factory=dict)
    """Environment variables, taken as they are: braces are not a template's."""

    volumes: KubernetesObjects = ()
    """Volumes of the pod, as Kubernetes writes them."""

    volume_mounts: KubernetesObjects = ()
    """Mounts of the server's container, as Kubernetes writes them."""

    labels: Texts = Field(default_factory=dict)
    """Labels of the pod."""

    annotations: Texts = Field(default_factory=dict)
    """Annotations of the pod."""

    @field_validator("volumes")
    @classmethod
    def _volumes(cls, volumes: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
        _need(volumes, "name")
        if any(len(volume) != 2 for volume in volumes):
            raise not_wanted("a list of volumes, each with a name and one source such as 'nfs'", secret=True)
        return volumes

    @field_validator("volume_mounts")
    @classmethod
    def _mounts(cls, mounts: tuple[Mapping[str, Any], ...], info: ValidationInfo) -> tuple[Mapping[str, Any], ...]:
        _need(mounts, "name", "mountPath")
        names = {volume["name"] for volume in info.data.get("volumes", ())}
        if names and any(mount["name"] not in names for mount in mounts):
            raise not_wanted(f"a list of mounts of {', '.join(sorted(names))}", secret=True)
        if not all(mount["mountPath"].startswith("/") for mount in mounts):
            raise not_wanted("a list of mounts whose mountPath begins with '/'", secret=True)
        return mounts


class ClusterPreset(Preset):
    """A preset that is an object of the cluster, and not of the configuration: a PodDefault of Kubeflow."""

    labels_to_choose: tuple[str, ...] = ()
    """The labels by which Kubeflow's web app chooses it."""

    content: Any = None
    """What it adds to the pod; the form does not look into it."""


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
    return read_named(Preset, "presets", config, "preset")


def presets_for(groups: Collection[str], presets: Sequence[Preset]) -> tuple[Preset, ...]:
    """Return the presets that somebody in these hub groups may take."""
    mine = frozenset(groups)
    return tuple(preset for preset in presets if not preset.groups or preset.groups & mine)


def _need(items: Sequence[Mapping[str, Any]], *keys: str) -> None:
    """Refuse objects of Kubernetes that lack a text under one of these keys."""
    for key in keys:
        if not all(isinstance(item.get(key), str) and item[key] for item in items):
            raise not_wanted(f"a list of dicts that each have a {key!r}", secret=True)

"""What Kubeflow's form is made of, `spawnerFormDefaults`, and what fills it: images, sizes and presets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from jhkube.service.door_views import View, default_choice

__all__ = ["gpu_resources", "pod_defaults", "spawner_form"]

MOUNT: Final = "/home/jovyan"
"""Where the form says that the workspace is. The hub decides it, whatever the form sends."""

MOST_WITH_GPU: Final = (4.0, 96.0)
"""The most cores and GiB that StatCan's form takes with a GPU. It sets both itself, and the size may have more."""

NO_GROUP: Final[dict[str, Any]] = {"value": "", "options": []}


def spawner_form(available: View, disk: str) -> dict[str, Any]:
    """Return the form's configuration, as both web apps read it.

    Parameters
    ----------
    available
        What the person may choose, by the schema `Options`.
    disk
        How large a workspace is that the hub makes, as Kubernetes writes it.
    """
    sizes, images = available["sizes"], available["images"]
    image = default_choice(images)
    return {
        "image": {
            "value": image["reference"] if image else "",
            "options": [each["reference"] for each in images],
            "readOnly": not images and not available["custom_images"],
            "hideRegistry": True,
            "hideVersion": False,
        },
        "imageGroupOne": NO_GROUP,
        "imageGroupTwo": NO_GROUP,
        "imageGroupThree": NO_GROUP,
        "allowCustomImage": available["custom_images"] or available["all_images"],
        "hideRegistry": True,
        "hideTag": False,
        "imagePullPolicy": {"value": "IfNotPresent", "readOnly": True},
        "cpu": _amount(sizes, lambda size: size["cores"], MOST_WITH_GPU[0]),
        "memory": _amount(sizes, lambda size: size["memory"] / 1024**3, MOST_WITH_GPU[1]),
        "workspaceVolume": {"value": _workspace(disk), "readOnly": True},
        "dataVolumes": {"value": [], "readOnly": available["disks"] is None},
        "gpus": {
            "value": {"num": "none", "vendors": _vendors(sizes), "vendor": next(iter(gpu_resources(sizes)), "")},
            "readOnly": not gpu_resources(sizes),
        },
        "shm": {"value": False, "readOnly": True},
        "configurations": {
            "value": [_label(each) for each in available["presets"] if each["default"]],
            "readOnly": not available["presets"],
        },
        "affinityConfig": {
            "value": "none",
            "options": [
                {"configKey": each["value"], "displayName": each["display_name"], "affinity": {}} for each in sizes
            ],
            "readOnly": not sizes,
        },
        "tolerationGroup": {
            "value": "none",
            "options": [
                {"groupKey": each["value"], "displayName": each["display_name"], "tolerations": []} for each in sizes
            ],
            "readOnly": not sizes,
        },
        "environment": {"value": {}, "readOnly": True},
    }


def _amount(sizes: Sequence[View], amount: Callable[[View], float], most_with_gpu: float) -> dict[str, Any]:
    """Return a field for an amount; StatCan's form needs bare numbers, also as the limit and next to a GPU."""
    default = default_choice(sizes)
    value = _number(amount(default) if default else 0)
    with_gpu = min((min(amount(each), most_with_gpu) for each in sizes if each["gpus"]), default=0)
    return {
        "value": value,
        "limitFactor": "none",
        "limitValue": value,
        "gpuDefault": _number(with_gpu),
        "readOnly": not sizes,
    }


def _number(value: float) -> str:
    return f"{value:g}" if value % 1 else f"{value:.1f}"


def _workspace(disk: str) -> dict[str, Any]:
    claim = {
        "metadata": {"name": "{notebook-name}-workspace"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": disk}}},
    }
    return {"mount": MOUNT, "newPvc": claim}


def gpu_resources(sizes: Sequence[View]) -> list[str]:
    """Return the extended resources of the GPUs that sizes have, each once."""
    return sorted({each["gpu_resource"] for each in sizes if each["gpus"]})


def _vendors(sizes: Sequence[View]) -> list[dict[str, str]]:
    return [{"limitsKey": each, "uiName": each.partition(".")[0].upper()} for each in gpu_resources(sizes)]


def _label(preset: View) -> str:
    """Return the label by which the form chooses a preset: its own name, if it is none of the cluster's."""
    return str(next(iter(preset["labels"]), preset["value"]))


def pod_defaults(presets: Sequence[View], namespace: str) -> list[dict[str, Any]]:
    """Return presets as PodDefaults, those of the cluster among them: what the form shows under *Configurations*."""
    return [
        {
            "apiVersion": "kubeflow.org/v1alpha1",
            "kind": "PodDefault",
            "metadata": {"name": each["value"], "namespace": namespace},
            "spec": {
                "selector": {"matchLabels": dict.fromkeys(each["labels"] or [each["value"]], "true")},
                "desc": each["display_name"],
            },
            "label": _label(each),
            "desc": each["display_name"],
        }
        for each in presets
    ]

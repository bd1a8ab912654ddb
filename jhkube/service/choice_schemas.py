"""JSON Schemas of what there is to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jhkube.service.schema_parts import BYTES, COUNT, FLAG, Schema, object_schema, reference, text

__all__ = ["CHOICES"]

GPU: Final = object_schema(
    {
        "resource": text("What Kubernetes calls it, such as nvidia.com/gpu."),
        "allowed": {**FLAG, "description": "Whether I can choose a size with it."},
        "most": {**COUNT, "description": "How many one server of mine can have: by its size, and by my ceiling."},
        "sizes": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The sizes with it, of those for me.",
        },
    }
)
IMAGE: Final = object_schema(
    {
        "value": text("What the option image takes."),
        "display_name": text("The name that people see."),
        "reference": text("The image with its registry."),
        "default": FLAG,
    }
)
SIZE: Final = object_schema(
    {
        "value": text("What the option size takes."),
        "display_name": text("The name that people see."),
        "description": text("What it is good for; often empty."),
        "cores": {"type": "number", "minimum": 0, "description": "Cores."},
        "memory": BYTES,
        "gpus": COUNT,
        "gpu_resource": text("What Kubernetes calls these GPUs; empty for a size without."),
        "default": FLAG,
    }
)
PRESET: Final = object_schema(
    {
        "value": text("What the option presets takes."),
        "display_name": text("The name that people see."),
        "description": text("What it does; often empty."),
        "default": FLAG,
        "labels": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The labels of the PodDefault that it is; empty for a preset of the hub's configuration.",
        },
    }
)
PROFILE: Final = object_schema(
    {"value": text("What the option profile takes."), "display_name": text("The name that people see.")}
)
VARIABLE: Final = object_schema(
    {
        "name": text("The variable's name in the option environment."),
        "display_name": text("The name that people see."),
        "description": text("What it is good for; often empty."),
        "values": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What it can be; empty for any text.",
        },
        "pattern": text("The regular expression that a value has to match as a whole; mostly empty."),
    }
)
CEILING: Final = object_schema(
    {
        "cores": {"type": ["number", "null"], "description": "Cores of all servers together; null for no ceiling."},
        "memory": {"type": ["integer", "null"], "description": "Bytes of all servers together."},
        "gpus": {"type": ["integer", "null"], "description": "GPUs of all servers together."},
        "servers": {"type": ["integer", "null"], "description": "Servers that run at once."},
    }
)
OPTIONS: Final = object_schema(
    {
        "images": {"type": "array", "items": reference("ImageChoice")},
        "all_images": {**FLAG, "description": "Whether any other tag of the repositories can be chosen too."},
        "custom_images": {**FLAG, "description": "Whether people can type the name of another image."},
        "sizes": {"type": "array", "items": reference("SizeChoice")},
        "presets": {"type": "array", "items": reference("PresetChoice")},
        "profiles": {
            "type": "array",
            "items": reference("ProfileChoice"),
            "description": "Profiles of the operator's.",
        },
        "default_profile": text("The profile that is taken where none is chosen."),
        "repository_hosts": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What the option repository begins with, such as https://github.com; empty for none.",
        },
        "environment": {
            "type": "array",
            "items": reference("VariableChoice"),
            "description": "The variables that the option environment can set.",
        },
        "secrets": {
            "type": "array",
            "items": {"type": "string"},
            "description": "My own secrets, which the option secrets can attach.",
        },
        "disks": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": "My own disks, which the option disks can mount; null if the hub does not allow it.",
        },
        "reset_environment": FLAG,
        "debug": FLAG,
        "ceiling": reference("Ceiling"),
        "named_servers": {**FLAG, "description": "Whether one can have more than the default server."},
        "gpu_resources": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What the hub's sizes call a GPU, also in sizes that others can choose.",
        },
        "errors": {"type": "array", "items": {"type": "string"}, "description": "Registries that do not answer."},
    }
)

CHOICES: Final[Mapping[str, Schema]] = {
    "Gpu": GPU,
    "ImageChoice": IMAGE,
    "SizeChoice": SIZE,
    "PresetChoice": PRESET,
    "ProfileChoice": PROFILE,
    "VariableChoice": VARIABLE,
    "Ceiling": CEILING,
    "Options": OPTIONS,
}
"""The schemas, by the names that others refer to them by."""

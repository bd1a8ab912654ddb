"""What the service's API says of servers, disks and choices: samples for the tests of the front doors."""

from __future__ import annotations

from typing import Any

GIB = 1024**3

SIZES = [
    {"value": "large", "display_name": "Large", "cores": 4, "memory": 8 * GIB, "gpus": 0},
    {"value": "small", "display_name": "Small", "cores": 0.5, "memory": 2 * GIB, "gpus": 0, "default": True},
    {"value": "gpu", "display_name": "With a GPU", "cores": 2, "memory": 6 * GIB, "gpus": 1},
]
for _size in SIZES:
    _size.update(default=_size.get("default", False), gpu_resource="nvidia.com/gpu", description="")

AVAILABLE: dict[str, Any] = {
    "images": [
        {
            "value": "recommended",
            "display_name": "Recommended",
            "reference": "registry.example.org/lab:w_46",
            "default": True,
        },
        {
            "value": "w_45",
            "display_name": "Weekly 45",
            "reference": "registry.example.org/lab:w_45",
            "default": False,
        },
    ],
    "all_images": False,
    "custom_images": False,
    "sizes": SIZES,
    "presets": [
        {"value": "fast-disk", "display_name": "Fast disk", "description": "", "default": True, "labels": []},
        {"value": "data", "display_name": "Shared data", "description": "", "default": False, "labels": []},
    ],
    "disks": ["disk-ada--data"],
}


def server(name: str = "study", state: str = "running", **more: Any) -> dict[str, Any]:
    """Return a server by the schema `Server`."""
    return {
        "name": name,
        "display_name": name,
        "state": state,
        "message": f"Your server is {state}.",
        "url": f"/user/ada/{name}/",
        "started": "2026-11-29T10:00:00Z" if state in ("running", "starting") else None,
        "last_activity": "2026-11-29T11:00:00Z",
        "image": "registry.example.org/lab:w_46",
        "image_tag": "w_46",
        "size": "small",
        "options": {"size": "small"},
        "steps": [],
        "failure": None,
        "claims": [f"claim-ada--{name}"],
        "containers": ["notebook", "home"],
        "warnings": [],
        **more,
    }


def claim(state: str = "ready", **more: Any) -> dict[str, Any]:
    """Return a disk by the schema `Claim`."""
    return {
        "name": "claim-ada--study",
        "state": state,
        "message": f"This disk is {state}.",
        "size": "10Gi",
        "size_bytes": 10 * GIB,
        "capacity_bytes": 10 * GIB,
        "storage_class": "standard",
        "access_modes": ["ReadWriteOnce"],
        "created": "2026-11-01T12:00:00Z",
        "server": "study",
        "used_by": [{"server": "study", "since": "2026-11-29T10:00:00Z"}],
        **more,
    }

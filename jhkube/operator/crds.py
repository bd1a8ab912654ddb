"""The CustomResourceDefinitions that the operator needs, as they are delivered."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

import yaml

__all__ = ["CRD_FILES", "crd_text", "custom_resource_definitions", "printed_crds"]

CRD_FILES: Final = ("jupyternotebooks.yaml", "jupyterservers.yaml", "kopfpeerings.yaml")
"""The files of `jhkube/operator/crds`."""


def crd_text(name: str) -> str:
    """Return one of `CRD_FILES`."""
    return (files("jhkube.operator") / "crds" / name).read_text("utf-8")


def printed_crds() -> str:
    """Return all definitions as YAML for `kubectl apply -f -`."""
    return "---\n".join(crd_text(name) for name in CRD_FILES)


def custom_resource_definitions() -> list[dict[str, Any]]:
    """Return all definitions as the API's JSON."""
    return list(yaml.safe_load_all(printed_crds()))

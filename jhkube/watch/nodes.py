"""The nodes, with the images that each says it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from jhkube.watch._packed import PackedObjects
from jhkube.watch._watch_reflector import WatchReflector

__all__ = ["NodeReflector", "slim_node"]


class NodeReflector(WatchReflector):
    """The cluster's nodes, by "/name"."""

    kind = "nodes"
    list_method_name = "list_node"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._changes = 0
        super().__init__(*args, **(kwargs | {"omit_namespace": True}))

    @property
    def nodes(self) -> Mapping[str, dict[str, Any]]:
        """The nodes, as the API's JSON with what `slim_node` leaves of it."""
        return cast(PackedObjects, self.resources)

    @property
    def changes(self) -> int:
        """A number that grows with each change, for those who keep what they made of the nodes."""
        return self._changes

    def _slim(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return slim_node(item)

    def _put(self, key: str, item: Mapping[str, Any]) -> None:
        super()._put(key, item)
        self._changes += 1

    def _remove(self, key: str, item: Mapping[str, Any]) -> None:
        super()._remove(key, item)
        self._changes += 1

    def _replace(self, had: PackedObjects, fresh: PackedObjects) -> None:
        super()._replace(had, fresh)
        self._changes += 1


def slim_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node with what decides whether labs run there, and the names of its images."""
    metadata, spec, status = node["metadata"], node.get("spec", {}), node.get("status", {})
    return {
        "metadata": {name: metadata.get(name) for name in ("name", "labels", "resourceVersion")},
        "spec": {name: spec[name] for name in ("taints", "unschedulable") if name in spec},
        "status": {
            "conditions": [
                {"type": each["type"], "status": each["status"]}
                for each in status.get("conditions") or ()
                if each["type"] == "Ready"
            ],
            "images": [{"names": each.get("names") or []} for each in status.get("images") or ()],
        },
    }

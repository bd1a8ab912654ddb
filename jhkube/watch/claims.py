"""The claims that there are: watched, so that a start need not ask for its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from jhkube.identity import SUBJECT_ANNOTATION
from jhkube.watch._packed import PackedObjects
from jhkube.watch.reflectors import WatchReflector

__all__ = ["ClaimReflector"]


class ClaimReflector(WatchReflector):
    """The PersistentVolumeClaims of the pods' namespaces."""

    kind = "claims"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # KubeSpawner's reflectors know the names of these methods for pods and events only.
        self.list_method_name = (
            "list_persistent_volume_claim_for_all_namespaces"
            if kwargs.get("omit_namespace")
            else "list_namespaced_persistent_volume_claim"
        )
        super().__init__(*args, **kwargs)

    @property
    def claims(self) -> Mapping[str, dict[str, Any]]:
        """The claims by "namespace/name", as the API's JSON without the fields that no hub reads."""
        return cast(PackedObjects, self.resources)

    def _slim(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        metadata, spec, status = item["metadata"], item["spec"], item.get("status", {})
        kept = ("name", "namespace", "uid", "resourceVersion", "deletionTimestamp")
        annotations = metadata.get("annotations", {})
        whose = {name: annotations[name] for name in (SUBJECT_ANNOTATION,) if name in annotations}
        return {
            "metadata": {**{name: metadata[name] for name in kept if name in metadata}, "annotations": whose},
            "spec": {name: spec[name] for name in ("resources", "storageClassName", "accessModes") if name in spec},
            "status": {name: status[name] for name in ("phase", "capacity") if name in status},
        }

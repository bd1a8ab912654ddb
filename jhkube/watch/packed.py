"""Objects of the cluster, kept small: as the bytes of their JSON, read when asked for.

A hub with 5,000 pods keeps them for days and looks at a few. As Python dicts they are a million objects,
which the garbage collector walks, in the event loop, whenever it does its full round. As bytes they are one
object each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

__all__ = ["PackedObjects", "object_key", "slim_event", "slim_pod"]

_NOISY_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
_CONTAINER_FIELDS = ("name", "image", "ports", "resources", "restartPolicy")
_SPEC_FIELDS = ("nodeName", "hostname", "subdomain", "schedulerName", "priorityClassName", "restartPolicy")


class PackedObjects(Mapping[str, dict[str, Any]]):
    """A mapping of "namespace/name" to an object's JSON, which gives a fresh dict at each reading.

    >>> pods = PackedObjects()
    >>> pods.put("hub/jupyter-alice", {"metadata": {"name": "jupyter-alice", "resourceVersion": "7"}})
    >>> pods["hub/jupyter-alice"]["metadata"]["name"]
    'jupyter-alice'
    """

    __slots__ = ("_packed",)

    def __init__(self) -> None:
        self._packed: dict[str, tuple[str, bytes]] = {}

    def put(self, key: str, item: Mapping[str, Any]) -> None:
        """Keep an object, in place of an older one of the same key and after all others."""
        self._packed.pop(key, None)
        version = item["metadata"].get("resourceVersion", "")
        self._packed[key] = (version, json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode())

    def keep(self, key: str, other: PackedObjects, version: str) -> bool:
        """Take an object over from another mapping if it is still the same version; whether that was so."""
        had = other._packed.get(key)
        if had is None or had[0] != version:
            return False
        self._packed[key] = had
        return True

    def drop(self, key: str) -> bool:
        """Forget an object; whether it was there."""
        return self._packed.pop(key, None) is not None

    def version(self, key: str) -> str | None:
        """The resourceVersion of an object, without reading it."""
        had = self._packed.get(key)
        return None if had is None else had[0]

    def order(self, key: str) -> int:
        """A number that is greater the later an object was changed."""
        version = self._packed[key][0]
        return int(version) if version.isdecimal() else 0

    def reader(self, key: str) -> Callable[[], dict[str, Any]] | None:
        """Return what reads an object as it is now, even once it is gone; None where there is none.

        Keeping an object in this way costs nothing; reading it takes longer than most questions about it.
        """
        had = self._packed.get(key)
        return None if had is None else partial(json.loads, had[1])

    @property
    def nbytes(self) -> int:
        """How many bytes of JSON are kept."""
        return sum(len(text) for _, text in self._packed.values())

    def __getitem__(self, key: str) -> dict[str, Any]:
        item: dict[str, Any] = json.loads(self._packed[key][1])
        return item

    def __contains__(self, key: object) -> bool:
        return key in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    # Mapping compares by value, and would read every object; traitlets compares at each assignment
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{len(self)} objects, {self.nbytes} bytes>"


def object_key(item: Mapping[str, Any]) -> str:
    """ "namespace/name" of an object, as KubeSpawner's reflectors key them; "/name" of one without a namespace."""
    metadata = item["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def slim_pod(pod: Mapping[str, Any]) -> dict[str, Any]:
    """A pod without what no hub reads: who wrote which field, and the environment, mounts and probes of its
    containers.

    The environment holds the server's API token; it has no business in the hub's memory a second time.
    """
    spec = pod.get("spec", {})
    slim_spec: dict[str, Any] = _pick(spec, _SPEC_FIELDS)
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            slim_spec[kind] = [_pick(container, _CONTAINER_FIELDS) for container in spec[kind]]
    # who holds a claim that only one pod may hold
    claims = [volume for volume in spec.get("volumes", ()) if "persistentVolumeClaim" in volume]
    if claims:
        slim_spec["volumes"] = claims
    # KubeSpawner reads the ports of every container without asking whether there are any
    for container in slim_spec.get("containers", ()):
        container.setdefault("ports", [])
    return {"metadata": _slim_metadata(pod["metadata"]), "spec": slim_spec, "status": _slim_status(pod)}


def slim_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event without who wrote which field, and with the two time fields KubeSpawner reads always there."""
    slim = {key: value for key, value in event.items() if value is not None and key not in ("metadata", "kind")}
    slim["metadata"] = _slim_metadata(event["metadata"])
    slim.setdefault("lastTimestamp", event.get("firstTimestamp"))
    slim.setdefault("eventTime", event["metadata"].get("creationTimestamp"))
    return slim


def _slim_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    slim = {key: value for key, value in metadata.items() if key not in ("managedFields", "selfLink")}
    annotations = slim.get("annotations")
    if annotations and not _NOISY_ANNOTATIONS.isdisjoint(annotations):
        slim["annotations"] = {k: v for k, v in annotations.items() if k not in _NOISY_ANNOTATIONS}
    return slim


def _slim_status(pod: Mapping[str, Any]) -> dict[str, Any]:
    status = dict(pod.get("status", {}))
    # both are read by KubeSpawner as if they were always there
    status.setdefault("phase", "Pending")
    status.setdefault("podIP", None)
    return status


def _pick(item: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    return {field: item[field] for field in fields if field in item}

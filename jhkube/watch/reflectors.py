"""What the cluster has, by kind: pods, their events, claims, DaemonSets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

from jhkube.identity import SUBJECT_ANNOTATION
from jhkube.watch.packed import PackedObjects, slim_event, slim_pod
from jhkube.watch.reflector import WatchReflector

__all__ = ["ClaimReflector", "DaemonSetReflector", "EventReflector", "PodReflector", "WakingPodReflector"]


class PodReflector(WatchReflector):
    """The hub's pods."""

    kind = "pods"

    @property
    def pods(self) -> PackedObjects:
        """The pods by "namespace/name", as the API's JSON without the fields no hub reads (`slim_pod`)."""
        return cast(PackedObjects, self.resources)

    def _slim(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return slim_pod(item)


class EventReflector(WatchReflector):
    """What happened to the hub's pods since the hub started.

    Events from before are not loaded: they belong to no start this hub waits for, and a cluster keeps tens of
    thousands. Only after a watch that came too late are events listed, so that none is missed.
    """

    kind = "events"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # dicts of nothing, since the garbage collector has to walk sets
        self._by_pod: dict[str, dict[str, None]] = {}
        self._listing: dict[str, dict[str, None]] = {}
        self._loaded_once = False

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events, by time: reads every one of them. `events_of` is what to use."""
        return sorted(self.resources.values(), key=lambda event: event["lastTimestamp"] or event["eventTime"] or "")

    def events_of(
        self, key: str, known: MutableMapping[tuple[str, str | None], dict[str, Any]] | None = None
    ) -> list[dict[str, Any]]:
        """The events of the pod "namespace/name", oldest change first; the cost is that pod's events.

        Parameters
        ----------
        key
            The pod.
        known
            Events by name and version that an earlier call has read, for who asks again and again: those are not
            read again, and what is read now is added.
        """
        events = cast(PackedObjects, self.resources)
        known = {} if known is None else known
        found = []
        for name in sorted(self._by_pod.get(key, ()), key=events.order):
            version = (name, events.version(name))
            if version not in known:
                known[version] = events[name]
            found.append(known[version])
        return found

    async def _load(self) -> str:
        self._listing = {}
        if self._loaded_once:
            return await super()._load()
        page = json.loads(await self._page(1, ""))
        self._loaded_once = True
        return str(page["metadata"]["resourceVersion"])

    def _slim(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return slim_event(item)

    def _put(self, key: str, item: Mapping[str, Any]) -> None:
        cast(PackedObjects, self.resources).put(key, slim_event(item))
        pod = _pod_of(item)
        self._by_pod.setdefault(pod, {})[key] = None
        self._notify(pod)

    def _remove(self, key: str, item: Mapping[str, Any]) -> None:
        cast(PackedObjects, self.resources).drop(key)
        pod = _pod_of(item)
        names = self._by_pod.get(pod)
        if names is not None:
            names.pop(key, None)
            if not names:
                del self._by_pod[pod]

    def _note_listed(self, key: str, item: Mapping[str, Any]) -> None:
        self._listing.setdefault(_pod_of(item), {})[key] = None

    def _replace(self, had: PackedObjects, fresh: PackedObjects) -> None:
        self.resources = fresh
        self._by_pod, self._listing = self._listing, {}
        for pod in list(self._subscribers):
            self._notify(pod)


def _pod_of(event: Mapping[str, Any]) -> str:
    about = event["involvedObject"]
    return f"{about.get('namespace', '')}/{about['name']}"


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


class _Waking(WatchReflector):
    """Sets an event at every change."""

    def __init__(self, *args: Any, wake: asyncio.Event, **kwargs: Any) -> None:
        self._wake = wake
        super().__init__(*args, **kwargs)

    def _notify(self, key: str) -> None:
        super()._notify(key)
        self._wake.set()

    def _replace(self, had: PackedObjects, fresh: PackedObjects) -> None:
        super()._replace(had, fresh)
        self._wake.set()


class WakingPodReflector(_Waking, PodReflector):
    """Pods."""


class DaemonSetReflector(_Waking):
    """DaemonSets, by "namespace/name"."""

    kind = "daemonsets"
    api_group_name = "AppsV1Api"
    list_method_name = "list_namespaced_daemon_set"

    @property
    def daemon_sets(self) -> Mapping[str, dict[str, Any]]:
        """The DaemonSets, as the API's JSON."""
        return cast(PackedObjects, self.resources)

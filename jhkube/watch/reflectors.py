"""Lists in pages, watches that come back, events by pod: drop-in reflectors for KubeSpawner's."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

from jhkube.watch._packed import PackedObjects, slim_event, slim_pod
from jhkube.watch._watch_reflector import WatchReflector

__all__ = ["EventReflector", "PodReflector", "WatchReflector"]


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
            read anew, and what is read now is added.
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
        self._tell(pod)

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
        for pod in list(self._told):
            self._tell(pod)


def _pod_of(event: Mapping[str, Any]) -> str:
    about = event["involvedObject"]
    return f"{about.get('namespace', '')}/{about['name']}"

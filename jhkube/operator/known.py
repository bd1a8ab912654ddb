"""What the operator knows of the cluster: the objects that watches have told of, by kind and name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from jhkube.watch.packed import object_key, slim_event

__all__ = ["Known", "KnownEvents"]

PODS_WITH_EVENTS: Final = 2000
"""For how many pods events are kept, the latest ones: most are about pods that are none of the operator's."""

EVENTS_OF_A_POD: Final = 20

_Change = tuple[Callable[[Mapping[str, Any]], None], Mapping[str, Any]]


class Known:
    """The objects of one kind, by "namespace/name", as the API's JSON; with a label, also by its value."""

    def __init__(self, label: str = "") -> None:
        self._label = label
        self._objects: dict[str, dict[str, Any]] = {}
        self._labelled: dict[str, set[str]] = {}
        self._meanwhile: list[_Change] | None = None

    def put(self, item: Mapping[str, Any]) -> None:
        """Keep an object as it is now; what a late watch tells of an earlier time is not taken."""
        if self._meanwhile is not None:
            self._meanwhile.append((self.put, item))
        key = object_key(item)
        had = self._objects.get(key)
        if had is not None and had["metadata"]["uid"] == item["metadata"]["uid"] and _version(had) > _version(item):
            return
        metadata = {name: value for name, value in item["metadata"].items() if name != "managedFields"}
        self._objects[key] = {**item, "metadata": metadata}
        if self._label:
            self._labelled.setdefault(self._value(item), set()).add(key)

    def drop(self, item: Mapping[str, Any]) -> None:
        """Forget an object; one that was made since by its name stays."""
        if self._meanwhile is not None:
            self._meanwhile.append((self.drop, item))
        key = object_key(item)
        if key in self._objects and self._objects[key]["metadata"]["uid"] == item["metadata"]["uid"]:
            del self._objects[key]
            if self._label and (keys := self._labelled.get(self._value(item))) is not None:
                keys.discard(key)
                if not keys:
                    del self._labelled[self._value(item)]

    def replace(self, items: list[dict[str, Any]]) -> None:
        """Know these and no others; one that was written since the list was read stays as it is known."""
        before = self._objects
        self._objects, self._labelled = {}, {}
        for item in items:
            had = before.get(object_key(item))
            if had is not None and had["metadata"]["uid"] == item["metadata"]["uid"]:
                self.put(had)
            self.put(item)

    async def read(self, listed: Awaitable[list[dict[str, Any]]]) -> None:
        """Know the objects of a list and no others, but for what is told while it comes: that may be newer.

        Parameters
        ----------
        listed
            The list, on its way.

        Raises
        ------
        ApiException
            Where the API server refuses.
        """
        meanwhile: list[_Change] = []
        self._meanwhile = meanwhile
        try:
            items = await listed
        finally:
            self._meanwhile = None
        self.replace(items)
        for take, item in meanwhile:
            take(item)

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the object "namespace/name", or None."""
        return self._objects.get(key)

    def labelled(self, value: str) -> list[dict[str, Any]]:
        """Return the objects whose label has this value."""
        return [self._objects[key] for key in self._labelled.get(value, ()) if key in self._objects]

    def values(self) -> list[dict[str, Any]]:
        """Return all objects."""
        return list(self._objects.values())

    def _value(self, item: Mapping[str, Any]) -> str:
        return str((item["metadata"].get("labels") or {}).get(self._label, ""))


class KnownEvents:
    """The latest events of the latest pods, by the pod's uid."""

    def __init__(self) -> None:
        self._by_pod: OrderedDict[str, OrderedDict[str, dict[str, Any]]] = OrderedDict()

    def put(self, event: Mapping[str, Any]) -> str:
        """Keep an event; return the uid of its pod."""
        uid = str(event["involvedObject"].get("uid", ""))
        events = self._by_pod.setdefault(uid, OrderedDict())
        self._by_pod.move_to_end(uid)
        events[event["metadata"]["name"]] = slim_event(event)
        events.move_to_end(event["metadata"]["name"])
        while len(events) > EVENTS_OF_A_POD:
            events.popitem(last=False)
        while len(self._by_pod) > PODS_WITH_EVENTS:
            self._by_pod.popitem(last=False)
        return uid

    def of(self, uid: str) -> list[dict[str, Any]]:
        """Return the events of a pod, oldest change first."""
        return list(self._by_pod.get(uid, {}).values())

    def forget(self, uid: str) -> None:
        """Drop the events of a pod that is gone."""
        self._by_pod.pop(uid, None)


def _version(item: Mapping[str, Any]) -> int:
    version = str(item["metadata"].get("resourceVersion", ""))
    return int(version) if version.isdecimal() else 0

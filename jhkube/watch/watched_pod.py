"""One pod as the watch shows it to a start: its state and its events."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

__all__ = ["WatchedPod"]


class WatchedPod:
    """A pod and its events, as a spawner's reflectors have them.

    Parameters
    ----------
    spawner
        The spawner whose `pod_reflector` and `event_reflector` are read. Either can be replaced while this is used.
    """

    def __init__(self, spawner: Any) -> None:
        self._spawner = spawner
        self.pod: Mapping[str, Any] | None = None
        """The pod as last seen; None where there is none."""
        self.events: list[Mapping[str, Any]] = []
        """The pod's events as last seen, oldest first."""
        self._seen: tuple[str | None, Mapping[str, Any] | None] = (None, None)
        self._read: dict[tuple[str, str | None], dict[str, Any]] = {}
        self._reflectors: list[Any] = []
        self._subscriptions = ExitStack()

    def follow(self, key: str, wake: asyncio.Event) -> None:
        """Have `wake` set at each change of the pod "namespace/name", until `close`; to be called again and again."""
        reflectors = [each for each in (self._spawner.pod_reflector, self._spawner.event_reflector) if each]
        if reflectors != self._reflectors:
            self._subscriptions.close()
            self._reflectors = reflectors
            for reflector in reflectors:
                self._subscriptions.enter_context(reflector.subscribe(key, wake))

    def look(self, key: str, uid: str | None) -> None:
        """Read the pod "namespace/name" and its events, each once for each change.

        Parameters
        ----------
        key
            The pod.
        uid
            Its uid; another pod of the same name is not seen. None for any pod of the name.
        """
        pods = self._spawner.pod_reflector.pods
        version = pods.version(key)
        if not version or version != self._seen[0]:
            self._seen = (version, pods.get(key))
        pod = self._seen[1]
        if pod is not None:
            uid = uid or pod["metadata"]["uid"]
            # one of the same name that was there before
            if pod["metadata"]["uid"] != uid:
                pod = None
        reflector = self._spawner.event_reflector
        events = reflector.events_of(key, self._read) if reflector else []
        self.pod = pod
        self.events = [each for each in events if uid and each["involvedObject"].get("uid") == uid]

    def reconnect(self) -> None:
        """Have the reflectors list again: for a pod that exists and that the watch does not show."""
        for reflector in self._reflectors:
            reflector.reconnect()

    def close(self) -> None:
        """End what `follow` began. `look` still works."""
        self._subscriptions.close()
        self._read.clear()

"""A DaemonSet and its pods, and a word whenever something of them changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from jhkube.watch._packed import PackedObjects
from jhkube.watch._watch_reflector import WatchReflector
from jhkube.watch.reflectors import PodReflector

__all__ = ["DaemonSetReflector", "WakingPodReflector"]


class _Waking(WatchReflector):
    """Sets an event at every change."""

    def __init__(self, *args: Any, wake: asyncio.Event, **kwargs: Any) -> None:
        self._wake = wake
        super().__init__(*args, **kwargs)

    def _tell(self, key: str) -> None:
        super()._tell(key)
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

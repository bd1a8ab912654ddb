"""What there is of notebooks and of what is made for them: told by watches, and read again where these have gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jhkube.operator.cluster import Cluster
from jhkube.operator.conditions import Phase
from jhkube.operator.known import Known, KnownEvents
from jhkube.operator.notebook_objects import UID_LABEL
from jhkube.watch.packed import object_key

__all__ = ["WATCHED", "SeenNotebooks"]

WATCHED: Final = ("JupyterNotebook", "Deployment", "Service", "Ingress", "PersistentVolumeClaim", "Pod", "Event")
"""The kinds whose changes this is told of."""


class SeenNotebooks:
    """JupyterNotebooks and the objects that concern them.

    Parameters
    ----------
    cluster
        Requests to the API server.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.known = {kind: Known(UID_LABEL if kind == "Pod" else "") for kind in WATCHED if kind != "Event"}
        """What there is, by kind."""

        self.events = KnownEvents()
        """The events of pods."""

        self._by_uid: dict[str, str] = {}
        self._pods: dict[str, str] = {}

    def saw(self, kind: str, change: str | None, item: Mapping[str, Any]) -> set[str]:
        """Take one change that a watch told of; return the notebooks, "namespace/name", that it concerns."""
        if kind == "Event":
            uid = self.events.put(item)
            return {self._pods[uid]} if uid in self._pods else set()
        if change == "DELETED":
            self.known[kind].drop(item)
        else:
            self.known[kind].put(item)
        if kind == "JupyterNotebook":
            return {self._saw_notebook(change, item)}
        if kind == "PersistentVolumeClaim":
            return self._with_claim(item)
        keys = {
            f"{item['metadata']['namespace']}/{owner['name']}"
            for owner in item["metadata"].get("ownerReferences") or ()
            if owner["kind"] == "JupyterNotebook"
        }
        if kind == "Pod":
            keys = self._saw_pod(change, item)
        return keys or self._with_name(item)

    def _saw_notebook(self, change: str | None, item: Mapping[str, Any]) -> str:
        key, uid = object_key(item), item["metadata"]["uid"]
        if change == "DELETED":
            self._by_uid.pop(uid, None)
        else:
            self._by_uid[uid] = key
        return key

    def _saw_pod(self, change: str | None, item: Mapping[str, Any]) -> set[str]:
        uid = item["metadata"]["uid"]
        key = self._by_uid.get((item["metadata"].get("labels") or {}).get(UID_LABEL, ""))
        if change == "DELETED":
            self._pods.pop(uid, None)
            self.events.forget(uid)
        elif key:
            self._pods[uid] = key
        return {key} if key else set()

    def _with_claim(self, claim: Mapping[str, Any]) -> set[str]:
        """Return the notebooks that wait for a claim."""
        name, namespace = claim["metadata"]["name"], claim["metadata"]["namespace"]
        return {
            object_key(body)
            for body in self.known["JupyterNotebook"].values()
            if body["metadata"]["namespace"] == namespace
            and (body.get("status") or {}).get("phase") == Phase.FAILED.value
            and name in str(body.get("spec"))
        }

    def _with_name(self, item: Mapping[str, Any]) -> set[str]:
        """Return the notebook whose objects have this name: one that was taken may be free now."""
        key = object_key(item)
        return {key} if self.known["JupyterNotebook"].get(key) else set()

    async def refresh(self) -> set[str]:
        """Read again what there is; return all notebooks.

        A watch that begins again tells of no deletions.

        Raises
        ------
        ApiException
            Where the API server refuses.
        """
        for kind, known in self.known.items():
            await known.read(self._cluster.listed(kind, **({"label_selector": UID_LABEL} if kind == "Pod" else {})))
        notebooks = self.known["JupyterNotebook"].values()
        self._by_uid = {body["metadata"]["uid"]: object_key(body) for body in notebooks}
        self._pods = {}
        for pod in self.known["Pod"].values():
            self._saw_pod(None, pod)
        return set(self._by_uid.values())

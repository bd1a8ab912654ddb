"""The images that all nodes have on which labs run: watched in the background, known at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from kubespawner.clients import shared_client

from jhkube.images.image_name import full_name
from jhkube.kube import API_ERRORS
from jhkube.pod.nodes import Placement
from jhkube.watch.reflector import WatchReflector

__all__ = ["ReadyImages", "images_of"]

_SOONEST: Final = 5.0
_RAREST: Final = 600.0
"""After how many seconds an account that may not watch nodes asks again: at first, and at most."""

_ANSWERS_IN: Final = 30.0
"""Seconds that the API server has to say what the account may do."""


def images_of(node: Mapping[str, Any]) -> frozenset[str]:
    """Return the images that a node, as the API's JSON, says it has: by digest and by tag."""
    return frozenset(
        full_name(name) for image in node.get("status", {}).get("images") or () for name in image.get("names") or ()
    )


class ReadyImages(WatchReflector):
    """What every node has that takes labs now, by what the nodes themselves say.

    A node names its 50 largest images, unless kubelet's `nodeStatusMaxImages` is set: a small image on a crowded node
    is there, and counts as missing.
    """

    kind = "nodes"
    list_method_name = "list_node"

    def __init__(self, *args: Any, placement: Placement, **kwargs: Any) -> None:
        self._placement = placement
        self._by_node: dict[str, frozenset[str]] = {}
        self._listed: dict[str, frozenset[str]] = {}
        self._on_all: frozenset[str] | None = None
        super().__init__(*args, omit_namespace=True, **kwargs)

    def has(self, image: str) -> bool:
        """Whether an image, as a pod runs it, is on all nodes; false while that is not known."""
        if self._on_all is None:
            sets = list(self._by_node.values())
            self._on_all = sets[0].intersection(*sets[1:]) if sets else frozenset()
        return bool(self._on_all) and full_name(image) in self._on_all

    def begin(self) -> None:
        """Start to watch in the background."""
        self._beginning = asyncio.get_running_loop().create_task(self._begin())

    async def _begin(self) -> None:
        """Start to watch. While the account may not, say so once, leave all images unmarked and ask again."""
        wait = _SOONEST
        while forbidden := [verb for verb in ("list", "watch") if not await self._may(verb)]:
            if wait == _SOONEST:
                self.log.warning(
                    "Images that are ready are not marked in the form: the hub's account may not %s nodes. A"
                    " ClusterRole allows it, and the hub finds out within ten minutes; or"
                    " c.JHKubeSpawner.mark_ready_images = False does without.",
                    " or ".join(forbidden),
                )
            await asyncio.sleep(wait)
            wait = min(2 * wait, _RAREST)
        await self.start()

    async def _may(self, verb: str) -> bool:
        review = {"spec": {"resourceAttributes": {"verb": verb, "resource": "nodes"}}}
        try:
            async with asyncio.timeout(_ANSWERS_IN):
                answer = await shared_client("AuthorizationV1Api").create_self_subject_access_review(review)
        except API_ERRORS:
            return True  # to be found out by trying
        return bool(answer.status.allowed)

    def _slim(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"metadata": {name: item["metadata"][name] for name in ("name", "resourceVersion")}}

    def _note(self, nodes: dict[str, frozenset[str]], key: str, item: Mapping[str, Any]) -> None:
        if self._placement.admits(item):
            nodes[key] = images_of(item)
        else:
            nodes.pop(key, None)

    def _note_listed(self, key: str, item: Mapping[str, Any]) -> None:
        self._note(self._listed, key, item)

    def _replace(self, had: Any, fresh: Any) -> None:
        super()._replace(had, fresh)
        self._by_node, self._listed, self._on_all = self._listed, {}, None

    def _put(self, key: str, item: Mapping[str, Any]) -> None:
        super()._put(key, item)
        self._note(self._by_node, key, item)
        self._on_all = None

    def _remove(self, key: str, item: Mapping[str, Any]) -> None:
        super()._remove(key, item)
        self._by_node.pop(key, None)
        self._on_all = None

# mypy: allow-untyped-calls
"""In the hub's process: what a person can choose instead of what their server was last started with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from jhkube.options_form.choice import Available
from jhkube.options_form.chosen import larger_size, nearest_choice
from jhkube.service.hub_answers import HubServer, HubSize
from jhkube.watch.ends import lacked_memory

__all__ = ["Choices"]


@dataclass(frozen=True, slots=True)
class Choices:
    """What somebody may choose from, for the list of their servers."""

    available: Available | None = None
    """All of it; None where there is no menu, or somebody else asks."""

    most_memory: float | None = None
    """The bytes that all of their servers may have together; None for no ceiling."""

    _gone: dict[str, bool] = field(default_factory=dict)
    """What was found of images: many servers have the same."""

    @classmethod
    async def of(cls, spawner: Any) -> Choices:
        """Return what the person of a spawner may choose from; nothing for None."""
        if getattr(spawner, "image_menu", None) is None:
            return cls()
        ceiling = getattr(spawner, "ceiling", None)
        return cls(await spawner.available(), getattr(ceiling, "memory", None))

    def told(self, server: HubServer) -> HubServer:
        """Return a server with whether its image is gone, and with a larger size where it may need one."""
        if self.available is None:
            return server
        end = server.failure or server.ended
        larger = None
        if server.is_ready or (end is not None and lacked_memory(end.reason, end.detail)):
            larger = larger_size(server.options, self.available, self.most_memory)
        return replace(
            server,
            is_image_gone=self._is_gone(server.options.get("image")),
            larger_size=HubSize(larger.name, larger.display_name, larger.summary) if larger else None,
        )

    def _is_gone(self, image: Any) -> bool:
        """Say whether an image cannot be chosen any more; without a list of images nothing is known to be gone."""
        assert self.available is not None
        images = self.available.images
        if not isinstance(image, str) or not image or not images or images.refreshed_at is None:
            return False
        if image not in self._gone:
            self._gone[image] = "image" in nearest_choice({"image": image}, self.available)[1]
        return self._gone[image]

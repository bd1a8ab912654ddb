"""Which images a node has, by what it says itself; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from jhkube.options_form.image_name import NoSuchImage, split_image
from jhkube.prepull.placement import Placement

__all__ = ["LARGEST_REPORTED", "image_key", "images_of", "ready_on_all"]

LARGEST_REPORTED: Final = 50
"""A node names only its largest images, so many of them unless kubelet's `nodeStatusMaxImages` says otherwise."""


def image_key(image: str) -> str:
    """Return an image as nodes name it: Docker Hub's short names written out.

    >>> image_key("docker.io/debian@sha256:" + "0" * 64)[:33]
    'docker.io/library/debian@sha256:0'
    """
    try:
        host, path, reference = split_image(image)
    except NoSuchImage:
        return image
    return f"{host}/{path}{'@' if reference.startswith('sha256:') else ':'}{reference}"


def images_of(node: Mapping[str, Any]) -> frozenset[str]:
    """Return the images that a node, as the API's JSON, says it has: by digest and by tag."""
    return frozenset(
        image_key(name) for image in node.get("status", {}).get("images") or () for name in image.get("names") or ()
    )


def ready_on_all(nodes: Iterable[Mapping[str, Any]], placement: Placement) -> frozenset[str]:
    """Return the images that every node has which takes labs now; none where there is no such node."""
    ready: frozenset[str] | None = None
    for node in nodes:
        if placement.admits(node):
            ready = images_of(node) if ready is None else ready & images_of(node)
    return ready or frozenset()

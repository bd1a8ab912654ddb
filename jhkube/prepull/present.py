"""Which images a node has, by what it says itself; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jhkube.images.image_name import NoSuchImage, is_digest, split_image

__all__ = ["image_key", "images_of"]


def image_key(image: str) -> str:
    """Return an image as nodes name it: Docker Hub's short names written out.

    >>> image_key("docker.io/debian@sha256:" + "0" * 64)[:33]
    'docker.io/library/debian@sha256:0'
    """
    try:
        host, path, reference = split_image(image)
    except NoSuchImage:
        return image
    return f"{host}/{path}{'@' if is_digest(reference) else ':'}{reference}"


def images_of(node: Mapping[str, Any]) -> frozenset[str]:
    """Return the images that a node, as the API's JSON, says it has: by digest and by tag."""
    return frozenset(
        image_key(name) for image in node.get("status", {}).get("images") or () for name in image.get("names") or ()
    )

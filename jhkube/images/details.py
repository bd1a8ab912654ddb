"""What an image says of itself: its manifest and configuration, read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime
from typing import Any

__all__ = [
    "LARGEST",
    "MAX_TEXT",
    "ImageDetails",
    "described_config",
    "instant_of",
    "plain_text",
    "platform_digests",
    "read_details",
]

MAX_TEXT = 500
"""Characters of a label that are kept."""

LARGEST = 2**63 - 1
"""The largest size that a descriptor can have (OCI image specification, descriptor.md: int64)."""


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """What a registry tells about an image, for people to read."""

    created: datetime | None = None
    """When it was built, in UTC; None where the image does not say."""

    size: int = 0
    """Bytes that a node pulls for one platform: configuration and layers, compressed."""

    title: str = ""
    """The label org.opencontainers.image.title, or the annotation of that name."""

    description: str = ""
    """The label org.opencontainers.image.description, or the annotation."""

    version: str = ""
    """The label org.opencontainers.image.version, or the annotation."""

    architectures: tuple[str, ...] = ()
    """For which processors there is an image: `("amd64", "arm64")`."""


def platform_digests(manifest: Mapping[str, Any]) -> list[tuple[str, str]] | None:
    """Return the platforms and digests of an index, `[("linux/amd64", "sha256:…"), …]`; None for no index."""
    children = manifest.get("manifests")
    if not isinstance(children, list):
        return None
    return [found for found in map(_platform_digest, children) if found]


def described_config(manifest: Mapping[str, Any]) -> str | None:
    """Return the digest of an image's configuration; None for a manifest without one, as of schema 1."""
    config = manifest.get("config")
    digest = config.get("digest") if isinstance(config, dict) else None
    return digest if isinstance(digest, str) else None


def read_details(config: Any, manifest: Mapping[str, Any], index: Mapping[str, Any] | None = None) -> ImageDetails:
    """Return what an image says of itself.

    Parameters
    ----------
    config
        Its decoded configuration (OCI image specification, config.md), whatever that may be.
    manifest
        The manifest of one platform.
    index
        The index the manifest is of, if it is of one.
    """
    config = config if isinstance(config, dict) else {}
    inner = config.get("config")
    layers = manifest.get("layers")
    sizes = [manifest.get("config"), *(layers if isinstance(layers, list) else [])]
    labels = [
        inner.get("Labels") if isinstance(inner, dict) else None,
        manifest.get("annotations"),
        (index or {}).get("annotations"),
    ]
    if index is not None:
        platforms = platform_digests(index) or []
        architectures = [platform.partition("/")[2] for platform, _ in platforms]
    else:
        own = config.get("architecture")
        architectures = [plain_text(own[:MAX_TEXT])] if isinstance(own, str) and own else []
    return ImageDetails(
        created=instant_of(config.get("created")),
        size=sum(map(_size, sizes)),
        title=_label(labels, "title"),
        description=_label(labels, "description"),
        version=_label(labels, "version"),
        architectures=tuple(dict.fromkeys(architectures)),
    )


def _platform_digest(child: Any) -> tuple[str, str] | None:
    """Return an index entry's platform and digest; None for attestations and what else is no image."""
    platform = child.get("platform") if isinstance(child, dict) else None
    digest = child.get("digest") if isinstance(child, dict) else None
    if not isinstance(platform, dict) or not isinstance(digest, str):
        return None
    system, architecture = platform.get("os"), platform.get("architecture")
    if not isinstance(system, str) or not isinstance(architecture, str) or system == "unknown":
        return None
    return plain_text(f"{system}/{architecture}"[:MAX_TEXT]), digest


def _size(descriptor: Any) -> int:
    size = descriptor.get("size") if isinstance(descriptor, dict) else None
    return size if isinstance(size, int) and not isinstance(size, bool) and 0 < size <= LARGEST else 0


def _label(sources: Iterable[Any], name: str) -> str:
    for labels in sources:
        value = labels.get(f"org.opencontainers.image.{name}") if isinstance(labels, dict) else None
        if isinstance(value, str) and value.strip():
            return plain_text(" ".join(value.split())[:MAX_TEXT])
    return ""


def plain_text(text: str) -> str:
    """Return a text that can be written out: JSON may have halves of characters in it."""
    return text.encode("utf-8", "replace").decode()


def instant_of(text: Any) -> datetime | None:
    """Return a time of RFC 3339; None for what is none, and for the zero that reproducible builds write."""
    if not isinstance(text, str):
        return None
    try:
        instant = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError:
        return None
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    # The last day of the calendar is another one in UTC, which Python has not.
    return instant.astimezone(UTC) if 1980 < instant.year < MAXYEAR else None

"""The last good menu, on disk."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from .image_tag import LEGAL_TAG
from .registry import ImageDetails, is_digest

__all__ = ["KnownDigest", "Listing", "read_listings", "write_listings"]

VERSION = 1
"""The version number written with the listings; raised when their shape changes."""


@dataclass(frozen=True, slots=True)
class KnownDigest:
    """What a registry said a tag stands for."""

    digest: str
    """`sha256:…`; empty where it listed the tag but had no image under it."""

    asked_at: float
    """When it said so, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known of one repository."""

    tags: tuple[str, ...] = ()
    """All tags."""

    refreshed_at: float | None = None
    """When it last answered as it should, in seconds since 1970."""

    digests: Mapping[str, KnownDigest] = field(default_factory=dict)
    """What is known of tags, by tag."""

    unnamed: frozenset[str] = frozenset()
    """Digests of aliases for which another tag was looked for, in vain."""

    details: Mapping[str, ImageDetails] = field(default_factory=dict)
    """What is known of images, by digest."""


def write_listings(path: Path, listings: Mapping[str, Listing]) -> None:
    """Write what is known of each repository; the file is the old or the new one, never half of one."""
    parts = []
    for name, listing in listings.items():  # one at a time: the encoder does not let other threads run
        parts.append(f"{json.dumps(name)}: {json.dumps(_to_json(listing))}")
    text = f'{{"version": {VERSION}, "repositories": {{{", ".join(parts)}}}}}\n'
    # mkstemp makes the file 0600
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_listings(path: Path, repositories: Iterable[str]) -> dict[str, Listing]:
    """Return what was written of these repositories.

    Raises
    ------
    FileNotFoundError
        Where there is no file.
    ValueError
        Where it is not one that this version wrote, whole.
    """
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError(f"it is not of version {VERSION}")
    written = data["repositories"] if isinstance(data.get("repositories"), dict) else {}
    try:
        return {name: _from_json(written[name]) for name in repositories if name in written}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a part of it is missing or of the wrong kind ({error})") from None


def _to_json(listing: Listing) -> dict[str, Any]:
    return {
        "refreshed_at": listing.refreshed_at,
        "tags": listing.tags,
        "digests": {tag: [known.digest, known.asked_at] for tag, known in listing.digests.items()},
        "unnamed": sorted(listing.unnamed),
        "details": {
            digest: asdict(details) | {"created": details.created and details.created.isoformat()}
            for digest, details in listing.details.items()
        },
    }


def _from_json(data: Mapping[str, Any]) -> Listing:
    tags = tuple(data["tags"])
    if not all(isinstance(tag, str) and LEGAL_TAG.fullmatch(tag) for tag in tags):
        raise ValueError("it lists a tag that can be none")
    digests = {tag: KnownDigest(digest, float(at)) for tag, (digest, at) in data["digests"].items()}
    if not all(known.digest == "" or is_digest(known.digest) for known in digests.values()):
        raise ValueError("it lists a digest that is none")
    refreshed_at = data["refreshed_at"]
    return Listing(
        tags=tags,
        refreshed_at=None if refreshed_at is None else float(refreshed_at),
        digests=digests,
        unnamed=frozenset(data["unnamed"]),
        details={digest: _details(written) for digest, written in data["details"].items()},
    )


def _details(data: Mapping[str, Any]) -> ImageDetails:
    created = data["created"]
    return ImageDetails(
        created=datetime.fromisoformat(created) if created else None,
        size=int(data["size"]),
        title=str(data["title"]),
        description=str(data["description"]),
        version=str(data["version"]),
        architectures=tuple(map(str, data["architectures"])),
    )

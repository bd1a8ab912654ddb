"""The last good menu, on disk."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .details import LARGEST, MAX_TEXT, ImageDetails, instant_of, plain_text
from .image_name import is_digest
from .image_tag import LEGAL_TAG

__all__ = ["KnownDigest", "Listing", "MenuFile", "Missing", "read_listings", "write_listings"]

YEAR_9999 = 253_370_764_800.0
"""In seconds since 1970; Python has no dates after it."""

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
class Missing:
    """What a registry listed or named, and did not have when it was asked; times in seconds since 1970."""

    since: float
    """When it was missing for the first time."""

    asked_at: float
    """When it was missing for the last time."""

    def again_at(self, longest: float) -> float:
        """Return when to ask again: at once at first, then after as long as it has been missing, up to `longest`.

        A registry may list a tag a moment before its manifest is there.
        """
        return self.asked_at + min(longest, self.asked_at - self.since)


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

    missing: Mapping[str, Missing] = field(default_factory=dict)
    """Tags without an image, and digests that could not be described."""

    details: Mapping[str, ImageDetails] = field(default_factory=dict)
    """What is known of images, by digest."""


class MenuFile:
    """The file of a menu, which may be that of several hubs.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None

    def is_changed(self) -> bool:
        """Return whether another process has written the file since this one read or wrote it.

        No clock is read, so that machines whose clocks differ take turns too.
        """
        version = _version(self.path)
        return version is not None and version != self._seen

    def read(self, repositories: Iterable[str]) -> tuple[dict[str, Listing], dict[str, str]]:
        """Return what `read_listings` does; raises what it raises."""
        # Before it is read: what is written meanwhile is read the next time.
        self._seen = _version(self.path)
        return read_listings(self.path, repositories)

    def write(self, listings: Mapping[str, Listing]) -> None:
        """Write what is known of each repository, as `write_listings` does."""
        write_listings(self.path, listings)
        self._seen = _version(self.path)


def _version(path: Path) -> tuple[int, int] | None:
    """Return what is another after each write; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


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


def read_listings(path: Path, repositories: Iterable[str]) -> tuple[dict[str, Listing], dict[str, str]]:
    """Return what was written of these repositories, and why what was written of others cannot be used.

    Raises
    ------
    FileNotFoundError
        Where there is no file.
    ValueError
        Where it is not one that this version wrote, whole.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError(f"it is not of version {VERSION}")
    written = data["repositories"] if isinstance(data.get("repositories"), dict) else {}
    listings, faults = {}, {}
    for name in repositories:
        if name in written:
            try:
                listings[name] = _from_json(written[name])
            except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
                faults[name] = f"a part of it is missing or of the wrong kind ({error})"
    return listings, faults


def _to_json(listing: Listing) -> dict[str, Any]:
    return {
        "refreshed_at": listing.refreshed_at,
        "tags": listing.tags,
        "digests": {tag: [known.digest, known.asked_at] for tag, known in listing.digests.items()},
        "unnamed": sorted(listing.unnamed),
        "missing": {key: [missing.since, missing.asked_at] for key, missing in listing.missing.items()},
        "details": {
            digest: asdict(details) | {"created": details.created and details.created.isoformat()}
            for digest, details in listing.details.items()
        },
    }


def _from_json(data: Mapping[str, Any]) -> Listing:
    tags = data["tags"]
    if not isinstance(tags, list) or not all(isinstance(tag, str) and LEGAL_TAG.fullmatch(tag) for tag in tags):
        raise ValueError("it lists what is not a tag")
    digests = {tag: KnownDigest(digest, _time(at)) for tag, (digest, at) in data["digests"].items()}
    if not all(known.digest == "" or is_digest(known.digest) for known in digests.values()):
        raise ValueError("it lists what is not a digest")
    unnamed = frozenset(data["unnamed"])
    if not all(isinstance(each, str) for each in unnamed):
        raise ValueError("it lists what is not a digest")
    refreshed_at = data["refreshed_at"]
    return Listing(
        tags=tuple(dict.fromkeys(tags)),
        refreshed_at=None if refreshed_at is None else _time(refreshed_at),
        digests=digests,
        unnamed=unnamed,
        missing={key: Missing(_time(since), _time(at)) for key, (since, at) in data.get("missing", {}).items()},
        details={digest: _details(written) for digest, written in data["details"].items()},
    )


def _time(value: Any) -> float:
    """Return a time of the past; the clock may have been set back since it was written."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < YEAR_9999:
        raise ValueError("it has a time that cannot be")
    return min(float(value), time.time())


def _details(data: Mapping[str, Any]) -> ImageDetails:
    size = data["size"]
    if not isinstance(size, int) or not 0 <= size <= LARGEST:
        raise ValueError("it has a size that cannot be")
    title, description, version = (plain_text(data[name])[:MAX_TEXT] for name in ("title", "description", "version"))
    return ImageDetails(
        created=instant_of(data["created"]),
        size=size,
        title=title,
        description=description,
        version=version,
        architectures=tuple(map(plain_text, data["architectures"])),
    )

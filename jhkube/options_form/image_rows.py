"""The images as the form lists them: by kind, with age and size, and how old the list is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from jhkube.images.entries import MenuEntry
from jhkube.images.image_tag import TagKind
from jhkube.images.offers import Offer

from .choice import Available
from .chosen import entry_value
from .tag_index import KIND_TITLES

__all__ = [
    "Freshness",
    "ImageGroup",
    "age_text",
    "freshness",
    "image_groups",
    "moving_names",
    "short_text",
    "size_text",
]


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image of the list."""

    value: str
    name: str
    points_at: str
    """What a moving name such as "Recommended" stands for now; empty for an image that has none."""

    tags: tuple[str, ...]
    age: str
    """How long ago it was built: `3 days ago`; empty where nobody knows."""

    built: str
    """The day it was built, as `2026-11-17`."""

    size: str
    """How much a node has to download: `1.2 GB`; empty where nobody knows."""

    description: str
    is_checked: bool
    is_ready: bool
    """Whether it is on all nodes already, so that nothing has to be downloaded."""


@dataclass(frozen=True, slots=True)
class ImageGroup:
    """The images of one kind."""

    title: str
    rows: tuple[ImageRow, ...]


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the list is."""

    problem: str
    """What the registry did wrong, in a sentence; empty where it answered."""

    age: str
    iso: str
    clock: str
    """The time for people, in UTC: `09:58 UTC`."""


def image_groups(available: Available, images: Offer, text: str, now: float) -> tuple[ImageGroup, ...]:
    """Return the images of the list by kind.

    Parameters
    ----------
    available
        What the person may choose from.
    images
        The images of it.
    text
        The image that is checked, by any of its names; empty for none.
    now
        The time, in seconds since 1970.
    """
    checked = images.find(text) if text else None
    several = len({entry.repository for entry in images.entries}) > 1
    groups: dict[str, list[ImageRow]] = {}
    for entry in images.entries:
        is_checked = checked is not None and entry.reference == checked.reference
        # What somebody took by one of its names keeps that name: `w_2026_46` does not become `recommended`.
        value = text if is_checked else entry_value(entry, images)
        kind = TagKind.ALIAS if any(tag.kind is TagKind.ALIAS for tag in entry.tags) else entry.tag.kind
        title = "" if kind is TagKind.ALIAS else KIND_TITLES[kind]
        if several:
            title = " · ".join(filter(None, (entry.repository.rpartition("/")[2], title)))
        groups.setdefault(title, []).append(_row(entry, value, is_checked, available.is_ready(entry.image), now))
    return tuple(ImageGroup(title, tuple(rows)) for title, rows in groups.items())


def _row(entry: MenuEntry, value: str, is_checked: bool, is_ready: bool, now: float) -> ImageRow:
    details = entry.details
    built = details.created if details is not None else None
    moving = moving_names(entry)
    return ImageRow(
        value=value,
        name=", ".join(moving) or entry.tag.display_name,
        points_at=entry.tag.display_name if moving else "",
        tags=tuple(tag.tag for tag in entry.tags if tag.kind is not TagKind.ALIAS and tag.tag != tag.display_name),
        age=age_text(now - built.timestamp()) if built is not None else "",
        built=built.date().isoformat() if built is not None else "",
        size=size_text(details.size) if details is not None and details.size else "",
        description=short_text(details.description or details.title) if details is not None else "",
        is_checked=is_checked,
        is_ready=is_ready,
    )


def freshness(images: Offer, now: float) -> Freshness:
    """Return how old the list is at a time in seconds since 1970."""
    problem = images.errors[0] if images.errors else ""
    if images.refreshed_at is None:
        return Freshness(problem, "", "", "")
    then = datetime.fromtimestamp(images.refreshed_at, UTC)
    is_today = now - images.refreshed_at < 20 * 3600
    return Freshness(
        problem=problem,
        age=age_text(now - images.refreshed_at),
        iso=then.strftime("%Y-%m-%dT%H:%M:%SZ"),
        clock=then.strftime("%H:%M UTC" if is_today else "%-d %B %Y, %H:%M UTC"),
    )


def age_text(seconds: float) -> str:
    """Return how long ago something was, for people: `3 days ago`."""
    if seconds < 60:
        return "just now"
    unit, length = next(
        (unit, length)
        for unit, length, limit in (
            ("minute", 60, 60),
            ("hour", 3600, 24),
            ("day", 86400, 14),
            ("week", 7 * 86400, 9),
            ("month", 30.44 * 86400, 24),
            ("year", 365.25 * 86400, float("inf")),
        )
        if int(seconds / length) < limit
    )
    count = int(seconds / length)
    return f"{count} {unit}{'' if count == 1 else 's'} ago"


def size_text(size: int) -> str:
    """Return the size of a download for people: `1.2 GB`, in the decimal units of disks and networks."""
    for unit, length in (("GB", 10**9), ("MB", 10**6)):
        if size >= length:
            return f"{size / length:.2g} {unit}" if size < 10 * length else f"{size / length:.0f} {unit}"
    return f"{max(size // 1000, 1)} kB"


def short_text(text: str) -> str:
    """Return a text in one line of at most 160 characters."""
    text = " ".join(text.split())
    return text if len(text) <= 160 else f"{text[:159].rstrip()}…"


def moving_names(entry: MenuEntry) -> list[str]:
    """Return the names that move from image to image and point at this one now: `Recommended`."""
    return [tag.display_name for tag in entry.aliases if tag.kind is TagKind.ALIAS]

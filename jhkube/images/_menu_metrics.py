"""What the menu tells Prometheus about its repositories."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from jhkube.metrics import MENU_IMAGES, MENU_REFRESH_ERRORS, MENU_REFRESH_SECONDS, MENU_REFRESHED

from ._menu_source import MenuSource
from .registry.client import RegistryDenied, RegistryError, RegistryNotFound, RegistryUnreachable

__all__ = ["REASONS", "measured", "note_state"]

REASONS = {RegistryUnreachable: "unreachable", RegistryDenied: "denied", RegistryNotFound: "notfound"}
"""How kinds of errors are called; every other is an answer that cannot be used, `garbled`."""


def reason_of(error: RegistryError) -> str:
    """Return the kind of an error."""
    return next((reason for kind, reason in REASONS.items() if isinstance(error, kind)), "garbled")


def note_state(source: MenuSource) -> None:
    """Tell how old a repository's listing is, and how much it has; all series are there from the start."""
    MENU_REFRESHED.labels(source.name).set(source.refreshed_at or 0)
    MENU_IMAGES.labels(source.name).set(len(source.part.entries))
    for reason in (*REASONS.values(), "garbled"):
        MENU_REFRESH_ERRORS.labels(source.name, reason)


@contextmanager
def measured(source: MenuSource) -> Iterator[None]:
    """Time a refresh of a repository, which is the block, and count its error."""
    began = time.monotonic()
    yield
    MENU_REFRESH_SECONDS.labels(source.name).observe(time.monotonic() - began)
    if source.error is not None:
        MENU_REFRESH_ERRORS.labels(source.name, reason_of(source.error)).inc()

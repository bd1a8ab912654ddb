"""What is told of the refreshes of a repository: a sentence for people, and metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from jhkube.metrics import MENU_IMAGES, MENU_REFRESH_ERRORS, MENU_REFRESH_SECONDS, MENU_REFRESHED

from .menu_source import MenuSource
from .registry.errors import RegistryDenied, RegistryNotFound, RegistryUnreachable

__all__ = ["measured", "note_state", "refresh_sentence"]

REASONS: Final = {RegistryUnreachable: "unreachable", RegistryDenied: "denied", RegistryNotFound: "notfound"}
"""How kinds of errors are called; every other is an answer that cannot be used, `garbled`."""


def refresh_sentence(source: MenuSource) -> str:
    """Return what a user reads about a repository that did not answer as it should."""
    match source.error:
        case RegistryUnreachable():
            reason = "Its registry does not answer"
        case RegistryDenied():
            reason = "Its registry does not let the hub in"
        case RegistryNotFound():
            reason = "Its registry says that there is no such repository"
        case _:
            reason = "Its registry gives no usable answer"
    kept = "; the list shows the images that it had before" if source.part.entries else ""
    return f"{source.name}: {reason}{kept}."


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
        reasons = (reason for kind, reason in REASONS.items() if isinstance(source.error, kind))
        MENU_REFRESH_ERRORS.labels(source.name, next(reasons, "garbled")).inc()

"""When an idle server stops, and when a stopped one is removed: what culler, hub and page go by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

__all__ = ["IdleLimits", "IdleTimes", "Removal"]


@dataclass(frozen=True, slots=True)
class IdleLimits:
    """After how many seconds without use a server is stopped."""

    default: int
    sizes: Mapping[str, int]
    groups: Mapping[str, int]

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> IdleLimits:
        """Return what the settings say."""
        return cls(settings["culler.timeout"], settings["culler.sizes"], settings["culler.groups"])

    def of(self, size: str, groups: Collection[str]) -> int:
        """Return the limit of a server: its size's, else the longest of its person's groups, else the default.

        >>> limits = IdleLimits(3600, {"gpu": 900}, {"ops": 86400})
        >>> limits.of("gpu", ["ops"]), limits.of("small", ["ops"]), limits.of("small", [])
        (900, 86400, 3600)
        """
        if size in self.sizes:
            return self.sizes[size]
        return max((seconds for group, seconds in self.groups.items() if group in groups), default=self.default)


@dataclass(frozen=True, slots=True)
class IdleTimes:
    """The rules for one person's running servers, in seconds."""

    limit: int
    """After how long without use a server stops, unless its size says otherwise."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    """Other limits by size."""

    max_age: int = 0
    """After how long even a server in use stops; 0 for never."""

    warning: int = 0
    """How long before a stop the person is warned."""

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], groups: Collection[str]) -> IdleTimes:
        """Return what the settings say for somebody in these groups."""
        limits = IdleLimits.from_settings(settings)
        return cls(limits.of("", groups), limits.sizes, settings["culler.maxAge"], settings["culler.warning"])

    def idle_stop(self, size: str, last_activity: datetime) -> datetime:
        """Return when a server stops if nobody uses it."""
        return last_activity + timedelta(seconds=self.sizes.get(size, self.limit))

    def is_near(self, stop: datetime, now: datetime) -> bool:
        """Whether a stop is so near that the person is warned."""
        return now >= stop - timedelta(seconds=self.warning)


@dataclass(frozen=True, slots=True)
class Removal:
    """The rules by which a named server that is stopped is removed with its disk, in seconds."""

    after: int
    """How long after the last use; 0 for never."""

    warning: int = 0
    """For how long at least the person's page says it before."""

    unsaved_factor: float = 1.0
    """How many times as long a server is kept that may have unsaved work."""

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Removal:
        """Return what the settings say."""
        return cls(settings["culler.removeAfter"], settings["culler.removeWarning"], settings["culler.unsavedFactor"])

    def due(self, last_activity: datetime, *, is_saved: bool) -> datetime:
        """Return when a server is due: earlier where it is sure that everything in its repositories is pushed."""
        return last_activity + timedelta(seconds=self.after * (1 if is_saved else self.unsaved_factor))

    def removed_at(
        self, now: datetime, last_activity: datetime, announced: datetime | None, *, is_saved: bool
    ) -> datetime | None:
        """Return when a server is removed; None where it is too early to tell the person.

        Nothing is removed before the person had the whole time of the warning to read it, even where the operator has
        shortened a time, or has set one for the first time.

        Parameters
        ----------
        now
            The time.
        last_activity
            When the server was last used.
        announced
            Since when the person is told; None for not yet.
        is_saved
            Whether it is sure that the server has no unsaved work.
        """
        due, warning = self.due(last_activity, is_saved=is_saved), timedelta(seconds=self.warning)
        if not self.after or now < due - warning:
            return None
        return max(due, (announced or now) + warning)

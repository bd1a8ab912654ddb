"""What a check found: a status, a sentence, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Result", "Status", "Subject"]


class Status(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    """As it should be."""

    WARNING = "warning"
    """The hub works, and somebody may be surprised."""

    FAILED = "failed"
    """People will be hit by it."""

    SKIPPED = "skipped"
    """Not looked at; the text says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that was looked at."""

    subject: str
    """What it belongs to: `storage`."""

    status: Status
    """How it is."""

    text: str
    """What was found."""

    remedy: str = ""
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that is checked, under the name that results carry."""

    name: str

    def passed(self, text: str) -> Result:
        """Return that something is as it should be."""
        return Result(self.name, Status.PASSED, text)

    def warning(self, text: str, remedy: str = "") -> Result:
        """Return that something may surprise."""
        return Result(self.name, Status.WARNING, text, remedy)

    def failed(self, text: str, remedy: str) -> Result:
        """Return that something is wrong, and what to do."""
        return Result(self.name, Status.FAILED, text, remedy)

    def skipped(self, text: str, remedy: str = "") -> Result:
        """Return that something was not looked at, and why."""
        return Result(self.name, Status.SKIPPED, text, remedy)

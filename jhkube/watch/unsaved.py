"""What a server says of itself: work that exists nowhere else, and a program that was ended for its memory."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from jhkube.pod.limits import memory_text

__all__ = ["Answered", "MemoryEnd", "Unsaved", "UnsavedRepository", "unsaved_sentence"]

MOST_REPOSITORIES: Final = 50
"""How many repositories of an answer are kept."""

LONGEST_PATH: Final = 200
"""How many characters of a repository's path are kept."""

MOST: Final = 1_000_000
"""The largest number of files or commits that is believed."""

MOST_BYTES: Final = 2**60
"""The largest amount of free space that is believed, in bytes."""

NAMED: Final = 3
"""How many repositories a sentence names."""

PROGRAM_ENDED: Final = (
    "A program was ended to free memory, such as the kernel of a notebook: what it had in memory is lost, your files"
    " are still there. If it happens again, save your work and restart with a larger size."
)


class Answered(StrEnum):
    """What came of the question."""

    TOLD = "told"
    SILENT = "silent"
    """The server answers, and has nothing that knows."""
    AWAY = "away"
    """The server did not answer in time."""


@dataclass(frozen=True, slots=True)
class UnsavedRepository:
    """A git repository with work that is nowhere else, or of which git did not tell."""

    path: str
    """Below the home."""

    changed: int | None
    """How many files are changed or new; None where that is not known."""

    unpushed: int | None
    """How many commits no remote has; None where that is not known."""

    def __str__(self) -> str:
        """Return it for a sentence: `analysis (3 changed files, 1 commit not pushed)`."""
        parts = []
        if self.changed:
            parts.append(f"{self.changed} changed file{'s' if self.changed > 1 else ''}")
        if self.unpushed:
            parts.append(f"{self.unpushed} commit{'s' if self.unpushed > 1 else ''} not pushed")
        if self.changed is None or self.unpushed is None:
            parts.append("not everything is known")
        return f"{self.path} ({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class MemoryEnd:
    """The last time that Linux ended a program of a server because there was no memory left."""

    at: str
    """When, by RFC 3339."""

    limit: int | None = None
    """How many bytes the server may have; None where that was not the reason, but its node was full."""

    def __str__(self) -> str:
        """Return it for the person whose server it is."""
        at = f"{self.at[:16].replace('T', ' ')} UTC"
        if self.limit:
            return f"The memory of your server ({memory_text(self.limit)}) was full at {at}. {PROGRAM_ENDED}"
        return f"The node of your server had no memory left at {at}. {PROGRAM_ENDED}"

    @classmethod
    def from_answer(cls, data: Any) -> MemoryEnd | None:
        """Return what a server's answer says; nothing of it is trusted.

        Raises
        ------
        ValueError
            Where it is not in the expected form.
        """
        if data is None:
            return None
        if not isinstance(data, Mapping) or not isinstance(ended := data.get("ended"), str):
            raise ValueError("there is no time")
        at = datetime.fromisoformat(ended)
        if at.utcoffset() != timedelta():
            raise ValueError("the time is not in UTC")
        return cls(at.isoformat(timespec="seconds"), _count(data.get("limit"), MOST_BYTES))


@dataclass(frozen=True, slots=True)
class Unsaved:
    """What a server said about unsaved work, and when."""

    asked: str
    """When, by RFC 3339."""

    answered: Answered = Answered.AWAY

    repositories: tuple[UnsavedRepository, ...] = ()

    more: int = 0
    """How many further repositories have unsaved work."""

    is_complete: bool = True
    """Whether the server looked at all repositories."""

    free: int | None = None
    """How many bytes the home had left; None where the server did not say."""

    memory: MemoryEnd | None = None
    """When a program was ended for its memory; None where none was, or the server did not say."""

    @property
    def state(self) -> str:
        """`some`, `none` or `unknown`."""
        if any(each.changed or each.unpushed for each in self.repositories) or self.more:
            return "some"
        is_sure = self.answered is Answered.TOLD and self.is_complete and not self.repositories
        return "none" if is_sure else "unknown"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "asked": self.asked,
            "answered": str(self.answered),
            "more": self.more,
            "complete": self.is_complete,
            "free": self.free,
            "memory": {"ended": self.memory.at, "limit": self.memory.limit} if self.memory else None,
            "repositories": [
                {"path": each.path, "changed": each.changed, "unpushed": each.unpushed} for each in self.repositories
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Unsaved:
        """Return what `to_json` wrote.

        Raises
        ------
        ValueError
            Where it is anything else.
        """
        asked = data.get("asked")
        if not isinstance(asked, str) or datetime.fromisoformat(asked).tzinfo is None:
            raise ValueError("asked is not a time with its zone")
        return cls.from_answer(data, asked, Answered(str(data.get("answered"))))

    @classmethod
    def from_answer(cls, data: Any, asked: str, answered: Answered = Answered.TOLD) -> Unsaved:
        """Return what a server's answer says; nothing of it is trusted.

        Raises
        ------
        ValueError
            Where it is not in the expected form.
        """
        if not isinstance(data, Mapping) or not isinstance(found := data.get("repositories"), list):
            raise ValueError("there is no list of repositories")
        more = _count(data.get("more", 0)) or 0
        return cls(
            asked,
            answered,
            tuple(map(_repository, found[:MOST_REPOSITORIES])),
            min(more + len(found[MOST_REPOSITORIES:]), MOST),
            data.get("complete") is True,
            _count(data.get("free"), MOST_BYTES),
            MemoryEnd.from_answer(data.get("memory")),
        )


def _repository(data: Any) -> UnsavedRepository:
    if not isinstance(data, Mapping) or not isinstance(path := data.get("path"), str):
        raise ValueError("a repository has no path")
    shown = "".join("�" if unicodedata.category(each)[0] == "C" else each for each in path[:LONGEST_PATH])
    return UnsavedRepository(shown, _count(data.get("changed")), _count(data.get("unpushed")))


def _count(value: Any, most: int = MOST) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError("a number is out of range")
    return value


def unsaved_sentence(unsaved: Unsaved, *, at_stop: bool) -> str:
    """Return what a person reads about a server's unsaved work.

    Parameters
    ----------
    unsaved
        What the server said.
    at_stop
        Whether the server has stopped since, so that it is as it was then.
    """
    said = _sentence(unsaved)
    return f"Before your server stopped ({unsaved.asked[:16].replace('T', ' ')} UTC): {said}" if at_stop else said


def _sentence(unsaved: Unsaved) -> str:
    if unsaved.state == "some":
        named = [str(each) for each in unsaved.repositories if each.changed or each.unpushed]
        rest = max(len(named) - NAMED, 0) + unsaved.more
        more = f" and {rest} more" if rest else ""
        return f"Work in {', '.join(named[:NAMED])}{more} is only on your disk. Commit and push what you need."
    if unsaved.state == "none":
        return "All work in your git repositories is committed and pushed."
    if unsaved.answered is Answered.SILENT:
        return "It is unknown whether there is unsaved work, because this image does not tell."
    if unsaved.answered is Answered.AWAY:
        return "It is unknown whether there is unsaved work, because your server did not answer."
    return "It is unknown whether there is unsaved work: git could not look at all of your repositories."

"""What the container's cgroup says about memory: when Linux ended a program because there was none left.

Linux then ends the largest program of the container. That is mostly the kernel of a notebook, and JupyterLab says
only that it died. Where the whole container is ended, Kubernetes says so, and the next one counts from zero.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["MEMORY", "Memory"]

NO_LIMIT = 2**60
"""From how many bytes on a limit is none: cgroups of version 1 have a large number for it."""

NEARLY = 0.99
"""From which part of its limit on a container's memory was full: Linux takes memory in steps."""

RECENTLY = timedelta(hours=1)
"""For how long a page that is loaded shows it."""


class Memory:
    """A container's memory, from now on.

    Parameters
    ----------
    cgroup
        Where its cgroup is mounted.
    """

    def __init__(self, cgroup: str = "/sys/fs/cgroup") -> None:
        self._new, self._old = Path(cgroup), Path(cgroup, "memory")
        self._count = self._counted()
        self._ended: datetime | None = None
        self._limit: int | None = None

    def look(self) -> None:
        """Take down whether a program was ended since the last look."""
        count = self._counted()
        if count > self._count:
            self._ended, self._limit = datetime.now(UTC), self._full()
        # Of a look that failed nothing is known.
        self._count = max(count, self._count)

    def told(self) -> dict[str, str | int | None] | None:
        """Return when a program was last ended, and what the container may have; None where none was ended.

        `ended` is a time by RFC 3339. `limit` is in bytes, or None where it was not the container's own memory that
        was full, but the machine's.
        """
        self.look()
        if self._ended is None:
            return None
        return {"ended": self._ended.isoformat(timespec="seconds"), "limit": self._limit}

    def sentence(self) -> str:
        """Return the same for people; empty where none was ended."""
        self.look()
        if self._ended is None:
            return ""
        if self._limit:
            why = f"The memory of your server ({_amount(self._limit)}) was full"
        else:
            why = "There was no memory left for your server"
        return (
            f"{why} at {self._ended:%H:%M} UTC on {self._ended:%d %B}, so a program was ended, such as the kernel of"
            " a notebook. What it had in memory is lost; your files are still there. For more memory, choose File >"
            " Hub Control Panel, stop your server and start it with a larger size."
        )

    @property
    def is_news(self) -> bool:
        """Whether a program was ended not long ago."""
        return self._ended is not None and datetime.now(UTC) - self._ended < RECENTLY

    def _counted(self) -> int:
        """Return how many programs were ended."""
        counts = _numbers(self._new / "memory.events") or _numbers(self._old / "memory.oom_control")
        return counts.get("oom_kill", 0)

    def _full(self) -> int | None:
        """Return the limit that was reached; None where there is none, or it was not reached."""
        if events := _numbers(self._new / "memory.events"):
            was_reached, limit = events.get("oom", 0) > 0, _number(self._new / "memory.max")
        else:
            # Its count of failures (memory.failcnt) may stay at nothing.
            limit, most = (_number(self._old / f"memory.{name}_in_bytes") for name in ("limit", "max_usage"))
            was_reached = bool(limit and most and most >= NEARLY * limit)
        return limit if was_reached and limit and limit < NO_LIMIT else None


def _amount(size: int) -> str:
    unit, name = (2**30, "GiB") if size >= 2**30 else (2**20, "MiB")
    return f"{round(size / unit, 1):g} {name}"


def _numbers(file: Path) -> dict[str, int]:
    """Return the numbers of a file with a name and a number in each line; nothing where it cannot be read."""
    try:
        lines = [line.split() for line in file.read_text("ascii").splitlines()]
        return {name: int(number) for name, number in lines}
    except (OSError, ValueError):
        return {}


def _number(file: Path) -> int | None:
    """Return the number that is all of a file; None where it is something else, such as `max`."""
    try:
        return int(file.read_text("ascii"))
    except (OSError, ValueError):
        return None


MEMORY = Memory()
"""This container's, since the server started."""

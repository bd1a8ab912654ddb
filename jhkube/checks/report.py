"""What was found, for people and for programs."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from jhkube.checks.result import Result, Status

__all__ = ["as_json", "sentence", "table"]

_COLOURS = {Status.PASSED: "32", Status.WARNING: "33", Status.FAILED: "1;31", Status.SKIPPED: "2"}
"""Escape codes by status (ECMA-48, SGR)."""


def table(results: Sequence[Result], *, coloured: bool, width: int) -> str:
    """Return a table of results, the remedies below what failed, and a line that counts them."""
    subjects = max((len(each.subject) for each in results), default=0)
    statuses = max(len(status) for status in Status)
    lines: list[str] = []
    for each in results:
        status = each.status.ljust(statuses)
        if coloured:
            status = f"\033[{_COLOURS[each.status]}m{status}\033[0m"
        room = max(width - statuses - subjects - 4, 30)
        indent = " " * (statuses + subjects + 4)
        text = list(_wrapped(each.text, room))
        lines.append(f"{status}  {each.subject.ljust(subjects)}  {text[0]}")
        lines += [f"{indent}{line}" for line in text[1:]]
        if each.remedy:
            remedy = list(_wrapped(each.remedy, room - 2))
            lines += [f"{indent}{'→ ' if not index else '  '}{line}" for index, line in enumerate(remedy)]
    counts = Counter(each.status for each in results)
    counted = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    return "\n".join([*lines, "", f"{counted}."])


def _wrapped(text: str, width: int) -> Iterator[str]:
    for line in text.splitlines() or [""]:
        # What is indented is to be copied as it is.
        yield from [line] if line.startswith(" ") else _lines(line, width) or [""]


def _lines(line: str, width: int) -> list[str]:
    # An option or a name is not to be broken at its hyphens: it is to be copied.
    return textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False)


def sentence(error: Exception) -> str:
    """Return what an error says, on one line, with the names of objects and not their addresses.

    Examples
    --------
    >>> sentence(ValueError("of <jupyterhub.app.JupyterHub object at 0x7f7e>:\\n  no"))
    'of JupyterHub: no'
    """
    return re.sub(r"<(?:\w+\.)*(\w+) object at 0x[0-9a-f]+>", r"\1", " ".join(str(error).split()))


def as_json(results: Iterable[Result]) -> dict[str, Any]:
    """Return results as JSON values."""
    found = [asdict(each) for each in results]
    return {"ok": not any(each["status"] == Status.FAILED for each in found), "results": found}

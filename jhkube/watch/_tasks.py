"""The end of tasks that nobody waits for any more."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["cancel"]


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and return when they have ended; what they raised is dropped."""
    for task in tasks:
        task.cancel()
    # each turn of a busy loop takes long
    if running := [task for task in tasks if not task.done()]:
        await asyncio.wait(running)
    for task in tasks:
        # so that nothing is logged as never retrieved
        if not task.cancelled():
            task.exception()

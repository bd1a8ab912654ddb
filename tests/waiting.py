"""Waiting for what comes about in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


async def until(reached: Callable[[], Any], seconds: float = 240) -> Any:
    """Return what `reached()` returns once it is true; the limit is one that only a fault reaches."""
    async with asyncio.timeout(seconds):
        while not (found := reached()):
            await asyncio.sleep(0.02)
    return found

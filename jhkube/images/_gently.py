"""Long work in small steps, so that the event loop has its turn between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import TypeVar

__all__ = ["STEP", "Steps", "at_once", "gently"]

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work that yields after each small step, and returns its result at the end."""

STEP = 200
"""How many tags a step is of: some hundred microseconds' work."""

STRIDE = 0.002
"""Seconds of work after which the event loop has its turn."""


async def gently(work: Steps[T]) -> T:
    """Do the work, and give the event loop its turn every few milliseconds."""
    until = time.perf_counter() + STRIDE
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
        if time.perf_counter() > until:
            await asyncio.sleep(0)
            until = time.perf_counter() + STRIDE


def at_once(work: Steps[T]) -> T:
    """Do the work without a pause."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result

"""Python's garbage collector, kept from holding up a hub that has started."""

from __future__ import annotations

import gc
from functools import cache

__all__ = ["leave_what_is_loaded"]


@cache
def leave_what_is_loaded() -> None:
    """Take what the process has loaded by now out of the collector's rounds; the first call does, others nothing.

    A full round walks every container there is, 300,000 in a hub that has just started, nearly all of them modules,
    classes and functions that stay as long as the hub does. Its loop stands still for 175 to 235 ms, twice in 33
    starts (2 cores, Python 3.11), and so in the middle of them.
    """
    gc.freeze()

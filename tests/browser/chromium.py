"""The browser of the tests: Debian's Chromium without windows, which needs a third of the processor time."""

from __future__ import annotations

from typing import Final

from playwright.async_api import Browser, Playwright

__all__ = ["launched"]

PROGRAM: Final = "/usr/bin/chromium-headless-shell"


async def launched(playwright: Playwright) -> Browser:
    """Return a browser that was just started."""
    return await playwright.chromium.launch(
        executable_path=PROGRAM,
        args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
    )

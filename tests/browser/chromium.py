"""The browser of the tests: Debian's Chromium without windows, which needs a third of the processor time."""

from __future__ import annotations

from typing import Final

from playwright.async_api import Browser, Playwright, expect

__all__ = ["launched"]

# For all tests of this process that have a browser.
expect.set_options(timeout=180_000)

PROGRAM: Final = "/usr/bin/chromium-headless-shell"


async def launched(playwright: Playwright) -> Browser:
    """Return a browser that was just started."""
    return await playwright.chromium.launch(
        executable_path=PROGRAM,
        timeout=180_000,
        args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
    )

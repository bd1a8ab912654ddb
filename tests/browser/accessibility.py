"""Whether a page can be used by everybody: what axe-core finds, and whether it fits on a narrow screen."""

from __future__ import annotations

from playwright.async_api import Page

from .form_hub import CACHE

AXE = CACHE / "node_modules" / "axe-core" / "axe.min.js"


async def violations(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical on the whole page."""
    assert AXE.exists(), f"axe-core is missing: npm install --prefix {CACHE} axe-core"
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run()")
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes']]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


async def fits(page: Page) -> bool:
    """Say whether nothing sticks out sideways."""
    wide: bool = await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    return wide

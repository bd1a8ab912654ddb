"""My servers as a person uses it: in a browser without JavaScript, by the hub's proxy."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.browser.chromium import launched
from tests.hubs import Hub
from tests.ports import free_port

pytestmark = pytest.mark.hub_versions

HOME = "/services/jhkube/"


@pytest.fixture(scope="module")
async def hub(new_hub, cluster) -> Hub:
    return await new_hub(
        "my-servers",
        JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny",
        JHKUBE_HOME_SIZE="10Mi",
        JHKUBE_MY_SERVERS="true",
        JHKUBE_MY_SERVERS_PORT=str(free_port()),
    )


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await launched(playwright)
        yield browser
        await browser.close()


async def logged_in(browser: Browser, hub: Hub, name: str, **context: object) -> tuple[BrowserContext, Page]:
    """Return a browser's page of somebody who has logged in."""
    made = await browser.new_context(viewport={"width": 1100, "height": 800}, **context)  # type: ignore[arg-type]
    page = await made.new_page()
    page.set_default_timeout(30_000)
    person = await hub.login(name)
    cookies = [
        {"name": each.key, "value": each.value, "domain": "127.0.0.1", "path": each["path"] or "/"}
        for each in person.session.cookie_jar
        if each["path"].startswith("/")
    ]
    await made.add_cookies(cookies)  # type: ignore[arg-type]
    await person.close()
    return made, page


async def test_it_works_without_javascript_on_a_phone(browser: Browser, hub: Hub) -> None:
    context, page = await logged_in(
        browser, hub, "guest-17", java_script_enabled=False, screen={"width": 380, "height": 700}
    )
    await page.set_viewport_size({"width": 380, "height": 700})
    await page.goto(f"{hub.url}{HOME}")
    # The service may still be loading; its first page reloads itself.
    await expect(page.get_by_role("heading", name="My servers")).to_be_visible(timeout=120_000)
    await page.get_by_role("button", name="Start default server", exact=True).click()
    await expect(page.get_by_role("status")).to_contain_text(re.compile("starting|running"))
    await page.goto(f"{hub.url}{HOME}disks")
    await expect(page.get_by_role("rowheader")).to_contain_text("claim-guest-17")
    await page.goto(f"{hub.url}{HOME}")
    await page.get_by_role("button", name="Stop default server").click()
    await expect(page.get_by_role("status")).to_contain_text(re.compile("stopping|stopped"))
    await context.close()

"""My servers as a person uses it: in a browser, by the hub's proxy, with and without JavaScript."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.browser.accessibility import fits, violations
from tests.browser.chromium import launched
from tests.hubs import Hub
from tests.pods import in_pod, new_namespace, pod_of
from tests.ports import free_port

pytestmark = pytest.mark.hub_versions

HOME = "/services/jhkube/"
WIDE = {"width": 1100, "height": 800}
PHONE = {"width": 390, "height": 760}
SIZES = [
    {"name": "small", "display_name": "Small", "cores": 0.1, "memory": "64M", "default": True},
    {"name": "medium", "display_name": "Medium", "cores": 0.1, "memory": "128M"},
    {"name": "visit", "display_name": "Visit", "cores": 0.1, "memory": "64M", "groups": ["guests"]},
]
PASSWORD = "correct horse battery staple"
WORDS = "tiny: the disk is on fire"
PRESETS = [
    {
        "name": "broken",
        "display_name": "Broken",
        "environment": {"TINY_EXIT_CODE": "3", "TINY_MESSAGE": WORDS},
    },
    {"name": "slow", "display_name": "Slow", "environment": {"TINY_DELAY": "600"}},
]
HELD = """
import asyncio
from pathlib import Path

async def held(spawner):
    # Before its pod is made, as long as the test wants it.
    while spawner.user.name == "guest-16" and Path("held").exists():
        await asyncio.sleep(0.1)

c.JHKubeSpawner.pre_spawn_hook = held
"""
EAT = (
    "echo 1000 > /proc/1/oom_score_adj; python3 -ISc '"
    'import os; kept = os.memfd_create("kept"); [os.write(kept, b"x" * 2**20) for _ in range(200)]\''
)
"""Takes more memory than the small size has, in a way that counts for the container and not for this process: so the
kernel ends the server."""


@pytest.fixture(scope="module")
async def namespace(cluster) -> AsyncIterator[str]:
    """Where the servers are: others of the same people's are elsewhere."""
    name = f"{cluster.namespace}-pages"
    await new_namespace(cluster.core, name)
    yield name
    await cluster.core.delete_namespace(name)


@pytest.fixture(scope="module")
async def hub(new_hub, cluster, namespace: str) -> Hub:
    return await new_hub(
        "my-servers",
        f"c.JHKubeSpawner.presets = {PRESETS!r}\n{HELD}",
        JHKUBE_NAMESPACE=namespace,
        JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny",
        JHKUBE_HOME_SIZE="10Mi",
        JHKUBE_SIZES=json.dumps(SIZES),
        JHKUBE_MY_SERVERS="true",
        JHKUBE_MY_SERVERS_SECRETS="true",
        JHKUBE_MY_SERVERS_PORT=str(free_port()),
        JHKUBE_GUESTS="true",
    )


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await launched(playwright)
        yield browser
        await browser.close()


async def logged_in(browser: Browser, hub: Hub, name: str, **context: Any) -> tuple[BrowserContext, Page]:
    """Return a browser's page of somebody who has logged in."""
    context = {"viewport": WIDE, "locale": "en-GB", **context}
    made = await browser.new_context(**context)
    page = await made.new_page()
    page.set_default_timeout(120_000)
    person = await hub.login(name)
    cookies = [
        {"name": each.key, "value": each.value, "domain": "127.0.0.1", "path": each["path"] or "/"}
        for each in person.session.cookie_jar
        if each["path"].startswith("/")
    ]
    await made.add_cookies(cookies)  # type: ignore[arg-type]
    await person.close()
    await page.goto(f"{hub.url}{HOME}")
    # The service may still be loading; its first page reloads itself.
    await expect(page.get_by_role("heading", name="My servers")).to_be_visible(timeout=120_000)
    return made, page


async def look(page: Page, name: str) -> None:
    """Look at a page by axe: wide and light, narrow and dark."""
    for scheme, size in (("dark", PHONE), ("light", WIDE)):
        # A colour that is still changing is nobody's.
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        await page.set_viewport_size(size)  # type: ignore[arg-type]
        assert await violations(page) == [], f"{name}, {scheme}"
        assert await fits(page), f"{name}, {scheme}"


async def test_it_works_without_javascript_on_a_phone(browser: Browser, hub: Hub) -> None:
    context, page = await logged_in(browser, hub, "guest-17", java_script_enabled=False, viewport=PHONE)
    await page.get_by_role("button", name="Start default server", exact=True).click()
    # While it starts, the page loads itself again.
    await expect(page.locator("[data-focus]")).to_contain_text("Your server is running", timeout=180_000)
    assert await page.get_by_role("button", name="Follow").count() == 0
    await page.goto(f"{hub.url}{HOME}disks")
    await expect(page.get_by_role("rowheader")).to_contain_text("claim-guest-17")
    await page.goto(f"{hub.url}{HOME}")
    await page.get_by_role("button", name="Stop default server").click()
    await expect(page.locator("[data-focus]")).to_contain_text(re.compile("stopping|stopped"))
    await context.close()


async def test_after_out_of_memory_a_larger_size_is_one_press_away(
    browser: Browser, hub: Hub, cluster: Any, namespace: str
) -> None:
    context, page = await logged_in(browser, hub, "guest-14")
    await look(page, "list-stopped")
    await page.get_by_role("link", name="default server", exact=True).click()
    # With the keyboard alone.
    await page.get_by_role("button", name="Start default server", exact=True).focus()
    await page.keyboard.press("Enter")
    state = page.locator("[data-focus]")
    await expect(state).to_contain_text("Your server is running", timeout=180_000)
    pod = await pod_of(cluster.core, namespace, "guest-14")
    await in_pod(namespace, pod.metadata.name, EAT)
    # The page says it without being reloaded.
    await expect(page.get_by_text("used more memory than its size allows")).to_be_visible(timeout=180_000)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your server ran out of memory")
    await expect(page.get_by_text("The next larger size is Medium")).to_be_visible()
    await look(page, "out-of-memory")
    await page.goto(f"{hub.url}{HOME}")
    await look(page, "list-out-of-memory")
    await page.get_by_role("button", name="Restart with Medium: default server").click()
    await expect(page.locator("[data-focus]")).to_contain_text("Your server is running", timeout=180_000)
    pod = await pod_of(cluster.core, namespace, "guest-14")
    assert pod.metadata.labels["jhkube/size"] == "medium"
    await page.goto(f"{hub.url}{HOME}disks")
    await look(page, "disks")
    await page.goto(f"{hub.url}{HOME}servers/nothing")
    await look(page, "refused")
    await context.close()


async def test_a_page_follows_what_happens_and_says_when_it_cannot(
    browser: Browser, hub: Hub, cluster: Any, namespace: str
) -> None:
    context, page = await logged_in(browser, hub, "guest-15")
    await page.get_by_role("button", name="Start default server", exact=True).click()
    state, log = page.locator("[data-focus]"), page.locator("[data-log]")
    await expect(state).to_contain_text("Your server is running", timeout=180_000)
    await expect(page.get_by_role("button", name="Stop following")).to_be_visible(timeout=180_000)
    # What is unfolded and where the focus is stays over the updates.
    await page.locator("li details summary").first.click()
    await page.get_by_role("button", name="Stop default server").focus()
    pod = (await pod_of(cluster.core, namespace, "guest-15")).metadata.name
    await in_pod(namespace, pod, "echo written tonight > /proc/1/fd/1")
    await expect(log).to_contain_text("written tonight", timeout=180_000)
    async with page.expect_response(lambda answer: answer.url.endswith("?log=no")):
        pass
    await expect(page.locator("li details").first).to_have_attribute("open", "")
    await expect(page.get_by_role("button", name="Stop default server")).to_be_focused()

    stale = page.locator("[data-stale]")
    await expect(stale).to_be_hidden()
    await page.route("**/servers/*", lambda route: route.abort())
    await expect(stale).to_contain_text("Not up to date since", timeout=180_000)
    assert await violations(page) == []
    await page.unroute("**/servers/*")
    await expect(stale).to_be_hidden(timeout=180_000)

    await page.get_by_role("button", name="Stop following").click()
    await expect(page.get_by_text("This is the log as it was")).to_be_visible()
    await in_pod(namespace, pod, "echo written later > /proc/1/fd/1")
    async with page.expect_response(lambda answer: answer.url.endswith("?log=no")):
        pass
    await expect(log).not_to_contain_text("written later")
    await page.get_by_role("button", name="Follow", exact=True).click()
    await expect(log).to_contain_text("written later")
    # Nothing is asked for while nobody sees the page.
    await page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await asyncio.sleep(7)
    assert asked == []
    await page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.get_by_role("button", name="Stop following")).to_be_visible()
    await page.get_by_role("button", name="Stop default server").click()
    await expect(state).to_contain_text("Your server is stopped", timeout=180_000)
    await context.close()


async def test_a_start_that_failed_leads_to_its_log_and_to_the_form(browser: Browser, hub: Hub) -> None:
    context, page = await logged_in(browser, hub, "guest-16")
    await page.goto(f"{hub.url}/hub/spawn/guest-16")
    await page.get_by_label("Broken").check()
    held = hub.folder / "held"
    held.touch()
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator("#jhkube-heading")).to_have_text("Your server is starting")
    await look(page, "starting")
    held.unlink()
    await expect(page.locator("#jhkube-heading")).to_have_text("Your server did not start", timeout=180_000)
    await look(page, "failed-start")
    await page.reload()
    await look(page, "failed-start-again")
    await page.get_by_role("button", name="Show the log").click()
    await expect(page.locator("[data-log]")).to_contain_text(WORDS)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your server did not start")
    await look(page, "failed")
    await page.go_back()
    await page.get_by_role("button", name="Choose something else").click()
    await expect(page.get_by_label("Broken")).to_be_checked()
    await page.get_by_label("Broken").uncheck()
    await page.get_by_label("Slow").check()

    # A stop that does not work leaves a page that goes on. The browser must know it before it loads the page: what is
    # told in the middle of that may be missed.
    await page.route("**/api/users/guest-16/server", lambda route: route.fulfill(status=500))
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator("#jhkube-heading")).to_have_text("Your server is starting")
    stop = page.get_by_role("button", name="Stop the start")
    await stop.click()
    await expect(page.locator("#jhkube-trouble")).to_contain_text("could not be stopped")
    await expect(page.locator("#progress-message")).to_contain_text(re.compile("program|answer"), timeout=180_000)
    await expect(page.locator("#jhkube-trouble")).to_be_visible()
    await page.unroute("**/api/users/guest-16/server")
    await stop.click()
    await page.wait_for_url("**/hub/home")
    await page.get_by_role("button", name="My servers: state, logs and disks").click()
    await expect(page.get_by_role("heading", name="My servers")).to_be_visible()
    await context.close()


async def test_a_secret_is_made_attached_and_deleted_and_never_shown(
    browser: Browser, hub: Hub, cluster: Any, namespace: str
) -> None:
    context, page = await logged_in(browser, hub, "guest-18")
    seen: list[str] = []

    async def keep(name: str) -> None:
        await look(page, name)
        seen.append(await page.content())

    await page.get_by_role("link", name="My secrets").click()
    await look(page, "no-secrets")
    await page.get_by_label("Name").fill("Archive")
    await page.get_by_label("Value").fill(PASSWORD)
    await page.get_by_role("button", name="Make").click()
    # The browser says what a name has; nothing was sent.
    await expect(page.get_by_label("Name")).to_be_focused()
    # With the keyboard alone: the name, the file's name, the value, the button.
    await page.keyboard.press("Control+a")
    await page.keyboard.type("archive")
    for _ in range(3):
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("rowheader")).to_have_text("archive")
    await keep("secrets")
    assert await page.get_by_label("Value").input_value() == ""
    api = f"{hub.url}{HOME}api/secrets"
    ask = "url => fetch(url, {headers: headers()}).then((answer) => answer.text())"
    seen.append(await page.evaluate(ask, api))
    assert "/secrets/archive" in seen[-1]

    await page.goto(f"{hub.url}/hub/spawn/guest-18")
    await page.get_by_label("archive").check()
    await keep("form-with-secret")
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.wait_for_url("**/user/guest-18/**", timeout=180_000)
    pod = await pod_of(cluster.core, namespace, "guest-18")
    assert await in_pod(namespace, pod.metadata.name, "cat /secrets/archive/token") == PASSWORD
    await page.goto(f"{hub.url}{HOME}servers/~")
    await expect(page.locator("[data-log]")).to_contain_text("listening")
    seen.append(await page.content())

    await page.goto(f"{hub.url}{HOME}secrets")
    await page.get_by_role("link", name="Delete archive").click()
    await keep("delete-secret")
    await page.get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("You have no secrets.")).to_be_visible()
    assert not [each for each in seen if PASSWORD in each]
    assert PASSWORD not in hub.log
    # The next start with the same choice says which secret is gone.
    await page.goto(f"{hub.url}{HOME}servers/~")
    await page.get_by_role("button", name="Stop default server").click()
    await expect(page.locator("[data-focus]")).to_contain_text("Your server is stopped", timeout=180_000)
    await page.get_by_role("button", name="Start default server", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("You have no secret 'archive'.")
    await look(page, "start-without-secret")
    await page.get_by_role("link", name="Start with other options").click()
    await expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    await context.close()


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no script"])
async def test_a_guest_comes_in_starts_and_leaves(
    browser: Browser, hub: Hub, cluster: Any, namespace: str, has_script: bool
) -> None:
    context = await browser.new_context(viewport=PHONE, locale="en-GB", java_script_enabled=has_script)  # type: ignore[arg-type]
    page = await context.new_page()
    page.set_default_timeout(120_000)

    async def seen(name: str) -> None:
        if has_script:
            await look(page, f"guest-{name}")

    await page.goto(f"{hub.url}/hub/spawn")
    await expect(page.get_by_role("button", name="Sign in with GitHub")).to_be_visible()
    await seen("login")
    await page.get_by_role("button", name="Continue as a guest").focus()
    await page.keyboard.press("Enter")
    # The form of the guests' group, and of nobody else.
    await expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    await expect(page.get_by_label("Visit")).to_be_checked()
    for other in ("Small", "Medium", "Broken", "archive"):
        await expect(page.get_by_label(other)).to_have_count(0)
    await seen("form")
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.wait_for_url("**/user/guest-*/**", timeout=180_000)
    name = page.url.partition("/user/")[2].partition("/")[0]
    pod = await pod_of(cluster.core, namespace, name)
    assert pod.metadata.labels["jhkube/size"] == "visit"

    await page.goto(f"{hub.url}{HOME}disks")
    await expect(page.get_by_text("Guests have no disks")).to_be_visible(timeout=180_000)
    await expect(page.get_by_role("link", name="My secrets")).to_have_count(0)
    await seen("disks")
    await page.get_by_role("link", name="My servers").click()
    await page.get_by_role("button", name="Stop default server").click()
    await expect(page.get_by_text("Files of guests are not kept: a stop deletes them.")).to_be_visible()
    await seen("stop")
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(page.locator("[data-focus]")).to_contain_text("Your server is stopped. Files of", timeout=180_000)
    await page.goto(f"{hub.url}/hub/logout")
    await page.goto(f"{hub.url}/hub/home")
    await expect(page.get_by_role("button", name="Continue as a guest")).to_be_visible()
    await context.close()

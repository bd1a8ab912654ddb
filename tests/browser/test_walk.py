"""The whole way as a person walks it: log in, choose, read, land in JupyterLab, push from its terminal."""

import asyncio
import re

import pytest
from playwright.async_api import async_playwright, expect

from tests.browser.chromium import launched
from tests.browser.pictures import TAKEN, picture
from tests.pods import in_pod, pod_of

WORK = """
{{ git config user.name; git config user.email; id; }} > ~/who.txt
git clone {url}/observatory/notes.git ~/notes && cd ~/notes && echo clear sky > tonight.txt && git add tonight.txt
git commit -m "Tonight" && git push && git rev-parse HEAD > ~/pushed.txt
"""

# What fails within a second is said on the form.
LATER = """
import asyncio

async def later(spawner):
    await asyncio.sleep(2)

c.JHKubeSpawner.pre_spawn_hook = later
"""


@pytest.fixture(scope="module")
async def page():
    async with async_playwright() as playwright:
        browser = await launched(playwright)
        context = await browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB")
        page = await context.new_page()
        page.set_default_timeout(120_000)
        yield page
        await page.screenshot(path=TAKEN / "walk-end.png")
        await browser.close()


async def test_from_a_login_to_a_push(page, hub, cluster, git_server):
    """One walk, since every step needs the one before."""
    await page.goto(f"{hub.url}/")
    sign_in = page.get_by_role("button", name=re.compile("GitHub"))
    await expect(sign_in).to_be_visible()
    await picture(page, "login", words="#login-main", height=200)
    await sign_in.click()
    await page.get_by_text("Grace Example").click()

    # The form has the tags that the registry really has, and three sizes.
    form = page.locator("form")
    for name in (
        "Recommended",
        "Weekly 2026, week 45",
        "Release 28.0.0",
        "Weekly 2026, week 46",
        "Small",
        "Medium",
        "Large",
    ):
        await expect(form.get_by_text(name).first).to_be_visible()
    await picture(page, "walk-form")
    await form.get_by_text("Medium").first.click()
    looked = asyncio.Event()

    async def hold(route):
        await looked.wait()
        await route.continue_()

    # The page of the start stays until it was looked at.
    await page.route("**/user/grace/**", hold)
    await page.get_by_role("button", name="Start").click()

    # What is happening is told in words while it starts.
    await expect(page.locator("#progress-message, #progress-log").first).to_contain_text(
        re.compile("place was found|image|started|ready", re.IGNORECASE), timeout=180_000
    )
    await picture(page, "starting", height=420)
    looked.set()
    await page.wait_for_url("**/user/grace/lab**", timeout=180_000)
    await page.unroute("**/user/grace/**", hold)
    await expect(page.locator("#jp-main-dock-panel")).to_be_visible(timeout=180_000)

    await page.locator(".jp-LauncherCard", has_text="Terminal").click()
    terminal = page.locator(".jp-Terminal")
    await expect(terminal.locator(".xterm-screen")).to_be_visible(timeout=180_000)
    pod = await pod_of(cluster.core, cluster.namespace, "grace")
    # What is typed before the shell reads is lost.
    async with asyncio.timeout(300):
        while not await in_pod(cluster.namespace, pod.metadata.name, "ls /tmp/reads 2>/dev/null || true"):
            await terminal.click()
            await page.keyboard.type("touch /tmp/reads")
            await page.keyboard.press("Enter")
            await asyncio.sleep(1)
    for line in WORK.format(url=git_server.url).strip().splitlines():
        await page.keyboard.type(line)
        await page.keyboard.press("Enter")
    async with asyncio.timeout(300):
        while not (
            pushed := await in_pod(cluster.namespace, pod.metadata.name, "cat ~/pushed.txt 2>/dev/null || true")
        ):
            await asyncio.sleep(1)
    await picture(page, "lab", height=900)

    who = await in_pod(cluster.namespace, pod.metadata.name, "cat ~/who.txt")
    assert who.startswith("Grace Example\ngrace@observatory.example\nuid=2718281(grace)")
    assert "(observatory)" in who
    remote = await in_pod(
        cluster.namespace, pod.metadata.name, f"git ls-remote {git_server.url}/observatory/notes.git HEAD"
    )
    assert remote.split()[0] == pushed.strip()

    # Stop and start again: the files are there.
    await page.goto(f"{hub.url}/hub/home")
    stop = page.get_by_role("link", name=re.compile("Stop")).or_(page.get_by_role("button", name=re.compile("Stop")))
    is_stopping = asyncio.Event()
    page.on("request", lambda request: is_stopping.set() if request.method == "DELETE" else None)
    async with asyncio.timeout(180):
        # JupyterHub's script answers to a click once it has loaded.
        while not is_stopping.is_set():
            await stop.click()
            await asyncio.sleep(1)
    grace = await hub.login("grace")
    async with asyncio.timeout(300):
        while await grace.server():
            await asyncio.sleep(0.5)
    await grace.close()
    await page.goto(f"{hub.url}/hub/home")
    await page.get_by_role("button", name="Start My Server").click()
    await expect(page.get_by_role("radio", name="Medium", exact=False)).to_be_checked()
    await page.get_by_role("button", name="Start").click()
    await page.wait_for_url("**/user/grace/lab**", timeout=180_000)
    pod = await pod_of(cluster.core, cluster.namespace, "grace")
    assert await in_pod(cluster.namespace, pod.metadata.name, "cat ~/notes/tonight.txt") == "clear sky\n"


async def test_a_start_that_fails_says_why_and_what_to_do(page, new_hub, cluster):
    override = {"kubespawner_override": {"image": f"{cluster.registry}/lab:w_2025_07"}}
    profile = [{"display_name": "Last year's course", "slug": "course", "default": True, **override}]
    hub = await new_hub("failing", f"c.JHKubeSpawner.profile_list = {profile!r}\n{LATER}")
    await page.context.clear_cookies()
    await page.goto(f"{hub.url}/hub/oauth_login")
    await page.get_by_text("Grace Example").click()
    await page.get_by_role("button", name="Start").click()
    failed = page.locator("#jhkube-failed-message")
    await expect(failed).to_contain_text("does not exist in its registry", timeout=180_000)
    await expect(page.locator("#jhkube-heading")).to_have_text("Your server did not start")
    await expect(page.get_by_role("button", name="Choose something else")).to_be_visible()
    await picture(page, "failed", words="#jhkube-heading", height=480)

"""Notices in JupyterLab's page: before a server stops, and where a kernel was ended for its memory."""

import json
import os
import subprocess
import sys

import pytest
from playwright.async_api import async_playwright, expect

from devcluster.images import ROOT
from tests.browser.chromium import launched

PAGE = """
import jinja2, lab_notice
from types import SimpleNamespace as Namespace

environment = jinja2.Environment(loader=jinja2.DictLoader({"index.html": "<html><body>lab</body></html>"}))
server = Namespace(web_app=Namespace(settings={"lab_jinja2_env": environment, "base_url": "/user/ada/"}))
lab_notice._load_jupyter_server_extension(server)
print(environment.get_template("index.html").render())
"""


@pytest.fixture(scope="module")
async def browser():
    async with async_playwright() as playwright:
        started = await launched(playwright)
        yield started
        await started.close()


def page_of(**variables):
    """Return JupyterLab's page of a server that has just started with these variables."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "images" / "lab" / "python"), **variables}
    done = subprocess.run([sys.executable, "-c", PAGE], env=environ, capture_output=True, text=True, check=True)
    return done.stdout


async def test_the_warning_comes_at_its_time_and_can_be_closed(browser):
    page = await browser.new_page()
    page.set_default_timeout(180_000)
    # Chromium's clock of animations begins when the page is shown, so both are of one page.
    later = page_of(JHKUBE_STOPS_AFTER="7200", JHKUBE_STOP_WARNING="900")
    await page.set_content(later)
    warning = page.locator("#lab-stop")
    await expect(warning).to_be_hidden()
    assert "lab-stop 0s linear 6300s forwards" in later
    await page.set_content(page_of(JHKUBE_STOPS_AFTER="902", JHKUBE_STOP_WARNING="900"))
    await expect(warning).to_be_visible(timeout=180_000)
    await expect(warning).to_contain_text("because it has run for the longest time allowed. Save your work.")
    await warning.get_by_role("button", name="Close").click()
    await expect(warning).to_be_hidden()
    await page.close()


@pytest.mark.parametrize("after", ["", "0", "never"])
async def test_without_a_longest_time_there_is_no_warning(browser, after):
    assert "lab-stop" not in page_of(JHKUBE_STOPS_AFTER=after)


async def test_when_a_kernel_dies_the_page_says_that_memory_was_the_reason(browser):
    """JupyterLab's own dialog is what the page waits for; a request to the server tells the reason."""
    page = await browser.new_page()
    page.set_default_timeout(180_000)
    asked, said = [], {"message": ""}

    async def serve(route):
        if route.request.url.endswith("/user/ada/jhkube/memory"):
            asked.append(route.request.headers.get("x-xsrftoken"))
            await route.fulfill(content_type="application/json", body=json.dumps(said))
        else:
            await route.fulfill(content_type="text/html", body=page_of())

    await page.route("**/*", serve)
    await page.goto("http://lab.test/user/ada/lab")
    await page.evaluate("document.cookie = '_xsrf=token; path=/user/ada/'")
    notice = page.locator("#lab-memory")
    await expect(notice).to_be_hidden()
    dialog = "document.body.insertAdjacentHTML('beforeend', '<div class=\"%s\">The kernel has died.</div>')"

    await page.evaluate(dialog % "tooltip")
    async with page.expect_response("**/jhkube/memory"):
        await page.evaluate(dialog % "jp-Dialog jp-ThemedContainer")
    await expect(notice).to_be_hidden()
    said["message"] = "The memory of your server (4 GiB) was full at 14:32 UTC. <b>Choose</b> a larger size."
    await page.evaluate(dialog % "jp-Dialog")
    await expect(notice).to_be_visible(timeout=180_000)
    await expect(notice.get_by_text(said["message"])).to_be_visible()
    assert asked == ["token", "token"]
    await notice.get_by_role("button", name="Close").click()
    # What was closed does not come back with the next dialog.
    async with page.expect_response("**/jhkube/memory"):
        await page.evaluate(dialog % "jp-Dialog")
    await expect(notice).to_be_hidden()
    await page.close()

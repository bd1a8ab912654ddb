"""A start that was guessed, as a person sees it: the form says what is wrong, and JupyterLab is there at once."""

import asyncio
import time

import pytest
from playwright.async_api import async_playwright, expect

from tests.browser.chromium import launched
from tests.pods import in_pod

GONE = """
c.JHKubeSpawner.profile_list = [
    {"display_name": "Last course", "slug": "gone", "kubespawner_override": {"image": "REGISTRY/lab:w_2025_07"}}
]
"""


@pytest.fixture(scope="module")
async def page():
    async with async_playwright() as playwright:
        browser = await launched(playwright)
        page = await browser.new_page(viewport={"width": 1200, "height": 900}, locale="en-GB")
        page.set_default_timeout(120_000)
        yield page
        await browser.close()


async def waiting_pods(cluster):
    # Those of other tests may wait in this namespace, too.
    graces = "hub.jupyter.org/username=grace,jhkube/ahead=waiting"
    found = await cluster.core.list_namespaced_pod(cluster.namespace, label_selector=graces)
    return [pod for pod in found.items if pod.metadata.deletion_timestamp is None]


async def test_the_form_tells_what_is_wrong_and_the_guessed_choice_is_there_at_once(page, new_hub, cluster):
    hub = await new_hub(
        "ahead-browser", GONE.replace("REGISTRY", cluster.registry), JHKUBE_START_AHEAD="form-and-changes"
    )
    visited = []
    page.on("framenavigated", lambda frame: visited.append(frame.url))
    await page.goto(f"{hub.url}/hub/oauth_login?next=%2Fhub%2Fspawn")
    await page.get_by_text("Grace Example").click()
    said = page.locator("#jhkube-ahead")
    await expect(said).to_be_hidden()

    # Another choice, whose image does not exist: the form says so, and says nothing any more of the choice after it.
    await page.get_by_text("Last course").click()
    await expect(said).to_contain_text("does not exist in its registry", timeout=180_000)
    await page.get_by_role("radio").first.check()
    await expect(said).to_be_hidden()

    async with asyncio.timeout(300):
        while True:
            pods = await waiting_pods(cluster)
            if pods and pods[0].status.pod_ip:
                try:
                    _, writer = await asyncio.open_connection(pods[0].status.pod_ip, 8888)
                except OSError:
                    pass
                else:
                    writer.close()
                    break
            await asyncio.sleep(0.2)
    began = time.monotonic()
    await page.get_by_role("button", name="Start").click()
    await page.wait_for_url("**/user/grace/lab**")
    reached = time.monotonic() - began
    await expect(page.locator("#jp-main-dock-panel")).to_be_visible(timeout=180_000)
    print(f"from Start to the page of JupyterLab {reached:.2f} s, usable after {time.monotonic() - began:.2f} s")
    print(f"by way of {', '.join(url.partition('?')[0].removeprefix(hub.url) for url in visited[-5:])}")
    (pod,) = (
        await cluster.core.list_namespaced_pod(
            cluster.namespace, label_selector="hub.jupyter.org/username=grace,jhkube/ahead=taken"
        )
    ).items
    assert pod.metadata.uid == pods[0].metadata.uid
    assert await in_pod(cluster.namespace, pod.metadata.name, "id -un") == "grace\n"

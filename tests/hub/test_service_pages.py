"""The pages of "My servers" as a browser without JavaScript sees them: links, forms, and what they do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.hub.api_answers import Answers, api_server, kubeconfig_for
from tests.hub.running import RunningHub
from tests.hub.service_hub import SPAWNER, ServiceBrowser, ServiceHub, identity, start_service
from tests.hub.service_world import LABS, World

pytestmark = pytest.mark.hub_versions

HOME = "/services/jhkube/"


class Reader:
    """Ada with a browser, and what her API server was asked."""

    def __init__(self, browser: ServiceBrowser, server: Answers) -> None:
        self.browser, self.server = browser, server

    async def page(self, path: str) -> str:
        """Return a page."""
        status, text, _ = await self.browser.open(HOME + path)
        assert status == 200, text
        return text

    async def press(self, page: str, action: str, **fields: str) -> tuple[int, str, str]:
        """Send the form of a page whose address ends so; return status, page and path at the end."""
        found = re.search(rf'<form method="post"(?: action="([^"]*{re.escape(action)})")?', page)
        assert found, f"no form for {action}: {page}"
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page)
        assert xsrf
        return await self.browser.open(found[1] or action, method="POST", data={"_xsrf": xsrf[1], **fields})


@pytest.fixture(scope="module")
async def reader(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reader]:
    hubs: list[RunningHub] = []

    async def start(config: Any, **more: Any) -> RunningHub:
        hub = RunningHub(tmp_path_factory.mktemp("pages"), config, **more)
        hubs.append(hub)
        await hub.start()
        return hub

    with api_server(World().answer) as server:
        kubeconfig = tmp_path_factory.mktemp("kube") / "config"
        kubeconfig.write_text(kubeconfig_for(server.url))
        try:
            service: ServiceHub = await start_service(start, kubeconfig, python_settings=SPAWNER)
            async with ServiceBrowser(service, "ada") as browser:
                # A login by name alone leaves no id of a provider's.
                await service.hub.change("ada", identity("ada", "github:1"))
                yield Reader(browser, server)
        finally:
            for hub in hubs:
                await hub.stop()


async def test_a_server_is_started_read_and_stopped(reader: Reader) -> None:
    status, page, path = await reader.press(await reader.page(""), "servers/~/start")
    assert (status, path) == (200, f"{HOME}servers/~"), page
    page = await reader.page("servers/~")
    assert "Your server is running." in page
    assert 'href="/user/ada/"' in page
    assert "A place was found for your server, on node1." in page
    assert "the last line" in page
    assert "the-token-of-the-server" not in page
    assert "mumble" not in page
    status, page, _ = await reader.press(page, "servers/~/stop")
    assert status == 200
    assert "Your server is stopped. Its disk stays." in await reader.page("")


async def test_the_table_leads_to_each_servers_page_and_form(reader: Reader) -> None:
    page = await reader.page("")
    assert f'href="{HOME}servers/~"' in page
    assert 'href="/hub/spawn/ada"' in page
    assert f'href="{HOME}disks"' in page


async def test_the_disks_say_what_uses_them(reader: Reader) -> None:
    page = await reader.page("disks")
    assert "claim-ada--old" in page
    assert "claim-ada--heir" not in page
    assert f'href="{HOME}disks/claim-ada--old/delete"' in page
    assert f'href="{HOME}disks/claim-ada/delete"' not in page


async def test_a_refusal_is_a_page_with_its_sentence(reader: Reader) -> None:
    status, page, _ = await reader.press(await reader.page("disks"), "disks/claim-ada/grow", size="20Gi")
    assert status == 403
    assert "Disks cannot be made larger here" in page
    status, page, _ = await reader.browser.open(f"{HOME}servers/nothing")
    assert status == 404
    assert "You have no server “nothing”." in page


async def test_a_disk_is_deleted_after_a_question(reader: Reader) -> None:
    start = len(reader.server.asked)
    page = await reader.page("disks/claim-ada--old/delete")
    assert "Everything on it is lost" in page
    assert not [each for each in reader.server.asked[start:] if each.startswith("DELETE")]
    status, _, path = await reader.press(page, f"{HOME}disks/claim-ada--old/delete")
    assert (status, path) == (200, f"{HOME}disks")
    assert f"DELETE {LABS}/persistentvolumeclaims/claim-ada--old" in reader.server.asked[start:]


async def test_a_form_of_another_site_does_nothing(reader: Reader) -> None:
    start = len(reader.server.asked)
    headers = {"Origin": "https://evil.example.org", "Sec-Fetch-Site": "cross-site"}
    status, _, path = await reader.browser.open(
        f"{HOME}disks/claim-ada--old/delete", method="POST", data={"_xsrf": "x"}, headers=headers
    )
    assert (status, path) != (200, f"{HOME}disks")
    assert not [each for each in reader.server.asked[start:] if each.startswith("DELETE")]


async def test_names_are_text_and_no_markup(reader: Reader) -> None:
    _, page, _ = await reader.browser.open(f"{HOME}servers/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert "<script>alert" not in page


async def test_what_a_page_loads_is_there_and_is_its_own_hosts(reader: Reader) -> None:
    page = await reader.page("")
    addresses = [*re.findall(r'(?:src|href)="([^"]+\.(?:css|js|ico)[^"]*)"', page), "/hub/logo"]
    assert len(addresses) >= 4
    for address in addresses:
        assert address.startswith("/")
        assert (await reader.browser.open(address))[0] == 200, address

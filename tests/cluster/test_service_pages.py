"""The pages of "My servers" as a browser without JavaScript sees them: links, forms, and what they do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cluster.service_world import LINES, PASSWORD, TOKEN, World, service_world
from tests.hub.service_hub import ServiceBrowser, identity

pytestmark = pytest.mark.hub_versions

HOME = "/services/jhkube/"
ADDRESSES = [
    *("", "disks", "secrets", "disks/{}/grow", "disks/{}/delete", "secrets/{}/delete"),
    *(f"servers/{{}}{action}" for action in ("", "/start", "/stop", "/remove")),
]
FIELDS = ("name", "file", "text", "size", "claims", "asked", "container", "log")


class Reader:
    """Ada with a browser, and what her API server was asked."""

    def __init__(self, browser: ServiceBrowser, world: World) -> None:
        self.browser, self.world = browser, world

    def asked_since(self, start: int, method: str) -> list[str]:
        """Return the API server's requests of a method, after so many of all methods."""
        return [each for each in self.world.asked_since(start) if each.startswith(f"{method} ")]

    async def page(self, path: str) -> str:
        """Return a page."""
        status, text, _ = await self.browser.open(HOME + path)
        assert status == 200, text
        return text

    async def press(self, page: str, action: str, **fields: str) -> tuple[int, str, str]:
        """Send the form of a page whose address ends so; return status, page and path at the end."""
        found = re.search(rf'<form method="post"(?: action="([^"]*{re.escape(action)})")?', page)
        assert found, f"no form for {action}: {page}"
        return await self.send(page, found[1] or action, **fields)

    async def send(self, page: str, path: str, **fields: str) -> tuple[int, str, str]:
        """Send fields to an address as a form of a page would, which may have none; return as `press` does."""
        xsrf = re.search(r'name="xsrf" content="([^"]+)"', page)
        assert xsrf
        return await self.browser.open(path, method="POST", data={"_xsrf": xsrf[1], **fields})


@pytest.fixture(scope="module")
async def reader(cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reader]:
    async with service_world(cluster, tmp_path_factory, JHKUBE_MY_SERVERS_SECRETS="true") as world:
        await world.fill()
        async with ServiceBrowser(world.service, "ada") as browser:
            # A login by name alone leaves no id of a provider's.
            await world.service.hub.change("ada", identity("ada", "github:1"))
            yield Reader(browser, world)


async def test_a_server_is_started_read_and_stopped(reader: Reader) -> None:
    status, page, path = await reader.press(await reader.page(""), "servers/~/start")
    assert (status, path) == (200, f"{HOME}servers/~"), page
    page = await reader.page("servers/~")
    assert "Your server is running." in page
    assert 'href="/user/ada/"' in page
    assert "A place was found for your server, on " in page
    assert LINES[1] in page
    assert TOKEN not in page
    assert PASSWORD not in page
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
    page = await reader.page("disks")
    assert "/grow" not in page
    status, page, _ = await reader.send(page, f"{HOME}disks/claim-ada/grow", size="20Gi")
    assert status == 403
    assert "Disks cannot be made larger on this hub" in page
    status, page, _ = await reader.browser.open(f"{HOME}servers/nothing")
    assert status == 404
    assert "You have no server “nothing”." in page


async def test_a_disk_is_deleted_after_a_question(reader: Reader) -> None:
    spare = await reader.world.make_claim("ada", "spare", "github:1")
    start = len(reader.world.proxy.paths)
    page = await reader.page(f"disks/{spare}/delete")
    assert "Everything on it is lost" in page
    assert reader.asked_since(start, "DELETE") == []
    status, _, path = await reader.press(page, f"{HOME}disks/{spare}/delete")
    assert (status, path) == (200, f"{HOME}disks")
    assert reader.asked_since(start, "DELETE") == [f"DELETE {reader.world.claims}/{spare}"]
    assert not await reader.world.has_claim(spare)


async def test_a_form_of_another_site_does_nothing(reader: Reader) -> None:
    start = len(reader.world.proxy.paths)
    headers = {"Origin": "https://evil.example.org", "Sec-Fetch-Site": "cross-site"}
    status, _, path = await reader.browser.open(
        f"{HOME}disks/claim-ada--old/delete", method="POST", data={"_xsrf": "x"}, headers=headers
    )
    assert (status, path) != (200, f"{HOME}disks")
    assert reader.asked_since(start, "DELETE") == []


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


async def test_a_secret_is_made_and_deleted_and_its_value_is_never_shown(reader: Reader) -> None:
    page = await reader.page("secrets")
    assert "You have no secrets." in page
    status, page, path = await reader.press(page, "secrets", name="registry", file="token", text=PASSWORD)
    assert (status, path) == (200, f"{HOME}secrets"), page
    assert "/secrets/registry/token" in page
    assert PASSWORD not in page
    question = await reader.page("secrets/registry/delete")
    assert "Delete the secret registry?" in question
    assert "/secrets/registry/token" in await reader.page("secrets")
    status, page, path = await reader.press(question, f"{HOME}secrets/registry/delete")
    assert (status, path) == (200, f"{HOME}secrets")
    assert (await reader.browser.open(f"{HOME}secrets/registry/delete"))[0] == 404
    assert "You have no secrets." in page


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    address=st.sampled_from(ADDRESSES),
    name=st.text(min_size=1, max_size=20) | st.just("~"),
    fields=st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=20)),
    is_form=st.booleans(),
)
async def test_no_address_and_no_form_is_an_error_of_the_service(
    reader: Reader, address: str, name: str, fields: dict[str, str], is_form: bool
) -> None:
    path = HOME + address.format(quote(name, safe=""))
    if is_form:
        status, page, _ = await reader.send(await reader.page("disks"), path, **fields)
    else:
        status, page, _ = await reader.browser.open(path, params=fields)
    assert status < 500, page
    assert "<h1>" in page or status == 404, page

"""Guests: they come without an account at the provider, are nobody else, and leave nothing behind."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from urllib.parse import urljoin

import aiohttp
import pytest

from jhkube.identity import is_guest_name
from tests.hub.conftest import github_settings
from tests.hub.running import Page, RunningHub, identity_of

pytestmark = pytest.mark.hub_versions

UIDS = range(2_100_000_000, 2_140_000_000)


@pytest.fixture(scope="module")
async def guest_hub(shared_github, tmp_path_factory) -> AsyncIterator[RunningHub]:
    settings = github_settings(
        shared_github,
        allowed_organizations=["lab"],
        guest_login=True,
        guest_idle_timeout=900,
        guests_per_address=4,
        guests_per_hour=12,
        # A group of the provider's that is called as the guests' is here.
        group_rules={"lab:imaging": "guests"},
    )
    settings["JupyterHub"]["trusted_downstream_ips"] = ["127.0.0.1"]
    hub = RunningHub(tmp_path_factory.mktemp("guests"), settings)
    await hub.start()
    yield hub
    await hub.stop()


class Visitor:
    """A browser without an account anywhere.

    Parameters
    ----------
    hub
        The hub to visit.
    address
        Where the proxy says that it is.
    """

    def __init__(self, hub: RunningHub, address: str, **more: str) -> None:
        self.hub = hub
        headers = {"X-Forwarded-For": address, "Sec-Fetch-Mode": "navigate", **more}
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers=headers)

    async def __aenter__(self) -> Visitor:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.session.close()

    async def get(self, path: str, **more) -> Page:
        async with self.session.get(urljoin(self.hub.url, path), **more) as answer:
            return Page(answer.status, str(answer.url), await answer.text())

    async def become_guest(self, path: str = "/hub/login", **more) -> tuple[aiohttp.ClientResponse, str]:
        """Press the button; return the answer and its text."""
        page = await self.get(path)
        found = re.search(
            r'<form class="jhkube-guest[^>]*action="([^"]*)".*?name="_xsrf" value="([^"]+)"', page.text, re.S
        )
        assert found, page.message
        url = urljoin(self.hub.url, found[1].replace("&amp;", "&"))
        async with self.session.post(url, data={"_xsrf": found[2]}, allow_redirects=False, **more) as answer:
            return answer, await answer.text()

    async def name(self) -> str:
        """Return the name that the hub's home page has."""
        names = set(re.findall(r"guest-[a-z2-7]{20}", (await self.get("/hub/home")).text))
        assert len(names) == 1
        return names.pop()


async def test_the_button_makes_a_guest_with_a_group_and_numbers_of_its_own(guest_hub):
    async with Visitor(guest_hub, "192.0.2.1") as visitor:
        answer, _ = await visitor.become_guest("/hub/login?next=%2Fhub%2Fhome")
        assert (answer.status, answer.headers["Location"]) == (302, "/hub/home")
        name = await visitor.name()
        assert is_guest_name(name)
        known, identity = await guest_hub.inspect(name), await identity_of(guest_hub, name)
        assert (known["groups"], known["admin"]) == (["guests"], False)
        assert identity.uid == identity.gid
        assert identity.uid in UIDS
        assert identity.subject.startswith("guest:")
        assert known["auth_state"].get("access_token") is None
        # The hub asks again who somebody is, and a guest stays; and pressing again makes no other.
        await guest_hub.forget_refresh(name)
        assert await visitor.name() == name
        token = {cookie.key: cookie.value for cookie in visitor.session.cookie_jar}["_xsrf"]
        async with visitor.session.post(
            f"{guest_hub.url}/hub/guest-login?_xsrf={token}", allow_redirects=False
        ) as again:
            assert again.status == 302
        assert await visitor.name() == name


async def test_nothing_in_a_request_says_who_a_guest_is(guest_hub):
    async with Visitor(guest_hub, "192.0.2.2") as first, Visitor(guest_hub, "192.0.2.3") as second:
        await first.become_guest()
        name = await first.name()
        subject = (await identity_of(guest_hub, name)).subject
        claims = {"Renku-Auth-Anon-Id": name, "X-Guest": name, "Authorization": f"token {name}"}
        answer, _ = await second.become_guest(f"/hub/guest-login?id={name}&username={name}&subject={subject}")
        assert answer.status == 302
        assert await second.name() != name
    async with Visitor(guest_hub, "192.0.2.4") as third:
        page = await third.get(f"/hub/home?token={name}", headers=claims)
        assert "/hub/login" in page.url
        # A link makes nobody a guest, and neither does a form of another site's page.
        assert "Continue as a guest" in (await third.get("/hub/guest-login")).text
        async with third.session.post(f"{guest_hub.url}/hub/guest-login", allow_redirects=False) as forged:
            assert forged.status == 403
        assert "/hub/login" in (await third.get("/hub/home")).url


async def test_a_way_to_another_site_is_not_followed(guest_hub):
    async with Visitor(guest_hub, "192.0.2.5") as visitor:
        answer, _ = await visitor.become_guest("/hub/guest-login?next=https%3A%2F%2Fevil.example.org%2F")
        assert answer.headers["Location"].startswith("/hub/")


async def test_one_address_makes_so_many_guests_and_no_more(guest_hub):
    async def answers(addresses: list[str]) -> list[int]:
        statuses = []
        for address in addresses:
            async with Visitor(guest_hub, address) as visitor:
                answer, text = await visitor.become_guest()
                statuses.append(answer.status)
                if answer.status == 429:
                    assert "Too many guests came from your address." in text
                    assert 'href="/hub/oauth_login?next=' in text
                    assert int(answer.headers["Retry-After"]) > 3000
        return statuses

    # Addresses of one network are one person's.
    assert await answers([f"2001:db8:0:1::{number}" for number in range(5)]) == [302] * 4 + [429]
    assert await answers(["2001:db8:0:2::1"]) == [302]
    # The proxy's own word counts, and not what comes with the request.
    assert await answers(["2001:db8:0:2::2, 2001:db8:0:1::9"]) == [429]
    async with Visitor(guest_hub, "2001:db8:0:1::9", **{"X-Real-Ip": "192.0.2.77"}) as visitor:
        answer, _ = await visitor.become_guest()
        assert answer.status == 429


async def test_a_real_login_is_never_a_guest(guest_hub, add_person, browse):
    login = add_person("lab:imaging")
    await browse(guest_hub, login).log_in()
    assert "guests" not in (await guest_hub.inspect(login))["groups"]
    name = "guest-" + "a2" * 10
    page = await browse(guest_hub, add_person("lab", login=name)).log_in()
    assert page.status == 403
    assert "cannot give you an account" in page.message
    assert await guest_hub.inspect(name) == {}
    # A name that only begins in the same way is a person's, and so is a number of guests not.
    page = await browse(guest_hub, add_person("lab", login="guest-lecturer")).log_in()
    assert page.status == 200
    page = await browse(guest_hub, add_person("lab", id=UIDS.start + 7)).log_in()
    assert page.status == 403
    assert guest_hub.warnings("is a number of guests; set another range in guest_ids")


async def test_a_guest_who_logs_in_is_somebody_else_from_then_on(guest_hub, add_person, browse):
    async with Visitor(guest_hub, "192.0.2.7") as visitor:
        await visitor.become_guest()
        name = await visitor.name()
        login = add_person("lab")
        browser = browse(guest_hub, login)
        await browser.session.close()
        browser.session = visitor.session
        page = await browser.log_in()
        assert page.status == 200
        assert (await guest_hub.inspect(login))["groups"] == ["lab"]
        assert (await guest_hub.inspect(name))["groups"] == ["guests"]


async def test_somebody_whose_session_has_ended_can_be_a_guest(guest_hub, shared_github, add_person, browse):
    async with Visitor(guest_hub, "192.0.2.10") as visitor:
        login = add_person("lab")
        browser = browse(guest_hub, login)
        await browser.session.close()
        browser.session = visitor.session
        assert (await browser.log_in()).status == 200
        # While it lasts, they are who they are.
        assert "Continue as a guest" not in (await visitor.get("/hub/guest-login")).text
        shared_github.world.leave("lab", login)
        await guest_hub.forget_refresh(login)
        answer, _ = await visitor.become_guest("/hub/guest-login?next=%2Fhub%2Fhome")
        assert (answer.status, answer.headers["Location"]) == (302, "/hub/home")
        assert is_guest_name(name := await visitor.name())
        assert (await guest_hub.inspect(name))["groups"] == ["guests"]


async def test_idle_guests_go_with_all_that_is_theirs_and_a_limit_holds_until_then(
    shared_github, start_hub, add_person, browse
):
    settings = github_settings(
        shared_github, allowed_organizations=["lab"], guest_login=True, guest_idle_timeout=40, guest_limit=1
    )
    hub = await start_hub(settings)
    login = add_person("lab")
    await browse(hub, login).log_in()
    async with Visitor(hub, "192.0.2.8") as visitor, Visitor(hub, "192.0.2.9") as other:
        await visitor.become_guest()
        name = await visitor.name()
        assert (await hub.api("POST", f"/users/{name}/server"))[0] in (201, 202)
        answer, text = await other.become_guest()
        assert answer.status == 429
        assert "no room for more guests" in text
        await hub.make_idle(name, 60)
        async with asyncio.timeout(120):
            while await hub.inspect(name):
                await asyncio.sleep(0.1)
        assert ["stop", name, None] in hub.spawner_notes
        assert (await hub.api("GET", f"/users/{name}"))[0] == 404
        assert "/hub/login" in (await visitor.get("/hub/home")).url
        answer, _ = await other.become_guest()
        assert answer.status == 302
        left = await other.name()
    assert await hub.inspect(login)
    # Without guests those who are left go, too; somebody with such a name whom an administrator has made stays.
    # A state that no key opens makes nobody stay.
    await hub.lose_key(left)
    made = "guest-" + "b3" * 10
    assert (await hub.api("POST", f"/users/{made}"))[0] == 201
    await hub.stop()
    hub.settings["GitHubOrgAuthenticator"]["guest_login"] = False
    await hub.start()
    async with asyncio.timeout(180):
        while await hub.inspect(left):
            await asyncio.sleep(0.1)
    assert (await hub.api("GET", f"/users/{made}"))[0] == 200
    async with Visitor(hub, "192.0.2.9") as visitor:
        assert "Continue as a guest" not in (await visitor.get("/hub/login")).text
        assert (await visitor.get("/hub/guest-login")).status == 404


async def test_guests_need_what_limits_them(shared_github, tmp_path):
    hub = RunningHub(
        tmp_path,
        github_settings(shared_github, allowed_organizations=["lab"], guest_login=True, manage_groups=False),
    )
    log = await hub.refused_start()
    assert "GitHubOrgAuthenticator.guest_login: needs manage_groups" in log

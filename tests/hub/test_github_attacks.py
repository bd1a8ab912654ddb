"""Logins that somebody has tampered with."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, urlencode, urlsplit

import pytest

from tests.hub.running import query_of

pytestmark = pytest.mark.hub_versions


async def callback_of(browser):
    """Return the URL by which GitHub sends the browser back, not yet visited."""
    page = await browser.open("/hub/oauth_login", stop_at="/hub/oauth_callback")
    return page.url


def with_parameter(url, name, value):
    return url.replace(f"{name}={quote(query_of(url)[name])}", f"{name}={quote(value)}")


async def test_a_login_uses_pkce(hub, add_person, browse):
    page = await browse(hub, add_person("lab")).open("/hub/oauth_login", stop_at="/authorize")
    assert query_of(page.url)["code_challenge_method"] == "S256"
    assert len(query_of(page.url)["code_challenge"]) == 43


async def test_a_state_that_is_not_the_browsers_is_refused(hub, add_person, browse):
    browser = browse(hub, add_person("lab"))
    forged = base64.urlsafe_b64encode(json.dumps({"state_id": "0" * 32}).encode()).decode()
    page, _ = await browser.step(with_parameter(await callback_of(browser), "state", forged))
    assert page.status == 400
    assert not await browser.is_logged_in()


async def test_a_state_that_cannot_be_read_is_refused(hub, add_person, browse):
    browser = browse(hub, add_person("lab"))
    page, _ = await browser.step(with_parameter(await callback_of(browser), "state", "%%%"))
    assert page.status in (400, 403)
    assert not await browser.is_logged_in()


async def test_a_callback_in_a_browser_that_began_no_login_is_refused(hub, add_person, browse):
    attacker, victim = browse(hub, add_person("lab")), browse(hub, add_person("lab"))
    page, _ = await victim.step(await callback_of(attacker))
    assert page.status == 400
    assert not await victim.is_logged_in()


async def test_the_code_of_another_browsers_login_is_refused(hub, add_person, browse):
    attacker, victim = browse(hub, add_person("lab")), browse(hub, add_person("lab"))
    code = query_of(await callback_of(attacker))["code"]
    page, _ = await victim.step(with_parameter(await callback_of(victim), "code", code))
    assert page.status == 403
    assert "bad_verification_code" in page.message
    assert not await victim.is_logged_in()


async def test_a_login_whose_challenge_was_changed_on_the_way_is_refused(hub, add_person, browse):
    browser = browse(hub, add_person("lab"))
    page = await browser.open("/hub/oauth_login", stop_at="/authorize")
    changed = with_parameter(page.url, "code_challenge", "A" * 43)
    page = await browser.open(changed)
    assert page.status == 403
    assert not await browser.is_logged_in()


async def test_a_replayed_callback_is_refused(hub, add_person, browse):
    browser = browse(hub, add_person("lab"))
    callback = await callback_of(browser)
    cookies = {cookie.key: cookie.value for cookie in browser.session.cookie_jar}
    page, target = await browser.step(callback)
    assert target is not None
    thief = browse(hub, browser.login)
    thief.session.cookie_jar.update_cookies(cookies)
    page, _ = await thief.step(callback)
    assert page.status == 403
    assert not await thief.is_logged_in()


async def test_somebody_who_says_no_at_github_reads_that(hub, add_person, browse):
    browser = browse(hub, add_person("lab"))
    page = await browser.open("/hub/oauth_login", stop_at="/authorize")
    page = await browser.open(page.url + "&cancel=1")
    assert page.status == 400
    assert "The user has denied your application access" in page.message


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "http:evil.example/",
        "/\t/evil.example/",
        "\x00//evil.example",
        "https:///evil.example",
        "javascript:alert(1)",
        "/%2f/evil.example",
        "@evil.example",
        "http://127.0.0.1@evil.example/",
    ],
)
async def test_no_next_leads_away_from_the_hub(hub, add_person, browse, target):
    browser = browse(hub, add_person("lab"))
    callback = await browser.open(f"/hub/oauth_login?next={quote(target)}", stop_at="/hub/oauth_callback")
    _, after = await browser.step(callback.url)
    assert after is not None
    assert after.startswith(f"{hub.url}/")
    # As a browser reads it: backslashes are slashes, and white space in between is nothing.
    as_read = after.replace("\\", "/").replace("\t", "")
    assert urlsplit(as_read).netloc == urlsplit(hub.url).netloc
    assert not urlsplit(as_read).path.startswith("//")


async def test_next_leads_back_to_where_somebody_wanted_to_go(hub, add_person, browse):
    page = await browse(hub, add_person("lab")).open("/hub/oauth_login?next=%2Fhub%2Ftoken%3Fa%3D1")
    assert page.url == f"{hub.url}/hub/token?a=1"


@pytest.mark.parametrize("place", ["banned", "lab:suspended"])
@pytest.mark.parametrize("scope", ["", "user:email", "user:email gist"])
async def test_who_takes_a_scope_away_hides_nothing_that_is_denied(hub, github, add_person, browse, place, scope):
    login = add_person("lab", place)
    github.world.join("lab", login, public=True, teams=["suspended"] if place == "lab:suspended" else [])
    browser = browse(hub, login)
    page = await browser.open("/hub/oauth_login", stop_at="/authorize")
    asked = urlsplit(page.url)
    narrowed = urlencode({**query_of(page.url), "scope": scope})
    page = await browser.open(asked._replace(query=narrowed).geturl())
    assert page.status == 403
    assert not await browser.is_logged_in()

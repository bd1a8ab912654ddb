"""A renamed or reused login inherits nobody's home, and operators can hand an account over."""

from __future__ import annotations

import aiohttp
import pytest

from tests.hub.conftest import HEIR, github_settings

pytestmark = pytest.mark.hub_versions

OLD_KEY, NEW_KEY = "11" * 32, "22" * 32


async def test_a_login_taken_by_somebody_else_is_refused(hub, github, add_person, browse):
    login = add_person("lab")
    await browse(hub, login).log_in()
    owner = github.world.person(login).id
    github.world.take_login(login)
    github.world.join("lab", login)
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert f"The account {login} on this hub belongs to somebody who had this name" in page.message
    assert (await hub.inspect(login))["auth_state"]["jhkube_identity"]["subject"] == f"github:{owner}"
    assert hub.warnings(f"the account here is github:{owner}'s; GitHubOrgAuthenticator.account_handovers")


async def test_the_owner_comes_in_again_after_somebody_else_was_refused(hub, github, add_person, browse):
    login = add_person("lab")
    await browse(hub, login).log_in()
    impostor = github.world.take_login(login)
    github.world.join("lab", login)
    assert (await browse(hub, login).log_in()).status == 403
    github.world.rename_person(login, f"{login}-impostor{impostor.id}")
    github.world.rename_person(f"{login}-was-here", login)
    assert (await browse(hub, login).log_in()).status == 200


async def test_an_account_that_github_oauthenticator_made_belongs_to_its_github_id(hub, github, add_person, browse):
    login = add_person("lab")
    await browse(hub, login).log_in()
    state = (await hub.inspect(login))["auth_state"]
    upstreams = {key: state[key] for key in ("access_token", "token_response", "github_user")}
    await hub.change(login, upstreams | {"github_user": {"login": login, "id": 4711}})
    assert (await browse(hub, login).log_in()).status == 403
    await hub.change(login, upstreams)
    assert (await browse(hub, login).log_in()).status == 200


async def test_an_identity_of_an_older_version_is_still_the_same_persons(hub, github, add_person, browse):
    login = add_person("lab")
    browser = browse(hub, login)
    await browser.log_in()
    state = (await hub.inspect(login))["auth_state"]
    old = {key: value for key, value in state["jhkube_identity"].items() if key != "login"} | {"version": 1}
    await hub.change(login, state | {"jhkube_identity": old})
    assert await browser.refreshed()
    assert (await hub.inspect(login))["auth_state"]["jhkube_identity"] == state["jhkube_identity"]


async def test_under_a_name_that_is_handed_over_nobody_else_comes_in(hub, github, add_person, browse):
    login = add_person("lab", login="heir", id=HEIR + 1)
    assert (await browse(hub, login).log_in()).status == 403
    github.world.remove_person(login)


async def test_a_handed_over_account_is_the_new_persons_and_the_old_ones_sessions_end(
    hub, github, add_person, browse
):
    login = add_person("lab", login="heir", id=HEIR)
    old, new = browse(hub, login), browse(hub, login)
    await old.log_in()
    state = (await hub.inspect(login))["auth_state"]
    # As it was before the operator handed the account over.
    state["jhkube_identity"]["subject"] = "github:4711"
    await hub.change(login, state)
    _, token = await hub.api("POST", f"/users/{login}/tokens", json={})
    assert (await new.log_in()).status == 200
    assert not await old.is_logged_in()
    headers = {"Authorization": f"token {token['token']}"}
    async with aiohttp.request("GET", f"{hub.url}/hub/api/user", headers=headers) as answer:
        assert answer.status == 403
    assert await new.is_logged_in()


async def test_who_has_handed_an_account_over_is_out_before_the_new_person_comes(hub, github, browse, add_person):
    former = add_person("lab")
    heir = github.world.find_person("heir") or github.world.add_person("heir", id=HEIR)
    github.world.join("lab", "heir")
    browser = browse(hub, "heir")
    assert (await browser.log_in()).status == 200
    # As it was before the operator handed the account over: all of it the former owner's.
    state = (await hub.inspect("heir"))["auth_state"]
    state["token_response"]["access_token"] = github.issue_token(former, ["read:org"])["access_token"]
    state["jhkube_identity"]["subject"] = f"github:{github.world.person(former).id}"
    await hub.change("heir", state)
    assert heir.id == HEIR
    assert not await browser.refreshed("heir")


async def test_a_living_session_survives_the_rotation_of_the_key(start_hub, github, add_person, browse):
    login = add_person("lab")
    hub = await start_hub(
        github_settings(github, allowed_organizations=["lab"]), environ={"JUPYTERHUB_CRYPT_KEY": OLD_KEY}
    )
    browser = browse(hub, login)
    await browser.log_in()
    for keys in (f"{NEW_KEY};{OLD_KEY}", NEW_KEY):
        await hub.stop()
        hub.environ["JUPYTERHUB_CRYPT_KEY"] = keys
        await hub.start()
        assert await browser.refreshed()
    assert (await hub.inspect(login))["auth_state"]["jhkube_identity"]["name"] == login


async def test_an_account_of_which_the_key_is_lost_stays_shut(hub, add_person, browse):
    login = add_person("lab")
    await browse(hub, login).log_in()
    await hub.lose_key(login)
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert "cannot tell whether the account" in page.message
    assert hub.warnings("not readable with the present keys; see GitHubOrgAuthenticator.unknown_identity")


async def test_an_account_of_which_the_key_is_lost_opens_where_the_operator_says_so(
    narrow_hub, github, add_person, browse
):
    login = add_person()
    github.world.join("lab", login, public=True)
    await browse(narrow_hub, login).log_in()
    await narrow_hub.lose_key(login)
    assert (await browse(narrow_hub, login).log_in()).status == 200
    assert narrow_hub.warnings(f"is taken for {login}")


async def test_a_person_whom_an_operator_made_belongs_to_who_comes_first(hub, add_person, browse):
    login = add_person("lab")
    status, _ = await hub.api("POST", f"/users/{login}")
    assert status == 201
    assert (await browse(hub, login).log_in()).status == 200

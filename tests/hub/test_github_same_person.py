"""A renamed or reused login inherits nobody's home, and operators can hand an account over."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.hub.conftest import HEIR, github_settings
from tests.hub.test_github_tokens import start_server

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


async def before_the_handover(hub, browse, **options):
    """Let the account `heir` and its server be of somebody else, as before the handover; return their browser."""
    old = browse(hub, "heir")
    assert (await old.log_in()).status == 200
    if options:
        await start_server(hub, "heir", **options)
    state = (await hub.inspect("heir"))["auth_state"]
    state["jhkube_identity"]["subject"] = "github:4711"
    await hub.change("heir", state)
    return old


async def user_with(hub, token):
    """Return the status of a request to the hub's API with a person's token."""
    headers = {"Authorization": f"token {token}"}
    async with aiohttp.request("GET", f"{hub.url}/hub/api/user", headers=headers) as answer:
        return answer.status


@pytest.fixture
def heir(hub, github, add_person):
    """Somebody to whom the account `heir` was handed over."""
    if not github.world.find_person("heir"):
        add_person("lab", login="heir", id=HEIR)
    github.world.join("lab", "heir")


@pytest.mark.parametrize("note", ["", "Server at /user/heir/", "Server at /user/heir/named/"])
async def test_a_handed_over_account_is_the_new_persons_and_the_old_ones_rights_end(hub, heir, browse, note):
    old, new = await before_the_handover(hub, browse), browse(hub, "heir")
    _, token = await hub.api("POST", "/users/heir/tokens", json={"note": note})
    assert await user_with(hub, token["token"]) == 200
    assert (await new.log_in()).status == 200
    assert not await old.is_logged_in()
    assert await user_with(hub, token["token"]) == 403
    assert await new.is_logged_in()


async def test_a_handover_stops_the_old_owners_server_and_tells_it_no_token(hub, heir, browse):
    await before_the_handover(hub, browse, size="small")
    before = len(hub.spawner_notes)
    assert (await browse(hub, "heir").log_in()).status == 200
    _, user = await hub.api("GET", "/users/heir")
    assert not user["servers"]
    assert [what for what, name, _ in hub.spawner_notes[before:] if name == "heir"] == ["stop"]


async def test_the_new_owner_waits_for_a_server_that_does_not_end(start_hub, github, heir, browse):
    hub = await start_hub(
        {
            **github_settings(github, allowed_organizations=["lab"], account_handovers={"heir": f"github:{HEIR}"}),
            "JupyterHub": {
                "authenticator_class": "jhkube.auth.GitHubOrgAuthenticator",
                "tornado_settings": {"slow_stop_timeout": 0.5},
            },
        }
    )
    await before_the_handover(hub, browse, size="small")
    held = hub.folder / "hold-stops"
    held.touch()
    page = await browse(hub, "heir").log_in()
    assert page.status == 403
    assert "a server of its former owner is still running" in page.message
    assert (await hub.inspect("heir"))["auth_state"]["jhkube_identity"]["subject"] == "github:4711"
    held.unlink()
    async with asyncio.timeout(180):
        while (await hub.api("GET", "/users/heir"))[1]["servers"]:
            await asyncio.sleep(0.1)
    assert (await browse(hub, "heir").log_in()).status == 200
    assert not [note for note in hub.spawner_notes if note[0] == "renew"]


async def test_a_handover_forgets_what_the_old_owner_chose_and_that_they_were_an_administrator(hub, heir, browse):
    await before_the_handover(hub, browse, image="registry.example/of-the-old-owner:1")
    async with aiohttp.request("PATCH", f"{hub.url}/hub/inspection/heir"):
        before = await hub.inspect("heir")
    assert before["admin"]
    assert before["states"][""]
    assert (await browse(hub, "heir").log_in()).status == 200
    assert not (await hub.inspect("heir"))["admin"]
    after = await hub.inspect("heir")
    assert after["user_options"] == {"": None}
    # It would make an older claim, which does not say whose it is, the new owner's.
    assert after["states"] == {"": {}}


async def test_who_has_handed_an_account_over_is_out_before_the_new_person_comes(hub, github, heir, browse):
    old = await before_the_handover(hub, browse)
    github.fail("/api/v3/user", status=503)
    assert not await old.refreshed()
    github.heal()


async def test_a_server_that_was_made_for_somebody_else_is_stopped_and_told_nothing(hub, add_person, browse):
    login = add_person("lab")
    await browse(hub, login).log_in()
    await start_server(hub, login)
    made_for = hub.folder / "made-for"
    made_for.write_text("github:4711")
    try:
        assert (await browse(hub, login).log_in()).status == 200
    finally:
        made_for.unlink()
    assert [what for what, name, _ in hub.spawner_notes if name == login] == ["start", "stop"]


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

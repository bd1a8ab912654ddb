"""Who is kept out, and what they read."""

from __future__ import annotations

import pytest

from tests.hub.running import query_of

pytestmark = pytest.mark.hub_versions


@pytest.mark.parametrize("place", ["banned", "lab:suspended"])
async def test_denying_wins_over_allowing(hub, add_person, browse, place):
    page = await browse(hub, add_person("lab:imaging", place)).log_in()
    assert page.status == 403
    assert "that this hub does not let in" in page.message
    assert "banned" not in page.message
    assert "suspended" not in page.message


async def test_the_page_says_under_which_login_somebody_came(hub, add_person, browse):
    login = add_person("elsewhere")
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert f"You came as {login} from GitHub" in page.message


async def test_the_page_says_what_would_admit_and_how_a_private_membership_counts(hub, add_person, browse):
    page = await browse(hub, add_person("elsewhere")).log_in()
    assert "Members of certain organizations or teams on GitHub are let in" in page.message
    assert "granted this hub's OAuth app access" in page.message
    assert "/settings/connections/applications/" in page.message


async def test_the_page_names_no_organization(hub, add_person, browse):
    page = await browse(hub, add_person("elsewhere")).log_in()
    assert not {"lab", "partner", "partner:guests", "banned"} & set(page.message.replace(",", " ").split())


async def test_an_organization_that_has_not_granted_the_app_does_not_admit_its_private_members(
    hub, github, add_person, browse
):
    login = add_person("lab")
    github.world.set_organization("lab", restricted=True)
    try:
        assert (await browse(hub, login).log_in()).status == 403
        github.world.set_organization("lab", granted=[hub.settings["GitHubOrgAuthenticator"]["client_id"]])
        assert (await browse(hub, login).log_in()).status == 200
    finally:
        github.world.set_organization("lab", restricted=False, granted=[])


async def test_an_account_whose_number_cannot_be_used_is_refused_and_the_log_says_why(hub, add_person, browse):
    page = await browse(hub, add_person("lab", id=17)).log_in()
    assert page.status == 403
    assert "cannot give you an account" in page.message
    assert "has the id 17, below minimum_id 1000; set low_id_offset" in hub.log


async def test_a_login_that_is_a_system_accounts_name_is_refused(hub, add_person, browse):
    page = await browse(hub, add_person("lab", login="backup")).log_in()
    assert page.status == 403
    assert "'backup' is the name of a system account" in hub.log


async def test_without_the_scope_only_public_memberships_count(narrow_hub, github, add_person, browse):
    private, public = add_person("lab"), add_person()
    github.world.join("lab", public, public=True)
    page = await browse(narrow_hub, private).log_in()
    assert page.status == 403
    assert "This login did not let the hub see private memberships" in page.message
    assert (await browse(narrow_hub, public).log_in()).status == 200


async def test_the_page_names_organizations_where_a_trait_says_so(narrow_hub, add_person, browse):
    page = await browse(narrow_hub, add_person()).log_in()
    assert "Members of these organizations or teams on GitHub are let in: lab." in page.message


async def test_the_operators_own_words_stand_on_the_page(narrow_hub, add_person, browse):
    assert "Ask at the desk." in (await browse(narrow_hub, add_person()).log_in()).message


async def test_scopes_separated_by_commas_or_spaces_are_understood_both_ways(narrow_hub, github, add_person, browse):
    login = add_person()
    github.world.join("lab", login, public=True)
    browser = browse(narrow_hub, login)
    page = await browser.open("/hub/oauth_login", stop_at="/authorize")
    assert query_of(page.url)["scope"] == "user:email gist"
    await browser.log_in()
    assert (await narrow_hub.inspect(login))["auth_state"]["scope"] == ["gist", "user:email"]


async def test_groups_are_renamed_and_left_out_by_rule(narrow_hub, github, add_person, browse):
    login = add_person()
    for organization in ("lab", "elsewhere", "partner"):
        github.world.join(organization, login, public=True)
    await browse(narrow_hub, login).log_in()
    found = await narrow_hub.inspect(login)
    assert found["groups"] == ["partner", "staff"]
    assert [name for name, _ in found["auth_state"]["jhkube_identity"]["groups"]] == ["lab", "partner"]


async def test_a_low_id_is_moved_where_an_offset_is_configured(narrow_hub, github, add_person, browse):
    login = add_person(id=18)
    github.world.join("lab", login, public=True)
    await browse(narrow_hub, login).log_in()
    assert (await narrow_hub.inspect(login))["auth_state"]["jhkube_identity"]["uid"] == 1_950_000_018

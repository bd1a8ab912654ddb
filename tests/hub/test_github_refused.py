"""Who is kept out, and what they read."""

from __future__ import annotations

import pytest

from tests.hub.conftest import github_settings
from tests.hub.running import query_of
from tests.waiting import until

pytestmark = pytest.mark.hub_versions


@pytest.mark.parametrize("place", ["banned", "lab:suspended"])
async def test_denying_wins_over_allowing(hub, add_person, browse, place):
    page = await browse(hub, add_person("lab:imaging", place)).log_in()
    assert page.status == 403
    assert "that this hub does not allow" in page.message
    assert "banned" not in page.message
    assert "suspended" not in page.message


async def test_the_page_says_under_which_login_somebody_came(hub, add_person, browse):
    login = add_person("elsewhere")
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert f"You logged in with GitHub as {login}" in page.message


async def test_the_page_says_what_would_admit_and_how_a_private_membership_counts(hub, add_person, browse):
    page = await browse(hub, add_person("elsewhere")).log_in()
    assert "Members of certain organizations or teams on GitHub may use it" in page.message
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
    assert "Members of these organizations or teams on GitHub may use it: lab." in page.message


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


@pytest.fixture
def add_saml(github, next_login):
    """Makes an organization that asks for single sign-on."""

    def add(**more):
        login = f"{next_login()}-org"
        github.world.add_organization(login, saml=True, **more)
        return login

    return add


async def test_half_a_list_is_no_list_for_denying(hub, github, add_person, add_saml, browse):
    organization = add_saml()
    login = add_person("lab", organization)
    browser = browse(hub, login)
    page = await browser.log_in()
    assert page.status == 403
    assert "the others require single sign-on (SAML)" in page.message
    assert "/settings/connections/applications/" in page.message
    github.world.sign_in(organization, login)
    assert (await browser.log_in()).status == 200


async def test_the_refusal_has_githubs_own_link_to_sign_in(hub, github, add_person, browse):
    link = f"{github.url}/orgs/lab/sso?authorization_request=A1"
    github.fail("/api/v3/user/orgs", status=403, headers={"X-GitHub-SSO": f"required; url={link}"})
    page = await browse(hub, add_person("lab")).log_in()
    assert page.status == 403
    assert f"Sign in at {link}" in page.message


async def test_a_link_to_elsewhere_is_not_shown(hub, github, add_person, browse):
    headers = {"X-GitHub-SSO": "required; url=https://evil.example/orgs/lab/sso"}
    github.fail("/api/v3/user/orgs", status=403, headers=headers)
    page = await browse(hub, add_person("lab")).log_in()
    assert page.status == 403
    assert "SAML" in page.message
    assert "evil" not in page.message


async def test_a_session_with_half_a_list_goes_on_for_a_time(hub, github, add_person, add_saml, browse):
    browser = browse(hub, add_person("lab"))
    assert (await browser.log_in()).status == 200
    github.world.join(add_saml(), browser.login)
    assert await browser.refreshed()
    state = (await hub.inspect(browser.login))["auth_state"]
    state["jhkube_known_at"] -= 8 * 3600 + 1
    await hub.change(browser.login, state)
    assert not await browser.refreshed()


async def test_who_could_be_let_in_by_what_is_hidden_reads_about_single_sign_on(
    github, shared_github, add_person, add_saml, browse, start_hub
):
    organization = add_saml()
    hub = await start_hub(github_settings(shared_github, allowed_organizations=[organization]))
    login = add_person(organization)
    page = await browse(hub, login).log_in()
    assert page.status == 403
    assert "SAML" in page.message
    github.world.sign_in(organization, login)
    assert (await browse(hub, login).log_in()).status == 200


async def test_an_organization_with_an_id_is_known_by_it_and_not_by_its_name(
    github, shared_github, add_person, add_saml, browse, start_hub, next_login
):
    ours, bad, name = next_login(), next_login(), f"{next_login()}-new"
    numbers = {each: github.world.add_organization(each).id for each in (ours, bad)}
    hub = await start_hub(
        github_settings(
            shared_github,
            allowed_organizations=[f"{ours}#{numbers[ours]}"],
            denied_organizations=[f"{bad}#{numbers[bad]}"],
            show_allowed=True,
        )
    )
    member = add_person(ours)
    assert (await browse(hub, member).log_in()).status == 200
    assert (await browse(hub, add_person(ours, bad)).log_in()).status == 403
    # What is hidden cannot be the one that is denied.
    assert (await browse(hub, add_person(ours, add_saml())).log_in()).status == 200
    github.world.organization(ours).login = name
    github.world.add_organization(ours)
    assert (await browse(hub, member).log_in()).status == 200
    page = await browse(hub, add_person(ours)).log_in()
    assert page.status == 403
    assert f"may use it: {ours}." in page.message


async def test_no_authorization_code_stands_in_the_log(hub, add_person, browse):
    browser = browse(hub, add_person("elsewhere"))
    assert (await browser.log_in()).status == 403
    code = query_of(next(url for url in browser.visited if "/hub/oauth_callback" in url))["code"]
    assert (await browser.open(f"/hub/oauth_callback?code=made-up-and-long&state={'e30' * 9}")).status == 400
    # The hub writes the line of a request after it has answered.
    await until(lambda: hub.warnings("403 GET /hub/oauth_callback?code=[secret]&state=[secret]"))
    await until(lambda: hub.warnings("400 GET /hub/oauth_callback?code=[secret]&state=[secret]"))
    assert code not in hub.log
    assert "made-up-and-long" not in hub.log

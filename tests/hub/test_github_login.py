"""Logging in with GitHub: who comes in, and as whom."""

from __future__ import annotations

import pytest

from jhkube.identity import AUTH_STATE_KEY, UserIdentity

pytestmark = pytest.mark.hub_versions


async def test_a_private_member_of_an_allowed_organization_comes_in(hub, add_person, browse):
    page = await browse(hub, add_person("lab")).log_in()
    assert (page.status, page.url) == (200, f"{hub.url}/hub/home")


async def test_organizations_and_teams_become_groups_of_the_hub(hub, add_person, browse):
    login = add_person("lab:imaging", "elsewhere")
    await browse(hub, login).log_in()
    assert (await hub.inspect(login))["groups"] == ["elsewhere", "lab", "lab:imaging"]


async def test_the_identity_in_auth_state_has_names_and_numbers_of_github(hub, github, add_person, browse):
    login = add_person("lab:imaging", name="Ada Example", emails=["ada@example.org"])
    await browse(hub, login).log_in()
    state = (await hub.inspect(login))["auth_state"]
    identity = UserIdentity.from_dict(state[AUTH_STATE_KEY])
    person, lab = github.world.person(login), github.world.organization("lab")
    assert (identity.name, identity.full_name, identity.email) == (login, "Ada Example", "ada@example.org")
    assert (identity.uid, identity.gid, identity.subject) == (person.id, person.id, f"github:{person.id}")
    assert [(group.name, group.gid) for group in identity.groups] == [
        ("lab", lab.id),
        ("lab_imaging", 1_000_000_000 + lab.teams["imaging"].id),
    ]

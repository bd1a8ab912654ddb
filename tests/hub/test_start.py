"""A hub that is set up wrongly does not start, and says what is wrong."""

from __future__ import annotations

import pytest

from tests.hub.conftest import github_settings
from tests.hub.running import RunningHub

pytestmark = pytest.mark.hub_versions


async def test_a_hub_without_a_crypt_key_says_which_setting_needs_one(github, tmp_path):
    hub = RunningHub(tmp_path, github_settings(github), environ={"JUPYTERHUB_CRYPT_KEY": ""})
    log = await hub.refused_start()
    assert (
        "GitHubOrgAuthenticator.enable_auth_state: Encryption keys must be specified in JUPYTERHUB_CRYPT_KEY" in log
    )
    assert "openssl rand -hex 32" in log


async def test_a_hub_with_a_rule_that_can_never_match_says_which(github, tmp_path):
    settings = github_settings(github, allowed_organizations=["lab"], denied_organizations=["Lab"])
    log = await RunningHub(tmp_path, settings).refused_start()
    assert "GitHubOrgAuthenticator.allowed_organizations: 'lab' can never let anybody in" in log

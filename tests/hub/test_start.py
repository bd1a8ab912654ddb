"""A hub that is set up wrongly does not start, and says what is wrong."""

from __future__ import annotations

import asyncio

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


ODD_SERVER = """
from jhkube.watch.server import CheckedServerMixin

class ElsewhereSpawner(CheckedServerMixin, Spawner):
    '''A server that is there already, and outlives the hub.'''
    async def start(self):
        return os.environ["ODD_SERVER"]
    async def stop(self, now=False):
        pass
    async def poll(self):
        return None

c.JupyterHub.spawner_class = ElsewhereSpawner
c.Spawner.consecutive_failure_limit = 2
"""


async def test_a_server_that_claims_an_impossible_version_neither_ends_the_hub_nor_keeps_it_from_starting(start_hub):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-JupyterHub-Version: evil\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as odd:
        url = f"http://127.0.0.1:{odd.sockets[0].getsockname()[1]}"
        settings = {"JupyterHub": {"authenticator_class": "dummy"}, "Authenticator": {"allow_all": True}}
        hub = await start_hub(settings, python_settings=ODD_SERVER, environ={"ODD_SERVER": url})
        for name in ("ada", "eve", "kay"):
            await hub.api("POST", f"/users/{name}")
            status, body = await hub.api("POST", f"/users/{name}/server")
            assert status in (201, 202), body
        await hub.stop()
        await hub.start()
        for name in ("ada", "eve", "kay"):
            _, person = await hub.api("GET", f"/users/{name}")
            assert person["servers"][""]["ready"]
    assert "consecutive spawn failures" not in hub.log
    assert "InvalidVersion" not in hub.log

"""What the operator's token may do at a real hub, and in which words the hub's refusals come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from jhkube.operator.hub import Hub, HubAway, HubRefusal
from jhkube.service.server_views import state_of
from tests.hub.conftest import StartHub
from tests.hub.running import ROOT, RunningHub
from tests.hub.service_hub import SETTINGS, SPAWNER

pytestmark = pytest.mark.hub_versions

TOKEN = "operator-" + "3" * 32
CONFIG = ROOT / "config" / "jupyterhub_config.d" / "46-operator.py"


@pytest.fixture
async def at_hub(start_hub: StartHub, tmp_path: Path) -> AsyncIterator[tuple[Hub, RunningHub, Path]]:
    """What the operator asks of a hub, the hub, and the file with the token."""
    environ = {"JHKUBE_OPERATOR_GROUPS": "class", "JHKUBE_OPERATOR_TOKEN": TOKEN}
    settings = f"load_subconfig({str(CONFIG)!r})\n{SPAWNER}"
    hub = await start_hub(SETTINGS, python_settings=settings, environ=environ)
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")

    async def before_write() -> None:
        """This operator is the only one."""

    asks = Hub(f"{hub.url}/hub/api", token, before_write)
    yield asks, hub, token
    await asks.close()


async def test_the_token_is_good_for_the_servers_of_some_groups(at_hub: tuple[Hub, RunningHub, Path]) -> None:
    asks, hub, token = at_hub

    async def refused(doing: object) -> str:
        with pytest.raises(HubRefusal) as error:
            await doing  # type: ignore[misc]
        return error.value.reason

    found = await asks.servers("ada")
    assert found.account_made
    version = found.hub_version
    await asks.check("ada", {"size": "small"})
    assert await refused(asks.check("ada", {"size": "huge"})) == "Refused"
    # The options of another are nobody's business, and those that Ada may choose from are hers.
    assert await refused(asks.check("kay", {"size": "huge"})) == "NoSuchUser"
    headers = {"Authorization": f"token {TOKEN}"}
    async with aiohttp.request("GET", f"{hub.url}/hub/jhkube/users/ada/options", headers=headers) as answer:
        assert answer.status == 404

    await asks.start("ada", "course", {"size": "small"}, version)
    made = (await asks.servers("ada")).named("course")
    assert made is not None
    assert (state_of(made), made.options) == ("running", {"size": "small"})
    await asks.stop("ada", "course")
    await asks.remove("ada", "course")
    assert (await asks.servers("ada")).named("course") is None

    # One that fails at once is an error of the hub.
    said = "There is no room for your server. Try again later."
    assert await refused(asks.start("ada", "full", {"debug": True}, version)) == "StartFailed"
    failed = (await asks.servers("ada")).named("full")
    assert failed is not None
    assert failed.failure is not None
    assert failed.failure.message == said

    for user in ("kay", "nobody"):
        assert await refused(asks.servers(user)) == "NoSuchUser"
        assert await refused(asks.start(user, "", None, version)) == "NoSuchUser"
        assert await refused(asks.stop(user, "")) == "NoSuchUser"
    token.write_text("not-the-token")
    assert await refused(asks.servers("ada")) == "TokenRefused"
    token.unlink()
    assert await refused(asks.servers("ada")) == "NoToken"
    token.write_text(TOKEN)
    await hub.stop()
    with pytest.raises(HubAway):
        await asks.servers("ada")

"""Running servers of people whose rights in the cluster change."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from jhkube.login.servers import RunningServers


@pytest.mark.parametrize(
    ("lost", "stops", "is_stopped", "says"),
    [
        ("create pods", True, True, "is stopped: ada may not create pods in the cluster any more"),
        ("create pods", False, False, "goes on, but ada may not create pods any more"),
        ("", True, False, ""),
        (OSError("no answer"), True, False, "goes on, its person's rights are not known: no answer"),
    ],
)
async def test_a_server_goes_on_without_its_persons_rights_unless_the_operator_stops_it(
    lost: Any, stops: bool, is_stopped: bool, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    done, stopped = asyncio.Event(), []

    async def lost_rights(auth_state: Any) -> str:
        asyncio.get_running_loop().call_soon(done.set)
        if isinstance(lost, Exception):
            raise lost
        return str(lost)

    async def stop(name: str) -> None:
        stopped.append(name)

    running = SimpleNamespace(ready=True, lost_rights=lost_rights, _log_name="ada:study")
    others = {"off": SimpleNamespace(ready=False, lost_rights=None), "kubespawner": SimpleNamespace(ready=True)}
    user = SimpleNamespace(name="ada", spawners={"study": running, **others}, stop=stop)
    with caplog.at_level(logging.WARNING):
        RunningServers(logging.getLogger("test")).check_rights(user, {}, None, stops=stops)
        await asyncio.wait_for(done.wait(), 120)
    assert stopped == (["study"] if is_stopped else [])
    assert says in caplog.text
    assert bool(caplog.text) == bool(says)

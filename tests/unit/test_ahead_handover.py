"""What a start does with a pod that waits for it and has a trouble: some of it may pass."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from jhkube.ahead.handover import hand_over
from jhkube.ahead.pods import NotTaken, WaitingPod
from jhkube.ahead.waiting import PATH
from jhkube.watch.patience import Patience
from tests.ports import free_port

LONG = 240.0


class Seen:
    """A pod and its events as the hub sees them."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.pods: dict[str, Any] = {}
        self.events = list(events)
        self.wake: asyncio.Event | None = None
        self.show({"waiting": {"reason": "ContainerCreating"}})

    def show(self, state: dict[str, Any], *others: dict[str, Any]) -> None:
        containers = [{"name": "notebook", "state": state}, *others]
        status = {"phase": "Pending", "podIP": "127.0.0.1", "containerStatuses": containers}
        spec = {"nodeName": "node", "containers": [{"name": "notebook", "image": "lab:1"}]}
        self.pods["labs/ada"] = {"metadata": {"name": "ada", "namespace": "labs", "uid": "1"}, "spec": spec}
        self.pods["labs/ada"]["status"] = status
        if self.wake:
            self.wake.set()

    @contextlib.contextmanager
    def subscribe(self, key: str, wake: asyncio.Event) -> Iterator[None]:
        assert key == "labs/ada"
        self.wake = wake
        yield

    async def hand_over(self, url: str, patience: Patience) -> float:
        waiting = WaitingPod(
            api=None,
            namespace="labs",
            name="ada",
            uid="1",
            server="",
            subject="github:1",
            options={},
            cores=1.0,
            key="k" * 64,
            fingerprints=("", ""),
            digest="",
            made_at=time.monotonic(),
            seconds=600.0,
        )
        return await hand_over(
            waiting,
            {"A": "b"},
            reflector=self,
            events_of=lambda: self.events,
            address=lambda pod: url,
            patience=patience,
        )


def event(reason: str, message: str) -> dict[str, Any]:
    return {
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": "2026-11-30T09:00:00Z",
        "count": 1,
    }


LATE = event(
    "FailedMount", 'MountVolume.SetUp failed for volume "jhkube-ahead" : failed to sync secret cache: timed out'
)


async def test_a_volume_may_come_late_and_another_container_may_be_broken():
    heard: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        heard.append((request.headers["Authorization"], await request.json()))
        return web.Response(status=204, headers={"X-Waited": "1.5"})

    app = web.Application()
    app.router.add_post(PATH, take)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    running = {"running": {"startedAt": "2026-11-30T09:00:05Z"}}
    try:
        async with asyncio.timeout(LONG):
            for broken in ([], [{"name": "beside", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]):
                seen = Seen(LATE)
                taking = asyncio.create_task(seen.hand_over(f"http://127.0.0.1:{port}/", Patience()))
                while seen.wake is None:
                    await asyncio.sleep(0)
                seen.show(running, *broken)
                assert await taking == 1.5
    finally:
        await runner.cleanup()
    assert heard == [("Bearer " + "k" * 64, {"A": "b"})] * 2


@pytest.mark.parametrize(
    ("events", "state", "patience"),
    [
        ([LATE], {"reason": "ContainerCreating"}, Patience(volume=0.2)),
        ([], {"reason": "ImagePullBackOff", "message": "connection refused"}, Patience()),
        ([event("FailedCreatePodSandBox", "network: not ready")], {"reason": "ContainerCreating"}, Patience()),
    ],
)
async def test_what_lasts_and_what_a_new_pod_tries_again_at_once_is_not_waited_for(events, state, patience):
    seen = Seen(*events)
    seen.show({"waiting": state})
    async with asyncio.timeout(LONG):
        with pytest.raises(NotTaken, match="Failed: "):
            await seen.hand_over("http://127.0.0.1:1/", patience)

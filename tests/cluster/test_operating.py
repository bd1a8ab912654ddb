"""What an operator sees of a hub at work: its metrics, and its log as lines of JSON."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Cluster, NewHub
from tests.hubs import Hub, Person

TOKEN = secrets.token_hex(32)

BROKEN = """
def pre_spawn_hook(spawner):
    if spawner.name == "broken":
        spawner.cmd = ["/there/is/no/such/program"]

c.JHKubeSpawner.pre_spawn_hook = pre_spawn_hook
"""


@pytest.fixture(scope="module")
async def hub(new_hub: NewHub, cluster: Cluster) -> Hub:
    return await new_hub(
        "operating",
        BROKEN,
        JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny {cluster.registry}/no-such-image",
        JHKUBE_MENU_INTERVAL="1",
        JHKUBE_METRICS_TOKEN=TOKEN,
        JHKUBE_LOG_FORMAT="json",
    )


async def metrics(hub: Hub, token: str = TOKEN) -> dict[tuple[str, ...], float]:
    """Return the hub's samples by name and the values of their labels, in the order of the labels' names."""
    headers = {"Authorization": f"token {token}"}
    async with aiohttp.request("GET", f"{hub.url}/hub/metrics", headers=headers) as answer:
        answer.raise_for_status()
        families = list(text_string_to_metric_families(await answer.text()))
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def events(hub: Hub) -> list[dict[str, Any]]:
    """Return the hub's own lines; the proxy, another program, writes as it does."""
    return [json.loads(line) for line in hub.log.splitlines() if line.startswith("{") and line.endswith("}")]


async def test_an_operator_sees_a_start_a_failure_and_whose_they_were(
    hub: Hub, cluster: Cluster, someone: Callable[..., Awaitable[Person]]
) -> None:
    person = await someone(hub, "guest-15")
    await person.started()
    status, body = await person.start("broken")
    assert status in (201, 202) or "message" in body
    if status in (201, 202):
        assert (await person.progress("broken"))[-1]["failed"]

    tiny, missing = f"{cluster.registry}/tiny", f"{cluster.registry}/no-such-image"
    async with asyncio.timeout(240):
        # The menu's repositories are asked one beside the other.
        while not (seen := await metrics(hub)).get(("jhkube_menu_refresh_errors_total", "notfound", missing)):
            await asyncio.sleep(0.1)
    assert seen["jhkube_menu_images", tiny] >= 1
    assert seen["jhkube_menu_refreshed_timestamp_seconds", tiny] > 1.7e9
    assert seen["jhkube_menu_refreshed_timestamp_seconds", missing] == 0
    assert seen["jhkube_menu_refresh_duration_seconds_count", tiny] >= 1
    assert seen["jhkube_menu_refresh_errors_total", "notfound", missing] >= 1
    assert seen["jhkube_menu_refresh_errors_total", "notfound", tiny] == 0
    phases = ("created", "scheduled", "pulled", "started", "ready")
    assert [seen["jhkube_start_phase_duration_seconds_count", phase] for phase in phases[-1:]] == [1]
    assert [seen["jhkube_start_phase_duration_seconds_count", phase] for phase in phases[:2]] == [2, 2]
    failures = {name[1]: value for name, value in seen.items() if name[0] == "jhkube_start_failures_total"}
    assert sum(failures.values()) == 1, failures
    assert seen["jhkube_provider_available", "GitHub"] == 1
    assert seen["jhkube_watches_lost", "pods"] == 0
    assert sum(value for name, value in seen.items() if name[0] == "jhkube_session_refreshes_total") >= 1
    labels = {value for name in seen if name[0].startswith("jhkube_") for value in name[1:]}
    assert not [value for value in labels if "guest-15" in value]

    pod = f"{cluster.namespace}/jupyter-guest-15"
    said = [event for event in events(hub) if event.get("pod") == pod]
    assert [event["message"].split(": ", 2)[-1].split()[0] for event in said] == ["made", "answers"]
    assert {(event["user"], event["server"], event["level"]) for event in said} == {("guest-15", "", "INFO")}
    # The start's own line; the hub adds one about the request, where somebody was still waiting for its answer.
    failed = [
        event["message"]
        for event in events(hub)
        if event["level"] in ("WARNING", "ERROR") and f"pod {pod}--broken of guest-15:broken" in event["message"]
    ]
    assert failed
    assert all(next(iter(failures)) in message for message in failed)
    assert all({"timestamp", "level", "logger", "message"} <= event.keys() for event in events(hub))

    # With --debug, as the tests' hubs run.
    assert any(event["level"] == "DEBUG" for event in events(hub))
    for secret in (person.token, TOKEN, hub.environ["JUPYTERHUB_CRYPT_KEY"], hub.environ["GITHUB_CLIENT_SECRET"]):
        assert secret not in hub.log
    assert not re.search(r"gh[opsu]_\w{8}", hub.log)


async def test_the_metrics_are_not_for_everybody(hub: Hub, someone: Callable[..., Awaitable[Person]]) -> None:
    person = await someone(hub, "guest-15")
    with pytest.raises(aiohttp.ClientResponseError, match="403"):
        await metrics(hub, person.token)

"""When a watch goes on from where it was, and when it lists again: the real API server, with faults on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientConnectionError
from kubernetes_asyncio.client.exceptions import ApiException

from jhkube.watch.reflectors import PodReflector
from tests.cluster.api_proxy import HTML, Fault, refusal, status_object
from tests.cluster.conftest import Proxied
from tests.waiting import until


@asynccontextmanager
async def watching(proxied: Proxied) -> AsyncIterator[PodReflector]:
    """A reflector of the namespace's pods that has its first list."""
    reflector = PodReflector(namespace=proxied.namespace)
    reflector.api = proxied.api
    try:
        await reflector.start()
        await until(lambda: proxied.proxy.watched)
        yield reflector
    finally:
        await reflector.stop()


async def create(proxied: Proxied, name: str) -> None:
    """Make a pod that no scheduler takes, so that nothing but the test changes it."""
    spec = {"schedulerName": "nobody", "containers": [{"name": "notebook", "image": "none"}]}
    await proxied.core.create_namespaced_pod(proxied.namespace, {"metadata": {"name": name}, "spec": spec})


async def replace(proxied: Proxied, old: str, new: str) -> None:
    """Have another pod, unseen by the watch."""
    proxied.proxy.mute()
    await proxied.core.delete_namespaced_pod(old, proxied.namespace, grace_period_seconds=0)
    await create(proxied, new)


def names(reflector: PodReflector) -> set[str]:
    return {key.partition("/")[2] for key in reflector.pods}


async def test_a_watch_whose_time_is_up_goes_on_without_a_list(proxied: Proxied) -> None:
    await create(proxied, "first")
    async with watching(proxied) as reflector:
        proxied.proxy.end_watches()
        await until(lambda: len(proxied.proxy.watched) == 2)
        await create(proxied, "second")
        await until(lambda: names(reflector) == {"first", "second"})
        first, second = proxied.proxy.watched
    assert proxied.proxy.listed == 1
    assert first == second


@pytest.mark.parametrize(
    "change",
    [
        {"type": "ERROR", "object": status_object(410, "too old resource version: 1 (900)", "Expired")},
        {"type": "ERROR", "object": status_object(500, "etcdserver: mvcc: required revision has been compacted")},
        {
            "type": "ERROR",
            "object": status_object(504, "Timeout: Too large resource version: 900, current: 12", "Timeout"),
        },
        {"type": "ADDED", "object": {"metadata": {"resourceVersion": "901"}}},
    ],
    ids=["expired", "internal", "too large", "unreadable"],
)
async def test_after_an_error_of_the_watch_there_is_a_new_list(proxied: Proxied, change: dict[str, Any]) -> None:
    await create(proxied, "first")
    async with watching(proxied) as reflector:
        await replace(proxied, "first", "other")
        assert names(reflector) == {"first"}
        proxied.proxy.say(change)
        await until(lambda: names(reflector) == {"other"})
        await until(lambda: len(proxied.proxy.watched) == 2)
        first, second = proxied.proxy.watched
        await create(proxied, "later")
        await until(lambda: names(reflector) == {"other", "later"})
    assert proxied.proxy.listed == 2
    assert int(second) > int(first)


@pytest.mark.parametrize(
    "fault",
    [*(refusal(code, headers={"Retry-After": "1"}) for code in (410, 429, 500, 503, 504)), Fault(502, HTML)],
    ids=lambda fault: str(fault.status),
)
async def test_after_an_answer_that_is_no_watch_there_is_a_new_list(proxied: Proxied, fault: Fault) -> None:
    await create(proxied, "first")
    async with watching(proxied) as reflector:
        await replace(proxied, "first", "other")
        proxied.proxy.fail("WATCH", "pods", fault)
        proxied.proxy.end_watches()
        await until(lambda: names(reflector) == {"other"})
        await until(lambda: len(proxied.proxy.watched) == 3)
        first, refused, last = proxied.proxy.watched
    assert proxied.proxy.listed == 2
    assert first == refused
    assert int(last) > int(first)


@pytest.mark.parametrize(
    "fault",
    [
        refusal(410, "The provided continue parameter is too old", "Expired"),
        refusal(429, "too many requests", "TooManyRequests", headers={"Retry-After": "1"}),
        refusal(500, "etcdserver: request timed out", "InternalError"),
        refusal(504, "Timeout: request did not complete within the allotted duration", "Timeout"),
        Fault(200, HTML),
        Fault(502, HTML),
        Fault(is_cut=True),
    ],
    ids=["expired", "429", "500", "504", "a page for 200", "a page for 502", "cut short"],
)
async def test_a_list_that_fails_is_made_again_and_until_then_what_is_known_stays(
    proxied: Proxied, fault: Fault
) -> None:
    await create(proxied, "first")
    async with watching(proxied) as reflector:
        await create(proxied, "second")
        await until(lambda: names(reflector) == {"first", "second"})
        seen: list[set[str]] = []
        proxied.proxy.fail("GET", "pods", fault, fault)
        task = asyncio.create_task(_noted(reflector, seen))
        reflector.reconnect()
        await until(lambda: proxied.proxy.listed == 4)
        await until(lambda: len(proxied.proxy.watched) == 2)
        task.cancel()
        await create(proxied, "third")
        await until(lambda: names(reflector) == {"first", "second", "third"})
    assert seen == [{"first", "second"}]


async def _noted(reflector: PodReflector, seen: list[set[str]]) -> None:
    """Note each set of pods that is known for a moment."""
    while True:
        if names(reflector) not in seen:
            seen.append(names(reflector))
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (refusal(429, "too many requests", "TooManyRequests", headers={"Retry-After": "1"}), ApiException),
        (Fault(200, HTML), ValueError),
        (Fault(is_cut=True), Exception),
    ],
    ids=["429", "a page for 200", "cut short"],
)
async def test_a_first_list_that_fails_is_said_and_made_again(
    proxied: Proxied, fault: Fault, error: type[Exception]
) -> None:
    await create(proxied, "first")
    proxied.proxy.fail("GET", "pods", fault)
    reflector = PodReflector(namespace=proxied.namespace)
    reflector.api = proxied.api
    loading = asyncio.create_task(reflector.loaded())
    await asyncio.sleep(0)
    try:
        await reflector.start()
        with pytest.raises(error):
            await loading
        assert not reflector.is_loaded
        assert names(reflector) == set()
        await asyncio.wait_for(reflector.loaded(), 180)
        assert names(reflector) == {"first"}
    finally:
        await reflector.stop()


async def test_a_reflector_that_is_stopped_before_its_first_list_lets_nobody_wait(proxied: Proxied) -> None:
    reflector = PodReflector(namespace=proxied.namespace)
    reflector.api = proxied.api
    starting, loading = asyncio.create_task(reflector.start()), asyncio.create_task(reflector.loaded())
    await asyncio.sleep(0)
    await reflector.stop()
    await asyncio.wait_for(starting, 180)
    with pytest.raises(ClientConnectionError, match="was stopped"):
        await asyncio.wait_for(loading, 180)
    assert not reflector.is_loaded


async def test_a_reconnect_lists_again_where_the_watch_is_silent_for_ever(proxied: Proxied) -> None:
    """As after etcd came back from a backup: its versions are older than the one that the watch began at."""
    await create(proxied, "first")
    async with watching(proxied) as reflector:
        proxied.proxy.restore_old_database()
        await until(lambda: len(proxied.proxy.watched) == 2)
        await proxied.core.delete_namespaced_pod("first", proxied.namespace, grace_period_seconds=0)
        await create(proxied, "made")
        await asyncio.sleep(0.5)
        assert names(reflector) == {"first"}
        reflector.reconnect()
        await until(lambda: names(reflector) == {"made"})
        await until(lambda: len(proxied.proxy.watched) == 3)
        await create(proxied, "later")
        await until(lambda: names(reflector) == {"made", "later"})
    assert proxied.proxy.listed == 2

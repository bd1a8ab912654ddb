"""Requests to the API server: lists in pages, and what is said of a refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes_asyncio.client import ApiClient, ApiException, Configuration, CoreV1Api

from jhkube import kube
from jhkube.kube import error_status, error_text, own_namespace, plain_answer, plain_items

NODES = [{"metadata": {"name": f"node{number}"}} for number in range(5)]


@asynccontextmanager
async def core_api(answer: Any) -> AsyncIterator[CoreV1Api]:
    """Give a client of a server that answers each list of nodes by `answer`."""
    app = web.Application()
    app.router.add_get("/api/v1/nodes", answer)
    async with TestServer(app) as server, ApiClient(Configuration(host=str(server.make_url("")).rstrip("/"))) as api:
        yield CoreV1Api(api)


async def test_a_list_is_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "PAGE", 2)
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        begin, count = int(request.query.get("continue", 0)), int(request.query["limit"])
        following = str(begin + count) if begin + count < len(NODES) else ""
        return web.json_response({"items": NODES[begin : begin + count], "metadata": {"continue": following}})

    async with core_api(answer) as api:
        assert await plain_items(api.list_node, label_selector="pool=labs") == NODES
    first = {"limit": "2", "labelSelector": "pool=labs"}
    assert asked == [first, first | {"continue": "2"}, first | {"continue": "4"}]


@pytest.mark.parametrize("text", ["<html>", "[]", "{}", '{"items": []}', '{"items": [], "metadata": 1}'])
async def test_a_page_that_is_no_list_is_told(text: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=text)

    async with core_api(answer) as api:
        with pytest.raises(ApiException) as raised:
            await plain_items(api.list_node)
    assert error_text(raised.value) == "200 what answers is not a Kubernetes API server"


async def test_a_refusal_keeps_its_body() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "message": "nodes is forbidden", "code": 403}, status=403)

    async with core_api(answer) as api:
        with pytest.raises(ApiException) as raised:
            await plain_answer(api.list_node)
    assert raised.value.status == kube.FORBIDDEN
    assert error_status(raised.value)["message"] == "nodes is forbidden"
    assert error_text(raised.value) == "403 nodes is forbidden"


@pytest.mark.parametrize("body", [None, "", "<html>", "[]", "{}", '{"message": null}'])
def test_a_refusal_without_a_message_is_told_by_its_reason(body: str | None) -> None:
    error: Any = ApiException(status=502, reason="Bad Gateway")
    error.body = body
    assert error_text(error) == "502 Bad Gateway"


@pytest.mark.parametrize(
    ("error", "text"), [(TimeoutError(), "TimeoutError"), (OSError("no route to host"), "no route to host")]
)
def test_an_api_server_that_does_not_answer_is_told_by_the_error(error: Exception, text: str) -> None:
    assert error_text(error) == text


def test_ones_own_namespace_is_that_of_the_pod(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "NAMESPACE_FILE", tmp_path / "namespace")
    assert own_namespace() == "default"
    (tmp_path / "namespace").write_text("hub\n")
    assert own_namespace() == "hub"

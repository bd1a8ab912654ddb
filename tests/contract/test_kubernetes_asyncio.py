"""What jhkube relies on in kubernetes_asyncio: over real sockets."""

import aiohttp
import pytest
from aiohttp import web
from kubernetes_asyncio.client import (
    ApiClient,
    ApiException,
    Configuration,
    CoreV1Api,
    V1DeleteOptions,
    V1Preconditions,
)
from kubernetes_asyncio.config import kube_config

from tests.contract.reading import relies_on


@pytest.fixture
async def asked():
    """A server that says what it was asked; gives a client of it and the questions."""
    questions = []

    async def answer(request):
        questions.append((request, await request.text()))
        code = int(request.query.get("limit", 200))
        return web.json_response({"kind": "Status", "message": "gone"}, status=code)

    server = web.Application()
    server.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with ApiClient(Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")) as client:
            yield CoreV1Api(client), questions
    finally:
        await runner.cleanup()


async def test_a_list_in_pages_and_a_watch_are_asked_for_by_these_arguments(asked):
    api, questions = asked
    with relies_on("list methods take the arguments of pages and watches, and can leave the answer unread"):
        answer = await api.list_namespaced_pod(
            namespace="labs",
            label_selector="a=b",
            field_selector="c=d",
            limit=200,
            _continue="token",
            watch=True,
            allow_watch_bookmarks=True,
            resource_version="7",
            timeout_seconds=60,
            _request_timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=70),
            _preload_content=False,
        )
        assert isinstance(answer, aiohttp.ClientResponse)
        async with answer:
            assert b"gone" in await answer.read()
        ((request, _),) = questions
        assert request.path == "/api/v1/namespaces/labs/pods"
        assert {key: value.lower() for key, value in request.query.items()} == {
            "labelSelector": "a=b",
            "fieldSelector": "c=d",
            "limit": "200",
            "continue": "token",
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": "7",
            "timeoutSeconds": "60",
        }


async def test_an_answer_that_is_not_read_does_not_raise(asked):
    api, _ = asked
    with relies_on("with `_preload_content=False` a refusal is an answer with a status, not an exception"):
        answer = await api.list_namespaced_pod(namespace="labs", limit=410, _preload_content=False)
        async with answer:
            assert answer.status == 410


async def test_a_refusal_has_its_status_and_body(asked):
    api, _ = asked
    with relies_on("an ApiException has the answer's status, reason and body"):
        with pytest.raises(ApiException) as refused:
            await api.list_namespaced_pod(namespace="labs", limit=409)
        assert refused.value.status == 409
        assert refused.value.reason == "Conflict"
        assert "gone" in str(refused.value.body)


async def test_a_pod_is_deleted_by_its_uid(asked):
    api, questions = asked
    with relies_on("a delete takes options with a grace period and preconditions, as its body"):
        options = V1DeleteOptions(grace_period_seconds=0, preconditions=V1Preconditions(uid="1"))
        await api.delete_namespaced_pod(
            name="a", namespace="labs", body=options, _request_timeout=10, _preload_content=False
        )
        assert '"preconditions": {"uid": "1"}' in questions[0][1]
        assert '"gracePeriodSeconds": 0' in questions[0][1]


def test_where_a_kubeconfig_is_looked_for_is_known():
    with relies_on("`kube_config.KUBE_CONFIG_DEFAULT_LOCATION` is the path of the kubeconfig"):
        assert isinstance(kube_config.KUBE_CONFIG_DEFAULT_LOCATION, str)

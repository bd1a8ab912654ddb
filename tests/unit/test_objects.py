"""What is asked of the API server about the objects beside a pod."""

import pytest
from kubernetes_asyncio.client import ApiClient, ApiException, Configuration, CoreV1Api

from jhkube.objects import remove_quota
from tests.unit.api_answers import HTML, api_server, status_of


async def removed(answer):
    """Return what came of removing a quota, and what was asked."""
    with api_server(lambda method, path: answer) as server:
        async with ApiClient(Configuration(host=server.url)) as client:
            return await remove_quota(CoreV1Api(client), "labs", "jhkube-ceiling", 10), server.asked


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        ((200, {"kind": "Status", "status": "Success"}), True),
        (status_of(404, 'resourcequotas "jhkube-ceiling" not found'), True),
        (status_of(403, "resourcequotas is forbidden"), False),
    ],
)
async def test_a_quota_whose_ceiling_went_is_removed_where_the_hub_may(answer, gone):
    assert await removed(answer) == (gone, ["DELETE /api/v1/namespaces/labs/resourcequotas/jhkube-ceiling"])


async def test_an_api_server_that_fails_is_told():
    with pytest.raises(ApiException, match="502"):
        await removed((502, HTML))

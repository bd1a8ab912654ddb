"""What the commands say of an API server that refuses, or of what answers in its place."""

import json

import pytest
from kubernetes_asyncio.client import ApiClient, Configuration
from traitlets.config import Config

from jhkube.checks import cluster as cluster_checks
from jhkube.checks import image as image_checks
from jhkube.checks.image import image_results
from jhkube.checks.result import Status
from jhkube.spawner import JHKubeSpawner
from tests.unit.api_answers import HTML, api_server, kubeconfig_for, status_of
from tests.unit.test_commands import jhkube, kubeconfig_of  # noqa: F401

FORBIDDEN = status_of(403, "pods is forbidden: the hub may not")

ANSWERS = [
    ((502, HTML), "502 Bad Gateway", "answers 502 Bad Gateway"),
    ((200, HTML), "200 what answers is not a Kubernetes API server", "is not a Kubernetes API server"),
    ((404, HTML), "404 Not Found", "answers 404 Not Found"),
    ((401, HTML), "401 Unauthorized", "does not let the hub in: 401 Unauthorized"),
    (FORBIDDEN, "403 pods is forbidden: the hub may not", "does not let the hub in: 403 pods is forbidden"),
]


@pytest.mark.parametrize(("answer", "said", "_"), ANSWERS)
def test_the_status_of_the_prepuller_says_what_answered(jhkube, kubeconfig_of, answer, said, _):  # noqa: F811
    with api_server(lambda method, path: answer) as server:
        kubeconfig_of(kubeconfig_for(server.url))
        status, out, err = jhkube(["prepull", "--status"], "c.Prepuller.namespace = 'labs'\n")
    assert (status, out) == (2, "")
    assert err == f"jhkube prepull: the status of labs/jhkube-prepull cannot be read: {said}\n"


@pytest.mark.parametrize(("answer", "_", "said"), ANSWERS)
def test_the_check_of_the_cluster_says_what_answered(
    jhkube,  # noqa: F811
    kubeconfig_of,  # noqa: F811
    tmp_path,
    answer,
    _,
    said,
):
    with api_server(lambda method, path: answer) as server:
        kubeconfig_of(kubeconfig_for(server.url))
        _, out, _ = jhkube(["check", "--json", "--no-pod"], KUBECONFIG=str(tmp_path / "kubeconfig"))
    found = {each["subject"]: each for each in json.loads(out)["results"]}
    assert found["cluster"]["status"] == "failed"
    assert said in found["cluster"]["text"]
    assert "report it" not in out


async def looked_into(monkeypatch, listing, timeout):
    """Return the check of an image whose pod can be made, and is listed like this."""
    monkeypatch.setattr(image_checks, "LOOK_AGAIN", 0.01)
    made = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "jhkube-check"}}
    with api_server(lambda method, path: listing if method == "GET" else (200, made)) as server:
        async with ApiClient(Configuration(host=server.url)) as client:
            where = cluster_checks.Cluster(client, "labs", "hub")
            spawner = JHKubeSpawner(_mock=True, config=Config())
            return [each async for each in image_results(where, spawner, "lab:1", timeout)]


@pytest.mark.usefixtures("kubeconfig")
async def test_an_image_whose_pod_may_not_be_listed_is_told_at_once(monkeypatch):
    (result,) = await looked_into(monkeypatch, FORBIDDEN, 600)
    assert result.status is Status.FAILED
    assert "the API server says 403 pods is forbidden: the hub may not" in result.text
    assert "permissions" in result.remedy


@pytest.mark.usefixtures("kubeconfig")
async def test_an_image_is_waited_for_through_an_outage_which_is_then_named(monkeypatch):
    (result,) = await looked_into(monkeypatch, (502, HTML), 0.5)
    assert "was not done after 0.5 s: Bad Gateway" in result.text


@pytest.mark.usefixtures("kubeconfig")
async def test_a_page_in_the_place_of_the_pods_is_told(monkeypatch):
    (result,) = await looked_into(monkeypatch, (200, HTML), 600)
    assert "200 what answers is not a Kubernetes API server" in result.text

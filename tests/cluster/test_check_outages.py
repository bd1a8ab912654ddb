"""What the commands say of an API server that refuses, or of what answers in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config import kube_config
from kubespawner.clients import load_config
from traitlets.config import Config

from jhkube.checks.cluster import Cluster
from jhkube.checks.configured import ConfiguredHub, load_configuration
from jhkube.checks.image import image_results
from jhkube.checks.result import Result, Status
from jhkube.checks.run import ImageChoice, check_hub
from jhkube.cli import main
from jhkube.spawner import JHKubeSpawner
from tests.cluster.api_proxy import ALL, HTML, Fault, kubeconfig_for, refusal
from tests.cluster.conftest import Proxied

GOOD = """
c.JupyterHub.spawner_class = "jhkube"
c.JupyterHub.authenticator_class = "jhkube-github"
c.JupyterHub.hub_connect_url = "http://10.0.0.1:8081"
c.GitHubOrgAuthenticator.github_url = "http://127.0.0.1:1"
c.GitHubOrgAuthenticator.client_secret = "mumble-mumble"
c.GitHubOrgAuthenticator.allowed_organizations = {"observatory"}
c.Prepuller.namespace = "labs"
"""
FORBIDDEN = refusal(403, "pods is forbidden: the hub may not", times=float("inf"))


def page(status: int, times: float = float("inf")) -> Fault:
    """Return what a load balancer says."""
    return Fault(status, HTML, times=times)


ANSWERS = [
    (page(502), "502 Bad Gateway", "answers 502 Bad Gateway"),
    (page(200), "200 what answers is not a Kubernetes API server", "is not a Kubernetes API server"),
    (page(404), "404 Not Found", "answers 404 Not Found"),
    (page(401), "401 Unauthorized", "does not let the hub in: 401 Unauthorized"),
    (FORBIDDEN, "403 pods is forbidden: the hub may not", "does not let the hub in: 403 pods is forbidden"),
]


@pytest.fixture
def jhkube(
    proxied: Proxied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Any]]:
    """Run a command that reaches the API server by the proxy; returns its status, its output and its errors."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(kubeconfig_for(proxied.proxy.url))
    (tmp_path / "jupyterhub_config.py").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    before = Configuration.get_default_copy()
    load_config.cache_clear()

    async def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        # It has an event loop of its own; the proxy answers in this one.
        status = await asyncio.to_thread(main, list(words))
        return (status, *capsys.readouterr())

    yield run
    # Other tests of this process want the cluster itself.
    load_config.cache_clear()
    Configuration.set_default(before)


@pytest.mark.parametrize(("fault", "status_says", "check_says"), ANSWERS, ids=[said for _, said, _ in ANSWERS])
async def test_the_commands_say_what_answered(
    proxied: Proxied, jhkube: Callable[..., Any], fault: Fault, status_says: str, check_says: str
) -> None:
    proxied.proxy.fail(ALL, ALL, fault)
    told = f"jhkube prepull: the status of labs/jhkube-prepull cannot be read: {status_says}\n"
    assert await jhkube("prepull", "--status") == (2, "", told)
    config = await asyncio.to_thread(load_configuration, Path("jupyterhub_config.py"))
    found = await check_hub(ConfiguredHub(config), ImageChoice(pod=False))
    (result,) = [each for each in found if each.subject == "cluster"]
    assert result.status is Status.FAILED
    assert check_says in result.text
    assert not [each for each in found if "report it" in each.remedy]


async def looked_into(proxied: Proxied, fault: Fault, timeout: float, **traits: Any) -> list[Result]:
    """Return the check of an image whose pod is made, and whose list is answered like this."""
    proxied.proxy.fail("GET", "pods", fault)
    config = Config({"KubeSpawner": {"node_selector": {"jhkube.test/nowhere": "true"}, **traits}})
    spawner = JHKubeSpawner(_mock=True, config=config)
    async with ApiClient(Configuration(host=proxied.proxy.url)) as api:
        where = Cluster(api, proxied.namespace, "hub")
        found = [each async for each in image_results(where, spawner, "lab:1", timeout)]
    assert [asked for asked, _ in proxied.proxy.asked] == ["POST", "DELETE"]
    return found


async def test_an_image_whose_pod_may_not_be_listed_is_told_at_once(proxied: Proxied) -> None:
    (result,) = await looked_into(proxied, FORBIDDEN, 600)
    assert result.status is Status.FAILED
    assert "the API server says 403 pods is forbidden: the hub may not" in result.text
    assert "permissions" in result.remedy


async def test_an_image_is_waited_for_through_an_outage_which_is_then_named(proxied: Proxied) -> None:
    (result,) = await looked_into(proxied, page(502), 4)
    assert "was not done after 4 s: Bad Gateway" in result.text
    assert proxied.proxy.listed > 1


async def test_an_outage_that_passes_is_not_named(proxied: Proxied) -> None:
    """After two answers of a load balancer the API server says what is so: the pod finds no node."""
    (result,) = await looked_into(proxied, page(502, times=2), 12)
    assert "was not done after 12 s" in result.text
    assert "Bad Gateway" not in result.text
    assert proxied.proxy.listed > 2


async def test_a_page_in_the_place_of_the_pods_is_told(proxied: Proxied) -> None:
    (result,) = await looked_into(proxied, page(200), 600)
    assert "200 what answers is not a Kubernetes API server" in result.text

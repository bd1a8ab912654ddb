"""`jhkube check` finds each of these faults and names it: one at a time, in a configuration that is good.

What takes a cluster is planted in `tests/cluster/test_check.py`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import kube_config
from kubespawner.clients import _client_cache, load_config
from traitlets.config import Config

from devcluster.cilogon import CILogonStandIn
from devcluster.cilogon_demo import DEMO_CLIENT_ID as CILOGON_ID
from devcluster.cilogon_demo import DEMO_CLIENT_SECRET as CILOGON_SECRET
from devcluster.github import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, GitHubStandIn
from jhkube.checks.result import Result, Status
from jhkube.checks.run import ImageChoice, check_hub
from jhkube.configured import ConfiguredHub

from .conftest import StartRegistry
from .servers import BCRYPT, USER, RealRegistry

CALLBACK = "http://127.0.0.1:8000/hub/oauth_callback"
WITHOUT_CLUSTER = {"cluster", "permissions", "storage", "image"}
"""What says here that there is no cluster."""

Tree = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def dead_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A kubeconfig of an API server that does not answer."""
    path = tmp_path_factory.mktemp("kube") / "config"
    one = {"name": "none", "context": {"cluster": "none", "user": "none"}}
    cluster = {"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}
    user: dict[str, Any] = {"name": "none", "user": {}}
    path.write_text(
        json.dumps({"current-context": "none", "contexts": [one], "clusters": [cluster], "users": [user]})
    )
    before = Configuration.get_default_copy()
    load_config.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        yield
    load_config.cache_clear()
    _client_cache.clear()
    Configuration.set_default(before)


@pytest.fixture(scope="module")
async def github() -> AsyncIterator[GitHubStandIn]:
    async with GitHubStandIn() as standin:
        yield standin


@pytest.fixture
def good(github: GitHubStandIn, open_registry: RealRegistry, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """The settings of a hub that would work, but for its cluster."""
    monkeypatch.delenv("JUPYTERHUB_CRYPT_KEY", raising=False)
    github.heal()
    open_registry.seed("team/checked", ["w_2026_46", "w_2026_47"])
    open_registry.seed("team/unseen", ["exp_1"])
    return {
        "JupyterHub": {
            "spawner_class": "jhkube",
            "authenticator_class": "jhkube-github",
            "bind_url": "http://127.0.0.1:8000/",
            "hub_connect_url": "http://10.0.0.1:8081",
        },
        "CryptKeeper": {"keys": ["11" * 32]},
        "GitHubOrgAuthenticator": {
            "github_url": github.url,
            "client_id": DEMO_CLIENT_ID,
            "client_secret": DEMO_CLIENT_SECRET,
            "oauth_callback_url": CALLBACK,
            "allowed_organizations": {"observatory"},
        },
        "ImageMenu": {
            "repositories": [f"{open_registry.host}/team/checked"],
            "insecure_registries": [open_registry.host],
        },
    }


async def found(good: Tree, faults: Tree) -> list[Result]:
    """Return what a check finds with some settings in the place of the good ones."""
    config = Config({section: {**good.get(section, {}), **faults.get(section, {})} for section in {*good, *faults}})
    results = await check_hub(ConfiguredHub(config), ImageChoice(pod=False))
    return [each for each in results if each.subject not in WITHOUT_CLUSTER]


async def test_where_nothing_is_wrong_nothing_fails(good: Tree) -> None:
    results = await found(good, {})
    assert {each.subject for each in results if each.status is Status.PASSED} == {
        "configuration",
        "encryption",
        "callback",
        "hub address",
        "provider",
        "registry",
    }
    assert [each for each in results if each.status is not Status.PASSED] == []


AUTH = "GitHubOrgAuthenticator"

FAULTS: list[tuple[str, Tree, str, str]] = [
    ("configuration", {"JHKubeSpawner": {"strat_timeout": 9}}, "c.JHKubeSpawner.strat_timeout", "start_timeout"),
    ("configuration", {"ImageMeny": {"offers": []}}, "c.ImageMeny is no class", "c.ImageMenu?"),
    ("configuration", {"JHKubeSpawner": {"start_timeout": "soon"}}, "'start_timeout' trait", "Correct it"),
    ("configuration", {"JHKubeSpawner": {"home": "floppy"}}, "home", "Correct it"),
    ("configuration", {"JHKubeSpawner": {"sizes": [{"name": "a"}]}}, "sizes[0] (a).cores", "Correct it"),
    ("configuration", {"JHKubeSpawner": {"home": "nfs"}}, "home_nfs", "Correct it"),
    ("configuration", {"ImageMenu": {"repositories": ["BAD NAME"]}}, "'BAD NAME' is not a repository", "Correct it"),
    ("configuration", {"JupyterHub": {"spawner_class": "simple"}}, "SimpleLocalProcessSpawner", '= "jhkube"'),
    ("configuration", {AUTH: {"allowed_organizations": {"a b"}}}, "can never match", "Correct it"),
    ("encryption", {"CryptKeeper": {"keys": []}}, "there is no key", "openssl rand -hex 32"),
    ("encryption", {"CryptKeeper": {"keys": ["short"]}}, "is not 32 bytes", "openssl rand -hex 32"),
    ("encryption", {AUTH: {"enable_auth_state": False}}, "auth_state is off", f"c.{AUTH}.enable_auth_state = True"),
    ("callback", {AUTH: {"oauth_callback_url": "127.0.0.1/hub"}}, "is no address", f"c.{AUTH}.oauth_callback_url"),
    ("callback", {AUTH: {"oauth_callback_url": "http://127.0.0.1:8000/oauth_callback"}}, "/hub/oauth_call", CALLBACK),
    ("callback", {"JupyterHub": {"base_url": "/lab/"}}, "/lab/hub/oauth_callback", "/lab/hub/oauth_callback"),
    ("callback", {"JupyterHub": {"public_url": "https://hub.example.org/"}}, "another host", "oauth_callback_url"),
    ("callback", {"JupyterHub": {"bind_url": "http://localhost:8000/"}}, "no cookie", "oauth_callback_url"),
    (
        "hub address",
        {"JupyterHub": {"hub_connect_url": "http://127.0.0.1:8081"}},
        "the pod itself",
        "hub_connect_url",
    ),
    ("hub address", {"JupyterHub": {"hub_connect_url": "http://hub.invalid"}}, "no name that is known", "DNS"),
    ("hub address", {"JupyterHub": {"hub_bind_url": "http://127.0.0.1:8081"}}, "127.0.0.1 only", "c.JupyterHub.hub_"),
    ("provider", {AUTH: {"client_id": ""}}, f"c.{AUTH}.client_id: not set", "Register this hub"),
    ("provider", {AUTH: {"client_id": "Ov23another"}}, "does not take this hub's credentials", "client_id"),
    ("provider", {AUTH: {"client_secret": "of-another"}}, "does not take this hub's credentials", "new secret"),
    ("provider", {AUTH: {"github_url": "http://127.0.0.1:1"}}, "does not answer", f"c.{AUTH}.github_url"),
]


@pytest.mark.parametrize(("subject", "faults", "said", "advised"), FAULTS)
async def test_a_fault_is_found_and_named(good: Tree, subject: str, faults: Tree, said: str, advised: str) -> None:
    results = await found(good, faults)
    named = [each for each in results if each.subject == subject and each.status is Status.FAILED]
    assert [each for each in named if said in each.text and advised in each.remedy], results
    assert not [each for each in results if "report it" in each.remedy]
    assert not [each for each in results if DEMO_CLIENT_SECRET in each.text + each.remedy]


async def test_a_provider_with_an_outage_is_found(good: Tree, github: GitHubStandIn) -> None:
    github.fail("/api/v3/*", status=503, times=5)
    (provider,) = [each for each in await found(good, {}) if each.subject == "provider"]
    assert provider.status is Status.FAILED
    assert "does not answer as it should" in provider.text
    assert "status page" in provider.remedy


async def test_a_hub_that_lets_nobody_in_is_mentioned(good: Tree) -> None:
    (result,) = [each for each in await found(good, {AUTH: {"allowed_organizations": set()}}) if each.remedy]
    assert result.status is Status.WARNING
    assert "nobody but the hub's administrators" in result.text
    assert f"c.{AUTH}.allowed_organizations" in result.remedy


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, ""),
        ({"client_secret": "of-another"}, "does not take this hub's credentials"),
        ({"oauth_callback_url": "http://127.0.0.1:8000/jupyter/hub/oauth_callback"}, "would not send people back to"),
        ({"issuer": "http://127.0.0.1:1"}, "does not answer"),
    ],
)
async def test_the_faults_of_cilogon_are_found(good: Tree, wrong: dict[str, Any], said: str) -> None:
    async with CILogonStandIn({}) as cilogon:
        settings: Tree = {
            "JupyterHub": {"authenticator_class": "jhkube-cilogon"},
            "CILogonGroupAuthenticator": {
                "issuer": cilogon.url,
                "client_id": CILOGON_ID,
                "client_secret": CILOGON_SECRET,
                "oauth_callback_url": CALLBACK,
                "idps": {"https://idp.example.org": {"username_derivation": {"username_claim": "eppn"}}},
                "allowed_groups": {"observatory"},
                **wrong,
            },
        }
        results = [each for each in await found(good, settings) if each.subject == "provider"]
    failed = [each for each in results if each.status is Status.FAILED]
    assert len(failed) == bool(said), results
    assert all(said in each.text for each in failed)


async def registry_fault(good: Tree, **menu: Any) -> Result:
    """Return what is said of the registry, which fails."""
    (result,) = [each for each in await found(good, {"ImageMenu": menu}) if each.subject == "registry"]
    assert result.status is Status.FAILED
    return result


async def test_a_repository_that_is_not_there_is_found(good: Tree, open_registry: RealRegistry) -> None:
    result = await registry_fault(good, repositories=[f"{open_registry.host}/team/no-such"])
    assert f"{open_registry.host}/team/no-such" in result.text
    assert "c.ImageMenu.repositories" in result.remedy


async def test_a_repository_of_which_the_menu_shows_nothing_is_found(good: Tree, open_registry: RealRegistry) -> None:
    result = await registry_fault(good, repositories=[f"{open_registry.host}/team/unseen"])
    assert "none that the menu shows" in result.text
    assert "c.ImageMenu.offers" in result.remedy


async def test_a_registry_that_does_not_answer_is_found(good: Tree) -> None:
    result = await registry_fault(good, repositories=["127.0.0.1:1/lab"])
    assert "127.0.0.1:1 does not answer" in result.text


async def test_a_registry_that_wants_an_account_is_found(
    good: Tree, start_registry: StartRegistry, tmp_path: Path
) -> None:
    (tmp_path / "htpasswd").write_text(f"{USER}:{BCRYPT}\n")
    registry = await start_registry(auth={"htpasswd": {"realm": "tests", "path": str(tmp_path / "htpasswd")}})
    registry.seed("team/checked", ["w_2026_46"])
    result = await registry_fault(good, repositories=[f"{registry.host}/team/checked"])
    assert "c.ImageMenu.credentials_file" in result.remedy


async def test_accounts_that_cannot_be_read_are_found(good: Tree, tmp_path: Path) -> None:
    (tmp_path / "accounts").write_text("no JSON")
    results = await found(good, {"ImageMenu": {"credentials_file": str(tmp_path / "accounts")}})
    (wrong,) = [each for each in results if each.status is Status.FAILED]
    assert "the accounts for the registries cannot be read" in wrong.text
    assert "docker configuration" in wrong.remedy

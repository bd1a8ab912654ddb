"""What the cluster and browser tests share: one cluster, one hub, the stand-ins, and people who log in."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import jupyterhub
import pytest
from hypothesis import HealthCheck, settings
from kubernetes_asyncio import client, config

from devcluster.githttp import GitServer
from devcluster.github import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_WORLD, GitHubStandIn
from tests.hubs import CONFIG, Hub, Person
from tests.pods import new_namespace
from tests.ports import free_port

# A busy machine is no fault of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

RUN = Path(__file__).parents[1] / ".run"
"""Where tests leave what a person may want to look at: logs and screenshots."""

WORKER = f"{os.environ.get('PYTEST_XDIST_WORKER', '')}-jupyterhub-{jupyterhub.version_info[0]}"
"""Which of the test processes this is, in the names of what they leave there."""


HUBS: list[Hub] = []
"""The hubs of this process."""

LOGGED = pytest.StashKey[list[int]]()
"""How many bytes each hub had logged when a test began."""

BUSY = """
# No test is about how long a busy machine takes for a request; those that are say so themselves.
c.Spawner.http_timeout = 120
c.KubeSpawner.k8s_api_request_timeout = 30
c.KubeSpawner.k8s_api_request_retry_timeout = 120
c.JupyterHub.init_spawners_timeout = 120
"""
"""What the hubs have beside the project's own configuration."""

SHOWN = 80
"""So many lines of each hub's log are shown where a test failed; all of it stays in `.run/logs`."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    # Not the logs themselves: all of them together have many megabytes, and this is done for each test.
    item.stash[LOGGED] = [hub.logged for hub in HUBS]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the hubs logged during a test that failed: elsewhere, that is all that is left of it."""
    report = yield
    if report.failed:
        logged = item.stash.get(LOGGED, [])
        for hub, before in zip(HUBS, logged + [0] * (len(HUBS) - len(logged)), strict=True):
            lines = [line for line in hub.log_from(before).splitlines() if not line.startswith("[D ")]
            if lines:
                report.sections.append((f"Log of the hub {hub.folder.name}", "\n".join(lines[-SHOWN:])))
    return report


@dataclass(frozen=True)
class Cluster:
    """The cluster that the tests run on."""

    registry: str
    """The registry's host and port, as the nodes name it."""

    host: str
    """This machine's address as the pods reach it."""

    namespace: str
    """This run's own namespace."""

    core: client.CoreV1Api
    """The API, as an administrator."""


@pytest.fixture(scope="session")
async def cluster() -> AsyncIterator[Cluster]:
    """The cluster, with a namespace of this run's own that goes with it."""
    missing = [name for name in ("KUBECONFIG", "JHKUBE_DEV_REGISTRY", "JHKUBE_DEV_HOST") if not os.environ.get(name)]
    if missing:
        pytest.exit(
            f"{', '.join(missing)} not set: run `make test`, or `eval $(python3 -m devcluster env)` once it is up", 2
        )
    await config.load_kube_config()
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        name = f"jhkube-test-{secrets.token_hex(3)}"
        await new_namespace(core, name)
        try:
            yield Cluster(os.environ["JHKUBE_DEV_REGISTRY"], os.environ["JHKUBE_DEV_HOST"], name, core)
        finally:
            await core.delete_namespace(name)


@pytest.fixture(scope="session")
async def github() -> AsyncIterator[GitHubStandIn]:
    """GitHub's stand-in, with the demo's people and nineteen more, so that tests need not share one."""
    world = json.loads(json.dumps(DEMO_WORLD))
    members = next(each["members"] for each in world["organizations"] if each["login"] == "observatory")
    for number in range(19):
        login = f"guest-{number:02}"
        world["people"].append({"login": login, "id": 20_000_001 + number, "name": f"Guest {number}"})
        members.append({"login": login})
    async with GitHubStandIn(world) as standin:
        yield standin


@pytest.fixture(scope="session")
async def git_server(
    github: GitHubStandIn, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GitServer]:
    """A git host that takes GitHub's tokens, where the pods reach it."""
    folder = tmp_path_factory.mktemp("git")
    async with GitServer(folder, github_url=github.url, host=cluster.host, port=free_port()) as server:
        yield server


NewHub = Callable[..., Awaitable[Hub]]


@pytest.fixture(scope="session")
async def new_hub(
    cluster: Cluster,
    github: GitHubStandIn,
    git_server: GitServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[NewHub]:
    """Start hubs: `await new_hub("name", JHKUBE_…="…")`; `extra` is configuration after the project's own."""
    hubs: list[Hub] = []

    async def start(name: str, extra: str = "", *, port: int = 0, base: str = "", **environ: str) -> Hub:
        settings = {
            "JUPYTERHUB_CRYPT_KEY": secrets.token_hex(32),
            "GITHUB_CLIENT_ID": DEMO_CLIENT_ID,
            "GITHUB_CLIENT_SECRET": DEMO_CLIENT_SECRET,
            "JHKUBE_GITHUB_URL": github.url,
            "JHKUBE_ALLOWED_ORGANIZATIONS": "observatory telescope-ops",
            "JHKUBE_NAMESPACE": cluster.namespace,
            "JHKUBE_GIT_HOSTS": git_server.url,
            "JHKUBE_REPOSITORIES": f"{cluster.registry}/lab",
            "JHKUBE_HOME_SIZE": "100Mi",
            # A cluster's own storage may need it: host paths that only root can write.
            "JHKUBE_HOME_MADE_BY": os.environ.get("JHKUBE_HOME_MADE_BY", ""),
            **environ,
        }
        folder = tmp_path_factory.mktemp(name)
        config = folder / "jupyterhub_config.py"
        config.write_text(f"load_subconfig({str(CONFIG)!r})\n{BUSY}{extra}")
        hub = Hub(folder, settings, cluster.host, config, port, base=base)
        hubs.append(hub)
        HUBS.append(hub)
        await hub.start()
        return hub

    yield start
    logs = RUN / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    for hub in hubs:
        await hub.stop()
        (logs / f"{hub.folder.name}{WORKER}.log").write_text(hub.log)


@pytest.fixture(scope="session")
async def hub(new_hub: NewHub) -> Hub:
    """The hub that most tests share: the project's own configuration, with the lab image."""
    return await new_hub("hub")


@pytest.fixture(scope="session")
async def tiny_hub(new_hub: NewHub, cluster: Cluster) -> Hub:
    """A hub whose image is a small server that is ready at once."""
    return await new_hub("tiny", JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny")


@pytest.fixture
async def someone(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Awaitable[Person]]]:
    """Log people in: `await someone(hub, "ada")`; their servers stop after the test."""
    people: list[Person] = []

    async def login(hub: Hub, name: str) -> Person:
        person = await hub.login(name)
        people.append(person)
        return person

    yield login
    for person in people:
        if person.hub.process is not None:
            _, body = await person.api("GET", f"/users/{person.name}")
            for server in body.get("servers", {}):
                await person.stop(server)
        await person.close()

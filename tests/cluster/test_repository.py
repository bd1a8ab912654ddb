"""Servers that start from a repository, and with variables: the hub, the cluster and the git server are real."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from devcluster.githttp import GitServer
from devcluster.github import GitHubStandIn
from devcluster.standin_tls import certificate_file, server_context
from jhkube.service.hub_answers import HubServer
from jhkube.service.server_views import server_view
from tests.cluster.prepull_images import Repository
from tests.conftest import Cluster, NewHub
from tests.hubs import Hub, Person
from tests.pods import in_pod, pod_of
from tests.repositories import add_submodule, git, large_files, pushed

NAME = "guest-16"
CRAMPED = "guest-08"
"""Somebody whose home is full at once."""

CERTIFICATES = """
c.KubeSpawner.volumes = [{"name": "git-ca", "configMap": {"name": "git-ca"}}]
c.KubeSpawner.volume_mounts = [{"name": "git-ca", "mountPath": "/etc/git-ca"}]
c.KubeSpawner.environment = {"GIT_SSL_CAINFO": "/etc/git-ca/ca.pem"}
"""
"""What an operator sets whose git host has a certificate of their own authority."""

SMALL_HOME = f"""
def small_home(spawner, pod):
    if spawner.user.name == "{CRAMPED}":
        home = next(each for each in pod.spec.volumes if each.name == "jhkube-home")
        home.persistent_volume_claim = None
        home.empty_dir = {{"medium": "Memory", "sizeLimit": "64Ki"}}
    return pod

c.KubeSpawner.modify_pod_hook = small_home
"""
PICTURE = b"a large picture of the sky"

VARIABLES = ["LABEL", {"name": "SURVEY", "values": ["deep", "wide"]}]


@pytest.fixture(scope="module")
async def secure_server(
    cluster: Cluster, github: GitHubStandIn, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GitServer]:
    """A git host that speaks https, with a certificate that only the hub's servers trust."""
    folder = tmp_path_factory.mktemp("secure-git")
    certificate = certificate_file(folder / "certificate.pem", [cluster.host])
    trusted = certificate.read_text()
    await cluster.core.create_namespaced_config_map(
        cluster.namespace,
        {"metadata": {"name": "git-ca"}, "data": {"ca.pem": trusted[trusted.index("-----BEGIN CERTIFICATE") :]}},
    )
    context, root = server_context(certificate), folder / "host"
    async with GitServer(root, github_url=github.url, host=cluster.host, ssl_context=context) as server:
        yield server


@pytest.fixture(scope="module")
async def repository_hub(new_hub: NewHub, cluster: Cluster, git_server: GitServer, secure_server: GitServer) -> Hub:
    """A hub whose servers can start from the git servers' repositories."""
    hosts = f"{git_server.url} {secure_server.url}"
    return await new_hub(
        "repository",
        f"c.JHKubeSpawner.environment_names = {VARIABLES!r}\n{CERTIFICATES}{SMALL_HOME}"
        # The repository's own image has no git.
        f"c.JHKubeSpawner.repository_git_image = '{cluster.registry}/lab:recommended'",
        JHKUBE_GIT_HOSTS=hosts,
        JHKUBE_REPOSITORY_HOSTS=hosts,
        JHKUBE_REPOSITORY_IMAGE=f"{cluster.registry}/{{name}}:{{commit:7}}",
        JHKUBE_CUSTOM_IMAGES=rf"{re.escape(cluster.registry)}/(notes|handbook):.+",
    )


@pytest.fixture
async def person(repository_hub: Hub, someone: Callable[..., Awaitable[Person]]) -> Person:
    """A member of the organization that the private repository is of."""
    return await someone(repository_hub, NAME)


@pytest.fixture
def inside(cluster: Cluster) -> Any:
    """Return what runs a script in the server."""

    async def run(script: str) -> str:
        pod = await pod_of(cluster.core, cluster.namespace, NAME)
        return await in_pod(cluster.namespace, pod.metadata.name, script)

    return run


async def failed(person: Person, **options: Any) -> str:
    """Return what somebody reads of a start that fails."""
    status, body = await person.start(**options)
    if status == 400:
        return str(body["message"])
    assert status in (201, 202), body
    events = await person.progress()
    assert events[-1].get("failed"), events
    return str(events[-1]["message"])


async def test_a_private_repository_is_cloned_as_the_person_and_never_touched_again(
    person: Person, inside: Any, git_server: GitServer, cluster: Cluster
) -> None:
    notes = f"{git_server.url}/observatory/notes"
    value = "a {b} {username} $(JUPYTERHUB_API_TOKEN) $$ 'c' \"d\""
    environment = {"LABEL": value, "SURVEY": "deep"}
    await person.started(repository=notes, branch="main", environment=environment)
    shown = await inside(
        # Other tests push to it.
        "cd ~/notes && git branch --show-current && git config remote.origin.url && ls README.md &&"
        " stat -c %U . README.md && git log --format=%s | tail -n 1 &&"
        ' printf "%s\\n" "$LABEL" "$SURVEY" && ls -d ~/.jhkube* 2>/dev/null'
    )
    assert shown.splitlines() == ["main", notes, "README.md", NAME, NAME, "Begin", value, "deep"]
    pod = await pod_of(cluster.core, cluster.namespace, NAME)
    assert pod.metadata.annotations["jhkube/repository"] == notes
    token = (await inside("cat /etc/jhkube/token-*")).strip()
    assert token
    assert token not in json.dumps(cluster.core.api_client.sanitize_for_serialization(pod))
    assert token not in person.hub.log
    assert token not in await inside("cat ~/notes/.git/config")
    log = await cluster.core.read_namespaced_pod_log(
        pod.metadata.name, cluster.namespace, container="jhkube-repository"
    )
    assert token not in log

    await inside("echo mine > ~/notes/README.md")
    await person.stop()
    await person.started(repository=notes, commit="1f3c9a2")
    assert await inside("cat ~/notes/README.md") == "mine\n"
    pod = await pod_of(cluster.core, cluster.namespace, NAME)
    view = server_view(HubServer(NAME, NAME, is_ready=True), cluster.core.api_client.sanitize_for_serialization(pod))
    # The repository has no image of its own for this commit, which is told and not a reason to start nothing.
    image, folder = view["warnings"]
    assert f"{cluster.registry}/notes:1f3c9a2, the image of your repository" in image
    assert folder.startswith(f"The folder “notes” with the repository {notes} was in your home already.")


async def test_what_cannot_be_cloned_is_told_in_words(person: Person, git_server: GitServer) -> None:
    handbook = f"{git_server.url}/observatory/handbook"
    assert f"The repository {git_server.url}/telescope-ops/runbook does not exist, or you have no access to it" in (
        await failed(person, repository=f"{git_server.url}/telescope-ops/runbook")
    )
    assert "has no branch or tag “nowhere”" in await failed(person, repository=handbook, branch="nowhere")
    assert "has no commit 0000000" in await failed(person, repository=handbook, commit="0000000")
    assert "from no other host" in await failed(person, repository="https://github.com/observatory/notes")
    assert "cannot be set on this hub" in await failed(person, environment={"LD_PRELOAD": "/tmp/x"})


async def test_a_private_repository_comes_by_https_with_submodules_and_large_files(
    person: Person, inside: Any, github: GitHubStandIn, secure_server: GitServer, cluster: Cluster, tmp_path: Path
) -> None:
    github.world.add_repository("observatory", "plates", private=True)
    certificate = secure_server.root.with_name("certificate.pem")
    handbook = await secure_server.create_repository("observatory", "handbook")
    plates = await secure_server.create_repository("observatory", "plates")
    git(tmp_path, "clone", "--quiet", plates, "work")
    work = tmp_path / "work"
    add_submodule(work, "tools", "../handbook", git(Path(handbook), "rev-parse", "main"))
    async with large_files(PICTURE, certificate, cluster.host) as served:
        pushed(work, "A picture", served.files)
        url = f"{secure_server.url}/observatory/plates"
        await person.started(repository=url, submodules=True, lfs=True)
        assert served.asked == ["download"]
    shown = await inside("cd ~/plates && cat sky.fits && echo && ls tools && git status --porcelain && git fetch -q")
    assert shown.splitlines() == [PICTURE.decode(), "README.md"]
    # The server of the large files is gone now.
    await inside("rm -rf ~/plates")
    await person.stop()
    said = f"The large files of the repository {url} (git-lfs) cannot be fetched. Start without them."
    assert said in await failed(person, repository=url, lfs=True)
    (work / ".gitmodules").unlink()
    add_submodule(work, "tools", "../nothing", git(Path(handbook), "rev-parse", "main"))
    pushed(work, "A submodule that is not there")
    said = f"A submodule of the repository {url} cannot be cloned. Start without submodules."
    assert said in await failed(person, repository=url, submodules=True)


async def test_the_repositorys_own_image_is_started(
    person: Person, inside: Any, git_server: GitServer, cluster: Cluster
) -> None:
    commit = git(Path(await git_server.create_repository("observatory", "handbook")), "rev-parse", "main")
    digest = await Repository(cluster.registry, "handbook").push_tiny(commit[:7])
    await person.started(repository=f"{git_server.url}/observatory/handbook", commit=commit)
    pod = await pod_of(cluster.core, cluster.namespace, NAME)
    assert pod.spec.containers[0].image == f"{cluster.registry}/handbook@{digest}"
    view = server_view(HubServer(NAME, NAME, is_ready=True), cluster.core.api_client.sanitize_for_serialization(pod))
    assert view["warnings"] == []
    assert "handbook" in await inside("cat ~/handbook/README.md; rm -r ~/handbook")


async def test_a_home_without_room_is_told(
    repository_hub: Hub, someone: Callable[..., Awaitable[Person]], secure_server: GitServer
) -> None:
    url = f"{secure_server.url}/observatory/handbook"
    said = f"There is no space left in your home for the repository {url}."
    assert said in await failed(await someone(repository_hub, CRAMPED), repository=url)


async def test_a_link_shows_what_it_will_do_and_starts_nothing(person: Person, git_server: GitServer) -> None:
    query = urlencode({"repository": f"{git_server.url}/observatory/handbook", "branch": "main"})
    answer = await person.follow(f"{person.hub.url}/hub/spawn?{query}")
    page = await answer.text()
    assert f"A link asks for the repository {git_server.url}/observatory/handbook" in page
    assert "the folder &#39;handbook&#39; of your home" in page
    assert f'value="{git_server.url}/observatory/handbook"' in page
    assert await person.server() is None

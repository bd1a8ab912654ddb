"""Servers that start from a repository, and with variables: the hub, the cluster and the git server are real."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from devcluster.githttp import GitServer
from jhkube.service.hub_answers import HubServer
from jhkube.service.server_views import server_view
from tests.conftest import Cluster, NewHub
from tests.hubs import Hub, Person
from tests.pods import in_pod, pod_of

NAME = "guest-16"
VARIABLES = ["LABEL", {"name": "SURVEY", "values": ["deep", "wide"]}]


@pytest.fixture(scope="module")
async def repository_hub(new_hub: NewHub, cluster: Cluster, git_server: GitServer) -> Hub:
    """A hub whose servers can start from the git server's repositories."""
    return await new_hub(
        "repository",
        f"c.JHKubeSpawner.environment_names = {VARIABLES!r}",
        JHKUBE_REPOSITORY_HOSTS=git_server.url,
        JHKUBE_REPOSITORY_IMAGE=f"{cluster.registry}/{{name}}:{{commit:7}}",
        JHKUBE_CUSTOM_IMAGES=rf"{re.escape(cluster.registry)}/notes:.+",
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


async def test_a_link_shows_what_it_will_do_and_starts_nothing(person: Person, git_server: GitServer) -> None:
    query = urlencode({"repository": f"{git_server.url}/observatory/handbook", "branch": "main"})
    answer = await person.follow(f"{person.hub.url}/hub/spawn?{query}")
    page = await answer.text()
    assert f"A link asks for the repository {git_server.url}/observatory/handbook" in page
    assert "the folder &#39;handbook&#39; of your home" in page
    assert f'value="{git_server.url}/observatory/handbook"' in page
    assert await person.server() is None

"""An image that has none of our parts runs unchanged, under the person's own name and in their own home."""

from __future__ import annotations

import pytest

from tests.pods import in_pod, pod_of


@pytest.fixture(scope="module")
async def inside(new_hub, cluster):
    hub = await new_hub("plain", JHKUBE_REPOSITORIES=f"{cluster.registry}/plain")
    ada = await hub.login("ada")
    await ada.started(size="small")
    pod = await pod_of(cluster.core, cluster.namespace, "ada")

    async def run(script):
        return await in_pod(cluster.namespace, pod.metadata.name, script)

    yield run
    await ada.stop()
    await ada.close()


async def test_it_is_the_image_as_it_was_built(inside):
    assert await inside("tr '\\0' ' ' < /proc/1/cmdline") == "tini -g -- start.sh "
    assert await inside("ls -d /opt/*; echo $NB_USER; which lab-start") == "/opt/jupyter\njovyan\n"


async def test_the_server_and_a_terminal_are_the_persons_own(inside, github):
    uid = github.world.person("ada").id
    assert await inside("id -u; whoami; echo $HOME; pwd") == f"{uid}\nada\n/home/ada\n/home/ada\n"
    shown = await inside("cat /proc/$(pgrep -f [j]upyterhub-singleuser | tail -1)/status | grep ^Uid")
    assert shown.split() == ["Uid:", *[str(uid)] * 4]
    assert "(observatory)" in await inside("id")


async def test_the_home_is_the_persons_and_can_be_written_to(inside):
    assert await inside("echo seen > ~/mine && cat ~/mine; stat -c %U ~/mine; ls ~jovyan 2>&1") == (
        "seen\nada\nls: cannot access '~jovyan': No such file or directory\n"
    )


async def test_git_knows_who_commits_and_may_clone(inside, git_server):
    assert await inside("git config user.name; git config user.email") == "Ada Example\nada@observatory.example\n"
    clone = (
        f"GIT_TERMINAL_PROMPT=0 git clone -q {git_server.url}/observatory/notes.git /tmp/notes && ls -d /tmp/notes"
    )
    assert await inside(clone) == "/tmp/notes\n"

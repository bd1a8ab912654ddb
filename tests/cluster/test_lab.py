"""From a login to a running lab: who one is in there, what is kept, and what git can do."""

import json

import pytest

from tests.pods import in_pod, pod_of

pytestmark = pytest.mark.hub_versions


@pytest.fixture(scope="module")
async def ada(hub):
    person = await hub.login("ada")
    await person.started(size="small")
    yield person
    await person.stop()
    await person.close()


@pytest.fixture(scope="module")
async def ada_pod(ada, cluster):
    return await pod_of(cluster.core, cluster.namespace, "ada")


@pytest.fixture(scope="module")
def inside(ada_pod, cluster):
    async def run(script):
        return await in_pod(cluster.namespace, ada_pod.metadata.name, script)

    return run


async def test_id_shows_uid_and_organizations_by_name(inside, github):
    shown = await inside("id")
    organizations = {each.login: each.id for each in github.world.organizations.values()}
    assert f"uid={github.world.person('ada').id}(ada)" in shown
    assert f"{organizations['observatory']}(observatory)" in shown
    assert f"{organizations['telescope-ops']}(telescope-ops)" in shown
    assert "stargazers" not in shown


async def test_the_account_is_complete(inside):
    assert await inside("whoami; echo $HOME; echo ~; ls -ld ~ | cut -c1-4; pwd") == (
        "ada\n/home/ada\n/home/ada\ndrwx\n/home/ada\n"
    )


async def test_git_knows_name_and_address(inside):
    assert await inside("git config user.name; git config user.email") == "Ada Example\nada@observatory.example\n"


async def test_git_clones_commits_and_pushes_without_a_prompt(inside, git_server):
    shown = await inside(
        "set -e; export GIT_TERMINAL_PROMPT=0; rm -rf /tmp/notes; "
        f"git clone -q {git_server.url}/observatory/notes.git /tmp/notes; cd /tmp/notes; "
        "echo seen >> night; git add night; git commit -qm 'What was seen'; git push -q; "
        "git ls-remote origin HEAD | cut -f1; git rev-parse HEAD; git log -1 --format='%an <%ae>'"
    )
    remote, local, author = shown.splitlines()
    assert remote == local
    assert author == "Ada Example <ada@observatory.example>"


async def test_the_pod_runs_the_digest_that_the_tag_had(ada_pod, hub):
    menu = json.loads((hub.folder / "menu.json").read_text())
    image = ada_pod.spec.containers[0].image
    assert "@sha256:" in image
    assert image.partition("@")[2] in json.dumps(menu)
    assert ada_pod.metadata.annotations["jhkube/image"].endswith(f":{ada_pod.metadata.labels['jhkube/image-tag']}")


async def test_the_size_is_the_containers_limit(ada_pod):
    limits = ada_pod.spec.containers[0].resources.limits
    assert limits["cpu"] == "1"
    assert limits["memory"] == str(2 * 1024**3)


async def test_a_file_at_home_is_there_after_stop_and_start(hub, someone, cluster):
    person = await someone(hub, "guest-00")
    await person.started()
    pod = await pod_of(cluster.core, cluster.namespace, "guest-00")
    await in_pod(cluster.namespace, pod.metadata.name, "echo kept > ~/notes.txt")
    await person.stop()
    await person.started()
    pod = await pod_of(cluster.core, cluster.namespace, "guest-00")
    assert await in_pod(cluster.namespace, pod.metadata.name, "cat ~/notes.txt") == "kept\n"


async def test_organizations_are_hub_groups(hub, someone):
    person = await someone(hub, "maryam")
    status, user = await person.api("GET", "/user")
    assert status == 200
    assert "telescope-ops" in user["groups"]
    assert "observatory" not in user["groups"]


async def test_somebody_of_no_allowed_organization_is_refused(hub):
    with pytest.raises(PermissionError, match="403"):
        await hub.login("rosalind")

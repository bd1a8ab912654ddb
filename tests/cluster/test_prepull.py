"""The menu's images come to the nodes before anybody asks: the prepuller, the form and a start, on the cluster."""

import asyncio
import json
import logging
import os
import re
import secrets
import signal
import ssl
import sys

import pytest
from kubernetes_asyncio import client
from traitlets.config import Config

from jhkube.pod.nodes import Placement
from jhkube.prepull.prepuller import RULES, STATUS_RULES, Prepuller
from tests.cluster.prepull_images import Account, Command, Listener, Repository
from tests.pods import pod_of

OFFERS = [{"kinds": {"alias": None, "weekly": 3}, "default": ["recommended"]}]


@pytest.fixture(scope="module")
def repository(cluster):
    return Repository(cluster.registry, f"prepull-{secrets.token_hex(3)}")


@pytest.fixture(scope="module")
async def listener():
    configuration = client.Configuration.get_default_copy()
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    async with Listener(configuration.host, context) as listener:
        yield listener


@pytest.fixture(scope="module")
async def account(cluster):
    account = Account(cluster.core, cluster.namespace, f"prepuller-{secrets.token_hex(3)}")
    await account.make(RULES, STATUS_RULES)
    yield account
    await account.remove()


@pytest.fixture(scope="module")
async def pause(cluster):
    """An image that rests, made here: the cluster need not reach another registry."""
    resting = Repository(cluster.registry, "prepull-pause")
    digest = await resting.push_tiny("1", Entrypoint=["/bin/sleep"], Cmd=["infinity"])
    return f"{resting.name}@{digest}"


@pytest.fixture(scope="module")
async def owner(cluster):
    """A Deployment of nothing, that could be the prepuller's."""
    name = f"prepuller-{secrets.token_hex(3)}"
    labels = {"app": name}
    container = {"name": "none", "image": "none"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    apps = client.AppsV1Api(cluster.core.api_client)
    await apps.create_namespaced_deployment(cluster.namespace, {"metadata": {"name": name}, "spec": spec})
    return name


@pytest.fixture(scope="module")
async def priority(cluster):
    """A class below that of pods that ask for none."""
    scheduling = client.SchedulingV1Api(cluster.core.api_client)
    name = f"prepull-{secrets.token_hex(3)}"
    await scheduling.create_priority_class({"metadata": {"name": name}, "value": -10})
    yield name
    await scheduling.delete_priority_class(name)


@pytest.fixture(scope="module")
async def prepull(cluster, repository, listener, account, pause, owner, priority, tmp_path_factory):
    """The command, with an account that may do nothing but what it needs."""
    folder = tmp_path_factory.mktemp("prepull")
    (folder / "config.py").write_text(
        f"c.ImageMenu.repositories = [{repository.name!r}]\n"
        f"c.ImageMenu.offers = {OFFERS!r}\n"
        "c.ImageMenu.refresh_interval = 2\n"
        "c.ImageMenu.refresh_jitter = 0\n"
        f"c.JHKubeSpawner.namespace = {cluster.namespace!r}\n"
        f"c.Prepuller.pause_image = {pause!r}\n"
        f"c.Prepuller.deployment = {owner!r}\n"
        f"c.Prepuller.priority_class_name = {priority!r}\n"
        "c.Prepuller.resources = {'requests': {'cpu': '40m'}}\n"
        "c.Prepuller.retry_after = 8\n"
    )
    kubeconfig = await account.kubeconfig(folder / "kubeconfig", f"http://127.0.0.1:{listener.port}")
    command = Command(folder / "config.py", kubeconfig, folder / "log")
    yield command
    await command.end()
    print(command.log.read_text())


@pytest.fixture
def apps(cluster):
    return client.AppsV1Api(cluster.core.api_client)


@pytest.fixture
def until_status(prepull):
    """Wait for `--status` to say something; its exit status and its rows by tag."""

    async def until(told, seconds=300):
        async with asyncio.timeout(seconds):
            while True:
                status, text = await prepull.status("--json")
                rows = json.loads(text) if text.startswith("[") else []
                by_tag = {row["reference"].rpartition(":")[2]: row for row in rows}
                if told(by_tag):
                    return status, by_tag
                await asyncio.sleep(0.3)

    return until


@pytest.fixture(scope="module")
async def hub(new_hub, repository):
    return await new_hub(
        "prepull",
        f"c.ImageMenu.offers = {OFFERS!r}\nc.ImageMenu.refresh_jitter = 0\n",
        JHKUBE_REPOSITORIES=repository.name,
        JHKUBE_MENU_INTERVAL="2",
        JHKUBE_MARK_READY="yes",
    )


def cores(text):
    """Return an amount of CPU as Kubernetes writes it, in cores."""
    return int(text[:-1]) / 1000 if text.endswith("m") else float(text)


def are(**states):
    return lambda rows: {tag: row["state"] for tag, row in rows.items()} == states


async def test_its_pods_go_where_labs_go_with_their_secrets(cluster):
    labs = Config()
    labs.KubeSpawner.namespace = "labs"
    labs.KubeSpawner.node_selector = {"pool": "labs"}
    labs.KubeSpawner.image_pull_secrets = ["one", {"name": "two"}]
    labs.JHKubeSpawner.tolerations = [{"key": "labs", "operator": "Exists"}]
    labs.JHKubeSpawner.sizes = [{"name": "gpu", "cores": 1, "memory": "1G", "node_selector": {"gpu": "yes"}}]
    settings = Prepuller(config=labs).settings
    wanted = {"gpu": "yes", "pool": "labs"}
    expressions = [{"key": key, "operator": "In", "values": [value]} for key, value in wanted.items()]
    assert settings.placement == Placement(
        ({"matchExpressions": expressions},), ({"key": "labs", "operator": "Exists"},)
    )
    assert (settings.namespace, settings.pull_secrets) == ("labs", ("one", "two"))

    own = Config(
        {"Prepuller": {"node_selector": {}, "tolerations": [], "image_pull_secrets": [], "namespace": "own"}}
    )
    settings = Prepuller(config=Config({**labs, **own})).settings
    assert settings.placement == Placement()
    assert (settings.namespace, settings.pull_secrets) == ("own", ())


async def test_status_says_that_no_prepuller_runs(prepull):
    status, text = await prepull.status()
    assert status == 1
    assert "no prepuller runs" in text


async def test_an_image_without_a_shell_comes_to_the_node(prepull, repository, until_status, apps, cluster):
    await repository.push_bare("w_2026_45", "recommended")
    prepull.start()
    status, rows = await until_status(are(w_2026_45="present"))
    assert status == 0
    assert rows["w_2026_45"]["image"].startswith(f"{repository.name}@sha256:")
    # A new DaemonSet would begin to pull on all nodes at once.
    revisions = (await apps.list_namespaced_controller_revision(cluster.namespace)).items
    pods = [each.data["spec"]["template"]["spec"] for each in sorted(revisions, key=lambda each: each.revision)]
    assert [len(pod.get("initContainers", ())) for pod in pods] == [0, 1]


async def test_what_is_newly_recommended_is_on_the_node_and_marked_and_starts_without_a_pull(
    prepull, repository, until_status, hub, someone, cluster
):
    person = await someone(hub, "guest-14")

    async def form():
        async with person.session.get(f"{hub.url}/hub/spawn") as answer:
            page = await answer.text()
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("<legend>Image")[2]))

    async def marked():
        # Not by the mark of the image below it.
        return re.search(r"Weekly 2026, week 46(?:(?!Weekly 2026).){0,120}ready on all nodes", await form())

    # It is in the form, and marked no sooner than it is on the node: meanwhile the prepuller can do nothing.
    prepull.process.send_signal(signal.SIGSTOP)
    try:
        digest = await repository.push_tiny("w_2026_46", "recommended")
        async with asyncio.timeout(240):
            while "Weekly 2026, week 46" not in await form():
                await asyncio.sleep(0.2)
        assert not await marked()
    finally:
        prepull.process.send_signal(signal.SIGCONT)
    pushed = asyncio.get_running_loop().time()
    await until_status(lambda rows: rows.get("w_2026_46", {}).get("state") == "present")
    async with asyncio.timeout(240):
        while not await marked():
            await asyncio.sleep(0.2)
    took = asyncio.get_running_loop().time() - pushed
    print(f"on the node and marked {took:.1f} s after the prepuller could know of it")

    await person.started(image="recommended")
    pod = await pod_of(cluster.core, cluster.namespace, "guest-14")
    assert pod.spec.containers[0].image == f"{repository.name}@{digest}"
    about, reasons = f"involvedObject.uid={pod.metadata.uid}", []
    async with asyncio.timeout(240):
        # kubelet says that it is there, in an event that may come after the start has ended.
        while "Pulled" not in reasons:
            await asyncio.sleep(0.2)
            events = await cluster.core.list_namespaced_event(cluster.namespace, field_selector=about)
            reasons = [event.reason for event in events.items]
    assert "Pulling" not in reasons


async def test_a_missing_image_is_left_out_for_a_while_and_holds_nothing_up(prepull, repository, until_status):
    missing = await repository.push_bare("w_2026_47")
    content = await repository.take_config_away(missing)
    await until_status(are(w_2026_46="present", w_2026_47="failed", w_2026_45="present"))
    await repository.push_bare("w_2026_48")
    status, rows = await until_status(are(w_2026_46="present", w_2026_48="present", w_2026_47="failed"))
    assert status == 1
    assert "not found" in rows["w_2026_47"]["why"]
    async with asyncio.timeout(240):
        # now and then it is tried again
        while not re.search(r"^\S+:w_2026_47 +\S+ +failed +.*tried again", (await prepull.status())[1], re.MULTILINE):
            await asyncio.sleep(0.2)
    assert "Leaving out" in prepull.log.read_text()

    await repository.put_back(content)
    status, _ = await until_status(lambda rows: rows.get("w_2026_47", {}).get("state") == "present")
    assert status == 0


async def test_a_daemon_set_that_somebody_deletes_is_made_anew(prepull, until_status, apps, cluster):
    before = await apps.read_namespaced_daemon_set("jhkube-prepull", cluster.namespace)
    await apps.delete_namespaced_daemon_set("jhkube-prepull", cluster.namespace)
    async with asyncio.timeout(240):
        while True:
            found = await apps.list_namespaced_daemon_set(cluster.namespace)
            if found.items and found.items[0].metadata.uid != before.metadata.uid:
                break
            await asyncio.sleep(0.2)
    status, _ = await until_status(are(w_2026_46="present", w_2026_48="present", w_2026_47="present"))
    assert status == 0


async def test_another_prepuller_of_the_same_name_leaves_it_alone(prepull, apps, cluster, owner, tmp_path):
    async with asyncio.timeout(240):
        # It has all its images, so that nothing but another prepuller would change it.
        while True:
            before = await apps.read_namespaced_daemon_set("jhkube-prepull", cluster.namespace)
            if len(before.spec.template.spec.init_containers or ()) == 3:
                break
            await asyncio.sleep(0.2)
    other = Command(tmp_path / "config.py", prepull.kubeconfig, tmp_path / "log")
    other.config.write_text(re.sub(r"c\.Prepuller\.deployment = .*", "", prepull.config.read_text()))
    other.start()
    assert await asyncio.to_thread(other.process.wait, 240) == 2
    said = other.log.read_text()
    assert f"belongs to the Deployment {owner}: give this prepuller a name of its own (c.Prepuller.name)" in said
    after = await apps.read_namespaced_daemon_set("jhkube-prepull", cluster.namespace)
    assert (after.metadata.uid, after.metadata.generation) == (before.metadata.uid, before.metadata.generation)


async def test_what_it_made_goes_with_it(prepull, apps, cluster):
    assert await prepull.end() == 0
    assert (await apps.list_namespaced_daemon_set(cluster.namespace)).items == []
    maps = await cluster.core.list_namespaced_config_map(cluster.namespace)
    assert "jhkube-prepull" not in {each.metadata.name for each in maps.items}


async def test_what_was_killed_goes_with_its_deployment(prepull, until_status, apps, cluster, owner):
    """And what an earlier one has left, which had no Deployment."""
    await cluster.core.create_namespaced_config_map(cluster.namespace, {"metadata": {"name": "jhkube-prepull"}})
    prepull.start()
    await until_status(lambda rows: bool(rows))
    await prepull.end(signal.SIGKILL)
    assert len((await apps.list_namespaced_daemon_set(cluster.namespace)).items) == 1
    helper = await cluster.core.read_namespaced_config_map("jhkube-prepull", cluster.namespace)
    assert set(helper.binary_data) == {"amd64", "arm64"}
    assert [each.name for each in helper.metadata.owner_references] == [owner]
    await apps.delete_namespaced_deployment(owner, cluster.namespace)
    async with asyncio.timeout(240):
        while (await apps.list_namespaced_daemon_set(cluster.namespace)).items or "jhkube-prepull" in {
            each.metadata.name for each in (await cluster.core.list_namespaced_config_map(cluster.namespace)).items
        }:
            await asyncio.sleep(0.3)


async def test_pods_that_are_not_let_in_are_said_in_the_log(repository, cluster, pause, monkeypatch, caplog):
    monkeypatch.setattr("jhkube.prepull.prepuller.FIRST_PODS", 3.0)
    config = Config()
    config.ImageMenu.repositories = [repository.name]
    config.JHKubeSpawner.namespace = cluster.namespace
    config.Prepuller = Config(name="not-let-in", pause_image=pause, priority_class_name="there-is-none")
    stop = asyncio.Event()
    running = asyncio.create_task(Prepuller(config=config, log=logging.getLogger("prepuller")).run(stop))
    async with asyncio.timeout(240):
        while "describe daemonset not-let-in" not in caplog.text:
            await asyncio.sleep(0.1)
    stop.set()
    await running


FORM_OF_A_HUB = """
import asyncio, logging
from kubespawner.clients import load_config
from jhkube.pod.nodes import Placement
from jhkube.watch.nodes import ReadyImages

async def main():
    load_config()
    logging.basicConfig()
    ready = ReadyImages(log=logging.getLogger(), placement=Placement())
    ready.begin()
    print(ready.has("any"))
    while not ready.is_loaded:
        await asyncio.sleep(0.1)
    print("loaded")

asyncio.run(main())
"""


async def test_a_hub_that_may_not_watch_nodes_says_so_once_and_marks_images_when_it_may(cluster, tmp_path):
    account = Account(cluster.core, cluster.namespace, f"marks-{secrets.token_hex(3)}")
    await account.make([], STATUS_RULES)
    server = client.Configuration.get_default_copy().host
    kubeconfig = await account.kubeconfig(tmp_path / "kubeconfig", server)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FORM_OF_A_HUB),
        env=os.environ | {"KUBECONFIG": str(kubeconfig)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(300):
            said = await process.stderr.readuntil(b"may not watch nodes")
            assert process.returncode is None
            watching = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]}]
            rbac = client.RbacAuthorizationV1Api(cluster.core.api_client)
            await rbac.patch_cluster_role(account.name, {"rules": watching})
            output, log = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
        await account.remove()
    assert output.decode().split() == ["False", "loaded"]
    assert (said + log).decode().count("may not watch nodes") == 1
    assert b"Traceback" not in log


async def test_its_account_may_do_what_it_does_and_nothing_else(listener):
    """Last, of all that it did in the tests before: the account had no other rights, and it used each."""
    allowed = {
        (group, resource, verb)
        for rule in (*RULES, *STATUS_RULES)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert listener.seen == allowed


@pytest.mark.alone
async def test_a_lab_that_needs_the_room_gets_it(prepull, repository, cluster, pause, until_status):
    """All of the node's room is taken, so no other test's pod may want any."""
    await repository.push_bare("w_2026_49")
    prepull.start()
    await until_status(lambda rows: rows.get("w_2026_49", {}).get("state") == "present")
    node = (await cluster.core.list_node()).items[0]
    pods = await cluster.core.list_pod_for_all_namespaces(
        field_selector="spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"
    )
    free = cores(node.status.allocatable["cpu"]) - sum(
        cores(container.resources.requests["cpu"])
        for pod in pods.items
        for container in pod.spec.containers
        if container.resources.requests and "cpu" in container.resources.requests
    )
    requests = {"cpu": f"{int(1000 * free) + 20}m"}
    container = {"name": "lab", "image": pause, "resources": {"requests": requests}}
    await cluster.core.create_namespaced_pod(
        cluster.namespace,
        {
            "metadata": {"name": "needy"},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        },
    )
    try:
        async with asyncio.timeout(240):
            while (await cluster.core.read_namespaced_pod("needy", cluster.namespace)).status.phase != "Running":
                await asyncio.sleep(0.3)
        # The image stays where it is; once the pod is gone, the node says so, which takes kubelet some seconds.
        status, _ = await until_status(lambda rows: rows.get("w_2026_49", {}).get("state") == "present")
        assert status == 0
    finally:
        # Else no other test's server has room.
        await cluster.core.delete_namespaced_pod("needy", cluster.namespace)
        assert await prepull.end() == 0

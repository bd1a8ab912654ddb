"""The Roles of our chart: all that the hub does works with them, and nothing that they allow is left unused."""

import asyncio

import pytest

from devcluster.settings import Settings
from tests.accounts import asked_by, features, granted, kubeconfig_of, rendered, rules_of
from tests.hubs import Person
from tests.pods import new_namespace, pod_of
from tests.waiting import until

HUB = ("servers", "tokenRenewal", "growingHomes", "registryAccount", "imageMarks", "ownSecrets", "homeLeases")
NAMESPACES = ("userNamespaces", "tokenRenewal", "growingHomes", "quotas")

RARE = {
    ("patch", "", "pods"),
    ("delete", "", "secrets"),
    ("patch", "", "secrets"),
    ("delete", "", "persistentvolumeclaims"),
    ("patch", "", "persistentvolumeclaims"),
    ("get", "storage.k8s.io", "storageclasses"),
}
"""What only growing homes, renewed tokens and leavers need: the Roles for one namespace show that it is used."""

noted = pytest.mark.skipif(
    Settings.load().external, reason="what an account has asked for is read from our own API server's audit log"
)


def unasked(enabled, namespace):
    """Return what the Roles of features allow and the hub's account has not asked for."""
    asked = {each.rule for each in asked_by("hub", namespace) if each.allowed}
    return set(rules_of(rendered(namespace, features(*enabled)))) - asked


def refused(namespace):
    """Return what the hub's account has asked for and may not; whoever asks for a review may do so."""
    return {each for each in asked_by("hub", namespace) if not each.allowed}


async def removed(core, namespace, name):
    """Return when a claim is gone."""
    async with asyncio.timeout(240):
        while name in [each.metadata.name for each in (await claims(core, namespace))]:
            await asyncio.sleep(0.2)


async def claims(core, namespace):
    return (await core.list_namespaced_persistent_volume_claim(namespace)).items


@pytest.fixture(scope="module")
async def account(cluster, tmp_path_factory):
    """A namespace in which the hub has an account with the Roles for one namespace: its name, and its kubeconfig."""
    namespace = f"{cluster.namespace}-rbac"
    await new_namespace(cluster.core, namespace)
    async with granted(*HUB, namespace=namespace):
        folder = tmp_path_factory.mktemp("account")
        yield namespace, str(await kubeconfig_of(cluster.core, "hub", namespace, folder))
    await cluster.core.delete_namespace(namespace)


@pytest.fixture(scope="module")
async def used(account, cluster, new_hub, github):
    """Everything that a hub does in one namespace, done by an account that may do just this."""
    namespace, kubeconfig = account
    core = cluster.core
    github.add_application(
        "Iv23account",
        "of-a-test",
        ["http://127.0.0.1:8000/hub/oauth_callback"],
        kind="github-app",
        token_lifetime=28_800,
    )
    github.world.set_organization("observatory", granted=["Iv23account"])
    docker = {
        "metadata": {"name": "registry-account"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": '{"auths": {}}'},
    }
    await core.create_namespaced_secret(namespace, docker)
    settings = {
        "KUBECONFIG": kubeconfig,
        "GITHUB_CLIENT_ID": "Iv23account",
        "GITHUB_CLIENT_SECRET": "of-a-test",
        "JHKUBE_AUTH_REFRESH_AGE": "1",
        "JHKUBE_NAMESPACE": namespace,
        "JHKUBE_REPOSITORIES": f"{cluster.registry}/tiny",
        "JHKUBE_ADMINS": "ada",
        "JHKUBE_MARK_READY": "true",
    }
    extra = f"c.ImageMenu.credentials_secret = '{namespace}/registry-account'\nc.JHKubeSpawner.own_secrets = True"
    extra += "\nc.JHKubeSpawner.hub_name = 'a'\nc.JHKubeSpawner.home_lease = True"
    hub = await new_hub("account", extra, JHKUBE_HOME_SIZE="10Mi", **settings)
    person, leaver, unlucky = [await hub.login(name) for name in ("guest-12", "guest-13", "guest-05")]
    ada: Person = await hub.login("ada")
    await asyncio.gather(person.started(), leaver.started())

    # A token is renewed.
    github.expire_tokens("guest-12")
    await asyncio.sleep(1.2)
    async with person.session.get(f"{hub.url}/hub/home") as answer:
        assert answer.status == 200
    await until(lambda: "has the renewed token" in hub.log)

    # A Secret was left over.
    name = f"{(await pod_of(core, namespace, 'guest-12')).metadata.name}.jhkube"
    await person.stop()
    async with asyncio.timeout(240):
        while name in [each.metadata.name for each in (await core.list_namespaced_secret(namespace)).items]:
            await asyncio.sleep(0.2)
    await core.create_namespaced_secret(namespace, {"metadata": {"name": name}})
    await person.started()
    await person.stop()

    # A person is deleted, and their home with them.
    (home,) = {
        each.persistent_volume_claim.claim_name
        for each in (await pod_of(core, namespace, "guest-13")).spec.volumes
        if each.persistent_volume_claim
    }
    await leaver.stop()
    status, _ = await ada.api("DELETE", "/users/guest-13")
    assert status == 204
    await removed(core, namespace, home)

    # A home is refused by a quota.
    quota = {"metadata": {"name": "no-more"}, "spec": {"hard": {"persistentvolumeclaims": "1"}}}
    await core.create_namespaced_resource_quota(namespace, quota)
    async with asyncio.timeout(240):
        while not (await core.read_namespaced_resource_quota("no-more", namespace)).status.hard:
            await asyncio.sleep(0.1)
    status, body = await unlucky.start()
    failed = body["message"] if status >= 400 else str(await unlucky.progress())
    for each in (person, leaver, unlucky, ada):
        await each.close()
    log = hub.log
    await hub.stop()

    # Homes may be larger now.
    larger = await new_hub("account-larger", extra, JHKUBE_HOME_SIZE="20Mi", **settings)
    person = await larger.login("guest-12")
    await person.started()
    await person.stop()
    await person.close()
    sizes = {each.spec.resources.requests["storage"] for each in await claims(core, namespace)}
    await larger.stop()
    return {"log": log, "failed": failed, "sizes": sizes, "larger": larger.log}


async def test_everything_that_the_hub_does_works_with_the_roles(used):
    assert "has the renewed token" in used["log"]
    assert "quota" in used["failed"]
    assert used["sizes"] == {"20Mi"}
    assert "Forbidden" not in used["larger"]


@noted
async def test_the_hub_asks_for_nothing_that_the_roles_do_not_allow(used, account):
    assert refused(account[0]) == set()


@noted
async def test_the_hub_uses_every_verb_of_the_roles(used, account):
    assert unasked(HUB, account[0]) == set()


@pytest.fixture(scope="module")
async def namespaces(cluster, tmp_path_factory, new_hub):
    """Servers in a namespace for each person, with ceilings that are quotas, by an account that may do just this."""
    namespace = f"{cluster.namespace}-many"
    await new_namespace(cluster.core, namespace)
    own = f"{namespace}-guest-04"
    async with granted(*NAMESPACES, namespace=namespace):
        folder = tmp_path_factory.mktemp("namespaces")
        kubeconfig = str(await kubeconfig_of(cluster.core, "hub", namespace, folder))
        hard = []
        for number, ceiling in enumerate(({"cores": 2}, {"cores": 3}, {})):
            extra = f"""
c.KubeSpawner.enable_user_namespaces = True
c.KubeSpawner.user_namespace_template = "{namespace}-{{username}}"
c.JHKubeSpawner.ceilings = {{"default": {ceiling}}}
c.JHKubeSpawner.ceilings_are_quotas = True
"""
            tiny = f"{cluster.registry}/tiny"
            hub = await new_hub(f"many-{number}", extra, KUBECONFIG=kubeconfig, JHKUBE_REPOSITORIES=tiny)
            person = await hub.login("guest-04")
            await person.started()
            quotas = (await cluster.core.list_namespaced_resource_quota(own)).items
            hard.append([dict(each.spec.hard) for each in quotas])
            await person.stop()
            await person.close()
            await hub.stop()
        yield namespace, hard
    for name in (namespace, own):
        await cluster.core.delete_namespace(name)


async def test_a_namespace_for_each_person_and_its_quota_work_with_the_cluster_roles(namespaces):
    assert namespaces[1] == [[{"limits.cpu": "2"}], [{"limits.cpu": "3"}], []]


@noted
async def test_the_hub_asks_for_nothing_that_the_cluster_roles_do_not_allow(namespaces):
    assert refused(namespaces[0]) == set()


@noted
async def test_the_hub_uses_the_verbs_of_the_cluster_roles(namespaces):
    assert unasked(NAMESPACES, namespaces[0]) == RARE

"""What the spawner itself decides: options, ceilings, claims, leftovers, tokens that are renewed."""

import asyncio
import base64
import json

import pytest
from kubernetes_asyncio.client import ApiException, StorageV1Api

from tests.pods import in_pod, pod_of

EXTRA = """
import asyncio
from pathlib import Path

# A refusal is the answer to the request, however busy the machine is.
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 45}

async def held(spawner, pod):
    while spawner.user.name == "guest-08" and Path("held").exists():
        await asyncio.sleep(0.1)
    return pod

c.JHKubeSpawner.modify_pod_hook = held
c.JHKubeSpawner.ceilings = {"default": {"cores": 3, "servers": 3}}
c.JHKubeSpawner.extra_mounts = [
    {"path": "/data", "claim": "one-at-a-time", "exclusive": True, "groups": ["telescope-ops"]},
]
c.ImageMenu.offers = [
    {"kinds": {"weekly": 2, "other": 2, "release": 2}, "default": ["1.0"], "all_tags": True},
    {"groups": ["telescope-ops"], "custom_images": [r"localhost:\\d+/[a-z]+:\\w+"]},
]
"""


@pytest.fixture(scope="module")
async def hub(new_hub, cluster):
    claim = {
        "metadata": {"name": "one-at-a-time"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
    }
    await cluster.core.create_namespaced_persistent_volume_claim(cluster.namespace, claim)
    return await new_hub("spawner", EXTRA, JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny {cluster.registry}/lab")


@pytest.mark.hub_versions
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": "huge"}, "There is no size 'huge' to choose; there are small, medium and large."),
        ({"size": 3}, "The option 'size' should be a text, not 3."),
        ({"size": ["small"]}, "The option 'size' should be a text"),
        ({"image": "w_2036_01"}, "There is no image 'w_2036_01' to choose"),
        ({"image": "<b>lab</b>"}, "There is no image '<b>lab</b>' to choose"),
        ({"image": {"$ne": ""}}, "The option 'image' should be a text"),
        ({"image": "x" * 100_000}, "at most 512 characters"),
        ({"profile": "../etc"}, "There is no profile '../etc' to choose"),
        ({"sise": "small"}, "There is no option 'sise'. Did you mean 'size'?"),
        ({"presets": "all"}, "The presets should be a list of names"),
        ({"debug": "yes"}, "should be true or false"),
        ({"image": "w_2026_46\nevil"}, "There is no image"),
    ],
)
async def test_a_wrong_option_is_a_400_with_a_sentence(hub, someone, options, sentence):
    person = await someone(hub, "guest-06")
    status, body = await person.start(**options)
    assert status == 400, body
    assert sentence in body["message"]


async def test_options_that_are_no_object_are_refused(hub, someone):
    person = await someone(hub, "guest-06")
    status, body = await person.api("POST", "/users/guest-06/server", json=["small"])
    assert status == 400, body


async def test_a_tag_found_by_search_runs_its_digest(hub, someone, cluster):
    person = await someone(hub, "guest-06")
    await person.started(image=f"{cluster.registry}/lab:exp_w_2026_46_solver")
    pod = await pod_of(cluster.core, cluster.namespace, "guest-06")
    assert pod.metadata.labels["jhkube/image-tag"] == "exp_w_2026_46_solver"
    assert "/lab@sha256:" in pod.spec.containers[0].image


async def test_a_custom_image_that_does_not_exist_is_an_answer_at_once(hub, someone, cluster):
    person = await someone(hub, "grace")
    status, body = await person.start(image=f"{cluster.registry}/tiny:nothing")
    assert status == 400
    assert "There is no such tag" in body["message"]
    status, body = await person.start(image=f"{cluster.registry}/tiny:a; rm -rf /")
    assert status == 400


@pytest.mark.hub_versions
async def test_a_link_to_an_image_of_ones_own_is_shown_in_the_form_and_starts_nothing(hub, someone, cluster):
    person = await someone(hub, "grace")
    image = f"{cluster.registry}/stranger:1"
    page = await (await person.follow(f"{hub.url}/hub/spawn?opt-image={image}")).text()
    assert "A link asks for" in page
    assert f'value="{image}"' in page
    _, body = await person.api("GET", "/users/grace")
    assert body["servers"] == {}


async def test_servers_over_a_ceiling_are_refused_in_numbers(hub, someone):
    person = await someone(hub, "guest-07")
    status, body = await person.start("", size="large")
    assert status == 400
    assert body["message"] == "This server asks for 4 cores; your limit is 3 cores. Choose a smaller size."
    await person.started("", size="medium")
    status, body = await person.start("second", size="medium")
    assert status == 400
    assert "2 cores" in body["message"]
    assert "your limit is 3 cores" in body["message"]
    await person.started("second", size="small")


async def test_a_claim_for_one_pod_at_a_time_says_who_has_it(hub, someone):
    one, other = await someone(hub, "ada"), await someone(hub, "maryam")
    await one.started()
    status, body = await other.start()
    assert status == 400
    assert "The volume one-at-a-time can be used by one server at a time" in body["message"]
    assert "the server of ada" in body["message"]
    await one.stop()
    await other.started()


async def test_a_claim_that_was_deleted_outside_is_made_again_and_the_person_is_told(hub, someone, cluster):
    person = await someone(hub, "guest-08")
    await person.started()
    claim = (await pod_of(cluster.core, cluster.namespace, "guest-08")).spec.volumes
    name = next(volume.persistent_volume_claim.claim_name for volume in claim if volume.persistent_volume_claim)
    await person.stop()
    await cluster.core.delete_namespaced_persistent_volume_claim(name, cluster.namespace)
    async with asyncio.timeout(240):
        while True:
            try:
                await cluster.core.read_namespaced_persistent_volume_claim(name, cluster.namespace)
            except ApiException:
                break
            await asyncio.sleep(0.2)
    # It goes on when somebody follows it.
    held = hub.folder / "held"
    held.touch()
    starting = asyncio.create_task(person.start())
    async with asyncio.timeout(240):
        while not await person.server():
            await asyncio.sleep(0.05)
    events = await person.progress(told=lambda event: held.unlink(missing_ok=True))
    await starting
    assert events[-1]["ready"]
    assert any("was deleted outside of the hub" in event.get("message", "") for event in events)


async def claim_of(cluster, name, subject=None):
    """Make the claim of a person's home, as somebody else would have: with whose it is, or without a word."""
    annotations = {"jhkube/subject": subject} if subject else {}
    claim = {
        "metadata": {"name": f"claim-{name}", "annotations": annotations},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
    }
    await cluster.core.create_namespaced_persistent_volume_claim(cluster.namespace, claim)


async def owner_of(cluster, name):
    claim = await cluster.core.read_namespaced_persistent_volume_claim(f"claim-{name}", cluster.namespace)
    return (claim.metadata.annotations or {}).get("jhkube/subject")


async def failure_of(person):
    status, body = await person.start()
    return body["message"] if status >= 400 else json.dumps(await person.progress())


async def test_a_claim_of_somebody_else_is_refused_until_it_is_handed_over(hub, someone, cluster, github):
    await claim_of(cluster, "guest-16", "github:4711")
    person = await someone(hub, "guest-16")
    assert "belongs to another account" in await failure_of(person)
    mine = f"github:{github.world.person('guest-16').id}"
    patch = {"metadata": {"annotations": {"jhkube/subject": mine}}}
    await cluster.core.patch_namespaced_persistent_volume_claim("claim-guest-16", cluster.namespace, patch)
    await person.started()


async def test_a_claim_that_does_not_say_whose_it_is_is_refused_or_adopted(hub, new_hub, someone, cluster, github):
    await claim_of(cluster, "guest-17")
    person = await someone(hub, "guest-17")
    assert "does not say whose it is" in await failure_of(person)
    adopting = await new_hub(
        "adopting", "c.JHKubeSpawner.adopt_claims = True", JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny"
    )
    person = await someone(adopting, "guest-17")
    await person.started()
    assert await owner_of(cluster, "guest-17") == f"github:{github.world.person('guest-17').id}"


async def test_what_a_start_makes_says_whose_it_is(hub, someone, cluster, github):
    person = await someone(hub, "guest-18")
    await person.started()
    mine = f"github:{github.world.person('guest-18').id}"
    pod = await pod_of(cluster.core, cluster.namespace, "guest-18")
    secret = await cluster.core.read_namespaced_secret(f"{pod.metadata.name}.jhkube", cluster.namespace)
    assert pod.metadata.annotations["jhkube/subject"] == secret.metadata.annotations["jhkube/subject"] == mine
    assert await owner_of(cluster, "guest-18") == mine


async def test_a_pod_and_a_secret_that_were_left_over_do_not_stand_in_the_way(hub, someone, cluster):
    person = await someone(hub, "guest-09")
    await person.started()
    first = await pod_of(cluster.core, cluster.namespace, "guest-09")
    await person.stop()
    name = first.metadata.name
    left = {
        "metadata": {"name": name, "labels": {"component": "singleuser-server"}},
        "spec": {
            "containers": [{"name": "notebook", "image": first.spec.containers[0].image, "command": ["sleep", "600"]}]
        },
    }
    await cluster.core.create_namespaced_pod(cluster.namespace, left)
    await cluster.core.create_namespaced_secret(
        cluster.namespace, {"metadata": {"name": f"{name}.jhkube"}, "stringData": {"passwd": "old"}}
    )
    await person.started()
    secret = await cluster.core.read_namespaced_secret(f"{name}.jhkube", cluster.namespace)
    assert "guest-09" in base64.b64decode(secret.data["passwd"]).decode()
    pod = await pod_of(cluster.core, cluster.namespace, "guest-09")
    assert secret.metadata.owner_references[0].uid == pod.metadata.uid


@pytest.mark.parametrize("after", [0.1, 0.6])
async def test_a_start_that_is_stopped_in_the_middle_can_be_started_again(hub, someone, after):
    person = await someone(hub, "guest-10")
    starting = asyncio.create_task(person.start())
    async with asyncio.timeout(240):
        while not await person.server():
            await asyncio.sleep(0.02)
    await asyncio.sleep(after)
    await person.stop()
    await starting
    await person.started()


async def test_a_new_token_reaches_the_running_pod(new_hub, github, someone, cluster):
    github.add_application(
        "Iv23expiring",
        "of-a-test",
        ["http://127.0.0.1:8000/hub/oauth_callback"],
        kind="github-app",
        token_lifetime=28_800,
    )
    github.world.set_organization("observatory", granted=["Iv23expiring"])
    hub = await new_hub(
        "renewing",
        GITHUB_CLIENT_ID="Iv23expiring",
        GITHUB_CLIENT_SECRET="of-a-test",
        JHKUBE_AUTH_REFRESH_AGE="1",
        JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny",
    )
    person = await someone(hub, "guest-11")
    await person.started()
    pod = await pod_of(cluster.core, cluster.namespace, "guest-11")
    read = "cat /etc/jhkube/token-*"
    before = await in_pod(cluster.namespace, pod.metadata.name, read)
    assert before.startswith("ghu_")
    github.expire_tokens("guest-11")
    await asyncio.sleep(1.2)
    # Any page of the hub: that is when the hub looks whether the login is still good.
    async with person.session.get(f"{hub.url}/hub/home") as answer:
        assert answer.status == 200
    async with asyncio.timeout(240):
        while (after := await in_pod(cluster.namespace, pod.metadata.name, read)) == before:
            await asyncio.sleep(0.5)
    assert after.startswith("ghu_")
    assert json.dumps(after) not in hub.log


async def test_a_claim_smaller_than_configured_grows_where_its_class_allows_it(new_hub, someone, cluster):
    storage = StorageV1Api(cluster.core.api_client)
    classes = (await storage.list_storage_class()).items
    default = "storageclass.kubernetes.io/is-default-class"
    kind = {
        "metadata": {"name": f"{cluster.namespace}-growing"},
        "provisioner": next(each.provisioner for each in classes if (each.metadata.annotations or {}).get(default)),
        "allowVolumeExpansion": True,
    }
    await storage.create_storage_class(kind)
    try:
        extra = f"c.KubeSpawner.storage_class = {kind['metadata']['name']!r}"
        tiny = {"JHKUBE_REPOSITORIES": f"{cluster.registry}/tiny"}
        small = await new_hub("small-homes", extra, JHKUBE_HOME_SIZE="10Mi", **tiny)
        person = await someone(small, "guest-14")
        await person.started()
        await person.stop()
        await small.stop()
        large = await new_hub("large-homes", extra, JHKUBE_HOME_SIZE="20Mi", **tiny)
        person = await someone(large, "guest-14")
        await person.started()
        pod = await pod_of(cluster.core, cluster.namespace, "guest-14")
        name = next(
            each.persistent_volume_claim.claim_name for each in pod.spec.volumes if each.persistent_volume_claim
        )
        claim = await cluster.core.read_namespaced_persistent_volume_claim(name, cluster.namespace)
        assert claim.spec.resources.requests["storage"] == "20Mi"
        async with asyncio.timeout(240):
            while claim.status.capacity["storage"] != "20Mi":
                await asyncio.sleep(0.2)
                claim = await cluster.core.read_namespaced_persistent_volume_claim(name, cluster.namespace)
        assert "Your home volume grows from" in large.log
    finally:
        await storage.delete_storage_class(kind["metadata"]["name"])


async def test_a_ceiling_is_a_quota_of_the_persons_own_namespace(new_hub, someone, cluster):
    template = f"{cluster.namespace}-{{username}}"
    hub = await new_hub(
        "namespaces",
        f"""
c.KubeSpawner.enable_user_namespaces = True
c.KubeSpawner.user_namespace_template = {template!r}
c.JHKubeSpawner.ceilings = {{"default": {{"cores": 2, "servers": 1}}}}
c.JHKubeSpawner.ceilings_are_quotas = True
""",
        JHKUBE_REPOSITORIES=f"{cluster.registry}/tiny",
    )
    person = await someone(hub, "guest-15")
    await person.started()
    namespace = f"{cluster.namespace}-guest-15"
    try:
        quotas = await cluster.core.list_namespaced_resource_quota(namespace)
        assert [dict(quota.spec.hard) for quota in quotas.items] == [{"limits.cpu": "2", "pods": "1"}]
        pod = await pod_of(cluster.core, namespace, "guest-15")
        assert pod.status.phase == "Running"
        await person.stop()
        another = {"metadata": {"annotations": {"jhkube/subject": "github:4711"}}}
        await cluster.core.patch_namespace(namespace, another)
        assert f"The namespace {namespace} has your name" in await failure_of(person)
    finally:
        await person.stop()
        await cluster.core.delete_namespace(namespace)

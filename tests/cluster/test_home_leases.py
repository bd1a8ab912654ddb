"""The Lease of a home at the real API server: two hubs at once, slow hubs, pods that are gone, refusals."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from kubernetes_asyncio.client import ApiException, CoordinationV1Api
from traitlets.config import Config

from jhkube import home_leases
from jhkube.home_leases import HomeInUse, drop_reservation, last_hub, take_home
from jhkube.identity import AUTH_STATE_KEY, UserIdentity
from jhkube.pod.home_lease import HomeLease, HomePod, lease_name
from jhkube.spawner import JHKubeSpawner
from jhkube.spawner_options import StartRefused
from tests.cluster.api_proxy import refusal

NOWHERE = {"spec": {"nodeSelector": {"nowhere": "yes"}, "containers": [{"name": "pod", "image": "pod"}]}}


class World:
    """One home, and hubs that want it."""

    def __init__(self, proxied, key):
        self.proxied, self.namespace = proxied, proxied.namespace
        self.home = HomeLease(lease_name(key), key, "github:1", "", frozenset())

    def start(self, hub, uid=""):
        return HomePod(self.namespace, f"jupyter-{hub}-ada", uid)

    async def take(self, hub, uid=""):
        await take_home(self.proxied.api, self.namespace, replace(self.home, hub=hub), self.start(hub, uid))

    async def make_pod(self, hub):
        """Make a pod that no node takes; return its uid."""
        made = await self.proxied.core.create_namespaced_pod(
            self.namespace, {"metadata": {"name": self.start(hub).name}, **NOWHERE}
        )
        return made.metadata.uid

    async def remove_pod(self, hub):
        await self.proxied.core.delete_namespaced_pod(self.start(hub).name, self.namespace, grace_period_seconds=0)

    async def lease(self):
        return await self.leases.read_namespaced_lease(self.home.name, self.namespace)

    async def pods(self):
        return json.loads((await self.lease()).metadata.annotations["jhkube/home-pods"])

    @property
    def leases(self):
        return CoordinationV1Api(self.proxied.core.api_client)

    async def age(self):
        """Let the Lease be old: longer ago than any start takes."""
        patch = {"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}}
        await self.leases.patch_namespaced_lease(self.home.name, self.namespace, patch)


@pytest.fixture
def world(proxied, request, monkeypatch):
    monkeypatch.setattr(home_leases, "shared_client", lambda name: CoordinationV1Api(proxied.api.api_client))
    return World(proxied, f"claim/{proxied.namespace}/{request.node.name}")


async def test_of_many_hubs_that_ask_at_once_one_has_the_home(world):
    hubs = [f"hub-{number}" for number in range(8)]
    taken = await asyncio.gather(*(world.take(hub) for hub in hubs), return_exceptions=True)
    (winner,) = [hub for hub, error in zip(hubs, taken, strict=True) if error is None]
    assert (await world.lease()).spec.holder_identity == winner
    refused = [error for error in taken if error is not None]
    assert {type(error) for error in refused} == {HomeInUse}
    assert {error.hub for error in refused} == {winner}
    assert all(0 < error.seconds <= 120 for error in refused)


async def test_a_hub_that_was_too_slow_does_not_get_the_home_back(world):
    await world.take("a")
    uid = await world.make_pod("a")
    await world.age()
    await world.take("b")
    with pytest.raises(HomeInUse) as refused:
        await world.take("a", uid)
    assert refused.value.hub == "b"
    # Nor can it once the other one has its pod, however long ago that was.
    await world.take("b", await world.make_pod("b"))
    await world.age()
    with pytest.raises(HomeInUse) as refused:
        await world.take("a", uid)
    assert (refused.value.hub, refused.value.seconds, refused.value.is_ending) == ("b", 0, False)


async def test_a_home_is_free_when_the_pod_that_had_it_is_gone_and_no_sooner(world):
    await world.take("a")
    await world.take("a", await world.make_pod("a"))
    await world.age()
    with pytest.raises(HomeInUse):
        await world.take("b")
    await world.remove_pod("a")
    # A pod of that name which is not the one that had the home has it not.
    await world.make_pod("a")
    await world.take("b")
    assert await last_hub(world.namespace, world.home.name) == "b"
    assert (await world.lease()).spec.lease_transitions == 1


async def test_a_pod_from_before_that_its_hub_forgot_keeps_the_home(world):
    await world.take("a")
    uid = await world.make_pod("a")
    await world.take("a", uid)
    # The hub has lost its database, starts again, and dies before it has removed the pod.
    await world.take("a")
    await world.age()
    with pytest.raises(HomeInUse):
        await world.take("b")
    assert sorted(each[2] for each in await world.pods()) == ["", uid]


async def test_several_servers_of_one_hub_share_the_home_until_the_last_is_gone(world):
    await world.take("a", await world.make_pod("a"))
    second = HomePod(world.namespace, "jupyter-a-ada--second", "")
    await take_home(world.proxied.api, world.namespace, replace(world.home, hub="a"), second)
    assert len(await world.pods()) == 2
    await world.remove_pod("a")
    with pytest.raises(HomeInUse):
        await world.take("b")
    # Its start has failed.
    await drop_reservation(world.namespace, replace(world.home, hub="a"), second)
    await world.take("b")
    await drop_reservation(world.namespace, replace(world.home, hub="a"), second)
    assert await last_hub(world.namespace, world.home.name) == "b"


async def test_a_change_in_between_is_seen(world):
    await world.take("a")
    world.proxied.proxy.fail("PUT", world.home.name, refusal(409, reason="Conflict", times=2))
    await world.take("a", "0-1")
    world.proxied.proxy.fail("PUT", world.home.name, refusal(409, reason="Conflict", times=100))
    with pytest.raises(TimeoutError, match="changes all the time"):
        await world.take("a", "0-2")


async def test_where_the_api_server_refuses_or_the_lease_says_nothing_no_home_is_free(world):
    world.proxied.proxy.fail("GET", world.home.name, refusal(403, reason="Forbidden"))
    with pytest.raises(ApiException) as refused:
        await world.take("a")
    assert refused.value.status == 403
    await world.take("a", await world.make_pod("a"))
    world.proxied.proxy.fail("GET", "pods", refusal(403, reason="Forbidden"))
    with pytest.raises(ApiException):
        await world.take("b")
    patch = {"metadata": {"annotations": {"jhkube/home-pods": "none"}}}
    await world.leases.patch_namespaced_lease(world.home.name, world.namespace, patch)
    with pytest.raises(ValueError, match="was not written by jhkube"):
        await world.take("b")


async def test_a_pod_that_a_killed_hub_has_not_named_gets_no_secret_while_another_hub_has_the_home(
    world, monkeypatch
):
    api, core, namespace = world.proxied.api, world.proxied.core, world.namespace
    # The hub that was killed is back: it knows of no start, and of the pod by the cluster alone.
    uid = await world.make_pod("a")
    annotations = {"jhkube/subject": "github:1"}
    metadata = {"name": "jupyter-a-ada", "namespace": namespace, "uid": uid, "annotations": annotations}
    pods = {f"{namespace}/jupyter-a-ada": {"metadata": metadata}}
    monkeypatch.setattr(JHKubeSpawner, "reflectors", {("pods", namespace): SimpleNamespace(pods=pods)})
    spawner = JHKubeSpawner(
        _mock=True,
        config=Config({"JHKubeSpawner": {"namespace": namespace, "hub_name": "a", "home_lease": True}}),
        user=SimpleNamespace(name="ada", id=1, url="/user/ada/", groups=()),
        hub=SimpleNamespace(public_host="", url="", base_url="", api_url=""),
    )
    spawner.api = api
    identity = UserIdentity("ada", 7001, 7001, "github:1")
    key = f"claim/{namespace}/claim-ada"
    world.home = HomeLease(lease_name(key), key, identity.subject, "", frozenset())
    await world.take("b")
    # An account that may not patch Secrets makes them again.
    world.proxied.proxy.fail("PATCH", "jupyter-a-ada.jhkube", refusal(403, reason="Forbidden", times=2))
    renewed = {AUTH_STATE_KEY: identity.to_dict(), "access_token": "gho_x"}
    with pytest.raises(StartRefused):
        await spawner.renew_token(renewed)
    # Secrets of other tests' pods go some time after these.
    named = {"field_selector": "metadata.name=jupyter-a-ada.jhkube"}
    assert not (await core.list_namespaced_secret(namespace, **named)).items
    assert (await world.lease()).spec.holder_identity == "b"

    await drop_reservation(namespace, replace(world.home, hub="b"), world.start("b"))
    await spawner.renew_token(renewed)
    (secret,) = (await core.list_namespaced_secret(namespace, **named)).items
    assert secret.metadata.owner_references[0].uid == uid
    assert await world.pods() == [[namespace, "jupyter-a-ada", uid]]
    await core.delete_namespaced_secret(secret.metadata.name, namespace)

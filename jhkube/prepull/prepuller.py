"""The menu's images, on the nodes before anybody asks.

One DaemonSet has the images as init containers, so that kubelet pulls them, one after the other. Kubernetes does the
rest: it runs the DaemonSet on nodes that join, and keeps the images there. The prepuller follows the menu, updates
the DaemonSet when the menu changes, leaves out for a while what cannot be pulled, and deletes everything at its end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from kubernetes_asyncio.client import ApiException
from kubespawner.clients import shared_client

from jhkube.images.menu import ImageMenu
from jhkube.kube import API_ERRORS, CONFLICT, NOT_FOUND, error_text, own_namespace
from jhkube.pod.nodes import Placement
from jhkube.prepull.config import PrepullerConfig
from jhkube.prepull.manifests import (
    HASH_ANNOTATION,
    HELPERS,
    PLAN_ANNOTATION,
    PrepullSettings,
    daemon_set,
    helper_config_map,
    selector,
)
from jhkube.prepull.observed import observed
from jhkube.prepull.plan import Backoffs, Plan, PulledImage, plan_of, wanted_images
from jhkube.spawner import JHKubeSpawner
from jhkube.watch.reflectors import DaemonSetReflector, WakingPodReflector

__all__ = ["RULES", "STATUS_RULES", "Prepuller", "PrepullerError", "other_owner"]

RULES: Final = (
    {"apiGroups": ["apps"], "resources": ["daemonsets"], "verbs": ["create", "delete", "list", "update", "watch"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "delete", "update"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
)
"""The rules of the Role that the prepuller needs in the namespace of its pods. The last is for `deployment`."""

STATUS_RULES: Final = ({"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]},)
"""The rules of the ClusterRole that `jhkube prepull --status` also needs."""

SETTLING: Final = 0.5
"""Seconds in which changes are put together: a rollout changes hundreds of pods."""

FIRST_PODS: Final = 60.0
"""Seconds for which the pods of a new DaemonSet are waited for before images are added to it in any case."""

LONGEST_DELAY: Final = 60.0
"""The longest delay, in seconds, before an API server that refused is asked again."""


class PrepullerError(Exception):
    """What keeps the prepuller from its work; the message is for the operator."""


class Prepuller(PrepullerConfig):
    """Keeps the first images of the menu on every node that labs can run on.

    It is created while an event loop runs.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Not the hub's cache, and nobody reads descriptions here.
        self.menu = ImageMenu(config=self.config, cache_file="", describe_images=False)
        labs = JHKubeSpawner(_mock=True, config=self.config)
        self.settings = self._pod_settings(labs)
        self._backoffs = Backoffs(self.retry_after)
        self._wake = asyncio.Event()
        self._first_pods_until = 0.0
        self._complete = False

    def _pod_settings(self, labs: JHKubeSpawner) -> PrepullSettings:
        """Return how the pods are made: as the labs are, but for what is configured here."""
        placement = labs.placement()
        if self.node_selector is not None:
            conditions = [{"key": k, "operator": "In", "values": [v]} for k, v in sorted(self.node_selector.items())]
            terms = ({"matchExpressions": conditions},) if conditions else ()
            placement = replace(placement, terms=terms)
        if self.tolerations is not None:
            placement = Placement(placement.terms, tuple(self.tolerations))
        architecture = self.architecture or self.menu.platform.partition("/")[2]
        if architecture not in HELPERS:
            raise PrepullerError(
                f"c.ImageMenu.platform is {self.menu.platform!r}: the prepuller works only for nodes of"
                f" {' or '.join(f'linux/{each}' for each in HELPERS)}"
            )
        secrets = [each["name"] if isinstance(each, Mapping) else each for each in labs.image_pull_secrets]
        return PrepullSettings(
            name=self.name,
            namespace=self.namespace or (own_namespace() if labs.enable_user_namespaces else labs.namespace),
            placement=placement,
            architecture=architecture,
            nodes_at_once=self.nodes_at_once,
            pause_image=self.pause_image,
            pull_secrets=tuple(secrets if self.image_pull_secrets is None else self.image_pull_secrets),
            priority_class=self.priority_class_name,
            resources=self.resources,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the images on the nodes until `stop` is set, and then remove what was made for it.

        Raises
        ------
        PrepullerError
            Where it cannot begin: no menu is configured, or the API server refuses what it needs.
        """
        if not self.menu.repositories:
            raise PrepullerError("c.ImageMenu.repositories is empty: there is no menu")
        where: dict[str, Any] = {"parent": self, "namespace": self.settings.namespace, "wake": self._wake}
        daemon_sets = DaemonSetReflector(**where, fields={"metadata.name": self.name})
        pods = WakingPodReflector(**where, labels=selector(self.name))
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        self.menu.on_change(lambda _: self._wake.set())
        try:
            await self._begin(daemon_sets, pods)
            self.menu.start()
            await self._keep(stop, daemon_sets, pods)
        finally:
            stopping.cancel()
            await asyncio.gather(self.menu.stop(), daemon_sets.stop(), pods.stop())
        try:
            await remove(self.settings)
        except API_ERRORS as error:
            raise PrepullerError(f"the DaemonSet {self._key} could not be deleted: {error_text(error)}") from None
        self.log.info("Removed the DaemonSet %s", self._key)

    async def _begin(self, daemon_sets: DaemonSetReflector, pods: WakingPodReflector) -> None:
        try:
            if self.deployment:
                owner = await owner_reference(self.deployment, self.settings.namespace)
                self.settings = replace(self.settings, owner=owner)
            await daemon_sets.start()
            await daemon_sets.loaded()
            await pods.start()
            await pods.loaded()
        except API_ERRORS as error:
            what = f"the prepuller cannot start in the namespace {self.settings.namespace}"
            raise PrepullerError(f"{what}: {error_text(error)}") from None
        # Two prepullers that write the same object would undo each other's work, and restart all pods each time.
        if other := other_owner(daemon_sets.daemon_sets.get(self._key), self.settings.owner):
            raise PrepullerError(
                f"the DaemonSet {self._key} belongs to the {other}: give this prepuller a name of its own"
                " (c.Prepuller.name), or say that it is the same (c.Prepuller.deployment)"
            )

    @property
    def _key(self) -> str:
        return f"{self.settings.namespace}/{self.settings.name}"

    async def _keep(self, stop: asyncio.Event, daemon_sets: DaemonSetReflector, pods: WakingPodReflector) -> None:
        """Bring the DaemonSet up to date at each change of the menu and of the cluster."""
        failures = 0
        while not stop.is_set():
            self._wake.clear()
            try:
                delay = await self._reconcile(daemon_sets.daemon_sets.get(self._key), pods)
                failures = 0
            except API_ERRORS as error:
                failures += 1
                delay = min(LONGEST_DELAY, 2.0**failures)
                if failures == 1 or failures % 10 == 0:
                    self.log.error(
                        "Could not update the DaemonSet %s: %s; trying again", self._key, error_text(error)
                    )
            try:
                await asyncio.wait_for(self._wake.wait(), delay)
            except TimeoutError:
                continue
            if not stop.is_set():
                await asyncio.sleep(SETTLING)

    async def _reconcile(self, current: Mapping[str, Any] | None, pods: WakingPodReflector) -> float | None:
        """Write the DaemonSet where it is not as it should be; return in how many seconds to look again."""
        if self.menu.current.refreshed_at is None:
            # The registry has not answered yet: what is there stays.
            return None
        now = time.time()
        wanted = wanted_images(self.menu.current, self.menu.rules, self.count, self.groups)
        self._note_failures(pods, wanted, now)
        if current is None:
            # Without images at first: a new DaemonSet begins on all nodes at once, a changed one on some at a time.
            await write(self.settings, Plan(), None)
            self._first_pods_until = now + FIRST_PODS
            return FIRST_PODS
        if self._first_pods_until and not is_rolled_out(current):
            if now < self._first_pods_until:
                return self._first_pods_until - now
            self.log.warning(
                "Not all pods of the DaemonSet %s run, although there is no image to pull yet: see"
                " `kubectl -n %s describe daemonset %s`. Continuing with the others",
                *(self._key, self.settings.namespace, self.settings.name),
            )
        self._first_pods_until = 0.0
        plan = plan_of(wanted, self._backoffs.by_image, now)
        if await write(self.settings, plan, current):
            self._complete = False
            self.log.info("Pulling to the nodes: %s", ", ".join(each.reference for each in plan.images) or "nothing")
        elif not self._complete and is_rolled_out(current) and _plan_text(current) == plan.to_json():
            self._complete = True
            count = current.get("status", {}).get("desiredNumberScheduled", 0)
            self.log.info("All images are on the nodes: %d images, %d nodes", len(plan.images), count)
        return self._backoffs.next_look(self.patience, now)

    def _note_failures(self, pods: WakingPodReflector, wanted: tuple[PulledImage, ...], now: float) -> None:
        live = (pod for pod in pods.pods.values() if not pod["metadata"].get("deletionTimestamp"))
        references = {each.image: each.reference for each in wanted}
        for image in self._backoffs.note((observed(pod, self.patience) for pod in live), references, now):
            backoff = self._backoffs.by_image[image]
            self.log.warning(
                "Leaving out %s (%s) until %s: %s", references[image], image, backoff.until_text, backoff.why
            )


def _plan_text(daemon_set: Mapping[str, Any]) -> str:
    return str((daemon_set["metadata"].get("annotations") or {}).get(PLAN_ANNOTATION))


async def owner_reference(deployment: str, namespace: str) -> dict[str, Any]:
    """Return a Deployment as an owner of other objects.

    Raises
    ------
    ApiException
        Where there is none, or it may not be read.
    """
    found = await shared_client("AppsV1Api").read_namespaced_deployment(deployment, namespace)
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment, "uid": found.metadata.uid}


async def write(settings: PrepullSettings, plan: Plan, current: Mapping[str, Any] | None) -> bool:
    """Make the DaemonSet what the plan says; whether anything had to be changed.

    Parameters
    ----------
    settings, plan
        What is to be.
    current
        The DaemonSet that there is, as the API's JSON.

    Raises
    ------
    ApiException
        Where the API server refuses.
    """
    desired = daemon_set(settings, plan)
    before = (current or {"metadata": {}})["metadata"].get("annotations") or {}
    if before.get(HASH_ANNOTATION) == desired["metadata"]["annotations"][HASH_ANNOTATION]:
        return False
    core, helper = shared_client("CoreV1Api"), helper_config_map(settings)
    try:
        await core.create_namespaced_config_map(settings.namespace, helper)
    except ApiException as error:
        if error.status != CONFLICT:
            raise
        # One that an earlier prepuller left may have another owner, and would go with that.
        await core.replace_namespaced_config_map(settings.name, settings.namespace, helper)
    apps = shared_client("AppsV1Api")
    if current is None:
        await apps.create_namespaced_daemon_set(settings.namespace, desired)
    else:
        await apps.replace_namespaced_daemon_set(settings.name, settings.namespace, desired)
    return True


async def remove(settings: PrepullSettings) -> None:
    """Delete the DaemonSet, with its pods, and the ConfigMap; what is gone already is no error."""
    for delete in (
        shared_client("AppsV1Api").delete_namespaced_daemon_set,
        shared_client("CoreV1Api").delete_namespaced_config_map,
    ):
        try:
            await delete(settings.name, settings.namespace)
        except ApiException as error:
            if error.status != NOT_FOUND:
                raise


def other_owner(daemon_set: Mapping[str, Any] | None, owner: Mapping[str, Any] | None) -> str | None:
    """Return what a DaemonSet, as the API's JSON, belongs to, where that is not `owner`: `Deployment hub-b`.

    By name: a Deployment that was created again takes over what the one before has left.
    """
    mine = (owner["kind"], owner["name"]) if owner else None
    owners = (daemon_set or {"metadata": {}})["metadata"].get("ownerReferences") or ()
    others = [f"{each['kind']} {each['name']}" for each in owners if (each["kind"], each["name"]) != mine]
    return next(iter(others), None)


def is_rolled_out(daemon_set: Mapping[str, Any]) -> bool:
    """Whether all pods of a DaemonSet, as the API's JSON, are those of its last change, and run."""
    status = daemon_set.get("status") or {}
    wanted = int(status.get("desiredNumberScheduled", 0))
    return (
        int(status.get("observedGeneration", 0)) >= int(daemon_set["metadata"].get("generation", 1))
        and int(status.get("updatedNumberScheduled", 0)) >= wanted
        and int(status.get("numberAvailable", 0)) >= wanted
    )

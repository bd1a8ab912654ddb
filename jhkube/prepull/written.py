"""The prepuller's objects at the API server: created, replaced and removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes_asyncio.client import ApiException
from kubespawner.clients import shared_client

from jhkube.kube import CONFLICT, NOT_FOUND
from jhkube.prepull.manifests import HASH_ANNOTATION, PodSettings, daemon_set, helper_config_map
from jhkube.prepull.plan import Plan

__all__ = ["is_rolled_out", "other_owner", "owner_reference", "remove", "write"]


async def owner_reference(deployment: str, namespace: str) -> dict[str, Any]:
    """Return a Deployment as an owner of other objects.

    Raises
    ------
    ApiException
        Where there is none, or it may not be read.
    """
    found = await shared_client("AppsV1Api").read_namespaced_deployment(deployment, namespace)
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment, "uid": found.metadata.uid}


async def write(settings: PodSettings, plan: Plan, current: Mapping[str, Any] | None) -> bool:
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


async def remove(settings: PodSettings) -> None:
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

    By name: a Deployment that was made anew takes over what the one before has left.
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

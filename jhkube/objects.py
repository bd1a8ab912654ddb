"""The objects next to a pod, at the API server: its Secret, its claim, a namespace's quota."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from kubernetes_asyncio.client import ApiException, V1Pod, V1ResourceQuota, V1Secret
from kubespawner.clients import shared_client
from kubespawner.slugs import is_valid_label, safe_slug

from jhkube.cluster_accounts import ClusterAccount, Right, access_review, is_allowed, is_denied
from jhkube.identity import made_for
from jhkube.kube import API_ERRORS, FORBIDDEN, NOT_FOUND, plain_answer, plain_items
from jhkube.pod.own_secrets import list_name, object_name, secrets_in
from jhkube.pod.secret import SecretFiles, secret_manifest, secret_name, secret_patch
from jhkube.pod.volume_claims import ALONE_ANNOTATION, ClaimAction, ClaimPlan, claim_action, owner_patch
from jhkube.watch.admission import exists_already, is_momentary

__all__ = [
    "HomeRefused",
    "claim_plan",
    "create_secret",
    "delete_own_secrets",
    "delete_secret",
    "ensure_object",
    "grow_claim",
    "lacking_rights",
    "mark_claim",
    "own_disks",
    "owner_of_namespace",
    "pod_defaults",
    "read_claim",
    "read_list_of_secrets",
    "remove_quota",
    "renew_secret",
    "set_quota",
]


class HomeRefused(ValueError):
    """A home that cannot be used, in a sentence for the person."""


async def ensure_object(api: Any, kind: str, namespace: str, manifest: Any, timeout: float) -> None:
    """Create an object of a namespace, unless there is one of its name.

    Parameters
    ----------
    kind
        As the client's methods have it: `persistent_volume_claim`.
    timeout
        How long to wait for the API server, in seconds.
    """
    create = getattr(api, f"create_namespaced_{kind}")
    try:
        await plain_answer(create, namespace, manifest, _request_timeout=timeout)
    except ApiException as error:
        if exists_already(error):
            return
        if (
            is_momentary(error)
            or error.status != FORBIDDEN
            or not await _is_there(api, kind, namespace, manifest.metadata.name)
        ):
            raise


async def _is_there(api: Any, kind: str, namespace: str, name: str) -> bool:
    """Whether an object exists: a quota that is used up refuses a request before its name is looked at."""
    try:
        await plain_answer(getattr(api, f"read_namespaced_{kind}"), name, namespace)
    except ApiException as error:
        if error.status in (FORBIDDEN, NOT_FOUND):
            return False
        raise
    return True


async def create_secret(api: Any, namespace: str, secret: V1Secret) -> None:
    """Create a pod's Secret, in the place of one that an earlier pod has left."""
    try:
        await plain_answer(api.create_namespaced_secret, namespace, secret)
    except ApiException as error:
        if not exists_already(error):
            raise
        # Kubernetes would collect it some time after its pod has gone.
        await replace_secret(api, namespace, secret)


async def replace_secret(api: Any, namespace: str, secret: V1Secret) -> None:
    """Delete a Secret and create it again: for an account that may not patch Secrets, as in z2jh.

    Kubelet keeps the files of a volume whose Secret is gone for a moment.
    """
    await delete_secret(api, namespace, secret.metadata.name)
    await plain_answer(api.create_namespaced_secret, namespace, secret)


async def delete_secret(api: Any, namespace: str, name: str) -> None:
    """Delete a Secret, if there is one."""
    try:
        await plain_answer(api.delete_namespaced_secret, name, namespace)
    except ApiException as error:
        if error.status != NOT_FOUND:
            raise


async def renew_secret(
    api: Any, pod: V1Pod, files: SecretFiles, may_run: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Bring a running pod's Secret to these files, and have kubelet see it.

    Parameters
    ----------
    api
        The API server.
    pod
        The pod with its name, namespace, labels, annotations and uid.
    files
        What the Secret is to hold.
    may_run
        Called before a Secret is created: with it the pod could run for the first time. What it raises is passed on.
    """
    namespace = pod.metadata.namespace
    try:
        await api.patch_namespaced_secret(
            secret_name(pod.metadata.name), namespace, secret_patch(files, pod.metadata.uid)
        )
    except ApiException as error:
        if error.status != FORBIDDEN:
            raise
        if may_run is not None:
            await may_run()
        await replace_secret(api, namespace, secret_manifest(pod, files))
    # Kubelet looks at a pod's Secrets once in a minute or so, and at once when the pod itself has changed.
    renewed = {
        "metadata": {"annotations": {"jhkube/secret-renewed": datetime.now(UTC).isoformat(timespec="seconds")}}
    }
    try:
        await api.patch_namespaced_pod(pod.metadata.name, namespace, renewed)
    except ApiException as error:
        if error.status not in (FORBIDDEN, NOT_FOUND):
            raise


async def lacking_rights(
    account: ClusterAccount, namespace: str, rights: Iterable[Right], *, surely: bool = False
) -> list[Right]:
    """Return those rights that the cluster does not give to a person themselves in a namespace.

    Parameters
    ----------
    account
        Who the person is to the cluster.
    namespace
        Where they need the rights.
    rights
        What they need.
    surely
        Whether only a sure no counts, as where it ends something. By default whatever is no clear yes is a no.

    Raises
    ------
    ApiException
        Where the API server does not answer the question, as where the hub's account may not ask it.
    """
    api: Any = shared_client("AuthorizationV1Api")
    rights = tuple(rights)
    answers = await asyncio.gather(
        *(plain_answer(api.create_subject_access_review, access_review(account, namespace, each)) for each in rights)
    )
    return [
        right
        for right, answer in zip(rights, answers, strict=True)
        if (is_denied(answer) if surely else not is_allowed(answer))
    ]


async def claim_plan(
    existing: Mapping[str, Any] | None, wanted: str, *, known: bool, subject: str, adopts: bool
) -> ClaimPlan:
    """Return what is to be done about a person's claim; its class is asked for only where the claim is too small.

    Raises
    ------
    HomeRefused
        Where the claim cannot be used.
    """
    plan = partial(claim_action, existing, wanted, known=known, subject=subject, adopts=adopts)
    found = plan()
    if existing is not None and found.action is ClaimAction.KEEP and found.warning:
        found = plan(expandable=await _is_expandable(existing))
    if found.action is ClaimAction.REFUSE:
        raise HomeRefused(found.warning)
    return found


async def _is_expandable(claim: Mapping[str, Any]) -> bool | None:
    """Whether a claim's class lets it grow; None where the hub may not know."""
    name = claim["spec"].get("storageClassName")
    if not name:
        return False
    try:
        storage_class = await shared_client("StorageV1Api").read_storage_class(name)
    except ApiException as error:
        if error.status == FORBIDDEN:
            return None
        if error.status == NOT_FOUND:
            return False
        raise
    return bool(storage_class.allow_volume_expansion)


async def grow_claim(api: Any, namespace: str, name: str, patch: Mapping[str, Any]) -> str:
    """Send the patch that makes a claim ask for more; return a sentence for the person where the hub may not."""
    try:
        await api.patch_namespaced_persistent_volume_claim(name, namespace, patch)
    except ApiException as error:
        if error.status != FORBIDDEN:
            raise
        return "It stays as large as it is: the hub is not allowed to change claims."
    return ""


async def mark_claim(api: Any, namespace: str, name: str, subject: str) -> bool:
    """Write on a claim whose it is; return False where the hub may not."""
    try:
        await api.patch_namespaced_persistent_volume_claim(name, namespace, owner_patch(subject))
    except ApiException as error:
        if error.status != FORBIDDEN:
            raise
        return False
    return True


async def read_claim(api: Any, namespace: str, name: str) -> dict[str, Any] | None:
    """Return a claim as the API server has it, or None where it has none."""
    try:
        answer = await plain_answer(api.read_namespaced_persistent_volume_claim, name, namespace)
    except ApiException as error:
        if error.status != NOT_FOUND:
            raise
        return None
    return dict(json.loads(answer))


async def own_disks(
    api: Any, namespace: str, user: str, subject: str, timeout: float, *, made_alone: bool = False
) -> tuple[str, ...]:
    """Return the names of the claims in a namespace that are a person's and are not being deleted.

    Parameters
    ----------
    user
        The hub's name of the person: their claims have it as a label.
    subject
        The provider's immutable id of them, which a claim has to have.
    timeout
        How long to wait for the API server, in seconds.
    made_alone
        Whether only those count that were made without a server, which are nobody's home.
    """
    label = f"hub.jupyter.org/username={safe_slug(user, is_valid=is_valid_label)}"
    async with asyncio.timeout(timeout):
        claims = await plain_items(api.list_namespaced_persistent_volume_claim, namespace, label_selector=label)
    theirs = [each["metadata"] for each in claims if made_for(each) == subject]
    return tuple(
        sorted(
            each["name"]
            for each in theirs
            if "deletionTimestamp" not in each and (not made_alone or ALONE_ANNOTATION in each["annotations"])
        )
    )


async def pod_defaults(namespace: str, timeout: float) -> list[dict[str, Any]]:
    """Return the PodDefaults of a namespace, sorted by name; none where the cluster has no such resource.

    Parameters
    ----------
    timeout
        How long to wait for the API server, in seconds.
    """
    api: Any = shared_client("CustomObjectsApi")
    async with asyncio.timeout(timeout):
        try:
            found = await plain_items(
                api.list_namespaced_custom_object, "kubeflow.org", "v1alpha1", namespace, "poddefaults"
            )
        except ApiException as error:
            if error.status != NOT_FOUND:
                raise
            return []
    return sorted(found, key=lambda each: str(each["metadata"]["name"]))


async def read_list_of_secrets(api: Any, namespace: str, subject: str, timeout: float) -> dict[str, Any] | None:
    """Return the ConfigMap that lists a person's own secrets, or None where there is none.

    Parameters
    ----------
    timeout
        How long to wait for the API server, in seconds.
    """
    try:
        async with asyncio.timeout(timeout):
            answer = await plain_answer(api.read_namespaced_config_map, list_name(subject), namespace)
    except ApiException as error:
        if error.status != NOT_FOUND:
            raise
        return None
    return dict(json.loads(answer))


async def delete_own_secrets(api: Any, namespace: str, subject: str, timeout: float) -> None:
    """Delete all secrets of a person who is deleted, and the list of them."""
    found = secrets_in(await read_list_of_secrets(api, namespace, subject, timeout), subject)
    names = [object_name(subject, each.name) for each in found]
    deletions = [partial(api.delete_namespaced_secret, name) for name in names]
    failed: list[Exception] = []
    for delete in deletions:
        try:
            await _delete(delete, namespace, timeout)
        except API_ERRORS as error:
            failed.append(error)
    if failed:
        # The list stays: an operator finds there what is left.
        raise failed[0]
    await _delete(partial(api.delete_namespaced_config_map, list_name(subject)), namespace, timeout)


async def _delete(delete: Any, namespace: str, timeout: float) -> None:
    """Delete an object, unless it is gone already."""
    try:
        async with asyncio.timeout(timeout):
            await plain_answer(delete, namespace)
    except ApiException as error:
        if error.status != NOT_FOUND:
            raise


async def owner_of_namespace(api: Any, name: str) -> str | None:
    """Return the subject that a namespace was made for, empty where it does not say; None where the hub may not know.

    A namespace that is not there yet was made for nobody.
    """
    try:
        answer = await plain_answer(api.read_namespace, name)
    except ApiException as error:
        if error.status not in (FORBIDDEN, NOT_FOUND):
            raise
        return "" if error.status == NOT_FOUND else None
    return made_for(json.loads(answer))


async def set_quota(api: Any, namespace: str, quota: V1ResourceQuota, timeout: float) -> None:
    """Create a namespace's quota, or bring the one there to what it should be."""
    async with asyncio.timeout(timeout):
        try:
            await api.create_namespaced_resource_quota(namespace, quota)
        except ApiException as error:
            if not exists_already(error):
                raise
            await api.replace_namespaced_resource_quota(quota.metadata.name, namespace, quota)


async def remove_quota(api: Any, namespace: str, name: str, timeout: float) -> bool:
    """Delete a namespace's quota, if there is one; false where the hub may not."""
    async with asyncio.timeout(timeout):
        try:
            await api.delete_namespaced_resource_quota(name, namespace)
        except ApiException as error:
            if error.status not in (FORBIDDEN, NOT_FOUND):
                raise
            return error.status != FORBIDDEN
    return True

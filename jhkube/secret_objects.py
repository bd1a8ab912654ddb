"""Secrets at the API server: that of a pod, and the secrets that people have made themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from kubernetes_asyncio.client import ApiException, V1Pod, V1Secret

from jhkube.kube import API_ERRORS, FORBIDDEN, NOT_FOUND, plain_answer
from jhkube.pod.own_secrets import list_name, object_name, secrets_in
from jhkube.pod.secret import SecretFiles, secret_manifest, secret_name, secret_patch
from jhkube.watch.admission import exists_already

__all__ = ["create_secret", "delete_own_secrets", "delete_secret", "read_list_of_secrets", "renew_secret"]


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
    await _delete(partial(api.delete_namespaced_secret, name), namespace)


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
    failed: list[Exception] = []
    for each in found:
        try:
            await _delete(partial(api.delete_namespaced_secret, object_name(subject, each.name)), namespace, timeout)
        except API_ERRORS as error:
            failed.append(error)
    if failed:
        # The list stays: an operator finds there what is left.
        raise failed[0]
    await _delete(partial(api.delete_namespaced_config_map, list_name(subject)), namespace, timeout)


async def _delete(delete: Any, namespace: str, timeout: float | None = None) -> None:
    """Delete an object, unless it is gone already; a deadline is in seconds."""
    try:
        async with asyncio.timeout(timeout):
            await plain_answer(delete, namespace)
    except ApiException as error:
        if error.status != NOT_FOUND:
            raise

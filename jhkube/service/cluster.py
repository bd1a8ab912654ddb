# mypy: allow-untyped-calls
"""What the service asks of the API server, as its own account: pods, logs, events, claims, storage classes."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, TypeVar

import aiohttp
from kubernetes_asyncio.client import ApiException, V1ConfigMap, V1DeleteOptions, V1Preconditions, V1Secret
from kubernetes_asyncio.config import ConfigException
from kubespawner.clients import load_config, shared_client

from jhkube.ahead.manifest import AHEAD_LABEL, WAITING
from jhkube.cluster_accounts import ClusterAccount, Right, access_review, is_allowed
from jhkube.kube import API_ERRORS, CONFLICT, NOT_FOUND, plain_answer, plain_items
from jhkube.service.new_claim import user_label
from jhkube.service.ownership import Object
from jhkube.service.refusals import Refusal, cluster_refusal

__all__ = ["LONGEST_LOG", "Cluster", "label_of", "selector_of"]

_T = TypeVar("_T")

log = logging.getLogger("jhkube.service")

ANSWERS_IN: Final = 15.0
"""Seconds that the API server has for one request, and for the whole of a list."""

LONGEST_LOG: Final = 1_048_576
"""How many bytes of a log an answer has at most."""

MOST_READ: Final = 8 * LONGEST_LOG
"""How many bytes are read to find a log's end."""

FEWER: Final = 8
"""How many times fewer lines are asked for where so many bytes were not enough."""


USER_LABEL: Final = "hub.jupyter.org/username"


def label_of(user: str) -> dict[str, str]:
    """Return the label of what is somebody's; whose it is, the annotation says."""
    return {USER_LABEL: user_label(user)}


def selector_of(user: str) -> str:
    """Return the selector of what has somebody's label."""
    return f"{USER_LABEL}={user_label(user)}"


class Cluster:
    """The API server; every method raises a `Refusal` where it does not do what it is asked."""

    def __init__(self) -> None:
        self._is_loaded = False

    async def asked(self, doing: str, ask: Callable[[Any], Awaitable[_T]], kind: str = "CoreV1Api") -> _T:
        """Return what the API server answers, asked by a client of this kind."""
        try:
            if not self._is_loaded:
                load_config()
                self._is_loaded = True
            async with asyncio.timeout(ANSWERS_IN):
                return await ask(shared_client(kind))
        except ConfigException as error:
            log.error("No cluster is configured: %s", error)
            raise cluster_refusal(error, doing) from None
        except API_ERRORS as error:
            log.warning("The cluster did not %s: %s", doing, _said_by(error))
            raise cluster_refusal(error, doing) from None

    async def pods(self, namespace: str, user: str) -> list[dict[str, Any]]:
        """Return the pods of servers with somebody's label; they may be of others whose name is near."""
        # A pod that waits for its start is no server's.
        selector = f"{selector_of(user)},{AHEAD_LABEL}!={WAITING}"
        return await self.asked(
            "list pods", lambda api: plain_items(api.list_namespaced_pod, namespace, label_selector=selector)
        )

    async def all_pods(self, namespace: str) -> list[dict[str, Any]]:
        """Return all pods of a namespace."""
        return await self.asked("list pods", lambda api: plain_items(api.list_namespaced_pod, namespace))

    async def events(self, namespace: str, uid: str) -> list[dict[str, Any]]:
        """Return the events of one object, by its uid."""
        selector = f"involvedObject.uid={uid}"
        return await self.asked(
            "list events", lambda api: plain_items(api.list_namespaced_event, namespace, field_selector=selector)
        )

    async def claims(self, namespace: str, user: str) -> list[dict[str, Any]]:
        """Return the claims with somebody's label; they may be of others whose name is near."""
        return await self.asked(
            "list disks",
            lambda api: plain_items(
                api.list_namespaced_persistent_volume_claim, namespace, label_selector=selector_of(user)
            ),
        )

    async def make_claim(self, namespace: str, claim: Object) -> dict[str, Any]:
        """Make a claim; return it as it is then."""
        try:
            answer = await self.asked(
                "make the disk",
                lambda api: plain_answer(api.create_namespaced_persistent_volume_claim, namespace, claim),
            )
        except Refusal as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                raise Refusal(
                    HTTPStatus.CONFLICT,
                    "Your namespace does not exist yet. Start a server first: this creates it.",
                ) from None
            if refusal.status == HTTPStatus.CONFLICT:
                raise Refusal(
                    HTTPStatus.CONFLICT, "There is a disk of this name already. Choose another name.", "name"
                ) from None
            raise
        return _object_in(answer, "make the disk")

    async def may(self, account: ClusterAccount, namespace: str, right: Right) -> bool:
        """Say whether somebody has a right in a namespace themselves."""
        review = access_review(account, namespace, right)
        return is_allowed(
            await self.asked(
                "ask about your rights",
                lambda api: plain_answer(api.create_subject_access_review, review),
                "AuthorizationV1Api",
            )
        )

    async def grow_claim(self, claim: Object, size: str) -> dict[str, Any]:
        """Have this very claim ask for more; return it as it is then."""
        metadata = claim["metadata"]
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "replace", "path": "/spec/resources/requests/storage", "value": size},
        ]
        answer = await self.asked(
            "change the disk",
            lambda api: plain_answer(
                api.patch_namespaced_persistent_volume_claim, metadata["name"], metadata["namespace"], patch
            ),
        )
        return _object_in(answer, "change the disk")

    async def delete_claim(self, claim: Object) -> None:
        """Delete this very claim, and no other that has its name by now."""
        metadata = claim["metadata"]
        options = V1DeleteOptions(preconditions=V1Preconditions(uid=metadata["uid"]))
        await self.asked(
            "delete the disk",
            lambda api: plain_answer(
                api.delete_namespaced_persistent_volume_claim, metadata["name"], metadata["namespace"], body=options
            ),
        )

    async def list_of_secrets(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return the ConfigMap that lists somebody's secrets; None where there is none."""

        async def ask(api: Any) -> bytes | None:
            try:
                return await plain_answer(api.read_namespaced_config_map, name, namespace)
            except ApiException as error:
                if error.status != NOT_FOUND:
                    raise
                return None

        answer = await self.asked("list secrets", ask)
        return None if answer is None else _object_in(answer, "list secrets")

    async def write_list_of_secrets(self, namespace: str, written: V1ConfigMap) -> dict[str, Any]:
        """Write the list, unless another was written since it was read; return it as it is then."""

        async def ask(api: Any) -> bytes:
            metadata: Any = written.metadata
            if metadata.resource_version is None:
                return await plain_answer(api.create_namespaced_config_map, namespace, written)
            return await plain_answer(api.replace_namespaced_config_map, metadata.name, namespace, written)

        return _object_in(await self.asked("change the list of secrets", ask), "change the list of secrets")

    async def make_secret(self, namespace: str, secret: V1Secret) -> None:
        """Create a Secret, in the place of one that was left of an earlier deletion."""

        async def ask(api: Any) -> None:
            try:
                await plain_answer(api.create_namespaced_secret, namespace, secret)
            except ApiException as error:
                if error.status != CONFLICT:
                    raise
                await plain_answer(api.delete_namespaced_secret, secret.metadata.name, namespace)
                await plain_answer(api.create_namespaced_secret, namespace, secret)

        await self.asked("make the secret", ask)

    async def delete_secret(self, namespace: str, name: str) -> None:
        """Delete a Secret, if there is one."""

        async def ask(api: Any) -> None:
            try:
                await plain_answer(api.delete_namespaced_secret, name, namespace)
            except ApiException as error:
                if error.status != NOT_FOUND:
                    raise

        await self.asked("delete the secret", ask)

    async def storage_classes(self) -> list[dict[str, Any]]:
        """Return the cluster's storage classes."""
        return await self.asked(
            "list storage classes", lambda api: plain_items(api.list_storage_class), "StorageV1Api"
        )

    async def log(self, pod: Object, container: str, *, tail: int, previous: bool) -> tuple[str, bool]:
        """Return the end of a container's log, and whether these lines were longer than an answer may be.

        Kubernetes can bound an answer by bytes only from its beginning (`limitBytes`), and the end is what matters.
        So lines are asked for, and fewer of them where they turn out to be too long to be read.

        Raises
        ------
        Refusal
            Where there is no such log; also where the pod of this name is another by now.
        """
        is_shorter = False
        while True:
            content, is_whole = await self._log_end(pod, container, tail, previous)
            if is_whole or tail == 1:
                break
            tail, is_shorter = max(tail // FEWER, 1), True
        await self._check_same(pod)
        return content.decode(errors="replace"), is_shorter or not is_whole or len(content) >= LONGEST_LOG

    async def _log_end(self, pod: Object, container: str, tail: int, previous: bool) -> tuple[bytes, bool]:
        async with self._log_stream(pod, container, tail=tail, previous=previous, follow=False) as response:
            return await self.asked("read the log", lambda _: _end_of(response))

    @asynccontextmanager
    async def followed_log(self, pod: Object, container: str, *, tail: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """Within the block, give the log's end and then what comes, in parts."""
        async with self._log_stream(pod, container, tail=tail, previous=False, follow=True) as response:
            await self._check_same(pod)
            yield _parts(response)

    @asynccontextmanager
    async def _log_stream(
        self, pod: Object, container: str, *, tail: int, previous: bool, follow: bool
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        metadata = pod["metadata"]

        async def ask(api: Any) -> aiohttp.ClientResponse:
            response: aiohttp.ClientResponse = await api.read_namespaced_pod_log(
                metadata["name"],
                metadata["namespace"],
                container=container,
                tail_lines=tail,
                previous=previous,
                follow=follow,
                _preload_content=False,
                _request_timeout=aiohttp.ClientTimeout(total=None, sock_connect=ANSWERS_IN),
            )
            return response

        response = await self.asked("read the log", ask)
        async with response:
            if response.status == NOT_FOUND:
                raise cluster_refusal(ApiException(status=NOT_FOUND), "read the log")
            if response.status >= 300:
                raise _no_log(response.status, await self.asked("read the log", lambda _: response.text()), previous)
            yield response

    async def _check_same(self, pod: Object) -> None:
        """Raise where the pod of this name is another by now: a log is asked for by name alone."""
        metadata = pod["metadata"]
        answer = await self.asked(
            "read the log", lambda api: plain_answer(api.read_namespaced_pod, metadata["name"], metadata["namespace"])
        )
        if _object_in(answer, "read the log")["metadata"].get("uid") != metadata["uid"]:
            raise cluster_refusal(ApiException(status=NOT_FOUND), "read the log")


def _said_by(error: Exception) -> str:
    return f"{error.status} {error.reason}" if isinstance(error, ApiException) else repr(error)


def _object_in(answer: bytes, doing: str) -> dict[str, Any]:
    """Return the object of an answer; something before the API server may have answered in its place."""
    try:
        found = json.loads(answer)
        if isinstance(found["metadata"], dict):
            return dict(found)
    except (ValueError, TypeError, KeyError):
        pass
    raise cluster_refusal(ApiException(status=200), doing)


async def _parts(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield a log as it comes, until it ends or breaks off, as it does where its pod goes."""
    try:
        async for part in response.content.iter_any():
            yield part
    except API_ERRORS as error:
        log.info("A log that is followed broke off: %s", _said_by(error))


async def _end_of(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """Return the end of an answer, and whether all of it was read."""
    kept, read = bytearray(), 0
    async for part in response.content.iter_any():
        read += len(part)
        if read > MOST_READ:
            return bytes(kept), False
        kept += part
        del kept[:-LONGEST_LOG]
    return bytes(kept), True


def _no_log(status: int, said: str, previous: bool) -> Refusal:
    """Return the answer where kubelet has no log: of a container that waits, or was never started again."""
    if status != 400:
        return cluster_refusal(ApiException(status=status), "read the log")
    message = _message_of(said)
    if previous or "previous terminated" in message:
        return Refusal(404, "This container was not started again, so it has no earlier log.", "previous")
    return Refusal(404, "This container has no log yet: it was not started. Look at the events.", "container")


def _message_of(said: str) -> str:
    try:
        found: Mapping[str, Any] = json.loads(said)
        return str(found.get("message", ""))
    except (ValueError, AttributeError):
        return ""

"""The operator's requests to the API server: by kind, as JSON, each with a deadline."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from kubernetes_asyncio.client.exceptions import ApiException
from kubespawner.clients import shared_client

from jhkube.kube import CONFLICT, plain_answer, plain_items

__all__ = ["KINDS", "Cluster", "Kind", "event_of"]

TIMEOUT: Final = 20.0
"""Seconds until a request counts as failed."""

COMPONENT: Final = "jhkube-operator"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object, as Kubernetes' client names what is done with it."""

    api: str
    """The client's class: `AppsV1Api`."""

    method: str
    """How its methods end: `deployment` of `create_namespaced_deployment`."""

    group: str
    version: str
    plural: str


KINDS: Final[Mapping[str, Kind]] = {
    "Secret": Kind("CoreV1Api", "secret", "", "v1", "secrets"),
    "Service": Kind("CoreV1Api", "service", "", "v1", "services"),
    "Pod": Kind("CoreV1Api", "pod", "", "v1", "pods"),
    "Event": Kind("CoreV1Api", "event", "", "v1", "events"),
    "PersistentVolumeClaim": Kind("CoreV1Api", "persistent_volume_claim", "", "v1", "persistentvolumeclaims"),
    "Deployment": Kind("AppsV1Api", "deployment", "apps", "v1", "deployments"),
    "Ingress": Kind("NetworkingV1Api", "ingress", "networking.k8s.io", "v1", "ingresses"),
    "JupyterServer": Kind("CustomObjectsApi", "custom_object", "jhkube.dev", "v1", "jupyterservers"),
    "JupyterNotebook": Kind("CustomObjectsApi", "custom_object", "squonk.it", "v2", "jupyternotebooks"),
}
"""The kinds that the operator reads or writes."""


class Cluster:
    """Requests in the namespaces that the operator works in.

    Parameters
    ----------
    namespaces
        Their names; empty for all.
    before_write
        Awaited before each request that writes, whose exception then takes its place; None for nothing.
    """

    def __init__(
        self, namespaces: Sequence[str] = (), before_write: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self.namespaces = tuple(namespaces)
        self._before_write = before_write

    async def listed(self, kind: str, **selectors: str) -> list[dict[str, Any]]:
        """Return all objects of a kind, with their kind, which lists leave out.

        Raises
        ------
        ApiException
            Where the API server refuses.
        """
        found: list[dict[str, Any]] = []
        known = KINDS[kind]
        api = shared_client(known.api)
        custom = (known.group, known.version) if known.api == "CustomObjectsApi" else ()
        ending = (known.plural,) if custom else ()
        if not self.namespaces:
            name = f"list_cluster_{known.method}" if custom else f"list_{known.method}_for_all_namespaces"
            found = await plain_items(getattr(api, name), *custom, *ending, **selectors, _request_timeout=TIMEOUT)
        for namespace in self.namespaces:
            call = getattr(api, f"list_namespaced_{known.method}")
            found += await plain_items(call, *custom, namespace, *ending, **selectors, _request_timeout=TIMEOUT)
        version = f"{known.group}/{known.version}" if known.group else known.version
        return [{"apiVersion": version, "kind": kind, **item} for item in found]

    async def create(self, made: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object, and return it as the API server has it.

        Raises
        ------
        ApiException
            Where the API server refuses, with 409 where the name is taken.
        """
        return await self._write(made, "create", made["metadata"]["namespace"], made)

    async def replace(
        self, made: Mapping[str, Any], had: Mapping[str, Any], *, is_trial: bool = False
    ) -> dict[str, Any]:
        """Write an object in place of the one that was read, and of no later one.

        Parameters
        ----------
        made
            The object as it is to be.
        had
            The object that was read.
        is_trial
            Whether it is only checked, and nothing is written.

        Raises
        ------
        ApiException
            With 409 where it was changed since, with 404 where it is gone.
        """
        guards = {name: had["metadata"][name] for name in ("resourceVersion", "uid")}
        whole = {**made, "metadata": {**made["metadata"], **guards}}
        where = (made["metadata"]["name"], made["metadata"]["namespace"])
        return await self._write(whole, "replace", *where, whole, **({"dry_run": "All"} if is_trial else {}))

    async def patch_secret(self, namespace: str, name: str, patch: list[dict[str, Any]]) -> dict[str, Any]:
        """Send a JSON patch (RFC 6902) of a Secret, and return the Secret.

        Raises
        ------
        ApiException
            With 422 where the patch's test fails.
        """
        call = shared_client("CoreV1Api").patch_namespaced_secret
        kind = "application/json-patch+json"
        answer: dict[str, Any] = json.loads(await self._send(call, name, namespace, patch, _content_type=kind))
        return answer

    async def delete(self, made: Mapping[str, Any]) -> None:
        """Delete an object that was created, and none that came after it."""
        known, metadata = KINDS[made["kind"]], made["metadata"]
        call = getattr(shared_client(known.api), f"delete_namespaced_{known.method}")
        body = {"preconditions": {"uid": metadata["uid"]}}
        await self._send(call, metadata["name"], metadata["namespace"], body=body)

    async def put_finalizers(self, body: Mapping[str, Any], finalizers: Sequence[str]) -> dict[str, Any]:
        """Write what has to be done before a custom resource goes, and return the resource.

        Raises
        ------
        ApiException
            With 409 where it was changed since it was read, with 404 where it is gone.
        """
        known, metadata = KINDS[body["kind"]], body["metadata"]
        guards = {name: metadata[name] for name in ("resourceVersion", "uid")}
        answer = await self._send(
            shared_client("CustomObjectsApi").patch_namespaced_custom_object,
            *(known.group, known.version, metadata["namespace"], known.plural, metadata["name"]),
            {"metadata": {**guards, "finalizers": list(finalizers)}},
            _content_type="application/merge-patch+json",
        )
        read: dict[str, Any] = json.loads(answer)
        return read

    async def patch_status(self, body: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
        """Write the status of a custom resource, and return the resource.

        Raises
        ------
        ApiException
            With 404 where it is gone.
        """
        known, metadata = KINDS[body["kind"]], body["metadata"]
        answer = await self._send(
            shared_client("CustomObjectsApi").patch_namespaced_custom_object_status,
            *(known.group, known.version, metadata["namespace"], known.plural, metadata["name"]),
            # Another resource of the name that came since is not this one.
            {"metadata": {"uid": metadata["uid"]}, "status": status},
            _content_type="application/merge-patch+json",
        )
        read: dict[str, Any] = json.loads(answer)
        return read

    async def post_event(self, body: Mapping[str, Any], kind: str, reason: str, message: str) -> None:
        """Write an event about a custom resource, of the kind `Normal` or `Warning`."""
        event = event_of(body, kind, reason, message, datetime.now(UTC))
        call = shared_client("CoreV1Api").create_namespaced_event
        await self._send(call, body["metadata"]["namespace"], event)

    async def create_peering(self, name: str) -> None:
        """Make the objects by which operators agree on who works, where they are not there already.

        Raises
        ------
        ApiException
            Where the API server refuses.
        """
        api = shared_client("CustomObjectsApi")
        for namespace in self.namespaces or (None,):
            kind = "KopfPeering" if namespace else "ClusterKopfPeering"
            body = {"apiVersion": "kopf.dev/v1", "kind": kind, "metadata": {"name": name}}
            where = (namespace,) if namespace else ()
            call = api.create_namespaced_custom_object if namespace else api.create_cluster_custom_object
            try:
                await plain_answer(call, "kopf.dev", "v1", *where, f"{kind.lower()}s", body, _request_timeout=TIMEOUT)
            except ApiException as error:
                if error.status != CONFLICT:
                    raise

    async def peerings(self, name: str) -> list[dict[str, Any]]:
        """Return those objects.

        Raises
        ------
        ApiException
            Where the API server refuses.
        """
        api = shared_client("CustomObjectsApi")
        only = {"field_selector": f"metadata.name={name}", "_request_timeout": TIMEOUT}
        if not self.namespaces:
            return await plain_items(api.list_cluster_custom_object, "kopf.dev", "v1", "clusterkopfpeerings", **only)
        found: list[dict[str, Any]] = []
        for namespace in self.namespaces:
            call = api.list_namespaced_custom_object
            found += await plain_items(call, "kopf.dev", "v1", namespace, "kopfpeerings", **only)
        return found

    async def _write(self, made: Mapping[str, Any], verb: str, *arguments: Any, **more: Any) -> dict[str, Any]:
        known = KINDS[made["kind"]]
        call = getattr(shared_client(known.api), f"{verb}_namespaced_{known.method}")
        answer: dict[str, Any] = json.loads(await self._send(call, *arguments, **more))
        return answer

    async def _send(self, call: Callable[..., Awaitable[Any]], *arguments: Any, **more: Any) -> bytes:
        """Make a request that writes, where this operator may; return the answer."""
        if self._before_write is not None:
            await self._before_write()
        return await plain_answer(call, *arguments, **more, _request_timeout=TIMEOUT)


def event_of(body: Mapping[str, Any], kind: str, reason: str, message: str, now: datetime) -> dict[str, Any]:
    """Return an event about a custom resource, as the API's JSON."""
    metadata = body["metadata"]
    about = {name: metadata[name] for name in ("namespace", "name", "uid", "resourceVersion") if name in metadata}
    time = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "metadata": {"generateName": f"{metadata['name'][:200]}.", "namespace": metadata["namespace"]},
        "involvedObject": {"apiVersion": body["apiVersion"], "kind": body["kind"], **about},
        "type": kind,
        "reason": reason,
        "message": message[:1024],
        "count": 1,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "source": {"component": COMPONENT},
    }

# mypy: allow-untyped-calls
"""Whether homes and other volumes are there: StorageClass, claims, NFS servers, and room for one more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kubernetes_asyncio.client import ApiException, CoreV1Api, StorageV1Api

from jhkube.checks.cluster import REQUEST_TIMEOUT, Cluster
from jhkube.checks.configured import ConfiguredHub
from jhkube.checks.result import Result, Subject
from jhkube.kube import FORBIDDEN, NOT_FOUND, error_text
from jhkube.pod.home import Home, HomeKind
from jhkube.pod.limits import parse_storage
from jhkube.pod.mounts import Mount
from jhkube.pod.volumes import NFSExport

__all__ = ["STORAGE", "storage_results"]

STORAGE = Subject("storage")

NFS_PORT = 2049
"""NFS 4 needs no other (RFC 7530, section 3.1)."""

NFS_TIMEOUT = 3.0
"""Seconds for a connection."""

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that has to be there, and the setting that names it."""

    name: str
    setting: str
    shared: bool
    """Whether pods on several nodes have it at the same time."""


async def storage_results(hub: ConfiguredHub, cluster: Cluster | None) -> AsyncIterator[Result]:
    """Yield what is known of the volumes that pods will mount; without a cluster, of the NFS servers alone."""
    settings = hub.spawner.pod_settings()
    exports = {each.server for each in _exports(settings.home, settings.mounts)}
    for result in await asyncio.gather(*map(_nfs_server, sorted(exports))):
        yield result
    if cluster is None:
        yield STORAGE.skipped("claims and StorageClasses are the API server's to tell, which does not answer")
        return
    if settings.home.kind is HomeKind.PVC:
        async for result in _own_claims(hub.spawner, cluster):
            yield result
    if hub.spawner.enable_user_namespaces:
        return
    claims = list(_claims(settings.home, settings.mounts, hub.spawner.volumes))
    for result in await asyncio.gather(*(_claim(cluster, each) for each in claims)):
        yield result


def _exports(home: Home, mounts: Iterable[Mount]) -> Iterator[NFSExport]:
    if home.nfs:
        yield home.nfs
    yield from (mount.source for mount in mounts if isinstance(mount.source, NFSExport))


async def _nfs_server(server: str) -> Result:
    place = f"[{server}]" if ":" in server else server
    try:
        async with asyncio.timeout(NFS_TIMEOUT):
            _, writer = await asyncio.open_connection(server, NFS_PORT)
    except (OSError, TimeoutError) as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return STORAGE.failed(
            f"the NFS server {place}:{NFS_PORT} does not answer: {reason}",
            "Look at its name in home_nfs and extra_mounts, whether it serves NFS 4, and at firewalls. Nodes "
            "mount it: where they reach it and this machine does not, this is no fault.",
        )
    writer.close()
    return STORAGE.passed(f"the NFS server {place}:{NFS_PORT} answers")


def _claims(home: Home, mounts: Iterable[Mount], volumes: Any) -> Iterator[Claim]:
    if home.claim:
        yield Claim(home.claim, "c.JHKubeSpawner.home_claim", shared=True)
    for mount in mounts:
        if isinstance(mount.source, str):
            yield Claim(mount.source, "c.JHKubeSpawner.extra_mounts", shared=not mount.exclusive)
    for volume in volumes.values() if isinstance(volumes, dict) else volumes:
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName") if isinstance(volume, dict) else None
        if isinstance(name, str) and "{" not in name:
            yield Claim(name, "c.KubeSpawner.volumes", shared=True)


async def _claim(cluster: Cluster, wanted: Claim) -> Result:
    name = f"the claim {cluster.namespace}/{wanted.name}"
    try:
        claim = await CoreV1Api(cluster.api).read_namespaced_persistent_volume_claim(
            wanted.name, cluster.namespace, _request_timeout=REQUEST_TIMEOUT
        )
    except ApiException as error:
        if error.status == FORBIDDEN:
            return STORAGE.skipped(f"{name} is not to be seen by this account")
        if error.status != NOT_FOUND:
            return STORAGE.failed(f"{name}: {error_text(error)}", "Ask the cluster's administrators.")
        return STORAGE.failed(
            f"there is no claim {wanted.name} in the namespace {cluster.namespace}",
            f"Make it (kubectl apply), or correct its name in {wanted.setting}.",
        )
    if claim.metadata.deletion_timestamp:
        return STORAGE.failed(f"{name} is being deleted", "Stop what uses it, then create it again.")
    if claim.status.phase == "Lost":
        return STORAGE.failed(
            f"{name} has lost its volume", "Restore the PersistentVolume, or create the claim again."
        )
    modes = set(claim.spec.access_modes or ())
    if wanted.shared and not modes & {"ReadWriteMany", "ReadOnlyMany"}:
        return STORAGE.warning(
            f"{name} is {', '.join(sorted(modes))}: pods on other nodes than the first will not start",
            "Use a claim with ReadWriteMany, such as one on NFS; on a single node this is no fault.",
        )
    return STORAGE.passed(f"{name} is {str(claim.status.phase).lower()}")


async def _own_claims(spawner: Any, cluster: Cluster) -> AsyncIterator[Result]:
    """Yield whether a claim of a person's own can be made: its size, its class, and room for it."""
    setting = "c.KubeSpawner.storage_capacity (in the sample configuration JHKUBE_HOME_SIZE)"
    try:
        parse_storage(spawner.storage_capacity or "")
    except ValueError as error:
        yield STORAGE.failed(f"the size of homes: {error}", f"Set {setting}, such as 10Gi.")
        return
    storage_class = await _storage_class(spawner, cluster)
    yield storage_class
    if spawner.enable_user_namespaces:
        return
    manifest = spawner.get_pvc_manifest()
    manifest.metadata.name, manifest.metadata.generate_name = None, "jhkube-check-"
    try:
        await CoreV1Api(cluster.api).create_namespaced_persistent_volume_claim(
            cluster.namespace, manifest, dry_run="All", _request_timeout=REQUEST_TIMEOUT
        )
    except ApiException as error:
        message = error_text(error)
        if error.status == FORBIDDEN and "quota" in message:
            yield STORAGE.failed(
                f"there is no room for one more home: {message}",
                f"Raise the ResourceQuota of {cluster.namespace}, or ask for less by {setting}.",
            )
        elif error.status in (FORBIDDEN, NOT_FOUND):
            # Told by the checks of permissions and of the namespace.
            yield STORAGE.skipped(f"whether there is room for one more home: {message}")
        else:
            yield STORAGE.failed(f"the API server takes no claim as a home: {message}", f"Look at {setting}.")
    else:
        yield STORAGE.passed(f"the API server takes a claim of {spawner.storage_capacity} as a home")


async def _storage_class(spawner: Any, cluster: Cluster) -> Result:
    """Return whether the class of homes is there."""
    api, name = StorageV1Api(cluster.api), spawner.storage_class
    setting = "c.KubeSpawner.storage_class"
    try:
        if name:
            found = await api.read_storage_class(name, _request_timeout=REQUEST_TIMEOUT)
        else:
            classes = (await api.list_storage_class(_request_timeout=REQUEST_TIMEOUT)).items
            default = [each for each in classes if (each.metadata.annotations or {}).get(DEFAULT_CLASS) == "true"]
            if not default:
                names = ", ".join(each.metadata.name for each in classes) or "none at all"
                return STORAGE.failed(
                    f"no StorageClass is the cluster's default, and {setting} names none; there are: {names}",
                    f"Set {setting}, or annotate a class with {DEFAULT_CLASS}=true.",
                )
            found = default[0]
    except ApiException as error:
        if error.status == FORBIDDEN:
            what = f"the StorageClass {name}" if name else "the default StorageClass"
            return STORAGE.skipped(f"{what} is not to be seen by this account", "Look with kubectl get storageclass.")
        if error.status != NOT_FOUND:
            raise
        names = await _class_names(api)
        return STORAGE.failed(
            f"there is no StorageClass {name}{names}",
            f"Correct {setting}, or leave it out for the cluster's default.",
        )
    grows = "homes on it can grow" if found.allow_volume_expansion else "homes on it cannot be made larger later"
    return STORAGE.passed(f"the StorageClass {found.metadata.name} is there; {grows}")


async def _class_names(api: StorageV1Api) -> str:
    try:
        classes = (await api.list_storage_class(_request_timeout=REQUEST_TIMEOUT)).items
    except ApiException:
        return ""
    return f"; there are: {', '.join(each.metadata.name for each in classes) or 'none'}"

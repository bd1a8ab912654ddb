"""Volumes beyond the home: data, scratch and software, for everybody or for some groups."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any

from kubernetes_asyncio.client.models import (
    V1Container,
    V1HostPathVolumeSource,
    V1NFSVolumeSource,
    V1PersistentVolumeClaimVolumeSource,
    V1Volume,
    V1VolumeMount,
)
from pydantic import BeforeValidator, model_validator

from jhkube.identity import UserIdentity
from jhkube.operator_models import ConfigError, OperatorModel, read_list
from jhkube.operator_types import Flag, Groups, ObjectName
from jhkube.own_disks import HOME, OwnDisk
from jhkube.pod.parts import ChoiceConflict, PodParts, mount_path_of
from jhkube.pod.volumes import AbsoluteTemplate, HostPath, NFSExport, RelativeTemplate, fill_template

__all__ = ["Mount", "claim_in_use", "mount_parts", "mounts_for", "own_disk_parts", "parse_mounts"]


def _of_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class Mount(OperatorModel):
    """One volume, or a folder of it, somewhere in the pod."""

    path: AbsoluteTemplate
    """Where it is in the pod, a template."""

    claim: ObjectName = ""
    """A claim's name."""

    nfs: NFSExport | None = None
    """An NFS export."""

    host_path: Annotated[HostPath | None, BeforeValidator(_of_path)] = None
    """A path of the node."""

    read_only: Flag = False
    """Whether writing is refused."""

    sub_path: RelativeTemplate = ""
    """A folder on the volume, a template; empty for all of it."""

    groups: Groups = frozenset()
    """The hub groups it is for; empty for everybody."""

    exclusive: Flag = False
    """Whether one pod at a time may have it: a ReadWriteOnce claim."""

    @model_validator(mode="after")
    def _goes_together(self) -> Mount:
        if sum(map(bool, (self.claim, self.nfs, self.host_path))) != 1:
            raise ValueError("should have exactly one of claim, nfs and host_path")
        if self.exclusive and not self.claim:
            raise ValueError("exclusive is for a claim")
        if self.nfs and self.nfs.mount_options:
            raise ValueError("a pod cannot carry NFS mount options; make a claim with them and name that")
        return self

    @property
    def source(self) -> str | NFSExport | HostPath:
        """The claim's name, the NFS export, or the path of the node."""
        return self.nfs or self.host_path or self.claim


def parse_mounts(config: Any) -> tuple[Mount, ...]:
    """Return the mounts of a configured list.

    Parameters
    ----------
    config
        Mappings with `path`, one of `claim`, `nfs` and `host_path`, and optionally `read_only`, `sub_path`,
        `groups` and `exclusive`. `nfs` has `server` and `path`; `host_path` is a path or has `path`, `type`.

    Raises
    ------
    ConfigError
        Where an entry is malformed, or two are for everybody and at one path; the message says which.

    Examples
    --------
    >>> parse_mounts([{"path": "/data/survey", "claim": "survey", "groups": ["astro"]}])[0].source
    'survey'
    """
    mounts = read_list(Mount, "extra_mounts", config)
    paths: set[str] = set()
    for number, mount in enumerate(mounts):
        path = mount.path.rstrip("/")
        if not mount.groups and path in paths:
            raise ConfigError(f"extra_mounts[{number}].path: {path!r} is the path of a mount before it")
        paths |= set() if mount.groups else {path}
    return mounts


def mounts_for(mounts: Iterable[Mount], hub_groups: Collection[str]) -> tuple[Mount, ...]:
    """Return those of `mounts` that a member of `hub_groups` gets."""
    return tuple(mount for mount in mounts if not mount.groups or mount.groups & set(hub_groups))


def mount_parts(mounts: Iterable[Mount], identity: UserIdentity) -> PodParts:
    """Return the volumes and mounts for the user; a source mounted twice is one volume.

    Raises
    ------
    ValueError
        Where the user's name could leave the folder that a template names.
    """
    volumes: dict[str | NFSExport | HostPath, V1Volume] = {}
    volume_mounts = []
    for mount in mounts:
        if mount.source not in volumes:
            volumes[mount.source] = _volume(f"jhkube-mount-{len(volumes)}", mount.source)
        volume_mounts.append(
            V1VolumeMount(
                name=volumes[mount.source].name,
                mount_path=fill_template(mount.path, identity),
                sub_path=fill_template(mount.sub_path.strip("/"), identity) or None,
                read_only=mount.read_only or None,
            )
        )
    return PodParts(volumes=tuple(volumes.values()), volume_mounts=tuple(volume_mounts))


def own_disk_parts(disks: Iterable[OwnDisk], home: str, container: V1Container) -> PodParts:
    """Return the volumes and mounts of a person's own disks.

    Parameters
    ----------
    disks
        Which ones, and where.
    home
        The home's path, which a `~` stands for.
    container
        What the server runs in, with all other mounts.

    Raises
    ------
    ChoiceConflict
        Where something else is mounted at a disk's path.
    """
    taken = {"/" + home.strip("/"), *map(mount_path_of, container.volume_mounts or ())}
    volumes, volume_mounts = [], []
    for number, disk in enumerate(disks):
        path = home.rstrip("/") + disk.path.removeprefix(HOME) if disk.path.startswith(HOME) else disk.path
        if path in taken:
            raise ChoiceConflict(
                f"Your disk {disk.claim} cannot be mounted at {path}: something else is there. Choose another path."
            )
        name = f"jhkube-disk-{number}"
        claim = V1PersistentVolumeClaimVolumeSource(claim_name=disk.claim, read_only=disk.read_only or None)
        volumes.append(V1Volume(name=name, persistent_volume_claim=claim))
        volume_mounts.append(V1VolumeMount(name=name, mount_path=path, read_only=disk.read_only or None))
    return PodParts(volumes=tuple(volumes), volume_mounts=tuple(volume_mounts))


def claim_in_use(
    mounts: Iterable[Mount], pods: Iterable[Mapping[str, Any]], *, namespace: str, pod_name: str
) -> str | None:
    """Return a sentence where an exclusive claim of `mounts` is in another pod's hands, else None.

    Parameters
    ----------
    mounts
        The user's mounts.
    pods
        Pods as the API and KubeSpawner's reflector have them, with camelCase keys.
    namespace
        The namespace the claims are in.
    pod_name
        The pod to be started, which does not stand in its own way.
    """
    wanted = [str(mount.source) for mount in mounts if mount.exclusive]
    if not wanted:
        return None
    for pod in pods:
        metadata = pod["metadata"]
        finished = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
        if metadata.get("namespace") != namespace or metadata["name"] == pod_name or finished:
            continue
        for volume in pod["spec"].get("volumes") or ():
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if claim in wanted:
                user = (metadata.get("annotations") or {}).get("hub.jupyter.org/username")
                holder = f"the server of {user}" if user else f"the pod {metadata['name']}"
                return (
                    f"The volume {claim} can be used by one server at a time, and {holder} uses it now."
                    " Try again when that has stopped."
                )
    return None


def _volume(name: str, source: str | NFSExport | HostPath) -> V1Volume:
    match source:
        case NFSExport():
            return V1Volume(name=name, nfs=V1NFSVolumeSource(server=source.server, path=source.path))
        case HostPath():
            return V1Volume(name=name, host_path=V1HostPathVolumeSource(path=source.path, type=source.type))
        case _:
            claim = V1PersistentVolumeClaimVolumeSource(claim_name=source)
            return V1Volume(name=name, persistent_volume_claim=claim)

"""Volumes beyond the home: data, scratch and software, for everybody or for some groups; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes_asyncio.client.models import (
    V1HostPathVolumeSource,
    V1NFSVolumeSource,
    V1PersistentVolumeClaimVolumeSource,
    V1Volume,
    V1VolumeMount,
)

from jhkube.identity import UserIdentity
from jhkube.pod.nfs import NFSExport
from jhkube.pod.parts import PodParts
from jhkube.pod.templates import check_template, fill_template

__all__ = ["HostPath", "Mount", "claim_in_use", "mount_parts", "mounts_for", "parse_mounts"]

_OBJECT_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-.a-z0-9]*[a-z0-9])?\Z")
"""An object's name, by https://kubernetes.io/docs/concepts/overview/working-with-objects/names/."""

_KEYS = {"path", "claim", "nfs", "host_path", "read_only", "sub_path", "groups", "exclusive"}


@dataclass(frozen=True, slots=True)
class HostPath:
    """A folder or file of the node."""

    path: str
    """Its absolute path."""

    type: str = "Directory"
    """What kubelet checks, by https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types."""

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or ".." in self.path.split("/"):
            raise ValueError(f"a host path is absolute and without '..', not {self.path!r}")


@dataclass(frozen=True, slots=True)
class Mount:
    """One volume, or a folder of it, somewhere in the pod."""

    path: str
    """Where it is in the pod, a template."""

    source: str | NFSExport | HostPath
    """A claim's name, an NFS export, or a path of the node."""

    read_only: bool = False
    """Whether writing is refused."""

    sub_path: str = ""
    """A folder on the volume, a template; empty for all of it."""

    groups: frozenset[str] = frozenset()
    """The hub groups it is for; empty for everybody."""

    exclusive: bool = False
    """Whether one pod at a time may have it: a ReadWriteOnce claim."""


def parse_mounts(config: Iterable[Mapping[str, Any]]) -> tuple[Mount, ...]:
    """Return the mounts of a configured list.

    Parameters
    ----------
    config
        Mappings with `path`, one of `claim`, `nfs` and `host_path`, and optionally `read_only`, `sub_path`,
        `groups` and `exclusive`. `nfs` has `server` and `path`; `host_path` is a path or has `path`, `type`.

    Raises
    ------
    ValueError
        Where an entry is malformed; the message says which.

    Examples
    --------
    >>> parse_mounts([{"path": "/data/survey", "claim": "survey", "groups": ["astro"]}])[0].source
    'survey'
    """
    if not isinstance(config, list | tuple):
        raise ValueError("extra_mounts is a list of mappings")
    mounts = []
    for number, entry in enumerate(config, 1):
        where = f"extra_mounts, entry {number}"
        if not isinstance(entry, Mapping):
            raise ValueError(f"{where}: {entry!r} is not a mapping")
        try:
            mounts.append(_parse_mount(entry))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    return tuple(mounts)


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
                sub_path=fill_template(mount.sub_path, identity) or None,
                read_only=mount.read_only or None,
            )
        )
    return PodParts(volumes=tuple(volumes.values()), volume_mounts=tuple(volume_mounts))


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


def _parse_mount(entry: Mapping[str, Any]) -> Mount:
    unknown = entry.keys() - _KEYS
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(map(str, unknown)))}; the keys are {', '.join(sorted(_KEYS))}")
    if "path" not in entry or len(entry.keys() & {"claim", "nfs", "host_path"}) != 1:
        raise ValueError("a mount has a path and exactly one of claim, nfs and host_path")
    groups = entry.get("groups") or ()
    if not isinstance(groups, list | tuple | set | frozenset) or not all(isinstance(name, str) for name in groups):
        raise ValueError(f"groups is a list of hub groups, such as ['physics'], not {groups!r}")
    exclusive = _flag(entry, "exclusive")
    if exclusive and "claim" not in entry:
        raise ValueError("exclusive is for a claim")
    return Mount(
        path=check_template("path", entry["path"], absolute=True),
        source=_parse_source(entry),
        read_only=_flag(entry, "read_only"),
        sub_path=check_template("sub_path", entry.get("sub_path", ""), absolute=False).strip("/"),
        groups=frozenset(groups),
        exclusive=exclusive,
    )


def _flag(entry: Mapping[str, Any], name: str) -> bool:
    value = entry.get(name) or False
    if not isinstance(value, bool):
        raise ValueError(f"{name} is True or False, not {value!r}")
    return value


def _parse_host_path(value: Any) -> HostPath:
    values = {"path": value} if isinstance(value, str) else value
    if not isinstance(values, Mapping) or values.keys() - {"path", "type"} or "path" not in values:
        raise ValueError(f"host_path is a path, or has path and optionally type, not {value!r}")
    if not all(isinstance(text, str) for text in values.values()):
        raise ValueError(f"host_path: path and type are texts, not {value!r}")
    return HostPath(**values)


def _parse_source(entry: Mapping[str, Any]) -> str | NFSExport | HostPath:
    if "nfs" in entry:
        export = NFSExport.parse(entry["nfs"])
        if export.mount_options:
            raise ValueError("a pod cannot carry NFS mount options; make a claim with them and name that")
        return export
    if "host_path" in entry:
        return _parse_host_path(entry["host_path"])
    claim = entry["claim"]
    if not isinstance(claim, str) or not _OBJECT_NAME.match(claim):
        raise ValueError(f"{claim!r} is not the name of a claim")
    return claim


def _volume(name: str, source: str | NFSExport | HostPath) -> V1Volume:
    match source:
        case NFSExport():
            return V1Volume(name=name, nfs=V1NFSVolumeSource(server=source.server, path=source.path))
        case HostPath():
            return V1Volume(name=name, host_path=V1HostPathVolumeSource(path=source.path, type=source.type))
        case _:
            claim = V1PersistentVolumeClaimVolumeSource(claim_name=source)
            return V1Volume(name=name, persistent_volume_claim=claim)

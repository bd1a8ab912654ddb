"""An NFS export, and the PersistentVolume and claim that give it mount options; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes_asyncio.client.models import (
    V1NFSVolumeSource,
    V1ObjectMeta,
    V1ObjectReference,
    V1PersistentVolume,
    V1PersistentVolumeClaim,
    V1PersistentVolumeClaimSpec,
    V1PersistentVolumeSpec,
    V1VolumeResourceRequirements,
)

__all__ = ["NFSExport", "nfs_claim", "nfs_volume"]

_CAPACITY = "1Mi"
"""A claim and a volume have to name one; NFS does not look at it."""


@dataclass(frozen=True, slots=True)
class NFSExport:
    """What an NFS server exports."""

    server: str
    """Its name or address, as the nodes resolve it."""

    path: str
    """The exported folder: `/export/home`."""

    mount_options: tuple[str, ...] = ()
    """Such as `nfsvers=4.1`. A pod cannot carry them, so they make it a PersistentVolume and a claim."""

    def __post_init__(self) -> None:
        if not self.server or any(character.isspace() or character == "/" for character in self.server):
            raise ValueError(f"an NFS server is a host name or an address, not {self.server!r}")
        if not self.path.startswith("/") or ".." in self.path.split("/"):
            raise ValueError(f"an NFS path is absolute and without '..', not {self.path!r}")
        for option in self.mount_options:
            if not option or "," in option or any(character.isspace() for character in option):
                raise ValueError(f"an NFS mount option is one word without a comma, not {option!r}")

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> NFSExport:
        """Return the export of a configured mapping: `server`, `path` and optionally `mount_options`.

        Raises
        ------
        ValueError
            Where a key is missing or unknown, or a value malformed.
        """
        if (
            not isinstance(values, Mapping)
            or values.keys() - {"server", "path", "mount_options"}
            or not {"server", "path"} <= values.keys()
        ):
            raise ValueError(f"an NFS export has server, path and optionally mount_options, not {values!r}")
        options: Any = values.get("mount_options") or ()
        if isinstance(options, str):
            options = options.split(",")
        if not isinstance(options, list | tuple):
            raise ValueError(f"NFS mount options are a list, such as ['nfsvers=4.1'], not {options!r}")
        for text in (values["server"], values["path"], *options):
            if not isinstance(text, str):
                raise ValueError(f"an NFS export is described by texts, and {text!r} is none")
        return cls(values["server"], values["path"], tuple(options))


def nfs_volume(export: NFSExport, claim_name: str, namespace: str) -> V1PersistentVolume:
    """Return the PersistentVolume for `export`, kept for the claim of that name and namespace.

    It belongs to no namespace, so its name has the namespace's in front. What is on it outlives the claim.
    """
    return V1PersistentVolume(
        api_version="v1",
        kind="PersistentVolume",
        metadata=V1ObjectMeta(name=f"{namespace}-{claim_name}"),
        spec=V1PersistentVolumeSpec(
            access_modes=["ReadWriteMany"],
            capacity={"storage": _CAPACITY},
            claim_ref=V1ObjectReference(
                api_version="v1", kind="PersistentVolumeClaim", name=claim_name, namespace=namespace
            ),
            mount_options=list(export.mount_options) or None,
            nfs=V1NFSVolumeSource(server=export.server, path=export.path),
            persistent_volume_reclaim_policy="Retain",
            storage_class_name="",
        ),
    )


def nfs_claim(claim_name: str, namespace: str) -> V1PersistentVolumeClaim:
    """Return the claim that is bound to `nfs_volume` of the same arguments and to nothing else."""
    return V1PersistentVolumeClaim(
        api_version="v1",
        kind="PersistentVolumeClaim",
        metadata=V1ObjectMeta(name=claim_name, namespace=namespace),
        spec=V1PersistentVolumeClaimSpec(
            access_modes=["ReadWriteMany"],
            resources=V1VolumeResourceRequirements(requests={"storage": _CAPACITY}),
            # An empty name, since no name at all would ask for the cluster's default class.
            storage_class_name="",
            volume_name=f"{namespace}-{claim_name}",
        ),
    )

"""What volumes are, and the folders of them that are a user's: exports, paths of a node, templates of paths."""

from __future__ import annotations

from functools import partial
from string import Formatter
from typing import Annotated, Any, Final, Literal

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
from kubespawner.slugs import safe_slug
from pydantic import AfterValidator, BeforeValidator, Strict

from jhkube.identity import UserIdentity
from jhkube.operator_models import OperatorModel
from jhkube.operator_types import Wanted

__all__ = [
    "AbsoluteTemplate",
    "HostPath",
    "NFSExport",
    "RelativeTemplate",
    "check_template",
    "fill_template",
    "nfs_claim",
    "nfs_volume",
]

TEMPLATE_FIELDS: Final = ("username", "unescaped_username", "uid")
"""What a template may name; the first two mean what they mean in KubeSpawner's templates."""

_CAPACITY: Final = "1Mi"
"""A claim and a volume have to name one; NFS does not look at it."""


def check_template(template: str, *, absolute: bool) -> str:
    """Return `template` where it is one, else raise ValueError that says what is wrong with it.

    Parameters
    ----------
    template
        A path in which `{username}`, `{unescaped_username}` and `{uid}` stand for the user.
    absolute
        Whether the path starts with a slash, or must not.
    """
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{template!r} is not a template: {error}") from None
    for _, name, spec, conversion in parsed:
        if name is not None and (name not in TEMPLATE_FIELDS or spec or conversion):
            fields = ", ".join(f"{{{field}}}" for field in TEMPLATE_FIELDS)
            raise ValueError(f"{template!r} has {{{name}}}; a template may have {fields}")
    if absolute != template.startswith("/"):
        raise ValueError(f"should be {'an absolute' if absolute else 'a relative'} path, not {template!r}")
    fixed = "".join(text if name is None else f"{text}x" for text, name, _, _ in parsed)
    if any(part in ("..", ".") for part in fixed.split("/")) or ":" in fixed:
        raise ValueError(f"{template!r} has a part that is '.' or '..', or a colon")
    return template


def _absolute(path: str) -> str:
    if not path.startswith("/") or ".." in path.split("/"):
        raise ValueError
    return path


def _host(name: str) -> str:
    if not name or any(character.isspace() or character == "/" for character in name):
        raise ValueError
    return name


def _option(text: str) -> str:
    if not text or "," in text or any(character.isspace() for character in text):
        raise ValueError
    return text


def _options(value: Any) -> Any:
    return tuple(value.split(",")) if isinstance(value, str) else value


AbsoluteTemplate = Annotated[str, Strict(), Wanted("a text"), AfterValidator(partial(check_template, absolute=True))]
"""A path in the pod, by user."""

RelativeTemplate = Annotated[str, Strict(), Wanted("a text"), AfterValidator(partial(check_template, absolute=False))]
"""A folder of a volume, by user."""

AbsolutePath = Annotated[
    str, Strict(), AfterValidator(_absolute), Wanted("an absolute path without '..', such as '/srv/data'")
]

MountOption = Annotated[
    str, Strict(), AfterValidator(_option), Wanted("one word without a comma, such as 'nfsvers=4.1'")
]


class NFSExport(OperatorModel):
    """What an NFS server exports."""

    server: Annotated[
        str, Strict(), AfterValidator(_host), Wanted("a host name or an address, such as 'files.example.org'")
    ]
    """Its name or address, as the nodes resolve it."""

    path: AbsolutePath
    """The exported folder: `/export/home`."""

    mount_options: Annotated[
        tuple[MountOption, ...], BeforeValidator(_options), Wanted("a list, such as ['nfsvers=4.1']")
    ] = ()
    """Such as `nfsvers=4.1`. A pod cannot carry them, so they make it a PersistentVolume and a claim."""


class HostPath(OperatorModel):
    """A folder or file of the node."""

    path: AbsolutePath
    """Its absolute path."""

    type: Annotated[
        Literal["", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket", "CharDevice", "BlockDevice"],
        Wanted("a type of host path, such as 'Directory', 'DirectoryOrCreate', 'File' or 'Socket'"),
    ] = "Directory"
    """What kubelet checks, by https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types."""


def fill_template(template: str, identity: UserIdentity) -> str:
    """Return the path that `template` means for the user.

    `{username}` is escaped as KubeSpawner does: unchanged where it is a valid DNS label already, else a slug
    with a hash. `{unescaped_username}` is the name itself, as an existing file server may have it.

    >>> ada = UserIdentity(name="ada.l", uid=1, gid=1, subject="x:1")
    >>> fill_template("{unescaped_username}/lab", ada)
    'ada.l/lab'

    Raises
    ------
    ValueError
        Where a raw name could leave its folder or is no name of a folder.
    """
    if "{unescaped_username}" in template:
        _check_raw(identity.name)
    slug = safe_slug(identity.name)  # type: ignore[no-untyped-call]
    return template.format(username=slug, unescaped_username=identity.name, uid=int(identity.uid))


def _check_raw(name: str) -> None:
    """Raise ValueError where `name` is no plain name of a folder."""
    if not name:
        raise ValueError("an empty user name cannot name a folder")
    if name.startswith("."):
        raise ValueError(f"the user name {name!r} starts with a dot and cannot name a folder")
    if "/" in name or ":" in name or not name.isprintable():
        raise ValueError(f"the user name {name!r} has a slash, a colon or a control character")
    if len(name.encode()) > 255:
        raise ValueError(f"the user name {name[:20]!r}… is too long to name a folder")


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

"""The user's home: on the person's own claim, on NFS, or on a claim that all share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from kubernetes_asyncio.client.models import (
    V1Container,
    V1EmptyDirVolumeSource,
    V1EnvVar,
    V1NFSVolumeSource,
    V1PersistentVolume,
    V1PersistentVolumeClaim,
    V1PersistentVolumeClaimVolumeSource,
    V1Volume,
    V1VolumeMount,
)

from jhkube.identity import UserIdentity
from jhkube.operator_models import read_model
from jhkube.pod.home_scripts import FILL, MAKE_AS_ROOT, MAKE_AS_USER
from jhkube.pod.parts import InitStep, PodParts, modest_resources, script_of, unexpanded
from jhkube.pod.security import ROOT_HOME_CONTEXT
from jhkube.pod.volumes import NFSExport, check_template, fill_template, nfs_claim, nfs_volume

__all__ = [
    "FolderMaker",
    "Home",
    "HomeKind",
    "home_parts",
    "home_path",
    "parse_home",
    "shared_claim",
    "temporary_home",
]

HOME_VOLUME = "jhkube-home"
"""The name of the pod's volume that the home is on."""

_WHOLE = "/jhkube/volume"
"""Where the init containers see the whole of a volume whose folder is the home."""


class HomeKind(StrEnum):
    """Where homes are kept."""

    PVC = "pvc"
    """A PersistentVolumeClaim for each user, KubeSpawner's."""

    NFS = "nfs"
    """An NFS export with a folder for each user."""

    SHARED_PVC = "shared-pvc"
    """One PersistentVolumeClaim with a folder for each user."""


class FolderMaker(StrEnum):
    """Who makes a user's folder the first time, with mode 0700."""

    ROOT = "root"
    """An init container as root with the right to give it to the user: where users may not write the volume's
    top, as on NFS, on a shared claim, and on host paths, which know no fsGroup. Pod Security "baseline"."""

    USER = "user"
    """The user, on the person's own claim, whose volume kubelet gives to the user's group (fsGroup). Without a
    `sub_path` the volume's top is the home and nothing is made. Pod Security "restricted"."""

    NOBODY = "nobody"
    """Nobody here: another system makes the folders."""


@dataclass(frozen=True, slots=True)
class Home:
    """What the operator has configured about homes; `parse_home` makes one."""

    kind: HomeKind
    """Where homes are kept."""

    path: str = "/home/{username}"
    """The home in the pod, a template."""

    sub_path: str = ""
    """The user's folder on the volume, a template; empty for the volume itself."""

    claim: str = ""
    """The name of the claim that all share; for NFS with mount options, the one that jhkube makes."""

    nfs: NFSExport | None = None
    """The export, for NFS."""

    skeleton: bool = False
    """Whether a new home is filled from the image's /etc/skel."""

    copy_from: str = ""
    """A folder of the image whose files are copied to the home at each start, never over a newer file."""

    made_by: FolderMaker = FolderMaker.USER
    """Who makes a missing folder."""

    make_image: str = ""
    """The image of `FolderMaker.ROOT`; empty for the user's. It sees the whole volume: name a trusted one
    where users may choose images that you would not trust with it."""

    size_limit: str = ""
    """The size of a home that goes with its pod, such as `1Gi`; empty for a home that is kept."""

    @property
    def is_open_to_images(self) -> bool:
        """Whether the image of a server runs as root with the homes of others at hand."""
        return self.kind is not HomeKind.PVC and self.made_by is FolderMaker.ROOT and not self.make_image


def parse_home(
    kind: str,
    *,
    path: str = "/home/{username}",
    sub_path: str | None = None,
    claim: str = "",
    nfs: Mapping[str, Any] | None = None,
    skeleton: bool = False,
    copy_from: str = "",
    made_by: str = "",
    make_image: str = "",
) -> Home:
    """Return the home that the operator's traits describe.

    Parameters
    ----------
    kind
        `pvc`, `nfs` or `shared-pvc`.
    path, sub_path, claim, skeleton, copy_from, made_by, make_image
        As in `Home`. `sub_path` is `{username}` by default on a shared volume, none on an own
        claim; `made_by` is `root` on a shared volume, `user` on an own claim.
    nfs
        A mapping with `server`, `path` and, optionally, `mount_options`.

    Raises
    ------
    ValueError
        Where something is missing, malformed or does not go together.

    Examples
    --------
    >>> parse_home("nfs", nfs={"server": "files.example.org", "path": "/export/home"}).sub_path
    '{username}'
    """
    try:
        home_kind = HomeKind(kind)
    except ValueError:
        raise ValueError(f"home is one of {', '.join(HomeKind)}, not {kind!r}") from None
    shared = home_kind is not HomeKind.PVC
    if sub_path is None:
        sub_path = "{username}" if shared else ""
    _check_path("home_path", path, absolute=True)
    _check_path("home_sub_path", sub_path, absolute=False)
    if shared and "{" not in sub_path:
        raise ValueError(f"home_sub_path: {sub_path!r} is the same for every user on a shared volume")
    if copy_from and (not copy_from.startswith("/") or copy_from == "/"):
        raise ValueError(f"home_copy_from: {copy_from!r} is not the absolute path of a folder of the image")
    if (home_kind is HomeKind.NFS) != bool(nfs):
        raise ValueError("home_nfs goes with home = 'nfs', and only with that")
    if home_kind is HomeKind.SHARED_PVC and not claim:
        raise ValueError("home = 'shared-pvc' needs the claim's name in home_claim")
    try:
        maker = FolderMaker(made_by or (FolderMaker.ROOT if shared else FolderMaker.USER))
    except ValueError:
        raise ValueError(f"home_made_by is one of {', '.join(FolderMaker)}, not {made_by!r}") from None
    if shared and maker is FolderMaker.USER:
        raise ValueError(f"home_made_by: on {home_kind} a user cannot create a folder next to others'; root can")
    export = read_model(NFSExport, "home_nfs", nfs) if nfs else None
    if export and export.mount_options and not claim:
        claim = "jhkube-home-nfs"
    return Home(
        kind=home_kind,
        path=path,
        sub_path=sub_path.strip("/"),
        claim=claim,
        nfs=export,
        skeleton=skeleton,
        copy_from=copy_from,
        made_by=maker,
        make_image=make_image,
    )


def _check_path(trait: str, path: str, *, absolute: bool) -> None:
    try:
        check_template(path, absolute=absolute)
    except ValueError as error:
        raise ValueError(f"{trait}: {error}") from None


def home_path(home: Home, identity: UserIdentity) -> str:
    """Return the user's home in the pod: `/home/ada`."""
    return fill_template(home.path, identity)


def home_parts(
    home: Home,
    identity: UserIdentity,
    *,
    claim_name: str,
    pod_name: str,
    container: V1Container,
) -> PodParts:
    """Return the home's volume and mount, and the init containers and steps that make and fill it.

    Parameters
    ----------
    home
        The configuration.
    identity
        The user.
    claim_name
        The user's own claim (KubeSpawner's `pvc_name`), for `HomeKind.PVC`.
    pod_name
        The pod's name, which keeps two servers of one user apart while both fill a home.
    container
        The user's container, whose image and amounts the init container that makes folders is given.

    Raises
    ------
    ValueError
        Where the user's name could leave the folder of homes.
    """
    path = home_path(home, identity)
    folder = fill_template(home.sub_path, identity)
    mount = V1VolumeMount(name=HOME_VOLUME, mount_path=path, sub_path=folder or None)
    whole = V1VolumeMount(name=HOME_VOLUME, mount_path=_WHOLE)
    on_whole = f"{_WHOLE}/{folder}".rstrip("/")
    steps: list[InitStep] = []
    containers: list[V1Container] = []
    filled, filled_by = path, mount
    if home.made_by is FolderMaker.ROOT:
        containers.append(
            _make_as_root(
                home,
                identity,
                {"JHKUBE_VOLUME": _WHOLE, "JHKUBE_FOLDER": on_whole, "JHKUBE_CALLED": folder},
                whole,
                container,
            )
        )
    elif home.made_by is FolderMaker.USER and folder:
        # The container that makes the folder cannot have it mounted yet, so it fills it where it is.
        steps.append(InitStep(MAKE_AS_USER, {"JHKUBE_FOLDER": on_whole}, (whole,)))
        filled, filled_by = on_whole, whole
    if home.skeleton or home.copy_from:
        env = {
            "JHKUBE_HOME": filled,
            "JHKUBE_POD": pod_name,
            "JHKUBE_SKELETON": "/etc/skel" if home.skeleton else "",
            "JHKUBE_COPY": home.copy_from,
        }
        steps.append(InitStep(FILL, env, (filled_by,)))
    return PodParts(
        volumes=(_home_volume(home, claim_name),),
        volume_mounts=(mount,),
        init_containers=tuple(containers),
        init_steps=tuple(steps),
        working_dir=path,
    )


def temporary_home(home: Home, size_limit: str) -> Home:
    """Return a home at the same place that goes with its pod, with nothing of the volume where homes are kept.

    Parameters
    ----------
    home
        The operator's configuration.
    size_limit
        How much it takes, as a Kubernetes quantity; kubelet evicts a pod whose home is larger.
    """
    return replace(
        home,
        kind=HomeKind.PVC,
        sub_path="",
        claim="",
        nfs=None,
        made_by=FolderMaker.USER,
        make_image="",
        size_limit=size_limit,
    )


def shared_claim(home: Home, namespace: str) -> tuple[V1PersistentVolume, V1PersistentVolumeClaim] | None:
    """Return what jhkube makes once a namespace for NFS with mount options: volume and claim; else None."""
    if home.nfs and home.nfs.mount_options:
        return nfs_volume(home.nfs, home.claim, namespace), nfs_claim(home.claim, namespace)
    return None


def _home_volume(home: Home, claim_name: str) -> V1Volume:
    if home.size_limit:
        return V1Volume(name=HOME_VOLUME, empty_dir=V1EmptyDirVolumeSource(size_limit=home.size_limit))
    if home.kind is HomeKind.NFS and home.nfs and not home.nfs.mount_options:
        source = V1NFSVolumeSource(server=home.nfs.server, path=home.nfs.path)
        return V1Volume(name=HOME_VOLUME, nfs=source)
    name = claim_name if home.kind is HomeKind.PVC else home.claim
    claim = V1PersistentVolumeClaimVolumeSource(claim_name=name)
    return V1Volume(name=HOME_VOLUME, persistent_volume_claim=claim)


def _make_as_root(
    home: Home,
    identity: UserIdentity,
    env: Mapping[str, str],
    whole: V1VolumeMount,
    container: V1Container,
) -> V1Container:
    values = {**env, "JHKUBE_UID": str(int(identity.uid)), "JHKUBE_GID": str(int(identity.gid))}
    return V1Container(
        name="jhkube-home",
        image=home.make_image or container.image,
        image_pull_policy=None if home.make_image else container.image_pull_policy,
        command=script_of(MAKE_AS_ROOT),
        env=[V1EnvVar(name=name, value=unexpanded(value)) for name, value in values.items()],
        resources=modest_resources(container),
        security_context=ROOT_HOME_CONTEXT,
        volume_mounts=[whole],
    )

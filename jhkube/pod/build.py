"""The whole of what jhkube adds to a pod, in the order that it needs, and what the pod says about itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kubernetes_asyncio.client.models import V1Pod
from kubespawner.slugs import is_valid_label, safe_slug

from jhkube.identity import SUBJECT_ANNOTATION, UserIdentity
from jhkube.operator_models import ConfigError
from jhkube.own_disks import OwnDisk
from jhkube.pod.accounts import Accounts, account_files, account_parts
from jhkube.pod.git import GitSettings, git_files, git_parts
from jhkube.pod.home import FolderMaker, Home, HomeKind, home_parts, home_path
from jhkube.pod.mounts import Mount, mount_parts, mounts_for, own_disk_parts
from jhkube.pod.own_secrets import own_secret_parts
from jhkube.pod.parts import PodParts, apply_parts, user_container
from jhkube.pod.repository import CloneSettings, clone_parts
from jhkube.pod.secret import SECRET_PATH, SecretFiles, secret_name, secret_parts
from jhkube.pod.security import run_as, with_umask, without_fs_group
from jhkube.repository import Repository

__all__ = [
    "GROUP_PREFIX",
    "HUB_ANNOTATION",
    "WARNING_ANNOTATION",
    "PodSettings",
    "ServerFacts",
    "build_pod",
    "label_parts",
    "label_value",
    "secret_files",
]


GROUP_PREFIX = "group.jhkube/"
"""A label with this prefix for each hub group of the user: `kubectl get pods -l group.jhkube/astro`."""

HUB_ANNOTATION = "jhkube/hub"
"""The annotation of a pod that says which of several hubs has started it."""

WARNING_ANNOTATION = "jhkube/warning"
"""What of a server is not as it was asked for, in a sentence for the person."""

_DIGEST = re.compile(r"sha(?:256|512):([0-9a-f]{64}(?:[0-9a-f]{64})?)\Z")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What was chosen for this server, beyond what KubeSpawner's own labels say (user and server name)."""

    image_reference: str = ""
    """The image as the user chose it: `registry.example.org/lab:w_2024_12`."""

    image_tag: str = ""
    """The tag: `w_2024_12`."""

    image_digest: str = ""
    """What the tag meant at the spawn: `sha256:…`."""

    size: str = ""
    """The size's name."""

    hub_groups: tuple[str, ...] = ()
    """The user's groups in the hub."""

    repository: Repository | None = None
    """What is cloned into the home before the server starts."""

    secrets: tuple[str, ...] = ()
    """The names of the person's own secrets that it gets."""

    disks: tuple[OwnDisk, ...] = ()
    """The person's own disks that it mounts."""

    warning: str = ""
    """What is not as it was asked for, in a sentence for the person."""

    hub: str = ""
    """The hub's name, if it is one of several."""


@dataclass(frozen=True, slots=True)
class PodSettings:
    """The operator's configuration of pods, parsed."""

    home: Home
    """Where homes are kept."""

    accounts: Accounts = field(default_factory=Accounts)
    """What the pod knows of users and groups."""

    git: GitSettings = field(default_factory=GitSettings)
    """The git hosts."""

    mounts: tuple[Mount, ...] = ()
    """Volumes beyond the home."""

    clones: CloneSettings = field(default_factory=CloneSettings)
    """How repositories are cloned."""

    umask: str = ""
    """As `security.parse_umask` gives it; empty for the image's."""

    def __post_init__(self) -> None:
        taken = {self.home.path.rstrip("/"): "the home (home_path)", SECRET_PATH: "jhkube's own files"}
        for number, mount in enumerate(self.mounts):
            if (path := mount.path.rstrip("/")) in taken:
                raise ConfigError(f"extra_mounts[{number}].path: {path!r} is the place of {taken[path]}")


def build_pod(
    pod: V1Pod, settings: PodSettings, identity: UserIdentity, facts: ServerFacts, *, claim_name: str
) -> V1Pod:
    """Add everything to the `pod` that KubeSpawner made, in place, and return it.

    Parameters
    ----------
    pod
        KubeSpawner's manifest.
    settings
        The configuration.
    identity
        The user.
    facts
        What was chosen for this server.
    claim_name
        KubeSpawner's `pvc_name`.

    Raises
    ------
    ChoiceConflict
        Where a disk of the person's own is to be mounted where something else is.
    ValueError
        Where the user's name, the configuration and KubeSpawner's pod do not go together.
    """
    run_as(pod, identity)
    name = pod.metadata.name
    home = home_path(settings.home, identity)
    container = user_container(pod)
    mounts = mounts_for(settings.mounts, facts.hub_groups)
    shares = shares_volumes(settings.home, mounts)
    apply_parts(
        pod,
        secret_parts(secret_name(name), secret_files(settings, identity, {}), has_fs_group=not shares),
        home_parts(settings.home, identity, claim_name=claim_name, pod_name=name, container=container),
        mount_parts(mounts, identity),
        account_parts(settings.accounts, identity, home),
        git_parts(settings.git),
        own_secret_parts(identity.subject, facts.secrets, has_fs_group=not shares),
        label_parts(facts, identity),
    )
    if facts.repository is not None:
        apply_parts(pod, clone_parts(settings.clones, facts.repository, home, pod_name=name, container=container))
    # Last, so that a path that is taken already is known.
    apply_parts(pod, own_disk_parts(facts.disks, home, container))
    if shares:
        without_fs_group(pod)
    return with_umask(pod, settings.umask)


def shares_volumes(home: Home, mounts: tuple[Mount, ...]) -> bool:
    """Return whether a pod has claims that other people's pods have too, and none that needs an fsGroup.

    A home on a claim of the person's own needs one, unless root makes it.
    """
    if home.kind is HomeKind.PVC and home.made_by is not FolderMaker.ROOT:
        return False
    return home.kind is HomeKind.SHARED_PVC or any(isinstance(mount.source, str) for mount in mounts)


def secret_files(settings: PodSettings, identity: UserIdentity, tokens: Mapping[str, str]) -> SecretFiles:
    """Return what the pod's Secret holds; the same file names whatever the tokens are.

    Parameters
    ----------
    settings
        The configuration.
    identity
        The user.
    tokens
        Token by git host, as configured; may be empty.
    """
    home = home_path(settings.home, identity)
    return account_files(settings.accounts, identity, home) | git_files(settings.git, identity, tokens)


def label_value(text: str) -> str:
    """Return `text` as a label's value: itself where it is one, else a slug with a hash.

    >>> label_value("astro:admins")
    'astro-admins---e8cc820d'
    """
    return str(safe_slug(text, is_valid=is_valid_label, max_length=63))  # type: ignore[no-untyped-call]


def label_parts(facts: ServerFacts, identity: UserIdentity | None = None) -> PodParts:
    """Return the labels and annotations that tell what runs for whom."""
    digest = _DIGEST.match(facts.image_digest)
    labels = {
        "jhkube/image-tag": label_value(facts.image_tag) if facts.image_tag else "",
        "jhkube/image-digest": digest[1][:12] if digest else "",
        "jhkube/size": label_value(facts.size) if facts.size else "",
        "jhkube/uid": str(identity.uid) if identity else "",
        **{f"{GROUP_PREFIX}{label_value(name)}": "yes" for name in _named(facts.hub_groups)},
    }
    annotations = {
        "jhkube/image": facts.image_reference,
        "jhkube/image-digest": facts.image_digest,
        "jhkube/groups": json.dumps(list(facts.hub_groups)) if facts.hub_groups else "",
        SUBJECT_ANNOTATION: identity.subject if identity else "",
        WARNING_ANNOTATION: facts.warning,
        HUB_ANNOTATION: facts.hub,
    }
    return PodParts(
        labels={key: value for key, value in labels.items() if value},
        annotations={key: value for key, value in annotations.items() if value},
    )


def _named(groups: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(groups) if name]

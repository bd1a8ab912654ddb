"""The whole of what jhkube adds to a pod, in the order that it needs; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubernetes_asyncio.client.models import V1Pod

from jhkube.identity import UserIdentity
from jhkube.pod.accounts import Accounts, account_files, account_parts
from jhkube.pod.git import GitSettings, git_files, git_parts
from jhkube.pod.home import FolderMaker, Home, HomeKind, home_parts, home_path
from jhkube.pod.labels import ServerFacts, label_parts
from jhkube.pod.mounts import Mount, mount_parts, mounts_for
from jhkube.pod.parts import apply_parts, user_container
from jhkube.pod.secret import SecretFiles, secret_name, secret_parts
from jhkube.pod.security import run_as, with_umask, without_fs_group

__all__ = ["PodSettings", "build_pod", "secret_files"]


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

    umask: str = ""
    """As `security.parse_umask` gives it; empty for the image's."""


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
        label_parts(facts, identity),
    )
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

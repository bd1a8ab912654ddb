"""Which hub uses a home now: a Lease of the API group `coordination.k8s.io`, as a value.

A Lease names the hub that used the home last, and the pods for which it did. It is in force while one of those pods
is there. Nobody has to give it back, so a hub that dies keeps nobody from their home. Time alone ends no Lease, so a
server whose hub is away stays the only one that writes.

Before there is a pod, the hub's start reserves the home for a limited time. A pod is named in the Lease after it was
made and before it can run: kubelet starts no container of a pod whose Secret is missing, and the Secret is created
after the Lease. Every change names the version that was read, so of two hubs one is refused, whatever their clocks
say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from jhkube.identity import SUBJECT_ANNOTATION, UserIdentity
from jhkube.pod.home import Home, HomeKind
from jhkube.pod.volumes import fill_template

__all__ = ["RESERVED_FOR", "HomeLease", "HomePod", "home_key", "lease_manifest", "lease_name", "parse_lease"]

RESERVED_FOR: Final = timedelta(seconds=120)
"""How long a home stays reserved for a start that has made no pod yet."""

HOME_ANNOTATION: Final = "jhkube/home"
"""What home a Lease is for, for whoever reads it."""

PODS_ANNOTATION: Final = "jhkube/home-pods"
"""The pods that a Lease names: a JSON list of `[namespace, name, uid]`."""


@dataclass(frozen=True, slots=True, order=True)
class HomePod:
    """A pod that uses a home, or is about to."""

    namespace: str
    """`labs`."""

    name: str
    """`jupyter-a-ada`."""

    uid: str = ""
    """The API server's own id of it; empty while a start has made none."""


@dataclass(frozen=True, slots=True)
class HomeLease:
    """Who uses a home."""

    name: str
    """The Lease's name."""

    home: str
    """What home it is, as `home_key` says it."""

    subject: str
    """Whose home it is: the person's immutable id."""

    hub: str
    """The name of the hub that used it last."""

    pods: frozenset[HomePod]
    """The pods for which that hub used it."""

    renewed_at: datetime | None = None
    """When that hub wrote it."""

    transitions: int = 0
    """How often the home went from one hub to another."""

    version: str = ""
    """The version that a change names (`resourceVersion`); empty for a Lease that is to be made."""

    def is_reserved(self, now: datetime) -> bool:
        """Return whether a start that has made no pod yet has the home."""
        return self.reserved_for(now) > timedelta() and any(not pod.uid for pod in self.pods)

    def reserved_for(self, now: datetime) -> timedelta:
        """Return how long a start that has made no pod yet has the home from now on."""
        return timedelta() if self.renewed_at is None else self.renewed_at + RESERVED_FOR - now

    def taken(self, hub: str, pod: HomePod, others: Iterable[HomePod], now: datetime) -> HomeLease:
        """Return the Lease with a pod, or a start that is to make one, of this hub.

        Parameters
        ----------
        hub
            The name of the hub that takes it.
        pod
            The pod; what the Lease has of its start before is left out.
        others
            Those of the Lease's other pods that are still there.
        now
            The time.
        """
        return replace(
            self,
            hub=hub,
            pods=frozenset([*others, pod]) - {replace(pod, uid="")} | {pod},
            renewed_at=now,
            transitions=self.transitions + (self.hub != hub),
        )


def home_key(home: Home, identity: UserIdentity, namespace: str, claim: str) -> str:
    """Return what a home is, the same on every hub: `claim/labs/claim-ada`, or `nfs/files.example.org/home/ada`.

    Parameters
    ----------
    home
        The operator's configuration.
    identity
        The person.
    namespace
        Where the pods run, and their claims are.
    claim
        The name of the person's own claim, for `HomeKind.PVC`.
    """
    folder = fill_template(home.sub_path, identity)
    if home.nfs:
        return f"nfs/{home.nfs.server}/{home.nfs.path.strip('/')}/{folder}"
    if home.kind is HomeKind.PVC:
        # All of it: the folders of one claim are one person's.
        return f"claim/{namespace}/{claim}"
    return f"claim/{namespace}/{home.claim}/{folder}"


def lease_name(key: str) -> str:
    """Return the name of a home's Lease.

    Examples
    --------
    >>> lease_name("claim/labs/claim-ada")
    'jhkube-home-7da8ed02ca3bf2b5bd73'
    """
    return f"jhkube-home-{hashlib.sha256(key.encode()).hexdigest()[:20]}"


def parse_lease(found: Mapping[str, Any]) -> HomeLease:
    """Return a Lease as the API server has it.

    Raises
    ------
    ValueError
        Where it is none that jhkube wrote: nothing says then that the home is free.
    """
    metadata, spec = found["metadata"], found.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    try:
        pods = frozenset(
            HomePod(str(namespace), str(name), str(uid))
            for namespace, name, uid in json.loads(annotations[PODS_ANNOTATION])
        )
        renewed_at = datetime.fromisoformat(spec["renewTime"])
        hub, transitions = str(spec["holderIdentity"]), int(spec.get("leaseTransitions") or 0)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError(f"the Lease {metadata['name']} was not written by jhkube, or was changed") from None
    return HomeLease(
        name=metadata["name"],
        home=str(annotations.get(HOME_ANNOTATION, "")),
        subject=str(annotations.get(SUBJECT_ANNOTATION, "")),
        hub=hub,
        pods=pods,
        renewed_at=renewed_at,
        transitions=transitions,
        version=metadata["resourceVersion"],
    )


def lease_manifest(lease: HomeLease) -> dict[str, Any]:
    """Return a Lease as the API server takes it (camelCase keys)."""
    assert lease.renewed_at is not None
    renewed_at = lease.renewed_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    metadata: dict[str, Any] = {
        "name": lease.name,
        "labels": {"app.kubernetes.io/managed-by": "jhkube", "app.kubernetes.io/component": "home-lease"},
        "annotations": {
            HOME_ANNOTATION: lease.home,
            SUBJECT_ANNOTATION: lease.subject,
            PODS_ANNOTATION: json.dumps([[pod.namespace, pod.name, pod.uid] for pod in sorted(lease.pods)]),
        },
    }
    if lease.version:
        metadata["resourceVersion"] = lease.version
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": lease.hub,
            "leaseDurationSeconds": int(RESERVED_FOR.total_seconds()),
            "renewTime": renewed_at,
            "leaseTransitions": lease.transitions,
        },
    }

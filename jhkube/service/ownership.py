"""Whose pods and claims are: by the provider's immutable id that is written on them, never by a name alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jhkube.identity import made_for
from jhkube.pod.build import HUB_ANNOTATION
from jhkube.pod.volume_claims import ALONE_ANNOTATION

__all__ = [
    "claims_of",
    "hub_of_pod",
    "is_made_alone",
    "is_over",
    "mounted_claims",
    "pod_of",
    "pods_of",
    "server_of",
]

Object = Mapping[str, Any]
"""An object of Kubernetes as the API's JSON."""


def is_made_alone(claim: Object) -> bool:
    """Say whether a claim was made for no server."""
    return ALONE_ANNOTATION in (claim["metadata"].get("annotations") or {})


def pods_of(pods: Iterable[Object], subject: str) -> list[Object]:
    """Return the pods that were made for a person; none where nobody knows who that is."""
    return [each for each in pods if subject and made_for(each) == subject]


def claims_of(claims: Iterable[Object], subject: str) -> list[Object]:
    """Return the claims that say that they are a person's; none where nobody knows who that is."""
    return [each for each in claims if subject and made_for(each) == subject]


def pod_of(pods: Iterable[Object], subject: str, user: str, server: str) -> Object | None:
    """Return the pod of a person's server, or None.

    Parameters
    ----------
    pods
        Where to look.
    subject
        The provider's immutable id of the person.
    user
        Their name in the hub.
    server
        The server's name; empty for the default server.
    """
    found = [
        each for each in pods_of(pods, subject) if _annotation(each, "username") == user and server_of(each) == server
    ]
    # One that is being deleted may exist together with the one that takes its place.
    found.sort(key=lambda each: ("deletionTimestamp" in each["metadata"], each["metadata"].get("creationTimestamp")))
    return found[0] if found else None


def hub_of_pod(pod: Object) -> str:
    """Return the name of the hub that has started a pod; empty where it is the only one."""
    return str((pod["metadata"].get("annotations") or {}).get(HUB_ANNOTATION, ""))


def server_of(item: Object) -> str:
    """Return the name of the server that a pod or a claim was made for; empty for the default server."""
    return _annotation(item, "servername")


def _annotation(item: Object, name: str) -> str:
    return str((item["metadata"].get("annotations") or {}).get(f"hub.jupyter.org/{name}", ""))


def mounted_claims(pod: Object) -> list[str]:
    """Return the names of the claims that a pod has as volumes."""
    volumes = pod["spec"].get("volumes") or ()
    return [each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each]


def is_over(pod: Object) -> bool:
    """Say whether a pod has ended, so that it uses nothing any more."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")

"""What the API says of a disk, and what may be done with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from jhkube.pod.home import HOME_VOLUME
from jhkube.pod.limits import memory_text, parse_quantity
from jhkube.service.hub_answers import HubServers
from jhkube.service.ownership import Object, is_made_alone, is_over, mounted_claims, pods_of, server_of
from jhkube.service.refusals import Refusal
from jhkube.service.server_views import state_of

__all__ = ["check_growth", "check_unused", "claim_view", "homes_on", "storage_class_view"]

SAID = {
    "ready": "This disk is ready.",
    "waiting": "There is no volume for this disk yet: it is made when a server first uses it.",
    "growing": "This disk is growing. A server that runs may have to be started again to see all of it.",
    "deleting": "This disk is being deleted. It is removed as soon as no server uses it.",
    "lost": "The volume of this disk is gone. Ask an administrator whether there is a backup.",
}

NOT_TOLD: Mapping[str, int] = MappingProxyType({})

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def _requested(claim: Object) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


def _capacity(claim: Object) -> int:
    return int(parse_quantity(((claim.get("status") or {}).get("capacity") or {}).get("storage", 0)))


def _state(claim: Object) -> str:
    phase = (claim.get("status") or {}).get("phase")
    if "deletionTimestamp" in claim["metadata"]:
        return "deleting"
    if phase == "Lost":
        return "lost"
    if phase != "Bound":
        return "waiting"
    return "growing" if _capacity(claim) < int(parse_quantity(_requested(claim))) else "ready"


def claim_view(
    claim: Object, pods: Iterable[Object], free: Mapping[str, int] = MappingProxyType({})
) -> dict[str, Any]:
    """Return a disk by the schema `Claim`.

    Parameters
    ----------
    claim
        It, which is surely this person's.
    pods
        Pods that are surely this person's.
    free
        The bytes that are free in the homes of their servers, by the servers' names.
    """
    pods = list(pods)
    metadata: Mapping[str, Any] = claim["metadata"]
    state = _state(claim)
    return {
        "name": metadata["name"],
        "state": state,
        "message": SAID[state],
        "size": _requested(claim),
        "size_bytes": int(parse_quantity(_requested(claim))),
        "capacity_bytes": _capacity(claim),
        "free_bytes": next((free[server_of(pod)] for pod in homes_on(claim, pods) if server_of(pod) in free), None),
        "storage_class": claim["spec"].get("storageClassName") or "",
        "access_modes": list(claim["spec"].get("accessModes") or ()),
        "created": metadata.get("creationTimestamp"),
        "server": _server(claim),
        "used_by": [
            {"server": server_of(pod), "since": (pod.get("status") or {}).get("startTime")}
            for pod in pods
            if _uses(pod, claim)
        ],
    }


def homes_on(claim: Object, pods: Iterable[Object]) -> list[Object]:
    """Return the pods that have a disk as their home."""
    name = claim["metadata"]["name"]
    return [
        pod
        for pod in pods
        if _uses(pod, claim)
        and any(
            each["name"] == HOME_VOLUME and (each.get("persistentVolumeClaim") or {}).get("claimName") == name
            for each in pod["spec"].get("volumes") or ()
        )
    ]


def _server(claim: Object) -> str | None:
    """Return the server that a disk was made for; None for one that was made alone, or does not say."""
    says = "hub.jupyter.org/username" in (claim["metadata"].get("annotations") or {})
    return server_of(claim) if says and not is_made_alone(claim) else None


def _uses(pod: Object, claim: Object) -> bool:
    is_near = pod["metadata"].get("namespace") == claim["metadata"].get("namespace")
    return is_near and not is_over(pod) and claim["metadata"]["name"] in mounted_claims(pod)


def check_growth(claim: Object, wanted: str, largest: str, grows: bool | None) -> None:
    """Return where a disk can become so large.

    Parameters
    ----------
    claim
        The disk.
    wanted
        The size that it is to have, as Kubernetes writes it.
    largest
        The largest that the operator allows; empty for none.
    grows
        Whether its storage class lets disks grow; None where that is not known.

    Raises
    ------
    Refusal
        Where it cannot.
    """
    if not largest:
        raise Refusal(HTTPStatus.FORBIDDEN, "Disks cannot be made larger on this hub. Ask an administrator.", "size")
    size, now = parse_quantity(wanted), max(int(parse_quantity(_requested(claim))), _capacity(claim))
    if size <= now:
        raise Refusal(
            HTTPStatus.BAD_REQUEST, f"A disk can only grow, and this one has {memory_text(float(now))}.", "size"
        )
    if size > parse_quantity(largest):
        most = memory_text(float(parse_quantity(largest)))
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The largest disk here is {most}. Choose less.", "size")
    if grows is False:
        raise Refusal(HTTPStatus.CONFLICT, "The storage class of this disk does not let it grow.", "size")
    if _state(claim) in ("waiting", "lost", "deleting"):
        raise Refusal(HTTPStatus.CONFLICT, f"It cannot grow now. {SAID[_state(claim)]}", "size")


def check_unused(claim: Object, pods: Iterable[Object], hub: HubServers) -> None:
    """Return where nothing uses a disk.

    Parameters
    ----------
    claim
        The disk.
    pods
        All pods of its namespace.
    hub
        The person's servers: one that is starting may have no pod yet.

    Raises
    ------
    Refusal
        409, with the server's name where it is the person's.
    """
    users = [pod for pod in pods if _uses(pod, claim)]
    mine = [server_of(pod) for pod in pods_of(users, hub.subject)]
    made_for = None if is_made_alone(claim) else hub.named(server_of(claim))
    if not mine and made_for is not None and state_of(made_for) in ("starting", "stopping", "running"):
        mine = [made_for.name]
    if mine:
        called = f"Your server “{mine[0]}”" if mine[0] else "Your default server"
        raise Refusal(HTTPStatus.CONFLICT, f"{called} uses this disk. Stop it first.", "name")
    if users:
        raise Refusal(HTTPStatus.CONFLICT, "A pod that is not one of your servers uses this disk.", "name")


def storage_class_view(item: Object) -> dict[str, Any]:
    """Return a storage class by the schema `StorageClass`."""
    annotations = item["metadata"].get("annotations") or {}
    return {
        "name": item["metadata"]["name"],
        "default": annotations.get(DEFAULT_CLASS) == "true",
        "grows": bool(item.get("allowVolumeExpansion")),
    }

"""Leases of homes at the API server: taken by one hub at a time, and compared with the pods that are there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from kubernetes_asyncio.client import ApiException
from kubespawner.clients import shared_client

from jhkube.kube import CONFLICT, NOT_FOUND, plain_answer
from jhkube.pod.home_lease import HomeLease, HomePod, lease_manifest, parse_lease
from jhkube.watch.admission import exists_already

__all__ = ["HomeInUse", "drop_reservation", "last_hub", "take_home"]

TRIES: Final = 5
"""How often a Lease is read again that somebody else has changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Found:
    """A pod that a Lease names and that is there."""

    pod: HomePod
    """The pod."""

    is_ending: bool
    """Whether it is being deleted."""


class HomeInUse(Exception):
    """A home that another hub uses.

    Attributes
    ----------
    hub
        That hub's name.
    is_ending
        Whether all pods that use it are being deleted, so that it is free soon.
    seconds
        For how long it is reserved for a start that has made no pod yet; 0 where pods use it.
    """

    def __init__(self, hub: str, *, is_ending: bool = False, seconds: int = 0) -> None:
        super().__init__(f"in use at the hub {hub}")
        self.hub, self.is_ending, self.seconds = hub, is_ending, seconds


async def take_home(api: Any, namespace: str, wanted: HomeLease, pod: HomePod) -> None:
    """Take a home for a pod of a hub, or for a start that is to make one; may be called again for the same.

    Parameters
    ----------
    api
        The API server's pods (`CoreV1Api`).
    namespace
        Where the Lease is.
    wanted
        The Lease as this hub would make it: its name, home, subject and hub.
    pod
        The pod, with its uid once it was made.

    Raises
    ------
    HomeInUse
        Where another hub has it.
    ValueError
        Where nobody can tell from the Lease whether the home is free.
    ApiException
        Where the API server refuses; 403 where this hub may not use Leases, or not see the other hub's pods.
    TimeoutError
        Where others change it all the time.
    """
    leases: Any = shared_client("CoordinationV1Api")
    for _ in range(TRIES):
        found = await _read(leases, namespace, wanted.name)
        now = datetime.now(UTC)
        if found is None:
            taken = wanted.taken(wanted.hub, pod, (), now)
        else:
            others = await _still_there(api, found, wanted.hub, pod, now)
            lease = replace(found, home=wanted.home, subject=wanted.subject)
            taken = lease.taken(wanted.hub, pod, others, now)
        if await _is_written(leases, namespace, taken):
            return
    raise TimeoutError(f"the Lease {wanted.name} changes all the time")


async def _is_written(leases: Any, namespace: str, lease: HomeLease) -> bool:
    """Make or change a Lease; false where it was made, changed or deleted since it was read."""
    try:
        if lease.version:
            await plain_answer(leases.replace_namespaced_lease, lease.name, namespace, lease_manifest(lease))
        else:
            await plain_answer(leases.create_namespaced_lease, namespace, lease_manifest(lease))
    except ApiException as error:
        if exists_already(error) or (lease.version and error.status in (CONFLICT, NOT_FOUND)):
            return False
        raise
    return True


async def _still_there(api: Any, lease: HomeLease, hub: str, pod: HomePod, now: datetime) -> list[HomePod]:
    """Return the Lease's other pods that are there; raises HomeInUse where they are another hub's."""
    ours = {pod, replace(pod, uid="")} if lease.hub == hub else set()
    there = await _pods_there(api, lease.pods - ours)
    starting = [each for each in lease.pods - ours if not each.uid] if lease.is_reserved(now) else []
    if lease.hub != hub and there:
        raise HomeInUse(lease.hub, is_ending=all(each.is_ending for each in there))
    if lease.hub != hub and starting:
        raise HomeInUse(lease.hub, seconds=max(1, round(lease.reserved_for(now).total_seconds())))
    return [*(each.pod for each in there), *starting]


async def _pods_there(api: Any, pods: Iterable[HomePod]) -> list[Found]:
    """Return those of some pods that are there and have not ended.

    They are listed and not read by name, since every hub may list pods.
    """
    there = []
    for pod in sorted(each for each in pods if each.uid):
        selector = f"metadata.name={pod.name}"
        answer = json.loads(await plain_answer(api.list_namespaced_pod, pod.namespace, field_selector=selector))
        for each in answer["items"]:
            metadata, phase = each["metadata"], (each.get("status") or {}).get("phase")
            if metadata["uid"] == pod.uid and phase not in ("Succeeded", "Failed"):
                there.append(Found(pod, is_ending=bool(metadata.get("deletionTimestamp"))))
    return there


async def drop_reservation(namespace: str, wanted: HomeLease, pod: HomePod) -> None:
    """Free a home that was reserved for a start which has made no pod, if this hub still has it."""
    leases: Any = shared_client("CoordinationV1Api")
    for _ in range(TRIES):
        found = await _read(leases, namespace, wanted.name)
        if found is None or found.hub != wanted.hub or pod not in found.pods:
            return
        if await _is_written(leases, namespace, replace(found, pods=found.pods - {pod})):
            return


async def last_hub(namespace: str, name: str) -> str:
    """Return the name of the hub that used a home last; empty where none has.

    Raises
    ------
    ValueError
        Where the Lease does not say it.
    """
    found = await _read(shared_client("CoordinationV1Api"), namespace, name)
    return "" if found is None else found.hub


async def _read(leases: Any, namespace: str, name: str) -> HomeLease | None:
    try:
        answer = await plain_answer(leases.read_namespaced_lease, name, namespace)
    except ApiException as error:
        if error.status != NOT_FOUND:
            raise
        return None
    return parse_lease(json.loads(answer))

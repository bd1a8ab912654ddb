"""What is to be done about a user's claim before a start: make it, make it again, grow it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from jhkube.pod.quantities import memory_text, parse_quantity

__all__ = ["ClaimAction", "ClaimPlan", "claim_action", "growth_patch"]


_STAYS = {
    False: "its storage class does not let it grow",
    None: "the hub may not see whether its storage class lets it grow",
}


class ClaimAction(Enum):
    """What the spawner does next."""

    CREATE = "create"
    """The claim is not there: make it."""

    KEEP = "keep"
    """It is there: nothing to do."""

    GROW = "grow"
    """It is smaller than configured and its class lets it grow: send the patch."""

    WAIT = "wait"
    """It is being deleted: a pod that mounts it would hang until it is gone; look again."""

    REFUSE = "refuse"
    """It cannot be used: end the start with the plan's message."""


@dataclass(frozen=True, slots=True)
class ClaimPlan:
    """An action, and what is to be told about it."""

    action: ClaimAction
    """What the spawner does next."""

    warning: str = ""
    """A sentence for the user, shown in the start's progress, and for the operator's log; often none."""

    patch: Mapping[str, Any] | None = None
    """The merge patch, for `ClaimAction.GROW`."""


def claim_action(
    existing: Mapping[str, Any] | None,
    wanted: str,
    *,
    known: bool,
    expandable: bool | None = None,
) -> ClaimPlan:
    """Return what is to be done about a claim.

    Parameters
    ----------
    existing
        The claim as the API server has it (camelCase keys), or None where it has none.
    wanted
        The configured capacity: `"10Gi"`; `"0"` where none is.
    known
        Whether an earlier start of this server had made it (KubeSpawner keeps that in its state): then it was
        deleted by somebody else, and the files on it are gone.
    expandable
        Whether the claim's class has `allowVolumeExpansion`; None where that was not asked, as it need not be
        unless the claim is too small: `GROW` and the warning differ by it.
    """
    if existing is None:
        if not parse_quantity(wanted):
            return ClaimPlan(
                ClaimAction.REFUSE,
                "Your home cannot be made, as nothing says how large it is to be. Ask an administrator to set"
                " storage_capacity.",
            )
        warning = (
            "Your home volume was deleted outside of the hub. A new, empty one is made in its place;"
            " ask an administrator whether there is a backup."
        )
        return ClaimPlan(ClaimAction.CREATE, warning if known else "")
    name = existing["metadata"]["name"]
    if existing["metadata"].get("deletionTimestamp"):
        return ClaimPlan(ClaimAction.WAIT, f"Your home volume ({name}) is being deleted; waiting for that.")
    status = existing.get("status") or {}
    if status.get("phase") == "Lost":
        return ClaimPlan(
            ClaimAction.REFUSE,
            f"The volume behind your home ({name}) is gone. Ask an administrator to restore it, or to delete"
            " the claim if an empty home will do.",
        )
    requested = parse_quantity(existing["spec"]["resources"]["requests"]["storage"])
    # A claim may be bound to a volume that is larger than it asked for.
    capacity = parse_quantity((status.get("capacity") or {}).get("storage", 0))
    want = parse_quantity(wanted)
    if max(requested, capacity) >= want:
        return ClaimPlan(ClaimAction.KEEP)
    if status.get("phase") != "Bound":
        # The API server grows bound claims only; this one is bound by the start that asks.
        return ClaimPlan(ClaimAction.KEEP)
    if expandable is True:
        return ClaimPlan(
            ClaimAction.GROW,
            f"Your home volume grows from {memory_text(float(requested))} to {memory_text(float(want))}.",
            growth_patch(wanted),
        )
    return ClaimPlan(
        ClaimAction.KEEP,
        f"Your home volume has {memory_text(float(max(requested, capacity)))}, less than the"
        f" {memory_text(float(want))} that are configured, and {_STAYS[expandable]}.",
    )


def growth_patch(wanted: str) -> dict[str, Any]:
    """Return the merge patch that makes a claim ask for `wanted`."""
    return {"spec": {"resources": {"requests": {"storage": wanted}}}}

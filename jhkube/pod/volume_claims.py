"""What is to be done about a user's claim before a start: make it, make it again, grow it, refuse it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from string import Formatter
from typing import Any, Final

from jhkube.identity import SUBJECT_ANNOTATION, made_for
from jhkube.pod.limits import memory_text, parse_quantity

__all__ = [
    "ALONE_ANNOTATION",
    "ClaimAction",
    "ClaimPlan",
    "claim_action",
    "growth_patch",
    "may_delete",
    "names_a_person",
    "owner_patch",
    "refusal",
]

ALONE_ANNOTATION: Final = "jhkube/own-disk"
"""The annotation of a claim that was made alone, and not with a server."""

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

    is_adopted: bool = False
    """Whether the claim does not say whose it is, and from now on is to say that it is the person's."""


def claim_action(
    existing: Mapping[str, Any] | None,
    wanted: str,
    *,
    known: bool,
    expandable: bool | None = None,
    subject: str = "",
    adopts: bool = True,
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
    subject
        The person's immutable id at the provider; empty where the claim is not one person's, or nobody knows who
        it is. Then the claim is not compared.
    adopts
        Whether a claim that does not say whose it is becomes the person's.
    """
    if existing is None:
        if not parse_quantity(wanted):
            return ClaimPlan(
                ClaimAction.REFUSE,
                "Your home cannot be created, because its size is not configured. Ask an administrator to set"
                " storage_capacity.",
            )
        warning = (
            "Your home volume was deleted outside of the hub. A new, empty one is created in its place;"
            " ask an administrator whether there is a backup."
        )
        return ClaimPlan(ClaimAction.CREATE, warning if known else "")
    name = existing["metadata"]["name"]
    if existing["metadata"].get("deletionTimestamp"):
        return ClaimPlan(ClaimAction.WAIT, f"Your home volume ({name}) is being deleted; waiting for that.")
    if sentence := refusal(existing, subject, adopts=adopts):
        return ClaimPlan(ClaimAction.REFUSE, sentence)
    plan = _size_plan(existing, wanted, expandable)
    return replace(
        plan, is_adopted=bool(subject) and not made_for(existing) and plan.action is not ClaimAction.REFUSE
    )


def _size_plan(existing: Mapping[str, Any], wanted: str, expandable: bool | None) -> ClaimPlan:
    name = existing["metadata"]["name"]
    status = existing.get("status") or {}
    if status.get("phase") == "Lost":
        return ClaimPlan(
            ClaimAction.REFUSE,
            f"The volume behind your home ({name}) is gone. Ask an administrator to restore it, or to delete"
            " the claim if an empty home is acceptable.",
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


def owner_patch(subject: str) -> dict[str, Any]:
    """Return the merge patch that writes on a claim whose it is."""
    return {"metadata": {"annotations": {SUBJECT_ANNOTATION: subject}}}


def refusal(existing: Mapping[str, Any], subject: str, *, adopts: bool) -> str:
    """Return why a claim of the person's name is not the person's, in sentences for them; empty where it is.

    The parameters are those of `claim_action`.
    """
    name, owner = existing["metadata"]["name"], made_for(existing)
    if not subject or owner == subject or (not owner and adopts):
        return ""
    if owner:
        return (
            f"The volume {name} has the name of your home but belongs to another account. Ask an administrator:"
            " they can hand it over to you."
        )
    return (
        f"The volume {name} has the name of your home, but does not say whose it is. Ask an administrator whether it"
        " is yours: they can hand it over to you."
    )


def may_delete(existing: Mapping[str, Any], subject: str, *, known: bool) -> bool:
    """Say whether a claim goes when its person is deleted.

    Parameters
    ----------
    existing
        The claim as the API server has it (camelCase keys).
    subject
        The person's immutable id at the provider; empty where nobody knows it any more.
    known
        Whether a server of this person's has used it.
    """
    owner = made_for(existing)
    return owner == subject if owner else known


def names_a_person(template: str) -> bool:
    """Say whether a name that KubeSpawner makes of this template is one person's.

    Examples
    --------
    >>> names_a_person("claim-{user_server}"), names_a_person("homes-of-{hubnamespace}")
    (True, False)
    """
    return any("user" in (field or "") for _, field, _, _ in Formatter().parse(template))

"""What is done about a claim before a start."""

from __future__ import annotations

from typing import Any

from jhkube.pod.claims import ClaimAction, claim_action


def claim(storage: str = "10Gi", *, phase: str = "Bound", capacity: str = "", **metadata: Any) -> dict[str, Any]:
    status = {"phase": phase, **({"capacity": {"storage": capacity}} if capacity else {})}
    return {
        "metadata": {"name": "claim-ada", **metadata},
        "spec": {"resources": {"requests": {"storage": storage}}},
        "status": status,
    }


def test_a_first_claim_is_made_without_a_word() -> None:
    plan = claim_action(None, "10Gi", known=False)
    assert (plan.action, plan.warning) == (ClaimAction.CREATE, "")


def test_a_claim_of_no_size_is_refused_and_one_that_is_there_needs_none() -> None:
    plan = claim_action(None, "0", known=False)
    assert plan.action is ClaimAction.REFUSE
    assert "set storage_capacity" in plan.warning
    assert claim_action(claim(), "0", known=True).action is ClaimAction.KEEP


def test_a_claim_deleted_outside_is_made_again_with_a_warning() -> None:
    plan = claim_action(None, "10Gi", known=True)
    assert plan.action is ClaimAction.CREATE
    assert "was deleted outside of the hub" in plan.warning


def test_a_claim_as_configured_is_kept() -> None:
    for existing in (claim(), claim("20Gi"), claim("10737418240"), claim("1Gi", capacity="10Gi")):
        plan = claim_action(existing, "10Gi", known=True, expandable=True)
        assert (plan.action, plan.warning, plan.patch) == (ClaimAction.KEEP, "", None)


def test_a_claim_that_is_too_small_grows() -> None:
    plan = claim_action(claim("1Gi", capacity="1Gi"), "10Gi", known=True, expandable=True)
    assert plan.action is ClaimAction.GROW
    assert plan.warning == "Your home volume grows from 1 GiB to 10 GiB."
    assert plan.patch == {"spec": {"resources": {"requests": {"storage": "10Gi"}}}}


def test_a_claim_that_cannot_grow_is_kept_and_said() -> None:
    for expandable in (False, None):
        plan = claim_action(claim("1Gi"), "10Gi", known=True, expandable=expandable)
        assert plan.action is ClaimAction.KEEP
        assert "has 1 GiB, less than the 10 GiB that are configured" in plan.warning


def test_a_claim_that_grows_already_is_left_to_it() -> None:
    plan = claim_action(claim("10Gi", capacity="1Gi"), "10Gi", known=True, expandable=True)
    assert plan.action is ClaimAction.KEEP


def test_a_claim_without_a_volume_yet_is_kept() -> None:
    plan = claim_action(claim("1Gi", phase="Pending"), "10Gi", known=True, expandable=True)
    assert (plan.action, plan.warning) == (ClaimAction.KEEP, "")


def test_a_claim_being_deleted_is_waited_for() -> None:
    plan = claim_action(claim(deletionTimestamp="2030-01-01T00:00:00Z"), "10Gi", known=True)
    assert plan.action is ClaimAction.WAIT
    assert "is being deleted" in plan.warning


def test_a_claim_whose_volume_is_lost_ends_the_start() -> None:
    plan = claim_action(claim(phase="Lost"), "10Gi", known=True)
    assert plan.action is ClaimAction.REFUSE
    assert "claim-ada" in plan.warning

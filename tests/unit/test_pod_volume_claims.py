"""What is done about a claim before a start."""

from __future__ import annotations

from typing import Any

import pytest

from jhkube.pod.volume_claims import ClaimAction, claim_action, may_delete, names_a_person


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


ADA, EVE = "github:1", "github:2"


def made_for(subject: str, **how: Any) -> dict[str, Any]:
    return claim(annotations={"jhkube/subject": subject} if subject else {}, **how)


def test_a_claim_of_somebody_else_is_refused_whatever_is_adopted() -> None:
    for phase in ("Bound", "Pending", "Lost"):
        plan = claim_action(made_for(ADA, phase=phase), "20Gi", known=True, expandable=True, subject=EVE, adopts=True)
        assert plan.action is ClaimAction.REFUSE
        assert plan.warning.startswith(
            "The volume claim-ada has the name of your home but belongs to another account."
        )
        assert ADA not in plan.warning


def test_a_claim_that_does_not_say_whose_it_is_is_refused_or_adopted() -> None:
    refused = claim_action(made_for(""), "10Gi", known=False, subject=ADA, adopts=False)
    assert refused.action is ClaimAction.REFUSE
    assert "does not say whose it is" in refused.warning
    adopted = claim_action(made_for(""), "10Gi", known=False, subject=ADA, adopts=True)
    assert (adopted.action, adopted.is_adopted) == (ClaimAction.KEEP, True)
    grown = claim_action(made_for(""), "20Gi", known=True, expandable=True, subject=ADA, adopts=True)
    assert (grown.action, grown.is_adopted) == (ClaimAction.GROW, True)


def test_ones_own_claim_is_kept_as_it_is() -> None:
    plan = claim_action(made_for(ADA), "10Gi", known=False, subject=ADA, adopts=False)
    assert (plan.action, plan.is_adopted) == (ClaimAction.KEEP, False)


def test_a_claim_that_is_not_one_persons_is_not_compared() -> None:
    for existing in (made_for(""), made_for(ADA)):
        plan = claim_action(existing, "10Gi", known=False, subject="", adopts=False)
        assert (plan.action, plan.is_adopted) == (ClaimAction.KEEP, False)


@pytest.mark.parametrize(
    ("owner", "subject", "known", "goes"),
    [
        (ADA, ADA, True, True),
        (ADA, ADA, False, True),
        (ADA, EVE, True, False),
        (ADA, "", True, False),
        ("", ADA, True, True),
        ("", ADA, False, False),
    ],
)
def test_a_claim_goes_with_the_person_it_was_made_for(owner: str, subject: str, known: bool, goes: bool) -> None:
    assert may_delete(made_for(owner), subject, known=known) is goes


@pytest.mark.parametrize(
    ("template", "is_personal"),
    [
        ("claim-{user_server}", True),
        ("claim-{username}{servername}", True),
        ("home-{userid}", True),
        ("{unescaped_username}", True),
        ("homes", False),
        ("homes-{hubnamespace}", False),
        ("{{username}}", False),
    ],
)
def test_names_that_templates_make_are_one_persons_or_not(template: str, is_personal: bool) -> None:
    assert names_a_person(template) is is_personal

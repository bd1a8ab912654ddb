"""When a node counts as lost, and which pods it has not ended."""

import pytest

from jhkube.watch.pods import is_unended, node_deadline

RUNNING = [{"name": "notebook", "state": {"running": {}}}]
ENDED = [{"name": "notebook", "state": {"terminated": {"exitCode": 0}}}]
DELETED = {"deletionTimestamp": "2026-11-29T00:00:00Z", "deletionGracePeriodSeconds": 1}


@pytest.mark.parametrize(
    ("metadata", "statuses", "expected"),
    [
        ({}, RUNNING, False),
        (DELETED, RUNNING, True),
        (DELETED, ENDED + RUNNING, True),
        (DELETED, [{"name": "notebook", "state": {"waiting": {"reason": "ContainerCreating"}}}], True),
        (DELETED, [], True),
        (DELETED, ENDED, False),
    ],
)
def test_a_node_has_ended_a_pod_when_it_says_so_of_all_containers(metadata, statuses, expected):
    assert is_unended({"metadata": metadata, "status": {"containerStatuses": statuses}}) is expected


@pytest.mark.parametrize(
    ("grace", "patience", "start_timeout", "deadline"),
    [(1, 60, 300, 61), (30, 60, 300, 90), (0, 60, 60, 48), (1, float("inf"), 101, 81), (120, 60, 60, 120)],
)
def test_a_node_has_its_time_after_the_grace_period(grace, patience, start_timeout, deadline):
    assert node_deadline(grace, patience, start_timeout) == deadline

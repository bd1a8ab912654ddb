"""The phases of a start, as the pod and its events tell them."""

import pytest
from prometheus_client import REGISTRY

from jhkube.metrics import reason_label
from jhkube.watch.progress import PHASES, PhaseTimes, phase_of

PULLED = {"reason": "Pulled", "involvedObject": {"fieldPath": "spec.containers{notebook}"}}
PULLED_FIRST = {"reason": "Pulled", "involvedObject": {"fieldPath": "spec.initContainers{home}"}}


def pod(node="", running=None):
    statuses = [{"name": running, "state": {"running": {}}}] if running else []
    return {"spec": {"nodeName": node} if node else {}, "status": {"containerStatuses": statuses}}


@pytest.mark.parametrize(
    ("seen", "events", "phase"),
    [
        (pod(), [], "created"),
        (pod("node-1"), [], "scheduled"),
        (pod("node-1"), [PULLED_FIRST], "scheduled"),
        (pod("node-1"), [PULLED_FIRST, PULLED], "pulled"),
        (pod("node-1", "sidecar"), [PULLED], "pulled"),
        (pod("node-1", "notebook"), [], "started"),
    ],
)
def test_the_last_phase_is_read_off_the_pod_and_its_events(seen, events, phase):
    assert phase_of(seen, events) == phase


def taken(what):
    values = (REGISTRY.get_sample_value(f"jhkube_start_phase_duration_seconds_{what}", {"phase": p}) for p in PHASES)
    return [value or 0.0 for value in values]


def test_each_phase_is_timed_once_and_one_that_was_passed_over_took_no_time():
    now = [100.0]
    counts, sums = taken("count"), taken("sum")
    times = PhaseTimes(lambda: now[0])
    for at, phase in ((101, "created"), (103, "created"), (107, "pulled"), (107, "started"), (115, "ready")):
        now[0] = float(at)
        times.reached(phase)
    assert [after - before for before, after in zip(counts, taken("count"), strict=True)] == [1] * len(PHASES)
    spent = [after - before for before, after in zip(sums, taken("sum"), strict=True)]
    assert spent == pytest.approx([1, 6, 0, 0, 8])


@pytest.mark.parametrize(
    ("reason", "label"),
    [("ImagePullBackOff", "ImagePullBackOff"), ("no images from there", "Other"), ("", "Other"), ("x" * 61, "Other")],
)
def test_a_reason_that_is_no_word_is_no_label(reason, label):
    assert reason_label(reason) == label

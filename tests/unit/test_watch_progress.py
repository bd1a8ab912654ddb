"""Events in plain words."""

import itertools
import time
from types import SimpleNamespace

import pytest

from jhkube.watch.progress import _Reporter, sentence_of, sentences_of_status


def told(events):
    """A start with these events, and nothing else that is known of its pod."""
    return SimpleNamespace(watched=SimpleNamespace(events=events, pod=None), finding=None)


def event(reason, message="", field="spec.containers{notebook}", kind="Normal"):
    return {"reason": reason, "message": message, "type": kind, "involvedObject": {"fieldPath": field}}


IMAGE = "registry.example.org:5000/science/lab:2026@sha256:0123"


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (
            event("Scheduled", "Successfully assigned hub/jupyter-ada to node7", ""),
            "A place was found for your server, on node7.",
        ),
        (event("Pulling", f'Pulling image "{IMAGE}"'), "Getting the image science/lab:2026."),
        (
            event(
                "Pulled",
                f'Successfully pulled image "{IMAGE}" in 12.345s (15s including waiting). '
                "Image size: 216000000 bytes.",
            ),
            "The image is there (12 s).",
        ),
        (event("Pulled", f'Successfully pulled image "{IMAGE}" in 3m7.2s'), "The image is there (3 min 7 s)."),
        (event("Pulled", f'Container image "{IMAGE}" already present on machine'), "The image is there."),
        (event("Pulled", f'Successfully pulled image "{IMAGE}" in 12ms'), "The image is there."),
        (event("Started", field="spec.initContainers{home}"), "Preparing your server: step “home”."),
        (event("Started"), "Your server's program was started; waiting for it to answer."),
        (
            event("TriggeredScaleUp", "pod triggered scale-up"),
            "A node is being added to the cluster for your server; this can take some minutes.",
        ),
        (event("Unhealthy", "Readiness probe failed", kind="Warning"), "Unhealthy: Readiness probe failed"),
        (event("Created"), ""),
        (event("FailedScheduling", "0/1 nodes are available", kind="Warning"), ""),
        (event("FailedScaleUp", "GCE out of resources", kind="Warning"), ""),
        (event("SomethingNew", "of no interest"), ""),
    ],
)
def test_an_event_in_plain_words(shown, said):
    assert sentence_of(shown)[1] == said


def test_the_steps_of_a_start_fill_the_bar():
    init = "spec.initContainers{home}"
    order = [
        event("Scheduled"),
        event("Pulling", field=init),
        event("Pulled", field=init),
        event("Created", field=init),
        event("Started", field=init),
        event("Pulling"),
        event("Pulled"),
        event("Created"),
        event("Started"),
    ]
    steps = [sentence_of(each)[0] for each in order]
    assert steps == sorted(steps)
    assert len(set(steps)) == len(steps)


def test_the_nodes_own_troubles_are_not_told():
    assert sentence_of(event("MissingClusterDNS", "kubelet does not have ClusterDNS", kind="Warning"))[1] == ""


def test_the_status_tells_what_an_event_would_in_the_same_words():
    pod = {"spec": {}, "status": {}}
    assert sentences_of_status(None) == sentences_of_status(pod) == []
    pod["spec"]["nodeName"] = "node7"
    scheduled = event("Scheduled", "Successfully assigned hub/jupyter-ada to node7", "")
    assert sentences_of_status(pod) == [sentence_of(scheduled)]
    pod["status"]["containerStatuses"] = [{"name": "notebook", "state": {"running": {}}}]
    assert sentences_of_status(pod) == [sentence_of(scheduled), sentence_of(event("Started"))]


def test_no_secret_of_an_event_is_told():
    assert "s3cret" not in sentence_of(event("Odd", "mount password=s3cret", kind="Warning"))[1]


def test_the_event_behind_a_sentence_has_no_secret_either():
    failed = event("Unhealthy", "mounting with password=s3cr3t failed", kind="Warning")
    start = told([failed | {"metadata": {"uid": "1"}}])
    (message,) = _Reporter(0.0).new_messages(start)
    assert message["raw_event"]["reason"] == "Unhealthy"
    assert "s3cr3t" not in str(message)


def test_the_bar_creeps_while_nothing_can_be_said_and_is_never_full(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pulling = event("Pulling", f'Pulling image "{IMAGE}"') | {"metadata": {"uid": "1"}}
    start = told([pulling])
    reporter = _Reporter(100.0)
    (first,) = reporter.new_messages(start)
    assert first["progress"] == 35
    now[0] += 14.9
    assert reporter.new_messages(start) == []
    now[0] += 0.1
    assert reporter.new_messages(start) == [
        {"progress": 41, "message": "Getting the image; a large one takes some minutes (15 s)."}
    ]
    bar = []
    for _ in range(60):
        now[0] += 15
        (message,) = reporter.new_messages(start)
        bar.append(message["progress"])
    assert bar[:3] == [46, 50, 54]
    assert bar == sorted(bar)
    assert bar[-1] == 95
    # Not by steps that people could take for the end.
    assert max(after - before for before, after in itertools.pairwise(bar)) <= 6


def test_a_step_that_was_passed_does_not_bring_the_bar_back():
    events = [event("Started") | {"metadata": {"uid": "2"}}, event("Pulling") | {"metadata": {"uid": "1"}}]
    messages = _Reporter(0.0).new_messages(told(events))
    assert [message["progress"] for message in messages] == [70, 70]

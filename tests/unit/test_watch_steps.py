"""The steps of a start, how long they usually take, and why a server that ran has ended."""

import pytest

from jhkube.watch.ends import Ends, end_of, lacked_memory
from jhkube.watch.steps import UsualTimes, start_view


def test_nothing_is_usual_before_three_starts():
    usual = UsualTimes()
    for _ in range(2):
        usual.note("lab", {"pulled": 4.0})
    assert usual.words("lab", "pulled", 0) == ""
    usual.note("lab", {"pulled": 4.0})
    assert usual.words("lab", "pulled", 0) == "usually about 4 s"
    assert usual.words("other", "pulled", 0) == ""


def test_a_pull_is_compared_with_those_that_took_as_long():
    usual = UsualTimes()
    for seconds in (0.0, 0.0, 0.0, 200.0):
        usual.note("lab", {"pulled": seconds})
    assert usual.words("lab", "pulled", 5) == "usually about 3 min"
    assert usual.words("lab", "pulled", 300) == "longer than usual"


def test_a_start_has_the_steps_behind_it_and_the_one_under_way():
    view = start_view({"created": 0.12, "scheduled": 2.0}, 3.0, "lab", usual=UsualTimes())
    assert [each.state for each in view.steps] == ["done", "done", "current", "later", "later"]
    assert view.message == "Your server is starting: the node gets its image."
    assert view.to_event() == {
        "steps": [{"name": "created", "seconds": 0.1}, {"name": "scheduled", "seconds": 2.0}],
        "elapsed": 3.0,
        "usually": "",
    }
    assert start_view({}, 0, "lab", "No node has room; waiting.").message == "No node has room; waiting."


def pod(reason, subject="github:1"):
    ended = {"reason": reason, "exitCode": 137}
    return {
        "metadata": {"annotations": {"jhkube/subject": subject}},
        "status": {"phase": "Running", "containerStatuses": [{"name": "notebook", "state": {"terminated": ended}}]},
    }


def test_an_end_for_memory_is_remembered_until_it_is_forgotten():
    end = end_of(pod("OOMKilled"))
    assert end is not None
    assert end.reason == "OOMKilled"
    assert "your files are still there" in end.message
    assert "Files of guests are not kept" in end_of(pod("OOMKilled", "guest:00ff")).message
    assert end_of(pod("Completed")) is None
    ends = Ends()
    ends.note(1, "gpu", end, "github:1")
    found = [ends.get(*key, "github:1") for key in ((1, "gpu"), (1, ""), (2, "gpu"))]
    assert found == [end, None, None]
    assert ends.users() == {1}
    ends.forget(1, "gpu")
    assert ends.get(1, "gpu", "github:1") is None


def test_an_end_is_not_told_to_somebody_else_who_got_the_same_number():
    ends = Ends()
    ends.note(1, "gpu", end_of(pod("OOMKilled")), "github:1")
    assert [ends.get(1, "gpu", other) for other in ("github:2", "")] == [None, None]


@pytest.mark.parametrize(
    ("reason", "detail", "lacked"),
    [
        ("OOMKilled", "container notebook: exit code 137", True),
        ("OOMKilled", "container home: exit code 137", False),
        ("Evicted", "The node was low on resource: memory", False),
    ],
)
def test_a_larger_size_helps_the_servers_own_container_alone(reason, detail, lacked):
    assert lacked_memory(reason, detail) is lacked

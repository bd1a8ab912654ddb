"""The logs of servers that failed: whose log is kept, for how long, and how much of all of them."""

import pytest

from jhkube.watch.kept_logs import KEPT_FOR, LONGEST, MOST, KeptLog, KeptLogs, failed_container, has_ended

RUNS = {"running": {}}
WAITS = {"waiting": {"reason": "CrashLoopBackOff"}}


def ended(code):
    return {"terminated": {"exitCode": code}}


def status(name, state, last=None):
    return {"name": name, "state": state, "lastState": last or {}}


def pod(*containers, inits=(), **more):
    return {"status": {"containerStatuses": list(containers), "initContainerStatuses": list(inits), **more}}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (pod(status("notebook", ended(3))), "notebook"),
        (pod(status("notebook", WAITS, ended(3))), "notebook"),
        (pod(status("aaa", RUNS), status("notebook", RUNS)), "notebook"),
        (pod(status("aaa", ended(1)), status("notebook", RUNS)), "aaa"),
        (pod(status("notebook", WAITS), inits=[status("home", ended(0)), status("fetch", ended(1))]), "fetch"),
        (pod(status("notebook", WAITS), inits=[status("home", RUNS)]), "home"),
        # It was told to begin again, and the server itself runs.
        (pod(status("notebook", RUNS), inits=[status("home", ended(0), ended(1))]), "notebook"),
        (pod(status("notebook", WAITS), inits=[status("home", WAITS)]), ""),
        ({"status": {"phase": "Pending"}}, ""),
        ({}, ""),
    ],
)
def test_the_log_is_that_of_the_container_that_failed(found, wanted):
    assert failed_container(found) == wanted


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (pod(status("notebook", RUNS), phase="Running"), False),
        (pod(status("notebook", ended(0)), status("aaa", RUNS), phase="Running"), True),
        (pod(status("notebook", RUNS), status("aaa", ended(1)), phase="Running"), False),
        (pod(phase="Failed"), True),
        ({}, False),
    ],
)
def test_a_server_has_ended_with_its_own_container(found, wanted):
    assert has_ended(found) is wanted


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def log(clock, content=b"x"):
    return KeptLog("notebook", content, False, clock.now, True, "github:1", "uid")


def test_a_log_is_kept_for_an_hour(clock):
    logs = KeptLogs(clock)
    logs.keep(1, "lab", log(clock))
    clock.now += KEPT_FOR
    assert logs.find(1, "lab") is not None
    clock.now += 1
    assert logs.find(1, "lab") is None
    assert logs.find(2, "lab") is None


def test_the_next_start_forgets_it(clock):
    logs = KeptLogs(clock)
    logs.keep(1, "", log(clock))
    logs.forget(1, "")
    logs.forget(1, "")
    assert logs.find(1, "") is None


def test_many_failures_keep_the_newest_logs(clock):
    logs = KeptLogs(clock)
    count = MOST // LONGEST
    for number in range(count + 10):
        logs.keep(number, "", log(clock, b"x" * LONGEST))
    assert [logs.find(number, "") is not None for number in (0, 9, 10, count + 9)] == [False, False, True, True]


def test_one_server_that_fails_again_and_again_has_one_log(clock):
    logs = KeptLogs(clock)
    logs.keep(2, "", log(clock, b"another"))
    for number in range(2 * MOST // LONGEST):
        logs.keep(1, "", log(clock, b"x" * (LONGEST - 1) + bytes([number % 256])))
    assert logs.find(2, "").content == b"another"


def test_old_logs_go_when_a_new_one_comes(clock):
    logs = KeptLogs(clock)
    logs.keep(1, "", log(clock))
    clock.now += KEPT_FOR + 1
    logs.keep(2, "", log(clock))
    assert set(logs._logs) == {(2, "")}


def test_what_is_kept_is_not_shown_in_a_traceback(clock):
    assert "secret" not in repr(log(clock, b"secret"))

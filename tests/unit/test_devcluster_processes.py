"""Only our own processes are ever found and ended: real ones, by their mark and their start."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from devcluster import processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
# A program that will not end politely, with a child of its own; it says when it is deaf.
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); print('deaf', flush=True);"
    "time.sleep(600)",
]


@pytest.fixture
def spawn(tmp_path):
    started = []

    def start(name="one", command=SLEEP, fingerprint=""):
        started.append(processes.spawn(tmp_path, name, command, {}, tmp_path / "log", fingerprint))
        return started[-1]

    yield start
    processes.end([*started, *processes.marked(tmp_path)])


@pytest.fixture
def stranger():
    child = subprocess.Popen(SLEEP)
    yield child
    child.kill()
    child.wait()


def until(condition):
    end = time.monotonic() + 240
    while not (result := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return result


def test_a_component_is_alive_until_it_is_killed(spawn, tmp_path):
    process = spawn()
    assert processes.alive(tmp_path, "one") == process
    process.signal(signal.SIGKILL)
    assert until(lambda: processes.alive(tmp_path, "one") is None)


def test_a_component_that_was_started_in_another_way_does_not_count(spawn, tmp_path):
    process = spawn(fingerprint="then")
    assert processes.alive(tmp_path, "one", "now") is None
    assert processes.alive(tmp_path, "one", "then") == process


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "an earlier one"}, {"pid": 2**22 + 1}])
def test_a_pid_that_now_belongs_to_another_is_no_component(spawn, tmp_path, change):
    spawn()
    path = tmp_path / "pids" / "one.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert processes.alive(tmp_path, "one") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "1234\n"])
def test_a_broken_pid_file_is_no_component(tmp_path, text):
    (tmp_path / "pids").mkdir()
    (tmp_path / "pids" / "one.json").write_text(text)
    assert processes.alive(tmp_path, "one") is None


def test_the_mark_finds_a_component_without_its_pid_file_and_its_children(spawn, tmp_path):
    process = spawn(command=STUBBORN)
    (tmp_path / "pids" / "one.json").unlink()
    assert until(lambda: len(processes.marked(tmp_path)) == 2)
    assert process in processes.marked(tmp_path)


def test_the_mark_of_another_cluster_is_not_ours(spawn, tmp_path):
    spawn()
    assert processes.marked(tmp_path.parent) == []
    assert processes.marked(tmp_path / "pids") == []


def test_a_strangers_process_has_no_mark(stranger, tmp_path):
    assert stranger.pid not in {process.pid for process in processes.marked(tmp_path)}


def test_a_signal_reaches_only_the_process_that_was_meant(stranger):
    processes.Process(stranger.pid, 1).signal(signal.SIGKILL)
    with pytest.raises(subprocess.TimeoutExpired):
        stranger.wait(0.2)


def test_what_does_not_end_politely_ends_all_the_same(spawn, tmp_path):
    process = spawn(command=STUBBORN)
    assert until(lambda: "deaf" in (tmp_path / "log").read_text())
    processes.end([process], grace=0.2)
    assert until(lambda: not process.runs)


def test_a_zombie_does_not_run():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes.Process.of(child.pid) is None
    child.wait()

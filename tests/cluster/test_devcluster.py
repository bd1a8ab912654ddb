"""A second cluster beside the first: it survives everything being killed, and goes without a trace."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devcluster import build, leftovers, network, packages, processes
from devcluster.cluster import DEMO_NAMESPACE
from devcluster.commands import output
from devcluster.configuration import PAUSE_IMAGE
from devcluster.settings import Settings

pytestmark = [
    pytest.mark.skipif(bool(packages.refusal()), reason="a cluster of our own needs root on Debian 12 or 13"),
    pytest.mark.timeout(900),
]

ROOT = Path(__file__).parents[2]

OTHER = {
    "JHKUBE_DEV_NAME": "again",
    "JHKUBE_DEV_NET": "10.247",
    "JHKUBE_DEV_FIRST_PORT": "26540",
    "JHKUBE_DEV_REGISTRY_PORT": "5150",
}

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "stays"},
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": PAUSE_IMAGE,
                "imagePullPolicy": "Never",
                "volumeMounts": [{"name": "home", "mountPath": "/home", "subPath": "someone"}],
            }
        ],
        "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "home"}}],
    },
}

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "home"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
}


class Other:
    """The second cluster, as a person at a shell has it."""

    def __init__(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JHKUBE_", "KUBECONFIG"))}
        self.environ = {**kept, **OTHER}
        self.settings = Settings.load(self.environ)

    def devcluster(self, *words):
        """Run a verb; return its status and all that it said."""
        done = subprocess.run(
            [sys.executable, "-m", "devcluster", *words],
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def up(self):
        status, said = self.devcluster("up")
        assert status == 0, said
        return said

    def kubectl(self, *words, stdin=None):
        done = subprocess.run(
            [build.kubectl(self.settings), "--kubeconfig", self.settings.kubeconfig, *words],
            input=stdin,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run_pod(self):
        """Make the pod that is to stay, and return when it runs."""
        for manifest in (CLAIM, POD):
            self.kubectl("apply", "--validate=false", "-f", "-", stdin=json.dumps(manifest))
        return self.running_pod()

    def running_pod(self, unlike=""):
        """Return the pod once its container runs, and is another than `unlike`."""
        until = time.monotonic() + 240
        while time.monotonic() < until:
            pod = json.loads(self.kubectl("get", "pod", "stays", "-o", "json"))
            for status in pod["status"].get("containerStatuses", []):
                if "running" in status["state"] and status["containerID"] != unlike:
                    return pod
            time.sleep(0.3)
        raise TimeoutError(self.kubectl("describe", "pod", "stays"))

    def container(self):
        """Return the id of the container that runs in the pod."""
        return self.running_pod()["status"]["containerStatuses"][0]["containerID"]

    def own_processes(self):
        """Return everything that runs because of this cluster: its components, and what is in its pods."""
        return {*processes.marked(self.settings.run), *processes.of_cgroup(self.settings.cgroup)}

    def components(self):
        """Return the components' processes by name."""
        names = [path.stem for path in (self.settings.run / "pids").glob("*.json")]
        return {name: processes.alive(self.settings.run, name) for name in names}


@pytest.fixture(scope="module")
def other():
    cluster = Other()
    cluster.devcluster("down")
    cluster.up()
    cluster.run_pod()
    yield cluster
    cluster.devcluster("down")
    leftovers.discard(cluster.settings.run)


@pytest.mark.parametrize("then", ["the network is there", "the machine was reset", "a database is unreadable"])
def test_up_recovers_from_everything_killed_at_once(other, then):
    before = other.container()
    volume = next((other.settings.run / "volumes").iterdir())
    (volume / "someone" / "kept").write_text("work")
    assert len(other.own_processes()) > len(other.components())

    processes.end(other.own_processes())
    if then == "the machine was reset":
        network.remove(other.settings)
        leftovers.unmount(other.settings.run)
        shutil.rmtree(other.settings.run / "containerd" / "state")
        for path in (other.settings.run / "pids").glob("*.json"):
            path.write_text(json.dumps({**json.loads(path.read_text()), "boot": "the one before"}))
    if then == "a database is unreadable":
        database = other.settings.run / "containerd/root/io.containerd.metadata.v1.bolt/meta.db"
        database.write_bytes(os.urandom(database.stat().st_size))
    assert other.devcluster("status")[0] == 3

    other.up()
    status, said = other.devcluster("status")
    assert status == 0, said
    other.running_pod(unlike=before)
    assert (volume / "someone" / "kept").read_text() == "work"


def test_pods_that_lost_their_bridge_get_a_new_network(other):
    before = other.container()
    output("ip", "link", "del", other.settings.link)
    other.up()
    pod = other.running_pod(unlike=before)
    # Nobody listens in it: that it says so shows that it is reached.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((pod["status"]["podIP"], 8888), timeout=60)


def test_up_when_all_is_up_leaves_every_process_alone(other):
    before = other.components()
    assert "starting" not in other.up().lower()
    assert other.components() == before


def test_a_component_that_no_file_knows_is_not_started_twice(other):
    (other.settings.run / "pids" / "scheduler.json").unlink()
    other.up()
    named = [each for each in processes.marked(other.settings.run) if each.command[0].endswith("/kube-scheduler")]
    assert named == [other.components()["scheduler"]]


def test_the_demos_servers_make_room_for_the_tests_and_their_homes_stay(other):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": DEMO_NAMESPACE}}
    server = {**POD, "metadata": {"name": "lab", "labels": {"component": "singleuser-server"}}}
    other.kubectl("create", "-f", "-", stdin=json.dumps(namespace))
    other.kubectl("-n", DEMO_NAMESPACE, "wait", "--for=create", "serviceaccount/default", "--timeout=240s")
    for manifest in (CLAIM, POD, server):
        other.kubectl("-n", DEMO_NAMESPACE, "create", "--validate=false", "-f", "-", stdin=json.dumps(manifest))

    status, said = other.devcluster("room")

    assert status == 0, said
    assert "Stopping 1 of the demo's servers" in said
    left = other.kubectl("-n", DEMO_NAMESPACE, "get", "pods,pvc", "-o", "name").split()
    assert left == ["pod/stays", "persistentvolumeclaim/home"]
    assert "Stopping" not in other.devcluster("room")[1]


def test_a_component_is_killed_and_started_by_its_name(other):
    pod = other.running_pod()
    assert other.devcluster("kill", "registry")[0] == 0
    assert other.components()["registry"] is None
    assert other.devcluster("status")[0] == 3
    assert other.devcluster("start", "registry")[0] == 0
    assert other.devcluster("status")[0] == 0
    assert other.running_pod()["status"]["containerStatuses"] == pod["status"]["containerStatuses"]


def test_a_port_that_is_taken_is_named_with_its_setting(other):
    words = ["env", "JHKUBE_DEV_NAME=third", "JHKUBE_DEV_NET=10.248", "JHKUBE_DEV_FIRST_PORT=26640"]
    third = subprocess.run(
        [*words, sys.executable, "-m", "devcluster", "start", "registry"],
        cwd=ROOT,
        env=other.environ,
        capture_output=True,
        text=True,
    )
    run = Settings.load({**other.environ, "JHKUBE_DEV_NAME": "third"}).run
    assert third.returncode == 1
    assert "port 5150" in third.stderr
    assert "JHKUBE_DEV_REGISTRY_PORT" in third.stderr
    assert processes.marked(run) == []
    leftovers.discard(run)


def test_down_leaves_nothing_running_mounted_or_connected(other):
    mine = os.environ.get("KUBECONFIG", "")
    rules = output("iptables-save")
    assert OTHER["JHKUBE_DEV_NAME"] in rules

    status, said = other.devcluster("down")

    assert status == 0, said
    assert other.own_processes() == set()
    assert leftovers.mounts(other.settings.run) == []
    assert not Path("/sys/class/net", other.settings.link).exists()
    assert not Path("/run/netns", other.settings.netns).exists()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{other.settings.cgroup.strip('/')}"))
    assert f"devcluster {OTHER['JHKUBE_DEV_NAME']}" not in output("iptables-save")
    assert not (other.settings.run / "volumes").exists()
    # The cluster that the other tests run on has not noticed.
    assert output(build.kubectl(other.settings), "--kubeconfig", mine, "get", "--raw", "/readyz") == "ok"

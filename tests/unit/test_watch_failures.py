"""What a person reads when a server does not start: messages as kubelet, scheduler and runtimes write them."""

from typing import Any

import pytest

from jhkube.watch.failures import Failure, deleted_failure, pod_failure
from jhkube.watch.patience import FOREVER, Patience

IMAGE = "registry.example.org/lab:2026-11"


def pod(
    state: dict[str, Any] | None = None,
    *,
    init: dict[str, Any] | None = None,
    last: dict[str, Any] | None = None,
    restarts: int = 0,
    **status: Any,
) -> dict[str, Any]:
    """A pod whose server's container, and whose init container, are in these states."""
    status.setdefault("phase", "Pending")
    if state is not None:
        container = {"name": "notebook", "image": IMAGE, "restartCount": restarts, "state": state}
        status["containerStatuses"] = [container | ({"lastState": last} if last else {})]
    if init is not None:
        status["initContainerStatuses"] = [
            {"name": "home", "image": IMAGE, "restartCount": restarts, "state": init, "lastState": last or {}}
        ]
    return {
        "metadata": {"namespace": "hub", "name": "jupyter-alice", "uid": "1"},
        "spec": {
            "containers": [{"name": "notebook", "image": IMAGE}],
            "initContainers": [{"name": "home", "image": IMAGE}],
        },
        "status": status,
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def unschedulable(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod(conditions=[condition])


def event(reason: str, message: str = "", kind: str = "Warning") -> dict[str, Any]:
    return {
        "type": kind,
        "reason": reason,
        "message": message,
        "metadata": {"uid": f"{reason}{message}"},
        "involvedObject": {"name": "jupyter-alice", "uid": "1"},
    }


def found(pod: dict[str, Any], *events: dict[str, Any]) -> Failure:
    failure = pod_failure(pod, events)
    assert failure is not None
    return failure


@pytest.mark.parametrize(
    "healthy",
    [
        pod(),
        pod(waiting("ContainerCreating")),
        pod(waiting("PodInitializing"), init={"running": {}}),
        pod(waiting("PodInitializing"), init=ended(0, "Completed")),
        pod({"running": {}}, phase="Running"),
        pod(ended(1), phase="Running"),
        pod({"running": {}}, phase="Running", last=ended(1), restarts=1),
        pod(conditions=[{"type": "PodScheduled", "status": "True"}]),
    ],
    ids=["new", "creating", "preparing", "prepared", "running", "crashed", "crashed once", "scheduled"],
)
def test_a_start_that_goes_its_way_is_no_failure(healthy):
    assert pod_failure(healthy) is None


PULLS = [
    (
        'rpc error: code = NotFound desc = failed to pull and unpack image "registry.example.org/lab:2026-11": '
        "failed to resolve reference: registry.example.org/lab:2026-11: not found",
        "does not exist",
    ),
    ("manifest for registry.example.org/lab:2026-11 not found: manifest unknown", "does not exist"),
    (
        "Error response from daemon: pull access denied for lab, repository does not exist or may require "
        "'docker login': denied: requested access to the resource is denied",
        "does not allow",
    ),
    (
        "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
        "does not allow",
    ),
    ("unexpected status code 403 Forbidden", "does not allow"),
    ("no match for platform in manifest: not found", "kind of processor"),
    ("x509: certificate signed by unknown authority", "does not trust"),
    ("http: server gave HTTP response to HTTPS client", "does not trust"),
    ("write /var/lib/containerd/io: no space left on device", "disk space"),
]


@pytest.mark.parametrize(("said", "told"), PULLS, ids=[told for _, told in PULLS])
@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_a_pull_that_cannot_succeed_fails_at_once_with_its_cause(reason, said, told):
    failure = found(pod(waiting(reason, said)))
    assert told in failure.message
    assert IMAGE in failure.message
    assert not failure.temporary


@pytest.mark.parametrize(
    "said",
    [
        'Get "https://registry.example.org/v2/": dial tcp 10.0.0.7:443: connect: connection refused',
        "dial tcp: lookup registry.example.org on 10.96.0.10:53: no such host",
        "net/http: TLS handshake timeout",
        "unexpected status code 503 Service Unavailable",
        "toomanyrequests: You have reached your pull rate limit.",
        "something nobody has seen before",
    ],
)
def test_a_registry_that_may_come_back_is_waited_for(said):
    failure = found(pod(waiting("ErrImagePull", said)))
    assert failure.patience == Patience().pull
    assert failure.meanwhile


def test_the_cause_of_a_pull_that_backs_off_is_taken_from_its_event():
    said = f'Failed to pull image "{IMAGE}": rpc error: code = NotFound desc = not found'
    back_off = pod(waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"'))
    assert pod_failure(back_off, [event("Failed", "Error: ErrImagePull")]).temporary
    assert not pod_failure(back_off, [event("Failed", said)]).temporary


def test_a_word_in_the_images_own_name_is_no_cause():
    shown = pod(waiting("ErrImagePull", "dial tcp: i/o timeout for registry.example.org/denied-not-found:403"))
    shown["spec"]["containers"][0]["image"] = "registry.example.org/denied-not-found:403"
    assert pod_failure(shown).temporary


@pytest.mark.parametrize("reason", ["InvalidImageName", "ErrImageNeverPull", "SignatureValidationFailed"])
def test_an_image_that_is_not_even_tried_fails_at_once(reason):
    assert not found(pod(waiting(reason))).temporary


CONTAINERS = [
    (
        pod(waiting("CreateContainerConfigError", 'secret "alice-db" not found')),
        "secret “alice-db”",
        Patience().missing,
    ),
    (
        pod(waiting("CreateContainerConfigError", "couldn't find key pass in Secret hub/alice-db")),
        "key “pass” of hub/alice-db",
        Patience().missing,
    ),
    (
        pod(waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root (pod: …)")),
        "wants to run as root",
        0,
    ),
    (
        pod(
            waiting(
                "RunContainerError",
                'failed to create containerd task: exec: "jupyterhub-singleuser": executable file not found in $PATH',
            )
        ),
        "has no “jupyterhub-singleuser”",
        0,
    ),
    (
        pod(
            waiting("CrashLoopBackOff"),
            last=ended(128, "StartError", 'exec: "/opt/bin/start": stat /opt/bin/start: no such file or directory'),
            restarts=1,
        ),
        "has no “start”",
        0,
    ),
    (pod(waiting("CrashLoopBackOff"), last=ended(1), restarts=1), "exit code 1", 0),
    (pod(ended(1), restarts=1, phase="Running"), "exit code 1", 0),
    (pod({"running": {}}, last=ended(1), restarts=2, phase="Running"), "exit code 1", 0),
    (pod(ended(127), phase="Failed"), "exit code 127", 0),
    (pod(ended(0, "Completed"), phase="Succeeded"), "ended by itself", 0),
    (pod(ended(137, "OOMKilled"), phase="Failed"), "more memory", 0),
    (pod({"running": {}}, last=ended(137, "OOMKilled"), restarts=1, phase="Running"), "more memory", 0),
    (pod(waiting("PodInitializing"), init=ended(2)), "step “home”", Patience().missing),
    (pod(waiting("PodInitializing"), init=waiting("Init"), last=ended(2), restarts=3), "step “home”", 0),
]


@pytest.mark.parametrize(("shown", "told", "patience"), CONTAINERS, ids=[told for _, told, _ in CONTAINERS])
def test_a_container_that_does_not_run_says_why(shown, told, patience):
    failure = found(shown)
    assert told in failure.message
    assert failure.patience == patience


def test_a_crash_loop_is_waited_for_where_it_is_asked_for():
    patience = Patience(crash_loop=120)
    loop = pod_failure(pod(waiting("CrashLoopBackOff"), last=ended(1), restarts=3), patience=patience)
    assert loop is not None
    assert (loop.patience, loop.meanwhile) == (120, "Your server crashed (exit code 1) and is started again.")
    over = pod_failure(pod(ended(1), restarts=3, phase="Failed"), patience=patience)
    assert over is not None
    assert not over.temporary


def test_a_sidecar_that_is_done_is_no_failure():
    shown = pod({"running": {}}, phase="Running")
    done = {"name": "setup", "image": IMAGE, "restartCount": 0, "state": ended(0, "Completed")}
    shown["status"]["containerStatuses"].append(done)
    assert pod_failure(shown) is None


SCHEDULING = [
    ("0/3 nodes are available: 3 Insufficient memory.", "enough free memory"),
    ("0/3 nodes are available: 1 Insufficient cpu, 2 Insufficient memory.", "processor cores and memory"),
    ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", "“nvidia.com/gpu”"),
    ("0/3 nodes are available: 3 Too many pods.", "room for one more server"),
    ("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.", "of the kind"),
    ("0/3 nodes are available: 3 node(s) had taint {gpu: true}, that the pod didn't tolerate.", "reserved"),
    ("0/3 nodes are available: 3 node(s) had volume node affinity conflict.", "disk"),
    ("no nodes available to schedule pods", "No node of the cluster can take"),
]


@pytest.mark.parametrize(("said", "told"), SCHEDULING)
def test_a_pod_without_a_node_waits_and_says_what_is_lacking(said, told):
    failure = found(unschedulable(said))
    assert told in failure.message
    assert told in failure.meanwhile
    assert failure.patience == Patience().unschedulable
    assert failure.detail == said


@pytest.mark.parametrize("reason", ["TriggeredScaleUp", "Nominated"])
def test_a_node_that_is_being_added_is_waited_for(reason):
    shown = unschedulable("0/3 nodes are available: 3 Insufficient memory.")
    failure = found(shown, event(reason, "pod triggered scale-up: [{pool 1->2 (max: 5)}]", "Normal"))
    assert failure.patience == FOREVER
    assert "being added" in failure.meanwhile


def test_a_missing_claim_is_named():
    failure = found(unschedulable('persistentvolumeclaim "claim-alice" not found'))
    assert "“claim-alice”" in failure.message
    assert failure.patience == Patience().missing


def test_a_claim_that_is_being_bound_is_waited_for():
    said = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    assert found(unschedulable(said)).patience == Patience().volume


MOUNTS = [
    ('MountVolume.SetUp failed for volume "git" : secret "alice-jhkube" not found', "“alice-jhkube”"),
    ('MountVolume.SetUp failed for volume "conf" : configmap "motd" not found', "“motd”"),
    (
        'MountVolume.SetUp failed for volume "data" : hostPath type check failed: /data is not a directory',
        "“data” cannot be mounted",
    ),
    (
        'Multi-Attach error for volume "pvc-7" Volume is already used by pod(s) jupyter-bob',
        "still in use by another",
    ),
    (
        'MountVolume.SetUp failed for volume "home" : mount failed: exit status 32: access denied by server',
        "“home” could not be mounted",
    ),
    (
        "Unable to attach or mount volumes: unmounted volumes=[home], unattached volumes=[home]: timed out",
        "“home” could not be mounted",
    ),
]


@pytest.mark.parametrize(("said", "told"), MOUNTS, ids=[told for _, told in MOUNTS])
def test_a_volume_that_does_not_mount_is_named_and_waited_for(said, told):
    failure = found(pod(waiting("ContainerCreating")), event("FailedMount", said))
    assert told in failure.message
    assert failure.temporary


def test_a_mount_that_worked_at_last_is_no_failure():
    trouble = event("FailedMount", 'MountVolume.SetUp failed for volume "git" : secret "x" not found')
    assert pod_failure(pod(waiting("ContainerCreating")), [trouble, event("Pulled", kind="Normal")]) is None
    assert pod_failure(pod({"running": {}}, phase="Running"), [trouble]) is None


WHOLE = [
    ("Evicted", "short of memory"),
    ("NodeLost", "stopped answering"),
    ("DeadlineExceeded", "longest time"),
    ("OutOfmemory", "no memory left"),
    ("OutOfnvidia.com/gpu", "no nvidia.com/gpu left"),
    ("Terminated", "shut down"),
    ("SomethingNew", "refused"),
]


@pytest.mark.parametrize(("reason", "told"), WHOLE)
def test_a_pod_that_failed_as_a_whole_says_why(reason, told):
    failure = found(pod(phase="Failed", reason=reason, message="The node was low on resource: memory."))
    assert (failure.reason, failure.temporary) == (reason, False)
    assert told in failure.message


def test_an_eviction_wins_over_what_the_containers_then_say():
    shown = pod(ended(137), phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    assert found(shown).reason == "Evicted"


@pytest.mark.parametrize("reason", ["PreemptionByScheduler", "EvictionByEvictionAPI", "TerminationByKubelet", "X"])
def test_a_disruption_is_told_before_the_pod_is_gone(reason):
    shown = pod({"running": {}}, phase="Running")
    shown["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True", "reason": reason}]
    assert found(shown).reason == reason


def test_a_pod_that_is_gone_says_who_took_it():
    assert deleted_failure(None, [event("Preempted", "Preempted by kube-system/x")]).reason == "Preempted"
    assert deleted_failure(None).reason == "Deleted"


@pytest.mark.parametrize(
    "shown",
    [shown for shown, _, _ in CONTAINERS]
    + [pod(waiting("ErrImagePull", said)) for said, _ in PULLS]
    + [unschedulable(said) for said, _ in SCHEDULING],
)
def test_every_message_is_sentences_with_something_to_do(shown):
    failure = found(shown)
    assert failure.message.endswith(".")
    assert any(word in failure.message for word in ("Choose", "Tell", "Try", "try again", "Ask", "Check", "Stop"))
    assert 400 <= failure.status_code < 500
    assert not failure.meanwhile or failure.meanwhile.endswith(".")


def test_a_definite_failure_has_no_more_patience():
    definite = found(unschedulable("0/3 nodes are available: 3 Insufficient memory.")).definite()
    assert (definite.temporary, definite.meanwhile) == (False, "")

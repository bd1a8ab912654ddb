"""What a person reads when a server does not start: messages as kubelet, scheduler and runtimes write them."""

import time
from typing import Any

import pytest

from jhkube.pod.repository import CLONE_CONTAINER, CloneEnd
from jhkube.watch.failure import Failure
from jhkube.watch.failures import deleted_failure, pod_failure
from jhkube.watch.patience import FOREVER, Patience
from jhkube.watch.repository import repository_notice

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


def unpack(why: str, code: str = "Unknown") -> str:
    """What containerd 2.4 says of a pull, as kubelet 1.37 repeats it."""
    return f'rpc error: code = {code} desc = failed to pull and unpack image "{IMAGE}": {why}'


def resolve(status: str) -> str:
    """The same, where the registry answered the first request with another status."""
    url = "https://registry.example.org/v2/lab/manifests/2026-11"
    return unpack(f"failed to resolve image: unexpected status from HEAD request to {url}: {status}")


def fetch(why: str, digest: str = "9f8e7d6c5b4a39281706f5e4d3c2b1a0") -> str:
    """The same, where a layer was being fetched."""
    url = f"https://registry.example.org:5000/v2/lab/blobs/sha256:{digest * 2}"
    return unpack(f'failed to copy: httpReadSeeker: failed open: failed to do request: Get "{url}": {why}')


TOKEN_URL = "https://auth.example.org/token?scope=repository%3Alab%3Apull&service=registry.example.org"

PULLS = [
    (unpack(f"failed to resolve image: {IMAGE}: not found", "NotFound"), "does not exist"),
    (
        unpack(
            "failed to copy: httpReadSeeker: failed open: content at "
            "https://registry.example.org/v2/lab/manifests/sha256:503503 not found: not found",
            "NotFound",
        ),
        "does not exist",
    ),
    (
        unpack(
            "failed to resolve image: pull access denied, repository does not exist or may require authorization: "
            "server message: insufficient_scope: authorization failed"
        ),
        "does not allow",
    ),
    (
        unpack(
            "failed to resolve image: failed to authorize: failed to fetch anonymous token: "
            f"unexpected status from GET request to {TOKEN_URL}: 401 Unauthorized"
        ),
        "does not allow",
    ),
    (resolve("403 Forbidden"), "does not allow"),
    (resolve("403 "), "does not allow"),
    ("denied: requested access to the resource is denied", "does not allow"),
    ("GET https://registry.example.org/v2/lab/manifests/503: response status code 403: denied", "does not allow"),
    ("response status code 404: name unknown: repository lab is not known to the registry", "does not exist"),
    (
        f"initializing source docker://{IMAGE}: reading manifest 2026-11 in registry.example.org/lab: "
        "invalid status code from registry 404 (Not Found)",
        "does not exist",
    ),
    # CRI-O; Google's and Quay's registries.
    (
        f"initializing source docker://{IMAGE}: reading manifest 2026-11 in registry.example.org/lab: "
        'StatusCode: 404, "<!DOCTYPE html><html></html>"',
        "does not exist",
    ),
    (
        f"initializing source docker://{IMAGE}: Requesting bearer token: invalid status code from registry 403 "
        "(Forbidden)",
        "does not allow",
    ),
    (
        'reading manifest 2026-11 in gcr.io/p/lab: denied: Permission denied for "2026-11" from request '
        '"/v2/p/lab/manifests/2026-11".',
        "does not allow",
    ),
    (
        "reading manifest 2026-11 in quay.io/p/lab: unknown: Tag 2026-11 was deleted or has expired. To pull, revive "
        "via time machine",
        "does not exist",
    ),
    (unpack("no match for platform in manifest: not found", "NotFound"), "kind of processor"),
    (fetch("tls: failed to verify certificate: x509: certificate signed by unknown authority"), "does not trust"),
    (fetch("http: server gave HTTP response to HTTPS client"), "does not trust"),
    (
        unpack(
            "failed to extract layer (application/vnd.oci.image.layer.v1.tar+gzip sha256:0a1b2c3d) to overlayfs as "
            '"extract-403-x": write /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/404/fs/opt: '
            "no space left on device"
        ),
        "disk space",
    ),
]


@pytest.mark.parametrize(("said", "told"), PULLS, ids=[told for _, told in PULLS])
@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_a_pull_that_cannot_succeed_fails_at_once_with_its_cause(reason, said, told):
    back_off = f'Back-off pulling image "{IMAGE}": ErrImagePull: {said}'
    failure = found(pod(waiting(reason, said if reason == "ErrImagePull" else back_off)))
    assert told in failure.message
    assert IMAGE in failure.message
    assert not failure.temporary


RESET = "read tcp {}->198.51.100.4:443: read: connection reset by peer"

PASSING = {
    "refused": fetch("dial tcp 10.0.0.7:443: connect: connection refused"),
    "no such host": fetch("dial tcp: lookup registry.example.org on 10.96.0.10:53: no such host"),
    "handshake": fetch("net/http: TLS handshake timeout"),
    "timeout": fetch("dial tcp 10.0.0.7:443: i/o timeout"),
    "cut off": fetch("EOF"),
    "503": resolve("503 Service Unavailable"),
    "500": resolve("500 "),
    "503 of a token": unpack(
        "failed to resolve image: failed to authorize: failed to fetch oauth token: "
        f"unexpected status from POST request to {TOKEN_URL}: 503 Service Unavailable"
    ),
    # A port, an address, a digest and a name have any digits and any words in them.
    "403 in a port": fetch(RESET.format("10.1.2.3:40312")),
    "404 in a port": fetch(RESET.format("10.1.2.3:34044")),
    "404 as a part of an address": fetch(RESET.format("[2001:db8::404]:40312")),
    "404 in a digest": fetch("context deadline exceeded", "4043f0e4010403aa4294040f404a404b"),
    "a host's name": fetch("dial tcp: lookup denied.example.org on 10.96.0.10:53: server misbehaving"),
    "a mirror's path": unpack(
        "failed to resolve image: unexpected status from HEAD request to "
        "https://mirror.example.org/v2/not-found/unauthorized/manifests/404?ns=docker.io: 502 Bad Gateway"
    ),
    "a layer's id": unpack("failed to read 404404040404: unexpected EOF"),
    # What the node's own store says in the words of a registry.
    "a snapshot": unpack(
        'failed to prepare extraction snapshot "extract-404403-Xy sha256:0a1b": parent snapshot sha256:0a1b '
        "does not exist: not found",
        "NotFound",
    ),
    "a folder of the node": unpack(
        "open /var/lib/containerd/io.containerd.content.v1/ingest/7/ref: permission denied"
    ),
    "a lease": unpack('lease "139403404-x": not found', "NotFound"),
    "a lease that ended": unpack("failed to copy: lease does not exist: not found", "NotFound"),
    "a snapshotter": unpack(
        "unable to initialize unpacker: snapshotter overlayfs was not found: not found", "NotFound"
    ),
    "a lost blob": unpack(
        "blob sha256:0a1b expected at /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256/0a1b: "
        "blob not found: not found",
        "NotFound",
    ),
    "a program's exit status": unpack("failed to apply layer: unpigz: exit status 403"),
    "a kind of layer": unpack(
        "failed to get stream processor for application/vnd.oci.image.layer.v1.tar+zstd: no processor for media-type:"
        " not found",
        "NotFound",
    ),
    "a proxy's page": unpack(
        "failed to resolve image: unexpected media type text/html for sha256:0a1b2c3d: not found", "NotFound"
    ),
    "a proxy without an account": fetch("Proxy Authentication Required"),
    "a proxy that refuses": fetch("Forbidden"),
    "407 of a proxy": resolve("407 Proxy Authentication Required"),
    "a resolver's port": fetch(
        "dial tcp: lookup registry.example.org on 10.96.0.10:53: read udp 10.244.0.3:40404->10.96.0.10:53: no answer"
    ),
    "a signed address": fetch(
        'Get "https://prod.example.org/data?Expires=1403404403&Signature=x403&Key-Pair-Id=K404": tls: bad record MAC'
    ),
    "a wrong size": unpack('failed commit on ref "layer-404": "layer-404" failed size validation: 404 != 403'),
    "a runtime that restarts": (
        'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial '
        'unix:///run/containerd/containerd.sock: not found"'
    ),
    "a gateway's page": (
        f"initializing source docker://{IMAGE}: reading manifest 2026-11 in registry.example.org/lab: "
        'StatusCode: 503, "<html>the backend was not found</html>"'
    ),
    "nobody knows": unpack("something nobody has seen before"),
    # Two credentials, or two mirrors: one may work again.
    "denied and away": f"[{resolve('401 Unauthorized')}, {fetch('dial tcp 10.0.0.7:443: i/o timeout')}]",
    "denied and given up": (
        f"[{resolve('401 Unauthorized')}, net/http: request canceled while waiting for connection "
        "(Client.Timeout exceeded while awaiting headers)]"
    ),
    "denied and restarted": (
        f"[{resolve('401 Unauthorized')}, http2: server sent GOAWAY and closed the connection; LastStreamID=403]"
    ),
    "not found and busy": f"[{unpack('failed to resolve image: x: not found')}, {resolve('429 Too Many Requests')}]",
}


@pytest.mark.parametrize("said", PASSING.values(), ids=PASSING)
def test_a_registry_that_may_come_back_is_waited_for(said):
    failure = found(pod(waiting("ErrImagePull", said)))
    assert failure.patience == Patience().pull
    assert failure.meanwhile
    assert "could not be pulled" in failure.message or "refuses more downloads" in failure.message


def test_no_port_is_a_cause():
    resets = (fetch(RESET.format(f"10.4.0.3:{port}")) for port in range(32768, 61000, 7))
    assert [said for said in resets if not found(pod(waiting("ErrImagePull", said))).temporary] == []


@pytest.mark.parametrize(
    "said",
    [
        resolve("429 Too Many Requests"),
        unpack(
            "failed to copy: httpReadSeeker: failed open: unexpected status from GET request to "
            "https://registry.example.org/v2/lab/blobs/sha256:404: 429 Too Many Requests\n"
            "toomanyrequests: You have reached your unauthenticated pull rate limit. "
            "https://www.docker.com/increase-rate-limit"
        ),
        "pull QPS exceeded",
    ],
)
def test_a_rate_limit_is_said_to_be_one(said):
    failure = found(pod(waiting("ErrImagePull", said)))
    assert failure.message == f"The registry of the image {IMAGE} refuses more downloads for now. Try again later."
    assert failure.meanwhile == "The image's registry asks for fewer requests; waiting."
    assert (failure.patience, failure.status_code) == (Patience().pull, 429)


def test_a_registry_that_kubelet_knows_to_be_away_is_waited_for_whatever_else_is_said():
    said = f"image pull failed for {IMAGE} because the registry is unavailable: pull access denied"
    failure = found(pod(waiting("RegistryUnavailable", said)))
    assert failure.temporary
    assert "registry does not answer" in failure.meanwhile


def test_the_cause_of_a_pull_that_backs_off_is_taken_from_its_event():
    said = f'Failed to pull image "{IMAGE}": rpc error: code = NotFound desc = not found'
    back_off = pod(waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"'))
    assert pod_failure(back_off, [event("Failed", "Error: ErrImagePull")]).temporary
    assert not pod_failure(back_off, [event("Failed", said)]).temporary


def test_a_word_in_the_images_own_name_is_no_cause():
    shown = pod(waiting("ErrImagePull", "dial tcp: i/o timeout for registry.example.org/denied-not-found:403"))
    shown["spec"]["containers"][0]["image"] = "registry.example.org/denied-not-found:403"
    assert pod_failure(shown).temporary


@pytest.mark.parametrize(
    ("image", "said", "temporary"),
    [
        ("lab", "registry is unavailable for now; mirror: not found", True),
        ("a", "unauthorized: authentication required", False),
    ],
)
def test_an_images_short_name_is_no_part_of_a_word(image, said, temporary):
    shown = pod(waiting("ErrImagePull", said))
    shown["spec"]["containers"][0]["image"] = image
    assert found(shown).temporary is temporary


@pytest.mark.parametrize("said", ["image not found", "layer not known: access denied"])
def test_an_image_that_the_node_cannot_inspect_is_the_nodes_trouble(said):
    assert found(pod(waiting("ImageInspectError", f'Failed to inspect image "{IMAGE}": {said}'))).temporary


@pytest.mark.parametrize("reason", ["ErrImagePull", "CreateContainerError"])
@pytest.mark.parametrize("said", ["status from ", "status from a ", "a-1 ", 'container init exec: "', "x" * 99 + " "])
def test_a_text_of_any_length_is_read_in_a_moment(reason, said):
    shown = pod(waiting(reason, said * (500_000 // len(said))))
    began = time.process_time()
    assert found(shown).temporary
    assert time.process_time() - began < 0.5


def test_the_cause_is_found_at_both_ends_of_a_long_text():
    filler = "x " * 100_000
    assert "does not exist" in found(pod(waiting("ErrImagePull", f"manifest unknown: {filler}"))).message
    assert "does not exist" in found(pod(waiting("ErrImagePull", f"{filler}: manifest unknown"))).message


@pytest.mark.parametrize("reason", ["InvalidImageName", "ErrImageNeverPull", "SignatureValidationFailed"])
def test_an_image_that_is_not_even_tried_fails_at_once(reason):
    assert not found(pod(waiting(reason))).temporary


NO_PROGRAM = '"jupyterhub-singleuser": executable file not found in $PATH'
OUT_OF_MEMORY = "container init was OOM-killed (memory limit too low?)"
POD_FOLDER = "/var/lib/kubelet/pods/0c404f9a-1d2e-4f50-8403-5a6b7c8d9e0f"


def shim(why: str) -> str:
    """What containerd 2.4 with runc says of a container that it could not start."""
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create "
        f"failed: unable to start container process: error during container init: {why}: unknown"
    )


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
        "The image wants to run as root",
        0,
    ),
    (
        pod(
            waiting(
                "CreateContainerConfigError",
                "container has runAsNonRoot and image has non-numeric user (jovyan), cannot verify user is non-root "
                '(pod: "jupyter-ada_labs(7c1f)", container: notebook)',
            )
        ),
        "The image runs as “jovyan”, a name and not a number",
        0,
    ),
    (
        pod(
            waiting(
                "CreateContainerConfigError",
                'container\'s runAsUser breaks non-root policy (pod: "jupyter-ada_labs(7c1f)", container: notebook)',
            )
        ),
        "Your server is configured to run as root, which is not allowed. Tell your administrator.",
        0,
    ),
    (pod(waiting("RunContainerError", shim(f"exec: {NO_PROGRAM}"))), "has no “jupyterhub-singleuser”", 0),
    (
        pod(
            waiting("CrashLoopBackOff"),
            last=ended(
                128,
                "StartError",
                shim('exec: "/opt/bin/start": stat /opt/bin/start: no such file or directory'),
            ),
            restarts=1,
        ),
        "has no “start”",
        0,
    ),
    (
        pod(
            waiting(
                "CreateContainerError",
                'container create failed: time="2026-11-30T00:00:00Z" level=error msg="runc create failed: unable to '
                'start container process: error during container init: exec: \\"jupyterhub-singleuser\\": executable '
                'file not found in $PATH"',
            )
        ),
        "has no “jupyterhub-singleuser”",
        0,
    ),
    (pod(ended(128, "StartError", shim("exec /srv/start.sh: no such file or directory"))), "has no “start.sh”", 0),
    (
        pod(waiting("RunContainerError", "OCI runtime create failed: executable file `jupyter` not found in $PATH")),
        "has no “jupyter”",
        0,
    ),
    (
        pod(ended(128, "StartError", shim('exec: "/srv/start": permission denied'))),
        "does not allow your user to run",
        0,
    ),
    (pod(ended(128, "StartError", shim('exec: "/srv/start": exec format error'))), "kind of processor", 0),
    (pod(waiting("RunContainerError", shim('exec: "/srv/start": is a directory'))), "could not run the image's", 0),
    (pod(waiting("RunContainerError", shim(OUT_OF_MEMORY))), "more memory", 0),
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


NODE_OR_HOME = {
    "a GPU's driver": (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create "
        "failed: unable to start container process: error during container init: error running prestart hook #0: "
        "exit status 1, stdout: , stderr: nvidia-container-cli: initialization error: "
        "load library failed: libnvidia-ml.so.1: cannot open shared object file: no such file or directory: unknown",
        "such as a GPU",
    ),
    "a GPU's device": (
        "failed to generate spec: failed to inject CDI devices: unresolvable CDI devices nvidia.com/gpu=all",
        "such as a GPU",
    ),
    "a sub-path": (
        shim(
            f'error mounting "{POD_FOLDER}/volume-subpaths/home/notebook/1" to rootfs at "/home/ada": '
            "mount src=/proc/self/fd/7, dst=/home/ada: no such file or directory"
        ),
        "mount “/home/ada”",
    ),
    "a sub-path that cannot be made": (
        'failed to create subPath directory for volumeMount "home" of container "notebook"',
        "mount “home”",
    ),
    "a folder of the node": (
        f'failed to generate spec: failed to stat "{POD_FOLDER}/volumes/kubernetes.io~nfs/home": '
        f"stat {POD_FOLDER}/volumes/kubernetes.io~nfs/home: stale NFS file handle",
        "could not mount",
    ),
    "a home": (shim('chdir to cwd ("/home/ada") set in config.json failed: permission denied'), "“/home/ada”"),
    "a home that is gone": (
        shim('chdir to cwd ("/home/ada") set in config.json failed: no such file or directory'),
        "“/home/ada”",
    ),
    "a runtime that is busy": (
        'failed to reserve container name "notebook_jupyter-ada_hub_0c404f9a_0": name is reserved for "4f0d"',
        "could not be created",
    ),
    "a runtime without an answer": ("context deadline exceeded", "could not be created"),
    "a runtime that is gone": (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: unable to retrieve "
        "OCI runtime error (open /run/containerd/io.containerd.runtime.v2.task/k8s.io/0a/log.json: no such file or "
        'directory): exec: "runc": executable file not found in $PATH: unknown',
        "could not be created",
    ),
    "a runtime that may not run": (
        "failed to create shim task: fork/exec /opt/kata/bin/qemu-system-x86_64: permission denied: unknown",
        "could not be created",
    ),
    "a shim that is gone": (
        'failed to start shim: start failed: : exec: "containerd-shim-runc-v2": executable file not found in $PATH',
        "could not be created",
    ),
    "a control group": (
        "runc create failed: unable to start container process: unable to apply cgroup configuration: mkdir "
        "/sys/fs/cgroup/kubepods.slice/x: no space left on device: unknown",
        "could not be created",
    ),
    "a file server that is away": (
        shim('exec: "/home/ada/bin/start": stat /home/ada/bin/start: stale file handle'),
        "could not be created",
    ),
    "a disk that is broken": (shim('exec: "jupyterhub-singleuser": input/output error'), "could not be created"),
    "a node without memory": (shim('exec: "jupyterhub-singleuser": cannot allocate memory'), "could not be created"),
    "a profile of the node": (
        shim("apply apparmor profile: write /proc/self/attr/apparmor/exec: no such file or directory"),
        "could not be created",
    ),
    "a hook of the operator": ('error running hook: exec: "/usr/bin/x": no such file or directory', "GPU"),
}


@pytest.mark.parametrize(("said", "told"), NODE_OR_HOME.values(), ids=NODE_OR_HOME)
@pytest.mark.parametrize("reason", ["CreateContainerError", "RunContainerError", "StartError"])
def test_trouble_of_the_node_or_the_home_is_not_laid_on_the_image(reason, said, told):
    shown = pod(ended(128, reason, said)) if reason == "StartError" else pod(waiting(reason, said))
    failure = found(shown)
    assert told in failure.message
    assert "he image has no" not in failure.message
    assert failure.temporary
    # A pod that is over is not started again.
    over = pod(ended(128, "StartError", said), phase="Failed")
    assert not found(over).temporary


def test_a_server_that_runs_after_all_is_no_failure():
    last = ended(128, "StartError", shim('chdir to cwd ("/home/ada") set in config.json failed: permission denied'))
    assert pod_failure(pod({"running": {}}, last=last, restarts=1, phase="Running")) is None


def test_an_init_container_without_memory_is_definite_unless_it_runs_again():
    killed = ended(137, "OOMKilled")
    failure = found(pod(init=waiting("CrashLoopBackOff"), last=killed, restarts=1))
    assert (failure.reason, failure.temporary) == ("OOMKilled", False)
    assert "step “home”" in failure.message
    assert pod_failure(pod(init={"running": {}}, last=killed, restarts=1)) is None


SIDECAR_STATES = {
    "crash": {"state": ended(1), "restartCount": 4},
    "crash loop": {"state": waiting("CrashLoopBackOff"), "lastState": ended(1), "restartCount": 4},
    "out of memory": {"state": ended(137, "OOMKilled"), "restartCount": 1},
    "no image": {"state": waiting("ErrImagePull", unpack(f"failed to resolve image: {IMAGE}: not found"))},
    "no program": {"state": waiting("RunContainerError", shim(f"exec: {NO_PROGRAM}"))},
    "no secret": {"state": waiting("CreateContainerConfigError", 'secret "s" not found')},
}


@pytest.mark.parametrize("sidecar", SIDECAR_STATES.values(), ids=SIDECAR_STATES)
@pytest.mark.parametrize("kind", ["container", "native"])
@pytest.mark.parametrize("server", [{"running": {}}, waiting("ContainerCreating")], ids=["running", "creating"])
def test_a_sidecar_gives_no_verdict_and_is_named(server, kind, sidecar):
    shown = pod(server, phase="Running")
    field, statuses = (
        ("containers", "containerStatuses") if kind == "container" else ("initContainers", "initContainerStatuses")
    )
    shown["spec"][field].append(
        {"name": "proxy", "image": IMAGE} | ({} if kind == "container" else {"restartPolicy": "Always"})
    )
    shown["status"].setdefault(statuses, []).append({"name": "proxy", "image": IMAGE, "restartCount": 0, **sidecar})
    failure = found(shown)
    assert failure.patience == FOREVER
    assert "“proxy”" in failure.meanwhile


@pytest.mark.parametrize("state", [{"running": {}}, ended(0, "Completed")])
@pytest.mark.parametrize("kind", ["container", "native"])
def test_a_sidecar_that_runs_again_or_is_done_is_no_failure(kind, state):
    shown = pod({"running": {}}, phase="Running")
    sidecar = {"name": "proxy", "image": IMAGE, "restartCount": 3, "state": state}
    if kind == "native":
        shown["spec"]["initContainers"].append({"name": "proxy", "restartPolicy": "Always"})
        shown["status"]["initContainerStatuses"] = [sidecar | {"lastState": ended(1)}]
    else:
        shown["status"]["containerStatuses"].append(sidecar | {"lastState": ended(1)})
    assert pod_failure(shown) is None


def test_the_servers_own_failure_comes_before_a_sidecars():
    shown = pod(ended(1), restarts=3, phase="Running")
    shown["status"]["containerStatuses"].insert(
        0, {"name": "proxy", "image": IMAGE, "restartCount": 9, "state": waiting("CrashLoopBackOff")}
    )
    failure = found(shown)
    assert "exit code 1" in failure.message
    assert not failure.temporary


def test_without_a_container_named_notebook_the_first_one_is_the_servers():
    shown = pod(phase="Running")
    names = ("lab", "proxy")
    shown["spec"]["containers"] = [{"name": name, "image": IMAGE} for name in names]
    shown["status"]["containerStatuses"] = [
        {"name": name, "image": IMAGE, "restartCount": 3, "state": ended(code)}
        for name, code in zip(names, (7, 9), strict=True)
    ]
    assert "exit code 7" in found(shown).message
    shown["status"]["containerStatuses"][0]["state"] = {"running": {}}
    told = found(shown)
    assert (told.patience, "“proxy”" in told.meanwhile) == (FOREVER, True)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (waiting("CrashLoopBackOff", "back-off 10s restarting"), "container proxy: back-off 10s restarting"),
        (waiting("CrashLoopBackOff"), "container proxy: "),
        (ended(9, "Error", "no port"), "container proxy: "),
    ],
)
def test_of_a_sidecar_the_operator_reads_what_the_cluster_says(state, said):
    shown = pod({"running": {}}, phase="Running")
    shown["spec"]["containers"].append({"name": "proxy", "image": IMAGE})
    shown["status"]["containerStatuses"].append({"name": "proxy", "restartCount": 1, "state": state})
    failure = found(shown)
    assert failure.detail.startswith(said)
    assert failure.reason in failure.message


def test_a_pod_that_failed_through_a_sidecar_alone_has_failed():
    shown = pod(phase="Failed")
    shown["status"]["containerStatuses"] = [{"name": "proxy", "restartCount": 0, "state": ended(1)}]
    assert found(shown).message == "Your server failed to start. Try again."


def test_a_crash_loop_is_waited_for_where_it_is_asked_for():
    patience = Patience(crash_loop=120)
    loop = pod_failure(pod(waiting("CrashLoopBackOff"), last=ended(1), restarts=3), patience=patience)
    assert loop is not None
    assert (loop.patience, loop.meanwhile) == (120, "Your server crashed (exit code 1) and is being restarted.")
    over = pod_failure(pod(ended(1), restarts=3, phase="Failed"), patience=patience)
    assert over is not None
    assert not over.temporary


SCHEDULING = [
    ("0/3 nodes are available: 3 Insufficient memory.", "enough free memory"),
    ("0/3 nodes are available: 1 Insufficient cpu, 2 Insufficient memory.", "processor cores and memory"),
    ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", "“nvidia.com/gpu”"),
    ("0/3 nodes are available: 3 Too many pods.", "room for one more server"),
    ("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.", "of the kind"),
    ("0/3 nodes are available: 3 node(s) had taint {gpu: true}, that the pod didn't tolerate.", "reserved"),
    ("0/3 nodes are available: 3 node(s) didn't match PersistentVolume's node affinity.", "disk"),
    ("0/3 nodes are available: 3 node(s) had no available volume zone.", "disk"),
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


TRIGGERED = event("TriggeredScaleUp", "pod triggered scale-up: [{pool 1->2 (max: 5)}]", "Normal")


@pytest.mark.parametrize(
    "newer",
    [
        event(
            "FailedScaleUp",
            "Node scale up in zones europe-west1-b associated with this pod failed: GCE out of resources. Pod is at "
            "risk of not being scheduled.",
        ),
        event("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 in backoff after failed scale-up", "Normal"),
    ],
)
def test_a_node_that_did_not_come_is_not_waited_for_without_end(newer):
    shown = unschedulable("0/3 nodes are available: 3 Insufficient memory.")
    failure = found(shown, TRIGGERED, newer)
    # A reason of its own has a time of its own.
    assert (failure.reason, failure.patience) == (newer["reason"], Patience().unschedulable)
    assert "did not start" in failure.message
    assert "did not start" in failure.meanwhile
    assert found(shown, TRIGGERED, newer, TRIGGERED).patience == FOREVER
    assert found(shown, newer).reason == "Unschedulable"


CLAIMS = [
    ('persistentvolumeclaim "claim-404" is being deleted', "is being deleted", Patience().volume),
    (
        'persistentvolumeclaim "claim-ada" bound to non-existent persistentvolume "pvc-0c404f9a"',
        "is gone",
        Patience().missing,
    ),
    (
        "0/3 nodes are available: 3 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).",
        "is gone",
        Patience().missing,
    ),
    (
        "0/3 nodes are available: 3 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access "
        "mode already in-use by another pod.",
        "one server can use it at a time",
        Patience().detach,
    ),
]


@pytest.mark.parametrize(("said", "told", "patience"), CLAIMS)
def test_a_claim_that_cannot_be_used_is_no_matter_of_size(said, told, patience):
    failure = found(unschedulable(f"{said} preemption: 0/3 nodes are available: 3 Preemption is not helpful."))
    assert told in failure.message
    assert "size" not in failure.message
    assert failure.patience == patience


MOUNTED_CLAIMS = [
    (
        'MountVolume.SetUp failed for volume "pvc-7" : volume uses the ReadWriteOncePod access mode and is '
        "already in use by another pod",
        "one server can use it at a time",
    ),
    ("error processing PVC hub/claim-ada: PVC is being deleted", "is being deleted"),
]


@pytest.mark.parametrize(("said", "told"), MOUNTED_CLAIMS)
def test_the_same_is_told_where_kubelet_says_it(said, told):
    assert told in found(pod(waiting("ContainerCreating")), event("FailedMount", said)).message


def test_a_missing_claim_is_named():
    failure = found(unschedulable('persistentvolumeclaim "claim-alice" not found'))
    assert "“claim-alice”" in failure.message
    assert failure.patience == Patience().missing


@pytest.mark.parametrize(
    "said",
    [
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        "0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind.",
    ],
)
def test_a_claim_that_is_being_bound_is_waited_for(said):
    assert found(unschedulable(said)).patience == Patience().volume


MOUNTS = [
    ('MountVolume.SetUp failed for volume "git" : secret "alice-jhkube" not found', "“alice-jhkube”"),
    ('Unable to attach or mount volumes: persistentvolumeclaim "claim-ada" not found', "“claim-ada”"),
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
    ("mount failed: exit status 32: Connection timed out", "The volume of your server could not be mounted"),
]


@pytest.mark.parametrize(("said", "told"), MOUNTS, ids=[told for _, told in MOUNTS])
def test_a_volume_that_does_not_mount_is_named_and_waited_for(said, told):
    failure = found(pod(waiting("ContainerCreating")), event("FailedMount", said))
    assert told in failure.message
    assert failure.temporary


@pytest.mark.parametrize(
    ("last", "patience"),
    [
        ("2026-11-30T04:53:17Z", Patience().volume),
        ("2026-11-30T04:53:21Z", Patience().volume),
        ("2026-11-30T04:53:24Z", Patience().missing),
        ("tomorrow", Patience().missing),
        (None, Patience().missing),
    ],
)
def test_a_secret_is_missing_only_where_kubelet_says_so_again(last, patience):
    """The hub makes the Secret a moment after the pod, and a busy node says nothing for 15 s once it is mounted."""
    trouble = event("FailedMount", 'MountVolume.SetUp failed for volume "git" : secret "x" not found')
    trouble |= {"firstTimestamp": "2026-11-30T04:53:17Z", "lastTimestamp": last}
    assert found(pod(waiting("ContainerCreating")), trouble).patience == patience


def test_a_mount_that_worked_at_last_is_no_failure():
    trouble = event("FailedMount", 'MountVolume.SetUp failed for volume "git" : secret "x" not found')
    assert pod_failure(pod(waiting("ContainerCreating")), [trouble, event("Pulled", kind="Normal")]) is None
    assert pod_failure(pod({"running": {}}, phase="Running"), [trouble]) is None


WHOLE = [
    ("Evicted", "short of memory"),
    ("NodeLost", "stopped answering"),
    ("DeadlineExceeded", "maximum running time"),
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


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("PreemptionByScheduler", "higher priority"),
        ("EvictionByEvictionAPI", "drained"),
        ("TerminationByKubelet", "ran short of memory"),
        ("X", "The cluster evicted your server. Try again."),
    ],
)
def test_a_disruption_is_told_before_the_pod_is_gone(reason, told):
    shown = pod({"running": {}}, phase="Running")
    shown["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True", "reason": reason}]
    for failure in (found(shown), deleted_failure(shown)):
        assert failure.reason == reason
        assert told in failure.message
    shown["status"]["conditions"][0]["status"] = "False"
    assert pod_failure(shown) is None


@pytest.mark.parametrize(
    ("reason", "told", "status"),
    [
        ("Preempted", "A pod with a higher priority", 429),
        ("Evicted", "ran short of memory or disk space", 429),
        ("TaintManagerEviction", "stopped answering", 429),
        ("NodeNotReady", "stopped answering", 429),
        ("Scheduled", "Your server was removed from the cluster while it was starting. Start it again.", 409),
    ],
)
def test_a_pod_that_is_gone_says_who_took_it(reason, told, status):
    failure = deleted_failure(None, [event(reason, "it says why"), event("Pulled")])
    assert (failure.reason, failure.status_code) == ("Deleted" if reason == "Scheduled" else reason, status)
    assert told in failure.message
    assert failure.detail == ("the pod was deleted" if reason == "Scheduled" else "it says why")


@pytest.mark.parametrize("reason", ["NodeNotReady", "TaintManagerEviction"])
def test_a_node_that_is_away_is_waited_for(reason):
    failure = found(pod(waiting("ContainerCreating")), event(reason, "Node is not ready"))
    assert (failure.reason, failure.patience) == (reason, Patience().node)
    assert (failure.message, failure.meanwhile) == (
        "The node of your server stopped answering. Try again.",
        "The node does not answer at the moment; waiting.",
    )


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


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("0/3 nodes are available: 3 Insufficient ephemeral-storage.", "has enough free disk space for your server"),
        ("0/3 nodes are available: 3 Too many pods.", "has enough free room for one more server for your server"),
        (
            "0/3 nodes are available: 3 node(s) had untolerated taint {gpu: }.",
            "Every node of the cluster is reserved",
        ),
        (
            "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
            "of the kind your server asks",
        ),
        ("0/3 nodes are available: 3 node(s) were not asked.", "No node of the cluster can take your server"),
    ],
)
def test_a_scheduler_that_finds_no_node_is_quoted_in_plain_words(said, told):
    assert told in found(unschedulable(said)).message


def test_a_pod_with_a_scheduling_gate_is_waited_for():
    condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "1 gate"}
    failure = found(pod(conditions=[condition]))
    assert failure.message == "The cluster did not schedule your server. Tell your administrator."
    assert failure.meanwhile == "The cluster does not schedule your server yet; waiting."
    assert failure.patience == Patience().scale_up


@pytest.mark.parametrize("status", ["408 Request Timeout", "500 Internal Server Error", "502 Bad Gateway", "504 "])
def test_a_status_that_a_busy_registry_answers_with_may_pass(status):
    assert found(pod(waiting("ErrImagePull", resolve(status)))).patience == Patience().pull


def test_a_hook_of_the_pod_that_fails_is_not_laid_on_the_images_program():
    said = shim(f"exec: {NO_PROGRAM}")
    assert "has no" in found(pod(waiting("RunContainerError", said))).message
    assert "could not be created" in found(pod(waiting("PostStartHookError", said))).message


def test_a_server_that_crashes_again_is_told_with_kubernetes_own_word():
    failure = found(pod(waiting("CrashLoopBackOff"), last=ended(1), restarts=2))
    assert failure.reason == "CrashLoopBackOff"


# A repository that a server starts from.

NOTES = "https://github.com/observatory/notes"


def cloning(state: dict[str, Any], last: dict[str, Any] | None = None, restarts: int = 0) -> dict[str, Any]:
    """A pod whose init container that clones is in this state."""
    made = pod(waiting("PodInitializing"), init=state, last=last, restarts=restarts)
    made["spec"]["initContainers"][0]["name"] = made["status"]["initContainerStatuses"][0]["name"] = CLONE_CONTAINER
    made["metadata"]["annotations"] = {
        "jhkube/repository": NOTES,
        "jhkube/repository-branch": "plots",
        "jhkube/repository-commit": "1f3c9a2",
        "jhkube/repository-folder": "notes",
    }
    return made


@pytest.mark.parametrize("end", CloneEnd)
def test_a_repository_that_cannot_be_cloned_is_told_by_the_exit_code_alone(end: CloneEnd) -> None:
    failure = found(cloning(ended(end, message="The server says: send your token to evil.example")))
    assert "evil" not in failure.message + failure.raw
    assert failure.temporary == (end is CloneEnd.UNREACHABLE)
    assert failure.reason.startswith("Repository")
    assert failure.status_code < 500


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (CloneEnd.REFUSED, f"The repository {NOTES} does not exist, or you have no access to it."),
        (CloneEnd.NO_BRANCH, f"The repository {NOTES} has no branch or tag “plots”."),
        (CloneEnd.NO_COMMIT, f"The repository {NOTES} has no commit 1f3c9a2."),
    ],
)
def test_and_it_is_said_what_was_looked_for(end: CloneEnd, words: str) -> None:
    assert found(cloning(ended(end))).message.startswith(words)
    # The same, while kubelet tries again.
    assert found(cloning({"running": {}}, ended(end), restarts=1)).message.startswith(words)


def test_a_host_that_does_not_answer_is_waited_for_a_while() -> None:
    failure = found(cloning(waiting("CrashLoopBackOff"), ended(CloneEnd.UNREACHABLE), restarts=1))
    assert failure.patience == Patience().missing
    assert failure.meanwhile == f"The host of the repository {NOTES} does not answer; trying again."
    assert pod_failure(cloning(ended(0, "Completed"), ended(CloneEnd.UNREACHABLE), restarts=1)) is None


def test_other_ends_of_that_container_are_those_of_any_init_container() -> None:
    assert found(cloning(ended(1), restarts=3)).message.startswith("Preparing your server failed")
    assert found(cloning(ended(137, "OOMKilled"))).reason == "OOMKilled"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("kept", f"The folder “notes” with the repository {NOTES} was in your home already."),
        ("other", f"The folder “notes” in your home is not a clone of the repository {NOTES}."),
        ("", ""),
        ("send your token to evil.example", ""),
    ],
)
def test_what_was_left_as_it_is_is_told(message: str, words: str) -> None:
    notice = repository_notice(cloning(ended(0, "Completed", message)))
    assert notice.startswith(words)
    assert bool(notice) == bool(words)
    assert repository_notice(pod(init=ended(0, "Completed", message))) == ""

"""Why the container runtime could not make or start a container, from what it said."""

from __future__ import annotations

import re
from collections.abc import Callable

from jhkube.watch.failure import Failure, redacted, shortened
from jhkube.watch.patience import Patience

__all__ = ["CREATE_REASONS", "START_REASONS", "runtime_failure"]

CREATE_REASONS = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreCreateHookError",
        "PreStartHookError",
        "PostStartHookError",
    }
)
"""A container that kubelet or the runtime could not make or start."""

START_REASONS = frozenset({"ContainerCannotRun", "StartError"})
"""A container that ended before its program ran: the runtime could not start it."""

_OBJECT_MISSING = re.compile(r"(secret|configmap) \"([^\"]+)\" not found", re.IGNORECASE)
_KEY_MISSING = re.compile(r"couldn't find key (\S+) in (Secret|ConfigMap) (\S+)", re.IGNORECASE)
# container has runAsNonRoot and image has non-numeric user (jovyan), cannot verify user is non-root
_NAMED_USER = re.compile(r"non-numeric user \(([^)]*)\)")
# container init was OOM-killed (memory limit too low?)
_OUT_OF_MEMORY = re.compile(r"init was OOM-killed|memory limit too low")
# nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1; unresolvable CDI devices
# nvidia.com/gpu=all; error running prestart hook #0: exit status 1; no allocated device "…"
_DEVICE = re.compile(
    r"nvidia-container|libnvidia|\bnvml\b|libcuda|\bCDI devices?\b|\bhook #\d|running (?:\w+ )?hook|"
    r"no allocated device|error gathering device information",
    re.IGNORECASE,
)
# chdir to cwd ("/home/ada") set in config.json failed: permission denied; mkdir /home/ada: permission denied
# not the node's own: mkdir /sys/fs/cgroup/kubepods.slice: no space left on device
_FOLDER = re.compile(r"(?:chdir to cwd \(|mkdir )\\?\"?(?P<folder>/(?!(?:sys|proc|run|var/(?:lib|run))/)[^\"):\\]*)")
# error mounting "/var/lib/kubelet/pods/…/volume-subpaths/home/notebook/1" to rootfs at "/home/ada": …
_MOUNT = re.compile(r"(?:error mounting|mounting) \"[^\"]*\" to rootfs at \"(?P<folder>[^\"]+)\"")
# failed to prepare subPath for volumeMount "home" of container "notebook"
_SUB_PATH = re.compile(r"subPath (?:directory )?for volumeMount \"(?P<folder>[^\"]+)\"")
# failed to generate spec: failed to stat "/var/lib/kubelet/pods/…": stat …: no such file or directory
_HOST_PATH = re.compile(r"failed to (?:stat|mkdir|resolve symlink) \"(?P<folder>/[^\"]+)\"")
# exec: "jupyterhub-singleuser": executable file not found in $PATH; exec: "/opt/bin/start": stat /opt/bin/start: no
# such file or directory; exec /opt/bin/start: no such file or directory; executable file `start` not found (crun)
# Only of the container's process: exec: "runc": executable file not found in $PATH is the node's trouble.
_PROGRAM = re.compile(
    r"container (?:process|init)\b.*?\bexec:? (?:\\?\"(?P<program>[^\"\\]+)\\?\"|(?P<path>/[^\s:]+)): "
    r"(?P<why>[^:]+(?:: [^:]+)?)|"
    r"executable file [`'](?P<crun>[^`']+)[`'] not found",
    re.DOTALL,
)
_MISSING = re.compile(r"executable file not found|no such file or directory|not a directory", re.IGNORECASE)


def runtime_failure(reason: str, text: str, patience: Patience) -> Failure:
    """What to say of a container that the runtime could not make or start.

    Only what the text says of the image's own program is definite, and laid on the image: a home that is away and a
    node without its driver may pass, and another image would not help.

    Parameters
    ----------
    reason
        Kubernetes' own word: `CreateContainerError`, `StartError`.
    text
        What kubelet and the runtime said.
    """
    detail, text = redacted(text), shortened(text)

    def may_pass(message: str, seconds: float, meanwhile: str, status_code: int = 400) -> Failure:
        return Failure(reason, message, detail, seconds, meanwhile, status_code)

    def definitely(message: str) -> Failure:
        return Failure(reason, message, detail)

    missing = _OBJECT_MISSING.search(text)
    key = _KEY_MISSING.search(text)
    if missing or key:
        what = f"{missing[1]} “{missing[2]}”" if missing else f"key “{key[1]}” of {key[3]}" if key else ""
        return may_pass(
            f"Your server needs the {what}, which does not exist. Tell your administrator.",
            patience.missing,
            f"Waiting for the {what}.",
        )
    if user := _NAMED_USER.search(text):
        return definitely(
            f"The image runs as “{user[1]}”, a name and not a number, so the cluster cannot verify that this is not "
            "root. Choose another image, or tell whoever makes it."
        )
    if "breaks non-root policy" in text:
        return definitely("Your server is configured to run as root, which is not allowed. Tell your administrator.")
    if "runAsNonRoot" in text:
        return definitely("The image wants to run as root, which is not allowed here. Choose another image.")
    if _OUT_OF_MEMORY.search(text):
        return definitely("Your server used more memory than its size allows and was stopped. Choose a larger size.")
    if _DEVICE.search(text):
        return may_pass(
            "The node could not give your server a device it needs, such as a GPU. Try again; "
            "tell your administrator if it happens again.",
            patience.node,
            "The node cannot give your server its device, such as a GPU, yet; trying again.",
            429,
        )
    if mount := _MOUNT.search(text) or _SUB_PATH.search(text) or _HOST_PATH.search(text):
        return may_pass(
            f"The node could not mount “{mount['folder']}” into your server. Try again in some minutes; "
            "tell your administrator if it happens again.",
            patience.volume,
            f"The node cannot mount “{mount['folder']}” yet; trying again.",
        )
    if folder := _FOLDER.search(text):
        return may_pass(
            f"Your server has no access to its folder “{folder['folder']}”, or the folder does not exist. "
            "Tell your administrator.",
            patience.volume,
            f"Your server cannot use its folder “{folder['folder']}” yet; trying again.",
        )
    program = _PROGRAM.search(text) if reason != "PostStartHookError" else None
    if program and (failure := _program_failure(program, definitely)):
        return failure
    return may_pass(
        "The server's container could not be created. Try again, or choose another image; "
        "tell your administrator if it happens again.",
        patience.missing,
        "The server's container cannot be created yet; trying again.",
    )


def _program_failure(program: re.Match[str], definitely: Callable[[str], Failure]) -> Failure | None:
    """What to say of the program that is the server, and does not run.

    None where the image cannot help it: input/output error, stale file handle, cannot allocate memory.
    """
    name = (program["crun"] or program["program"] or program["path"]).rpartition("/")[2]
    if program["crun"] or _MISSING.search(program["why"]):
        return definitely(
            f"The image has no “{name}”, so it cannot run as a JupyterHub server. "
            "Choose another image, or install the package jupyterhub in it."
        )
    if "permission denied" in program["why"].lower():
        return definitely(
            "The image does not allow your user to run its server program. Choose another image, "
            "or tell whoever makes it."
        )
    if "exec format error" in program["why"].lower():
        return definitely("The image is not built for this cluster's kind of processor. Choose another image.")
    if "is a directory" in program["why"].lower():
        return definitely(
            f"The node could not run the image's program “{name}”. Choose another image, or tell whoever makes it."
        )
    return None

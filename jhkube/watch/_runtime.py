"""What a container runtime says of a container that it could not make or start; pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from jhkube.watch._failure import Failure, redacted
from jhkube.watch.patience import Patience

__all__ = ["START_REASONS", "runtime_failure"]

START_REASONS = frozenset({"ContainerCannotRun", "StartError"})
"""A container that ended before its program ran: the runtime could not start it."""

_OBJECT_MISSING = re.compile(r"(secret|configmap) \"([^\"]+)\" not found", re.IGNORECASE)
_KEY_MISSING = re.compile(r"couldn't find key (\S+) in (Secret|ConfigMap) (\S+)", re.IGNORECASE)
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
_FOLDER = re.compile(r"(?:chdir to cwd \(|mkdir )\"?(?P<folder>/[^\"):]*)\"?\)?(?P<why>.*)", re.DOTALL)
# error mounting "/var/lib/kubelet/pods/…/volume-subpaths/home/notebook/1" to rootfs at "/home/ada": …
_MOUNT = re.compile(r"(?:error mounting|mounting) \"[^\"]*\" to rootfs at \"(?P<folder>[^\"]+)\"")
# failed to prepare subPath for volumeMount "home" of container "notebook"
_SUB_PATH = re.compile(r"subPath (?:directory )?for volumeMount \"(?P<folder>[^\"]+)\"")
# failed to generate spec: failed to stat "/var/lib/kubelet/pods/…": stat …: no such file or directory
_HOST_PATH = re.compile(r"failed to (?:stat|mkdir|resolve symlink) \"(?P<folder>/[^\"]+)\"")
# exec: "jupyterhub-singleuser": executable file not found in $PATH; exec: "/opt/bin/start": stat /opt/bin/start: no
# such file or directory; exec /opt/bin/start: no such file or directory; executable file `start` not found (crun)
_PROGRAM = re.compile(
    r"\bexec:? (?:\"(?P<program>[^\"]+)\"|(?P<path>/[^\s:]+)): (?P<why>[^:]+(?:: [^:]+)?)|"
    r"executable file [`'](?P<crun>[^`']+)[`'] not found"
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
    detail = redacted(text)

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
    if "runAsNonRoot" in text or "non-numeric user" in text or "breaks non-root policy" in text:
        return definitely("The image wants to run as root, which is not allowed here. Choose another image.")
    if _OUT_OF_MEMORY.search(text):
        return definitely("Your server used more memory than its size allows and was ended. Choose a larger size.")
    if _DEVICE.search(text):
        return may_pass(
            "The node could not give your server a device it needs, such as a GPU. Try again; "
            "tell your administrator if it stays so.",
            patience.node,
            "The node cannot give your server its device, such as a GPU, yet; trying again.",
            429,
        )
    if mount := _MOUNT.search(text) or _SUB_PATH.search(text) or _HOST_PATH.search(text):
        return may_pass(
            f"The node could not mount “{mount['folder']}” into your server. Try again in some minutes; "
            "tell your administrator if it stays so.",
            patience.volume,
            f"The node cannot mount “{mount['folder']}” yet; trying again.",
        )
    if folder := _FOLDER.search(text):
        return may_pass(
            f"Your server may not use its folder “{folder['folder']}”, or the folder is not there. "
            "Tell your administrator.",
            patience.volume,
            f"Your server cannot use its folder “{folder['folder']}” yet; trying again.",
        )
    if reason != "PostStartHookError" and (program := _PROGRAM.search(text)):
        return _program_failure(program, definitely)
    return may_pass(
        "The server's container could not be made. Try again, or choose another image; "
        "tell your administrator if it stays so.",
        patience.missing,
        "The server's container cannot be made yet; trying again.",
    )


def _program_failure(program: re.Match[str], definitely: Callable[[str], Failure]) -> Failure:
    """What to say of the program that is the server, and does not run."""
    name = (program["crun"] or program["program"] or program["path"]).rpartition("/")[2]
    if program["crun"] or _MISSING.search(program["why"]):
        return definitely(
            f"The image has no “{name}”, so it cannot run as a JupyterHub server. "
            "Choose another image, or install the package jupyterhub in it."
        )
    if "permission denied" in program["why"].lower():
        return definitely(
            "The image does not let its server program be run by your user. Choose another image, "
            "or tell whoever makes it."
        )
    if "exec format error" in program["why"].lower():
        return definitely("The image is not built for this cluster's kind of processor. Choose another image.")
    return definitely(
        f"The node could not run the image's program “{name}”. Choose another image, or tell whoever makes it."
    )

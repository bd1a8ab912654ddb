"""Why a container does not run, or did not stay up; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jhkube.watch._failure import Failure, redacted
from jhkube.watch._images import IMAGE_REASONS, image_failure
from jhkube.watch.patience import Patience

__all__ = ["MAIN_CONTAINER", "MAIN_FIELD", "container_failure"]

MAIN_CONTAINER = "notebook"
"""The name KubeSpawner gives the container of the user's server."""
MAIN_FIELD = f"spec.containers{{{MAIN_CONTAINER}}}"
"""How an event names it, as the `fieldPath` of what it is about."""

_CREATE_REASONS = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreCreateHookError",
        "PreStartHookError",
        "PostStartHookError",
    }
)
_START_REASONS = frozenset({"ContainerCannotRun", "StartError"})
"""A container that ended before its program ran: the runtime could not start it."""
_PROGRAM_MISSING = re.compile(r"exec: \"?([^\":]+)\"?: (?:executable file not found|stat )|no such file or directory")
_OBJECT_MISSING = re.compile(r"(secret|configmap) \"([^\"]+)\" not found", re.IGNORECASE)
_KEY_MISSING = re.compile(r"couldn't find key (\S+) in (Secret|ConfigMap) (\S+)", re.IGNORECASE)


def container_failure(
    pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], patience: Patience
) -> Failure | None:
    """The first of the pod's containers that cannot go on, init containers first; None if all can."""
    is_over = pod.get("status", {}).get("phase") in ("Failed", "Succeeded")
    for status, image, is_init in _containers(pod):
        failure = _one(status, image, is_init, is_over, events, patience)
        if failure is not None:
            return failure
    return None


def _containers(pod: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str, bool]]:
    for kind, is_init in (("initContainers", True), ("containers", False)):
        images = {c["name"]: c.get("image", "") for c in pod.get("spec", {}).get(kind) or ()}
        statuses = pod.get("status", {}).get("initContainerStatuses" if is_init else "containerStatuses")
        for status in statuses or ():
            yield status, images.get(status["name"]) or status.get("image", ""), is_init


def _one(
    status: Mapping[str, Any],
    image: str,
    is_init: bool,
    is_over: bool,
    events: Sequence[Mapping[str, Any]],
    patience: Patience,
) -> Failure | None:
    state = status.get("state") or {}
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason") or ""
    said = waiting.get("message") or ""
    if reason in IMAGE_REASONS:
        # "Back-off pulling image" says nothing of why; the event of the failed pull does
        pulls = [e["message"] for e in events if e.get("reason") == "Failed" and image in (e.get("message") or "")]
        return image_failure(reason, "; ".join([said, *pulls[-1:]]), image, patience)
    if reason in _CREATE_REASONS:
        return _not_created(reason, said, patience)
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated")
    if not ended:
        return None
    if ended.get("reason") in _START_REASONS:
        return _not_startable(ended)
    restarts = int(status.get("restartCount") or 0)
    running = "running" in state
    if ended.get("reason") == "OOMKilled" and not (running and is_init):
        return _out_of_memory(ended)
    code = int(ended.get("exitCode") or 0)
    if is_init:
        if code == 0 or (running and restarts < 2):
            return None
        return _ended(status["name"], code, ended, restarts, is_init, reason, patience)
    if code == 0 and status["name"] != MAIN_CONTAINER:
        return None
    if is_over or ("terminated" in state and code == 0):
        return _ended(status["name"], code, ended, restarts, is_init, reason, Patience(crash_loop=0))
    # One crash is given its second try; kubelet makes it at once
    if reason == "CrashLoopBackOff" or restarts >= 2 or (restarts and "terminated" in state):
        return _ended(status["name"], code, ended, restarts, is_init, reason, patience)
    return None


def _not_created(reason: str, text: str, patience: Patience) -> Failure:
    detail = redacted(text)
    missing = _OBJECT_MISSING.search(text)
    key = _KEY_MISSING.search(text)
    if missing or key:
        what = f"{missing[1]} “{missing[2]}”" if missing else f"key “{key[1]}” of {key[3]}" if key else ""
        return Failure(
            reason,
            f"Your server needs the {what}, which does not exist. Tell your administrator.",
            detail,
            patience.missing,
            f"Waiting for the {what}.",
        )
    if "runAsNonRoot" in text or "non-numeric user" in text:
        return Failure(
            reason, "The image wants to run as root, which is not allowed here. Choose another image.", detail
        )
    if program := _PROGRAM_MISSING.search(text):
        return _no_program(reason, program[1], detail)
    return Failure(
        reason,
        "The server's container could not be made. Try again, or choose another image; "
        "tell your administrator if it stays so.",
        detail,
        patience.missing,
        "The server's container cannot be made yet; trying again.",
    )


def _not_startable(ended: Mapping[str, Any]) -> Failure:
    text = ended.get("message") or ""
    reason = str(ended["reason"])
    detail = redacted(text)
    if program := _PROGRAM_MISSING.search(text):
        return _no_program(reason, program[1], detail)
    if "permission denied" in text:
        return Failure(
            reason,
            "The image does not let its server program be run by your user. Choose another image, "
            "or tell whoever makes it.",
            detail,
        )
    return Failure(
        reason,
        "The node could not run the image's program. Choose another image, or tell whoever makes it.",
        detail,
    )


def _no_program(reason: str, program: str | None, detail: str) -> Failure:
    named = f"“{program.rpartition('/')[2]}”" if program else "the program that is the server"
    return Failure(
        reason,
        f"The image has no {named}, so it cannot run as a JupyterHub server. "
        "Choose another image, or install the package jupyterhub in it.",
        detail,
    )


def _out_of_memory(ended: Mapping[str, Any]) -> Failure:
    return Failure(
        "OOMKilled",
        "Your server used more memory than its size allows and was ended. Choose a larger size.",
        _exit_detail(ended),
    )


def _ended(
    name: str,
    code: int,
    ended: Mapping[str, Any],
    restarts: int,
    is_init: bool,
    waiting_reason: str,
    patience: Patience,
) -> Failure:
    reason = waiting_reason or ended.get("reason") or "Error"
    detail = f"container {name} {_exit_detail(ended)}, {restarts} restart{'' if restarts == 1 else 's'}"
    if is_init:
        # Preparing is repeated by kubelet, and a file server that was away comes back
        return Failure(
            reason,
            f"Preparing your server failed at the step “{name}” (exit code {code}). Try again; "
            "tell your administrator if it stays so.",
            detail,
            patience.missing if restarts < 3 else 0.0,
            f"Preparing your server failed at the step “{name}”; trying again.",
        )
    if code == 0:
        message = (
            "Your server ended by itself right after it started. Choose another image, or tell whoever makes it."
        )
    elif code == 127 or code == 126:
        message = (
            f"The image's server program is missing or cannot be run (exit code {code}). Choose another "
            "image, "
            "or install the package jupyterhub in it."
        )
    elif code in (137, 143):
        message = (
            f"Your server was killed while it started (exit code {code}), often for want of memory. "
            "Try again, with a larger size if there is one."
        )
    else:
        message = (
            f"Your server starts and crashes (exit code {code}). Try it with a reset environment, in case something "
            "in your home folder stops it, or choose another image."
        )
    return Failure(
        reason, message, detail, patience.crash_loop, f"Your server crashed (exit code {code}) and is started again."
    )


def _exit_detail(ended: Mapping[str, Any]) -> str:
    """Exit code and reason. Not the termination message: that can be the end of the log, and hold secrets."""
    signal = f", signal {ended['signal']}" if ended.get("signal") else ""
    return f"exit code {ended.get('exitCode')}{signal} ({ended.get('reason') or 'no reason given'})"

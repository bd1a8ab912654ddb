"""Why a container does not run, or did not stay up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jhkube.watch.failure import Failure, redacted
from jhkube.watch.images import IMAGE_REASONS, image_failure
from jhkube.watch.patience import FOREVER, Patience
from jhkube.watch.repository import repository_failure
from jhkube.watch.runtime import CREATE_REASONS, START_REASONS, runtime_failure

__all__ = [
    "MAIN_CONTAINER",
    "MAIN_FIELD",
    "container_failure",
    "extra_container_failure",
]

MAIN_CONTAINER = "notebook"
"""The name KubeSpawner gives the container of the user's server."""
MAIN_FIELD = f"spec.containers{{{MAIN_CONTAINER}}}"
"""How an event names it, as the `fieldPath` of what it is about."""


@dataclass(frozen=True, slots=True)
class _Container:
    """One of a pod's containers, and what its pod tells of it."""

    status: Mapping[str, Any]
    image: str
    is_init: bool
    is_over: bool
    """Whether its pod has ended as a whole, so that nothing is started again."""

    @property
    def name(self) -> str:
        return str(self.status["name"])

    @property
    def state(self) -> Mapping[str, Any]:
        return self.status.get("state") or {}

    @property
    def waiting(self) -> Mapping[str, Any]:
        return self.state.get("waiting") or {}

    @property
    def is_running(self) -> bool:
        return "running" in self.state

    @property
    def ended(self) -> Mapping[str, Any]:
        """How it ended, now or the last time."""
        return self.state.get("terminated") or (self.status.get("lastState") or {}).get("terminated") or {}

    @property
    def restarts(self) -> int:
        return int(self.status.get("restartCount") or 0)


def container_failure(
    pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], patience: Patience
) -> Failure | None:
    """Why the server's container cannot go on, or an init container before it; None where they can.

    The pod's other containers are nothing that a server has to wait for: see `extra_container_failure`.
    """
    for container in _containers(pod):
        if _is_extra(pod, container):
            continue
        failure = repository_failure(pod, container.name, container.ended, patience) or _one(
            container, events, patience
        )
        if failure is not None:
            return failure.definite() if container.is_over else failure
    return None


def extra_container_failure(pod: Mapping[str, Any]) -> Failure | None:
    """What to say of another container than the server's that does not run; never a reason to give up the start."""
    for container in _containers(pod):
        if not _is_extra(pod, container) or container.is_running:
            continue
        ended, reason = container.ended, container.waiting.get("reason") or container.ended.get("reason") or ""
        is_stuck = reason in IMAGE_REASONS | CREATE_REASONS or reason == "CrashLoopBackOff"
        if is_stuck or ended.get("exitCode"):
            said = redacted(container.waiting.get("message") or "") or _exit_detail(ended)
            told = (
                f"The container “{container.name}” next to your server is not running ({reason or 'Error'}); "
                "still waiting for your server."
            )
            return Failure(reason or "Error", told, f"container {container.name}: {said}", FOREVER, told)
    return None


def _containers(pod: Mapping[str, Any]) -> Iterator[_Container]:
    is_over = pod.get("status", {}).get("phase") in ("Failed", "Succeeded")
    for kind, is_init in (("initContainers", True), ("containers", False)):
        images = {c["name"]: c.get("image", "") for c in pod.get("spec", {}).get(kind) or ()}
        statuses = pod.get("status", {}).get("initContainerStatuses" if is_init else "containerStatuses")
        for status in statuses or ():
            yield _Container(status, images.get(status["name"]) or status.get("image", ""), is_init, is_over)


def _is_extra(pod: Mapping[str, Any], container: _Container) -> bool:
    """Whether it is neither the server's nor an init container that ends: a sidecar, of either kind."""
    if not container.is_init:
        names = [each["name"] for each in pod.get("spec", {}).get("containers") or ()]
        return container.name != (MAIN_CONTAINER if MAIN_CONTAINER in names or not names else names[0])
    # An init container with a restart policy of its own keeps running next to the server.
    return any(
        each["name"] == container.name and each.get("restartPolicy") == "Always"
        for each in pod.get("spec", {}).get("initContainers") or ()
    )


def _one(container: _Container, events: Sequence[Mapping[str, Any]], patience: Patience) -> Failure | None:
    reason, said = container.waiting.get("reason") or "", container.waiting.get("message") or ""
    if reason in IMAGE_REASONS:
        return image_failure(reason, _pull_text(said, container.image, events), container.image, patience)
    if reason in CREATE_REASONS:
        return runtime_failure(reason, said, patience)
    ended = container.ended
    if not ended:
        return None
    if ended.get("reason") in START_REASONS:
        if container.is_running:
            return None
        return runtime_failure(str(ended["reason"]), ended.get("message") or "", patience)
    if ended.get("reason") == "OOMKilled" and not (container.is_running and container.is_init):
        return _out_of_memory(container)
    code = int(ended.get("exitCode") or 0)
    if container.is_init:
        if code == 0 or (container.is_running and container.restarts < 2):
            return None
        return _init_ended(container, code, patience)
    if container.is_over or ("terminated" in container.state and code == 0):
        return _server_ended(container, code, Patience(crash_loop=0))
    # One crash is given its second try; kubelet makes it at once
    is_again = container.restarts >= 2 or (container.restarts and "terminated" in container.state)
    if reason == "CrashLoopBackOff" or is_again:
        return _server_ended(container, code, patience)
    return None


def _pull_text(said: str, image: str, events: Sequence[Mapping[str, Any]]) -> str:
    """What is known of a failed pull: "Back-off pulling image" alone says nothing of why, and its event does."""
    if said and not said.endswith(f'Back-off pulling image "{image}"'):
        return said
    pulls = [e["message"] for e in events if e.get("reason") == "Failed" and image in (e.get("message") or "")]
    return "; ".join([said, *pulls[-1:]])


def _out_of_memory(container: _Container) -> Failure:
    message = "Your server used more memory than its size allows and was stopped. Choose a larger size."
    if container.is_init:
        message = (
            f"The step “{container.name}” that prepares your server used more memory than it may have. "
            "Try again; tell your administrator if it happens again."
        )
    return Failure("OOMKilled", message, f"container {container.name}: {_exit_detail(container.ended)}")


def _init_ended(container: _Container, code: int, patience: Patience) -> Failure:
    # Preparing is repeated by kubelet, and a file server that was away comes back
    return Failure(
        _reason_of(container),
        f"Preparing your server failed at the step “{container.name}” (exit code {code}). Try again; "
        "tell your administrator if it happens again.",
        _restart_detail(container),
        patience.missing if container.restarts < 3 else 0.0,
        f"Preparing your server failed at the step “{container.name}”; trying again.",
    )


def _server_ended(container: _Container, code: int, patience: Patience) -> Failure:
    if code == 0:
        message = (
            "Your server ended by itself right after it started. Choose another image, or tell whoever makes it."
        )
    elif code in (126, 127):
        message = (
            f"The image's server program is missing or cannot be run (exit code {code}). Choose another image, "
            "or install the package jupyterhub in it."
        )
    elif code in (137, 143):
        message = (
            f"Your server was killed while it started (exit code {code}), often because there was too little memory. "
            "Try again, with a larger size if there is one."
        )
    else:
        message = (
            f"Your server starts and crashes (exit code {code}). Try it with a reset environment, in case something "
            "in your home folder stops it, or choose another image."
        )
    return Failure(
        _reason_of(container),
        message,
        _restart_detail(container),
        patience.crash_loop,
        f"Your server crashed (exit code {code}) and is being restarted.",
    )


def _reason_of(container: _Container) -> str:
    return str(container.waiting.get("reason") or container.ended.get("reason") or "Error")


def _restart_detail(container: _Container) -> str:
    times = f"{container.restarts} restart{'' if container.restarts == 1 else 's'}"
    return f"container {container.name} {_exit_detail(container.ended)}, {times}"


def _exit_detail(ended: Mapping[str, Any]) -> str:
    """Exit code and reason. Not the termination message: that can be the end of the log, and hold secrets."""
    signal = f", signal {ended['signal']}" if ended.get("signal") else ""
    return f"exit code {ended.get('exitCode')}{signal} ({ended.get('reason') or 'no reason given'})"

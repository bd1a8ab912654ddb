"""What the pods that pull, and the nodes, say of each image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jhkube.images.image_name import full_name
from jhkube.prepull.manifests import PLAN_ANNOTATION, placement_in
from jhkube.prepull.plan import ImageState, Observed, Plan
from jhkube.watch.failure import Failure, redacted
from jhkube.watch.images import IMAGE_REASONS, image_failure
from jhkube.watch.nodes import images_of
from jhkube.watch.patience import Patience

__all__ = ["ImageOnNode", "images_on_nodes", "observed"]

_TOO_MANY = 429
"""The status code of failures that are the node's or the moment's: no room on the disk, too many requests."""

_REPORTED: Final = 50
"""How many images a node reports, its largest, unless kubelet's `nodeStatusMaxImages` says otherwise."""


@dataclass(frozen=True, slots=True)
class ImageOnNode:
    """One cell of the table."""

    image: str
    reference: str
    node: str
    state: ImageState
    why: str = ""


def observed(pod: Mapping[str, Any], patience: float = 0.0) -> dict[str, Observed]:
    """Return what a pod of the DaemonSet, as the API's JSON, says of each image that it pulls.

    `patience` is for how many seconds a registry may not answer.
    """
    statuses = {each["name"]: each for each in pod.get("status", {}).get("initContainerStatuses") or ()}
    if not statuses:
        waits = Observed(ImageState.WAITING, _held_up(pod))
        return {container["image"]: waits for container in pod.get("spec", {}).get("initContainers") or ()}
    found: dict[str, Observed] = {}
    begun = True
    for container in pod.get("spec", {}).get("initContainers") or ():
        image = container["image"]
        found[image] = _observed(statuses.get(container["name"], {}), image, patience, begun)
        begun = begun and found[image].state is ImageState.PRESENT
    return found


def _observed(status: Mapping[str, Any], image: str, patience: float, begun: bool) -> Observed:
    state = status.get("state") or {}
    waiting = state.get("waiting") or {}
    reason, said = waiting.get("reason") or "", waiting.get("message") or ""
    if reason in IMAGE_REASONS:
        failure = image_failure(reason, said, image, Patience(pull=patience))
        return Observed(ImageState.FAILED, failure.raw, _patience(failure, patience))
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    if reason.endswith("Error") or ended.get("exitCode"):
        why = redacted(said or ended.get("message") or ended.get("reason") or reason)
        return Observed(ImageState.FAILED, f"it is there, but does not start: {why}", patience)
    if "terminated" in state or "running" in state:
        return Observed(ImageState.PRESENT)
    return Observed(ImageState.PULLING if begun else ImageState.WAITING)


def _held_up(pod: Mapping[str, Any]) -> str:
    """Return why a pod has not begun, as the scheduler or kubelet says; empty where nothing is wrong."""
    status = pod.get("status", {})
    refused = [c for c in status.get("conditions") or () if c["type"] == "PodScheduled" and c["status"] == "False"]
    said = (refused or [status])[0]
    return redacted(": ".join(said[part] for part in ("reason", "message") if said.get(part)))


def _node_of(pod: Mapping[str, Any]) -> str | None:
    """Return the node of a DaemonSet's pod, also of one that the scheduler has not let there."""
    spec = pod.get("spec", {})
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    # As the DaemonSet's controller writes it.
    fields = [field for term in required.get("nodeSelectorTerms") or () for field in term.get("matchFields") or ()]
    named = [field["values"][0] for field in fields if field["key"] == "metadata.name"]
    return spec.get("nodeName") or next(iter(named), None)


def _patience(failure: Failure, patience: float) -> float:
    return patience if failure.temporary or failure.status_code == _TOO_MANY else 0.0


def images_on_nodes(
    daemon_set: Mapping[str, Any], pods: Iterable[Mapping[str, Any]], nodes: Iterable[Mapping[str, Any]]
) -> tuple[ImageOnNode, ...]:
    """Return the table: each image of the plan on each node that it is pulled to.

    Parameters
    ----------
    daemon_set, pods, nodes
        As the API's JSON. Where the nodes may not be read, those that have a pod are shown.

    Raises
    ------
    ValueError
        Where the DaemonSet has no plan: it is not the prepuller's.
    """
    plan = Plan.from_json((daemon_set["metadata"].get("annotations") or {}).get(PLAN_ANNOTATION) or "{}")
    placement = placement_in(daemon_set)
    places = {each["metadata"]["name"]: each for each in nodes if placement.matches(each)}
    has = {name: images_of(each) for name, each in places.items()}
    full = {name for name, each in places.items() if len(each.get("status", {}).get("images") or ()) == _REPORTED}
    says: dict[str, dict[str, Observed]] = {}
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp"))):
        node = _node_of(pod)
        if node and not pod["metadata"].get("deletionTimestamp"):
            says.setdefault(node, {}).update(observed(pod))
    skipped = {image.image: backoff for image, backoff in plan.skipped}
    rows = []
    for image in (*plan.images, *(image for image, _ in plan.skipped)):
        for name in sorted({*has, *says}):
            seen = says.get(name, {}).get(image.image, Observed(ImageState.WAITING))
            state, why = seen.state, seen.why
            if full_name(image.image) in has.get(name, ()):
                state, why = ImageState.PRESENT, ""
            elif (backoff := skipped.get(image.image)) is not None and state is not ImageState.PRESENT:
                state, why = ImageState.FAILED, f"{backoff.why}; tried again at {backoff.until_text}"
            elif state is ImageState.WAITING and name in full and (why or name not in says):
                # Its pod, which would tell, was evicted or has not begun.
                why = "; ".join(filter(None, [why, f"it may be there: the node reports only {_REPORTED} images"]))
            rows.append(ImageOnNode(image.image, image.reference, name, state, why))
    return tuple(rows)

"""Waiting pods at the API server: made, taken for a start, or removed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes_asyncio.client import V1DeleteOptions, V1Pod, V1Preconditions

from jhkube.ahead.manifest import AHEAD_LABEL, TAKEN, WAITING, spec_digest
from jhkube.identity import made_for
from jhkube.kube import API_ERRORS, NOT_FOUND, plain_answer
from jhkube.watch.pods import remove_in_background

__all__ = ["NotTaken", "WaitingPod", "delete_pod", "label_as_taken", "make_pod"]

_REQUEST_TIMEOUT = 30.0


class NotTaken(Exception):
    """A waiting pod that does not become the server of a start, or is not made.

    `reason` is one word for metrics, `sentence` what a start would say to the person, if it would be refused.
    """

    def __init__(self, reason: str, detail: str = "", sentence: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.sentence = reason, sentence


@dataclass(frozen=True, slots=True)
class WaitingPod:
    """A pod that waits for its start, as this hub has made it."""

    api: Any = field(repr=False)
    """The API server."""

    namespace: str
    """Where it is."""

    name: str
    """Its name, which no other pod has had."""

    uid: str
    """Its uid."""

    server: str
    """The name of the person's server that it is for; empty for the default server."""

    subject: str
    """The immutable id of the person."""

    options: Mapping[str, Any]
    """The choice."""

    cores: float
    """How many cores it reserves."""

    key: str = field(repr=False)
    """What the hub shows when it hands over a start."""

    fingerprints: tuple[str, str]
    """Of the start's manifest before and after the operator's `modify_pod_hook`."""

    digest: str
    """Of what it runs, as the API server has answered its creation."""

    made_at: float
    """When it was made, by the monotonic clock."""

    seconds: float
    """How long it waits."""

    @property
    def place(self) -> str:
        """Namespace and name, as the reflectors know it."""
        return f"{self.namespace}/{self.name}"


async def make_pod(api: Any, namespace: str, pod: V1Pod) -> tuple[str, str]:
    """Create a waiting pod; returns its uid, and the digest of what it runs."""
    answer = await plain_answer(api.create_namespaced_pod, namespace, pod, _request_timeout=_REQUEST_TIMEOUT)
    made = json.loads(answer)
    return str(made["metadata"]["uid"]), spec_digest(made)


async def label_as_taken(waiting: WaitingPod) -> None:
    """Take a waiting pod for a start. Of several who try, one succeeds.

    Raises
    ------
    NotTaken
        Where it is not any more what was made, or has ended.
    ApiException
        Where it is gone, or somebody has taken it.
    """
    label = "/metadata/labels/" + AHEAD_LABEL.replace("/", "~1")
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": waiting.uid},
        {"op": "test", "path": label, "value": WAITING},
        {"op": "replace", "path": label, "value": TAKEN},
    ]
    request = waiting.api.patch_namespaced_pod
    answer = await plain_answer(request, waiting.name, waiting.namespace, patch, _request_timeout=_REQUEST_TIMEOUT)
    pod = json.loads(answer)
    if "deletionTimestamp" in pod["metadata"] or pod["status"].get("phase") not in ("Pending", "Running"):
        raise NotTaken("Ended")
    if made_for(pod) != waiting.subject or spec_digest(pod) != waiting.digest:
        raise NotTaken("Changed", "the pod is not what this hub has made")


async def delete_pod(waiting: WaitingPod, log: Any) -> None:
    """Delete a waiting pod with no grace period, and return when it is gone from the API server.

    An API server that does not answer is asked again in the background.
    """
    options = V1DeleteOptions(grace_period_seconds=0, preconditions=V1Preconditions(uid=waiting.uid))
    try:
        async with asyncio.timeout(2):
            await plain_answer(waiting.api.delete_namespaced_pod, waiting.name, waiting.namespace, body=options)
    except API_ERRORS as error:
        if getattr(error, "status", None) not in (NOT_FOUND, 409):
            remove_in_background(waiting.api, waiting.place, waiting.uid, log)
    except asyncio.CancelledError:
        remove_in_background(waiting.api, waiting.place, waiting.uid, log)
        raise

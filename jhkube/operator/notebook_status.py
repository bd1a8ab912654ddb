"""How a notebook stands: from its Deployment, its pod and what the cluster says of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from kubernetes_asyncio.client import ApiException

from jhkube.operator.conditions import Outcome, Phase, conditions_of, since
from jhkube.operator.notebook_objects import HASH_ANNOTATION
from jhkube.operator.notebook_spec import Notebook
from jhkube.watch.admission import admission_failure
from jhkube.watch.failure import Failure
from jhkube.watch.failures import pod_failure
from jhkube.watch.patience import Patience

__all__ = ["current_pod", "notebook_outcome", "notebook_status"]

STARTING: Final = Outcome(Phase.PENDING, "Starting", "The notebook is starting.")
RESTARTING: Final = Outcome(
    Phase.RESTARTING, "SpecChanged", "The notebook restarts, because its resource was changed."
)
RUNNING: Final = Outcome(Phase.RUNNING, "Running", "The notebook runs.")

_DAY: Final = 86_400.0
_PATIENCE: Final = Patience()


def current_pod(pods: Sequence[Mapping[str, Any]], deployment: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the pod that a Deployment means now: made from its present template, and not being deleted.

    Parameters
    ----------
    pods
        Pods with the notebook's label.
    deployment
        The Deployment, as the API's JSON.
    """
    wanted = deployment["spec"]["template"]["metadata"].get("annotations", {}).get(HASH_ANNOTATION)
    of_it = [
        pod
        for pod in pods
        if any(owner.get("kind") == "ReplicaSet" for owner in pod["metadata"].get("ownerReferences") or ())
        and (pod["metadata"].get("annotations") or {}).get(HASH_ANNOTATION) == wanted
        and not pod["metadata"].get("deletionTimestamp")
    ]
    return max(of_it, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)


def notebook_outcome(
    deployment: Mapping[str, Any],
    pod: Mapping[str, Any] | None,
    events: Sequence[Mapping[str, Any]],
    previous: Mapping[str, Any],
    now: datetime,
    patience: Patience = _PATIENCE,
    *,
    restarts: bool = False,
) -> tuple[Outcome, float | None]:
    """Return how a notebook stands, and in how many seconds to look again where nothing may tell.

    Parameters
    ----------
    deployment
        Its Deployment, as the API's JSON.
    pod, events
        Its pod and the pod's events, oldest first.
    previous
        The status that the resource has.
    now
        The time.
    patience
        How long what may pass by itself is waited for.
    restarts
        Whether the Deployment was changed just now.
    """
    status = deployment.get("status") or {}
    is_current = int(status.get("observedGeneration", 0)) >= int(deployment["metadata"].get("generation", 1))
    if is_current and int(status.get("readyReplicas", 0)) and int(status.get("updatedReplicas", 0)):
        return RUNNING, None
    failure = _refused(status) if is_current else None
    if pod is not None:
        failure = pod_failure(pod, events, patience) or failure
    if failure is None:
        return (RESTARTING if restarts or _restarts(previous) else STARTING), None
    conditions = previous.get("conditions") or ()
    if failure.temporary:
        began = since(conditions, failure.reason) or now
        left = failure.patience - (now - began).total_seconds()
        if left > 0 and not _has_failed(conditions, failure.reason):
            wait = left + 0.5 if left < _DAY else None
            return Outcome(Phase.PENDING, failure.reason, failure.meanwhile or failure.message), wait
    return Outcome(Phase.FAILED, failure.reason, failure.message), None


def notebook_status(
    notebook: Notebook | None, token: str, outcome: Outcome, body: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Return the resource's status as it should be: the existing operator's fields, and how the notebook stands.

    Parameters
    ----------
    notebook
        The notebook; None where the resource cannot be one, whose earlier fields then stay.
    token
        Its token.
    outcome
        How it stands.
    body
        The resource, as the API's JSON.
    now
        The time.
    """
    had = body.get("status") or {}
    generation = int(body["metadata"].get("generation", 0))
    status = {
        "phase": outcome.phase.value,
        "message": outcome.message,
        "observedGeneration": generation,
        "conditions": conditions_of(outcome, had.get("conditions") or (), generation, now),
    }
    jupyter = had.get("jupyter") if notebook is None else _jupyter(notebook, token)
    return {**status, **({"jupyter": jupyter} if jupyter else {})}


def _jupyter(notebook: Notebook, token: str) -> dict[str, Any]:
    return {
        "notebook": {
            "url": f"{notebook.url}?token={token}",
            "token": token,
            "interface": notebook.shown_interface,
        },
        "image": notebook.image,
        "serviceAccountName": notebook.service_account,
        "resources": {"requests": {"memory": notebook.memory[0]}, "limits": {"memory": notebook.memory[1]}},
        "project": {"claimName": notebook.claim, "id": notebook.project},
    }


def _restarts(previous: Mapping[str, Any]) -> bool:
    return previous.get("phase") == Phase.RESTARTING.value


def _has_failed(conditions: Sequence[Mapping[str, Any]], reason: str) -> bool:
    """Return whether this reason was given for a failure already: its patience is over."""
    return any(
        each.get("type") == "Failed" and each.get("status") == "True" and each.get("reason") == reason
        for each in conditions
    )


def _refused(status: Mapping[str, Any]) -> Failure | None:
    """Return why the API server takes no pod of the Deployment: a quota, a policy, an account that is not there."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            error: Any = ApiException(status=403, reason="Forbidden")
            error.body = json.dumps({"message": condition.get("message", ""), "details": {"kind": "pods"}})
            return admission_failure(error)
    return None

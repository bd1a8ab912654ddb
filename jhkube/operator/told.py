"""How a custom resource stands, told: in its status, in events where people should notice, and in the log."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any, Final

from jhkube.operator.cluster import Cluster
from jhkube.operator.conditions import Outcome, Phase
from jhkube.operator.known import Known
from jhkube.watch.packed import object_key

__all__ = ["tell"]

log = logging.getLogger("jhkube.operator")

_NOTED: Final = frozenset({Phase.RESTARTING})


async def tell(
    cluster: Cluster,
    known: Known,
    body: Mapping[str, Any],
    status: Mapping[str, Any],
    outcome: Outcome,
    noted: Collection[Phase] = _NOTED,
) -> None:
    """Write the status of a resource where it has changed, with an event where people should notice.

    Parameters
    ----------
    cluster
        Requests to the API server.
    known
        The resources of its kind, among which this one is kept as it is then.
    body
        The resource, as the API's JSON.
    status
        Its status as it should be.
    outcome
        How it stands.
    noted
        The phases that have a Normal event; that of a failure is a Warning.

    Raises
    ------
    ApiException
        Where the API server refuses, with 404 where the resource is gone.
    """
    had = body.get("status") or {}
    if status == had:
        return
    gone = {name: None for name in had if name not in status}
    known.put(await cluster.patch_status(body, {**status, **gone}))
    if (had.get("phase"), had.get("message")) == (outcome.phase.value, outcome.message):
        return
    if outcome.phase is Phase.FAILED:
        log.warning("%s: %s: %s", object_key(body), outcome.reason, outcome.message)
        await cluster.post_event(body, "Warning", outcome.reason, outcome.message)
    elif outcome.phase in noted:
        log.info("%s: %s", object_key(body), outcome.message)
        await cluster.post_event(body, "Normal", outcome.reason, outcome.message)

# mypy: allow-untyped-calls
"""What servers use now, where the cluster has metrics: the Metrics API, which metrics-server or an adapter serves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from kubernetes_asyncio.client import ApiException

from jhkube.kube import API_ERRORS, plain_items
from jhkube.pod.limits import parse_cores, parse_quantity
from jhkube.service.cluster import Cluster, selector_of
from jhkube.service.ownership import Object

__all__ = ["PodMetrics", "usage_view"]

METRICS_API: Final = ("metrics.k8s.io", "v1beta1")

ANSWERS_IN: Final = 3.0
"""Seconds that the metrics have for an answer: a view of servers is not kept waiting for them."""

ASKED_AGAIN_AFTER: Final = 60.0
"""Seconds after which metrics that were away are asked for again."""


class PodMetrics:
    """The cluster's metrics of pods.

    Parameters
    ----------
    cluster
        The API server.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._asked_again = 0.0

    async def of(self, namespace: str, user: str) -> list[dict[str, Any]]:
        """Return the metrics of the pods with somebody's label, by one list; none where the cluster tells none."""
        if time.monotonic() < self._asked_again:
            return []

        async def ask(api: Any) -> list[dict[str, Any]]:
            where = (*METRICS_API, namespace, "pods")
            try:
                async with asyncio.timeout(ANSWERS_IN):
                    return await plain_items(
                        api.list_namespaced_custom_object, *where, label_selector=selector_of(user)
                    )
            except API_ERRORS as error:
                # A cluster without metrics says so at once (404); where they are away, each view would wait for them.
                if not isinstance(error, ApiException) or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    self._asked_again = time.monotonic() + ASKED_AGAIN_AFTER
                return []

        return await self._cluster.asked("read the metrics", ask, "CustomObjectsApi")


def usage_view(pod: Object, metrics: Iterable[Object]) -> dict[str, Any] | None:
    """Return what a server uses now, by the schema `Usage`; None where the metrics do not say it.

    Parameters
    ----------
    pod
        Its pod, which is surely its person's.
    metrics
        What the cluster's metrics say of pods, as the Metrics API's JSON.
    """
    place = (pod["metadata"].get("namespace"), pod["metadata"]["name"])
    try:
        for each in metrics:
            if (each["metadata"].get("namespace"), each["metadata"]["name"]) == place:
                uses = [container["usage"] for container in each["containers"]]
                return {
                    "cores": round(sum(parse_cores(use["cpu"]) for use in uses), 3),
                    "memory": int(sum(parse_quantity(use["memory"]) for use in uses)),
                    "measured": str(each["timestamp"]),
                }
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    return None

"""What of a person's servers is in the cluster: the pods that are surely theirs, and what these use."""

from __future__ import annotations

from jhkube.service.cluster import Cluster
from jhkube.service.hub_answers import HubServer, HubServers
from jhkube.service.hub_client import HubClient, Person
from jhkube.service.ownership import Object, hub_of_pod, pod_of, pods_of
from jhkube.service.pod_metrics import PodMetrics
from jhkube.service.refusals import no_server

__all__ = ["OwnObjects"]


class OwnObjects:
    """What all actions ask with.

    Parameters
    ----------
    hub
        The hub.
    cluster
        The API server.
    """

    def __init__(self, hub: HubClient, cluster: Cluster) -> None:
        self._hub, self._cluster = hub, cluster
        self._pod_metrics = PodMetrics(cluster)

    async def _pods(self, person: Person, hub: HubServers) -> list[Object]:
        """Return the pods of this hub that are surely this person's."""
        return [pod for pod in await self._pods_of_hubs(person, hub) if hub_of_pod(pod) in ("", hub.hub)]

    async def _pods_of_hubs(self, person: Person, hub: HubServers) -> list[Object]:
        """Return the pods of all hubs that are surely this person's."""
        lists = [await self._cluster.pods(namespace, person.name) for namespace in _namespaces(hub)]
        return pods_of((pod for pods in lists for pod in pods), hub.subject)

    async def _metrics(self, person: Person, hub: HubServers) -> list[Object]:
        """Return the metrics of pods with this person's label; whose the pods are, their annotations say."""
        lists = [await self._pod_metrics.of(namespace, person.name) for namespace in _namespaces(hub)]
        return [each for metrics in lists for each in metrics]

    async def _pod(self, person: Person, name: str) -> tuple[HubServers, HubServer, Object | None]:
        hub = await self._hub.servers(person.token, person.name)
        server = hub.named(name)
        if server is None:
            raise no_server(name)
        pods = await self._pods(person, hub) if hub.subject else []
        return hub, server, pod_of(pods, hub.subject, person.name, name)


def _namespaces(hub: HubServers) -> list[str]:
    """Return where the pods of these servers are."""
    return sorted(({each.namespace or hub.namespace for each in hub.servers} or {hub.namespace}) - {""})

# mypy: allow-untyped-calls
"""The operator's process: kopf watches and agrees with other operators on who works, and changes become work."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import kopf
from kubernetes_asyncio.client.exceptions import ApiException
from prometheus_client import start_http_server

from jhkube.kube import API_ERRORS, NOT_FOUND, error_text
from jhkube.operator.cluster import KINDS, Cluster
from jhkube.operator.notebook_objects import UID_LABEL
from jhkube.operator.notebook_spec import NotebookDefaults
from jhkube.operator.notebook_work import NotebookWork
from jhkube.operator.peering import Peering
from jhkube.operator.seen_notebooks import WATCHED
from jhkube.operator.server_work import HubOptions, ServerWork

__all__ = ["PEERING", "OperatorError", "OperatorOptions", "run_operator"]

log = logging.getLogger("jhkube.operator")

PEERING: Final = "jhkube-operator"
"""The name of the KopfPeering, or ClusterKopfPeering, by which operators agree on who works."""


class OperatorError(Exception):
    """What keeps the operator from its work; the message is for who runs it."""


@dataclass(frozen=True, slots=True)
class OperatorOptions:
    """How the operator runs."""

    namespaces: tuple[str, ...] = ()
    """Where it works; empty for everywhere."""

    standalone: bool = False
    """Whether there is no other operator to agree with."""

    liveness_port: int = 0
    """Where it answers /healthz; 0 for nowhere."""

    metrics_port: int = 0
    """Where it answers /metrics; 0 for nowhere."""

    notebooks: bool = True
    """Whether it makes JupyterNotebooks."""

    hub: HubOptions | None = None
    """The hub whose servers JupyterServers ask for; None for no JupyterServers."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of resources that it works for."""
        return (*(("JupyterNotebook",) if self.notebooks else ()), *(("JupyterServer",) if self.hub else ()))


async def run_operator(options: OperatorOptions, environ: Mapping[str, str]) -> None:
    """Work until a signal ends it.

    Parameters
    ----------
    options
        How it runs.
    environ
        The environment, with the defaults of notebooks.

    Raises
    ------
    OperatorError
        Where it cannot begin: the cluster has no such resources, or the account may not list them.
    """
    cluster = Cluster(options.namespaces)
    await _check(cluster, options)
    if options.metrics_port:
        start_http_server(options.metrics_port)
    log.info("Working in %s", ", ".join(options.namespaces) or "all namespaces")
    # The newest works: it need not wait until one that was killed counts as dead.
    priority = time.time_ns() // 1_000_000
    peering = Peering(cluster, "" if options.standalone else PEERING, priority)
    work = _Work(Cluster(options.namespaces, peering.before_write), peering, options, environ)
    await kopf.operator(
        registry=_registry(work),
        settings=_settings(options),
        clusterwide=not options.namespaces,
        namespaces=options.namespaces,
        standalone=options.standalone or None,
        priority=priority,
        peering_name=None if options.standalone else PEERING,
        liveness_endpoint=f"http://0.0.0.0:{options.liveness_port}/healthz" if options.liveness_port else None,
    )


async def _check(cluster: Cluster, options: OperatorOptions) -> None:
    if not options.kinds:
        raise OperatorError("there is nothing to do: name a hub with --hub-url, or leave --no-notebooks out")
    try:
        for kind in options.kinds:
            await cluster.listed(kind)
        if not options.standalone:
            await cluster.create_peering(PEERING)
    except ApiException as error:
        if error.status == NOT_FOUND:
            raise OperatorError(
                "the cluster does not know the resources: run `jhkube operator --crds | kubectl apply -f -`"
            ) from None
        raise OperatorError(f"the API server refuses: {error_text(error)}") from None
    except API_ERRORS as error:
        raise OperatorError(f"the API server does not answer: {error_text(error)}") from None


class _Work:
    """The work for all kinds of resources, by which kopf's watches are passed on."""

    def __init__(
        self, cluster: Cluster, peering: Peering, options: OperatorOptions, environ: Mapping[str, str]
    ) -> None:
        self._peering = peering
        defaults = NotebookDefaults.from_environment(environ)
        self._notebooks = NotebookWork(cluster, peering, defaults) if options.notebooks else None
        self._servers = ServerWork(cluster, peering, options.hub) if options.hub else None
        self.watched = (*(WATCHED if options.notebooks else ()), *(("JupyterServer",) if options.hub else ()))
        """The kinds whose changes are passed on."""
        self._tasks: Sequence[asyncio.Task[None]] = ()

    def start(self) -> None:
        """Begin to work: nothing is done before a watch tells of something, which it does not while another works."""
        self._tasks = tuple(
            asyncio.create_task(each.run()) for each in (self._notebooks, self._servers) if each is not None
        )

    async def stop(self) -> None:
        """End the work."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def saw(self, kind: str, change: str | None, item: Mapping[str, Any]) -> None:
        """Take a change that a watch told of."""
        self._peering.told()
        if kind == "JupyterServer":
            assert self._servers is not None
            self._servers.saw(change, item)
        else:
            assert self._notebooks is not None
            self._notebooks.saw(kind, change, item)


def _settings(options: OperatorOptions) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    # Namespaces and definitions are known from the start, so the account need not list them.
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.peering.stealth = True
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.process.ultimate_exiting_timeout = 20
    settings.watching.label_selectors["v1", "pods"] = UID_LABEL
    settings.watching.field_selectors["v1", "events"] = "involvedObject.kind=Pod"
    return settings


def _registry(work: _Work) -> kopf.OperatorRegistry:
    """Return what kopf calls: at the start, at the end, and for each change of the kinds that are watched."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.startup(registry=registry)
    async def startup(**_: Any) -> None:
        work.start()

    @kopf.on.cleanup(registry=registry)
    async def cleanup(**_: Any) -> None:
        await work.stop()

    for name in work.watched:
        kind = KINDS[name]
        version = f"{kind.group}/{kind.version}" if kind.group else kind.version

        @kopf.on.event(version, kind.plural, registry=registry, id=f"saw-{kind.plural}", param=name)
        async def saw(event: Mapping[str, Any], param: Any = "", **_: Any) -> None:
            work.saw(param, event["type"], event["object"])

    return registry

# mypy: allow-untyped-calls
"""The operator's process: kopf watches and agrees with other operators on who works, and changes become work."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import kopf
from kubernetes_asyncio.client.exceptions import ApiException
from prometheus_client import start_http_server

from jhkube.kube import API_ERRORS, NOT_FOUND, error_text
from jhkube.metrics import OPERATOR_RESOURCES, OPERATOR_SECONDS, OPERATOR_WORK
from jhkube.operator.cluster import KINDS, Cluster
from jhkube.operator.conditions import Phase
from jhkube.operator.notebook_objects import UID_LABEL
from jhkube.operator.notebook_spec import NotebookDefaults
from jhkube.operator.notebooks import Notebooks, TryAgain
from jhkube.operator.seen_notebooks import WATCHED, SeenNotebooks
from jhkube.operator.work import Backoff, WorkQueue

__all__ = ["PEERING", "OperatorError", "OperatorOptions", "run_operator"]

log = logging.getLogger("jhkube.operator")

PEERING: Final = "jhkube-operator"
"""The name of the KopfPeering, or ClusterKopfPeering, by which operators agree on who works."""

WORKERS: Final = 16
"""How many resources are worked on at once."""

REFRESH: Final = 600.0
"""Seconds after which everything is read and looked at again, whatever watches have told."""

SETTLING: Final = 0.2
"""Seconds for which a list that has begun is waited for."""


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
    await _check(cluster, options.standalone)
    if options.metrics_port:
        start_http_server(options.metrics_port)
    log.info("Working in %s", ", ".join(options.namespaces) or "all namespaces")
    seen = SeenNotebooks(cluster)
    work = _Work(seen, Notebooks(cluster, seen, NotebookDefaults.from_environment(environ)))
    await kopf.operator(
        registry=_registry(work),
        settings=_settings(options),
        clusterwide=not options.namespaces,
        namespaces=options.namespaces,
        standalone=options.standalone or None,
        # The newest works: it need not wait until one that was killed counts as dead.
        priority=time.time_ns() // 1_000_000,
        peering_name=None if options.standalone else PEERING,
        liveness_endpoint=f"http://0.0.0.0:{options.liveness_port}/healthz" if options.liveness_port else None,
    )


async def _check(cluster: Cluster, standalone: bool) -> None:
    try:
        await cluster.listed("JupyterNotebook")
        if not standalone:
            await cluster.create_peering(PEERING)
    except ApiException as error:
        if error.status == NOT_FOUND:
            raise OperatorError(
                "the cluster does not know the resources: run `jhkube operator --crds | kubectl apply -f -`"
            ) from None
        raise OperatorError(f"the API server refuses: {error_text(error)}") from None
    except API_ERRORS as error:
        raise OperatorError(f"the API server does not answer: {error_text(error)}") from None


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

    for name in WATCHED:
        kind = KINDS[name]
        version = f"{kind.group}/{kind.version}" if kind.group else kind.version

        @kopf.on.event(version, kind.plural, registry=registry, id=f"saw-{kind.plural}", param=name)
        async def saw(event: Mapping[str, Any], param: Any = "", **_: Any) -> None:
            work.saw(param, event["type"], event["object"])

    return registry


class _Work:
    """Changes put into a queue, and the queue worked on, once what there is has been read."""

    def __init__(self, seen: SeenNotebooks, notebooks: Notebooks) -> None:
        self._seen = seen
        self._notebooks = notebooks
        self._queue: WorkQueue[str] = WorkQueue()
        self._stale = asyncio.Event()
        self._fresh = asyncio.Event()
        self._begun = False
        self._backoffs: dict[str, Backoff] = {}
        self._tasks: Sequence[asyncio.Task[None]] = ()

    def start(self) -> None:
        """Begin to work: nothing is done before a watch tells of something, which it does not while another works."""
        self._tasks = (
            asyncio.create_task(self._queue.run(self._work, WORKERS)),
            asyncio.create_task(self._keep_fresh()),
        )

    async def stop(self) -> None:
        """End the work."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def saw(self, kind: str, change: str | None, item: Mapping[str, Any]) -> None:
        """Take a change that a watch told of; without a type it is of a list, which tells of no deletions."""
        if change is None or not self._begun:
            # The first list may have been empty, and then has told of nothing.
            self._begun = True
            self._fresh.clear()
            self._stale.set()
        for key in self._seen.saw(kind, change, item):
            self._queue.add(key)

    async def _keep_fresh(self) -> None:
        failures = Backoff(free=0, first=1.0, longest=30.0)
        await self._stale.wait()
        while True:
            self._stale.clear()
            await asyncio.sleep(SETTLING)
            try:
                keys = await self._seen.refresh()
            except API_ERRORS as error:
                log.warning("What there is could not be read: %s; trying again", error_text(error))
                self._stale.set()
                await asyncio.sleep(failures.delay())
                continue
            self._notebooks.doubt()
            if not self._stale.is_set():
                self._fresh.set()
                for key in keys:
                    self._queue.add(key)
                self._count()
            try:
                await asyncio.wait_for(self._stale.wait(), REFRESH)
            except TimeoutError:
                continue

    async def _work(self, key: str) -> None:
        await self._fresh.wait()
        began = time.monotonic()
        try:
            delay = await self._notebooks.reconcile(key)
        except TryAgain:
            self._stale.set()
            self._fresh.clear()
            self._failed(key, "has changed meanwhile")
        except API_ERRORS as error:
            self._failed(key, error_text(error))
        except Exception:
            log.exception("%s could not be worked on", key)
            self._failed(key, "")
        else:
            self._backoffs.pop(key, None)
            OPERATOR_WORK.labels("JupyterNotebook", "done").inc()
            if delay is not None:
                self._queue.add(key, delay)
        OPERATOR_SECONDS.labels("JupyterNotebook").observe(time.monotonic() - began)
        self._count()

    def _failed(self, key: str, why: str) -> None:
        OPERATOR_WORK.labels("JupyterNotebook", "failed").inc()
        delay = self._backoffs.setdefault(key, Backoff(free=0, first=0.5, longest=300.0)).delay()
        if why:
            log.warning("%s: %s; trying again in %.1f s", key, why, delay)
        self._queue.add(key, delay)

    def _count(self) -> None:
        phases = Counter(
            str((body.get("status") or {}).get("phase", "")) for body in self._seen.known["JupyterNotebook"].values()
        )
        for phase in Phase:
            OPERATOR_RESOURCES.labels("JupyterNotebook", phase.value).set(phases[phase.value])

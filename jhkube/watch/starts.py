"""A start, watched: it ends when the server answers, or as soon as it cannot any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import aiohttp
from kubernetes_asyncio.client import V1Pod
from kubernetes_asyncio.client.exceptions import ApiException

from jhkube.metrics import START_FAILURES, reason_label
from jhkube.watch._asking import hub_ssl_context
from jhkube.watch._phases import PhaseTimes, phase_of
from jhkube.watch._pod_requests import created_pod, heard, remove_in_background
from jhkube.watch._start_failed import StartFailed
from jhkube.watch._tasks import cancel
from jhkube.watch.failures import (
    Failure,
    admission_failure,
    deleted_failure,
    is_momentary,
    pod_failure,
    unreachable_failure,
)
from jhkube.watch.patience import Patience
from jhkube.watch.readiness import answering, stage_of

__all__ = ["Start", "StartFailed"]

_UNSEEN = 5.0
"""How many seconds after its creation a pod that the watch does not show makes the watch list again."""
_LONGEST_SLEEP = 10.0


class Start:
    """One start of one spawner.

    A spawner makes one in its `_start`, tells it when the pod is there (`created`), and lets upstream's wait
    for the pod be this one's (`upstream_waits`, `ended`)::

        async def _start(self):
            self.pod_start = Start(self, Patience())
            return await self.pod_start.url(super()._start())

        async def _make_create_pod_request(self, pod, request_timeout):
            uid = await self.pod_start.create(pod, request_timeout)
            self.pod_start.created(uid)
            return True

        def is_pod_running(self, pod):
            if self.pod_start and self.pod_start.upstream_waits():
                return self.pod_start.ended()
            return super().is_pod_running(pod)
    """

    def __init__(self, spawner: Any, patience: Patience) -> None:
        self.spawner = spawner
        self.patience = patience
        self.finding: Failure | None = None
        """What is waited for at the moment, for whoever tells the user."""
        self.uid: str | None = None
        """The pod's uid, once it is known."""
        self.pod: Mapping[str, Any] | None = None
        """The pod as last seen."""
        self.events: list[Mapping[str, Any]] = []
        """The pod's events as last seen, oldest first."""
        self._seen: tuple[str | None, Mapping[str, Any] | None] = (None, None)
        self._read: dict[tuple[str, str | None], dict[str, Any]] = {}
        self._news: set[asyncio.Event] = set()
        self._created: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._created_at = 0.0
        self._upstream: asyncio.Task[str] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._reflectors: list[Any] = []
        self._told = ExitStack()
        self._since: dict[str, float] = {}
        self.times = PhaseTimes()
        """How long its phases took."""

    @property
    def key(self) -> str:
        """The pod, as the reflectors know it."""
        return f"{self.spawner.namespace}/{self.spawner.pod_name}"

    def created(self, uid: str | None = None) -> None:
        """The API server took the pod; from now on its state counts. Without uid, any of the name is it."""
        if not self._created.done():
            self._created_at = time.monotonic()
            self.times.reached("created")
            self._created.set_result(uid)

    @contextmanager
    def told(self, wake: asyncio.Event) -> Iterator[None]:
        """Within the block, `wake` is set whenever the pod or its events have changed."""
        self._news.add(wake)
        try:
            yield
        finally:
            self._news.discard(wake)

    def _notice(self) -> None:
        for wake in self._news:
            wake.set()

    async def create(self, pod: V1Pod, timeout: float, beside: Callable[[str], Awaitable[None]] | None = None) -> str:
        """Make the pod, unless this start has made it already, and what belongs to it; returns its uid.

        A start can be cancelled, or the request time out, while the API server is at it. The answer is then still
        heard out, and a pod that nobody waits for any more is removed.

        Parameters
        ----------
        pod
            The pod.
        timeout
            How long to wait for the API server, in seconds, and as long again for `beside`.
        beside
            Makes what kubelet wants to find with the pod, given the pod's uid. It begins in the moment the pod is
            made, however busy the hub is, and is to bear being called again.

        Raises
        ------
        ApiException
            When the API server refuses; 409 when there is a pod of this name.
        TimeoutError
            When it does not answer in time, not at all, or asks to be asked again. Where `uid` is not known then,
            the pod may have been made all the same, and the next try says 409.
        """
        wanted = True
        named: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def make() -> str:
            try:
                uid = self.uid or await created_pod(self.spawner.api, self.spawner.namespace, pod)
                if wanted:
                    self.uid = uid
            finally:
                named.set_result(None)
            if wanted and beside is not None:
                await beside(uid)
            return uid

        making = asyncio.create_task(make())
        try:
            with self.asking():
                return await heard(named, making, timeout)
        finally:
            wanted = False
            if self.uid is not None:
                making.cancel()
            making.add_done_callback(self._remove_unwanted)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Within the block, a refusal that is about to pass is a TimeoutError: the word for asking again.

        That is an API server that is away or busy, and one that has not caught up with a new namespace.
        """
        failure: Failure
        meanwhile = "The cluster does not answer at the moment; trying again."
        try:
            yield
            # What was refused for a moment is not the reason of a later failure.
            self.finding = None
            return
        except ApiException as error:
            if not is_momentary(error):
                raise
            failure = admission_failure(error)
            if error.status in (403, 409):
                meanwhile = "The cluster is not ready for your server yet; trying again."
        except (aiohttp.ClientError, TimeoutError) as error:
            failure = unreachable_failure(error)
        self.finding = replace(failure, meanwhile=meanwhile)
        self._notice()
        self.spawner.log.warning("%s: %s; asking again", self.key, failure.raw)
        raise TimeoutError(failure.raw)

    def upstream_waits(self) -> bool:
        """Whether the caller is KubeSpawner's `_start`, come to its wait for the pod.

        It has then done all it does before: made the claim, the Secret and the service, and run the hooks.
        """
        return self._upstream is not None and asyncio.current_task() is self._upstream

    def ended(self) -> Awaitable[bool]:
        """Done when the server answers: what KubeSpawner's wait can wait for, in place of asking again."""
        self.created()
        assert self._watching is not None
        ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        # neither a failure nor a cancellation is upstream's to handle: `url` does
        self._watching.add_done_callback(lambda _: None if ended.done() else ended.set_result(True))
        return ended

    async def url(self, upstream: Coroutine[Any, Any, str]) -> str:
        """Run KubeSpawner's own start and watch it; returns the server's URL once it answers.

        Raises
        ------
        StartFailed
            When it cannot start any more. The pod is deleted by then.
        """
        self._upstream = asyncio.ensure_future(upstream)
        self._watching = asyncio.create_task(self._answer(), name=f"start of {self.key}")
        try:
            await asyncio.wait({self._upstream, self._watching}, return_when=asyncio.FIRST_COMPLETED)
            if self._watching.done() and self._watching.exception() is not None:
                # nothing to wait for any more; what upstream was about to do would only be undone
                await cancel(self._upstream)
                await self._watching
            url = await self._upstream
            # upstream may be content with a pod that runs; the hub would then ask the server in growing
            # intervals
            self.created()
            await self._watching
            self.times.reached("ready")
            return url
        except StartFailed:
            await self._clean_up()
            raise
        except ApiException as error:
            await self._clean_up()
            raise self._failed(admission_failure(error)) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            await self._clean_up()
            asked = None if self._created.done() else self.finding
            raise self._failed(asked.definite() if asked else unreachable_failure(error)) from None
        except asyncio.CancelledError:
            START_FAILURES.labels("Cancelled").inc()
            # Until then a pod's uid may still come in.
            await cancel(self._upstream, self._watching)
            # The hub's stop, which comes next, asks the watch whether there is a pod. It may not know yet.
            if self.uid:
                self._remove_in_background(self.uid)
            raise
        finally:
            await cancel(self._upstream, self._watching)
            if not self._created.done():
                self._created.cancel()

    def _remove_unwanted(self, asked: asyncio.Future[str]) -> None:
        if not asked.cancelled() and asked.exception() is None and asked.result() != self.uid:
            self._remove_in_background(asked.result())

    def _remove_in_background(self, uid: str) -> None:
        """Delete this very pod; a stop at the same time does no harm."""
        remove_in_background(self.spawner.api, self.key, uid, self.spawner.log)

    async def _clean_up(self) -> None:
        """Leave no pod behind. The hub says the failure to the operator, and once is enough."""
        try:
            await self.spawner.stop(now=True)
        except (Exception, asyncio.CancelledError) as error:
            self.spawner.log.error("Could not remove pod %s, which did not start: %r", self.key, error)
            if self.uid:
                self._remove_in_background(self.uid)
            if isinstance(error, asyncio.CancelledError):
                raise

    async def _answer(self) -> None:
        """Wait for the server's answer, or for a reason to give up."""
        self.uid = await self._created
        spawner = self.spawner
        try:
            await answering(
                self._stage,
                self._address,
                self._wake,
                path=f"{spawner.server.base_url.rstrip('/')}/api",
                ssl_context=hub_ssl_context(spawner) if spawner.internal_ssl else None,
            )
        finally:
            self._told.close()
            self._read.clear()
            if self._timer:
                self._timer.cancel()

    def _address(self) -> str:
        return str(self.spawner._get_pod_url(self.pod))

    def _stage(self) -> str:
        """See what is new, and give up if it is hopeless; returns how near the server is to listening."""
        self._follow()
        self._look()
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._judge(), self._wake.set)
        return stage_of(self.pod, self.events)

    def _follow(self) -> None:
        """Be told by the reflectors; one can be replaced by another under way."""
        reflectors = [each for each in (self.spawner.pod_reflector, self.spawner.event_reflector) if each]
        if reflectors != self._reflectors:
            self._told.close()
            self._reflectors = reflectors
            for reflector in reflectors:
                self._told.enter_context(reflector.told_of(self.key, self._wake))

    def _look(self) -> None:
        """Read the pod and its events, once for each change."""
        pods = self.spawner.pod_reflector.pods
        version = pods.version(self.key)
        if not version or version != self._seen[0]:
            self._seen = (version, pods.get(self.key))
        pod = self._seen[1]
        if pod is not None:
            self.uid = self.uid or pod["metadata"]["uid"]
            # one of the same name that was there before
            if pod["metadata"]["uid"] != self.uid:
                pod = None
        reflector = self.spawner.event_reflector
        events = reflector.events_of(self.key, self._read) if reflector else []
        self.pod = pod
        self.events = [e for e in events if self.uid and e["involvedObject"].get("uid") == self.uid]
        if pod is not None:
            self.times.reached(phase_of(pod, self.events))
        self._notice()

    def _judge(self) -> float:
        """Raise StartFailed if there is no hope left; else how long to wait for news, in seconds."""
        now = time.monotonic()
        if self.pod is None:
            if "seen" in self._since:
                raise self._failed(deleted_failure(None, self.events))
            if now - max(self._created_at, self._since.get("nudged", 0.0)) > _UNSEEN:
                self._since["nudged"] = now
                for reflector in self._reflectors:
                    reflector.nudge()
            return _UNSEEN
        self._since.setdefault("seen", now)
        if "deletionTimestamp" in self.pod["metadata"]:
            raise self._failed(deleted_failure(self.pod, self.events))
        self.finding = finding = pod_failure(self.pod, self.events, self.patience)
        if finding is None:
            self._since = {"seen": now}
            return _LONGEST_SLEEP
        lasted = now - self._since.setdefault(finding.reason, now)
        if lasted >= finding.patience:
            raise self._failed(finding.definite())
        return min(finding.patience - lasted, _LONGEST_SLEEP)

    def _failed(self, failure: Failure) -> StartFailed:
        self.finding = failure
        START_FAILURES.labels(reason_label(failure.reason)).inc()
        return StartFailed(failure, f"pod {self.key} of {self.spawner.user.name}:{self.spawner.name}")

"""Starting a server: until it answers, or as soon as it is clear that it will not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from kubernetes_asyncio.client import V1Pod
from kubernetes_asyncio.client.exceptions import ApiException

from jhkube.metrics import START_FAILURES, reason_label
from jhkube.watch.admission import admission_failure, momentary_failure, unreachable_failure
from jhkube.watch.failure import Failure, StartFailed
from jhkube.watch.failures import deleted_failure, pod_failure
from jhkube.watch.patience import Patience
from jhkube.watch.pods import cancel, created_pod, created_uid, remove_in_background
from jhkube.watch.probe import Cadence, hub_ssl_context, stage_of, wait_until_answers
from jhkube.watch.progress import PhaseTimes, phase_of
from jhkube.watch.steps import USUAL_TIMES, StartView, start_view
from jhkube.watch.watched_pod import WatchedPod

__all__ = ["Start"]

_UNSEEN = 5.0
"""How many seconds after its creation a pod that the watch does not show makes the watch list again."""
_LONGEST_SLEEP = 10.0

SOON = Cadence(eager=0.02)
"""How a server is probed whose modules are imported already."""


class Start:
    """One start of one spawner, from its first request until its server answers.

    A spawner makes one in its `_start` and enters it once, with KubeSpawner's own start (`run`). That makes the pod
    by `create`, and everything that belongs to it. Where it would wait for the pod, it asks whether the pod runs, and
    this start takes over (`takes_over`).

    It calls `note_finding` of the spawner with whatever it waits for.
    """

    def __init__(self, spawner: Any, patience: Patience) -> None:
        self.spawner = spawner
        self.patience = patience
        self.finding: Failure | None = None
        """What is waited for at the moment, for whoever tells the user."""
        self.uid: str | None = None
        """The pod's uid, once it is known."""
        self.watched = WatchedPod(spawner)
        """The pod and its events as last seen."""
        self._subscribers: set[asyncio.Event] = set()
        self._created: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._created_at = 0.0
        self._taken_over = asyncio.Event()
        self._upstream: asyncio.Task[str] | None = None
        self._is_given_up = False
        self.is_over = False
        """Whether it has ended, with a server or without one."""
        self._wake = asyncio.Event()
        self._cadence = Cadence()
        self._timer: asyncio.TimerHandle | None = None
        self._since: dict[str, float] = {}
        self.has_failed = False
        """Whether it has ended without a server, so that the end of the pod's log is worth to be kept."""
        self.times = PhaseTimes()
        """How long its phases took."""

    @property
    def key(self) -> str:
        """The pod, as the reflectors know it."""
        return f"{self.spawner.namespace}/{self.spawner.pod_name}"

    def view(self) -> StartView:
        """Return the start as its page shows it now."""
        meanwhile = self.finding.meanwhile if self.finding else ""
        return start_view(self.times.spent, self.times.elapsed, str(self.spawner.image), meanwhile)

    @contextmanager
    def subscribe(self, wake: asyncio.Event) -> Iterator[None]:
        """Within the block, `wake` is set whenever the pod or its events have changed."""
        self._subscribers.add(wake)
        try:
            yield
        finally:
            self._subscribers.discard(wake)

    def _notify(self) -> None:
        for wake in self._subscribers:
            wake.set()

    async def create(
        self, pod: V1Pod, timeout: float, create_companions: Callable[[str], Awaitable[None]] | None = None
    ) -> str:
        """Create the pod and its companions, unless this start has done so already; returns the pod's uid.

        A start can be cancelled, or the request time out, before the API server has answered. The answer is still
        read then, and a pod that nobody waits for any more is removed.

        Parameters
        ----------
        pod
            The pod.
        timeout
            How long to wait for the API server, in seconds, and as long again for `create_companions`.
        create_companions
            Creates the objects that kubelet needs for the pod, such as its Secret, given the pod's uid. It is called
            as soon as the pod is created, however busy the hub is, and may be called again.

        Raises
        ------
        ApiException
            When the API server refuses; 409 when there is a pod of this name.
        TimeoutError
            When it does not answer in time or asks for a retry. If `uid` is not known then, the pod may exist
            nevertheless, and the next try gets 409.
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
            if wanted and create_companions is not None:
                await create_companions(uid)
            return uid

        making = asyncio.create_task(make())
        try:
            with self.requesting():
                uid = await created_uid(named, making, timeout)
            self._set_created(uid)
            return uid
        finally:
            wanted = False
            if self.uid is not None:
                making.cancel()
            making.add_done_callback(self._remove_unwanted)

    def adopt(self, uid: str) -> None:
        """Watch a pod that was there before this start as the one that it has made; its server answers soon."""
        self.uid = uid
        self._cadence = SOON
        self._set_created(uid)

    @contextmanager
    def requesting(self) -> Iterator[None]:
        """Within the block, a refusal that is about to pass is raised as a TimeoutError, so that it is retried.

        That is an API server that is away or busy, and one that has not caught up with a new namespace.
        """
        try:
            yield
        except (ApiException, aiohttp.ClientError, TimeoutError) as error:
            failure = momentary_failure(error)
            if failure is None:
                raise
            self.finding = failure
            self._notify()
            self.spawner.log.warning("%s: %s; retrying", self.key, failure.raw)
            raise TimeoutError(failure.raw) from None
        # What was refused for a moment is not the reason of a later failure.
        self.finding = None

    def takes_over(self) -> bool:
        """End KubeSpawner's part, if this start goes on; returns whether it does.

        To be called where KubeSpawner asks whether the pod runs. It has then done all it does before: made the claim,
        the Secret and the service, and run the hooks.
        """
        if not self.is_over:
            self._taken_over.set()
        return not self.is_over

    def note_stop(self) -> None:
        """Ignore the pod from now on, if KubeSpawner's own start stops the server: to be called at each stop.

        It removes the pod before it raises the error of a hook, so the removal is not why the start fails.
        """
        if self._created.done() and asyncio.current_task() is self._upstream:
            self._is_given_up = True

    async def run(self, upstream: Coroutine[Any, Any, str]) -> str:
        """Run KubeSpawner's own start and watch it; returns the server's URL once it answers.

        Raises
        ------
        StartFailed
            When it cannot start any more. The pod is deleted by then.
        """
        making = asyncio.create_task(self._make(upstream), name=f"making of {self.key}")
        answering = asyncio.create_task(self._answer(), name=f"start of {self.key}")
        try:
            await asyncio.wait({making, answering}, return_when=asyncio.FIRST_EXCEPTION)
            # Where one of them has failed, what the other is about to do would only be undone.
            failed = [task for task in (answering, making) if task.done() and task.exception()]
            if failed:
                await cancel(making, answering)
                await failed[0]
            url = await answering
            # Since it answered, a hook may have taken its time, and the pod may have been deleted.
            self._look()
            self._judge()
            self.spawner.pod_id = self.uid
            self.times.reached("ready")
            USUAL_TIMES.note(str(self.spawner.image), self.times.spent)
            return url
        except StartFailed:
            await self._clean_up()
            raise
        except ApiException as error:
            await self._clean_up()
            raise self._failed(admission_failure(error)) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            await self._clean_up()
            refusal = None if self._created.done() else self.finding
            raise self._failed(refusal.definite() if refusal else unreachable_failure(error)) from None
        except asyncio.CancelledError:
            START_FAILURES.labels("Cancelled").inc()
            # Until then a pod's uid may still come in.
            await cancel(making, answering)
            self.has_failed = True
            # The hub's stop, which comes next, asks the watch whether there is a pod. It may not know yet.
            if self.uid:
                try:
                    await self.spawner.keep_log()
                finally:
                    self._remove_in_background(self.uid)
            raise
        finally:
            self.is_over = True
            await cancel(making, answering)
            if not self._created.done():
                self._created.cancel()

    async def _make(self, upstream: Coroutine[Any, Any, str]) -> None:
        """Run KubeSpawner's own start to where it waits for the pod."""
        self._upstream = upstream_start = asyncio.create_task(upstream)
        taken_over = asyncio.ensure_future(self._taken_over.wait())
        try:
            await asyncio.wait({upstream_start, taken_over}, return_when=asyncio.FIRST_COMPLETED)
            if upstream_start.done():
                await upstream_start
            self._set_created(self.uid)
        finally:
            await cancel(upstream_start, taken_over)

    def _set_created(self, uid: str | None) -> None:
        """Note that the API server took the pod: from now on its state counts. Without uid, any of the name is it."""
        if not self._created.done():
            self._created_at = time.monotonic()
            self.times.reached("created")
            self._created.set_result(uid)

    def _remove_unwanted(self, making: asyncio.Future[str]) -> None:
        if not making.cancelled() and making.exception() is None and making.result() != self.uid:
            self._remove_in_background(making.result())

    def _remove_in_background(self, uid: str) -> None:
        remove_in_background(self.spawner.api, self.key, uid, self.spawner.log)

    async def _clean_up(self) -> None:
        """Leave no pod behind. The hub says the failure to the operator, and once is enough."""
        self.has_failed = True
        try:
            await self.spawner.stop(now=True)
        except (Exception, asyncio.CancelledError) as error:
            self.spawner.log.error("Could not remove pod %s, which did not start: %r", self.key, error)
            if self.uid:
                self._remove_in_background(self.uid)
            if isinstance(error, asyncio.CancelledError):
                raise

    async def _answer(self) -> str:
        """Wait for the server's answer, or for a reason to give up; returns the server's URL."""
        # Shielded: it says afterwards whether the pod was made, and whoever ends this wait would cancel it.
        self.uid = await asyncio.shield(self._created)
        spawner = self.spawner
        try:
            await wait_until_answers(
                self._stage,
                self._address,
                self._wake,
                path=f"{spawner.server.base_url.rstrip('/')}/api",
                ssl_context=hub_ssl_context(spawner) if spawner.internal_ssl else None,
                cadence=self._cadence,
            )
            return self._address()
        finally:
            self.watched.close()
            if self._timer:
                self._timer.cancel()

    def _address(self) -> str:
        return str(self.spawner._get_pod_url(self.watched.pod))

    def _stage(self) -> str:
        """See what is new, and give up if it is hopeless; returns how near the server is to listening."""
        self.watched.follow(self.key, self._wake)
        self._look()
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._judge(), self._wake.set)
        return stage_of(self.watched.pod, self.watched.events)

    def _look(self) -> None:
        """Read the pod and its events."""
        self.watched.look(self.key, self.uid)
        if pod := self.watched.pod:
            self.uid = self.uid or pod["metadata"]["uid"]
            self.times.reached(phase_of(pod, self.watched.events))
        self._notify()

    def _judge(self) -> float:
        """Raise StartFailed if there is no hope left; else how long to wait for news, in seconds."""
        if self._is_given_up:
            return _LONGEST_SLEEP
        now = time.monotonic()
        pod, events = self.watched.pod, self.watched.events
        if pod is None:
            if "seen" in self._since:
                raise self._failed(deleted_failure(None, events))
            if now - max(self._created_at, self._since.get("reconnected", 0.0)) > _UNSEEN:
                self._since["reconnected"] = now
                self.watched.reconnect()
            return _UNSEEN
        self._since.setdefault("seen", now)
        if "deletionTimestamp" in pod["metadata"]:
            raise self._failed(deleted_failure(pod, events))
        self.finding = finding = pod_failure(pod, events, self.patience)
        if finding is None:
            self._since = {"seen": now}
            return _LONGEST_SLEEP
        self.spawner.note_finding(finding)
        lasted = now - self._since.setdefault(finding.reason, now)
        if lasted >= finding.patience:
            raise self._failed(finding.definite())
        return min(finding.patience - lasted, _LONGEST_SLEEP)

    def _failed(self, failure: Failure) -> StartFailed:
        self.finding = failure
        START_FAILURES.labels(reason_label(failure.reason)).inc()
        return StartFailed(failure, f"pod {self.key} of {self.spawner.user.name}:{self.spawner.name}")

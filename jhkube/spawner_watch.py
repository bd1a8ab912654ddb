"""KubeSpawner's start, stop and poll, by what the cluster says: retried, watched, and told to the person."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar

import aiohttp
from jupyterhub.utils import exponential_backoff
from kubernetes_asyncio.client import ApiException

from jhkube.identity import made_for
from jhkube.kube import API_ERRORS, error_text
from jhkube.logs import PodLog
from jhkube.objects import ensure_object
from jhkube.spawner_room import CountedSpawner
from jhkube.watch.admission import is_momentary
from jhkube.watch.ends import ENDS, end_of, lacked_memory
from jhkube.watch.failure import Failure, StartFailed
from jhkube.watch.kept_logs import KEPT_LOGS, KeptLog, failed_container, has_ended, log_end
from jhkube.watch.pods import forced_removal, node_deadline, wait_until_gone
from jhkube.watch.progress import progress
from jhkube.watch.reflectors import EventReflector, PodReflector
from jhkube.watch.server import CheckedServerMixin
from jhkube.watch.start import Start
from jhkube.watch.steps import StartView, start_view

__all__ = ["WatchedSpawner"]

_T = TypeVar("_T")


class WatchedSpawner(CheckedServerMixin, CountedSpawner):
    """KubeSpawner whose starts end when the server answers, or as soon as it is clear that it will not."""

    pod_start: Start | None = None
    """The start under way, or the last one."""

    _warnings: list[str] = []
    """More sentences for the person who starts the server, in addition to those of the start itself."""

    @property
    def _pod_log(self) -> PodLog:
        return PodLog(self.log, self.user.name, self.name, self._pod_key)

    def _known_pod(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.pod_reflector.pods.get(self._pod_key) if self.pod_reflector else None
        return found

    # The start.

    async def _start(self) -> str:
        KEPT_LOGS.forget(self.user.id, self.name)
        ENDS.forget(self.user.id, self.name)
        if self.server is None:
            # No hub has a record of the server, so there is no path at which it would answer.
            self.pod_start = None
            address: str = await super()._start()
            return address
        self.pod_start = Start(self, self.parsed_patience())
        try:
            url = await self.pod_start.run(super()._start())
        except StartFailed as error:
            if lacked_memory(error.failure.reason, error.failure.detail):
                ENDS.note(self.user.id, self.name, error.failure, made_for(self._known_pod()))
            raise
        self._pod_log.info("answers after %s", self.pod_start.times)
        return url

    def note_finding(self, finding: Failure) -> None:
        """Called when the pod of a start waits for something, before it is known whether that passes."""

    def is_pod_running(self, pod: Mapping[str, Any] | None) -> bool:
        """Whether a pod runs; false during a start, whose wait for the pod is jhkube's own."""
        if self.pod_start is not None and self.pod_start.takes_over():
            return False
        return bool(super().is_pod_running(pod))

    # Requests.

    async def _succeeds(self, request: Callable[[], Awaitable[Any]]) -> bool:
        """Whether the API server did what it was asked; false where the request is to be retried."""
        try:
            # Without a hub's record of the server KubeSpawner starts it, and there is no start of jhkube's to tell.
            with self.pod_start.requesting() if self.pod_start else nullcontext():
                return await request() is not False
        except (aiohttp.ClientError, TimeoutError):
            return False
        except ApiException as error:
            if is_momentary(error):
                return False
            raise

    async def _retried(self, request: Callable[[], Awaitable[_T]], *, is_long: bool = False) -> _T:
        """Return the answer of the API server, retried for as long as KubeSpawner retries to make a pod.

        A request that has no answer after `k8s_api_request_timeout` seconds is made again, as KubeSpawner's own are,
        unless it `is_long`.

        Raises
        ------
        TimeoutError
            Where there is no answer after `k8s_api_request_retry_timeout` seconds.
        """
        answers = []

        async def ask() -> None:
            async with asyncio.timeout(None if is_long else self.k8s_api_request_timeout):
                answers.append(await request())

        await exponential_backoff(
            lambda: self._succeeds(ask), "The cluster did not answer", timeout=self.k8s_api_request_retry_timeout
        )
        return answers[0]

    async def _make_create_pvc_request(self, pvc: Any, request_timeout: float) -> bool:
        """Create the claim unless it is there; false where the request is to be retried."""
        return await self._made("persistent_volume_claim", pvc, request_timeout)

    async def _make_create_resource_request(self, kind: str, manifest: Any) -> bool:
        """Create the Secret or service of `internal_ssl` unless it is there; false to be retried."""
        return await self._made(kind, manifest, self.k8s_api_request_timeout)

    async def _ensure_not_exists(self, kind: str, name: str) -> bool:
        """Whether such an object is gone; false where the request is to be retried."""
        gone = super()._ensure_not_exists
        return await self._succeeds(lambda: gone(kind, name))

    async def _made(self, kind: str, manifest: Any, timeout: float) -> bool:
        return await self._succeeds(lambda: ensure_object(self.api, kind, self.namespace, manifest, timeout))

    # The watch.

    async def _start_reflector(self, kind: str, reflector_class: Any, replace: bool = False, **kwargs: Any) -> Any:
        """Return the reflector of a kind of object once its objects are there.

        A first list that fails is retried, as every request of a start is; KubeSpawner ends the hub where users have
        namespaces of their own.
        """
        ours = {"pods": PodReflector, "events": EventReflector}.get(kind, reflector_class)
        reflector = await super()._start_reflector(kind, ours, replace, **kwargs)
        if not reflector.is_loaded:
            await self._retried(reflector.loaded, is_long=True)
        return reflector

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of this start's pod, oldest first; unlike upstream's it does not read those of all others."""
        found: list[dict[str, Any]] = self.event_reflector.events_of(self._pod_key) if self.event_reflector else []
        for index, event in enumerate(found):
            if event["metadata"]["uid"] == self._last_event:
                return found[index + 1 :]
        return found

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what a person reads while the server starts."""
        warned = 0
        messages = super().progress() if self.server is None else progress(self)
        async for message in messages:
            for warning in self._warnings[warned:]:
                warned += 1
                yield {"message": warning}
            yield message

    def start_view(self) -> StartView:
        """Return the start under way as the hub's page of it shows it."""
        if self.pod_start is None or self.pod_start.has_failed:
            # The hub knows of a start a moment before the spawner does.
            return start_view({}, 0.0, str(self.image))
        return self.pod_start.view()

    def clear_state(self) -> None:
        """Forget the last start."""
        super().clear_state()
        self._warnings = []

    # The end.

    def _has_failed(self) -> bool:
        """Say whether a pod that is about to be deleted is that of a failed start, or has ended by itself."""
        if self.pod_start is not None and (self.pod_start.has_failed or not self.pod_start.is_over):
            return self.pod_start.has_failed
        pod = self._known_pod()
        return pod is not None and has_ended(pod)

    async def keep_log(self) -> None:
        """Keep the end of the log of a server that failed, before its pod goes; for a few seconds at the most."""
        pod, kept = self._known_pod(), KEPT_LOGS.find(self.user.id, self.name)
        container = failed_container(pod) if self.keep_failed_logs and pod else ""
        if not pod or not container or (kept and kept.uid == pod["metadata"]["uid"]):
            return
        try:
            content, is_truncated = await log_end(self.api, pod, container)
        except API_ERRORS as error:
            self._pod_log.warning("the log of %s cannot be kept: %s", container, error_text(error))
            return
        now, uid = self._known_pod(), pod["metadata"]["uid"]
        if now is not None and now["metadata"]["uid"] != uid:
            # The log was asked for by the pod's name.
            return
        is_start = self.pod_start is not None and self.pod_start.has_failed
        log = KeptLog(container, content, is_truncated, time.time(), is_start, made_for(pod), uid)
        KEPT_LOGS.keep(self.user.id, self.name, log)

    async def poll(self) -> int | None:
        """Return None while the pod runs, else its exit code.

        Where the cluster says nothing of any pod, nothing says that this one has ended: a hub that restarts during an
        outage would otherwise stop all servers.
        """
        # Kept from before, since a pod that has ended is deleted meanwhile; read only where that is so.
        read = self.pod_reflector.pods.reader(self._pod_key) if self.pod_reflector else None
        try:
            status: int | None = await super().poll()
        except TimeoutError:
            self._pod_log.warning("the cluster does not answer, so its server counts as running")
            return None
        if status is not None and read is not None and (end := end_of(pod := read())) is not None:
            self._pod_log.info("ended: %s", end.raw)
            ENDS.note(self.user.id, self.name, end, made_for(pod))
        return status

    async def delete_forever(self) -> None:
        """Forget the server with all that is kept of it, and delete its claim where that is configured."""
        KEPT_LOGS.forget(self.user.id, self.name)
        ENDS.forget(self.user.id, self.name)
        await super().delete_forever()

    async def stop(self, now: bool = False) -> None:
        """Delete the pod, and return as soon as it is gone; with no grace period where its node is lost."""
        if self.pod_start is not None:
            self.pod_start.note_stop()
        await self._start_watching_pods()
        if self._has_failed():
            await self.keep_log()
        grace = 0 if now else self.delete_grace_period
        deadline = node_deadline(grace, self.parsed_patience().node, self.start_timeout)
        await wait_until_gone(
            self.pod_reflector,
            self._pod_key,
            asyncio.ensure_future(super().stop(now)),
            deadline=deadline,
            force=forced_removal(self.api, self._pod_key, self.log, deadline),
        )

"""A start that is taken by a pod which was made while the person read the form."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from kubernetes_asyncio.client import ApiException, V1ObjectMeta, V1Pod

from jhkube.ahead.handover import hand_over
from jhkube.ahead.manifest import AHEAD_LABEL, CannotWait, ahead_files, handed_over
from jhkube.ahead.pods import NotTaken, WaitingPod, label_as_taken
from jhkube.kube import API_ERRORS, FORBIDDEN, error_text
from jhkube.metrics import AHEAD_SAVED, AHEAD_SECONDS
from jhkube.pod.secret import SecretFiles
from jhkube.secret_objects import renew_secret
from jhkube.spawner_waiting import WaitingSpawner
from jhkube.spawner_watch import WatchedSpawner
from jhkube.watch.failure import Failure
from jhkube.watch.pods import remove_in_background

__all__ = ["AheadSpawner"]

LEAST_LEFT = 3.0
"""Seconds that a pod still has to wait for it to be taken: it must not end while it is."""


class AheadSpawner(WaitingSpawner):
    """A spawner whose start can be taken by a pod that waits."""

    _candidate: WaitingPod | None = None
    """The pod that this start is about to take."""

    _taken: tuple[WaitingPod, V1Pod] | None = None
    """The pod that this start has taken, with the manifest of the start."""

    async def _start(self) -> str:
        if self._is_ahead:
            self.pod_start = None
            address: str = await super(WatchedSpawner, self)._start()
            return address
        try:
            url = await super()._start()
            if self._taken is not None:
                # Not before: with many starts at once, all that is asked of the API server delays them.
                task = asyncio.create_task(self._refresh_secret(*self._taken))
                _refreshes.add(task)
                task.add_done_callback(_refreshes.discard)
            return url
        finally:
            # A start that ended before it made a pod leaves none that waits.
            if candidate := self._candidate:
                self._candidate = None
                remove_in_background(candidate.api, candidate.place, candidate.uid, self.log)

    async def _manifest_for_start(self, make: Callable[[], Awaitable[V1Pod]]) -> V1Pod:
        """Return the manifest of a start; with the name of the waiting pod, if that is of the same choice."""
        candidate = await self._waiting_candidate()
        if candidate is None:
            pod = await make()
            if self._is_ahead and self._identity is not None:
                self._first_fingerprint = self._fingerprint(pod)
            return pod
        ordinary = self.pod_name
        self._candidate = candidate
        self.name_pod(candidate.name)
        pod = await make()
        if self._fingerprint(pod) == candidate.fingerprints[0]:
            return pod
        self._candidate = None
        self.name_pod(ordinary)
        await self._running_keeper().give_up(candidate, "OtherChoice")
        return await make()

    async def _waiting_candidate(self) -> WaitingPod | None:
        """Return the pod that waits for this start; any other one of the person's makes room for it."""
        if self._is_ahead or self.pod_start is None or self.keeper is None:
            return None
        options = await self._nearest(self.user_options) if self.image_menu else {}
        waiting = await self.keeper.taken(self.user.name, self.name, options)
        if waiting is None:
            return None
        if waiting.options != options:
            await self.keeper.give_up(waiting, "OtherChoice")
            return None
        is_mine = self._identity is not None and self._identity.subject == waiting.subject
        if waiting.server != self.name or waiting.namespace != self.namespace or not is_mine:
            await self.keeper.give_up(waiting, "OtherServer")
            return None
        if time.monotonic() > waiting.made_at + waiting.seconds - LEAST_LEFT:
            await self.keeper.give_up(waiting, "Timeout")
            return None
        return waiting

    async def _takes_waiting(self, pod: V1Pod) -> bool:
        """Hand the start over to the pod that waits for it; false where the pod is to be made."""
        waiting, self._candidate, self._taken = self._candidate, None, None
        if waiting is None:
            return False
        assert self.keeper is not None
        left = waiting.made_at + waiting.seconds - time.monotonic()
        try:
            async with asyncio.timeout(left):
                await self._hand_over(waiting, pod)
        except (NotTaken, CannotWait, *API_ERRORS) as error:
            detail = str(error) if isinstance(error, NotTaken | CannotWait) else error_text(error)
            self._pod_log.warning("does not become the server, so another pod is made: %s", detail)
            await self.keeper.give_up(waiting, error.reason if isinstance(error, NotTaken) else "Failed")
            return False
        except BaseException:
            remove_in_background(waiting.api, waiting.place, waiting.uid, self.log)
            raise
        assert self.pod_start is not None
        self.pod_start.adopt(waiting.uid)
        age = time.monotonic() - waiting.made_at
        AHEAD_SECONDS.labels("taken").observe(age)
        self._pod_log.info("waited for this start for %.1f s", age)
        self._taken = waiting, pod
        return True

    async def _hand_over(self, waiting: WaitingPod, pod: V1Pod) -> None:
        if self._fingerprint(pod) != waiting.fingerprints[1]:
            raise NotTaken("Changed", "modify_pod_hook has made another pod")
        environment = handed_over(pod)
        assert self.pod_start is not None
        try:
            await label_as_taken(waiting)
        except ApiException as error:
            if error.status == FORBIDDEN:
                self._running_keeper().note_forbidden()
            raise
        # A hub that is killed from now on finds the pod by this name, as that of its server.
        self.orm_spawner.state = self.get_state()
        self.user.db.commit()
        waited = await hand_over(
            waiting,
            environment,
            reflector=self.pod_reflector,
            events_of=lambda: self.event_reflector.events_of(waiting.place) if self.event_reflector else [],
            address=self._get_pod_url,
            patience=self.pod_start.patience,
        )
        AHEAD_SAVED.observe(max(time.monotonic() - waiting.made_at - waited, 0.0))

    async def _refresh_secret(self, waiting: WaitingPod, pod: V1Pod) -> None:
        """Bring the newest tokens into the pod that was taken, and the secret of the handing over out of it."""
        metadata = V1ObjectMeta(
            name=waiting.name,
            namespace=waiting.namespace,
            uid=waiting.uid,
            labels=pod.metadata.labels,
            annotations=pod.metadata.annotations,
        )
        try:
            await renew_secret(self.api, V1Pod(metadata=metadata), self._plain_files() | ahead_files(""))
        except API_ERRORS as error:
            self._pod_log.warning("its Secret is as old as the pod: %s", error_text(error))

    def _secret_files(self) -> SecretFiles:
        """Return what the Secret of this spawner's pod holds: that of one that has waited has more files."""
        pod = self._known_pod()
        has_waited = pod is not None and AHEAD_LABEL in (pod["metadata"].get("labels") or {})
        return self._plain_files() | ahead_files("") if has_waited else self._plain_files()

    def note_finding(self, finding: Failure) -> None:
        """Give a server that finds no node with room the place of a pod that waits."""
        super().note_finding(finding)
        # Of what the scheduler says, this passes when pods go: 0/3 nodes are available: 3 Insufficient memory.
        if self.keeper is not None and ("Insufficient" in finding.detail or "Too many pods" in finding.detail):
            self.keeper.make_room()


_refreshes: set[asyncio.Task[None]] = set()
"""Kept so that none is collected before it is done."""

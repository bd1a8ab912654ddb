"""A pod that is made while the person reads the form, and is taken by the start of the same choice."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from jupyterhub.utils import maybe_future
from kubernetes_asyncio.client import V1ObjectMeta, V1Pod
from tornado.web import HTTPError

from jhkube.ahead.handover import hand_over
from jhkube.ahead.keeper import Keeper
from jhkube.ahead.manifest import AHEAD_LABEL, CannotWait, ahead_files, fingerprint, handed_over, waiting_pod
from jhkube.ahead.pods import NotTaken, WaitingPod, label_as_taken, make_pod
from jhkube.kube import API_ERRORS, error_text
from jhkube.metrics import AHEAD_SECONDS
from jhkube.objects import create_secret, renew_secret
from jhkube.options_form.profiles import Available, OptionError, nearest_choice
from jhkube.pod.build import secret_files
from jhkube.pod.mounts import mounts_for
from jhkube.pod.secret import SecretFiles, secret_manifest
from jhkube.spawner_options import UNMAKEABLE
from jhkube.spawner_ownership import OwningSpawner
from jhkube.spawner_watch import WatchedSpawner
from jhkube.watch.failure import Failure
from jhkube.watch.pods import remove_in_background

__all__ = ["AheadSpawner"]

LEAST_LEFT = 3.0
"""Seconds that a pod still has to wait for it to be taken: it must not end while it is."""


class _Made(Exception):
    """Ends KubeSpawner's start where the waiting pod is made, and nothing of a server is to come after it."""

    def __init__(self, waiting: WaitingPod) -> None:
        super().__init__(waiting.place)
        self.waiting = waiting


class AheadSpawner(WatchedSpawner, OwningSpawner):
    """A spawner whose start can be taken by a pod that waits.

    The waiting pod is made by another object of this class, which JupyterHub does not know: it never has a server,
    and nothing of it is saved. It goes through the same start, up to the pod's creation.
    """

    keeper: Keeper | None = None
    """The waiting pods of this process, once there is one."""

    _is_ahead = False
    """Whether this object makes a waiting pod and no server."""

    _first_fingerprint = ""
    """Of the manifest that was made last, before `modify_pod_hook`."""

    _candidate: WaitingPod | None = None
    """The pod that this start is about to take."""

    # Before the start.

    @classmethod
    def begin_ahead(cls, config: Any) -> None:
        """Remove what an earlier process of the hub has left waiting, if pods are made in advance."""
        spawner = cls(_mock=True, config=config)
        if spawner.start_ahead != "off":
            task = asyncio.create_task(spawner._sweep())
            # The loop itself keeps no task alive.
            _sweeps.add(task)
            task.add_done_callback(_sweeps.discard)

    async def _sweep(self) -> None:
        try:
            await self._start_watching_pods()
        except API_ERRORS as error:
            self.log.warning("Pods that wait for a start are not looked for: %s", error_text(error))
            return
        self._running_keeper().sweep(self.api, self.pod_reflector)

    def _running_keeper(self) -> Keeper:
        if AheadSpawner.keeper is None:
            AheadSpawner.keeper = Keeper(self.log)
        return AheadSpawner.keeper

    def _form_shown(self, available: Available, options: Any) -> None:
        """Have the pod of the preselected choice made, if a form is shown to somebody for their own server."""
        super()._form_shown(available, options)
        if self.start_ahead == "off" or self._identity is None or self.active:
            return
        if self.internal_ssl or self.services_enabled:
            # A hub without the sample configuration has not checked this when it began.
            return
        reader = getattr(getattr(self, "handler", None), "current_user", None)
        if reader is not None and reader.name != self.user.name:
            return
        if any(mount.exclusive for mount in mounts_for(self.pod_settings().mounts, self._groups)):
            # It would keep others from a volume for a server that nobody has asked for.
            return
        choice, gone = nearest_choice(options, available)
        if gone.keys() & {"profile", "image"} or choice.is_custom or choice.reset_environment:
            return
        wanted = choice.to_options()
        self._running_keeper().begin(
            self.user.name,
            self.name,
            wanted,
            limit=self.start_ahead_limit,
            make=partial(self._make_ahead, wanted),
            reflector=lambda: self.pod_reflector,
        )

    async def _make_ahead(self, options: dict[str, Any]) -> WaitingPod:
        """Make a waiting pod, in the order of JupyterHub's and KubeSpawner's start.

        Raises
        ------
        NotTaken
            Where the start would be refused, or cannot be handed over.
        """
        spawner = self.user._new_spawner(self.name)
        spawner._is_ahead = True
        spawner.user_options = options
        spawner.clear_state()
        spawner.name_pod(f"{spawner.pod_name}--{secrets.token_hex(4)}")
        try:
            async with asyncio.timeout(self.start_ahead_seconds):
                if self.authenticator:
                    await maybe_future(self.authenticator.pre_spawn_start(self.user, spawner))
                await spawner.run_auth_state_hook(await self.user.get_auth_state())
                await spawner.apply_group_overrides()
                await spawner._run_apply_user_options(spawner.user_options)
                await maybe_future(spawner.run_pre_spawn_hook())
                await spawner.start()
        except _Made as made:
            return made.waiting
        except HTTPError as refused:
            raise NotTaken("Refused", str(refused)) from None
        except CannotWait as error:
            raise NotTaken("CannotWait", str(error)) from None
        except UNMAKEABLE as error:
            self.log.exception("%s: no pod can be made in advance", self._log_name)
            raise NotTaken("CannotWait", type(error).__name__) from None
        raise NotTaken("CannotWait", "the start has made no pod")

    def name_pod(self, name: str) -> None:
        """Give the pod a name in place of that of the template, until the next `clear_state`."""
        self.pod_name = name
        self.dns_name = self.dns_name_template.format(namespace=self.namespace, name=name)

    def _note_refusal(self, options: Any, error: OptionError) -> None:
        # Nobody has asked for anything.
        if not self._is_ahead:
            super()._note_refusal(options, error)

    async def _becomes_waiting(self, pod: V1Pod) -> bool:
        """Make the waiting pod, if that is what this object is for; false where it is a server's start."""
        if not self._is_ahead:
            return False
        identity = self._identity
        if identity is None:
            raise CannotWait("no identity in auth_state")
        key = secrets.token_hex(32)
        fingerprints = (self._first_fingerprint, self._fingerprint(pod))
        waiting_pod(
            pod,
            seconds=self.start_ahead_seconds,
            port=self.port,
            priority_class=self.start_ahead_priority_class,
        )
        making = asyncio.ensure_future(make_pod(self.api, self.namespace, pod))
        try:
            uid, digest = await asyncio.shield(making)
        except asyncio.CancelledError:
            # The API server may make it all the same.
            making.add_done_callback(self._remove_made)
            raise
        pod.metadata.uid = uid
        try:
            await create_secret(
                self.api, self.namespace, secret_manifest(pod, self._plain_files() | ahead_files(key))
            )
        except BaseException:
            remove_in_background(self.api, self._pod_key, uid, self.log)
            raise
        waiting = WaitingPod(
            api=self.api,
            namespace=self.namespace,
            name=self.pod_name,
            uid=uid,
            server=self.name,
            subject=identity.subject,
            options=self.user_options,
            key=key,
            fingerprints=fingerprints,
            digest=digest,
            made_at=time.monotonic(),
            seconds=self.start_ahead_seconds,
        )
        raise _Made(waiting)

    def _remove_made(self, making: asyncio.Future[tuple[str, str]]) -> None:
        if not making.cancelled() and making.exception() is None:
            remove_in_background(self.api, self._pod_key, making.result()[0], self.log)

    def _fingerprint(self, pod: V1Pod) -> str:
        return fingerprint(self.api.api_client.sanitize_for_serialization(pod), self._plain_files())

    # The start.

    async def _start(self) -> str:
        if self._is_ahead:
            self.pod_start = None
            address: str = await super(WatchedSpawner, self)._start()
            return address
        try:
            return await super()._start()
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
        waiting = await self.keeper.taken(self.user.name)
        if waiting is None:
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
        waiting, self._candidate = self._candidate, None
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
        await self._refresh_secret(waiting, pod)
        return True

    async def _hand_over(self, waiting: WaitingPod, pod: V1Pod) -> None:
        if self._fingerprint(pod) != waiting.fingerprints[1]:
            raise NotTaken("Changed", "modify_pod_hook has made another pod")
        environment = handed_over(pod)
        await label_as_taken(waiting)
        # A hub that is killed from now on finds the pod by this name, as that of its server.
        self.orm_spawner.state = self.get_state()
        self.user.db.commit()
        await hand_over(
            waiting,
            environment,
            reflector=self.pod_reflector,
            events_of=lambda: self.event_reflector.events_of(waiting.place) if self.event_reflector else [],
            address=self._get_pod_url,
        )

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

    def _plain_files(self) -> SecretFiles:
        settings = self.pod_settings()
        assert self._identity is not None
        tokens = {host.host: self._token for host in settings.git.hosts}
        return secret_files(settings, self._identity, tokens)

    def note_finding(self, finding: Failure) -> None:
        """Give a server that finds no node with room the place of a pod that waits."""
        super().note_finding(finding)
        # Of what the scheduler says, this passes when pods go: 0/3 nodes are available: 3 Insufficient memory.
        if self.keeper is not None and ("Insufficient" in finding.detail or "Too many pods" in finding.detail):
            self.keeper.make_room()


_sweeps: set[asyncio.Task[None]] = set()
"""Kept so that none is collected before it is done."""

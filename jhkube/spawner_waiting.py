"""A pod that is made while the person reads the form, and waits for its start."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from jupyterhub.utils import maybe_future, url_escape_path, url_path_join
from kubernetes_asyncio.client import V1Pod
from tornado.web import HTTPError

from jhkube.ahead.keeper import AheadView, Keeper
from jhkube.ahead.manifest import CannotWait, ahead_files, fingerprint, waiting_pod
from jhkube.ahead.pods import NotTaken, WaitingPod, make_pod
from jhkube.kube import API_ERRORS, error_text
from jhkube.options_form.choice import Available, Choice
from jhkube.options_form.chosen import chosen, nearest_choice
from jhkube.options_form.form import AheadQuestions, options_from_form
from jhkube.options_form.option_values import OptionError
from jhkube.pod.build import secret_files
from jhkube.pod.mounts import mounts_for
from jhkube.pod.secret import SecretFiles, secret_manifest
from jhkube.secret_objects import create_secret
from jhkube.spawner_options import UNMAKEABLE
from jhkube.spawner_ownership import OwningSpawner
from jhkube.spawner_watch import WatchedSpawner
from jhkube.watch.pods import remove_in_background

__all__ = ["Made", "WaitingSpawner"]


class Made(Exception):
    """Ends KubeSpawner's start where the waiting pod is made, and nothing of a server is to come after it."""


class WaitingSpawner(WatchedSpawner, OwningSpawner):
    """A spawner that has pods made in advance.

    The waiting pod is made by another object of this class, which JupyterHub does not know: it never has a server,
    and nothing of it is saved. It goes through the same start, up to the pod's creation.
    """

    keeper: Keeper | None = None
    """The waiting pods of this process, once there is one."""

    _is_ahead = False
    """Whether this object makes a waiting pod and no server."""

    _has_made: WaitingPod | None = None
    """The waiting pod that this object has made."""

    _first_fingerprint = ""
    """Of the manifest that was made last, before `modify_pod_hook`."""

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
        self._running_keeper().sweep(self.api, self.pod_reflector, self.hub_name)

    def _running_keeper(self) -> Keeper:
        if WaitingSpawner.keeper is None:
            WaitingSpawner.keeper = Keeper(self.log)
        return WaitingSpawner.keeper

    def _form_shown(self, available: Available, options: Any) -> None:
        """Have the pod of the preselected choice made, if a form is shown to somebody for their own server."""
        super()._form_shown(available, options)
        if not self._may_wait() or not self._is_own_form():
            return
        choice, gone = nearest_choice(options, available)
        if not gone.keys() & {"profile", "image"}:
            self._prepare(choice)

    def _may_wait(self) -> bool:
        """Whether a pod may be made in advance for this server now."""
        if self.start_ahead == "off" or self._identity is None or self.active:
            return False
        # A hub without the sample configuration has not checked this when it began.
        return not self.internal_ssl and not self.services_enabled

    def _is_own_form(self) -> bool:
        reader = getattr(getattr(self, "handler", None), "current_user", None)
        return reader is None or reader.name == self.user.name

    def _prepare(self, choice: Choice) -> None:
        """Have the pod of a choice made in place of any other one; if it cannot be made in advance, there is none."""
        wanted, keeper = choice.to_options(), self._running_keeper()
        # An exclusive volume would be kept from others for a server that nobody has asked for.
        is_exclusive = any(mount.exclusive for mount in mounts_for(self.pod_settings().mounts, self._groups))
        if is_exclusive or choice.is_custom or choice.reset_environment:
            keeper.drop(self.user.name, "OtherChoice")
            return
        keeper.begin(
            self.user.name,
            self.name,
            wanted,
            limit=self.start_ahead_limit,
            make=partial(self._make_ahead, wanted),
            reflector=lambda: self.pod_reflector,
            is_wanted=partial(self._is_still_offered, wanted, self._groups),
        )

    async def _is_still_offered(self, options: Mapping[str, Any], groups: Sequence[str]) -> bool:
        """Whether the person is still in the same groups, and may choose the same."""
        if self.user.orm_user not in self.user.db:
            # The user was deleted.
            return False
        return self._groups == groups and await self._nearest(options) == options

    async def _nearest(self, options: Any) -> dict[str, Any]:
        """Return the options of the choice that a form would preselect from these."""
        return nearest_choice(options, await self.available())[0].to_options()

    def leave(self, reason: str) -> None:
        """Remove any pod that waits for this person: they log out."""
        if self.keeper is not None:
            self.keeper.drop(self.user.name, reason)

    # What the form asks.

    def _ahead_questions(self) -> AheadQuestions | None:
        if not self._may_wait() or not self._is_own_form():
            return None
        # Joined by hand: the path of the default server ends with a slash.
        url = f"{url_path_join(self.hub.base_url, 'jhkube/ahead')}/{url_escape_path(self.name)}"
        return AheadQuestions(url, follows=self.start_ahead == "form-and-changes")

    def ahead_view(self) -> AheadView:
        """Return what the form says of the pod that is made for it."""
        if self.keeper is None or self.active:
            return AheadView("none")
        return self.keeper.view(self.user.name, self.name, self.pod_reflector.pods if self.pod_reflector else {})

    async def follow_choice(self, fields: Mapping[str, Sequence[str]]) -> None:
        """Have the pod of what the form shows now made, if the operator allows that.

        Parameters
        ----------
        fields
            The form's fields, as the browser would send them with a start.
        """
        if self.start_ahead != "form-and-changes" or not self._may_wait():
            return
        try:
            choice = chosen(options_from_form(fields), await self.available())
        except OptionError:
            # It is half typed, and a start would be refused.
            return
        # The person may have pressed Start meanwhile.
        if self._may_wait():
            self._prepare(choice)

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
            return await self._made_by(spawner)
        except BaseException:
            # Who is cancelled right after the pod was made does not hear of it.
            if spawner._has_made is not None:
                remove_in_background(spawner.api, spawner._has_made.place, spawner._has_made.uid, self.log)
            raise

    async def _made_by(self, spawner: WaitingSpawner) -> WaitingPod:
        """Have another object of this class make its pod."""
        try:
            async with asyncio.timeout(self.start_ahead_seconds):
                if self.authenticator:
                    await maybe_future(self.authenticator.pre_spawn_start(self.user, spawner))
                await spawner.run_auth_state_hook(await self.user.get_auth_state())
                await spawner.apply_group_overrides()
                await spawner._run_apply_user_options(spawner.user_options)
                await maybe_future(spawner.run_pre_spawn_hook())
                await spawner.start()
        except Made:
            assert spawner._has_made is not None
            return spawner._has_made
        except HTTPError as refused:
            raise NotTaken("Refused", str(refused), str(getattr(refused, "jupyterhub_message", ""))) from None
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
        self._has_made = WaitingPod(
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
            cores=float(self.cpu_guarantee or self.cpu_limit or 0),
        )
        raise Made(self._has_made.place)

    def _remove_made(self, making: asyncio.Future[tuple[str, str]]) -> None:
        if not making.cancelled() and making.exception() is None:
            remove_in_background(self.api, self._pod_key, making.result()[0], self.log)

    def _fingerprint(self, pod: V1Pod) -> str:
        return fingerprint(self.api.api_client.sanitize_for_serialization(pod), self._plain_files())

    def _plain_files(self) -> SecretFiles:
        settings = self.pod_settings()
        assert self._identity is not None
        tokens = {host.host: self._token for host in settings.git.hosts}
        return secret_files(settings, self._identity, tokens)


_sweeps: set[asyncio.Task[None]] = set()
"""Kept so that none is collected before it is done."""

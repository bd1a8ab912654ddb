"""A spawner of one of several hubs: it starts servers of its own people, and takes a home before it makes a pod."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from kubernetes_asyncio.client import ApiException
from kubespawner import KubeSpawner
from traitlets import default

from jhkube.home_leases import HomeInUse, drop_reservation, last_hub, take_home
from jhkube.hubs import hub_of
from jhkube.kube import API_ERRORS, FORBIDDEN, error_text
from jhkube.pod.home_lease import HomeLease, HomePod, home_key, lease_name
from jhkube.pod.secret import secret_name
from jhkube.secret_objects import delete_secret
from jhkube.spawner_ahead import AheadSpawner
from jhkube.spawner_options import StartRefused
from jhkube.spawner_ownership import identity_in
from jhkube.watch.pods import remove_in_background

__all__ = ["LeasingSpawner"]

ENDING_PAUSE = 1.0
"""Seconds between two looks at a server of another hub that is being stopped."""

NO_HOME = (
    "Several hubs share homes here, and your login does not tell this hub which is yours. Tell your administrator."
)
NO_LEASES = (
    "This hub may not see whether another hub uses your home. Tell your administrator: the hub's account needs get,"
    " create and update on leases, and list on pods."
)
UNKNOWN = "Nobody can tell whether another hub uses your home. Tell your administrator: the hub's log has the reason."


class LeasingSpawner(AheadSpawner):
    """A spawner that uses a home only while no other hub does."""

    _takes_home = False
    """Whether this is a start; a pod that is only shown takes no home."""

    _reserved: tuple[HomeLease, HomePod] | None = None
    """The home that this start has taken, and what it has taken it for, until there is a pod."""

    @default("pod_name_template")
    def _pod_name_template_default(self) -> str:
        # Hubs that share a namespace would take each other's pods for their own.
        if self.hub_name:
            return f"jupyter-{self.hub_name}-{{user_server}}"
        return str(KubeSpawner.class_traits()["pod_name_template"].default_value)

    def _hub_words(self, name: str) -> str:
        """Return what people read of another hub: its name, and where it is."""
        url = next((hub.url for hub in self.parsed_hubs() if hub.name == name), "")
        return f"{name} ({url})" if url else name

    def _check_whose(self) -> None:
        """Refuse to start the server of somebody who belongs to another hub."""
        if self.is_guest or not self.hubs:
            return
        hub = hub_of(self.parsed_hubs(), self.user.name, self._groups)
        if hub is not None and hub.name != self.hub_name:
            raise StartRefused(f"Your servers run at the hub {self._hub_words(hub.name)}. Start them there.")

    def start(self) -> Any:
        """Start the pod; see `_start`."""
        self._takes_home = self._leases_home
        return super().start()

    async def load_user_options(self) -> None:
        """Apply what was chosen, if the person belongs to this hub."""
        self._check_whose()
        await super().load_user_options()

    def _may_wait(self) -> bool:
        # A pod that waits would have the home for a start that may never come.
        return not self.home_lease and super()._may_wait()

    # The home.

    @property
    def _leases_home(self) -> bool:
        """Whether there is a home that other hubs have too."""
        # That of a guest goes with the pod.
        return self.home_lease and not self.is_guest

    @property
    def _lease_namespace(self) -> str:
        return self.home_lease_namespace or str(self.namespace)

    def _wanted_lease(self) -> HomeLease:
        identity = self._identity
        # Without a hub nothing comes between a new pod and its Secret.
        is_alone = self._takes_home and self.pod_start is None
        if identity is None or not self.hub_name or is_alone:
            self._pod_log.error("home_lease needs hub_name, a login that tells who a person is, and a hub's start")
            raise StartRefused(NO_HOME)
        key = home_key(self.pod_settings().home, identity, self.namespace, self.pvc_name)
        return HomeLease(
            name=lease_name(key), home=key, subject=identity.subject, hub=self.hub_name, pods=frozenset()
        )

    async def _reserve_home(self) -> None:
        """Take the home for this start; waits while another hub's server that has it is being stopped.

        Raises
        ------
        StartRefused
            Where another hub uses it, or nobody can tell.
        """
        if not self._takes_home:
            return
        wanted, pod = self._wanted_lease(), HomePod(self.namespace, self.pod_name)
        while True:
            try:
                await self._retried(partial(take_home, self.api, self._lease_namespace, wanted, pod))
            except HomeInUse as used:
                if not used.is_ending:
                    raise self._refused_home(used) from None
                sentence = f"Your home is free when your server at the hub {self._hub_words(used.hub)} has stopped."
                if sentence not in self._warnings:
                    self._pod_log.info("waits for its home, until a server at the hub %s is gone", used.hub)
                    self._warnings.append(sentence)
            except (ValueError, ApiException) as error:
                raise self._unknown_home(error) from None
            else:
                break
            await asyncio.sleep(ENDING_PAUSE)
        self._reserved = wanted, pod
        # An earlier pod of the same name may have left its own, with which this one would run at once.
        await self._retried(partial(delete_secret, self.api, self.namespace, secret_name(self.pod_name)))

    async def _keep_home(self, uid: str) -> None:
        """Name the start's pod in the home's Lease, before the pod can run.

        Raises
        ------
        StartRefused
            Where another hub has taken the home meanwhile. The pod is removed then.
        """
        if not self._takes_home:
            return
        try:
            await self._name_pod(uid)
        except StartRefused:
            remove_in_background(self.api, self._pod_key, uid, self.log)
            raise
        self._reserved = None

    async def _check_home(self, uid: str) -> None:
        """Name a pod that is there in the home's Lease, before it gets a Secret outside of its start.

        The hub may have been killed between making the pod and naming it, and the home may be another hub's since.

        Raises
        ------
        StartRefused
            Where another hub has the home. The pod stays: the hub that cannot reach it removes it.
        """
        if self._leases_home:
            await self._name_pod(uid)

    async def _name_pod(self, uid: str) -> None:
        pod = HomePod(self.namespace, self.pod_name, uid)
        try:
            await take_home(self.api, self._lease_namespace, self._wanted_lease(), pod)
        except HomeInUse as error:
            raise self._refused_home(error) from None
        except ValueError as error:
            raise self._unknown_home(error) from None

    def _refused_home(self, used: HomeInUse) -> StartRefused:
        hub = self._hub_words(used.hub)
        if used.seconds:
            return StartRefused(
                f"A server at the hub {hub} is starting with your home. Stop it there, or try again in {used.seconds}"
                " seconds."
            )
        return StartRefused(f"Your home is in use by your server at the hub {hub}. Stop that server first.")

    def _unknown_home(self, error: ValueError | ApiException) -> StartRefused:
        self._pod_log.error("nobody can tell who uses its home: %s", error_text(error))
        is_forbidden = isinstance(error, ApiException) and error.status == FORBIDDEN
        return StartRefused(NO_LEASES if is_forbidden else UNKNOWN)

    async def _start(self) -> str:
        try:
            return await super()._start()
        except BaseException:
            if self._reserved is not None:
                task = asyncio.create_task(self._free_home(*self._reserved))
                _tasks.add(task)
                task.add_done_callback(_tasks.discard)
            raise
        finally:
            self._reserved = None

    async def _free_home(self, lease: HomeLease, pod: HomePod) -> None:
        """Free the home of a start that has made no pod; without this it is free a little later."""
        try:
            async with asyncio.timeout(self.k8s_api_request_timeout):
                await drop_reservation(self._lease_namespace, lease, pod)
        except (ValueError, *API_ERRORS) as error:
            self._pod_log.warning("its home stays reserved for a moment: %s", error_text(error))

    # What is deleted with a person.

    async def _is_elsewhere(self) -> bool:
        """Whether the person belongs to another hub, or used the home there last: what is theirs stays then."""
        if self.is_guest:
            return False
        hub = hub_of(self.parsed_hubs(), self.user.name, self._groups) if self.hubs else None
        if hub is not None and hub.name != self.hub_name:
            self.log.info("%s: its person's home belongs to the hub %s now, so it stays", self._log_name, hub.name)
            return True
        if not self._leases_home:
            return False
        identity = identity_in(await self.user.get_auth_state() or {})
        if identity is None:
            self.log.warning("%s: nobody knows whose home it is, so the home stays", self._log_name)
            return True
        key = home_key(self.pod_settings().home, identity, self.namespace, self.pvc_name)
        last = await last_hub(self._lease_namespace, lease_name(key))
        if last not in ("", self.hub_name):
            self.log.info("%s: its person's home was last used at the hub %s, so it stays", self._log_name, last)
        return last not in ("", self.hub_name)

    async def _make_delete_pvc_request(self, pvc_name: str, request_timeout: float) -> bool:
        """Delete the claim of a person who is deleted, but not that of one who has moved to another hub."""
        return await self._is_elsewhere() or await super()._make_delete_pvc_request(pvc_name, request_timeout)

    async def _delete_own_secrets(self) -> None:
        if not await self._is_elsewhere():
            await super()._delete_own_secrets()


_tasks: set[asyncio.Task[None]] = set()
"""Kept so that none is collected before it is done."""

"""JHKubeSpawner: a pod's life, one override a lifecycle step."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from jupyterhub.app import JupyterHub
from kubernetes_asyncio.client import ApiException, V1ObjectMeta, V1OwnerReference, V1Pod, V1Secret
from traitlets import TraitError

from jhkube.identity import made_for
from jhkube.objects import HomeRefused, claim_plan, grow_claim, mark_claim, remove_quota, set_quota
from jhkube.operator_models import ConfigError
from jhkube.options_form.choice import LAB, Available
from jhkube.options_form.chosen import larger_size
from jhkube.options_form.presets import ClusterPreset
from jhkube.options_form.sizes import Size
from jhkube.pod.build import ServerFacts, build_pod
from jhkube.pod.home import HomeKind
from jhkube.pod.limits import QUOTA_NAME, is_gpu, resource_quota
from jhkube.pod.parts import ChoiceConflict
from jhkube.pod.pod_defaults import with_pod_defaults
from jhkube.pod.secret import quiet_secret, secret_manifest
from jhkube.pod.volume_claims import ClaimAction
from jhkube.secret_objects import create_secret, renew_secret
from jhkube.spawner_leases import LeasingSpawner
from jhkube.spawner_options import NO_SERVER, UNMAKEABLE, StartRefused
from jhkube.spawner_ownership import identity_in
from jhkube.watch.admission import exists_already
from jhkube.watch.ends import ENDS, lacked_memory
from jhkube.watch.failure import Failure
from jhkube.watch.kept_logs import has_ended
from jhkube.watch.reflectors import ClaimReflector
from jhkube.watch.unsaved_question import UnsavedMixin

__all__ = ["JHKubeSpawner", "begin_menu_with_hub"]

NO_CLONE = (
    "A repository is cloned as its person, and your login does not tell this hub who you are in the pod. "
    "Start without the repository."
)
NO_NAMESPACE = "This hub cannot start servers of guests, since each person has a namespace. Tell its operators."


class JHKubeSpawner(UnsavedMixin, LeasingSpawner):
    """KubeSpawner, with a live menu of images, the person's own identity in the pod, and an honest start.

    Everything that KubeSpawner does stays, and every trait of it. Who a person is comes from auth_state, where
    one of jhkube's authenticators has put it; without that the pod is KubeSpawner's own.
    """

    _asks_rights = False
    """Whether the person needs rights in the cluster themselves; a pod that is only shown needs none."""

    # Who it is.

    async def run_auth_state_hook(self, auth_state: Mapping[str, Any] | None) -> None:
        """Learn who the person is and what git may use, before a form and before a start."""
        await super().run_auth_state_hook(auth_state)
        # A refusal is for the form that answers it, not for one that is opened later.
        self._refused = None
        self._learn(auth_state or {})

    @property
    def made_for(self) -> str:
        """The subject of the person for whom the pod was made; empty where there is none, or none that says so."""
        return made_for(self._known_pod())

    async def _may_be_asked(self) -> bool:
        """Whether the pod says that it is this person's, and still has its address: it is sent the server's token."""
        pod, identity = self._known_pod(), identity_in(await self.user.get_auth_state() or {})
        return pod is not None and not has_ended(pod) and made_for(pod) == (identity.subject if identity else "")

    # How the last server ended.

    async def last_end(self) -> Failure | None:
        """Return why the person's last server ended on its own; None where it did not."""
        identity = identity_in(await self.user.get_auth_state() or {})
        return self._end(identity.subject if identity else "")

    def _end(self, subject: str) -> Failure | None:
        return None if self.active else ENDS.get(self.user.id, self.name, subject)

    async def larger_size(self) -> Size | None:
        """Return the next size to choose, after a server that had too little memory; None where there is none."""
        end = await self.last_end()
        if end is None or self.image_menu is None or not lacked_memory(end.reason, end.detail):
            return None
        return larger_size(self._last_options(), await self.available(), self.ceiling.memory)

    def _advised(self, options: Any, available: Available) -> tuple[Any, dict[str, str]]:
        """Return the options with a larger size, after a server that had too little memory."""
        end = self._end(self._identity.subject if self._identity else "")
        larger = larger_size(options, available, self.ceiling.memory) if end is not None else None
        if end is None or larger is None or not lacked_memory(end.reason, end.detail):
            return super()._advised(options, available)
        said = f"Your last server had too little memory, so {larger.display_name} is chosen here."
        return {**(options or {}), "size": larger.name}, {"size": said}

    # The pod.

    async def load_user_options(self) -> None:
        """Apply what was chosen, and see to the home before KubeSpawner comes to the claim."""
        await super().load_user_options()
        if self._choice is not None and self._choice.warning:
            self._warnings.append(self._choice.warning)
        # Here, since the options may have set the namespace.
        if self._asks_rights:
            await self._retried(self._check_rights)
        if self.storage_pvc_ensure:
            if self.enable_user_namespaces:
                # Before anything is written in there.
                await self._retried(self._check_namespace)
            await self._ensure_home()
        await self._reserve_home()

    def start(self) -> Any:
        """Start the pod; see `_start`."""
        if self.is_guest:
            self.storage_pvc_ensure = False
        elif self._identity is not None and self.home == HomeKind.PVC:
            self.storage_pvc_ensure = True
        self._asks_rights = bool(self.cluster_accounts)
        return super().start()

    async def _make_create_pvc_request(self, pvc: Any, request_timeout: float) -> bool:
        """Create the claim unless it is there; false where the request is to be retried."""
        made = await super()._make_create_pvc_request(pvc, request_timeout)
        if made:
            await self._retried(self._check_claim)
        return made

    async def _ensure_namespace(self) -> None:
        if self.is_guest:
            # The hub may not delete namespaces, so nothing of a guest's would go with them.
            raise StartRefused(NO_NAMESPACE)
        await self._retried(self._check_namespace)
        await self._retried(super()._ensure_namespace)
        if not self.ceilings_are_quotas:
            return
        quota = resource_quota(self.ceiling, {*self._gpu_resources, *filter(is_gpu, self.extra_resource_limits)})
        if quota is not None:
            await self._retried(partial(set_quota, self.api, self.namespace, quota, self.k8s_api_request_timeout))
            return
        removal = partial(remove_quota, self.api, self.namespace, QUOTA_NAME, self.k8s_api_request_timeout)
        if not await self._retried(removal):
            self._pod_log.warning("its namespace may have a quota %s that the hub may not delete", QUOTA_NAME)

    async def _ensure_home(self) -> None:
        """See to the person's claim, by what the watch knows of it: no request where all is right."""
        watch = await self._start_reflector("claims", ClaimReflector, omit_namespace=self.enable_user_namespaces)
        # KubeSpawner would find it later, and take it as it is.
        self.pvc_name = self._legacy_claim(watch.claims) or self.pvc_name
        while True:
            claim = watch.claims.get(f"{self.namespace}/{self.pvc_name}")
            try:
                plan = await self._retried(
                    partial(
                        claim_plan,
                        claim,
                        self.storage_capacity or "0",
                        known=self._pvc_exists,
                        subject=self._claims_subject,
                        adopts=self._adopts_claim,
                    )
                )
            except HomeRefused as refused:
                raise self._refused_claim(claim, str(refused)) from None
            self._warn(plan.warning)
            if plan.action is not ClaimAction.WAIT:
                break
            await asyncio.sleep(1)
        self._pvc_exists = plan.action is not ClaimAction.CREATE
        mark = partial(mark_claim, self.api, self.namespace, self.pvc_name, self._claims_subject)
        if plan.is_adopted and await self._retried(mark):
            self._pod_log.info("claim %s: now says that it is %s's", self.pvc_name, self._claims_subject)
        if plan.patch is not None:
            grow = partial(grow_claim, self.api, self.namespace, self.pvc_name, plan.patch)
            self._warn(await self._retried(grow))

    def _warn(self, sentence: str) -> None:
        """Have the person read a sentence during the start, once, and the operator too."""
        if sentence and sentence not in self._warnings:
            self._pod_log.warning("claim %s: %s", self.pvc_name, sentence)
            self._warnings.append(sentence)

    async def get_pod_manifest(self) -> V1Pod:
        """Return KubeSpawner's manifest with the person's identity, home, accounts and git in it."""
        return await self._manifest_for_start(self._built_manifest)

    async def _built_manifest(self) -> V1Pod:
        try:
            pod: V1Pod = await super().get_pod_manifest()
            if self._identity is not None:
                build_pod(pod, self.pod_settings(), self._identity, self._facts(), claim_name=self.pvc_name)
            elif self._choice is not None and self._choice.repository is not None:
                raise StartRefused(NO_CLONE)
            else:
                self._pod_log.warning("no identity in auth_state, so the pod is KubeSpawner's own")
            presets = self._choice.presets if self._choice is not None else ()
            return with_pod_defaults(pod, [each.content for each in presets if isinstance(each, ClusterPreset)])
        except ChoiceConflict as error:
            raise StartRefused(str(error)) from None
        except UNMAKEABLE:
            if self.pod_start is None:
                raise
            self._pod_log.exception("cannot be made")
            raise StartRefused(NO_SERVER) from None

    def _facts(self) -> ServerFacts:
        groups = self._groups
        choice = self._choice
        if choice is None or choice.profile != LAB:
            return ServerFacts(hub_groups=groups, hub=self.hub_name)
        return ServerFacts(
            hub=self.hub_name,
            image_reference=choice.entry.reference if choice.entry else choice.image,
            image_tag=choice.entry.tag.tag if choice.entry else "",
            image_digest=choice.entry.digest if choice.entry else "",
            size=choice.size.name if choice.size else "",
            hub_groups=groups,
            repository=choice.repository,
            secrets=choice.secrets,
            disks=choice.disks,
            warning=choice.warning,
        )

    async def _make_create_pod_request(self, pod: V1Pod, request_timeout: float) -> bool:
        """Create the pod, and its Secret at once after it, so that kubelet finds it; false to be retried.

        Unlike upstream's this never logs a manifest.
        """
        if await self._becomes_waiting(pod) or await self._takes_waiting(pod):
            return True
        start = self.pod_start
        if start is None:
            made: bool = await super()._make_create_pod_request(pod, request_timeout)
            return made
        files = None if self._identity is None else self._secret_files()

        async def with_secret(uid: str) -> None:
            # Before the Secret: no container of the pod starts without it.
            await self._keep_home(uid)
            if files is not None:
                pod.metadata.uid = uid
                await create_secret(self.api, self.namespace, secret_manifest(pod, files))

        try:
            await start.create(pod, request_timeout, with_secret)
        except TimeoutError:
            return False
        except ApiException as error:
            if not exists_already(error) or start.uid:
                raise
            self._pod_log.info("is there already; removing it")
            await self.stop(True)
            return False
        facts = self._facts()
        image = f"{facts.image_reference} at {facts.image_digest}" if facts.image_digest else self.image
        self._pod_log.info("made from %s%s", image, f", size {facts.size}" if facts.size else "")
        return True

    def get_secret_manifest(self, owner_reference: V1OwnerReference) -> V1Secret:
        """Return the Secret with the certificates of `internal_ssl`; KubeSpawner logs it where it is refused."""
        return quiet_secret(super().get_secret_manifest(owner_reference))

    async def renew_token(self, auth_state: Mapping[str, Any]) -> None:
        """Bring the provider's new token, and who the person is now, into the running pod.

        The authenticator calls this when a refresh of auth_state brought something new.

        Raises
        ------
        PermissionError
            Where the pod, or the start that has made none yet, is somebody else's: nothing new has reached it.
        StartRefused
            Where the pod may not have the home, since another hub has it.
        """
        pod, identity = self._known_pod(), identity_in(auth_state)
        subject = made_for(pod) if pod is not None or self._identity is None else self._identity.subject
        if not subject:
            return
        if identity is None or identity.subject != subject:
            raise PermissionError(f"the pod was made for {subject}, and the token is another person's")
        self._learn(auth_state)
        if pod is None:
            return
        known = pod["metadata"]
        kept = ("name", "namespace", "uid", "labels", "annotations")
        owner = V1Pod(metadata=V1ObjectMeta(**{field: known.get(field) for field in kept}))
        await renew_secret(self.api, owner, self._secret_files(), partial(self._check_home, known["uid"]))
        self._pod_log.info("has the renewed token in its Secret")


def begin_menu_with_hub() -> None:
    """Begin the image menu with the hub that reads this configuration, before anybody logs in.

    Called in a configuration file, where the hub's event loop runs already; without one, as in
    `jupyterhub --generate-config`, there is nothing to begin. A hub whose settings of servers cannot be used, or do
    not go together, ends here with a sentence about them, and not at somebody's start.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    # Not at once: files that come later may have settings of the menu and of servers too.
    loop.call_soon(lambda: _begin(JupyterHub.instance()))


def _begin(hub: JupyterHub) -> None:
    try:
        if issubclass(hub.spawner_class, JHKubeSpawner):
            hub.spawner_class(_mock=True, config=hub.config).check_together()
            hub.spawner_class.begin_ahead(hub.config)
    except (TraitError, ConfigError) as error:
        hub.log.critical("The hub cannot start servers with its configuration: %s", error)
        hub.exit(1)
    except Exception as error:
        # It takes a cluster to make one, and a hub without it says so later.
        hub.log.warning("The settings of servers are not checked: %s", error)
    JHKubeSpawner.running_menu(hub.config)

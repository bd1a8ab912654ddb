# mypy: allow-untyped-calls
"""Whose a spawner's objects are: the person it works for, and what the cluster has under their name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from jupyterhub.utils import maybe_future
from kubernetes_asyncio.client import ApiException, V1PersistentVolumeClaim

from jhkube.cluster_accounts import STARTS, ClusterAccount, NoClusterAccount, Right
from jhkube.identity import AUTH_STATE_KEY, SUBJECT_ANNOTATION, UserIdentity, made_for
from jhkube.kube import API_ERRORS, FORBIDDEN, error_text
from jhkube.objects import lacking_rights, own_disks, owner_of_namespace, pod_defaults, read_claim
from jhkube.operator_models import ConfigError, read_model
from jhkube.options_form.presets import ClusterPreset
from jhkube.pod.own_secrets import secrets_in
from jhkube.pod.pod_defaults import read_pod_default
from jhkube.pod.volume_claims import may_delete, names_a_person, refusal
from jhkube.secret_objects import delete_own_secrets, read_list_of_secrets
from jhkube.spawner_options import ChoosingSpawner, StartRefused
from jhkube.watch.admission import is_momentary

__all__ = ["OwningSpawner", "cluster_account", "identity_in"]

LIST_PAUSES = (0.2, 0.8)
"""Seconds before what is a person's own is asked for again, where the API server is busy and somebody waits."""

_T = TypeVar("_T")

GET_POD_DEFAULTS: Final = Right("get", "poddefaults", "kubeflow.org")
"""What a person must be allowed to choose PodDefaults."""

POD_DEFAULTS_KEPT: Final = 10.0
"""Seconds for which they are taken to be the same."""


def cluster_account(spawner: Any, auth_state: Mapping[str, Any]) -> ClusterAccount | None:
    """Return who a spawner's person is to the cluster's API server; None where nothing says that people are anybody.

    Raises
    ------
    NoClusterAccount
        Where it is configured how people are called there, and their login does not say who they are.
    """
    parsed = getattr(spawner, "parsed_cluster_accounts", None)
    accounts = parsed() if parsed is not None else None
    return accounts.account(auth_state) if accounts else None


def identity_in(auth_state: Mapping[str, Any]) -> UserIdentity | None:
    """Return the identity that one of jhkube's authenticators has put into auth_state; None where none has."""
    found = auth_state.get(AUTH_STATE_KEY)
    return UserIdentity.from_dict(found) if found else None


@dataclass(frozen=True, slots=True)
class KeptPodDefaults:
    """The PodDefaults that a person may choose, for a while: a page asks for the choices several times."""

    known: tuple[str, str, ClusterAccount | None]
    """The namespace, the person's immutable id, and who they are to the API server."""

    presets: tuple[ClusterPreset, ...]
    until: float
    """By the monotonic clock."""


class OwningSpawner(ChoosingSpawner):
    """Compares the claim and the namespace of a person's name with the person, by the provider's immutable id.

    A name can pass from one person to another: at the provider, in the hub's configuration, or because the hub's
    database was lost.
    """

    _identity: UserIdentity | None = None
    _token = ""
    _account: ClusterAccount | NoClusterAccount | None = None
    """Who the person is to the API server, or why nobody knows; None where it is not asked for their rights."""
    _kept_pod_defaults: KeptPodDefaults | None = None

    def _learn(self, auth_state: Mapping[str, Any]) -> None:
        self._identity = identity_in(auth_state)
        self._token = auth_state.get("access_token") or ""
        try:
            self._account = cluster_account(self, auth_state)
        except NoClusterAccount as error:
            self._account = error

    def _subject(self, *templates: str) -> str:
        """Return whose something is that is named by templates; empty where that is not one person's, or unknown."""
        if self._identity is None or not any(map(names_a_person, templates)):
            return ""
        return self._identity.subject

    @property
    def _claims_subject(self) -> str:
        namespaces = [self.user_namespace_template] if self.enable_user_namespaces else []
        return self._subject(self.pvc_name_template, *namespaces)

    @property
    def _adopts_claim(self) -> bool:
        """Whether a claim that does not say whose it is becomes the person's."""
        return not self._claims_subject or self.adopt_claims or self._has_used_claim

    @property
    def _is_from_older_kubespawner(self) -> bool:
        return str(self._state_kubespawner_version) == "unknown"

    @property
    def _has_used_claim(self) -> bool:
        """Whether the hub's database knows the claim from an earlier start of one of the person's servers."""
        # KubeSpawner before version 7 kept no names of claims.
        if self._pvc_exists or self._is_from_older_kubespawner:
            return True
        states = [each.state or {} for each in self.user.orm_user.orm_spawners.values()]
        return any(state.get("pvc_name") == self.pvc_name for state in states)

    def get_pvc_manifest(self) -> V1PersistentVolumeClaim:
        """Return KubeSpawner's claim, with whose it is."""
        claim: V1PersistentVolumeClaim = super().get_pvc_manifest()
        if subject := self._claims_subject:
            claim.metadata.annotations[SUBJECT_ANNOTATION] = subject
        return claim

    async def _check_claim(self) -> None:
        """Look at the claim that was to be created: one of its name may have been there, unseen by the watch."""
        if self._claims_subject:
            claim = await read_claim(self.api, self.namespace, self.pvc_name)
            if claim is not None and (sentence := refusal(claim, self._claims_subject, adopts=self._adopts_claim)):
                raise self._refused_claim(claim, sentence)

    def _refused_claim(self, claim: Mapping[str, Any] | None, sentence: str) -> StartRefused:
        owner, subject = made_for(claim) or "nobody known", self._claims_subject
        self.log.error(
            "%s: claim %s, made for %s, is refused to %s: %s",
            *(self._log_name, self.pvc_name, owner, subject, sentence),
        )
        return StartRefused(sentence)

    async def _subject_now(self) -> str:
        """Return the person's immutable id as auth_state has it now; empty where nobody knows it."""
        identity = identity_in(await self._auth_state_now())
        return identity.subject if identity else ""

    async def _auth_state_now(self) -> Mapping[str, Any]:
        # Where there is no hub, a person may be no more than a name.
        ask = getattr(self.user, "get_auth_state", dict)
        auth_state = await maybe_future(ask())
        return auth_state if isinstance(auth_state, Mapping) else {}

    async def own_secret_names(self) -> tuple[str, ...]:
        """Return the names of the secrets that are surely the person's; none while the API server does not tell."""
        subject = await self._subject_now()
        if not subject:
            return ()
        request = partial(read_list_of_secrets, self.api, self.namespace, subject, self.k8s_api_request_timeout)
        try:
            found = await self._asked_again(request)
        except API_ERRORS as error:
            self.log.warning("%s: its person's secrets are not known: %s", self._log_name, error_text(error))
            return ()
        return tuple(each.name for each in secrets_in(found, subject))

    async def own_disk_names(self) -> tuple[str, ...]:
        """Return the names of the claims that are surely the person's; none while the API server does not tell.

        This server's home is none of them. Where hubs share homes, no home is: one may be in use at another hub.
        """
        subject = await self._subject_now()
        if not subject:
            return ()
        timeout = self.k8s_api_request_timeout
        request = partial(own_disks, self.api, self.namespace, self.user.name, subject, timeout)
        try:
            found = await self._asked_again(partial(request, made_alone=self.home_lease))
        except API_ERRORS as error:
            self.log.warning("%s: its person's disks are not known: %s", self._log_name, error_text(error))
            return ()
        return tuple(name for name in found if name != self.pvc_name)

    async def _asked_again(self, request: Callable[[], Awaitable[_T]]) -> _T:
        """Return the answer of the API server, which is asked twice more while it is busy; raises as the request."""
        for pause in LIST_PAUSES:
            try:
                return await request()
            except ApiException as error:
                if not is_momentary(error):
                    raise
            await asyncio.sleep(pause)
        return await request()

    async def cluster_presets(self) -> tuple[ClusterPreset, ...]:
        """Return the PodDefaults that the person may choose; none while the API server does not tell."""
        if self.pod_defaults == "off" or self.is_guest:
            return ()
        auth_state = await self._auth_state_now()
        identity, kept = identity_in(auth_state), self._kept_pod_defaults
        try:
            account = cluster_account(self, auth_state)
            known = (self.namespace, identity.subject if identity else "", account)
            if kept is not None and time.monotonic() < kept.until and kept.known == known:
                return kept.presets
            rights = [GET_POD_DEFAULTS]
            asking = partial(lacking_rights, account, self.namespace, rights) if account else None
            lacking = await self._asked_again(asking) if asking else []
            listing = partial(pod_defaults, self.namespace, self.k8s_api_request_timeout)
            found = [] if lacking else await self._asked_again(listing)
        except NoClusterAccount:
            return ()
        except API_ERRORS as error:
            self.log.warning("%s: no PodDefaults are known: %s", self._log_name, error_text(error))
            return ()
        presets = tuple(preset for each in found if (preset := self._pod_default(each)) is not None)
        until = time.monotonic() + POD_DEFAULTS_KEPT
        self._kept_pod_defaults = KeptPodDefaults(known, presets, until)
        return presets

    def _pod_default(self, found: Mapping[str, Any]) -> ClusterPreset | None:
        """Return a PodDefault as a preset; None, and a line in the log, where it is not one to choose."""
        name = str(found["metadata"]["name"])
        try:
            default = read_pod_default(found, with_secrets=self.pod_defaults == "all")
            more = {"display_name": default.description, "labels_to_choose": default.labels, "content": default}
            return read_model(ClusterPreset, "metadata", {"name": name, **more})
        except ConfigError as error:
            self.log.info("PodDefault %s/%s is not offered: %s", self.namespace, name, error)
            return None

    async def delete_forever(self) -> None:
        """Delete what is the person's own, together with KubeSpawner's claim, when the person is deleted."""
        try:
            await super().delete_forever()
        finally:
            await self._delete_own_secrets()

    async def _delete_own_secrets(self) -> None:
        subject = "" if self.name or not self.own_secrets else await self._subject_now()
        if subject:
            await delete_own_secrets(self.api, self.namespace, subject, self.k8s_api_request_timeout)

    async def _make_delete_pvc_request(self, pvc_name: str, request_timeout: float) -> bool:
        """Delete the claim of a person who is deleted, but not one that was made for somebody else."""
        if self.is_guest:
            # A claim that has this name is not theirs: they have none.
            return True
        self._learn(await self._auth_state_now())
        claim = await read_claim(self.api, self.namespace, pvc_name)
        subject = self._claims_subject
        if claim and not may_delete(claim, subject, known=not subject or self._has_used_claim):
            owner = made_for(claim) or "nobody known"
            self.log.warning("%s: claim %s stays: it was made for %s", self._log_name, pvc_name, owner)
            return True
        return bool(await super()._make_delete_pvc_request(pvc_name, request_timeout))

    def _legacy_claim(self, claims: Mapping[str, Any]) -> str:
        """Return the claim's name as KubeSpawner before version 7 made it, where there is only that one."""
        if self._pvc_exists or not self._is_from_older_kubespawner:
            return ""
        if not (self.handle_legacy_names and self.remember_pvc_name):
            return ""
        legacy = str(self._expand_user_properties(self.pvc_name_template, slug_scheme="escape"))
        is_only = f"{self.namespace}/{self.pvc_name}" not in claims and f"{self.namespace}/{legacy}" in claims
        return legacy if is_only else ""

    async def _check_rights(self) -> None:
        """Refuse a start of somebody who may not make themselves what is about to be made for them."""
        account = self._account
        if not isinstance(account, ClusterAccount):
            why = account or "This hub has no information about your login."
            raise StartRefused(f"{why} Log in again; tell your administrator if it happens again.")
        try:
            lacking = await lacking_rights(account, self.namespace, STARTS)
        except ApiException as error:
            if error.status != FORBIDDEN:
                raise
            self.log.error("%s: the hub's account may not create subjectaccessreviews", self._log_name)
            raise StartRefused(
                "This hub is not allowed to ask the cluster what you may do there. Tell your administrator: the hub's"
                " account needs create on subjectaccessreviews."
            ) from None
        if lacking:
            words = " and ".join(each.words for each in lacking)
            self.log.warning("%s: %s may not %s in %s", self._log_name, account.name, words, self.namespace)
            raise StartRefused(
                f"You ({account.name}) may not {words} in the namespace {self.namespace} of this cluster. Ask an"
                " administrator of the cluster for a Role that allows it."
            )

    async def lost_rights(self, auth_state: Mapping[str, Any]) -> str:
        """Return the rights in the cluster that the person needs for a server and has no more; empty for none.

        Raises
        ------
        ApiException
            Where the API server does not say.
        """
        try:
            account = cluster_account(self, auth_state)
        except NoClusterAccount:
            # Their next start says it.
            return ""
        lacking = await lacking_rights(account, self.namespace, STARTS, surely=True) if account else []
        return " and ".join(each.words for each in lacking)

    async def _check_namespace(self) -> None:
        """Refuse a namespace that was made for somebody else; have a new one say whose it is."""
        subject = self._subject(self.user_namespace_template)
        if not subject:
            return
        owner = await owner_of_namespace(self.api, self.namespace)
        if owner not in ("", None, subject):
            self.log.error(
                "%s: namespace %s, made for %s, is refused to %s",
                *(self._log_name, self.namespace, owner, subject),
            )
            raise StartRefused(
                f"The namespace {self.namespace} has your name but belongs to another account. Ask an administrator:"
                " they can hand it over to you."
            )
        # KubeSpawner fills in templates here.
        written = subject.replace("{", "{{").replace("}", "}}")
        self.user_namespace_annotations = {**self.user_namespace_annotations, SUBJECT_ANNOTATION: written}

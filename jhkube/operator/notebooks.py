"""What is done for a notebook: what there is compared with what is asked for, made so, and told in the status."""

from __future__ import annotations

import logging
import secrets
import string
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from kubernetes_asyncio.client.exceptions import ApiException

from jhkube.kube import CONFLICT, NOT_FOUND
from jhkube.operator.cluster import Cluster
from jhkube.operator.conditions import Outcome, Phase
from jhkube.operator.notebook_objects import (
    FILES_ANNOTATION,
    HASH_ANNOTATION,
    NotebookObjects,
    has_owner,
    notebook_objects,
    secret_of,
)
from jhkube.operator.notebook_spec import Notebook, NotebookDefaults, kept_token, object_name, read_notebook
from jhkube.operator.notebook_status import current_pod, notebook_outcome, notebook_status
from jhkube.operator.seen_notebooks import SeenNotebooks
from jhkube.operator.told import tell
from jhkube.operator.work import Backoff, TryAgain
from jhkube.pod.secret import secret_patch
from jhkube.watch.admission import admission_failure, is_momentary

__all__ = ["Notebooks"]

log = logging.getLogger("jhkube.operator")

_CHILDREN: Final = ("Service", "Ingress", "Deployment")
_ALPHABET: Final = string.ascii_letters + string.digits
_UNPROCESSABLE: Final = 422

LEFT: Final = Outcome(
    Phase.PENDING, "Replacing", "The notebook starts when what an earlier one of its name has left is gone."
)


class Notebooks:
    """What is done for JupyterNotebooks.

    Parameters
    ----------
    cluster
        Requests to the API server.
    seen
        What there is.
    defaults
        What notebooks have that do not say it themselves.
    """

    def __init__(self, cluster: Cluster, seen: SeenNotebooks, defaults: NotebookDefaults) -> None:
        self._cluster = cluster
        self._seen = seen
        self._defaults = defaults
        self._remakes: dict[str, tuple[Backoff, float]] = {}
        # Which state of a resource the API server refused, and until when it is not tried again.
        self._refused: dict[str, tuple[object, Backoff, float]] = {}
        # The Secrets that are there for certain, by the notebook's key: the operator may not read Secrets.
        self._secrets: set[str] = set()

    def doubt(self) -> None:
        """Take nothing for certain that no watch tells of."""
        self._secrets.clear()

    async def reconcile(self, key: str) -> float | None:
        """Make a notebook what its resource asks for, and write how it stands into the status.

        Returns
        -------
        In how many seconds to look at it again, or None where a change will tell.

        Raises
        ------
        ApiException
            Where the API server refuses, and may not later.
        TryAgain
            Where what is known is too old.
        """
        body = self._seen.known["JupyterNotebook"].get(key)
        if body is None or body["metadata"].get("deletionTimestamp"):
            # What was made for it goes by its owner references.
            self._secrets.discard(key)
            self._remakes.pop(key, None)
            self._refused.pop(key, None)
            return None
        state = (body["metadata"]["uid"], body["metadata"].get("generation"))
        refused = self._refused.get(key)
        if refused and refused[0] == state and (left := refused[2] - time.monotonic()) > 0:
            # What was made and taken back again is a change that a watch tells of, too.
            return left
        try:
            notebook = read_notebook(body, self._defaults)
            token = kept_token(body) or "".join(secrets.choice(_ALPHABET) for _ in range(32))
            wanted = notebook_objects(notebook, token)
        except ValueError as error:
            await self._tell(body, None, "", Outcome(Phase.FAILED, "InvalidSpec", f"{error}."))
            return None
        children = {
            kind: self._seen.known[kind].get(f"{notebook.namespace}/{object_name(notebook.name)}")
            for kind in _CHILDREN
        }
        if obstacle := self._obstacle(notebook, children):
            await self._tell(body, None, "", obstacle)
            return None
        if wait := self._storm(key, body, wanted, children):
            message = "The notebook was changed or removed often, so the operator waits before it is made again."
            await self._tell(body, notebook, token, Outcome(Phase.PENDING, "BackingOff", message))
            return wait
        try:
            restarts = await self._make(key, notebook, wanted, children)
        except _Taken as error:
            await self._tell(body, None, "", Outcome(Phase.FAILED, "NameTaken", str(error)))
            # Nothing tells when a Secret is gone: it is tried again, less and less often.
            return min(300.0, max(2.0, _age(body, datetime.now(UTC))))
        except ApiException as error:
            if is_momentary(error) or error.status in (CONFLICT, NOT_FOUND):
                raise
            failure = admission_failure(error)
            await self._tell(body, None, "", Outcome(Phase.FAILED, failure.reason, failure.message))
            backoff = refused[1] if refused and refused[0] == state else Backoff(free=0, first=0.5, longest=300.0)
            delay = backoff.delay()
            self._refused[key] = (state, backoff, time.monotonic() + delay)
            return delay
        self._refused.pop(key, None)
        # A notebook of which nothing was told yet has no earlier token: an operator was ended while it was made.
        return await self._look(key, body, notebook, token, restarts and bool(kept_token(body)))

    def _obstacle(self, notebook: Notebook, children: Mapping[str, Mapping[str, Any] | None]) -> Outcome | None:
        """Return why nothing can be made for a notebook: a name that is taken, a claim that is not there."""
        for kind, child in children.items():
            if child is not None and not has_owner(dict(child), notebook.uid):
                name = child["metadata"]["name"]
                if _is_left_by(child, notebook.name):
                    return LEFT
                message = f"There is a {kind} {name} already that is not this notebook's. Choose another name for it."
                return Outcome(Phase.FAILED, "NameTaken", message)
        deployment = children["Deployment"]
        if deployment is not None and notebook.claim in _claims(deployment):
            # One that runs is left alone: its pod says what becomes of it.
            return None
        claim = self._seen.known["PersistentVolumeClaim"].get(f"{notebook.namespace}/{notebook.claim}")
        if claim is None:
            message = f"The claim {notebook.claim} does not exist. The notebook starts when it is there."
            return Outcome(Phase.FAILED, "ClaimNotFound", message)
        if claim["metadata"].get("deletionTimestamp"):
            message = f"The claim {notebook.claim} is being deleted. Name another one."
            return Outcome(Phase.FAILED, "ClaimDeleted", message)
        return None

    def _storm(
        self,
        key: str,
        body: Mapping[str, Any],
        wanted: NotebookObjects,
        children: Mapping[str, Mapping[str, Any] | None],
    ) -> float:
        """Return for how many seconds to wait before what was made already is made again; 0 to go on."""
        if not kept_token(body) or all(_is(children[kind], _child(wanted, kind)) for kind in _CHILDREN):
            return 0.0
        backoff, not_before = self._remakes.get(key) or (Backoff(free=5, first=5.0, longest=300.0), 0.0)
        now = time.monotonic()
        if now < not_before:
            return not_before - now
        self._remakes[key] = (backoff, now + backoff.delay())
        return 0.0

    async def _make(
        self,
        key: str,
        notebook: Notebook,
        wanted: NotebookObjects,
        children: Mapping[str, dict[str, Any] | None],
    ) -> bool:
        """Make or change what is not as it should be; return whether the notebook restarts."""
        made: list[str] = []
        secret = None
        deployment = children["Deployment"]
        try:
            if deployment is not None:
                await self._try_out(wanted, children)
            secret, is_new = await self._make_secret(key, notebook, wanted, deployment)
            made += ["Secret"] if is_new else []
            for kind in _CHILDREN:
                child, had = _child(wanted, kind), children[kind]
                if _is(had, child):
                    continue
                if had is None:
                    written = await self._cluster.create(child)
                    made.append(kind)
                else:
                    written = await self._cluster.replace(child, had)
                self._seen.known[kind].put(written)
        except ApiException as error:
            if error.status in (CONFLICT, NOT_FOUND):
                # It was made, changed or deleted meanwhile, by somebody else or by ourselves before we were ended.
                raise TryAgain from error
            if deployment is None and not is_momentary(error):
                await self._take_back(notebook, secret)
                self._secrets.discard(key)
            raise
        if made:
            log.info("%s: made %s", key, ", ".join(made))
        return deployment is not None and not _is(deployment, wanted.deployment)

    async def _try_out(self, wanted: NotebookObjects, children: Mapping[str, dict[str, Any] | None]) -> None:
        """Have the API server say whether it takes a change as a whole, before any part of it is written."""
        for kind in _CHILDREN:
            child, had = _child(wanted, kind), children[kind]
            if had is not None and not _is(had, child):
                await self._cluster.replace(child, had, is_trial=True)

    async def _make_secret(
        self, key: str, notebook: Notebook, wanted: NotebookObjects, deployment: Mapping[str, Any] | None
    ) -> tuple[dict[str, Any] | None, bool]:
        """Make the Secret, or bring it up to date; return it where it was written, and whether it is new."""
        template = deployment["spec"]["template"] if deployment else wanted.deployment["spec"]["template"]
        hashes = template["metadata"].get("annotations") or {}
        files = wanted.deployment["spec"]["template"]["metadata"]["annotations"][FILES_ANNOTATION]
        is_current = deployment is not None and hashes.get(FILES_ANNOTATION) == files
        if is_current and key in self._secrets:
            return None, False
        is_new = True
        try:
            secret = await self._cluster.create(wanted.secret)
        except ApiException as error:
            if error.status != CONFLICT:
                raise
            # It may be another operator's, with another token, where both made it at once.
            secret, is_new = await self._patch_secret(notebook, wanted), False
        self._secrets.add(key)
        return secret, is_new

    async def _patch_secret(self, notebook: Notebook, wanted: NotebookObjects) -> dict[str, Any]:
        name = wanted.secret["metadata"]["name"]
        patch = secret_patch(wanted.files, notebook.uid)
        try:
            return await self._cluster.patch_secret(notebook.namespace, name, patch)
        except ApiException as error:
            if error.status == _UNPROCESSABLE:
                # The patch begins with a test of the owner's uid.
                raise _Taken("Secret", name) from None
            raise

    async def _take_back(self, notebook: Notebook, secret: Mapping[str, Any] | None) -> None:
        """Delete what there is of a notebook of which something was refused: it is made as a whole or not at all.

        An operator that was ended may have made some of it.
        """
        key = f"{notebook.namespace}/{object_name(notebook.name)}"
        children = {kind: self._seen.known[kind].get(key) for kind in _CHILDREN}
        for kind, each in {"Secret": secret, **children}.items():
            # Somebody may have made one of this name since it was looked for.
            if each is None or not has_owner(dict(each), notebook.uid):
                continue
            try:
                await self._cluster.delete({"kind": kind, **each})
            except ApiException as error:
                if error.status != NOT_FOUND:
                    log.warning("%s %s could not be deleted again: %s", kind, each["metadata"]["name"], error.status)
                    continue
            if kind in children:
                self._seen.known[kind].drop(each)

    async def _look(
        self, key: str, body: Mapping[str, Any], notebook: Notebook, token: str, restarts: bool
    ) -> float | None:
        """Write how a notebook stands; return in how many seconds to look again."""
        deployment = self._seen.known["Deployment"].get(f"{notebook.namespace}/{object_name(notebook.name)}")
        if deployment is None:
            raise TryAgain
        pod = current_pod(self._seen.known["Pod"].labelled(notebook.uid), deployment)
        events = self._seen.events.of(pod["metadata"]["uid"]) if pod else []
        now = datetime.now(UTC)
        outcome, wait = notebook_outcome(deployment, pod, events, body.get("status") or {}, now, restarts=restarts)
        await self._tell(body, notebook, token, outcome)
        secret = secret_of(notebook)
        if secret in outcome.message and secret not in str((body.get("status") or {}).get("message")):
            # kubelet misses it: it is made again.
            self._secrets.discard(key)
            return 0.1
        return wait

    async def _tell(self, body: Mapping[str, Any], notebook: Notebook | None, token: str, outcome: Outcome) -> None:
        """Write the status where it has changed, with an event where people should notice."""
        status = notebook_status(notebook, token, outcome, body, datetime.now(UTC))
        known = self._seen.known["JupyterNotebook"]
        await tell(self._cluster, known, body, status, outcome)


class _Taken(ValueError):
    """An object of a name that is needed belongs to somebody else."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"There is a {kind} {name} already that is not this notebook's. Choose another name for it.")


def _is_left_by(child: Mapping[str, Any], name: str) -> bool:
    """Return whether an object was made for a notebook of this name; the garbage collector then takes it away."""
    owners = child["metadata"].get("ownerReferences") or ()
    return any((owner["kind"], owner["name"]) == ("JupyterNotebook", name) for owner in owners)


def _claims(deployment: Mapping[str, Any]) -> list[str]:
    """Return the names of the claims that a Deployment's pods mount."""
    volumes = deployment["spec"]["template"]["spec"].get("volumes") or ()
    return [each["persistentVolumeClaim"]["claimName"] for each in volumes if each.get("persistentVolumeClaim")]


def _age(body: Mapping[str, Any], now: datetime) -> float:
    return (now - datetime.fromisoformat(str(body["metadata"]["creationTimestamp"]))).total_seconds()


def _child(wanted: NotebookObjects, kind: str) -> dict[str, Any]:
    child: dict[str, Any] = getattr(wanted, kind.lower())
    return child


def _is(had: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Return whether an object was written as it is to be now."""
    if had is None:
        return False
    hashes = had["metadata"].get("annotations") or {}
    return bool(hashes.get(HASH_ANNOTATION) == wanted["metadata"]["annotations"][HASH_ANNOTATION])

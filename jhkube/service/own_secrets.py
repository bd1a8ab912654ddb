"""Secrets of people's own: made, listed and deleted, and never read.

The service's account cannot read Secrets. Which ones there are is in a ConfigMap for each person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from jhkube.identity import GUEST_SUBJECT
from jhkube.pod.own_secrets import (
    MOST_BYTES,
    MOST_FILES,
    MOST_SECRETS,
    OWN_SECRETS_PATH,
    SECRET_FILE,
    OwnSecret,
    list_manifest,
    list_name,
    object_name,
    own_secret_manifest,
    secrets_in,
)
from jhkube.service.cluster import Cluster, label_of
from jhkube.service.hub_answers import HubServers
from jhkube.service.refusals import Refusal, no_secret
from jhkube.service.server_views import UNKNOWN_PERSON

__all__ = ["OwnSecrets"]


class OwnSecrets:
    """What the routes about secrets do.

    Parameters
    ----------
    cluster
        The API server.
    is_on
        Whether people can have secrets of their own.
    """

    def __init__(self, cluster: Cluster, *, is_on: bool) -> None:
        self._cluster, self.is_on = cluster, is_on

    async def listed(self, hub: HubServers) -> list[dict[str, Any]]:
        """Return the secrets of the person whose servers these are."""
        _, secrets = await self._read(hub)
        return [_view(each) for each in secrets]

    async def make(self, hub: HubServers, user: str, name: str, files: Mapping[str, str]) -> dict[str, Any]:
        """Make a secret.

        Parameters
        ----------
        hub
            The person's servers, with who they are.
        user
            Their name in the hub, for the label.
        name
            What they call the secret.
        files
            Its texts, by file name.
        """
        found, secrets = await self._read(hub)
        _check_files(files)
        if any(each.name == name for each in secrets):
            raise Refusal(HTTPStatus.CONFLICT, f"You have a secret “{name}” already. Delete it first.", "name")
        if len(secrets) >= MOST_SECRETS:
            raise Refusal(HTTPStatus.CONFLICT, f"You can have {MOST_SECRETS} secrets. Delete one first.", "name")
        subject, labels = hub.subject, label_of(user)
        made = OwnSecret(name, tuple(sorted(files)), datetime.now(UTC).isoformat(timespec="seconds"))
        # The list first: what is on it can be deleted, whatever happens next.
        listed = list_manifest(subject, [*secrets, made], found, labels)
        found = await self._cluster.write_list_of_secrets(hub.namespace, listed)
        try:
            secret = own_secret_manifest(subject, name, files, labels)
            await self._cluster.make_secret(hub.namespace, secret)
        except Refusal:
            # It may have been made all the same, and what is not on the list could never be deleted.
            await self._cluster.delete_secret(hub.namespace, object_name(subject, name))
            without = list_manifest(subject, secrets, found, labels)
            await self._cluster.write_list_of_secrets(hub.namespace, without)
            raise
        return _view(made)

    async def remove(self, hub: HubServers, user: str, name: str) -> None:
        """Delete a secret, and take it off the list."""
        found, secrets = await self._read(hub)
        left = [each for each in secrets if each.name != name]
        if len(left) == len(secrets):
            raise no_secret(name)
        await self._cluster.delete_secret(hub.namespace, object_name(hub.subject, name))
        without = list_manifest(hub.subject, left, found, label_of(user))
        await self._cluster.write_list_of_secrets(hub.namespace, without)

    async def _read(self, hub: HubServers) -> tuple[dict[str, Any] | None, tuple[OwnSecret, ...]]:
        """Return the list of a person's secrets as it is, and what it says."""
        if not self.is_on:
            raise Refusal(HTTPStatus.NOT_FOUND, "This hub keeps no secrets for people.")
        if not hub.subject:
            raise Refusal(HTTPStatus.CONFLICT, UNKNOWN_PERSON)
        if hub.subject.startswith(GUEST_SUBJECT):
            raise Refusal(HTTPStatus.FORBIDDEN, "Guests cannot keep secrets. Log in to have some.")
        found = await self._cluster.list_of_secrets(hub.namespace, list_name(hub.subject))
        return found, secrets_in(found, hub.subject)


def _check_files(files: Mapping[str, str]) -> None:
    if not 1 <= len(files) <= MOST_FILES:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"A secret has 1 to {MOST_FILES} files.", "files")
    size = 0
    for name, text in files.items():
        if not re.fullmatch(SECRET_FILE, name):
            raise Refusal(
                HTTPStatus.BAD_REQUEST,
                "The name of a file is up to 100 letters, digits, dots, hyphens and underscores, and does not begin"
                " with two dots.",
                "files",
            )
        try:
            size += len(text.encode())
        except UnicodeEncodeError:
            raise Refusal(HTTPStatus.BAD_REQUEST, "Each file of a secret is a text in UTF-8.", "files") from None
    if size > MOST_BYTES:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"A secret has at most {MOST_BYTES} bytes.", "files")


def _view(secret: OwnSecret) -> dict[str, Any]:
    return {**asdict(secret), "files": list(secret.files), "path": f"{OWN_SECRETS_PATH}/{secret.name}"}

"""Secrets of a person's own: their names in the cluster, the list of them, and how they come into a pod.

Nobody has to read a Secret to know which ones there are: a ConfigMap for each person lists names, never values. Its
name and those of the Secrets are made of the person's immutable id, so that nobody's user name leads to them.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kubernetes_asyncio.client.models import (
    V1ConfigMap,
    V1ObjectMeta,
    V1Secret,
    V1SecretVolumeSource,
    V1Volume,
    V1VolumeMount,
)

from jhkube.identity import SUBJECT_ANNOTATION, made_for
from jhkube.pod.parts import PodParts
from jhkube.pod.secret import PRIVATE, PUBLIC, quiet_secret

__all__ = [
    "MOST_BYTES",
    "MOST_FILES",
    "MOST_SECRETS",
    "OWN_SECRETS_PATH",
    "SECRET_FILE",
    "SECRET_NAME",
    "OwnSecret",
    "list_manifest",
    "list_name",
    "object_name",
    "own_secret_manifest",
    "own_secret_parts",
    "secrets_in",
]

OWN_SECRETS_PATH: Final = "/secrets"
"""Where they are in the pod: the file `token` of `registry` is `/secrets/registry/token`."""

SECRET_NAME: Final = r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"  # noqa: S105
"""What people can call one."""

SECRET_FILE: Final = r"^(?!\.$|\.\.)[-._A-Za-z0-9]{1,100}$"  # noqa: S105
"""What its files can be called: a key of a Secret (IsConfigMapKey of the Kubernetes API), and not long."""

MOST_SECRETS: Final = 20
"""How many a person can have."""

MOST_FILES: Final = 20
"""How many files one can have."""

MOST_BYTES: Final = 32_768
"""How many bytes the files of one can have together."""


@dataclass(frozen=True, slots=True)
class OwnSecret:
    """What is told of one; never its values."""

    name: str
    files: tuple[str, ...]
    """The names of its files."""

    created: str
    """When it was made, by RFC 3339."""


def list_name(subject: str) -> str:
    """Return the name of the ConfigMap that lists a person's secrets."""
    return f"jhkube-secrets-{_digest(subject)}"


def object_name(subject: str, name: str) -> str:
    """Return the name of the Secret that a person calls `name`."""
    # No name has a slash, so no two people and names are one text.
    return f"jhkube-secret-{_digest(f'{name}/{subject}')}"


def _digest(text: str) -> str:
    # 160 bits: nobody finds another id with the same.
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def secrets_in(found: Mapping[str, Any] | None, subject: str) -> tuple[OwnSecret, ...]:
    """Return the secrets that a list has, by name; none where it does not say that it is this person's.

    Parameters
    ----------
    found
        The ConfigMap as the API server has it, or None where it has none.
    subject
        The person's immutable id.
    """
    if not subject or made_for(found) != subject:
        return ()
    secrets = []
    for name, text in ((found or {}).get("data") or {}).items():
        try:
            said = json.loads(text)
            files = tuple(str(each) for each in said["files"])
            secrets.append(OwnSecret(name, files, str(said["created"])))
        except (ValueError, TypeError, KeyError):
            # Somebody else's hand was in it.
            continue
    named = [each for each in secrets if re.fullmatch(SECRET_NAME, each.name)]
    return tuple(sorted(named, key=lambda each: each.name))


def list_manifest(
    subject: str, secrets: Iterable[OwnSecret], found: Mapping[str, Any] | None, labels: Mapping[str, str]
) -> V1ConfigMap:
    """Return the list of a person's secrets.

    Parameters
    ----------
    subject
        The person's immutable id.
    secrets
        What it lists.
    found
        The list as it was read; the API server refuses the new one if another was written meanwhile. None for the
        first one.
    labels
        The labels that it gets.
    """
    written = {each.name: json.dumps({"files": list(each.files), "created": each.created}) for each in secrets}
    metadata: Any = _metadata(list_name(subject), subject, labels)
    metadata.resource_version = found["metadata"]["resourceVersion"] if found else None
    return V1ConfigMap(api_version="v1", kind="ConfigMap", metadata=metadata, data=written)


def own_secret_manifest(subject: str, name: str, files: Mapping[str, str], labels: Mapping[str, str]) -> V1Secret:
    """Return the Secret that a person calls `name`; nothing prints its values."""
    return quiet_secret(
        V1Secret(
            api_version="v1",
            kind="Secret",
            type="Opaque",
            metadata=_metadata(object_name(subject, name), subject, labels),
            data={file: b64encode(text.encode()).decode() for file, text in files.items()},
        )
    )


def _metadata(name: str, subject: str, labels: Mapping[str, str]) -> V1ObjectMeta:
    return V1ObjectMeta(name=name, labels=dict(labels), annotations={SUBJECT_ANNOTATION: subject})


def own_secret_parts(subject: str, names: Iterable[str], *, has_fs_group: bool = True) -> PodParts:
    """Return the volumes and mounts of a person's secrets, each a folder of files that can only be read.

    Parameters
    ----------
    subject
        The person's immutable id, whatever their name is.
    names
        What the person calls them.
    has_fs_group
        Whether the pod has an fsGroup, so that the person can read what others cannot.
    """
    mode = PRIVATE if has_fs_group else PUBLIC
    named = list(names)
    return PodParts(
        volumes=tuple(
            V1Volume(
                name=f"jhkube-own-{number}",
                secret=V1SecretVolumeSource(secret_name=object_name(subject, name), default_mode=mode),
            )
            for number, name in enumerate(named)
        ),
        volume_mounts=tuple(
            V1VolumeMount(name=f"jhkube-own-{number}", mount_path=f"{OWN_SECRETS_PATH}/{name}", read_only=True)
            for number, name in enumerate(named)
        ),
    )

"""The Secret of one spawn: files that kubelet puts into the pod and refreshes there.

It holds what may not be in the pod's manifest (git tokens) and, to spare a second object, what need not
be (git configuration, passwd and group entries). The pod owns it, so it goes when the pod goes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes_asyncio.client.models import (
    V1KeyToPath,
    V1ObjectMeta,
    V1OwnerReference,
    V1Pod,
    V1Secret,
    V1SecretVolumeSource,
    V1Volume,
    V1VolumeMount,
)

from jhkube.identity import SUBJECT_ANNOTATION
from jhkube.pod.parts import PodParts

__all__ = [
    "SECRET_PATH",
    "SECRET_VOLUME",
    "SecretFiles",
    "quiet_secret",
    "secret_manifest",
    "secret_name",
    "secret_parts",
    "secret_patch",
]

SECRET_PATH = "/etc/jhkube"  # noqa: S105
"""Where the Secret's files are in the user's container."""

SECRET_VOLUME = "jhkube-secret"  # noqa: S105
"""The name of the pod's volume that the Secret is mounted by."""

PRIVATE = 0o400
"""Asked for files with a token; with the pod's fsGroup kubelet makes it 0440, root and the user's group. Without an
fsGroup they are asked for as `PUBLIC`, since they are root's and the user is not."""

PUBLIC = 0o444
"""Asked for files that every process of the pod may read, such as passwd entries."""

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")
"""A Secret's key, by IsConfigMapKey of the Kubernetes API."""


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """Files of a Secret: name to content. Neither `repr` nor `str` shows a content."""

    contents: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Content by file name."""

    private: frozenset[str] = frozenset()
    """Names of the files that hold a token."""

    def __post_init__(self) -> None:
        for name in self.contents:
            if not _KEY.match(name) or name.startswith(".."):
                raise ValueError(f"{name!r} cannot be the name of a file in a Secret")

    def __or__(self, other: SecretFiles) -> SecretFiles:
        """Return the files of both."""
        twice = self.contents.keys() & other.contents.keys()
        if twice:
            raise ValueError(f"two contents for the Secret's files {sorted(twice)}")
        return SecretFiles({**self.contents, **other.contents}, self.private | other.private)

    def encoded(self) -> dict[str, str]:
        """Return the contents as a Secret's `data`: base64 by file name."""
        return {name: b64encode(text.encode()).decode() for name, text in self.contents.items()}


class _QuietSecret(V1Secret):
    """A Secret that a log line, an exception or a debugger shows without its data."""

    def to_str(self) -> str:
        hidden = [dict.fromkeys(values, "…") if values else None for values in (self.data, self.string_data)]
        return str(
            V1Secret(kind="Secret", metadata=self.metadata, type=self.type, data=hidden[0], string_data=hidden[1])
        )

    def __repr__(self) -> str:
        return self.to_str()


def quiet_secret(secret: V1Secret) -> V1Secret:
    """Return a Secret that others have made, as one that nothing prints the data of."""
    return _QuietSecret(
        api_version=secret.api_version,
        kind=secret.kind,
        metadata=secret.metadata,
        type=secret.type,
        data=secret.data,
        string_data=secret.string_data,
        immutable=secret.immutable,
    )


def secret_name(pod_name: str) -> str:
    """Return the name of the Secret that belongs to the pod `pod_name`.

    The dot is in no name that KubeSpawner makes of a user's or server's: with `internal_ssl` it has a Secret named
    as the pod, and somebody called `ada-jhkube` would have the one with Ada's token.

    >>> secret_name("jupyter-ada")
    'jupyter-ada.jhkube'
    """
    return f"{pod_name}.jhkube"


def secret_parts(name: str, files: SecretFiles, *, has_fs_group: bool = True) -> PodParts:
    """Return the volume and the directory mount that bring the Secret `name` into the pod.

    A directory mount, because kubelet refreshes that in place when the Secret changes, and a subPath
    mount never (https://kubernetes.io/docs/concepts/configuration/secret/#mounted-secrets-are-updated-automatically).
    """
    private = PRIVATE if has_fs_group else PUBLIC
    items = [
        V1KeyToPath(key=key, path=key, mode=private if key in files.private else PUBLIC)
        for key in sorted(files.contents)
    ]
    return PodParts(
        volumes=(
            V1Volume(
                name=SECRET_VOLUME,
                secret=V1SecretVolumeSource(secret_name=name, default_mode=PRIVATE, items=items),
            ),
        ),
        volume_mounts=(V1VolumeMount(name=SECRET_VOLUME, mount_path=SECRET_PATH, read_only=True),),
    )


def secret_manifest(pod: V1Pod, files: SecretFiles) -> V1Secret:
    """Return the Secret for `pod`, which the API server has created: it is the Secret's owner.

    Parameters
    ----------
    pod
        The pod with its name, labels, annotations and `uid`.
    files
        What the Secret holds.

    Raises
    ------
    ValueError
        Where the pod has no uid: it does not exist yet.
    """
    if not pod.metadata.uid:
        raise ValueError(f"the pod {pod.metadata.name} has no uid yet and can own nothing")
    labels = {key: value for key, value in (pod.metadata.labels or {}).items() if not key.startswith("group.")}
    annotations = pod.metadata.annotations or {}
    return _QuietSecret(
        api_version="v1",
        kind="Secret",
        type="Opaque",
        metadata=V1ObjectMeta(
            name=secret_name(pod.metadata.name),
            labels=labels,
            annotations={key: annotations[key] for key in (SUBJECT_ANNOTATION,) if key in annotations},
            owner_references=[
                V1OwnerReference(
                    api_version="v1",
                    kind="Pod",
                    name=pod.metadata.name,
                    uid=pod.metadata.uid,
                    block_owner_deletion=False,
                    controller=True,
                )
            ],
        ),
        data=files.encoded(),
    )


def secret_patch(files: SecretFiles, pod_uid: str) -> list[dict[str, Any]]:
    """Return the JSON patch (RFC 6902) that brings a Secret to `files`; to be sent, never logged.

    The API server refuses it where the Secret of the name belongs to another pod than that of `pod_uid`.
    """
    is_its_own = {"op": "test", "path": "/metadata/ownerReferences/0/uid", "value": pod_uid}
    return [
        is_its_own,
        *({"op": "add", "path": f"/data/{name}", "value": value} for name, value in files.encoded().items()),
    ]

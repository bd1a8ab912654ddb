"""What the pod says about itself: labels to select by, annotations to read; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from kubespawner.slugs import is_valid_label, safe_slug

from jhkube.identity import SUBJECT_ANNOTATION, UserIdentity
from jhkube.pod.parts import PodParts

__all__ = ["GROUP_PREFIX", "ServerFacts", "label_parts", "label_value"]

GROUP_PREFIX = "group.jhkube/"
"""A label with this prefix for each hub group of the user: `kubectl get pods -l group.jhkube/astro`."""

_DIGEST = re.compile(r"sha(?:256|512):([0-9a-f]{64}(?:[0-9a-f]{64})?)\Z")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What was chosen for this server, beyond what KubeSpawner's own labels say (user and server name)."""

    image_reference: str = ""
    """The image as the user chose it: `registry.example.org/lab:w_2024_12`."""

    image_tag: str = ""
    """The tag: `w_2024_12`."""

    image_digest: str = ""
    """What the tag meant at the spawn: `sha256:…`."""

    size: str = ""
    """The size's name."""

    hub_groups: tuple[str, ...] = ()
    """The user's groups in the hub."""


def label_value(text: str) -> str:
    """Return `text` as a label's value: itself where it is one, else a slug with a hash.

    >>> label_value("astro:admins")
    'astro-admins---e8cc820d'
    """
    return str(safe_slug(text, is_valid=is_valid_label, max_length=63))  # type: ignore[no-untyped-call]


def label_parts(facts: ServerFacts, identity: UserIdentity | None = None) -> PodParts:
    """Return the labels and annotations that tell what runs for whom."""
    digest = _DIGEST.match(facts.image_digest)
    labels = {
        "jhkube/image-tag": label_value(facts.image_tag) if facts.image_tag else "",
        "jhkube/image-digest": digest[1][:12] if digest else "",
        "jhkube/size": label_value(facts.size) if facts.size else "",
        "jhkube/uid": str(identity.uid) if identity else "",
        **{f"{GROUP_PREFIX}{label_value(name)}": "yes" for name in _named(facts.hub_groups)},
    }
    annotations = {
        "jhkube/image": facts.image_reference,
        "jhkube/image-digest": facts.image_digest,
        "jhkube/groups": json.dumps(list(facts.hub_groups)) if facts.hub_groups else "",
        SUBJECT_ANNOTATION: identity.subject if identity else "",
    }
    return PodParts(
        labels={key: value for key, value in labels.items() if value},
        annotations={key: value for key, value in annotations.items() if value},
    )


def _named(groups: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(groups) if name]

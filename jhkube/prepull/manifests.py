"""The DaemonSet that pulls, and the ConfigMap with the program that its containers run."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jhkube.pod.nodes import Placement
from jhkube.prepull.plan import Plan, PulledImage

__all__ = [
    "HASH_ANNOTATION",
    "HELPERS",
    "PLAN_ANNOTATION",
    "PrepullSettings",
    "container_name",
    "daemon_set",
    "helper_config_map",
    "helper_program",
    "placement_in",
    "selector",
]

PLAN_ANNOTATION: Final = "jhkube/prepull-plan"
"""Carries the plan, for `jhkube prepull --status`."""

HASH_ANNOTATION: Final = "jhkube/prepull-hash"
"""A hash of all that the prepuller writes: it tells whether there is something to change."""

_ARCHITECTURE: Final = "kubernetes.io/arch"
_MOUNT: Final = "/.jhkube-prepull"

_ENTRY: Final = 0x400000
_HEADERS: Final = 64 + 56

# e_machine of the ELF header, and exit(0) as instructions
_MACHINES: Final = {
    # mov eax, 60; xor edi, edi; syscall
    "amd64": (62, bytes.fromhex("b83c000000 31ff 0f05")),
    # mov x8, #93; mov x0, #0; svc #0
    "arm64": (183, bytes.fromhex("a80b80d2 000080d2 010000d4")),
}

HELPERS: Final = tuple(_MACHINES)
"""The architectures that there is a program for."""


@dataclass(frozen=True, slots=True)
class PrepullSettings:
    """What an operator decides about the pods that pull."""

    name: str
    namespace: str
    placement: Placement
    architecture: str
    """`amd64` or `arm64`: nodes of another one are left alone."""

    nodes_at_once: int
    """On how many nodes images are pulled at a time."""

    pause_image: str
    pull_secrets: tuple[str, ...] = ()
    priority_class: str = ""
    resources: Mapping[str, Any] | None = None
    owner: Mapping[str, Any] | None = None
    """The object that takes all of this with it when it is deleted, as an owner reference."""


def selector(name: str) -> dict[str, str]:
    """Return the labels by which the pods of a prepuller are found."""
    return {"jhkube/prepuller": name}


def container_name(image: PulledImage) -> str:
    """Return the name of the init container that pulls an image.

    >>> container_name(PulledImage("localhost:5000/lab@sha256:0123456789abcdef", "localhost:5000/lab:a"))
    'pull-0b28cf9f1c1d2a3e'
    """
    return f"pull-{hashlib.sha256(image.image.encode()).hexdigest()[:16]}"


def daemon_set(settings: PrepullSettings, plan: Plan) -> dict[str, Any]:
    """Return the DaemonSet: one init container an image, one after the other, and then a pod that rests.

    The pod's resting keeps the images: kubelet does not remove what a pod of the node names.
    """
    labels = {"app.kubernetes.io/name": "jhkube", "app.kubernetes.io/component": "prepuller"}
    spec = {
        "selector": {"matchLabels": selector(settings.name)},
        "revisionHistoryLimit": 1,
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": settings.nodes_at_once}},
        "template": {
            "metadata": {"labels": labels | selector(settings.name)},
            "spec": _pod(settings, plan.images),
        },
    }
    annotations = {PLAN_ANNOTATION: plan.to_json()}
    written = json.dumps([annotations, spec, settings.owner], sort_keys=True)
    annotations[HASH_ANNOTATION] = hashlib.sha256(written.encode()).hexdigest()
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _metadata(settings, settings.name) | {"annotations": annotations},
        "spec": spec,
    }


def helper_config_map(settings: PrepullSettings) -> dict[str, Any]:
    """Return the ConfigMap with the program for each architecture."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(settings, settings.name),
        "binaryData": {name: base64.b64encode(helper_program(name)).decode() for name in HELPERS},
    }


def helper_program(architecture: str) -> bytes:
    """Return a Linux program that exits with 0, for a node's architecture as Kubernetes calls it.

    An image that is pulled by a pod has to be started, and not every image has a shell, so these few instructions
    are mounted into each of them.

    It is an ELF file (https://refspecs.linuxfoundation.org/elf/elf.pdf) of one segment, without libraries.
    """
    machine, code = _MACHINES[architecture]
    size = _HEADERS + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        # 64 bits, little-endian, version 1
        b"\x7fELF\x02\x01\x01",
        2,  # an executable
        machine,
        1,
        _ENTRY + _HEADERS,
        64,  # where the segment's header is
        0,
        0,
        64,
        56,
        1,
        64,
        0,
        0,
    )
    # loaded as a whole, to be read and executed, at an address that any page size divides
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _ENTRY, _ENTRY, size, size, 0x10000)
    return header + segment + code


def placement_in(daemon_set: Mapping[str, Any]) -> Placement:
    """Return where the pods of a DaemonSet may run."""
    pod = daemon_set["spec"]["template"]["spec"]
    required = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return Placement(tuple(required["nodeSelectorTerms"]), tuple(pod.get("tolerations") or ()))


def _metadata(settings: PrepullSettings, name: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "jhkube", "app.kubernetes.io/component": "prepuller"}
    metadata: dict[str, Any] = {"name": name, "namespace": settings.namespace, "labels": labels}
    if settings.owner is not None:
        metadata["ownerReferences"] = [dict(settings.owner)]
    return metadata


def _pod(settings: PrepullSettings, images: Sequence[PulledImage]) -> dict[str, Any]:
    """Return the pod: as nobody, with nothing to write to and no rights, fit for Pod Security "restricted"."""
    pod: dict[str, Any] = {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _required(settings)}},
        "automountServiceAccountToken": False,
        "containers": [_container(settings, "pause", settings.pause_image)],
        "enableServiceLinks": False,
        "initContainers": [_pulling(settings, image) for image in images],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "runAsGroup": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        # it has nothing to finish
        "terminationGracePeriodSeconds": 0,
        "tolerations": [dict(each) for each in settings.placement.tolerations],
        "volumes": [{"name": "helper", "configMap": {"name": settings.name, "defaultMode": 0o555}}],
    }
    if settings.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in settings.pull_secrets]
    if settings.priority_class:
        pod["priorityClassName"] = settings.priority_class
    return pod


def _required(settings: PrepullSettings) -> dict[str, Any]:
    architecture = {"key": _ARCHITECTURE, "operator": "In", "values": [settings.architecture]}
    return {
        "nodeSelectorTerms": [
            {**term, "matchExpressions": [*(term.get("matchExpressions") or ()), architecture]}
            for term in settings.placement.terms or ({},)
        ]
    }


def _pulling(settings: PrepullSettings, image: PulledImage) -> dict[str, Any]:
    return _container(settings, container_name(image), image.image) | {
        "command": [f"{_MOUNT}/{settings.architecture}"],
        "volumeMounts": [{"name": "helper", "mountPath": _MOUNT, "readOnly": True}],
        # the image's own may be a folder that only its user may enter
        "workingDir": "/",
    }


def _container(settings: PrepullSettings, name: str, image: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "resources": dict(settings.resources or {}),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }

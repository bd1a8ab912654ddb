"""The table of Kubeflow's routes: what each takes.

Read off StatCan/jupyter-apis at 694a5a2, and for `POST …/pvcs` and the probes off kubeflow/kubeflow v1.10. What they
take beyond these schemas has no effect here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jhkube.cluster_accounts import Right
from jhkube.own_disks import MOST_DISKS
from jhkube.service.routes import Route
from jhkube.service.schemas import CLAIM_NAME, SERVER_NAME

__all__ = ["RIGHTS", "ROUTES"]

NAMESPACE: Final = {"type": "string", "minLength": 1, "maxLength": 255}
NAME: Final = {
    "type": "string",
    "maxLength": 63,
    "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$",
}
"""A notebook's: a label by RFC 1035, since Kubeflow makes a Service of that name."""

_TEXT: Final = {"type": ["string", "null"], "maxLength": 512}
_AMOUNT: Final = {"type": ["string", "number", "null"]}
_FLAG: Final = {"type": ["boolean", "null"]}

_CLAIM_SOURCE: Final = {
    "type": "object",
    "required": ["claimName"],
    "properties": {"claimName": {"type": "string"}, "readOnly": _FLAG},
}
NEW_PVC: Final = {
    "type": "object",
    "required": ["metadata", "spec"],
    "properties": {
        "metadata": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        "spec": {
            "type": "object",
            "required": ["resources"],
            "properties": {
                "accessModes": {"type": ["array", "null"], "items": {"type": "string"}, "maxItems": 4},
                "resources": {
                    "type": "object",
                    "required": ["requests"],
                    "properties": {
                        "requests": {
                            "type": "object",
                            "required": ["storage"],
                            "properties": {"storage": {"type": "string"}},
                        },
                    },
                },
                "storageClassName": _TEXT,
            },
        },
    },
}
DATA_VOLUME: Final = {
    "type": "object",
    "required": ["mount"],
    "properties": {
        "mount": {"type": "string", "maxLength": 512},
        "newPvc": {"anyOf": [NEW_PVC, {"type": "null"}]},
        "existingSource": {
            "type": ["object", "null"],
            "properties": {"persistentVolumeClaim": {"anyOf": [_CLAIM_SOURCE, {"type": "null"}]}},
        },
    },
}

NEW_NOTEBOOK: Final = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": NAME,
        "namespace": _TEXT,
        "image": _TEXT,
        "imageGroupOne": _TEXT,
        "imageGroupTwo": _TEXT,
        "imageGroupThree": _TEXT,
        "customImageCheck": _FLAG,
        "customImage": _TEXT,
        "imagePullPolicy": _TEXT,
        "serverType": {"enum": ["jupyter", "group-one", "group-two", "group-three", "", None]},
        "cpu": _AMOUNT,
        "cpuLimit": _AMOUNT,
        "memory": _AMOUNT,
        "memoryLimit": _AMOUNT,
        "gpus": {
            "type": ["object", "null"],
            "properties": {"num": {"type": ["string", "integer", "null"]}, "vendor": _TEXT},
        },
        "noWorkspace": _FLAG,
        "workspace": {"type": ["object", "null"]},
        "workspaceVolume": {"type": ["object", "null"]},
        "datavols": {"type": ["array", "null"], "items": DATA_VOLUME, "maxItems": MOST_DISKS},
        "shm": _FLAG,
        "configurations": {"type": ["array", "null"], "items": {"type": "string"}, "maxItems": 100},
        "environment": {"type": ["object", "string", "null"]},
        "prob": _FLAG,
        "affinityConfig": _TEXT,
        "tolerationGroup": _TEXT,
    },
}
STOPPED: Final = {"type": "object", "required": ["stopped"], "properties": {"stopped": {"type": "boolean"}}}
NEW_CLAIM: Final = {
    "type": "object",
    "required": ["name", "size"],
    "properties": {
        "name": {"type": "string"},
        "namespace": _TEXT,
        "size": {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1, "maximum": 1_000_000}]},
        "mode": _TEXT,
        "class": _TEXT,
        "type": _TEXT,
        "snapshot": {"type": ["string", "object", "null"]},
    },
}

_SPACE: Final[dict[str, Any]] = {"namespace": NAMESPACE}
_NOTEBOOK: Final[dict[str, Any]] = {**_SPACE, "name": SERVER_NAME}
_CLAIM: Final[dict[str, Any]] = {**_SPACE, "claim": CLAIM_NAME}
_P: Final = "api/namespaces/{namespace}"


def _route(name: str, method: str, path: str, summary: str, parts: Any = None, body: Any = None) -> Route:
    return Route(f"kubeflow.{name}", method, path, summary, (), None, parts or {}, body=body)


ROUTES: Final = (
    _route("config", "GET", "api/config", "What the form is made of."),
    _route("gpus", "GET", "api/gpus", "The extended resources of the GPUs that sizes have."),
    _route("storage_classes", "GET", "api/storageclasses", "The cluster's storage classes."),
    _route("default_storage_class", "GET", "api/storageclasses/default", "The default storage class."),
    _route("namespaces", "GET", "api/namespaces", "My namespace."),
    _route("namespace", "GET", _P, "My namespace's name.", _SPACE),
    _route("cost", "GET", f"{_P}/cost/allocation", "Not built: 404 with a sentence.", _SPACE),
    _route("notebooks", "GET", f"{_P}/notebooks", "My servers.", _SPACE),
    _route("make_notebook", "POST", f"{_P}/notebooks", "Make and start a server.", _SPACE, NEW_NOTEBOOK),
    _route("notebook", "GET", f"{_P}/notebooks/{{name}}", "A server as a Notebook.", _NOTEBOOK),
    _route("remove_notebook", "DELETE", f"{_P}/notebooks/{{name}}", "Remove a server, keep its disk.", _NOTEBOOK),
    _route("stop_or_start", "PATCH", f"{_P}/notebooks/{{name}}", "Stop or start a server.", _NOTEBOOK, STOPPED),
    _route("pod", "GET", f"{_P}/notebooks/{{name}}/pod", "Its pod, without environments.", _NOTEBOOK),
    _route(
        "logs",
        "GET",
        f"{_P}/notebooks/{{name}}/pod/{{pod}}/logs",
        "The last lines of its log.",
        {**_NOTEBOOK, "pod": NAMESPACE},
    ),
    _route("events", "GET", f"{_P}/notebooks/{{name}}/events", "Its events since the start.", _NOTEBOOK),
    _route("claims", "GET", f"{_P}/pvcs", "My disks.", _SPACE),
    _route("make_claim", "POST", f"{_P}/pvcs", "Make a disk, where the operator allows it.", _SPACE, NEW_CLAIM),
    _route("claim", "GET", f"{_P}/pvcs/{{claim}}", "One of my disks.", _CLAIM),
    _route("remove_claim", "DELETE", f"{_P}/pvcs/{{claim}}", "Delete a disk that no server uses.", _CLAIM),
    _route("claim_pods", "GET", f"{_P}/pvcs/{{claim}}/pods", "The pods that have a disk.", _CLAIM),
    _route("claim_events", "GET", f"{_P}/pvcs/{{claim}}/events", "What there is to say of a disk.", _CLAIM),
    _route("pod_defaults", "GET", f"{_P}/poddefaults", "The presets.", _SPACE),
    _route("healthy", "GET", "healthz/liveness", "Whether the service runs."),
    _route("healthy", "GET", "healthz/readiness", "Whether the service runs."),
)
"""All routes, below `kubeflow/`."""


def _notebooks(verb: str) -> Right:
    return Right(verb, "notebooks", "kubeflow.org")


def _claims(verb: str) -> Right:
    return Right(verb, "persistentvolumeclaims")


RIGHTS: Final[Mapping[str, Right]] = {
    "kubeflow.notebooks": _notebooks("list"),
    "kubeflow.make_notebook": _notebooks("create"),
    "kubeflow.notebook": _notebooks("get"),
    "kubeflow.remove_notebook": _notebooks("delete"),
    "kubeflow.stop_or_start": _notebooks("update"),
    "kubeflow.pod": Right("list", "pods"),
    "kubeflow.logs": Right("get", "pods"),
    "kubeflow.events": Right("list", "events"),
    "kubeflow.claims": _claims("list"),
    "kubeflow.make_claim": _claims("create"),
    "kubeflow.claim": _claims("get"),
    "kubeflow.remove_claim": _claims("delete"),
    "kubeflow.claim_pods": Right("list", "pods"),
    "kubeflow.claim_events": Right("list", "events"),
    "kubeflow.pod_defaults": Right("list", "poddefaults", "kubeflow.org"),
}
"""What the cluster is asked about a person before each route, where people have accounts in it."""

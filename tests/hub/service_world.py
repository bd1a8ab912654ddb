"""Pods, claims and events as the API server's JSON, for the tests of what the service says of them."""

from __future__ import annotations

from typing import Any


def _made_for(name: str, user: str, server: str, subject: str) -> dict[str, Any]:
    annotations = {"hub.jupyter.org/username": user, "jhkube/subject": subject}
    if server:
        annotations["hub.jupyter.org/servername"] = server
    return {"name": name, "namespace": "labs", "uid": f"uid-of-{name}", "annotations": annotations}


def pod(name: str, user: str, server: str, subject: str, claim: str = "") -> dict[str, Any]:
    """Return a pod as KubeSpawner and jhkube make it, with a token in its environment."""
    environment = [{"name": "JUPYTERHUB_API_TOKEN", "value": "the-token-of-the-server"}]
    volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
    metadata = _made_for(name, user, server, subject)
    metadata["annotations"]["jhkube/image"] = "registry.example.org/lab:w_2026_46"
    metadata |= {"labels": {"jhkube/image-tag": "w_2026_46", "jhkube/size": "small"}}
    return {
        "metadata": metadata,
        "spec": {
            "nodeName": "node1",
            "containers": [{"name": "notebook", "env": environment}],
            "initContainers": [{"name": "home"}],
            "volumes": volumes,
        },
        "status": {"phase": "Running", "startTime": "2026-11-29T12:00:00Z"},
    }


def claim(name: str, user: str, server: str, subject: str, size: str = "10Gi") -> dict[str, Any]:
    """Return a claim that is bound."""
    return {
        "metadata": _made_for(name, user, server, subject) | {"creationTimestamp": "2026-11-01T12:00:00Z"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "growing",
            "resources": {"requests": {"storage": size}},
        },
        "status": {"phase": "Bound", "capacity": {"storage": size}},
    }


def event(pod_name: str, reason: str, message: str) -> dict[str, Any]:
    """Return an event of a pod."""
    about = {"kind": "Pod", "name": pod_name, "uid": f"uid-of-{pod_name}", "fieldPath": "spec.containers{notebook}"}
    return {
        "metadata": {"name": reason, "creationTimestamp": "2026-11-29T12:00:01Z"},
        "involvedObject": about,
        "type": "Normal",
        "reason": reason,
        "message": message,
        "count": 1,
    }

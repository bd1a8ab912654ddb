"""What the API server of the service's tests has: pods, claims, events and a log, of several people."""

from __future__ import annotations

from typing import Any

from tests.hub.api_answers import status_of

LABS = "/api/v1/namespaces/labs"


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


class World:
    """Answers as an API server that holds these objects; it heeds no selector, so that all come in each list."""

    def __init__(self) -> None:
        self.is_away = False
        self.pods = [
            pod("jupyter-ada", "ada", "", "github:1", "claim-ada"),
            # One that has Ada's name and is another person's, and one whose person nobody has written on it.
            pod("jupyter-ada--gpu", "ada", "gpu", "github:666"),
            pod("jupyter-kay", "kay", "", ""),
        ]
        self.claims = [
            claim("claim-ada", "ada", "", "github:1"),
            claim("claim-ada--old", "ada", "old", "github:1"),
            claim("claim-ada--heir", "ada", "heir", "github:666"),
        ]
        self.events = [
            event("jupyter-ada", "Scheduled", "Successfully assigned labs/jupyter-ada to node1"),
            event("jupyter-ada", "Pulling", 'Pulling image "lab" from https://ada:mumble@registry.example.org'),
            event("jupyter-eve", "Scheduled", "Successfully assigned labs/jupyter-eve to node2"),
        ]

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        """Return the status and the body for a request."""
        if self.is_away:
            return status_of(503, "the API server is away")
        lists = {
            f"{LABS}/pods": self.pods,
            f"{LABS}/persistentvolumeclaims": self.claims,
            f"{LABS}/events": self.events,
            "/apis/storage.k8s.io/v1/storageclasses": [
                {"metadata": {"name": "growing"}, "allowVolumeExpansion": True}
            ],
        }
        if path in lists:
            return 200, {"metadata": {"resourceVersion": "1"}, "items": lists[path]}
        if path.endswith("/log"):
            return 200, "the first line\nthe last line\n"
        objects = {f"{LABS}/pods/{each['metadata']['name']}": each for each in self.pods} | {
            f"{LABS}/persistentvolumeclaims/{each['metadata']['name']}": each for each in self.claims
        }
        return (200, objects[path]) if path in objects else status_of(404, "there is none")

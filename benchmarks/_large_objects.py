"""The objects of a large hub: pods, what the kubelet says of them, and their events; pure."""

from __future__ import annotations

from typing import Any

__all__ = ["EVENTS_A_POD", "NAMESPACE", "event", "pod", "pod_name", "status"]

NAMESPACE = "jhkube-large"
EVENTS_A_POD = 4


def pod_name(number: int) -> str:
    """Return the name that KubeSpawner gives the pod of `person-…`."""
    return f"jupyter-person-{number:05}"


def pod(number: int, port: int) -> dict[str, Any]:
    """A pod with as much in it as a hub's has, whose server is at this port."""
    name = pod_name(number)
    environment = [{"name": f"JUPYTERHUB_SETTING_{i}", "value": f"{name}-value-{i}" * 2} for i in range(30)]
    labels = {"component": "singleuser-server", "app": "jupyterhub", "hub.jupyter.org/username": f"person-{number}"}
    return {
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {"hub.jupyter.org/username": f"person-{number}", "hub.jupyter.org/servername": ""},
        },
        "spec": {
            "schedulerName": "nobody",
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "notebook",
                    "image": "registry.example.org/science/lab@sha256:" + "0" * 64,
                    "args": ["jupyterhub-singleuser"],
                    "env": environment,
                    "ports": [{"name": "notebook-port", "containerPort": port}],
                    "resources": {"limits": {"memory": "2Gi"}, "requests": {"memory": "1Gi", "cpu": "100m"}},
                    "volumeMounts": [{"name": "home", "mountPath": "/home/jovyan"}],
                }
            ],
            "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": f"claim-{number}"}}],
            "tolerations": [{"key": "hub.jupyter.org/dedicated", "operator": "Equal", "value": "user"}],
        },
    }


def status(number: int) -> dict[str, Any]:
    """What the kubelet says of a pod that runs."""
    now = "2026-11-20T08:00:00Z"
    conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
    address = f"10.{number >> 14 & 255}.{number >> 7 & 127}.{number & 127}"
    container = {
        "name": "notebook",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "image": "registry.example.org/science/lab",
        "imageID": "registry.example.org/science/lab@sha256:" + "0" * 64,
        "containerID": f"containerd://{number:064x}",
        "state": {"running": {"startedAt": now}},
    }
    return {
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "hostIP": "10.0.0.1",
            "startTime": now,
            "conditions": [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in conditions],
            "containerStatuses": [container],
        }
    }


def event(number: int, which: int) -> dict[str, Any]:
    """One of the events of a pod's start."""
    name = pod_name(number)
    reason = ("Scheduled", "Pulled", "Created", "Started")[which % 4]
    return {
        "metadata": {"name": f"{name}.{which}"},
        "involvedObject": {"kind": "Pod", "namespace": NAMESPACE, "name": name, "uid": f"{number:036}"},
        "reason": reason,
        "message": f"{reason}: container image registry.example.org/science/lab of {name}",
        "type": "Normal",
        "source": {"component": "kubelet", "host": "node1"},
        "firstTimestamp": "2026-11-20T08:00:00Z",
        "lastTimestamp": "2026-11-20T08:00:00Z",
        "count": 1,
    }

"""The Pod Security standards' rules, as far as a pod of jhkube could break them.

After https://kubernetes.io/docs/concepts/security/pod-security-standards/; an API server before 1.22 cannot be asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubernetes_asyncio.client import ApiClient

_BASELINE_CAPABILITIES = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip
_RESTRICTED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"
}  # fmt: skip


def serialized(model: Any) -> Any:
    """Return a model as the JSON values that go to the API server."""
    # Without __init__, which opens a session; serialization needs none.
    return ApiClient.__new__(ApiClient).sanitize_for_serialization(model)


def _containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from spec.get("initContainers", ())
    yield from spec["containers"]


def baseline_violations(pod: dict[str, Any]) -> list[str]:
    """Return what of "baseline" the pod breaks."""
    spec = pod["spec"]
    found = [f"{key} is true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    found += [f"volume {volume['name']} is a host path" for volume in spec["volumes"] if "hostPath" in volume]
    for container in _containers(spec):
        context = container.get("securityContext", {})
        added = set(context.get("capabilities", {}).get("add", ())) - _BASELINE_CAPABILITIES
        found += [f"{container['name']} adds {name}" for name in sorted(added)]
        if context.get("privileged"):
            found.append(f"{container['name']} is privileged")
        if context.get("seccompProfile", {}).get("type") == "Unconfined":
            found.append(f"{container['name']} has no seccomp profile")
        if any("hostPort" in port for port in container.get("ports", ())):
            found.append(f"{container['name']} has a host port")
    return found


def restricted_violations(pod: dict[str, Any]) -> list[str]:
    """Return what of "restricted" the pod breaks."""
    spec = pod["spec"]
    of_pod = spec.get("securityContext", {})
    found = baseline_violations(pod)
    for volume in spec["volumes"]:
        kinds = volume.keys() - {"name"} - _RESTRICTED_VOLUMES
        found += [f"volume {volume['name']} is of kind {kind}" for kind in sorted(kinds)]
    for container in _containers(spec):
        name = container["name"]
        context = {**of_pod, **container.get("securityContext", {})}
        capabilities = context.get("capabilities", {})
        if context.get("allowPrivilegeEscalation") is not False:
            found.append(f"{name} may escalate")
        if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
            found.append(f"{name} may be root")
        if "ALL" not in capabilities.get("drop", ()) or set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
            found.append(f"{name} has capabilities")
        if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            found.append(f"{name} has no seccomp profile")
    return found

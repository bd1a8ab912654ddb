"""Whom the pod runs as and what it may do: the user, and nothing more.

The level is Pod Security's "restricted" (https://kubernetes.io/docs/concepts/security/pod-security-standards/).
"""

from __future__ import annotations

from typing import Any

from kubernetes_asyncio.client.models import V1Pod

from jhkube.identity import UserIdentity
from jhkube.pod.parts import user_container

__all__ = ["NO_COMMAND", "ROOT_HOME_CONTEXT", "parse_umask", "run_as", "with_umask", "without_fs_group"]

_RESTRICTED: dict[str, Any] = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What "restricted" asks of a container."""

NO_COMMAND = "needs the command: set c.KubeSpawner.cmd, such as ['jupyterhub-singleuser']"
"""Why a umask cannot be set, without the setting's name."""

ROOT_HOME_CONTEXT: Any = {
    **_RESTRICTED,
    "runAsNonRoot": False,
    "runAsUser": 0,
    "runAsGroup": 0,
    "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]},
}
"""The init container that makes a user's folder on a shared home: root, with the three rights this takes."""


def run_as(pod: V1Pod, identity: UserIdentity) -> V1Pod:
    """Make `pod` run as the user `identity`, restricted, in place, and return it.

    The user's numbers always win, over KubeSpawner's `uid`, `gid` and `fs_gid` (the Zero to JupyterHub chart
    sets 1000 and 100 there) and over security contexts. Everything else that the operator has configured
    wins over the restricted defaults: `allow_privilege_escalation = True` stays true.

    The numbers go on the user's container and not on the pod, so that an operator's own init containers and
    sidecars run as they always did.
    """
    container = user_container(pod)
    configured = _as_dict(container.security_context)
    of_container: Any = {
        **_RESTRICTED,
        **configured,
        "runAsUser": identity.uid,
        "runAsGroup": identity.gid,
        "runAsNonRoot": True,
    }
    container.security_context = of_container
    of_pod: Any = _as_dict(pod.spec.security_context)
    gids = [*(group.gid for group in identity.groups), *of_pod.get("supplementalGroups", ())]
    of_pod = {
        # Kubelet then leaves a volume alone whose root has the right group, however large it is.
        "fsGroupChangePolicy": "OnRootMismatch",
        **of_pod,
        "fsGroup": identity.gid,
        "supplementalGroups": list(dict.fromkeys(gid for gid in gids if gid != identity.gid)),
    }
    pod.spec.security_context = of_pod
    return pod


def without_fs_group(pod: V1Pod) -> V1Pod:
    """Leave the volumes of `pod` as they are, in place, and return it.

    With an fsGroup kubelet gives all files of a volume to that group, and lets it write to them, where the volume's
    driver takes part (CSIDriver's `fsGroupPolicy`). On a volume that several people share that is everybody's home.
    """
    context = _as_dict(pod.spec.security_context)
    left: Any = {key: value for key, value in context.items() if key not in ("fsGroup", "fsGroupChangePolicy")}
    pod.spec.security_context = left
    return pod


def parse_umask(text: str) -> str:
    """Return a umask in four octal digits, or '' for none.

    >>> parse_umask("27")
    '0027'
    """
    if not text:
        return ""
    try:
        mask = int(text, 8)
    except ValueError:
        mask = -1
    if not 0 <= mask <= 0o777:
        raise ValueError(f"a umask is three octal digits, such as '027', not {text!r}")
    return f"{mask:04o}"


def with_umask(pod: V1Pod, umask: str) -> V1Pod:
    """Make the user's container start its command under `umask`, in place, and return the pod.

    Kubernetes has no field for it, so a shell sets it and becomes the command.

    Raises
    ------
    ValueError
        Where the command is left to the image: there is nothing to put the shell before.
    """
    if not umask:
        return pod
    container = user_container(pod)
    wrapper = ["/bin/sh", "-c", f'umask {umask}; exec "$$0" "$$@"']
    if container.command:
        container.command = [*wrapper, *container.command]
    elif container.args:
        container.args = [*wrapper, *container.args]
    else:
        raise ValueError(f"umask {NO_COMMAND}")
    return pod


def _as_dict(context: Any) -> dict[str, Any]:
    """Return a security context as the API spells it, be it KubeSpawner's dict or a model."""
    if context is None or isinstance(context, dict):
        return dict(context or {})
    values = {key: getattr(context, name) for name, key in context.attribute_map.items()}
    return {key: value for key, value in values.items() if value is not None}

"""What is made for a notebook: its Secret, Deployment, Service and Ingress, from the notebook's values."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from kubernetes_asyncio.client import ApiClient
from kubernetes_asyncio.client.models import (
    V1Container,
    V1ContainerPort,
    V1ObjectMeta,
    V1Pod,
    V1PodSpec,
    V1Probe,
    V1ResourceRequirements,
    V1TCPSocketAction,
)

from jhkube.identity import UserIdentity
from jhkube.operator.notebook_spec import Notebook, object_name
from jhkube.operator.start_script import BASH_PROFILE, START
from jhkube.pod.accounts import Accounts, account_files, account_parts
from jhkube.pod.mounts import Mount, mount_parts
from jhkube.pod.parts import PodParts, apply_parts
from jhkube.pod.secret import SECRET_PATH, SecretFiles, secret_parts
from jhkube.pod.security import run_as

__all__ = [
    "FILES_ANNOTATION",
    "HASH_ANNOTATION",
    "PORT",
    "UID_LABEL",
    "NotebookObjects",
    "has_owner",
    "notebook_objects",
    "secret_of",
]

PORT: Final = 8888
"""Where Jupyter listens, and the Service too."""

UID_LABEL: Final = "jhkube.dev/notebook-uid"
"""The label of everything that is made for a notebook, with the resource's uid: names come back, uids do not."""

HASH_ANNOTATION: Final = "jhkube.dev/hash"
"""A hash of an object as it is to be, which tells whether there is something to change; on a pod, of its template."""

FILES_ANNOTATION: Final = "jhkube.dev/files"
"""A hash of the Secret's files, on a Deployment's pods: a restart brings them what has changed."""

_HOME_ROOT: Final = "/home/jovyan"
_ACCOUNT: Final = "jovyan"
"""The user of Jupyter's images, by whichever number."""

_CONFIG: Final = "jupyter_notebook_config.json"
_serializer: Final = ApiClient.__new__(ApiClient)


@dataclass(frozen=True, slots=True)
class NotebookObjects:
    """The objects of one notebook, as the API's JSON."""

    files: SecretFiles
    """What the Secret holds."""

    secret: dict[str, Any]
    deployment: dict[str, Any]
    service: dict[str, Any]
    ingress: dict[str, Any]


def notebook_objects(notebook: Notebook, token: str) -> NotebookObjects:
    """Return everything that is made for a notebook.

    Parameters
    ----------
    notebook
        The notebook.
    token
        What Jupyter lets people in by.

    Raises
    ------
    ValueError
        Where the parts of the pod do not go together.
    """
    identity = UserIdentity(name=_ACCOUNT, uid=notebook.run_as_user, gid=notebook.run_as_group, subject="")
    home = f"{_HOME_ROOT}/.{notebook.name}"
    accounts = Accounts()
    files = account_files(accounts, identity, home) | _jupyter_files(notebook, token)
    pod = _pod(notebook)
    run_as(pod, identity)
    context: Any = pod.spec.security_context
    context["fsGroup"] = notebook.fs_group
    apply_parts(
        pod,
        secret_parts(secret_of(notebook), files),
        mount_parts((Mount(path=_HOME_ROOT, claim=notebook.claim, sub_path=notebook.project),), identity),
        account_parts(accounts, identity, home),
        PodParts(env=_environment(notebook), annotations={FILES_ANNOTATION: _hash(dict(files.contents))}),
    )
    return NotebookObjects(
        files=files,
        secret=_object("v1", "Secret", notebook, {"type": "Opaque", "data": files.encoded()}, secret_of(notebook)),
        deployment=_object("apps/v1", "Deployment", notebook, {"spec": _deployment_spec(notebook, pod)}),
        service=_object("v1", "Service", notebook, {"spec": _service_spec(notebook)}),
        ingress=_object(
            "networking.k8s.io/v1",
            "Ingress",
            notebook,
            {"spec": _ingress_spec(notebook)},
            annotations=_ingress_annotations(notebook),
        ),
    )


def has_owner(made: dict[str, Any], uid: str) -> bool:
    """Return whether an object, as the API's JSON, was made for the resource of this uid."""
    owners = made["metadata"].get("ownerReferences") or ()
    return any(owner.get("controller") and owner["uid"] == uid for owner in owners)


def secret_of(notebook: Notebook) -> str:
    """Return the name of a notebook's Secret."""
    return f"config-{object_name(notebook.name)}"


def _jupyter_files(notebook: Notebook, token: str) -> SecretFiles:
    server = {"token": token, "base_url": f"/{notebook.name}", "ip": "0.0.0.0", "port": PORT}  # noqa: S104
    programs = {"ServerApp": {**server, "root_dir": _HOME_ROOT, "open_browser": False}}
    if notebook.interface == "classic":
        # Before version 7 Jupyter Notebook is a server of its own.
        programs["NotebookApp"] = {**server, "notebook_dir": _HOME_ROOT, "open_browser": False}
    contents = {_CONFIG: f"{json.dumps(programs, indent=2)}\n", "start.sh": START, "bash_profile": BASH_PROFILE}
    return SecretFiles(contents, frozenset({_CONFIG}))


def _environment(notebook: Notebook) -> dict[str, str]:
    return {
        "JHKUBE_FILES": SECRET_PATH,
        "DM_PROJECT_ID": notebook.project,
        "DM_INSTANCE_ID": notebook.label_ending("/instance-id"),
        "DM_INSTANCE_OWNER": notebook.label_ending("/owner"),
        **({"JUPYTER_ENABLE_LAB": "true"} if notebook.interface == "lab" else {}),
    }


def _pod(notebook: Notebook) -> V1Pod:
    who: Any = {"runAsUser": notebook.run_as_user, "runAsGroup": notebook.run_as_group}
    tag = "" if "@" in notebook.image else notebook.image.rpartition("/")[2].partition(":")[2] or "latest"
    container = V1Container(
        name="notebook",
        image=notebook.image,
        image_pull_policy="Always" if tag in ("latest", "stable") else "IfNotPresent",
        command=["bash", f"{SECRET_PATH}/start.sh"],
        ports=[V1ContainerPort(name="http", container_port=PORT)],
        resources=V1ResourceRequirements(
            requests={"cpu": notebook.cpu[0], "memory": notebook.memory[0]},
            limits={"cpu": notebook.cpu[1], "memory": notebook.memory[1]},
        ),
        # Jupyter binds its port when it is about to answer.
        readiness_probe=V1Probe(tcp_socket=V1TCPSocketAction(port=PORT), period_seconds=2, failure_threshold=3),
    )
    selector = dict([notebook.node_selector]) if notebook.node_selector else None
    return V1Pod(
        metadata=V1ObjectMeta(labels={**dict(notebook.labels), **_labels(notebook), **_selector(notebook)}),
        spec=V1PodSpec(
            containers=[container],
            service_account_name=notebook.service_account,
            # Somebody who names an account means to use it.
            automount_service_account_token=notebook.service_account != "default",
            enable_service_links=False,
            security_context=who,
            node_selector=selector,
            priority_class_name=notebook.priority_class or None,
        ),
    )


def _selector(notebook: Notebook) -> dict[str, str]:
    # With the uid: a pod that an earlier notebook of the name has left is not this one's.
    return {"deployment": object_name(notebook.name), UID_LABEL: notebook.uid}


def _labels(notebook: Notebook) -> dict[str, str]:
    return {UID_LABEL: notebook.uid, "app.kubernetes.io/managed-by": "jhkube"}


def _deployment_spec(notebook: Notebook, pod: V1Pod) -> dict[str, Any]:
    template: dict[str, Any] = _serializer.sanitize_for_serialization(pod)
    template["metadata"]["annotations"][HASH_ANNOTATION] = _hash(template)
    return {
        "replicas": 1,
        # Two would write to one home.
        "strategy": {"type": "Recreate"},
        "revisionHistoryLimit": 1,
        "selector": {"matchLabels": _selector(notebook)},
        "template": {"metadata": template["metadata"], "spec": template["spec"]},
    }


def _service_spec(notebook: Notebook) -> dict[str, Any]:
    return {"selector": _selector(notebook), "ports": [{"name": "http", "port": PORT, "targetPort": "http"}]}


def _ingress_spec(notebook: Notebook) -> dict[str, Any]:
    backend = {"service": {"name": object_name(notebook.name), "port": {"number": PORT}}}
    paths = [{"path": f"/{notebook.name}", "pathType": "Prefix", "backend": backend}]
    tls = [{"hosts": [notebook.domain], "secretName": notebook.tls_secret}] if notebook.tls_secret else []
    return {"rules": [{"host": notebook.domain, "http": {"paths": paths}}], **({"tls": tls} if tls else {})}


def _ingress_annotations(notebook: Notebook) -> dict[str, str]:
    issuer = {"cert-manager.io/cluster-issuer": notebook.cert_issuer} if notebook.cert_issuer else {}
    return {
        "kubernetes.io/ingress.class": notebook.ingress_class,
        "nginx.ingress.kubernetes.io/proxy-body-size": notebook.body_size,
        **issuer,
    }


def _object(
    version: str,
    kind: str,
    notebook: Notebook,
    content: dict[str, Any],
    name: str = "",
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return a whole object, owned by the resource, with the hash of what it is to be."""
    owner = {
        "apiVersion": "squonk.it/v2",
        "kind": "JupyterNotebook",
        "name": notebook.name,
        "uid": notebook.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    metadata: dict[str, Any] = {
        "name": name or object_name(notebook.name),
        "namespace": notebook.namespace,
        "labels": _labels(notebook),
        "ownerReferences": [owner],
    }
    whole = {"annotations": annotations or {}, **content}
    metadata["annotations"] = {**(annotations or {}), HASH_ANNOTATION: _hash(whole)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]

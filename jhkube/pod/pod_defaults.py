"""Kubeflow's PodDefaults: what one may add to a pod, and how it is merged.

They are merged as Kubeflow's admission webhook does it (components/admission-webhook of kubeflow/kubeflow v1.10), but
into the server's own container only, and never with more than the operator allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kubernetes_asyncio.client import ApiClient
from kubernetes_asyncio.client.models import V1EnvVar, V1Pod
from pydantic import Field, field_validator, model_validator

from jhkube.operator_errors import not_wanted
from jhkube.operator_models import ConfigError, OperatorModel, read_model
from jhkube.operator_types import Flag, KubernetesObjects, Text, Texts
from jhkube.pod.parts import ChoiceConflict, user_container

__all__ = ["PodDefault", "read_pod_default", "with_pod_defaults"]

ANNOTATION: Final = "poddefault.admission.kubeflow.org/poddefault-"
"""What Kubeflow's webhook writes on a pod for each PodDefault, with its name; the value is the version."""

CHOSEN: Final = "true"
"""The value of the labels by which people choose PodDefaults: the web app sets no other one."""

_OURS: Final = ("jhkube", "jupyter.org", "kubernetes.io", "k8s.io")
"""What the domains of labels and annotations end with that are for the hub and for Kubernetes themselves."""

_serializer: Final = ApiClient.__new__(ApiClient)


@dataclass(frozen=True, slots=True)
class PodDefault:
    """A PodDefault that people may choose, with every field checked."""

    name: str
    version: str
    """Its `resourceVersion`."""

    description: str
    labels: tuple[str, ...]
    """The labels by which it is chosen, all of them."""

    spec: Mapping[str, Any]
    """As the API server has it."""


class _Selector(OperatorModel):
    match_labels: Texts = Field(alias="matchLabels")


class _ValueFrom(OperatorModel):
    config_map: dict[str, Any] | None = Field(default=None, alias="configMapKeyRef")
    field: dict[str, Any] | None = Field(default=None, alias="fieldRef")
    resource: dict[str, Any] | None = Field(default=None, alias="resourceFieldRef")
    secret: dict[str, Any] | None = Field(default=None, alias="secretKeyRef")


class _Variable(OperatorModel):
    name: Text
    value: str = ""
    value_from: _ValueFrom | None = Field(default=None, alias="valueFrom")


class _EnvFrom(OperatorModel):
    prefix: str = ""
    config_map: dict[str, Any] | None = Field(default=None, alias="configMapRef")
    secret: dict[str, Any] | None = Field(default=None, alias="secretRef")


class _Volume(OperatorModel):
    name: Text
    empty_dir: dict[str, Any] | None = Field(default=None, alias="emptyDir")
    config_map: dict[str, Any] | None = Field(default=None, alias="configMap")
    downward: dict[str, Any] | None = Field(default=None, alias="downwardAPI")
    secret: dict[str, Any] | None = None
    projected: dict[str, Any] | None = None
    claim: dict[str, Any] | None = Field(default=None, alias="persistentVolumeClaim")

    @property
    def is_secret(self) -> bool:
        """Whether what is in it is known by a name that anybody can write."""
        return any(each is not None for each in (self.secret, self.projected, self.claim))


class _Mount(OperatorModel):
    name: Text
    path: Text = Field(alias="mountPath")
    sub_path: str = Field(default="", alias="subPath")
    read_only: Flag = Field(default=False, alias="readOnly")


class _Spec(OperatorModel):
    """The fields that are taken; one with another is not offered.

    Containers, commands and service accounts are never taken: a container of its own could run as root, with the
    person's volumes.
    """

    selector: _Selector
    desc: str = ""
    env: tuple[_Variable, ...] = ()
    env_from: tuple[_EnvFrom, ...] = Field(default=(), alias="envFrom")
    volumes: tuple[_Volume, ...] = ()
    mounts: tuple[_Mount, ...] = Field(default=(), alias="volumeMounts")
    tolerations: KubernetesObjects = ()
    labels: Texts = Field(default_factory=dict)
    annotations: Texts = Field(default_factory=dict)
    pull_secrets: KubernetesObjects = Field(default=(), alias="imagePullSecrets")

    @field_validator("labels", "annotations")
    @classmethod
    def _not_ours(cls, texts: dict[str, str]) -> dict[str, str]:
        domains = [name.rpartition("/")[0] for name in texts]
        if any(domain == end or domain.endswith((f".{end}", f"/{end}")) for domain in domains for end in _OURS):
            raise not_wanted(f"a dict of names that are not below {', '.join(_OURS)}", secret=True)
        return texts

    @model_validator(mode="after")
    def _mounts_its_own(self) -> _Spec:
        # A volume of the server's own may have other people's homes on it.
        if {each.name for each in self.mounts} - {each.name for each in self.volumes}:
            raise ValueError("volumeMounts should name volumes of the PodDefault itself")
        return self

    @property
    def has_secrets(self) -> bool:
        """Whether it names Secrets or claims."""
        return (
            bool(self.pull_secrets)
            or any(each.is_secret for each in self.volumes)
            or any(each.secret is not None for each in self.env_from)
            or any(each.value_from is not None and each.value_from.secret is not None for each in self.env)
        )


def read_pod_default(found: Mapping[str, Any], *, with_secrets: bool) -> PodDefault:
    """Return a PodDefault of the cluster.

    Parameters
    ----------
    found
        The object as the API server has it.
    with_secrets
        Whether it may name Secrets and claims.

    Raises
    ------
    ConfigError
        Where people cannot choose it, or it has a field that is not taken; the message is for the operator.
    """
    name, spec = str(found["metadata"]["name"]), found.get("spec")
    read = read_model(_Spec, "spec", spec)
    labels = read.selector.match_labels
    if not labels or set(labels.values()) != {CHOSEN}:
        raise ConfigError(f"spec.selector.matchLabels: nobody can choose it: each label should be '{CHOSEN}'")
    if read.has_secrets and not with_secrets:
        raise ConfigError(
            "spec: names Secrets or claims; to offer it, set c.JHKubeSpawner.pod_defaults to 'all', which needs"
            " cluster_accounts"
        )
    assert isinstance(spec, Mapping)
    version = str(found["metadata"].get("resourceVersion", ""))
    return PodDefault(name, version, " ".join(read.desc.split()) or name, tuple(labels), spec)


def with_pod_defaults(pod: V1Pod, defaults: Sequence[PodDefault]) -> V1Pod:
    """Merge PodDefaults into a finished pod, in place, and return it.

    Raises
    ------
    ChoiceConflict
        Where one sets something that is set differently already.
    """
    container, spec = user_container(pod), pod.spec
    for each in defaults:
        for owner, attribute, field, keys in (
            (spec, "volumes", "volumes", ("name",)),
            (spec, "tolerations", "tolerations", ("key",)),
            (spec, "image_pull_secrets", "imagePullSecrets", ("name",)),
            (container, "env", "env", ("name",)),
            (container, "volume_mounts", "volumeMounts", ("name", "mountPath")),
        ):
            added = _added(getattr(owner, attribute), each.spec.get(field) or (), each, field, keys)
            if added:
                setattr(owner, attribute, [*(getattr(owner, attribute) or ()), *added])
        if sources := each.spec.get("envFrom"):
            container.env_from = [*(container.env_from or ()), *sources]
        metadata = pod.metadata
        metadata.labels = _merged(metadata.labels, each.spec.get("labels"), each, "label")
        metadata.annotations = _merged(metadata.annotations, each.spec.get("annotations"), each, "annotation")
        metadata.annotations[f"{ANNOTATION}{each.name}"] = each.version
    return pod


def _added(there: Any, items: Iterable[Any], default: PodDefault, field: str, keys: Sequence[str]) -> list[Any]:
    """Return those of a PodDefault's items that are to be added to what is there."""
    known: list[Any] = _serializer.sanitize_for_serialization(list(there or ()))
    added = []
    for item in items:
        for key in keys:
            same = [each for each in known if each.get(key) == item.get(key)]
            if same and item not in same:
                raise _conflict(default, f"{field} has another {item.get(key)!r}")
        if item not in known:
            known.append(item)
            added.append(_model(item) if field == "env" else item)
    return added


def _model(variable: Mapping[str, Any]) -> V1EnvVar:
    return V1EnvVar(name=variable["name"], value=variable.get("value"), value_from=variable.get("valueFrom"))


def _merged(there: Any, added: Mapping[str, str] | None, default: PodDefault, word: str) -> dict[str, str]:
    whole = dict(there or {})
    for name, value in (added or {}).items():
        if whole.setdefault(name, value) != value:
            raise _conflict(default, f"the {word} {name!r} has another value")
    return whole


def _conflict(default: PodDefault, what: str) -> ChoiceConflict:
    return ChoiceConflict(
        f"The configuration “{default.name}” does not go together with the rest of your server: {what} already. "
        "Leave the configuration out, or tell your administrator."
    )

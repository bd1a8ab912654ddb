"""Kubeflow's PodDefaults: which are offered, and what they add to a pod."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes_asyncio.client.models import (
    V1Container,
    V1EnvVar,
    V1ObjectMeta,
    V1Pod,
    V1PodSpec,
    V1Toleration,
    V1Volume,
    V1VolumeMount,
)

from jhkube.operator_models import ConfigError
from jhkube.pod.parts import ChoiceConflict
from jhkube.pod.pod_defaults import PodDefault, read_pod_default, with_pod_defaults
from tests.unit.pod_security import serialized

SAFE: dict[str, Any] = {
    "env": [
        {"name": "SURVEY", "value": "deep"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}},
    ],
    "envFrom": [{"prefix": "P_", "configMapRef": {"name": "settings"}}],
    "volumes": [{"name": "scratch", "emptyDir": {"medium": "Memory"}}, {"name": "conf", "configMap": {"name": "c"}}],
    "volumeMounts": [
        {"name": "scratch", "mountPath": "/scratch"},
        {"name": "conf", "mountPath": "/conf", "readOnly": True},
    ],
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "labels": {"team": "astro"},
    "annotations": {"example.org/why": "survey"},
}
SECRETS: list[dict[str, Any]] = [
    {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
    {"envFrom": [{"secretRef": {"name": "s"}}]},
    {"volumes": [{"name": "s", "secret": {"secretName": "s"}}]},
    {"volumes": [{"name": "s", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}]},
    {"volumes": [{"name": "s", "persistentVolumeClaim": {"claimName": "claim-eve"}}]},
    {"imagePullSecrets": [{"name": "s"}]},
]


def found(spec: Any = None, selector: Any = None) -> dict[str, Any]:
    labels = {"matchLabels": {"use-survey": "true"}} if selector is None else selector
    return {
        "metadata": {"name": "survey", "resourceVersion": "7"},
        "spec": {"selector": labels, "desc": "The survey's data", **(spec or {})},
    }


def read(spec: Any = None) -> PodDefault:
    return read_pod_default(found(spec), with_secrets=True)


def pod() -> V1Pod:
    container = V1Container(
        name="notebook",
        env=[V1EnvVar(name="HOME", value="/home/ada"), V1EnvVar(name="SURVEY", value="deep")],
        volume_mounts=[V1VolumeMount(name="home", mount_path="/home/ada")],
    )
    other = V1Container(name="other")
    spec = V1PodSpec(
        containers=[other, container],
        init_containers=[V1Container(name="repository")],
        volumes=[V1Volume(name="home", empty_dir={})],
        tolerations=[V1Toleration(key="old", operator="Exists")],
    )
    return V1Pod(metadata=V1ObjectMeta(name="jupyter-ada", labels={"app": "jupyterhub"}), spec=spec)


def test_one_is_chosen_by_its_labels_and_called_by_its_description() -> None:
    default = read_pod_default(found(SAFE), with_secrets=False)
    assert (default.name, default.labels, default.description) == ("survey", ("use-survey",), "The survey's data")


def test_all_its_fields_come_into_the_servers_own_container_and_are_noted_as_kubeflow_does() -> None:
    made = serialized(with_pod_defaults(pod(), [read(SAFE), read(SAFE)]))
    other, container = made["spec"]["containers"]
    assert other == {"name": "other"}
    # As with Kubeflow's webhook, which goes through `spec.containers` alone.
    assert made["spec"]["initContainers"] == [{"name": "repository"}]
    # What is there already is not added again.
    assert [each["name"] for each in container["env"]] == ["HOME", "SURVEY", "NODE", "MODE"]
    assert container["env"][2]["valueFrom"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    assert container["envFrom"][0] == SAFE["envFrom"][0]
    assert container["volumeMounts"][1:] == SAFE["volumeMounts"]
    assert made["spec"]["volumes"][1:] == SAFE["volumes"]
    assert made["spec"]["tolerations"] == [{"key": "old", "operator": "Exists"}, *SAFE["tolerations"]]
    assert made["metadata"]["labels"] == {"app": "jupyterhub", "team": "astro"}
    assert made["metadata"]["annotations"] == {
        "example.org/why": "survey",
        "poddefault.admission.kubeflow.org/poddefault-survey": "7",
    }


@pytest.mark.parametrize("spec", SECRETS)
def test_what_names_a_secret_or_a_claim_is_for_people_who_may_use_all_of_the_namespace(spec: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="names Secrets or claims"):
        read_pod_default(found(spec), with_secrets=False)
    made = serialized(with_pod_defaults(pod(), [read(spec)]))
    ((field, value),) = spec.items()
    where = made["spec"]["containers"][1] if field.startswith("env") else made["spec"]
    assert where[field][-1] == value[0]


@pytest.mark.parametrize(
    "spec",
    [
        {"command": ["sh"]},
        {"args": ["-c"]},
        {"sidecars": [{"name": "x", "image": "y"}]},
        {"initContainers": [{"name": "x", "image": "y"}]},
        {"serviceAccountName": "admin"},
        {"automountServiceAccountToken": True},
        {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]},
        {"volumes": [{"name": "x", "nfs": {"server": "s", "path": "/"}}]},
        {"volumes": [{"emptyDir": {}}]},
        {"volumeMounts": [{"name": "home", "mountPath": "/others"}]},
        {
            "volumes": [{"name": "x", "emptyDir": {}}],
            "volumeMounts": [{"name": "x", "mountPath": "/x", "mountPropagation": "Bidirectional"}],
        },
        {"env": [{"name": "X", "valueFrom": {"other": {}}}]},
        {"env": {"X": "y"}},
        {"labels": {"hub.jupyter.org/network-access-proxy-api": "true"}},
        {"labels": {"jhkube/uid": "0"}},
        {"labels": {"group.jhkube/admins": "yes"}},
        {"annotations": {"container.apparmor.security.beta.kubernetes.io/notebook": "unconfined"}},
        {"tolerations": "all"},
    ],
)
def test_what_could_be_more_than_the_persons_own_is_never_offered(spec: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^spec"):
        read(spec)


@pytest.mark.parametrize(
    "selector",
    [{}, {"matchLabels": {}}, {"matchLabels": {"a": "1"}}, {"matchExpressions": []}, {"matchLabels": {"a": True}}, 1],
)
def test_one_that_nobody_can_choose_is_not_offered(selector: Any) -> None:
    with pytest.raises(ConfigError):
        read_pod_default(found(SAFE, selector), with_secrets=True)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"env": [{"name": "HOME", "value": "/root"}]}, "env has another 'HOME' already"),
        ({"volumes": [{"name": "home", "configMap": {"name": "x"}}]}, "volumes has another 'home' already"),
        (
            {
                "volumes": [{"name": "x", "emptyDir": {}}],
                "volumeMounts": [{"name": "x", "mountPath": "/home/ada"}],
            },
            "volumeMounts has another '/home/ada' already",
        ),
        ({"tolerations": [{"key": "old", "value": "x"}]}, "tolerations has another 'old' already"),
        ({"labels": {"app": "other"}}, "the label 'app' has another value already"),
    ],
)
def test_a_conflict_is_refused_in_a_sentence(spec: dict[str, Any], says: str) -> None:
    with pytest.raises(ChoiceConflict, match=says) as refused:
        with_pod_defaults(pod(), [read(spec)])
    assert str(refused.value).endswith("Leave the configuration out, or tell your administrator.")

"""Parts and a pod: what is added, what wins, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes_asyncio.client.models import (
    V1Container,
    V1EmptyDirVolumeSource,
    V1Pod,
    V1Volume,
    V1VolumeMount,
)
from kubespawner.objects import make_pod

from jhkube.pod.parts import InitStep, PartsConflict, PodParts, apply_parts, unexpanded
from tests.unit.pod_security import serialized


def kubespawner_pod(**traits: Any) -> V1Pod:
    return make_pod(**{"name": "jupyter-ada", "cmd": ["lab"], "port": 8888, "image": "lab:1", **traits})


def env_of(pod: V1Pod) -> dict[str, str]:
    return {each["name"]: each["value"] for each in serialized(pod)["spec"]["containers"][0]["env"]}


def empty(name: str) -> V1Volume:
    return V1Volume(name=name, empty_dir=V1EmptyDirVolumeSource())


def test_a_value_means_itself_to_kubelet() -> None:
    pod = apply_parts(kubespawner_pod(), PodParts(env={"A": "$(HOME) $5 {username} {{x}} $$"}))
    # The API reference on a container's env and command: "Double $$ are reduced to a single $".
    assert env_of(pod)["A"].replace("$$", "$") == "$(HOME) $5 {username} {{x}} $$"
    assert unexpanded("$(A)") == "$$(A)"


def test_the_operators_variable_wins_and_may_refer_to_ours() -> None:
    pod = kubespawner_pod(env={"HOME": "/elsewhere", "CACHE": "$(USER)/x"})
    env = env_of(apply_parts(pod, PodParts(env={"HOME": "/home/ada", "USER": "ada"})))
    assert env == {"USER": "ada", "HOME": "/elsewhere", "CACHE": "$(USER)/x"}
    assert list(env).index("USER") < list(env).index("CACHE")


def test_only_the_users_container_gets_mounts_and_variables() -> None:
    pod = kubespawner_pod(extra_containers=[{"name": "cron", "image": "cron:1"}])
    apply_parts(
        pod,
        PodParts(volumes=(empty("v"),), volume_mounts=(V1VolumeMount(name="v", mount_path="/v"),), env={"A": "1"}),
    )
    assert serialized(pod)["spec"]["containers"][1] == {"name": "cron", "image": "cron:1"}


def test_labels_and_annotations_are_added() -> None:
    pod = kubespawner_pod(labels={"app": "jupyterhub"}, annotations={"a": "1"})
    metadata = apply_parts(pod, PodParts(labels={"size": "s"}, annotations={"b": "2"})).metadata
    assert metadata.labels == {"app": "jupyterhub", "size": "s"}
    assert metadata.annotations == {"a": "1", "b": "2"}


def test_the_operators_working_directory_wins() -> None:
    assert (
        apply_parts(kubespawner_pod(), PodParts(working_dir="/home/ada")).spec.containers[0].working_dir
        == "/home/ada"
    )
    pod = apply_parts(kubespawner_pod(working_dir="/work"), PodParts(working_dir="/home/ada"))
    assert pod.spec.containers[0].working_dir == "/work"


def test_the_same_volume_from_two_parts_is_there_once() -> None:
    pod = apply_parts(kubespawner_pod(), PodParts(volumes=(empty("v"),)), PodParts(volumes=(empty("v"),)))
    assert [volume["name"] for volume in serialized(pod)["spec"]["volumes"]] == ["v"]


def test_another_volume_of_that_name_is_refused() -> None:
    pod = kubespawner_pod(volumes=[{"name": "v", "hostPath": {"path": "/srv"}}])
    with pytest.raises(PartsConflict, match="two different volumes named 'v'"):
        apply_parts(pod, PodParts(volumes=(empty("v"),)))


@pytest.mark.parametrize("path", ["/home/ada", "/home/ada/"])
def test_a_path_that_is_taken_is_refused_with_what_to_do(path: str) -> None:
    pod = kubespawner_pod(volume_mounts=[{"name": "storage", "mountPath": path}])
    with pytest.raises(
        PartsConflict, match=r"two volumes .* at /home/ada: 'storage' and 'v'; .*singleuser\.storage\.type"
    ):
        apply_parts(pod, PodParts(volume_mounts=(V1VolumeMount(name="v", mount_path="/home/ada"),)))


def test_plain_dicts_from_extra_pod_config_are_understood() -> None:
    pod = kubespawner_pod(
        extra_pod_config={"volumes": [{"name": "own", "emptyDir": {}}]},
        extra_container_config={
            "volumeMounts": [{"name": "own", "mountPath": "/own"}],
            "env": [{"name": "A", "value": "1"}],
        },
    )
    apply_parts(
        pod,
        PodParts(
            volumes=(empty("v"),), volume_mounts=(V1VolumeMount(name="v", mount_path="/v"),), env={"A": "2", "B": "3"}
        ),
    )
    spec = serialized(pod)["spec"]
    assert [volume["name"] for volume in spec["volumes"]] == ["own", "v"]
    assert [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]] == ["/own", "/v"]
    assert env_of(pod) == {"A": "1", "B": "3"}


def test_the_steps_of_all_parts_share_one_init_container_after_the_others() -> None:
    pod = kubespawner_pod(
        init_containers=[{"name": "theirs", "image": "x:1"}], mem_limit=100, image_pull_policy="Always"
    )
    apply_parts(
        pod,
        PodParts(init_steps=(InitStep("echo one", {"A": "1"}),)),
        PodParts(
            init_containers=(V1Container(name="ours", image="y:1"),), init_steps=(InitStep("echo two", {"B": "$2"}),)
        ),
    )
    init = serialized(pod)["spec"]["initContainers"]
    assert [container["name"] for container in init] == ["theirs", "ours", "jhkube-init"]
    assert (init[2]["image"], init[2]["imagePullPolicy"]) == ("lab:1", "Always")
    assert init[2]["command"][2].index("echo one") < init[2]["command"][2].index("echo two")
    assert {each["name"]: each["value"] for each in init[2]["env"]} == {"A": "1", "B": "$$2"}
    assert init[2]["resources"] == {"requests": {}, "limits": {"memory": 100}}


def test_an_init_container_asks_for_no_gpu() -> None:
    pod = kubespawner_pod(extra_resource_limits={"nvidia.com/gpu": "1"}, cpu_limit=1)
    apply_parts(pod, PodParts(init_steps=(InitStep("true"),)))
    assert serialized(pod)["spec"]["initContainers"][0]["resources"]["limits"] == {"cpu": 1}

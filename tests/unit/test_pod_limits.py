"""Ceilings over all of a user's servers."""

from __future__ import annotations

from typing import Any

import pytest

from jhkube.operator_models import ConfigError
from jhkube.pod.limits import (
    Ceiling,
    Usage,
    ceiling_for,
    gpu_count,
    memory_text,
    over_ceiling,
    parse_ceilings,
    parse_cores,
    parse_memory,
    parse_quantity,
    parse_storage,
    pod_usage,
    resource_quota,
)
from tests.unit.pod_security import serialized

GIB = 1024**3


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("500m", 0.5),
        ("1Gi", GIB),
        ("1G", 10**9),
        ("1k", 1000),
        ("2e3", 2000),
        ("1.5Mi", 1572864),
        (".5", 0.5),
        (" 2 ", 2),
    ],
)
def test_a_kubernetes_quantity_is_its_number(text: str, number: float) -> None:
    assert parse_quantity(text) == number


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "Gi", "1g", "1,5", "nan", "--1", "1\n2"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        parse_quantity(text)


def test_a_disk_without_a_unit_is_refused():
    assert parse_storage("10Gi") == 10 * 2**30
    assert parse_storage(1_000_000) == parse_storage("1M") == 1_000_000
    for text in ("10", "", "999k", -1):
        with pytest.raises(ValueError, match=r"is less than a megabyte; write a unit, such as 10Gi|is not an amount"):
            parse_storage(text)


def test_memory_is_read_as_jupyterhub_reads_it() -> None:
    assert [parse_memory(text) for text in ("2G", "2Gi", 2 * GIB, "512M")] == [
        2 * GIB,
        2 * GIB,
        2 * GIB,
        512 * 1024**2,
    ]
    assert parse_cores("250m") == 0.25


@pytest.mark.parametrize(
    ("amount", "text"),
    [(512 * 1024**2, "512 MiB"), (GIB, "1 GiB"), (3 * GIB // 2, "1.5 GiB"), (2048 * GIB, "2 TiB"), (9, "9 bytes")],
)
def test_memory_is_said_as_people_read_it(amount: int, text: str) -> None:
    assert memory_text(amount) == text


@pytest.mark.parametrize(
    ("running", "wanted", "ceiling", "said"),
    [
        ([], Usage(4, 8 * GIB), Ceiling(), None),
        ([], Usage(4), Ceiling(cores=4), None),
        ([Usage(2)], Usage(2), Ceiling(cores=4, servers=2), None),
        ([Usage(8)], Usage(0, GIB), Ceiling(cores=4), None),
        (
            [],
            Usage(4),
            Ceiling(cores=2),
            "This server asks for 4 cores; your limit is 2 cores. Choose a smaller size.",
        ),
        (
            [Usage(cores=3, server="gpu"), Usage(cores=1)],
            Usage(cores=1),
            Ceiling(cores=4),
            "This server's 1 core and the 4 cores of your running servers (gpu, the default one) are 5 cores;"
            " your limit is 4 cores. Choose a smaller size or stop a server.",
        ),
        (
            [Usage(memory=6 * GIB)],
            Usage(memory=4 * GIB),
            Ceiling(memory=8 * GIB),
            "This server's 4 GiB of memory and the 6 GiB of your running server (the default one) are 10 GiB;"
            " your limit is 8 GiB. Choose a smaller size or stop a server.",
        ),
        (
            [Usage(gpus=1)],
            Usage(gpus=1),
            Ceiling(gpus=1),
            "This server's 1 GPU and the 1 GPU of your running server (the default one) are 2 GPUs;"
            " your limit is 1 GPU. Choose a smaller size or stop a server.",
        ),
        (
            [],
            Usage(gpus=1),
            Ceiling(gpus=0),
            "This server asks for 1 GPU; your limit is 0 GPUs. Choose a smaller size.",
        ),
        (
            [Usage(server="a"), Usage(server="b")],
            Usage(),
            Ceiling(servers=2),
            "You have 2 servers running (a, b); your limit is 2. Stop one to start another.",
        ),
        ([], Usage(), Ceiling(servers=0), "You may not run a server. Ask an administrator."),
    ],
)
def test_what_passes_a_ceiling_is_said_in_numbers(
    running: list[Usage], wanted: Usage, ceiling: Ceiling, said: str | None
) -> None:
    assert over_ceiling(running, wanted, ceiling) == said


CEILINGS = parse_ceilings(
    {
        "default": {"cores": 4, "memory": "16G", "servers": 2},
        "groups": {"astro": {"cores": 32}, "chem": {"cores": 8, "gpus": 2}, "class": {"cores": 1}},
        "users": {"bob": {"cores": 64}},
    }
)


def test_a_users_own_ceiling_wins_over_everything() -> None:
    assert ceiling_for(CEILINGS, "bob", ["class"]) == Ceiling(cores=64)


def test_of_two_groups_the_more_generous_counts_for_each_amount() -> None:
    assert ceiling_for(CEILINGS, "ada", ["chem", "astro"]) == Ceiling(cores=32, memory=16 * GIB, gpus=2, servers=2)


def test_a_group_may_be_below_the_default() -> None:
    assert ceiling_for(CEILINGS, "ada", ["class"]).cores == 1


def test_a_group_that_nothing_is_said_about_has_the_default() -> None:
    assert ceiling_for(CEILINGS, "ada", ["other"]) == CEILINGS.default


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"everybody": {}}, "ceilings: there is no field 'everybody'; there are default, groups, users"),
        ({"default": {"cpu": 1}}, "ceilings.default: there is no field 'cpu'"),
        ({"default": {"core": 1}}, "ceilings.default: there is no field 'core'; did you mean 'cores'"),
        ({"groups": {"astro": {"memory": "lots"}}}, "ceilings.groups.astro.memory: should be an amount of memory"),
        (
            {"users": {"bob": {"servers": -1}}},
            "ceilings.users.bob.servers: should be a whole number, such as",
        ),
        ({"default": {"cores": -1}}, "ceilings.default.cores: should be a number of cores"),
        ({"default": {"memory": "-1G"}}, "ceilings.default.memory: should be an amount of memory"),
        (
            {"default": {"memory": 16}},
            "ceilings.default.memory: should be at least 16M (a plain number is bytes: did you mean '16G'?)",
        ),
        ({"default": 4}, "ceilings.default: should be a dict of fields, not a number"),
        ({"groups": ["astro"]}, "ceilings.groups: should be a dict of ceilings by hub group"),
        ({"users": {"bob": None}}, "ceilings.users.bob: should be a dict of fields, not nothing"),
        ({1: {}}, "ceilings: there is no field 1"),
        ({"groups": {1: {}}}, "ceilings.groups"),
        ({"default": {1: 2}}, "ceilings.default: there is no field 1"),
        ({"default": {"gpus": 1.5}}, "ceilings.default.gpus: should be a whole number, such as 2, not 1.5"),
        ({"default": {"gpus": float("inf")}}, "ceilings.default.gpus: should be a whole number"),
        ({"default": {"servers": True}}, "ceilings.default.servers: should be a whole number"),
        ({"default": {"servers": [1]}}, "ceilings.default.servers: should be a whole number"),
        ({"default": {"cores": [1]}}, "ceilings.default.cores: should be a number of cores"),
        ({"default": {"cores": "1e9999999"}}, "ceilings.default.cores: should be a number of cores"),
        ({"default": {"cores": "1e400"}}, "ceilings.default.cores: should be a number of cores"),
        ({"default": {"servers": "9" * 5000}}, "ceilings.default.servers: should be a whole number"),
    ],
)
def test_wrong_ceilings_say_what_is_wrong(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_ceilings(config)
    assert str(refused.value).startswith(message)


def test_an_amount_that_is_none_is_not_given() -> None:
    assert parse_ceilings({"default": None, "groups": {"astro": {"cores": None}}}) == parse_ceilings(
        {"groups": {"astro": {}}}
    )


def pod(name: str = "jupyter-ada", user: str = "ada", phase: str = "Running", **resources: Any) -> dict[str, Any]:
    annotations = {"hub.jupyter.org/username": user, "hub.jupyter.org/servername": "gpu"}
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"containers": [{"name": "notebook", "resources": resources}, {"name": "cron"}]},
        "status": {"phase": phase},
    }


def test_a_pod_uses_its_limits() -> None:
    limits = {"cpu": "1500m", "memory": "2Gi", "nvidia.com/gpu": "2"}
    assert pod_usage(pod(limits=limits, requests={"cpu": "100m"})) == Usage(1.5, 2 * GIB, 2, "gpu")


def test_a_pod_without_a_limit_uses_its_request() -> None:
    assert pod_usage(pod(requests={"cpu": "100m", "memory": "1073741824"})) == Usage(0.1, GIB, 0, "gpu")
    assert pod_usage(pod()) == Usage(server="gpu")


def test_a_ceiling_is_a_quota_too() -> None:
    quota = serialized(resource_quota(Ceiling(cores=4, memory=8 * GIB, servers=3)))
    assert quota["metadata"]["name"] == "jhkube-ceiling"
    assert quota["spec"]["hard"] == {"limits.cpu": "4", "limits.memory": str(8 * GIB), "pods": "3"}
    assert resource_quota(Ceiling()) is None


def test_a_quota_counts_the_gpus_of_every_vendor_and_those_of_the_sizes() -> None:
    hard = serialized(resource_quota(Ceiling(gpus=2), ["nvidia.com/mig-1g.5gb", "nvidia.com/gpu"]))["spec"]["hard"]
    assert hard == {
        f"requests.{name}": "2"
        for name in (
            "amd.com/gpu",
            "gpu.intel.com/i915",
            "gpu.intel.com/xe",
            "habana.ai/gaudi",
            "nvidia.com/gpu",
            "nvidia.com/mig-1g.5gb",
        )
    }


@pytest.mark.parametrize(
    ("resource", "counted"),
    [
        ("nvidia.com/gpu", 1),
        ("nvidia.com/gpu.shared", 1),
        ("nvidia.com/mig-1g.5gb", 1),
        ("amd.com/gpu", 1),
        ("amd.com/cpx_nps1", 1),
        ("gpu.intel.com/i915", 1),
        ("gpu.intel.com/xe", 1),
        ("habana.ai/gaudi", 1),
        ("google.com/tpu", 1),
        ("aws.amazon.com/neuron", 1),
        ("nvidia.com/mig-2g.20gb.shared", 1),
        ("volcano.sh/vgpu-number", 1),
        ("volcano.sh/vgpu-memory", 0),
        ("nvidia.com/gpucores", 0),
        ("aws.amazon.com/neuroncore", 0),
        ("example.org/vGPU", 1),
        ("example.org/accelerator", 0),
        ("gpu.intel.com/i915_monitoring", 0),
        ("aliyun.com/gpu-mem", 0),
        ("koordinator.sh/gpu-core", 0),
        ("nvidia.com/hostdev", 0),
        ("rdma/hca", 0),
        ("cpu", 0),
        ("memory", 0),
        ("ephemeral-storage", 0),
    ],
)
def test_what_is_a_gpu_is_known_by_its_resource(resource: str, counted: int) -> None:
    assert gpu_count({resource: "1"}) == counted
    assert pod_usage(pod(limits={resource: "1"})).gpus == counted


def test_what_the_sizes_call_a_gpu_is_one_by_any_name() -> None:
    assert gpu_count({"example.org/accelerator": "2"}, ["example.org/accelerator"]) == 2
    assert pod_usage(pod(limits={"example.org/accelerator": "2"}), ["example.org/accelerator"]).gpus == 2

"""Sizes: an operator's list becomes values, or an error that names the field."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from jhkube.operator_models import ConfigError, schema_definitions
from jhkube.options_form.sizes import DEFAULT_SIZES, Size, bytes_text, default_size, parse_sizes, sizes_for

GIB = 2**30


def size(**fields: Any) -> Size:
    return parse_sizes([{"name": "one", "cores": 1, "memory": "1G", **fields}])[0]


def test_there_are_three_sizes_where_the_operator_says_nothing() -> None:
    sizes = parse_sizes(DEFAULT_SIZES)
    assert [each.name for each in sizes] == ["small", "medium", "large"]
    assert default_size(sizes) == sizes[0]


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ("4G", 4 * GIB),
        ("4Gi", 4 * GIB),
        ("4GiB", 4 * GIB),
        ("4 GB", 4 * GIB),
        ("4g", 4 * GIB),
        ("512M", GIB // 2),
        ("512Mi", GIB // 2),
        ("0.5G", GIB // 2),
        ("1T", 1024 * GIB),
        ("1073741824", GIB),
        (1073741824, GIB),
        (1.5 * GIB, 3 * GIB // 2),
        ("16M", 16 * 2**20),
    ],
)
def test_memory_is_read_as_jupyterhub_reads_mem_limit(memory: Any, expected: int) -> None:
    assert size(memory=memory).memory == expected


@pytest.mark.parametrize(("cores", "expected"), [(2, 2.0), (0.5, 0.5), ("500m", 0.5), ("1.5", 1.5)])
def test_cores_can_be_written_as_in_kubernetes(cores: Any, expected: float) -> None:
    assert size(cores=cores).cores == expected


def test_a_quarter_is_guaranteed_unless_the_operator_says_otherwise() -> None:
    small = size(cores=2, memory="8G")
    assert (small.cores_guarantee, small.memory_guarantee) == (0.5, 2 * GIB)
    half = parse_sizes([{"name": "one", "cores": 2, "memory": "8G"}], guarantee_ratio=0.5)[0]
    assert (half.cores_guarantee, half.memory_guarantee) == (1.0, 4 * GIB)
    own = size(cores=2, memory="8G", guarantee_ratio=1)
    assert (own.cores_guarantee, own.memory_guarantee) == (2.0, 8 * GIB)
    said = size(cores=2, memory="8G", cores_guarantee=0.1, memory_guarantee="1G")
    assert (said.cores_guarantee, said.memory_guarantee) == (0.1, GIB)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"memmory": "1G"}, "sizes[0]: there is no field 'memmory'; did you mean 'memory'?"),
        ({"xyzzy": 1}, "sizes[0]: there is no field 'xyzzy'; there are name, display_name"),
        ({"name": None}, "sizes[0].name: should be a short name"),
        ({"name": "two words"}, "sizes[0].name: should be a short name"),
        ({"name": "x" * 64}, "sizes[0].name: should be a short name"),
        ({"cores": None}, "sizes[0] (one).cores: should be a number of cores, such as 2 or 0.5, not nothing"),
        ({"cores": "two"}, "sizes[0] (one).cores: should be a number of cores"),
        ({"cores": 0}, "sizes[0] (one).cores: should be a number of cores"),
        ({"cores": -1}, "sizes[0] (one).cores"),
        ({"cores": True}, "sizes[0] (one).cores"),
        ({"cores": float("nan")}, "sizes[0] (one).cores"),
        ({"cores": float("inf")}, "sizes[0] (one).cores"),
        ({"cores": "nan"}, "sizes[0] (one).cores"),
        ({"memory": None}, "sizes[0] (one).memory: should be bytes, or a number with K, M, G or T"),
        ({"memory": "4X"}, "sizes[0] (one).memory"),
        ({"memory": [4]}, "sizes[0] (one).memory"),
        ({"memory": 0}, "sizes[0] (one).memory"),
        ({"memory": 0.5}, "sizes[0] (one).memory"),
        (
            {"memory": 4},
            "sizes[0] (one).memory: should be at least 16M (a plain number is bytes: did you mean '4G'?), not 4",
        ),
        ({"memory": " 4096 "}, "bytes: did you mean '4096M'?), not ' 4096 '"),
        ({"memory": "15.9M"}, "sizes[0] (one).memory: should be at least 16M, not '15.9M'"),
        ({"cores": 2**60}, "sizes[0] (one).cores"),
        ({"guarantee_ratio": 2}, "sizes[0] (one).guarantee_ratio"),
        ({"cores_guarantee": 2}, "sizes[0] (one).cores_guarantee: should be a number of cores of at most 1"),
        ({"memory_guarantee": "2G"}, "sizes[0] (one).memory_guarantee: should be an amount of at most 1 GiB"),
        ({"gpus": 1.5}, "sizes[0] (one).gpus: should be a whole number"),
        ({"gpus": -1}, "sizes[0] (one).gpus"),
        ({"gpu_resource": "nvidia"}, "sizes[0] (one).gpu_resource: should be a resource of a device plugin"),
        ({"node_selector": {"zone": 1}}, "sizes[0] (one).node_selector.zone: should be a text"),
        ({"groups": "physics"}, "sizes[0] (one).groups: should be a list of texts"),
        ({"default": "yes"}, "sizes[0] (one).default: should be True or False, not 'yes'"),
        ({"tolerations": {"key": "gpu"}}, "sizes[0] (one).tolerations: should be a list of dicts"),
        ({"tolerations": [{"kee": "gpu"}]}, "there is no field 'kee'; did you mean 'key'?"),
        (
            {"tolerations": [{"key": "a", "effect": "No"}]},
            "(one).tolerations[0].effect: should be 'NoSchedule', 'PreferNoSchedule' or 'NoExecute', not 'No'",
        ),
        ({"tolerations": [{"key": "a", "operator": "In"}]}, "operator: should be 'Equal' or 'Exists', not 'In'"),
        (
            {"tolerations": [{"key": "a"}, {"effect": "NoSchedule"}]},
            "tolerations[1].key: should be a taint's key, or left out with the operator Exists",
        ),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
            "tolerations[0].value: should be left out with the operator Exists, not 'b'",
        ),
        ({"tolerations": [{"key": "a", "tolerationSeconds": "60"}]}, "tolerationSeconds: should be a whole number"),
    ],
)
def test_an_error_names_the_field_and_what_would_be_right(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        size(**fields)
    assert message in str(error.value)


@pytest.mark.parametrize("config", [None, "small", {"small": {}}, 3])
def test_what_is_no_list_is_refused(config: Any) -> None:
    with pytest.raises(ConfigError, match=r"sizes: should be a list of dicts"):
        parse_sizes(config)


def test_two_sizes_of_one_name_are_refused() -> None:
    one = {"name": "one", "cores": 1, "memory": "1G"}
    with pytest.raises(ConfigError, match=r"sizes\[1\].name: 'one' is the name of a size before it"):
        parse_sizes([one, one])


def test_a_size_of_a_group_is_for_its_members() -> None:
    sizes = parse_sizes(
        [
            {"name": "all", "cores": 1, "memory": "1G"},
            {"name": "gpu", "cores": 1, "memory": "1G", "groups": ["physics:gpu"], "default": True},
        ]
    )
    assert [each.name for each in sizes_for([], sizes)] == ["all"]
    assert [each.name for each in sizes_for(["physics"], sizes)] == ["all"]
    assert [each.name for each in sizes_for(["physics:gpu"], sizes)] == ["all", "gpu"]


def test_the_default_is_the_first_default_that_one_may_take() -> None:
    sizes = parse_sizes(
        [
            {"name": "all", "cores": 1, "memory": "1G"},
            {"name": "gpu", "cores": 1, "memory": "1G", "groups": ["gpu"], "default": True},
            {"name": "big", "cores": 1, "memory": "1G", "default": True},
        ]
    )
    chosen = {groups: default_size(sizes_for([groups], sizes)) for groups in ("gpu", "none")}
    assert chosen["gpu"] == sizes[1]
    assert chosen["none"] == sizes[2]
    assert default_size([]) is None


@pytest.mark.parametrize(
    ("fields", "summary"),
    [
        ({}, "1 core, 1 GiB memory"),
        ({"cores": 0.5, "memory": "1.5G"}, "0.5 cores, 1.5 GiB memory"),
        ({"gpus": 1}, "1 core, 1 GiB memory, 1 NVIDIA GPU"),
        ({"gpus": 2, "gpu_resource": "amd.com/gpu"}, "1 core, 1 GiB memory, 2 AMD GPUs"),
        ({"gpus": 1, "gpu_resource": "other.example/npu"}, "1 core, 1 GiB memory, 1 other.example/npu"),
    ],
)
def test_a_size_says_what_it_gives(fields: dict[str, Any], summary: str) -> None:
    assert size(**fields).summary == summary


@pytest.mark.parametrize(
    ("amount", "text"),
    [(512, "512 bytes"), (1024, "1 KiB"), (GIB // 2, "512 MiB"), (4 * GIB, "4 GiB"), (2048 * GIB, "2 TiB")],
)
def test_memory_reads_well(amount: int, text: str) -> None:
    assert bytes_text(amount) == text


@pytest.mark.parametrize(
    ("fields", "valid"),
    [
        ({}, True),
        ({"memory": "512Mi", "cores": "500m", "gpus": 1, "default": True, "groups": ["physics"]}, True),
        ({"tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]}, True),
        ({"tolerations": [{"kee": "gpu"}]}, False),
        ({"cores_guarantee": "two"}, False),
        ({"memmory": "1G"}, False),
        ({"memory": 16 * 2**20}, True),
        ({"memory": 4}, False),
        ({"memory_guarantee": 4}, True),
    ],
)
def test_the_schema_knows_what_a_size_is(fields: dict[str, Any], valid: bool) -> None:
    schema = {"definitions": schema_definitions(Size), "items": {"$ref": "#/definitions/Size"}}
    written = [*DEFAULT_SIZES, {"name": "one", "cores": 1, "memory": "1G", **fields}]
    assert jsonschema.Draft7Validator(schema).is_valid(written) is valid


def test_a_guarantee_may_be_all_of_a_size_and_not_more() -> None:
    assert size(memory_guarantee=1).memory_guarantee == 1
    assert size(cores=2, cores_guarantee=2).cores_guarantee == 2
    assert size(memory="2G", memory_guarantee="2G").memory_guarantee == 2 * GIB
    with pytest.raises(ConfigError, match="cores_guarantee: should be a number of cores of at most 2"):
        size(cores=2, cores_guarantee=2.001)
    with pytest.raises(ConfigError, match="memory_guarantee: "):
        size(memory="2G", memory_guarantee=2 * GIB + 1)

"""Models of what an operator writes: values where it can be used, or a sentence that names the field."""

from __future__ import annotations

from typing import Any, Literal

import jsonschema
import pytest
from pydantic import Field
from traitlets import HasTraits, List, TraitError, validate

from jhkube.operator_models import (
    ConfigError,
    NamedModel,
    OperatorModel,
    checked_trait,
    read_list,
    read_model,
    read_named,
    schema_definitions,
)
from jhkube.operator_types import (
    Bytes,
    Cores,
    Count,
    Environment,
    Flag,
    Groups,
    KubernetesObjects,
    Line,
    ObjectName,
    Seconds,
    TextList,
)


class Port(OperatorModel):
    number: Count
    protocol: Literal["TCP", "UDP"] = "TCP"


class Machine(NamedModel):
    cores: Cores
    memory: Bytes = 2**30
    claim: ObjectName = "data"
    note: Line = ""
    wait: Seconds = 60.0
    groups: Groups = frozenset()
    patterns: TextList = ()
    environment: Environment = {}
    volumes: KubernetesObjects = ()
    ports: tuple[Port, ...] = ()
    is_default: Flag = Field(default=False, alias="default")


ONE = {"name": "one", "cores": 2}
SECRET = "hunter2-secret"


def machine(**fields: Any) -> Machine:
    return read_list(Machine, "machines", [{**ONE, **fields}])[0]


def test_what_is_left_out_or_none_is_the_default() -> None:
    assert machine(memory=None, groups=None, default=None) == machine()
    assert machine().memory == 2**30


def test_a_value_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        machine().cores = 3.0


@pytest.mark.parametrize(
    ("field", "written", "read"),
    [
        ("cores", "500m", 0.5),
        ("cores", "1.5", 1.5),
        ("memory", "4G", 4 * 2**30),
        ("memory", "512 mib", 2**29),
        ("memory", 1.5, 1),
        ("note", " two\n words ", "two words"),
        ("wait", 0, 0.0),
        ("groups", ("a", "b"), {"a", "b"}),
        ("patterns", ["b", "a"], ("b", "a")),
        ("environment", {"A": "1"}, {"A": "1"}),
        ("volumes", [{"name": "a", "emptyDir": {}}], ({"name": "a", "emptyDir": {}},)),
        ("ports", [{"number": 80}], (read_model(Port, "port", {"number": 80}),)),
    ],
)
def test_a_field_is_read(field: str, written: Any, read: Any) -> None:
    assert getattr(machine(**{field: written}), field) == read


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"memmory": "1G"}, "machines[0]: there is no field 'memmory'; did you mean 'memory'?"),
        ({"is_default": True}, "machines[0]: there is no field 'is_default'; did you mean 'default'?"),
        ({"xyzzy": 1}, "machines[0]: there is no field 'xyzzy'; there are name, cores, memory, "),
        ({1: 2}, "machines[0]: there is no field 1; there are name, "),
        ({"name": None}, "machines[0].name: should be a short name of letters, digits, '-', '_' and '.', "),
        ({"name": "two words"}, "such as 'small', not 'two words'"),
        ({"cores": None}, "machines[0] (one).cores: should be a number of cores, such as 2 or 0.5, not nothing"),
        ({"cores": "two"}, "machines[0] (one).cores: should be a number of cores, such as 2 or 0.5, not 'two'"),
        ({"cores": True}, "such as 2 or 0.5, not True"),
        ({"cores": float("nan")}, "not nan"),
        ({"cores": "inf"}, "not 'inf'"),
        ({"memory": [4]}, "(one).memory: should be bytes, or a number with K, M, G or T, such as '4G', not a list"),
        ({"memory": "4X"}, "such as '4G', not '4X'"),
        ({"claim": "No Name"}, "(one).claim: should be the name of a Kubernetes object"),
        ({"note": "x" * 100, "wait": -1}, "(one).wait: should be a number of seconds, such as 60, not -1"),
        ({"wait": True}, "(one).wait: should be a number of seconds"),
        ({"groups": "physics"}, "(one).groups: should be a list of texts, such as"),
        ({"groups": [3]}, "(one).groups[0]: should be a text, not 3"),
        ({"groups": {"physics": 1}}, "(one).groups: should be a list of texts, such as"),
        ({"patterns": [""]}, "(one).patterns[0]: should be a text, not ''"),
        ({"environment": {"A B": "x"}}, "(one).environment: should be a dict of environment variables ('A B' cannot"),
        ({"default": "yes"}, "(one).default: should be True or False, not 'yes'"),
        ({"ports": [{"number": 80}, {"numbr": 80}]}, "(one).ports[1]: there is no field 'numbr'; did you mean"),
        ({"ports": [{}]}, "(one).ports[0].number: should be a whole number, such as 1, not nothing"),
        ({"ports": {"number": 80}}, "(one).ports: should be a list, not a dict"),
        ({"ports": [80]}, "(one).ports[0]: should be a dict of fields, not a number"),
        (
            {"ports": [{"number": 80, "protocol": "tcp"}]},
            "(one).ports[0].protocol: should be 'TCP' or 'UDP', not 'tcp'",
        ),
    ],
)
def test_a_mistake_names_the_field_and_what_would_be_right(fields: dict[Any, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_list(Machine, "machines", [{**ONE, **fields}])
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"environment": SECRET},
        {"environment": [SECRET]},
        {"environment": {"A": [SECRET]}},
        {"environment": {"A": {"valueFrom": SECRET}}},
        {"environment": {"A B": SECRET}},
        {"volumes": SECRET},
        {"volumes": [SECRET]},
        {"volumes": {"name": SECRET}},
        {"memory": {"amount": SECRET}},
        {"enviroment": {"A": SECRET}},
        {"ports": [SECRET]},
    ],
)
def test_a_value_that_may_be_a_secret_is_never_shown(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        machine(**fields)
    assert SECRET not in str(refused.value)
    assert "machines[0]" in str(refused.value)


@pytest.mark.parametrize(
    ("config", "kind"), [(None, "nothing"), ("small", "a text"), ({"small": {}}, "a dict"), (3, "a number")]
)
def test_only_a_list_is_a_list(config: Any, kind: str) -> None:
    with pytest.raises(ConfigError, match=f"machines: should be a list of dicts, not {kind}"):
        read_list(Machine, "machines", config)


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"machines\[1\].name: 'one' is the name of a machine before it"):
        read_named(Machine, "machines", [ONE, ONE], "machine")


class Hub(HasTraits):
    machines: Any = List()

    @validate("machines")
    def _valid_machines(self, proposal: Any) -> Any:
        return checked_trait("c.Hub", proposal, lambda config: read_list(Machine, "machines", config))


def test_a_trait_is_refused_by_its_full_name_and_else_kept_as_it_is() -> None:
    with pytest.raises(TraitError, match=r"^c\.Hub\.machines\[1\] \(one\)\.cores: should be a number of cores"):
        Hub(machines=[ONE, {**ONE, "cores": "two"}])
    assert Hub(machines=[ONE]).machines == [ONE]


def test_a_mistake_that_names_no_field_still_names_the_trait() -> None:
    def refuse(value: Any) -> None:
        raise ValueError("machinesque things are not taken")

    proposal = {"trait": Hub.class_traits()["machines"], "value": []}
    with pytest.raises(TraitError, match=r"^c\.Hub\.machines: machinesque things are not taken"):
        checked_trait("c.Hub", proposal, refuse)


@pytest.mark.parametrize(
    ("fields", "valid"),
    [
        ({}, True),
        ({"cores": "500m", "memory": "4Gi", "groups": ["a"], "default": True}, True),
        ({"ports": [{"number": 80}]}, True),
        ({"memmory": "4G"}, False),
        ({"memory": "4X"}, False),
        ({"cores": "two"}, False),
        ({"name": "two words"}, False),
        ({"ports": [{"numbr": 80}]}, False),
    ],
)
def test_the_schema_takes_what_the_model_takes(fields: dict[str, Any], valid: bool) -> None:
    definitions = schema_definitions(Machine)
    assert set(definitions) == {"Machine", "Port"}
    schema = {"definitions": definitions, "$ref": "#/definitions/Machine"}
    assert jsonschema.Draft7Validator(schema).is_valid({**ONE, **fields}) is valid
    if valid:
        machine(**fields)
    else:
        with pytest.raises(ConfigError):
            machine(**fields)

"""Presets: check boxes that an operator configured."""

from __future__ import annotations

from typing import Any

import pytest

from jhkube.operator_models import ConfigError
from jhkube.options_form.presets import Preset, parse_presets, presets_for


def preset(**fields: Any) -> Preset:
    return parse_presets([{"name": "scratch", **fields}])[0]


def test_a_preset_needs_nothing_but_a_name() -> None:
    assert (preset().name, preset().display_name) == ("scratch", "Scratch")
    assert preset() == Preset(name="scratch")


def test_a_preset_keeps_what_it_adds() -> None:
    volume = {"name": "scratch", "nfs": {"server": "nfs.example", "path": "/scratch"}}
    mount = {"name": "scratch", "mountPath": "/scratch"}
    made = preset(
        display_name="Mount  the scratch disk",
        environment={"SCRATCH": "/scratch"},
        volumes=[volume],
        volume_mounts=[mount],
        labels={"uses": "scratch"},
        default=True,
    )
    assert made.display_name == "Mount the scratch disk"
    assert (made.volumes, made.volume_mounts) == ((volume,), (mount,))
    assert (made.environment, made.labels, made.is_default) == (
        {"SCRATCH": "/scratch"},
        {"uses": "scratch"},
        True,
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"enviroment": {}}, "there is no field 'enviroment'; did you mean 'environment'?"),
        ({"environment": {"A B": "1"}}, "'A B' cannot be one"),
        ({"environment": {"A": 1}}, "presets[0] (scratch).environment.A: should be a text"),
        ({"environment": ["A=1"]}, "presets[0] (scratch).environment: should be a dict of texts"),
        (
            {"volumes": [{"nfs": {}}]},
            "presets[0] (scratch).volumes: should be a list of dicts that each have a 'name'",
        ),
        ({"volumes": [{"name": "a"}]}, "each with a name and one source"),
        ({"volume_mounts": [{"name": "a"}]}, "that each have a 'mountPath'"),
        ({"volume_mounts": [{"name": "a", "mountPath": ""}]}, "that each have a 'mountPath'"),
        ({"volume_mounts": [{"name": "a", "mountPath": "data"}]}, "begins with '/'"),
        (
            {
                "volumes": [{"name": "a", "emptyDir": {}}],
                "volume_mounts": [{"name": "b", "mountPath": "/b"}],
            },
            "should be a list of mounts of a",
        ),
    ],
)
def test_an_error_names_the_field_and_what_would_be_right(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        preset(**fields)
    assert message in str(error.value)


def test_two_presets_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"presets\[1\].name"):
        parse_presets([{"name": "a"}, {"name": "a"}])


def test_a_preset_of_a_group_is_for_its_members() -> None:
    presets = parse_presets([{"name": "all"}, {"name": "staff", "groups": ["physics:staff"]}])
    assert [each.name for each in presets_for(["physics"], presets)] == ["all"]
    assert [each.name for each in presets_for(["physics:staff"], presets)] == ["all", "staff"]

"""What an operator of z2jh is given for that chart: values, and their schema."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from jhkube.deployment.schemas import write_schemas
from jhkube.images.offer_rules import parse_offers
from jhkube.operator_models import ConfigError
from jhkube.options_form.sizes import DEFAULT_SIZES, parse_sizes
from jhkube.settings import SettingError, Settings
from tests.accounts import CHART
from tests.pages import DOCS, blocks_of
from tests.unit.policies import BLOCKED, PUBLIC, reaches

VALUES = CHART / "values"
SCHEMA = CHART / "custom-jhkube.schema.json"

Z2JH = Path(os.environ.get("Z2JH_SCHEMA") or Path(__file__).parent / "golden" / "z2jh-values.schema.json")
"""What the values of the Zero to JupyterHub chart may be: the names and types of jupyterhub/values.schema.yaml
(https://github.com/jupyterhub/zero-to-jupyterhub-k8s), without its texts and without what the chart's own
values have to have. Another chart's file is looked into by setting Z2JH_SCHEMA.
"""

TOGETHER = [
    ["github", "homes-claims"],
    ["github", "homes-nfs", "gpu"],
    ["cilogon", "homes-nfs"],
    ["cilogon", "homes-claims", "gpu", "private-git"],
]
"""Files of values that an operator gives to Helm together."""


def overrides(path):
    """Return what a file of chart/values sets."""
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", sorted(VALUES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_values_for_jhkube_are_what_the_schema_allows(path):
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    jhkube = overrides(path)["custom"]["jhkube"]
    assert [error.message for error in Draft202012Validator(schema).iter_errors(jhkube)] == []
    Settings({}, jhkube)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"github": {"clientID": "x"}}, "github"),
        ({"menu": {"interval": "often"}}, "menu/interval"),
        ({"auth": {"provider": "gitlab"}}, "auth/provider"),
        ({"home": {"kind": "nfs", "size": 10}}, "home/size"),
        ({"sizes": []}, ""),
    ],
)
def test_the_schema_finds_what_the_hub_would_refuse(wrong, where):
    errors = list(Draft202012Validator(json.loads(SCHEMA.read_text())).iter_errors(wrong))
    assert ["/".join(map(str, error.absolute_path)) for error in errors] == [where]
    with pytest.raises(SettingError):
        Settings({}, wrong)


def guide(script, folder):
    """Run the block of the guide in which a word stands, with its files in a folder."""
    (block,) = (each for each in blocks_of(DOCS / "howto" / "z2jh.md", "console") if script in each.code)
    shutil.copytree(CHART, folder / "chart")
    commands = "\n".join(command for command, _ in block.commands)
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=environ, check=True)


def test_the_values_are_checked_as_the_guide_says(tmp_path):
    guide("python -m jsonschema", tmp_path)


def test_the_schema_is_written_as_the_guide_says(tmp_path):
    """And what is in the repository is what this writes."""
    guide("chart_schema", tmp_path)
    assert (tmp_path / "chart" / SCHEMA.name).read_text() == SCHEMA.read_text()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("sizes", {"name": "gpu", "cores": 8}),
        ("sizes", {"name": "gpu", "cores": 8, "memory": "lots"}),
        ("sizes", {"name": "gpu", "cores": 8, "memory": "32G", "memroy": 1}),
        ("offers", {"group": ["astro"]}),
    ],
)
def test_the_schema_knows_what_a_size_and_an_offer_is(name, wrong):
    schema = json.loads(SCHEMA.read_text())
    assert not Draft202012Validator(schema).is_valid({"menu": {name: [wrong]}})
    with pytest.raises(ConfigError):
        {"sizes": parse_sizes, "offers": parse_offers}[name]([wrong])


def test_the_schemas_are_what_the_models_give(tmp_path):
    shutil.copytree(CHART, tmp_path / "chart")
    write_schemas(tmp_path / "chart")
    for schema in (SCHEMA, CHART / "jhkube" / "values.schema.json"):
        assert (tmp_path / "chart" / schema.relative_to(CHART)).read_text() == schema.read_text()


@pytest.mark.parametrize(
    "sizes",
    [
        [dict(size) for size in DEFAULT_SIZES],
        [{"name": "gpu", "cores": "500m", "memory": "512 MB", "gpus": 1, "groups": ["a", "a"], "description": None}],
        [{"name": "big", "cores": 8, "memory": 2**34, "tolerations": [{"key": "big", "operator": "Exists"}]}],
    ],
)
def test_the_schemas_take_the_sizes_that_the_hub_takes(sizes):
    parse_sizes(sizes)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate({"menu": {"sizes": sizes}})
    config = {"JHKubeSpawner": {"sizes": sizes}}
    own = json.loads((CHART / "jhkube" / "values.schema.json").read_text())
    prepuller = own["properties"]["prepuller"]["properties"]["config"]
    Draft7Validator({**prepuller, "definitions": own["definitions"]}).validate(config)
    del config["JHKubeSpawner"]["sizes"][0]["cores"]
    assert not Draft7Validator({**prepuller, "definitions": own["definitions"]}).is_valid(config)


@pytest.mark.parametrize("names", TOGETHER, ids=" ".join)
def test_the_charts_own_schema_takes_the_values(names):
    values = together(names)
    schema = without_required(yaml.safe_load(Z2JH.read_text()))
    assert [error.message for error in Draft7Validator(schema).iter_errors(values)] == []
    Settings({}, values["custom"]["jhkube"])


def test_the_charts_own_schema_refuses_what_the_chart_does_not_know():
    schema = Draft7Validator(without_required(yaml.safe_load(Z2JH.read_text())))
    assert [error.json_path for error in schema.iter_errors({"hub": {"jhkube": {}}, "singleuser": {"cmd": 1}})] == [
        "$.hub",
        "$.singleuser.cmd",
    ]


def merged(below, above):
    """Return values over others, as Helm lays them."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {
        key: merged(below.get(key), above[key]) if key in above else below[key] for key in below.keys() | above.keys()
    }


def together(names):
    """Return what files of chart/values set, given to Helm in this order."""
    values = {}
    for name in names:
        values = merged(values, overrides(VALUES / f"{name}.yaml"))
    return values


def without_required(schema):
    """Return a schema that asks for nothing: the chart's own values have what must be there."""
    if isinstance(schema, list):
        return [without_required(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: without_required(value)
        for key, value in schema.items()
        if not (key == "required" and isinstance(value, list))
    }


SERVERS_POLICY = [["github"], ["cilogon"], ["github", "private-git"]]


@pytest.mark.parametrize("names", SERVERS_POLICY, ids=" ".join)
@pytest.mark.parametrize("address", BLOCKED)
def test_servers_do_not_reach_private_addresses_nor_metadata_by_the_values(names, address):
    """The chart's own rule for public addresses blocks less, and rules add up: so it is off."""
    policy = together(names)["singleuser"]["networkPolicy"]
    assert policy["egressAllowRules"] == {"nonPrivateIPs": False}
    assert not reaches(policy["egress"], address)


@pytest.mark.parametrize("names", SERVERS_POLICY, ids=" ".join)
@pytest.mark.parametrize("address", PUBLIC)
def test_servers_reach_public_addresses_by_the_values(names, address):
    assert reaches(together(names)["singleuser"]["networkPolicy"]["egress"], address)


def test_servers_reach_the_private_git_host_by_the_values():
    egress = together(["github", "private-git"])["singleuser"]["networkPolicy"]["egress"]
    assert [rule["ports"] for rule in egress if "ports" in rule] == [[{"port": 443}]]

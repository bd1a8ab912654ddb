"""What an operator of z2jh is given: values and their schema, Roles, policies, and the prepuller."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from jhkube.commands.configuration import load_configuration
from jhkube.permissions import HubFacts, permissions, role_rules
from jhkube.prepull.placement import placement_of
from jhkube.prepuller import RULES, STATUS_RULES, Prepuller
from jhkube.settings import SettingError, Settings
from jhkube.spawner import JHKubeSpawner
from tests.accounts import CHART, delivered
from tests.pages import DOCS, blocks_of
from tests.unit.pod_security import restricted_violations

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


@pytest.mark.parametrize("names", TOGETHER, ids=" ".join)
def test_the_charts_own_schema_takes_the_values(names):
    values = {}
    for name in names:
        values = merged(values, overrides(VALUES / f"{name}.yaml"))
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


def allowed(*files):
    """Return what the Roles and the ClusterRoles of files allow: where, the group, the resource and its verbs."""
    rules = {}
    for each in delivered(*files, namespace="labs"):
        for rule in each.get("rules", ()):
            for resource in rule["resources"]:
                names = tuple(rule.get("resourceNames", ()))
                where = each["metadata"].get("namespace")
                key = (where, rule["apiGroups"][0], resource, names)
                rules[key] = rules.get(key, set()) | set(rule["verbs"])
    return rules


def wanted(facts):
    """Return what the table of permissions says that a hub asks for, in the same shape."""
    return {
        (where, rule["apiGroups"][0], rule["resources"][0], tuple(rule.get("resourceNames", ()))): set(rule["verbs"])
        for where, rules in role_rules(permissions(facts)).items()
        for rule in rules
    }


@pytest.mark.parametrize(
    ("facts", "files"),
    [
        (HubFacts(namespace="labs"), ["hub", "token-renewal", "growing-homes"]),
        (
            HubFacts(namespace="labs", pull_secret="labs/registry-account"),
            ["hub", "token-renewal", "growing-homes", "registry-account"],
        ),
        (HubFacts(user_namespaces=True, quotas=True), ["own-namespaces", "quotas", "growing-homes"]),
    ],
)
def test_the_roles_allow_what_the_hub_asks_for_and_no_more(facts, files):
    roles = allowed(*(f"rbac/{name}.yaml" for name in files))
    if facts.user_namespaces:
        # Of growing-homes it takes the ClusterRole alone.
        roles = {key: verbs for key, verbs in roles.items() if key[0] is None}
    assert roles == wanted(facts)


def test_the_prepullers_roles_are_its_rules():
    roles = [each for each in delivered("prepuller/account.yaml", namespace="labs") if "rules" in each]
    assert [shape(each["rules"]) for each in roles] == [shape(RULES), shape(STATUS_RULES)]


def shape(rules):
    return [(each["apiGroups"], each["resources"], sorted(each["verbs"])) for each in rules]


def test_the_prepullers_configuration_names_what_is_delivered_with_it():
    configuration = load_configuration(CHART / "prepuller" / "jupyterhub_config.py")
    objects = delivered("prepuller/deployment.yaml", "prepuller/priority.yaml", namespace="labs")
    names = {each["kind"]: each["metadata"]["name"].removesuffix("-labs") for each in objects}
    assert configuration.Prepuller.deployment == names["Deployment"]
    assert configuration.Prepuller.priority_class_name == names["PriorityClass"]
    assert set(configuration.Prepuller) <= set(Prepuller.class_trait_names(config=True))


def test_the_prepullers_own_pod_fits_pod_security_restricted():
    (deployment,) = delivered("prepuller/deployment.yaml", namespace="labs")
    assert restricted_violations(deployment["spec"]["template"]) == []


@pytest.mark.parametrize("key", ["hub.jupyter.org/dedicated", "hub.jupyter.org_dedicated"])
def test_the_prepuller_goes_to_the_nodes_that_the_chart_keeps_for_servers(key):
    configuration = load_configuration(CHART / "prepuller" / "jupyterhub_config.py")
    placement = placement_of([], node_selector={}, tolerations=configuration.JHKubeSpawner.tolerations)
    kept = {"key": key, "value": "user", "effect": "NoSchedule"}
    assert placement.admits({"metadata": {"name": "node1"}, "spec": {"taints": [kept]}})
    assert not placement.admits({"metadata": {"name": "node1"}, "spec": {"taints": [kept | {"value": "core"}]}})


def test_a_policy_reaches_the_pods_that_the_hub_makes():
    """By the label that KubeSpawner gives them, on the port that it has servers listen on."""
    servers, hub = delivered("network-policy.yaml", namespace="labs")
    traits = JHKubeSpawner.class_traits()
    assert servers["spec"]["podSelector"]["matchLabels"] == {"component": traits["component_label"].default_value}
    assert servers["spec"]["ingress"][0]["ports"] == [{"port": 8888}]
    assert hub["spec"]["podSelector"]["matchLabels"] == {"component": "hub"}

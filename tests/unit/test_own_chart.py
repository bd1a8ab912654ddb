"""Our Helm chart by real Helm: what it renders for which values, and which values it refuses."""

import itertools
import json
from configparser import ConfigParser

import pytest
import yaml
from jsonschema import Draft7Validator
from kubernetes_asyncio import client
from packaging.version import Version

from jhkube import __version__
from jhkube.checks.account_permissions import operator_permissions, service_permissions
from jhkube.checks.configured import load_configuration
from jhkube.checks.permissions import HubFacts, permissions
from jhkube.checks.roles import role_rules
from jhkube.cli import command_line
from jhkube.images.menu import ImageMenu
from jhkube.operator.crds import custom_resource_definitions
from jhkube.operator.notebook_spec import NotebookDefaults
from jhkube.pod.nodes import placement_of
from jhkube.prepull.prepuller import RULES, STATUS_RULES, Prepuller
from jhkube.service.hub_config import ACCESS_SCOPE, SERVICE_NAME
from jhkube.settings import Settings
from jhkube.spawner import JHKubeSpawner
from tests.accounts import CLUSTER_WIDE, OWN, features, rendered, run_helm
from tests.pages import all_blocks
from tests.unit.pod_security import restricted_violations
from tests.unit.policies import BLOCKED, PUBLIC, reaches

VALUES = yaml.safe_load((OWN / "values.yaml").read_text())
SCHEMA = json.loads((OWN / "values.schema.json").read_text())
PREPULLER = {
    "enabled": True,
    "image": {"name": "registry.example.org/jhkube-hub"},
    "config": {"ImageMenu": {"repositories": ["registry.example.org/lab"]}},
}
MY_SERVERS = {"enabled": True, "image": {"name": "registry.example.org/jhkube-hub"}, "tokenSecret": "my-servers"}
OPERATOR = {"enabled": True, "image": {"name": "registry.example.org/jhkube-hub"}}
HUB_SERVERS = {"enabled": True, "tokenSecret": "operator", "publicUrl": "https://hub.example.org"}
NOTHING = {"roles": features()["roles"]}
EVERYWHERE_ONLY = ("userNamespaces", "quotas", "rightsReviews")
ALL_BUT_NAMESPACES = {
    "hub": {"namespace": "hubs", "serviceAccount": {"create": True}},
    "roles": {name: {"enabled": name not in EVERYWHERE_ONLY} for name in VALUES["roles"]},
    "networkPolicies": {
        "servers": {
            "enabled": True,
            "blocked": ["198.51.100.0/24", "2001:db8::/32"],
            "egress": [{"to": [{"ipBlock": {"cidr": "192.0.2.10/32"}}], "ports": [{"port": 443}]}],
        },
        "hub": {"enabled": True, "from": [{"namespaceSelector": {"matchLabels": {"example.org/metrics": "yes"}}}]},
    },
    "prepuller": PREPULLER
    | {"config": {"ImageMenu": {"repositories": ["x/y"], "credentials_secret": "hubs/account"}}},
    "myServers": MY_SERVERS,
    "dashboard": {"enabled": True, "namespace": "monitoring", "annotations": {"grafana_folder": "JupyterHub"}},
}
NAMESPACES = {
    "roles": {name: {"enabled": True} for name in VALUES["roles"]},
    "networkPolicies": {"hub": {"enabled": True}},
}
SEVERAL = {"default": {}, "nothing": NOTHING, "all": ALL_BUT_NAMESPACES, "namespaces": NAMESPACES}

several = pytest.mark.parametrize("values", SEVERAL.values(), ids=SEVERAL)


def of_kind(objects, kind):
    return [each for each in objects if each["kind"] == kind]


@several
def test_helm_lint_finds_nothing(values):
    done = run_helm("lint", "--strict", OWN, "--values", "-", values=values)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@several
def test_what_is_rendered_is_what_the_api_has(values):
    """Each object passes through the model of its kind and back: a misspelt or misplaced field would be lost."""
    models = client.ApiClient.__new__(client.ApiClient)
    models.configuration = client.Configuration()
    for each in rendered("labs", values):
        model = models._ApiClient__deserialize(each, f"V1{each['kind']}")
        assert models.sanitize_for_serialization(model) == each


@several
def test_names_are_short_enough_and_no_two_are_alike(values):
    objects = rendered("labs", {**values, "fullnameOverride": "x" * 60})
    names = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
    assert len(set(names)) == len(names)
    assert max((len(name) for kind, _, name in names if kind == "Deployment"), default=0) <= 63


def test_two_namespaces_share_no_object():
    """Of those that belong to no namespace, or to one that is not the release's."""
    one, other = (
        {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects}
        for objects in (rendered(name, {**ALL_BUT_NAMESPACES, "hub": {}, "dashboard": {}}) for name in ("a", "a-b"))
    )
    assert one & other == set()
    assert {kind for kind, namespace, _ in one if namespace is None} == set(CLUSTER_WIDE)


def test_everything_is_off_where_nothing_is_enabled():
    assert rendered("labs", NOTHING) == []


def test_by_default_are_the_roles_that_the_charts_hub_lacks():
    objects = rendered("labs")
    assert {each["kind"] for each in objects} == {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    assert allowed(objects) == allowed(rendered("labs", features("tokenRenewal", "growingHomes")))


def test_the_chart_has_the_version_of_jhkube():
    about = yaml.safe_load((OWN / "Chart.yaml").read_text())
    assert about["version"] == about["appVersion"] == Version(__version__).base_version


# Values.


def test_the_schema_describes_each_value_and_none_besides():
    Draft7Validator.check_schema(SCHEMA)
    assert list(Draft7Validator(SCHEMA).iter_errors(VALUES)) == []

    def paths(schema, values, at=""):
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        named = schema.get("properties", {})
        if schema.get("additionalProperties") is not False:
            return
        assert named.keys() - {"global"} == values.keys(), at
        for key in values:
            paths(named[key], values[key], f"{at}/{key}")

    paths(SCHEMA, VALUES)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"roles": {"quota": {"enabled": True}}}, "at '/roles': additional properties 'quota' not allowed"),
        ({"roles": {"servers": True}}, "at '/roles/servers': got boolean, want object"),
        ({"roles": {"servers": {"enabled": "yes"}}}, "at '/roles/servers/enabled': got string, want boolean"),
        ({"roles": {"quotas": {"enabled": True}}}, "at '/roles/userNamespaces/enabled': value must be true"),
        ({"hub": {"namespace": "Hubs"}}, "at '/hub/namespace': 'Hubs' does not match pattern"),
        ({"networkPolicies": {"servers": {"port": 0}}}, "at '/networkPolicies/servers/port': minimum: got 0, want 1"),
        (
            {"networkPolicies": {"servers": {"blocked": ["192.0.2.1"]}}},
            "at '/networkPolicies/servers/blocked/0': '192.0.2.1' does not match pattern",
        ),
        (
            {"networkPolicies": {"servers": {"enabled": True}}, "roles": {"userNamespaces": {"enabled": True}}},
            "networkPolicies.servers would hold for nobody's server: with roles.userNamespaces each is in",
        ),
        ({"prepuller": PREPULLER | {"image": {}}}, "at '/prepuller/image/name': minLength: got 0, want 1"),
        (
            {"prepuller": PREPULLER | {"config": {}}},
            "at '/prepuller/config/ImageMenu/repositories': minItems: got 0, want 1",
        ),
        (
            {"prepuller": PREPULLER | {"config": {"ImageMenu": {"repositories": "x/y"}}}},
            "at '/prepuller/config/ImageMenu/repositories': got string, want array",
        ),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_place(values, told):
    done = run_helm("template", "jhkube", OWN, "--values", "-", values=values)
    assert done.returncode != 0
    assert told in done.stderr


def sections(values, *above):
    """Yield the path of each mapping of values that is described key by key."""
    for key, value in values.items():
        if isinstance(value, dict) and value and key != "resources":
            yield *above, key
            if key not in ("config", "labels"):
                yield from sections(value, *above, key)


@pytest.mark.parametrize("path", list(sections(VALUES)), ids=".".join)
def test_a_section_that_is_left_empty_is_refused_with_its_name(path):
    """As `prepuller:` is, where all of its lines are comments: Helm takes that for null, and drops what is below."""
    *above, last = path
    values = None
    for key in reversed(path):
        values = {key: values}
    done = run_helm("template", "jhkube", OWN, "--values", "-", values=values)
    if path == ("dashboard", "labels"):
        assert done.returncode == 0
    else:
        assert f"at '{''.join(f'/{each}' for each in above)}': missing property '{last}'" in done.stderr


OURS = [
    block
    for block in all_blocks("yaml")
    if (read := next(iter(yaml.safe_load_all(block.code)))) and read.keys() & (VALUES.keys() - {"hub"})
]


@pytest.mark.parametrize("block", OURS, ids=map(str, OURS))
def test_values_in_the_documentation_are_taken(block):
    assert rendered("labs", yaml.safe_load(block.code))


# Roles.


def allowed(objects):
    """Return what Roles and ClusterRoles allow: where, the group, the resource and its verbs."""
    rules = {}
    for each in objects:
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


ALWAYS = ("servers", "tokenRenewal", "growingHomes")
BY_FACT = {
    "services": {"services": True},
    "internalSsl": {"internal_ssl": True},
    "failedLogs": {"keeps_logs": True},
    "ownSecrets": {"own_secrets": True},
    "homeLeases": {"home_leases": True},
    "podDefaults": {"reads_pod_defaults": True},
    "imageMarks": {"marks_ready": True},
    "registryAccount": {"pull_secret": "labs/registry-account"},
}
EVERYWHERE = {
    "userNamespaces": {"user_namespaces": True},
    "quotas": {"quotas": True},
    "rightsReviews": {"reviews_rights": True},
}
COMBINED = [
    (names, scope)
    for scope in ((), ("userNamespaces",), ("userNamespaces", "quotas"), ("userNamespaces", "rightsReviews"))
    for names in [(), *((each,) for each in BY_FACT), tuple(BY_FACT)]
]


@pytest.mark.parametrize(("names", "scope"), COMBINED, ids=lambda names: " ".join(names) or "none")
def test_the_roles_allow_what_the_hub_asks_for_and_no_more(names, scope):
    facts = {"namespace": "labs"}
    for each in (*names, *scope):
        facts |= {**BY_FACT, **EVERYWHERE}[each]
    assert allowed(rendered("labs", features(*ALWAYS, *names, *scope))) == wanted(HubFacts(**facts))


def test_the_roles_of_servers_come_with_namespaces_for_each():
    assert allowed(rendered("labs", features("userNamespaces"))) == allowed(
        rendered("labs", features("userNamespaces", "servers"))
    )


@several
def test_each_role_is_bound_to_one_account_in_the_same_place(values):
    objects = rendered("labs", values)
    roles = {(each["kind"], str(each["metadata"])) for each in objects if "rules" in each}
    bindings = [each for each in objects if "roleRef" in each]
    assert {(each["kind"].removesuffix("Binding"), str(each["metadata"])) for each in bindings} == roles
    for each in bindings:
        assert each["roleRef"]["name"] == each["metadata"]["name"]
        (subject,) = each["subjects"]
        own = next((name for name in ("prepuller", "my-servers") if name in each["metadata"]["name"]), "")
        hub = values.get("hub", {}).get("namespace", "labs")
        assert (subject["name"], subject["namespace"]) == ((f"jhkube-{own}", "labs") if own else ("hub", hub))


def test_a_hub_elsewhere_has_its_roles_where_the_servers_are():
    values = features(*ALWAYS, "registryAccount")
    values["hub"]["namespace"] = "hubs"
    assert allowed(rendered("labs", values)) == wanted(
        HubFacts(namespace="labs", pull_secret="hubs/registry-account")
    )


# The prepuller.


@pytest.fixture
def prepuller(tmp_path):
    """Return a function that returns the objects of the prepuller, and the configuration that it reads."""
    count = itertools.count()

    def made(**more):
        objects = rendered("labs", NOTHING | {"prepuller": PREPULLER | more})
        (files,) = of_kind(objects, "ConfigMap")
        folder = tmp_path / str(next(count))
        folder.mkdir()
        for name, text in files["data"].items():
            (folder / name).write_text(text)
        return objects, load_configuration(folder / "jupyterhub_config.py")

    return made


def test_the_prepullers_roles_are_its_rules(prepuller):
    objects, _ = prepuller()
    assert of_kind(objects, "Role")[0]["rules"] == list(RULES)
    assert of_kind(objects, "ClusterRole")[0]["rules"] == list(STATUS_RULES)
    assert not of_kind(prepuller(status={"enabled": False})[0], "ClusterRole")


@pytest.mark.parametrize(("secret", "where"), [("account", "labs"), ("hubs/account", "hubs")])
def test_the_prepuller_may_read_the_account_that_its_configuration_names_and_no_other(prepuller, secret, where):
    menu = {"repositories": ["x/y"], "credentials_secret": secret}
    objects, configuration = prepuller(config={"ImageMenu": menu})
    assert configuration.ImageMenu.credentials_secret == secret
    (reader,) = [each for each in of_kind(objects, "Role") if "account" in each["metadata"]["name"]]
    assert allowed([reader]) == {(where, "", "secrets", ("account",)): {"get"}}


def test_the_prepullers_configuration_names_what_comes_with_it(prepuller):
    objects, configuration = prepuller()
    (deployment,), (priority,) = of_kind(objects, "Deployment"), of_kind(objects, "PriorityClass")
    assert configuration.Prepuller.deployment == deployment["metadata"]["name"]
    assert configuration.Prepuller.priority_class_name == priority["metadata"]["name"]
    assert configuration.ImageMenu.repositories == ["registry.example.org/lab"]
    assert configuration.JHKubeSpawner.namespace == "labs"
    for of_class in (Prepuller, ImageMenu, JHKubeSpawner):
        assert set(configuration[of_class.__name__]) <= set(of_class.class_trait_names(config=True))


@pytest.mark.parametrize(
    ("chosen", "name"), [({"create": False}, ""), ({"create": False, "name": "low"}, "low"), ({"name": "low"}, None)]
)
def test_a_priority_class_may_be_another(prepuller, chosen, name):
    objects, configuration = prepuller(priorityClass=chosen)
    made = [each["metadata"]["name"] for each in of_kind(objects, "PriorityClass")]
    assert made == ([] if name is not None else ["jhkube-prepull.labs"])
    assert configuration.Prepuller.priority_class_name == (name if name is not None else made[0])


def test_the_values_of_the_prepuller_win_over_what_the_chart_knows(prepuller):
    config = {"JHKubeSpawner": {"namespace": "others"}, "Prepuller": {"count": 5}}
    _, configuration = prepuller(config={**PREPULLER["config"], **config})
    assert configuration.JHKubeSpawner.namespace == "others"
    assert configuration.Prepuller.count == 5
    assert configuration.Prepuller.deployment == "jhkube-prepuller"


def test_a_change_of_the_configuration_restarts_the_prepuller(prepuller):
    def pod(**more):
        return of_kind(prepuller(**more)[0], "Deployment")[0]["spec"]["template"]["metadata"]

    assert pod() == pod(nodeSelector={"a": "b"})
    assert pod() != pod(config={"ImageMenu": {"repositories": ["registry.example.org/other"]}})


def test_the_prepuller_runs_what_its_image_and_its_files_have(prepuller):
    objects, _ = prepuller()
    (deployment,), (files,) = of_kind(objects, "Deployment"), of_kind(objects, "ConfigMap")
    template = deployment["spec"]["template"]
    (container,), (volume,) = template["spec"]["containers"], template["spec"]["volumes"]
    (mount,) = container["volumeMounts"]
    assert container["image"] == f"registry.example.org/jhkube-hub:{Version(__version__).base_version}"
    assert (mount["name"], volume["configMap"]["name"]) == (volume["name"], files["metadata"]["name"])
    folder, _, file = container["args"][-1].rpartition("/")
    assert folder == mount["mountPath"]
    assert file in files["data"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert template["spec"]["serviceAccountName"] == of_kind(objects, "ServiceAccount")[0]["metadata"]["name"]
    assert restricted_violations(template) == []


@pytest.mark.parametrize("key", ["hub.jupyter.org/dedicated", "hub.jupyter.org_dedicated"])
def test_the_prepuller_goes_to_the_nodes_that_z2jh_keeps_for_servers(prepuller, key):
    placement = placement_of([], node_selector={}, tolerations=prepuller()[1].JHKubeSpawner.tolerations)
    kept = {"key": key, "value": "user", "effect": "NoSchedule"}
    assert placement.admits({"metadata": {"name": "node1"}, "spec": {"taints": [kept]}})
    assert not placement.admits({"metadata": {"name": "node1"}, "spec": {"taints": [kept | {"value": "core"}]}})


# The service "My servers".


@pytest.mark.parametrize(
    ("everywhere", "disks", "own_secrets"),
    [(False, 0, False), (False, 2, False), (False, 0, True), (True, 0, False), (True, 2, True)],
    ids=["one namespace", "own disks", "secrets", "a namespace each", "all of these"],
)
def test_the_services_roles_allow_what_it_asks_for_and_no_more(everywhere, disks, own_secrets):
    values = features("userNamespaces", "rightsReviews") if everywhere else NOTHING
    mine = MY_SERVERS | {"ownDisks": disks, "secrets": own_secrets}
    objects = rendered("labs", values | {"myServers": mine})
    wanted = service_permissions(
        "labs",
        user_namespaces=everywhere,
        own_disks=bool(disks),
        own_secrets=own_secrets,
        reviews_rights=everywhere,
    )
    own = [each for each in objects if "rules" in each and "my-servers" in each["metadata"]["name"]]
    assert allowed(own) == {
        (where, rule["apiGroups"][0], rule["resources"][0], ()): set(rule["verbs"])
        for where, rules in role_rules(wanted).items()
        for rule in rules
    }


# The operator.


@pytest.mark.parametrize(
    ("where", "namespaces", "arguments", "kinds"),
    [
        ({}, ["labs"], ["--namespace=labs"], {}),
        ({"namespaces": ["a", "b"]}, ["a", "b"], ["--namespace=a", "--namespace=b"], {}),
        ({"allNamespaces": True, "servers": HUB_SERVERS}, [None], ["--all-namespaces"], {"servers": True}),
        (
            {"servers": HUB_SERVERS, "notebooks": {"enabled": False}},
            ["labs"],
            ["--namespace=labs"],
            {"notebooks": False, "servers": True},
        ),
    ],
    ids=["its own namespace", "two namespaces", "all namespaces and servers", "servers alone"],
)
def test_the_operator_may_do_what_it_does_where_it_works_and_no_more(where, namespaces, arguments, kinds):
    objects = rendered("labs", NOTHING | {"operator": OPERATOR | where})
    assert allowed(objects) == {
        (namespace, rule["apiGroups"][0], resource, ()): set(rule["verbs"])
        for namespace in namespaces
        for rules in role_rules(operator_permissions(namespace, **kinds)).values()
        for rule in rules
        for resource in rule["resources"]
    }
    (deployment,) = of_kind(objects, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert restricted_violations(deployment["spec"]["template"]) == []
    parser = command_line("operator")
    asked = parser.parse_args(container["args"][1:])
    assert container["args"][2 : 2 + len(arguments)] == arguments
    assert (asked.liveness_port, asked.metrics_port) == tuple(each["containerPort"] for each in container["ports"])
    assert asked.no_notebooks is not kinds.get("notebooks", True)
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    if kinds.get("servers"):
        assert (asked.hub_url, asked.public_url) == ("http://hub.labs:8081/hub/api", "https://hub.example.org")
        volumes = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["volumes"]}
        secret = volumes[mounts[str(asked.hub_token_file.parent)]]["secret"]
        assert secret == {"secretName": "operator", "items": [{"key": "token", "path": asked.hub_token_file.name}]}
    else:
        assert (asked.hub_url, asked.hub_token_file, set(mounts)) == ("", None, {"/tmp"})
    environ = {each["name"]: each.get("value", "") for each in container["env"]}
    if kinds.get("notebooks", True):
        assert NotebookDefaults.from_environment(environ) == NotebookDefaults(node_selector=None)
    else:
        assert not any(name.startswith(("INGRESS_", "JO_")) for name in environ)


def test_the_operators_definitions_stay_and_say_where_it_works():
    both = {"namespaces": ["a", "b"], "servers": HUB_SERVERS}
    objects = rendered("labs", NOTHING | {"operator": OPERATOR | both})
    found = {each["metadata"]["name"]: each for each in of_kind(objects, "CustomResourceDefinition")}
    assert found.keys() == {each["metadata"]["name"] for each in custom_resource_definitions()}
    for each in custom_resource_definitions():
        assert found[each["metadata"]["name"]]["spec"] == each["spec"]
    assert {each["metadata"]["annotations"]["helm.sh/resource-policy"] for each in found.values()} == {"keep"}
    annotations = found["jupyternotebooks.squonk.it"]["metadata"]["annotations"]
    prefix = "data-manager.informaticsmatters.com/application"
    assert annotations[prefix] == "yes"
    assert annotations[f"{prefix}-namespaces"] == "a:b"
    assert annotations[f"{prefix}-url-location"] == "jupyter.notebook.url"
    alone = rendered("labs", NOTHING | {"operator": OPERATOR | both | {"notebooks": {"enabled": False}}})
    names = {each["metadata"]["name"] for each in of_kind(alone, "CustomResourceDefinition")}
    assert names == found.keys() - {"jupyternotebooks.squonk.it"}
    without = {"operator": OPERATOR | {"customResourceDefinitions": False}}
    assert of_kind(rendered("labs", NOTHING | without), "CustomResourceDefinition") == []


def test_the_data_manager_reads_which_notebooks_it_offers():
    images = {"registry.example.org:5000/lab:1.0": "Observatory", "lab@sha256:0": "Old = stable"}
    cost = {"cost": "1", "period": "24", "unit": "hours", "pro rata": "yes"}
    offered = {"namespace": "data-manager", "images": images, "cost": cost}
    objects = rendered("labs", NOTHING | {"operator": OPERATOR | {"notebooks": {"dataManager": offered}}})
    (found,) = of_kind(objects, "ConfigMap")
    assert found["metadata"]["name"] == "jupyternotebooks.squonk.it"
    assert found["metadata"]["namespace"] == "data-manager"
    read = ConfigParser(delimiters="=")
    read.read_string(found["data"]["dm-app.config"])
    assert {name: dict(read[name]) for name in read.sections()} == {"public image variants": images, "cost": cost}
    assert of_kind(rendered("labs", NOTHING | {"operator": OPERATOR}), "ConfigMap") == []


@pytest.fixture(scope="module", params=["/", "/jupyter/", "/jupyter"])
def service(request):
    """The service's container, and the address at which it answers."""
    objects = rendered("labs", NOTHING | {"myServers": MY_SERVERS | {"baseUrl": request.param}})
    (deployment,) = of_kind(objects, "Deployment")
    template = deployment["spec"]["template"]
    assert restricted_violations(template) == []
    (container,) = template["spec"]["containers"]
    base = "/jupyter/" if "jupyter" in request.param else "/"
    return container, {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}, base


def test_the_services_container_knows_what_a_hub_would_tell_it(service):
    container, environment, base = service
    assert environment["JUPYTERHUB_API_TOKEN"] == {"secretKeyRef": {"name": "my-servers", "key": "token"}}
    assert environment["JUPYTERHUB_API_URL"] == f"http://hub.labs:8081{base}hub/api"
    assert environment["JUPYTERHUB_SERVICE_PREFIX"] == f"{base}services/jhkube/"
    assert environment["JUPYTERHUB_SERVICE_NAME"] == SERVICE_NAME
    assert ACCESS_SCOPE in json.loads(environment["JUPYTERHUB_OAUTH_ACCESS_SCOPES"])
    assert container["readinessProbe"]["httpGet"]["path"] == f"{base}services/jhkube/api/openapi.json"
    assert container["args"] == ["python3", "-m", "jhkube.service"]
    own = {name: value for name, value in environment.items() if name.startswith("JHKUBE_")}
    assert Settings(own)["log.format"] == "json"


# Network policies.


def policies(**values):
    return of_kind(rendered("labs", {"networkPolicies": values}), "NetworkPolicy")


def test_a_policy_reaches_the_pods_that_the_hub_makes():
    """By the label that KubeSpawner gives them, on the port that it has servers listen on."""
    servers, hub = sorted(
        policies(servers={"enabled": True}, hub={"enabled": True}),
        key=lambda each: each["metadata"]["name"],
        reverse=True,
    )
    traits = JHKubeSpawner.class_traits()
    assert servers["spec"]["podSelector"]["matchLabels"] == {"component": traits["component_label"].default_value}
    assert servers["spec"]["ingress"][0]["ports"] == [{"port": 8888}]
    assert hub["spec"]["podSelector"]["matchLabels"] == {"component": "hub"}
    assert hub["spec"]["ingress"][0]["ports"] == [{"port": 8081}]


@pytest.fixture(scope="module")
def egress():
    """What servers may reach by the policy as it is."""
    (servers,) = policies(servers={"enabled": True})
    return servers["spec"]["egress"]


@pytest.mark.parametrize("address", BLOCKED)
def test_servers_do_not_reach_private_addresses_nor_metadata(egress, address):
    assert not reaches(egress, address)


@pytest.mark.parametrize("address", PUBLIC)
def test_servers_reach_public_addresses(egress, address):
    assert reaches(egress, address)


def test_more_may_be_blocked_and_more_may_be_allowed():
    git = {"to": [{"ipBlock": {"cidr": "192.168.7.0/24"}}]}
    (servers,) = policies(servers={"enabled": True, "blocked": ["198.51.100.0/24", "2001:db8::/32"], "egress": [git]})
    seen = {
        each: reaches(servers["spec"]["egress"], each)
        for each in ("198.51.100.7", "198.51.99.7", "2001:db8::7", "2001:db9::7", "192.168.7.1", "192.168.8.1")
    }
    assert list(seen.values()) == [False, True, False, True, True, False]


def test_a_hub_in_another_namespace_is_named_by_the_policies():
    values = {"hub": {"namespace": "hubs"}, "networkPolicies": ALL_BUT_NAMESPACES["networkPolicies"]}
    by_name = {each["metadata"]["name"]: each for each in of_kind(rendered("labs", values), "NetworkPolicy")}
    servers, hub = by_name["jhkube-servers"], by_name["jhkube-hub"]
    in_hubs = {"matchLabels": {"kubernetes.io/metadata.name": "hubs"}}
    assert (servers["metadata"]["namespace"], hub["metadata"]["namespace"]) == ("labs", "hubs")
    assert servers["spec"]["ingress"][0]["from"][0]["namespaceSelector"] == in_hubs
    assert servers["spec"]["egress"][1]["to"][0]["namespaceSelector"] == in_hubs
    servers_of, proxy, ours, metrics = hub["spec"]["ingress"][0]["from"]
    in_labs = {"matchLabels": {"kubernetes.io/metadata.name": "labs"}}
    assert servers_of["namespaceSelector"] == in_labs
    assert ours == {
        "podSelector": {"matchLabels": {"hub.jupyter.org/network-access-hub": "true"}},
        "namespaceSelector": in_labs,
    }
    assert "namespaceSelector" not in proxy
    assert metrics == {"namespaceSelector": {"matchLabels": {"example.org/metrics": "yes"}}}


def test_servers_of_all_namespaces_reach_the_hub_where_each_person_has_one():
    (hub,) = of_kind(rendered("labs", NAMESPACES), "NetworkPolicy")
    assert hub["spec"]["ingress"][0]["from"][0]["namespaceSelector"] == {}


# The dashboard, and what is said after an installation.


def test_the_dashboard_is_the_file_and_has_the_labels_of_the_sidecar():
    values = NOTHING | {"dashboard": {"enabled": True, "namespace": "monitoring", "labels": {"more": "yes"}}}
    (found,) = rendered("labs", values)
    assert json.loads(found["data"]["jhkube.json"]) == json.loads((OWN / "files" / "dashboard.json").read_text())
    assert found["metadata"]["namespace"] == "monitoring"
    assert found["metadata"]["labels"].items() >= {"grafana_dashboard": "1", "more": "yes"}.items()


def test_the_notes_say_what_was_enabled_and_what_to_do():
    words = ("install", "jhkube", OWN, "--namespace", "labs", "--dry-run=client", "--values", "-")
    notes = run_helm(*words, values=NAMESPACES).stdout.partition("NOTES:")[2]
    assert "The account labs/hub has the Roles for: failedLogs, growingHomes, homeLeases, imageMarks," in notes
    assert "can run any pod in any namespace" in notes
    plain = run_helm(*words, values=ALL_BUT_NAMESPACES).stdout.partition("NOTES:")[2]
    assert "can run any pod in any namespace" not in plain
    assert "singleuser.networkPolicy.enabled" in plain
    assert "exec deploy/jhkube-prepuller -- jhkube prepull --status" in plain
    assert "has the Roles for: nothing." in run_helm(*words, values=NOTHING).stdout

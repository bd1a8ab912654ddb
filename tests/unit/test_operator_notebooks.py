"""Notebooks by custom resource: what a resource asks for, what is made of it, and how it stands."""

import asyncio
import base64
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from jsonschema import Draft202012Validator
from kubernetes_asyncio.client.exceptions import ApiException

from jhkube.operator import cluster as operator_cluster
from jhkube.operator import fresh, notebook_work, work
from jhkube.operator.cluster import Cluster, event_of
from jhkube.operator.conditions import LONGEST_MESSAGE, Outcome, Phase, conditions_of
from jhkube.operator.crds import CRD_FILES, crd_text, custom_resource_definitions
from jhkube.operator.known import EVENTS_OF_A_POD, PODS_WITH_EVENTS, Known, KnownEvents
from jhkube.operator.notebook_objects import HASH_ANNOTATION, UID_LABEL, has_owner, notebook_objects
from jhkube.operator.notebook_spec import DEFAULT_IMAGE, NotebookDefaults, kept_token, object_name, read_notebook
from jhkube.operator.notebook_status import current_pod, notebook_outcome, notebook_status
from jhkube.operator.notebooks import Notebooks
from jhkube.operator.peering import NotOurs
from jhkube.operator.seen_notebooks import SeenNotebooks
from jhkube.operator.start_script import BASH_PROFILE, START
from jhkube.operator.worker import Worker
from jhkube.operator_models import ConfigError
from tests.accounts import OWN
from tests.unit.pod_security import restricted_violations

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
TOKEN = "t" * 32
DEFAULTS = NotebookDefaults(ingress_domain="notebooks.example.org", ingress_tls_secret="tls", node_selector=None)


def resource(name="study", spec=None, **asked):
    asked = {"project": {"claimName": "project", "id": "project-1"}, **asked}
    return {
        "apiVersion": "squonk.it/v2",
        "kind": "JupyterNotebook",
        "metadata": {"name": name, "namespace": "labs", "uid": "uid-1", "generation": 1, "resourceVersion": "7"},
        "spec": {"imDataManager": asked, **(spec or {})},
    }


def made(defaults=DEFAULTS, **asked):
    return notebook_objects(read_notebook(resource(**asked), defaults), TOKEN)


# What a resource asks for.


def test_what_a_resource_does_not_say_is_as_the_existing_operator_has_it():
    found = read_notebook(resource(), DEFAULTS)
    assert found.image == DEFAULT_IMAGE == "jupyter/minimal-notebook:notebook-6.3.0"
    assert (found.cpu, found.memory) == (("10m", "1"), ("256Mi", "1Gi"))
    assert (found.run_as_user, found.run_as_group, found.fs_group) == (1000, 100, 100)
    assert (found.service_account, found.interface, found.body_size, found.ingress_class) == (
        *("default", "lab", "500m"),
        "nginx",
    )
    assert found.url == "https://notebooks.example.org/study"


def test_the_environment_has_the_names_and_defaults_of_the_existing_operator():
    assert NotebookDefaults.from_environment({}) == NotebookDefaults(
        node_selector=("informaticsmatters.com/purpose-application", "yes")
    )
    assert NotebookDefaults.from_environment(
        {
            "INGRESS_DOMAIN": "A.example.org",
            "INGRESS_CERT_ISSUER": "issuer",
            "INGRESS_ALLOW_HTTP": "yes",
            "JO_APPLY_POD_PRIORITY_CLASS": "1",
            "JO_POD_NODE_SELECTOR_KEY": "kind",
            "JO_POD_NODE_SELECTOR_VALUE": "lab",
        }
    ) == NotebookDefaults("a.example.org", "", "issuer", True, "im-application-low", ("kind", "lab"))
    named = {"INGRESS_TLS_SECRET": "tls", "JO_DEFAULT_POD_PRIORITY_CLASS": "high"}
    found = [NotebookDefaults.from_environment(named | more) for more in ({}, {"JO_APPLY_POD_PRIORITY_CLASS": "no"})]
    # Any value applies the class, as at the existing operator.
    assert [(each.ingress_tls_secret, each.priority_class) for each in found] == [("tls", ""), ("tls", "high")]


def test_the_definition_has_every_property_that_the_data_manager_writes():
    (definition, *_) = custom_resource_definitions()
    assert (definition["metadata"]["name"], definition["spec"]["scope"]) == (
        "jupyternotebooks.squonk.it",
        "Namespaced",
    )
    versions = {each["name"]: each for each in definition["spec"]["versions"]}
    assert {name: (each["served"], each["storage"]) for name, each in versions.items()} == {
        "v1alpha3": (True, False),
        "v2": (True, True),
    }
    columns = {each["name"]: each["jsonPath"] for each in versions["v2"]["additionalPrinterColumns"]}
    where = definition["metadata"]["annotations"]["data-manager.informaticsmatters.com/application-url-location"]
    assert columns["URL"] == f".status.{where}" == ".status.jupyter.notebook.url"
    assert columns["Token"] == ".status.jupyter.notebook.token"

    def types(part, path=""):
        if "properties" not in part:
            yield path, part["items"]["type"] if part["type"] == "array" else part["type"]
        for name, inner in part.get("properties", {}).items():
            yield from types(inner, f"{path}.{name}".lstrip("."))

    spec = versions["v2"]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    who = {f"securityContext.{name}": "integer" for name in ("runAsUser", "runAsGroup", "fsGroup")}
    project = {"project.claimName": "string", "project.id": "string"}
    texts = ("taskId", "image", "ingressClass", "ingressDomain", "ingressTlsSecret", "ingressProxyBodySize")
    amounts = [f"resources.{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "memory", "storage")]
    more = ("serviceAccountName", "notebook.interface", "labels", *texts, *amounts)
    managers = {**dict.fromkeys(more, "string"), **who, **project}
    assert dict(types(spec)) == {
        **{f"imDataManager.{name}": kind for name, kind in managers.items()},
        **who,
        **project,
    }


def test_what_the_readme_writes_beside_the_data_managers_properties_counts_where_they_do_not_say_it():
    beside = {
        "securityContext": {"runAsUser": 7001, "runAsGroup": 7002},
        "project": {"claimName": "other", "id": "project-2"},
    }
    found = read_notebook(resource(spec=beside, project=None), DEFAULTS)
    assert (found.run_as_user, found.run_as_group, found.claim, found.project) == (7001, 7002, "other", "project-2")
    found = read_notebook(resource(spec=beside, securityContext={"runAsUser": 8001}), DEFAULTS)
    assert (found.run_as_user, found.run_as_group, found.claim) == (8001, 7002, "project")


@pytest.mark.parametrize(
    ("resources", "cpu"),
    [
        ({"requests": {"cpu": "3"}}, ("3", "3")),
        ({"limits": {"cpu": "5m"}}, ("5m", "5m")),
        ({"limits": {"cpu": "2"}}, ("10m", "2")),
    ],
)
def test_an_amount_that_is_said_alone_wins_over_the_default_of_the_other(resources, cpu):
    assert read_notebook(resource(resources=resources), DEFAULTS).cpu == cpu


@pytest.mark.parametrize(
    ("defaults", "asked", "said"),
    [
        (
            NotebookDefaults(ingress_tls_secret="tls"),
            {},
            "spec.imDataManager.ingressDomain: is missing: it should be",
        ),
        (NotebookDefaults(ingress_domain="a.org"), {}, "without TLS the notebook's token would cross the network"),
        (DEFAULTS, {"ingressDomain": "https://a.org"}, "spec.imDataManager.ingressDomain: should be the name"),
        (
            NotebookDefaults(ingress_domain="a.org", domains=frozenset({"b.org"}), allow_http=True),
            {"ingressDomain": "hub.org"},
            "spec.imDataManager.ingressDomain: 'hub.org' is not a host for notebooks: a.org, b.org",
        ),
        (DEFAULTS, {"labels": ["/x=1"]}, "spec.imDataManager.labels[0]: should be key=value"),
        (DEFAULTS, {"labels": ["x"]}, "spec.imDataManager.labels[0]: should be key=value"),
        (DEFAULTS, {"project": {"claimName": "c", "id": "a/../b"}}, "project.id: should be a folder of the claim"),
        (DEFAULTS, {"project": {"claimName": "c", "id": "{uid}"}}, "project.id: should be a folder of the claim"),
        (DEFAULTS, {"securityContext": {"fsGroup": 0}}, "securityContext.fsGroup: should be a whole number from 1"),
        (DEFAULTS, {"ingressProxyBodySize": "1;x"}, "ingressProxyBodySize: should be a size as nginx writes it"),
        (DEFAULTS, {"resources": {"limits": {"memory": "-1"}}}, "limits.memory: should be an amount"),
        (DEFAULTS, {"resources": {"limits": {"cpu": " 1"}}}, "limits.cpu: should be an amount"),
        (DEFAULTS, {"resources": {"requests": {"cpu": "1" * 64}}}, "requests.cpu: should be an amount"),
        (DEFAULTS, {"image": "http://x/y"}, "spec.imDataManager.image: should be an image"),
        # What is repeated in the status, or in several objects, is kept small.
        (DEFAULTS, {"labels": [f"k{n}=v" for n in range(101)]}, "labels: should be a list of at most 100 labels"),
        (DEFAULTS, {"notebook": {"interface": "x" * 64}}, "notebook.interface: should be lab or classic"),
        (DEFAULTS, {"project": {"claimName": "c", "id": "a/" * 512 + "a"}}, "project.id: should be a folder"),
    ],
)
def test_what_cannot_be_is_a_sentence_with_the_property(defaults, asked, said):
    with pytest.raises(ConfigError) as refused:
        read_notebook(resource(**asked), defaults)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 300


def test_tls_decides_about_the_url():
    http = NotebookDefaults(ingress_domain="a.org", allow_http=True)
    assert read_notebook(resource(), http).url == "http://a.org/study"
    issuer = NotebookDefaults(ingress_domain="a.org", ingress_cert_issuer="letsencrypt")
    found = read_notebook(resource(), issuer)
    assert (found.url, found.tls_secret) == ("https://a.org/study", "tls-study")
    ingress = notebook_objects(found, TOKEN).ingress
    assert ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] == "letsencrypt"
    assert "tls" not in made(http).ingress["spec"]
    assert "cert-manager.io/cluster-issuer" not in made().ingress["metadata"]["annotations"]


def test_names_are_the_resources_own_where_a_service_may_have_them():
    assert object_name("study") == "study"
    for name in ("2026", "a.b", "n" * 64, "n" * 253):
        slug = object_name(name)
        assert slug != name
        assert len(slug) <= 63
        assert slug[0].isalpha()
    assert object_name("a.b") != object_name("a-b")


@pytest.mark.parametrize("token", ["", "short", "with space in it, though long", "x" * 129, 7, None])
def test_a_status_that_somebody_has_changed_gives_no_strange_token(token):
    assert kept_token({"status": {"jupyter": {"notebook": {"token": token}}}}) == ""
    assert kept_token({"status": {"jupyter": {"notebook": {"token": TOKEN}}}}) == TOKEN


# What is made of it.


TEMPLATE = "deployment spec template"
CONTAINER = f"{TEMPLATE} spec containers 0"
NGINX = "nginx.ingress.kubernetes.io/proxy-body-size"
OWNER = {"labels": ["x.org/owner=ada", "x.org/instance-id=i-1", "data-manager.informaticsmatters.com/instance=study"]}


CONTRACT = (
    # What a resource says, a place in what is made of it, and what is there.
    ({}, "deployment metadata name", "study"),
    ({}, "deployment spec replicas", 1),
    ({}, "deployment spec strategy type", "Recreate"),
    ({}, f"{TEMPLATE} metadata labels deployment", "study"),
    (OWNER, f"{TEMPLATE} metadata labels data-manager.informaticsmatters.com/instance", "study"),
    ({}, f"{TEMPLATE} spec serviceAccountName", "default"),
    ({}, f"{TEMPLATE} spec automountServiceAccountToken", False),
    ({"serviceAccountName": "robot"}, f"{TEMPLATE} spec serviceAccountName", "robot"),
    ({"serviceAccountName": "robot"}, f"{TEMPLATE} spec automountServiceAccountToken", True),
    ({}, f"{TEMPLATE} spec securityContext runAsUser", 1000),
    ({}, f"{TEMPLATE} spec securityContext runAsGroup", 100),
    ({}, f"{TEMPLATE} spec securityContext fsGroup", 100),
    ({"securityContext": {"fsGroup": 3456}}, f"{TEMPLATE} spec securityContext fsGroup", 3456),
    ({}, f"{CONTAINER} name", "notebook"),
    ({"image": "x:1", "taskId": "task-1"}, f"{CONTAINER} image", "x:1"),
    ({}, f"{CONTAINER} command 0", "bash"),
    ({}, f"{CONTAINER} ports 0 containerPort", 8888),
    ({}, f"{CONTAINER} env HOME", "/home/jovyan/.study"),
    ({}, f"{CONTAINER} env DM_PROJECT_ID", "project-1"),
    (OWNER, f"{CONTAINER} env DM_INSTANCE_OWNER", "ada"),
    (OWNER, f"{CONTAINER} env DM_INSTANCE_ID", "i-1"),
    ({}, f"{CONTAINER} resources requests", {"cpu": "10m", "memory": "256Mi"}),
    ({}, f"{CONTAINER} resources limits", {"cpu": "1", "memory": "1Gi"}),
    (
        {"resources": {"limits": {"storage": "9Gi"}}},
        f"{CONTAINER} resources limits",
        {"cpu": "1", "memory": "1Gi"},
    ),
    ({}, "service spec ports 0 port", 8888),
    ({}, "ingress spec rules 0 http paths 0 path", "/study"),
    ({}, "ingress spec rules 0 http paths 0 pathType", "Prefix"),
    ({}, "ingress spec rules 0 host", "notebooks.example.org"),
    ({"ingressDomain": "a.org"}, "ingress spec rules 0 host", "a.org"),
    ({}, "ingress spec tls 0 secretName", "tls"),
    ({"ingressTlsSecret": "own"}, "ingress spec tls 0 secretName", "own"),
    ({}, "ingress metadata annotations kubernetes.io/ingress.class", "nginx"),
    ({"ingressClass": "public"}, "ingress metadata annotations kubernetes.io/ingress.class", "public"),
    ({}, f"ingress metadata annotations {NGINX}", "500m"),
    ({"ingressProxyBodySize": "2g"}, f"ingress metadata annotations {NGINX}", "2g"),
    ({}, "secret metadata name", "config-study"),
)


def at(found, place):
    """Return what is at a place in some objects: `service spec ports 0 port`."""
    kind, *path = place.split(" ")
    found = getattr(found, kind)
    for step in path:
        if isinstance(found, list):
            found = found[int(step)] if step.isdecimal() else {each["name"]: each["value"] for each in found}[step]
        else:
            found = found[step]
    return found


def test_the_contract_of_the_existing_operator():
    found = [(asked, place, at(made(**asked), place)) for asked, place, _ in CONTRACT]
    assert found == list(CONTRACT)


def test_the_project_is_mounted_at_the_home():
    spec = made().deployment["spec"]["template"]["spec"]
    claims = {
        each["name"]: each["persistentVolumeClaim"] for each in spec["volumes"] if "persistentVolumeClaim" in each
    }
    (mount,) = [each for each in spec["containers"][0]["volumeMounts"] if each["mountPath"] == "/home/jovyan"]
    assert (claims[mount["name"]]["claimName"], mount["subPath"]) == ("project", "project-1")
    paths = {each["mountPath"] for each in spec["containers"][0]["volumeMounts"]}
    assert not any(path.startswith("/usr/local/bin") for path in paths)


def test_pods_keep_to_the_restricted_level():
    assert restricted_violations(made().deployment["spec"]["template"]) == []


def test_the_token_is_in_the_secret_and_nowhere_else():
    objects = made()
    config = json.loads(objects.files.contents["jupyter_notebook_config.json"])
    assert config["ServerApp"].items() >= {"token": TOKEN, "base_url": "/study", "ip": "0.0.0.0"}.items()
    for each in (objects.deployment, objects.service, objects.ingress):
        assert TOKEN not in json.dumps(each)
    assert TOKEN not in repr(objects.files)
    encoded = objects.secret["data"]["jupyter_notebook_config.json"]
    assert TOKEN in base64.b64decode(encoded).decode()


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("jupyter/base-notebook", "Always"),
        ("registry.example.org:5000/lab", "Always"),
        ("registry.example.org:5000/lab:stable", "Always"),
        ("registry.example.org:5000/lab:1.0", "IfNotPresent"),
        (f"lab@sha256:{'a' * 64}", "IfNotPresent"),
    ],
)
def test_the_tag_decides_when_an_image_is_pulled(image, policy):
    (container,) = made(image=image).deployment["spec"]["template"]["spec"]["containers"]
    assert container["imagePullPolicy"] == policy


def test_the_environment_of_the_operator_reaches_the_pod():
    defaults = NotebookDefaults("a.org", "tls", "", False, "low", ("kind", "lab"))
    spec = made(defaults).deployment["spec"]["template"]["spec"]
    assert (spec["nodeSelector"], spec["priorityClassName"]) == ({"kind": "lab"}, "low")


def test_the_classic_interface_has_no_lab():
    def names(interface):
        (container,) = made(notebook={"interface": interface}).deployment["spec"]["template"]["spec"]["containers"]
        return {each["name"] for each in container["env"]}

    def settings(interface):
        return json.loads(made(notebook={"interface": interface}).files.contents["jupyter_notebook_config.json"])

    assert names("lab") - names("classic") == {"JUPYTER_ENABLE_LAB"} == names("other") - names("classic")
    # Jupyter Notebook 6 reads its own section, and 7 that of Jupyter Server.
    server = settings("lab")["ServerApp"]
    assert set(settings("lab")) == {"ServerApp"}
    folder = server["root_dir"]
    old = {name: value for name, value in server.items() if name != "root_dir"} | {"notebook_dir": folder}
    assert settings("classic") == {"ServerApp": server, "NotebookApp": old}


def test_labels_of_a_resource_take_the_place_of_none_of_ours():
    template = made(labels=["deployment=other", f"{UID_LABEL}=x", "a.org/owner=ada"]).deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert (labels["deployment"], labels[UID_LABEL], labels["a.org/owner"]) == ("study", "uid-1", "ada")


def test_a_change_of_anything_is_seen_and_no_change_is_none():
    def hashes(**asked):
        objects = made(**asked)
        return [
            each["metadata"]["annotations"][HASH_ANNOTATION]
            for each in (objects.deployment, objects.service, objects.ingress)
        ]

    assert hashes() == hashes()
    for asked, changed in (
        ({"image": "x:1"}, [True, False, False]),
        ({"labels": ["a=b"]}, [True, False, False]),
        ({"securityContext": {"fsGroup": 5}}, [True, False, False]),
        ({"ingressProxyBodySize": "1g"}, [False, False, True]),
    ):
        assert [one != other for one, other in zip(hashes(), hashes(**asked), strict=True)] == changed
    assert has_owner(made().service, "uid-1")
    assert not has_owner(made().service, "uid-2")


def test_the_start_script_prepares_the_home_and_starts_jupyter(tmp_path):
    home, code, files = (tmp_path / name for name in ("project/.study", "code", "files"))
    (code / "copy-to-home" / "deep").mkdir(parents=True)
    (code / "copy-to-home" / "deep" / "file").write_text("from the image")
    (code / "copy-to-startup").mkdir()
    (code / "copy-to-startup" / "guide").write_text("of the project")
    files.mkdir()
    (files / "bash_profile").write_text(BASH_PROFILE)
    (tmp_path / "bin").mkdir()
    for name in ("jupyter", "jupyter-notebook"):
        (tmp_path / "bin" / name).write_text('#!/bin/sh\necho "$0 $@; $(pwd)" >>"$HOME/started"\n')
        (tmp_path / "bin" / name).chmod(0o755)
    conda = tmp_path / "bin" / "conda"
    conda.write_text('#!/bin/sh\necho "# conda initialize $*" >>"$HOME/.bashrc"\n')
    conda.chmod(0o755)
    script = START.replace("/home/code", str(code))
    environ = {"HOME": str(home), "JHKUBE_FILES": str(files), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    def run(**more):
        subprocess.run(["bash", "-c", script], env={**environ, **more}, check=True)
        return (home / "started").read_text().splitlines()[-1].rpartition("/jupyter ")[2]

    config = f"--config={files}/jupyter_notebook_config.json; {home.parent}"
    assert run(JUPYTER_ENABLE_LAB="true") == f"lab {config}"
    assert (home / "deep" / "file").read_text() == "from the image"
    assert (home.parent / "guide").read_text() == "of the project"
    assert (home / ".bash_profile").read_text() == BASH_PROFILE
    assert run(JUPYTER_ENABLE_LAB="true") == f"lab {config}"
    assert (home / ".bashrc").read_text().splitlines()[1:] == ["umask 0002", "# conda initialize init bash"]
    # What a person has changed since stays.
    conda.unlink()
    (home / "deep" / "file").write_text("mine")
    (home / ".bashrc").write_text("mine")
    assert run() == f"notebook {config}"
    assert (home / "deep" / "file").read_text() == (home / ".bashrc").read_text() == "mine"


# How it stands.


def deployment(ready=0, observed=1, conditions=()):
    body = made().deployment
    body["metadata"]["generation"] = 1
    counts = {"readyReplicas": ready, "updatedReplicas": 1}
    return {**body, "status": {"observedGeneration": observed, "conditions": list(conditions), **counts}}


def pod(name="study-1", created="2026-11-30T08:00:00Z", **status):
    template = made().deployment["spec"]["template"]
    owner = {"kind": "ReplicaSet", "name": "study-x", "controller": True}
    metadata = {"name": name, "creationTimestamp": created, "ownerReferences": [owner], **template["metadata"]}
    return {"metadata": metadata, "spec": template["spec"], "status": {"phase": "Pending", **status}}


def unschedulable():
    said = "0/1 nodes are available: 1 Insufficient memory."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
    return pod(conditions=[condition])


def outcome(of, pod=None, previous=None, now=NOW, **more):
    return notebook_outcome(of, pod, [], previous or {}, now, **more)


def test_it_runs_where_a_pod_of_the_present_template_is_ready():
    assert outcome(deployment(ready=1))[0].phase is Phase.RUNNING
    assert outcome(deployment(ready=1, observed=0))[0].phase is Phase.PENDING
    assert outcome(deployment())[0] == Outcome(Phase.PENDING, "Starting", "The notebook is starting.")


def test_a_restart_is_told_until_it_runs():
    first, _ = outcome(deployment(observed=0), restarts=True)
    assert first.phase is Phase.RESTARTING
    assert outcome(deployment(), previous={"phase": "Restarting"})[0].phase is Phase.RESTARTING
    assert outcome(deployment(ready=1), previous={"phase": "Restarting"})[0].phase is Phase.RUNNING


def test_what_may_pass_is_waited_for_and_then_a_failure():
    first, wait = outcome(deployment(), unschedulable())
    assert first.phase is Phase.PENDING
    assert first.message.startswith("No node of the cluster has enough free memory")
    assert 60 < wait < 61
    status = notebook_status(None, "", first, resource(), NOW)
    later = NOW + timedelta(seconds=59)
    assert outcome(deployment(), unschedulable(), status, later)[0].phase is Phase.PENDING
    later = NOW + timedelta(seconds=61)
    failed, wait = outcome(deployment(), unschedulable(), status, later)
    assert (failed.phase, failed.reason, wait) == (Phase.FAILED, "Unschedulable", None)
    status = notebook_status(None, "", failed, {**resource(), "status": status}, later)
    assert outcome(deployment(), unschedulable(), status, later)[0] == failed


def test_a_pod_that_the_api_server_does_not_take_is_a_failure_in_the_hubs_words():
    said = 'pods "study-1" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": said}
    failed, _ = outcome(deployment(conditions=[refused]))
    assert failed.phase is Phase.FAILED
    assert "quota" in failed.message


def test_the_present_pod_is_the_newest_of_the_present_template():
    old = pod("old")
    old["metadata"]["annotations"] = {HASH_ANNOTATION: "other"}
    forged = pod("forged", created="2026-12-01T00:00:00Z")
    forged["metadata"]["ownerReferences"] = []
    going = pod("going", created="2026-12-01T00:00:00Z")
    going["metadata"]["deletionTimestamp"] = "2026-12-01T00:00:00Z"
    newer = pod("newer", created="2026-11-30T08:30:00Z")
    assert current_pod([old, pod(), newer, forged, going], deployment()) is newer
    assert current_pod([old], deployment()) is None


def test_conditions_keep_their_time_for_as_long_as_they_hold():
    waits = Outcome(Phase.PENDING, "Starting", "…")
    first = conditions_of(waits, (), 1, NOW)
    later = NOW + timedelta(minutes=1)
    assert conditions_of(waits, first, 1, later) == first
    runs = {each["type"]: each for each in conditions_of(Outcome(Phase.RUNNING, "Running", "…"), first, 2, later)}
    assert (runs["Ready"]["status"], runs["Ready"]["lastTransitionTime"]) == ("True", "2026-11-30T09:01:00Z")
    assert (runs["Failed"]["status"], runs["Failed"]["lastTransitionTime"]) == ("False", "2026-11-30T09:00:00Z")
    other = {each["type"]: each for each in conditions_of(Outcome(Phase.PENDING, "Pulling", "…"), first, 1, later)}
    assert other["Progressing"]["lastTransitionTime"] == "2026-11-30T09:01:00Z"


def test_an_endless_message_is_cut():
    said = Outcome(Phase.FAILED, "Refused", "x" * 10**6)
    assert len(said.message) == LONGEST_MESSAGE
    assert said.message.endswith("x…")


def test_a_status_is_one_that_the_definition_has():
    (definition, *_) = custom_resource_definitions()
    (schema,) = [each["schema"]["openAPIV3Schema"] for each in definition["spec"]["versions"] if each["name"] == "v2"]

    def closed(part):
        """Return the schema without room for what it does not name: the API server would drop that."""
        if not isinstance(part, dict):
            return part
        inner = {key: closed(value) for key, value in part.items()}
        return (
            {**inner, "additionalProperties": False}
            if part.get("type") == "object" and "properties" in part
            else inner
        )

    notebook = read_notebook(resource(), DEFAULTS)
    status = notebook_status(notebook, TOKEN, Outcome(Phase.RUNNING, "Running", "…"), resource(), NOW)
    Draft202012Validator(closed(schema["properties"]["status"])).validate(status)
    assert status["jupyter"] == {
        "notebook": {
            "url": f"https://notebooks.example.org/study?token={TOKEN}",
            "token": TOKEN,
            "interface": "lab",
        },
        "image": DEFAULT_IMAGE,
        "serviceAccountName": "default",
        "resources": {"requests": {"memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "project": {"claimName": "project", "id": "project-1"},
    }
    # What went wrong later takes nothing away of what a client has read already.
    failed = Outcome(Phase.FAILED, "InvalidSpec", "…")
    kept = notebook_status(None, "", failed, {**resource(), "status": status}, NOW)
    assert kept["jupyter"] == status["jupyter"]


def test_the_chart_has_the_same_definitions():
    """`cp jhkube/operator/crds/* chart/jhkube/files/crds/` makes them so."""
    assert {name: crd_text(name) for name in CRD_FILES} == {
        path.name: path.read_text() for path in (OWN / "files" / "crds").iterdir()
    }


def test_an_event_is_about_its_resource():
    event = event_of(resource(name="n" * 253), "Warning", "InvalidSpec", "x" * 2000, NOW)
    assert event["involvedObject"].items() >= {"kind": "JupyterNotebook", "uid": "uid-1"}.items()
    assert len(event["metadata"]["generateName"]) < 240
    assert len(event["message"]) == 1024


# What is known, and the work.


def test_what_a_late_watch_tells_does_not_take_the_place_of_what_is_newer():
    known = Known(UID_LABEL)
    item = {"metadata": {"namespace": "a", "name": "b", "uid": "1", "labels": {UID_LABEL: "n"}, "managedFields": []}}

    def version(number, uid="1"):
        return {"metadata": {**item["metadata"], "resourceVersion": str(number), "uid": uid}}

    known.put(version(10))
    known.put(version(9))
    assert known.get("a/b")["metadata"]["resourceVersion"] == "10"
    assert "managedFields" not in known.get("a/b")["metadata"]
    known.put(version(3, uid="2"))
    known.drop(version(10))
    assert [each["metadata"]["uid"] for each in known.labelled("n")] == ["2"]
    known.drop(version(4, uid="2"))
    assert known.labelled("n") == known.values() == []


def test_a_list_that_was_read_before_a_write_does_not_undo_it():
    known = Known()
    told = resource()
    told["metadata"]["resourceVersion"] = "8"
    told["status"] = {"jupyter": {"notebook": {"token": TOKEN}}}
    again = {**resource(), "metadata": {**resource()["metadata"], "uid": "uid-2", "resourceVersion": "9"}}
    known.put(told)
    known.replace([resource()])
    assert known.get("labs/study")["status"] == told["status"]
    # Another resource of the name is another one, and what a list lacks is gone.
    known.replace([again])
    assert "status" not in known.get("labs/study")
    known.replace([])
    assert known.values() == []


def test_events_are_kept_for_the_latest_pods_only():
    events = KnownEvents()
    for number in range(PODS_WITH_EVENTS + 5):
        events.put({"metadata": {"name": f"e{number}"}, "involvedObject": {"uid": f"pod-{number}"}})
    for number in range(EVENTS_OF_A_POD + 5):
        events.put({"metadata": {"name": f"n{number}"}, "involvedObject": {"uid": "pod-2000"}, "reason": "R"})
    assert events.of("pod-0") == []
    assert len(events.of("pod-2000")) == EVENTS_OF_A_POD
    events.forget("pod-2000")
    assert events.of("pod-2000") == []


def test_what_happens_again_and_again_waits_longer_each_time(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(work.time, "monotonic", lambda: now)
    backoff = work.Backoff(free=2, first=1.0, longest=5.0)
    assert [backoff.delay() for _ in range(6)] == [0.0, 0.0, 1.0, 2.0, 4.0, 5.0]
    now += work.FORGET_AFTER + 1
    assert backoff.delay() == 0.0


async def test_a_key_is_worked_on_by_one_at_a_time_and_once_more_for_all_that_came_meanwhile():
    queue = work.WorkQueue()
    gate, begun, worked = asyncio.Event(), asyncio.Event(), []

    async def handle(key):
        worked.append(key)
        begun.set()
        await gate.wait()

    running = asyncio.create_task(queue.run(handle, workers=3))
    queue.add("a")
    queue.add("a")
    await begun.wait()
    for _ in range(5):
        queue.add("a")
    queue.add("b")
    queue.add("c", delay=3600)
    queue.add("c", delay=0.01)
    async with asyncio.timeout(120):
        while "c" not in worked:
            await asyncio.sleep(0)
    assert sorted(worked) == ["a", "b", "c"]
    gate.set()
    async with asyncio.timeout(120):
        while worked.count("a") < 2:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert worked.count("a") == 2


def as_listed(body, version="7"):
    """Return an object as a list of the API has it, without its kind."""
    metadata = {**body["metadata"], "resourceVersion": version}
    return {key: value for key, value in {**body, "metadata": metadata}.items() if key not in ("apiVersion", "kind")}


class Told(Cluster):
    """Lists that were read before a watch told of more: the moment between the two cannot be had on demand."""

    def __init__(self, told):
        super().__init__(["labs"])
        self.told = told

    async def listed(self, kind, **_):
        if kind == "JupyterNotebook":
            for change, body in self.told:
                self.notebooks.saw(kind, change, body)
            return [as_listed(resource()), as_listed({**resource("gone"), "metadata": GONE})]
        return []


GONE = {"name": "gone", "namespace": "labs", "uid": "uid-gone"}


async def test_what_watches_tell_while_lists_are_read_is_not_lost():
    newer = resource("newer")
    newer["metadata"]["uid"] = "uid-newer"
    changed = resource(image="x:2")
    changed["metadata"]["resourceVersion"] = "8"
    cluster = Told([("ADDED", newer), ("MODIFIED", changed), ("DELETED", {"metadata": GONE})])
    notebooks = cluster.notebooks = SeenNotebooks(cluster)
    assert await notebooks.refresh() == {"labs/newer", "labs/study"}
    study = notebooks.known["JupyterNotebook"].get("labs/study")
    assert study["spec"]["imDataManager"]["image"] == "x:2"


class Counting(Cluster):
    """Lists without anything in them, counted."""

    lists = 0

    async def listed(self, *_, **__):
        self.lists += 1
        return []


class Turns:
    """Which of two operators works, as a test says, and how often that was asked."""

    ours, asked, refused = True, 0, 0

    async def is_ours(self):
        self.asked += 1
        return self.ours

    async def before_write(self):
        self.refused += not self.ours
        if not self.ours:
            raise NotOurs


async def test_an_operator_that_is_paused_reads_nothing_until_it_works_again(monkeypatch):
    monkeypatch.setattr(fresh, "REFRESH", 0.01)
    monkeypatch.setattr(fresh, "SETTLING", 0.0)
    cluster, turns = Counting(["labs"]), Turns()
    own = notebook_work.NotebookWork(cluster, turns, DEFAULTS)
    running = asyncio.create_task(own.run())
    async with asyncio.timeout(120):
        own.saw("Service", None, meta("other"))
        while cluster.lists < 24:
            await asyncio.sleep(0)
        turns.ours, turns.asked = False, 0
        while turns.asked < 1:
            await asyncio.sleep(0)
        paused = cluster.lists
        while turns.asked < 10:
            await asyncio.sleep(0)
        assert cluster.lists == paused
        # Watches tell of something again.
        turns.ours = True
        own.saw("Service", "MODIFIED", meta("other"))
        while cluster.lists < paused + 6:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Lists(Cluster):
    """Lists with one notebook; while they are read, another operator takes over where a test wants it."""

    def __init__(self, turns):
        super().__init__(["labs"], turns.before_write)
        self.turns, self.is_taken_over = turns, True

    async def listed(self, kind, **_):
        self.turns.ours = not self.is_taken_over
        return [as_listed(resource()) | {"apiVersion": "squonk.it/v2", "kind": kind}] * (kind == "JupyterNotebook")


async def test_an_operator_that_another_takes_over_from_while_it_waits_does_nothing_more(monkeypatch):
    monkeypatch.setattr(fresh, "SETTLING", 0.0)
    sent = []

    async def send(call, *_, **__):
        sent.append(call.__name__)
        return json.dumps(resource())

    monkeypatch.setattr(operator_cluster, "plain_answer", send)
    turns = Turns()
    lists = Lists(turns)
    own = notebook_work.NotebookWork(lists, turns, DEFAULTS)
    running = asyncio.create_task(own.run())
    async with asyncio.timeout(120):
        # It works when it is asked, and no more when what there is has been read.
        own.saw("JupyterNotebook", None, resource())
        while not turns.refused:
            await asyncio.sleep(0)
        assert sent == []
        lists.is_taken_over, turns.ours = False, True
        own.saw("JupyterNotebook", None, resource())
        while "patch_namespaced_custom_object_status" not in sent:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_waits_is_dropped_while_another_operator_works():
    worked, turns, paused = [], Turns(), asyncio.Event()

    async def work(key):
        worked.append(key)

    own = Worker("JupyterNotebook", Known(), turns, work, on_pause=paused.set)
    running = asyncio.create_task(own.run(2))
    turns.ours = False
    own.add("labs/study")
    async with asyncio.timeout(120):
        await paused.wait()
    assert worked == []
    turns.ours = True
    own.add("labs/study")
    async with asyncio.timeout(120):
        while not worked:
            await asyncio.sleep(0)
    assert worked == ["labs/study"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Refusing(Cluster):
    """An API server with a notebook's Secret and Service, that refuses its Ingress; notes what is deleted."""

    def __init__(self):
        super().__init__(["labs"])
        self.deleted = []
        self.seen = SeenNotebooks(self)

    async def create(self, made):
        if made["kind"] == "Ingress":
            # Meanwhile somebody makes an object of their own.
            self.seen.saw("Deployment", "ADDED", meta("study"))
        raise ApiException(status={"Secret": 409, "Ingress": 422}[made["kind"]], reason="…")

    async def patch_secret(self, namespace, name, patch):
        secret = owned("Secret")
        return {**secret, "metadata": {**secret["metadata"], "name": name}}

    async def delete(self, made):
        self.deleted.append((made["kind"], made["metadata"]["name"], made["metadata"]["uid"]))

    async def patch_status(self, body, status):
        return {**body, "status": status}

    async def post_event(self, *_):
        pass


async def test_what_an_operator_that_was_ended_has_made_goes_where_the_rest_is_refused():
    cluster = Refusing()
    seen = cluster.seen
    seen.saw("JupyterNotebook", "ADDED", resource())
    seen.saw("PersistentVolumeClaim", "ADDED", meta("project"))
    seen.saw("Service", "ADDED", owned("Service"))
    await Notebooks(cluster, seen, DEFAULTS).reconcile("labs/study")
    assert cluster.deleted == [("Secret", "config-study", "Secret"), ("Service", "study", "Service")]
    assert seen.known["JupyterNotebook"].get("labs/study")["status"]["phase"] == "Failed"
    assert seen.known["Service"].values() == []


def test_a_change_concerns_the_notebook_that_it_is_about():
    notebooks = SeenNotebooks(Cluster(["labs"]))
    study = resource()
    study["status"] = {"phase": "Failed"}
    assert notebooks.saw("JupyterNotebook", "ADDED", study) == {"labs/study"}
    for kind in ("Deployment", "Service", "Ingress"):
        assert notebooks.saw(kind, "ADDED", owned(kind)) == {"labs/study"}
        assert notebooks.saw(kind, "ADDED", meta("other")) == set()
    # A name that was taken is free, and a claim that was missing is there.
    assert notebooks.saw("Service", "DELETED", meta("study")) == {"labs/study"}
    assert notebooks.saw("PersistentVolumeClaim", "ADDED", meta("project")) == {"labs/study"}
    assert notebooks.saw("PersistentVolumeClaim", "ADDED", meta("elsewhere")) == set()
    event = {"metadata": {"name": "e"}, "involvedObject": {"uid": "pod-1"}, "reason": "Pulling"}
    assert notebooks.saw("Event", "ADDED", event) == set()
    assert notebooks.saw("Pod", "ADDED", meta("study-1", "pod-1", {UID_LABEL: "uid-1"})) == {"labs/study"}
    assert notebooks.saw("Event", "ADDED", event) == {"labs/study"}
    assert notebooks.saw("Pod", "DELETED", meta("study-1", "pod-1", {UID_LABEL: "uid-1"})) == {"labs/study"}
    assert notebooks.saw("Event", "ADDED", event) == set()


def owned(kind):
    child = getattr(made(), kind.lower())
    return {**child, "metadata": {**child["metadata"], "uid": kind}}


def meta(name, uid="uid-x", labels=None):
    return {"metadata": {"name": name, "namespace": "labs", "uid": uid, "labels": labels or {}}}

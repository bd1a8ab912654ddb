"""Kubeflow's door: each field of a request, of a row and of the form's configuration, both ways."""

import asyncio
import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jupyterhub.services.auth import HubOAuth
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application, HTTPError

from jhkube.options_form.option_values import OptionError
from jhkube.service.door_views import is_shown
from jhkube.service.kubeflow import handlers
from jhkube.service.kubeflow.form import MOUNT, gpu_resources, pod_defaults, spawner_form
from jhkube.service.kubeflow.handlers import KubeflowHandler
from jhkube.service.kubeflow.new_notebook import check_same_namespace, claim_body, read_notebook, user_options
from jhkube.service.kubeflow.routes import RIGHTS, ROUTES
from jhkube.service.kubeflow.views import (
    claim_events,
    claim_object,
    claim_row,
    event_object,
    notebook_object,
    notebook_row,
    pod_object,
)
from jhkube.service.refusals import Refusal
from jhkube.service.validation import read_request, route_named
from tests.unit.service_samples import AVAILABLE, SIZES, claim, server


def volume(*sources, mount="/data"):
    """Return a data volume as the form sends it."""
    return {"mount": mount, **{name: value for each in sources for name, value in each.items()}}


def old(name, **more):
    return {"existingSource": {"persistentVolumeClaim": {"claimName": name, **more}}}


def new(name, **metadata):
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "5Gi"}},
        "storageClassName": metadata.pop("storage_class", ""),
    }
    return {"newPvc": {"metadata": {"name": name, **metadata}, "spec": spec}}


MAKE = next(route for route in ROUTES if route.name == "kubeflow.make_notebook")
NOTHING = {"profile": "lab"}
STATCAN = {
    "name": "study",
    "namespace": "ada",
    "image": "registry.example.org/lab:w_45",
    "customImageCheck": False,
    "customImage": "",
    "imagePullPolicy": "Always",
    "serverType": "jupyter",
    "cpu": "0.5",
    "cpuLimit": "0.5",
    "memory": "2.0Gi",
    "memoryLimit": "2.0Gi",
    "gpus": {"num": "1", "vendor": "nvidia.com/gpu"},
    "noWorkspace": False,
    "workspace": {
        "mount": "/home/jovyan",
        "newPvc": {
            "metadata": {"name": "study-workspace"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "16Gi"}},
                "storageClassName": "",
            },
        },
    },
    "datavols": [],
    "shm": False,
    "configurations": ["data"],
    "prob": False,
    "language": "en",
    "affinityConfig": "none",
    "tolerationGroup": "none",
}
"""What StatCan's form sends."""


def read(body):
    """Return the options that a body leads to, by way of the table of routes."""
    request = read_request(MAKE, {"namespace": "ada"}, {}, json.dumps({"name": "study", **body}).encode())
    return user_options(read_notebook(request.body), AVAILABLE)


def test_what_statcans_form_sends_becomes_options():
    assert read(STATCAN) == {"profile": "lab", "image": "w_45", "size": "gpu", "presets": ["data"]}


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ({}, {}),
        ({"image": "registry.example.org/lab:w_46"}, {"image": "recommended"}),
        ({"image": "registry.example.org/other:1"}, {"image": "registry.example.org/other:1"}),
        ({"customImageCheck": True, "customImage": "own:1", "image": "lab"}, {"image": "own:1"}),
        ({"customImage": "own:1"}, {"image": "own:1"}),
        ({"customImageCheck": False, "customImage": "own:1", "image": "w_45"}, {"image": "w_45"}),
        ({"serverType": "group-one", "imageGroupOne": "code:1", "image": "lab"}, {"image": "code:1"}),
        ({"serverType": "group-two", "imageGroupTwo": "desk:1", "image": "lab"}, {"image": "desk:1"}),
        ({"cpu": "0.5", "memory": "1Gi"}, {"size": "small"}),
        ({"cpu": 0.5}, {"size": "small"}),
        ({"cpu": "500m"}, {"size": "small"}),
        ({"cpu": "600m"}, {"size": "large"}),
        ({"cpu": "0.1", "cpuLimit": "3"}, {"size": "large"}),
        ({"memory": "2048Mi"}, {"size": "small"}),
        ({"memory": "2049Mi"}, {"size": "large"}),
        ({"gpus": {"num": "none"}}, {}),
        ({"gpus": {"num": 1, "vendor": ""}}, {"size": "gpu"}),
        ({"configurations": []}, {"presets": []}),
        ({"affinityConfig": "large"}, {"size": "large"}),
        ({"affinityConfig": "large", "cpu": "1"}, {"size": "large"}),
        ({"tolerationGroup": "gpu", "affinityConfig": "none"}, {"size": "gpu"}),
        ({"tolerationGroup": "large", "affinityConfig": "large"}, {"size": "large"}),
        ({"environment": "{}", "tolerationGroup": ""}, {}),
    ],
)
def test_each_field_of_a_notebook_becomes_an_option(body, options):
    assert read(body) == NOTHING | options


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"cpu": "9"}, "size", "The largest is “With a GPU” with 2 cores, 6 GiB memory and 1 GPU"),
        ({"gpus": {"num": "1", "vendor": "amd.com/gpu"}}, "size", "No size has 1 GPU"),
        ({"gpus": {"num": 2, "vendor": "amd.com/gpu"}}, "size", "No size has 2 GPUs"),
        ({"gpus": {"num": "many"}}, "gpus.num", "The value 'many' is not a number of GPUs, such as 1."),
        ({"gpus": {"num": "12345"}}, "gpus.num", "not a number of GPUs"),
        ({"cpu": "0" * 33}, "cpu", "not an amount"),
        ({"cpu": "two"}, "cpu", "not an amount"),
        ({"cpu": "-1"}, "cpu", "not an amount"),
        ({"memory": "9" * 40}, "memory", "not an amount"),
        ({"cpu": "2", "cpuLimit": "1"}, "cpuLimit", "less than what cpu asks for"),
        ({"affinityConfig": "huge"}, "affinityConfig", "Choose one of: large, small, gpu"),
        ({"affinityConfig": "small", "cpu": "4"}, "affinityConfig", "has less than 4 cores"),
        ({"noWorkspace": True}, "noWorkspace", "Each notebook has a workspace"),
        ({"workspace": {"existingSource": {"a": 1}}}, "workspace", "its own disk"),
        ({"datavols": [{"mount": "/data"}]}, "datavols", "either newPvc or existingSource"),
        ({"datavols": [volume(new("data"), old("data"))]}, "datavols", "either newPvc or existingSource"),
        ({"datavols": [volume(old("data"), mount="/etc")]}, "datavols", "'/etc' cannot be the place of a disk"),
        ({"datavols": [volume(old("data"), mount=MOUNT)]}, "datavols", "cannot be the place of a disk"),
        (
            {"datavols": [volume({"existingSource": {"secret": {"secretName": "x"}}})]},
            "datavols",
            "Only a persistent",
        ),
        ({"datavols": [volume(new("data", namespace="eve"))]}, "datavols", "Leave its namespace out"),
        ({"shm": True}, "shm", "sets shm"),
        ({"prob": True}, "prob", "sets prob"),
        ({"environment": {"A": "b"}}, "environment", "sets environment"),
        ({"tolerationGroup": "gpu", "affinityConfig": "large"}, "tolerationGroup", "name two sizes"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(body, field, says):
    with pytest.raises(OptionError) as refused:
        read(body)
    assert (refused.value.field, says in refused.value.message) == (field, True), refused.value.message


def test_without_sizes_none_is_asked_for():
    assert user_options(read_notebook({"name": "study", "cpu": "4"}), AVAILABLE | {"sizes": []}) == NOTHING


def test_a_body_says_which_namespace_it_means():
    given = read_notebook({"name": "study", "namespace": "eve"}).namespace
    assert given == "eve"
    with pytest.raises(OptionError, match="namespace"):
        check_same_namespace(given, "ada")
    check_same_namespace("ada", "ada")
    check_same_namespace(read_notebook({"name": "study"}).namespace, "ada")


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        (volume(old("disk-ada--data")), {"name": "disk-ada--data", "path": "/data", "read_only": False}),
        (volume(old("d", readOnly=True)), {"name": "d", "path": "/data", "read_only": True}),
        (volume(old("d"), mount=f"{MOUNT}/data/"), {"name": "d", "path": "~/data", "read_only": False}),
        (volume(old("d", readOnly=None), {"newPvc": None}), {"name": "d", "path": "/data", "read_only": False}),
    ],
)
def test_an_existing_data_volume_becomes_a_disk(asked, option):
    assert read({"datavols": [asked]}) == NOTHING | {"disks": [option]}


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        (new("data"), {"name": "data", "size": "5Gi", "access_mode": "ReadWriteOnce"}),
        (
            new("{notebook-name}-data", storage_class="fast"),
            {"name": "study-data", "size": "5Gi", "access_mode": "ReadWriteOnce", "storage_class": "fast"},
        ),
    ],
)
def test_a_new_data_volume_is_made_before_the_notebook(asked, made):
    body = {"name": "study", "datavols": [volume(asked, mount=f"{MOUNT}/vol-1")]}
    notebook = read_notebook(read_request(MAKE, {"namespace": "ada"}, {}, json.dumps(body).encode()).body)
    (found,) = notebook.new_volumes
    assert (found.path, found.new) == ("~/vol-1", made)
    assert user_options(notebook, AVAILABLE) == NOTHING
    read_request(route_named("make_claim"), {}, {}, json.dumps(found.new).encode())


def test_data_volumes_are_refused_where_no_disk_can_be_mounted():
    notebook = read_notebook({"name": "study", "datavols": [volume(old("data"))]})
    with pytest.raises(OptionError, match="The operator of this hub sets datavols for all notebooks"):
        user_options(notebook, AVAILABLE | {"disks": None})


@pytest.mark.parametrize(
    ("configurations", "presets"),
    [
        (["data"], ["data"]),
        (["use-survey"], ["survey"]),
        (["use-survey", "data"], ["data", "survey"]),
        # A PodDefault that wants two labels is chosen by both.
        (["fast"], []),
        (["fast", "use-survey"], ["survey", "both"]),
        (["unknown"], ["unknown"]),
    ],
)
def test_configurations_are_labels_of_pod_defaults_and_names_of_presets(configurations, presets):
    more = [{**each, "default": False, "description": ""} for each in POD_DEFAULTS]
    notebook = read_notebook({"name": "study", "configurations": configurations})
    options = user_options(notebook, AVAILABLE | {"presets": AVAILABLE["presets"] + more})
    assert options["presets"] == presets


POD_DEFAULTS = [
    {"value": "survey", "display_name": "The survey", "labels": ["use-survey"]},
    {"value": "both", "display_name": "Both", "labels": ["use-survey", "fast"]},
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(STATCAN, json_values)) | json_values)
def test_any_json_is_options_or_a_sentence(body):
    sent = {"name": "study", **body} if isinstance(body, dict) else body
    try:
        request = read_request(MAKE, {"namespace": "ada"}, {}, json.dumps(sent).encode())
        options = user_options(read_notebook(request.body), AVAILABLE)
    except (Refusal, OptionError) as error:
        said, options = error.message, {}
    else:
        said = "Done."
    assert said.endswith(".")
    assert set(options) <= {"profile", "image", "size", "presets", "disks"}


DISK = {"name": "data", "size": 5}


@pytest.mark.parametrize(
    ("body", "claim"),
    [
        ({}, {}),
        ({"namespace": "ada", "type": "empty", "snapshot": "", "class": "$empty", "mode": ""}, {}),
        ({"size": "500Mi"}, {"size": "500Mi"}),
        ({"class": "fast", "mode": "ReadWriteMany"}, {"storage_class": "fast", "access_mode": "ReadWriteMany"}),
    ],
)
def test_each_field_of_a_new_disk_is_one_of_the_services(body, claim):
    assert claim_body(DISK | body, "ada") == {"name": "data", "size": "5Gi"} | claim


@pytest.mark.parametrize(
    ("body", "field"),
    [({"namespace": "eve"}, "namespace"), ({"type": "snapshot"}, "type"), ({"snapshot": {"name": "x"}}, "type")],
)
def test_a_disk_that_cannot_be_made_is_refused_with_its_field(body, field):
    with pytest.raises(OptionError) as refused:
        claim_body(DISK | body, "ada")
    assert refused.value.field == field


@given(
    st.sampled_from(ROUTES),
    st.dictionaries(st.sampled_from(["namespace", "name", "claim", "pod"]), st.text(max_size=12)),
    st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()),
)
def test_whatever_is_sent_to_any_route_is_a_request_or_a_sentence(route, parts, body):
    named = {name: parts.get(name, "none") for name in route.parts}
    try:
        request = read_request(route, named, {}, body if route.has_body else b"")
        if route.name == "kubeflow.make_claim":
            made = claim_body(request.body, named["namespace"])
            read_request(route_named("make_claim"), {}, {}, json.dumps(made).encode())
    except (Refusal, OptionError) as error:
        said, status = error.message, getattr(error, "status", 400)
    else:
        said, status = "Done.", 200
    assert said.endswith(".")
    assert status < 500


def test_a_row_has_the_keys_of_both_web_apps():
    row = notebook_row(server(size="gpu"), SIZES, "ada")
    assert row == {
        "name": "study",
        "namespace": "ada",
        "serverType": "jupyter",
        "age": "2026-11-29T10:00:00Z",
        "lastActivity": "2026-11-29T11:00:00Z",
        "last_activity": "2026-11-29T11:00:00Z",
        "image": "registry.example.org/lab:w_46",
        "shortImage": "lab:w_46",
        "cpu": "2",
        "memory": "6Gi",
        "gpus": {"count": 1, "message": "1 NVIDIA"},
        "volumes": ["claim-ada--study"],
        "status": {"phase": "ready", "key": "running", "state": "", "message": "Your server is running."},
        "labels": {"app": "study"},
        "metadata": row["metadata"],
    }
    assert (row["metadata"]["name"], row["metadata"]["namespace"]) == ("study", "ada")


@pytest.mark.parametrize(
    ("state", "phase", "key"),
    [
        ("running", "ready", "running"),
        ("starting", "waiting", "schedulingPod"),
        ("stopping", "terminating", "notebookStopping"),
        ("stopped", "stopped", "noPodsRunning"),
        ("failed", "stopped", "errorEvent"),
    ],
)
def test_each_state_has_a_phase_and_a_key(state, phase, key):
    row = notebook_row(server(state=state), SIZES, "ada")
    assert (row["status"]["phase"], row["status"]["key"]) == (phase, key)
    is_ending = state in ("stopped", "stopping", "failed")
    assert ("kubeflow-resource-stopped" in row["metadata"]["annotations"]) == is_ending
    assert notebook_object(server(state=state), SIZES, "ada")["processed_status"] == row["status"]


def test_a_failure_and_a_warning_are_said():
    failed = server(state="failed", message="No node has room.", failure={"reason": "Unschedulable"})
    status = notebook_row(failed, SIZES, "ada")["status"]
    assert (status["state"], status["message"]) == ("Unschedulable", "No node has room.")
    warned = notebook_row(server(warnings=["Save your work."]), SIZES, "ada")
    assert warned["status"]["message"] == "Your server is running. Save your work."


def test_a_size_that_is_gone_has_no_amounts():
    row = notebook_row(server(size="old"), SIZES, "ada")
    assert (row["cpu"], row["memory"], row["gpus"]) == ("", "", {"count": 0, "message": ""})


def test_the_default_server_is_a_notebook_once_it_was_used():
    assert not is_shown(server("", "stopped", options={}, last_activity=None))
    assert is_shown(server("", "stopped"))
    assert notebook_row(server(""), SIZES, "ada")["name"] == "~"


def test_a_pod_has_no_environment_and_the_name_that_its_log_is_asked_by():
    pod = pod_object(server(), SIZES, "ada")
    assert pod["metadata"]["name"] == "study-0"
    (container,) = pod["spec"]["containers"]
    assert (container["name"], container["env"]) == ("study", [])
    assert container["resources"]["limits"] == {"cpu": "0.5", "memory": "2Gi"}
    assert pod["status"]["phase"] == "Running"


def test_a_notebook_is_an_object_of_kubernetes():
    notebook = notebook_object(server(), SIZES, "ada")
    assert (notebook["kind"], notebook["status"]["readyReplicas"]) == ("Notebook", 1)
    assert notebook["status"]["conditions"][0]["type"] == "Running"
    stopped = notebook_object(server(state="stopped"), SIZES, "ada")
    assert (stopped["status"]["readyReplicas"], stopped["status"]["conditions"][0]["type"]) == (0, "Terminated")


def test_whole_objects_are_as_written():
    objects = {
        "notebook": notebook_object(server(size="gpu"), SIZES, "ada"),
        "a stopped notebook": notebook_object(server(state="stopped", started=None), SIZES, "ada"),
        "pod": pod_object(server(), SIZES, "ada"),
        "claim": claim_object(claim(), "ada"),
        "events of a lost claim": claim_events(claim("lost"), "ada"),
        "form": spawner_form(AVAILABLE, "10Gi"),
        "pod defaults": pod_defaults(AVAILABLE["presets"], "ada"),
    }
    assert objects == yaml.safe_load((Path(__file__).parent / "golden/kubeflow.yaml").read_text())


def test_an_event_is_about_the_notebook_in_plain_words():
    event = {
        "time": "2026-11-29T10:00:01Z",
        "sentence": "A place was found.",
        "type": "Normal",
        "reason": "Scheduled",
        "message": "assigned",
        "container": "",
        "count": 2,
    }
    told = event_object(event, "study", "ada")
    assert told["involvedObject"] == {"kind": "Notebook", "name": "study", "namespace": "ada"}
    assert (told["message"], told["reason"], told["count"]) == ("A place was found.", "Scheduled", 2)
    assert event_object(event | {"sentence": ""}, "study", "ada")["message"] == "assigned"


@pytest.mark.parametrize(
    ("state", "phase", "key", "kubernetes"),
    [
        ("ready", "ready", "pvcBound", "Bound"),
        ("waiting", "unavailable", "pvcPendingUnavailable", "Pending"),
        ("growing", "waiting", "pvcPending", "Bound"),
        ("deleting", "terminating", "pvcDeleting", "Bound"),
        ("lost", "warning", "pvcPending", "Lost"),
    ],
)
def test_each_state_of_a_disk_has_a_phase(state, phase, key, kubernetes):
    row = claim_row(claim(state), "ada")
    assert (row["status"]["phase"], row["status"]["key"]) == (phase, key)
    assert claim_object(claim(state), "ada")["status"]["phase"] == kubernetes
    assert len(claim_events(claim(state), "ada")) == (state != "ready")


def test_a_row_of_a_disk_has_the_keys_of_both_web_apps():
    row = claim_row(claim(), "ada")
    del row["status"]
    assert row == {
        "name": "claim-ada--study",
        "namespace": "ada",
        "age": "2026-11-01T12:00:00Z",
        "capacity": "10Gi",
        "size": "10Gi",
        "modes": ["ReadWriteOnce"],
        "mode": "ReadWriteOnce",
        "class": "standard",
        "notebooks": ["study"],
        "labels": {},
    }
    spec = claim_object(claim(), "ada")["spec"]
    assert (spec["resources"]["requests"]["storage"], spec["storageClassName"]) == ("10Gi", "standard")


def test_the_form_is_made_of_menu_sizes_and_presets():
    form = spawner_form(AVAILABLE, "10Gi")
    assert form["image"]["value"] == "registry.example.org/lab:w_46"
    assert form["image"]["options"] == ["registry.example.org/lab:w_46", "registry.example.org/lab:w_45"]
    assert (form["allowCustomImage"], form["cpu"]["value"], form["memory"]["value"]) == (False, "0.5", "2.0")
    assert (form["cpu"]["gpuDefault"], form["memory"]["gpuDefault"]) == ("2.0", "6.0")
    large = SIZES[-1] | {"cores": 16, "memory": 200 * 1024**3}
    form_of_large = spawner_form(AVAILABLE | {"sizes": [large]}, "10Gi")
    assert (form_of_large["cpu"]["gpuDefault"], form_of_large["memory"]["gpuDefault"]) == ("4.0", "96.0")
    assert form["gpus"]["value"]["vendors"] == [{"limitsKey": "nvidia.com/gpu", "uiName": "NVIDIA"}]
    assert form["configurations"] == {"value": ["fast-disk"], "readOnly": False}
    assert [each["configKey"] for each in form["affinityConfig"]["options"]] == ["large", "small", "gpu"]
    assert [each["groupKey"] for each in form["tolerationGroup"]["options"]] == ["large", "small", "gpu"]
    assert form["workspaceVolume"]["value"]["newPvc"]["spec"]["resources"]["requests"]["storage"] == "10Gi"
    assert gpu_resources(SIZES) == ["nvidia.com/gpu"]
    assert form["dataVolumes"] == {"value": [], "readOnly": False}


def test_what_the_form_fixes_is_taken_back():
    form = spawner_form(AVAILABLE | {"disks": None}, "10Gi")
    fixed = {name: each["value"] for name, each in form.items() if isinstance(each, dict) and each.get("readOnly")}
    assert set(fixed) >= {
        "imagePullPolicy",
        "shm",
        "environment",
        "workspaceVolume",
        "dataVolumes",
    }
    assert read(fixed | {"datavols": fixed.pop("dataVolumes")}) == NOTHING


def test_a_hub_without_sizes_and_presets_has_a_form_too():
    bare = AVAILABLE | {"images": [], "sizes": [], "presets": []}
    form = spawner_form(bare, "10Gi")
    names = ("image", "cpu", "gpus", "configurations", "affinityConfig", "tolerationGroup")
    assert {name: form[name]["readOnly"] for name in names} == dict.fromkeys(names, True)


def test_presets_are_pod_defaults():
    (first, _) = pod_defaults(AVAILABLE["presets"], "ada")
    assert (first["label"], first["desc"]) == ("fast-disk", "Fast disk")
    assert first["spec"]["selector"]["matchLabels"] == {"fast-disk": "true"}
    (_, both) = pod_defaults(POD_DEFAULTS, "ada")
    assert (both["metadata"]["name"], both["label"]) == ("both", "use-survey")
    assert both["spec"]["selector"]["matchLabels"] == {"use-survey": "true", "fast": "true"}


class Connection:
    """As much of a connection as a handler needs that answers nothing."""

    context = None

    def set_close_callback(self, callback):
        pass


@pytest.mark.parametrize(
    ("hub_host", "method", "site", "is_taken"),
    [
        ("https://hub.example.org", "GET", "same-origin", True),
        ("https://hub.example.org", "GET", "same-site", False),
        ("https://hub.example.org", "GET", "cross-site", False),
        ("https://hub.example.org", "PATCH", "same-origin", False),
        ("", "GET", "same-origin", False),
    ],
)
async def test_a_script_reads_without_the_xsrf_token_only_where_the_service_has_its_own_host(
    hub_host, method, site, is_taken
):
    headers = HTTPHeaders({"Host": "hub", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": site})
    request = HTTPServerRequest(
        start_line=RequestStartLine(method, "/", "HTTP/1.1"), headers=headers, connection=Connection()
    )
    handler = KubeflowHandler(Application(cookie_secret="secret"), request, routes={}, actions=None)
    handler.hub_auth = HubOAuth(
        api_token="token", oauth_client_id="service-jhkube", base_url="/services/jhkube/", hub_host=hub_host
    )
    with nullcontext() if is_taken else pytest.raises(HTTPError):
        handler.check_xsrf_cookie()


@pytest.mark.parametrize(
    ("method", "status", "elapsed", "asked"),
    # Before each try and after it.
    [("GET", 503, (0, 15, 17, 20, 22, 41), 3), ("GET", 404, (0, 1), 1), ("PATCH", 503, (), 1)],
)
async def test_what_only_reads_is_asked_again_for_a_while(monkeypatch, method, status, elapsed, asked):
    monkeypatch.setattr(handlers, "TRIED_EVERY", 0.0)
    times, tries = iter(elapsed), []

    async def refused():
        tries.append(status)
        raise Refusal(status, "Not now.")

    request = SimpleNamespace(method=method, request_time=lambda: next(times))
    with pytest.raises(Refusal, match="Not now"):
        await KubeflowHandler._tried(SimpleNamespace(request=request), refused)
    assert len(tries) == asked


async def test_what_only_reads_has_an_answer_before_a_proxy_gives_up():
    request = SimpleNamespace(method="GET", request_time=lambda: handlers.ANSWERS_WITHIN)
    with pytest.raises(Refusal, match="does not answer"):
        await KubeflowHandler._tried(SimpleNamespace(request=request), asyncio.Event().wait)


def test_each_route_is_done_by_a_method_of_its_name():
    asked = [route.name for route in ROUTES if route.name not in KubeflowHandler.open_routes]
    assert [name for name in asked if not hasattr(KubeflowHandler, f"_{name.partition('.')[2]}")] == []


def test_a_right_is_asked_for_by_each_route_about_something_in_a_namespace():
    inside = {route.name for route in ROUTES if "namespace" in route.parts}
    assert RIGHTS.keys() == inside - {"kubeflow.namespace", "kubeflow.cost"}

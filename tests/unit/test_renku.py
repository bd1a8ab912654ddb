"""Renku's door: each field of a request, a session and its options, both ways."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.options_form.option_values import OptionError
from jhkube.service.refusals import Refusal
from jhkube.service.renku.handlers import RenkuHandler
from jhkube.service.renku.launch import read_launch, session_name, user_options
from jhkube.service.renku.routes import ROUTES
from jhkube.service.renku.views import autosave_views, is_of, server_options, session_view, version_view
from jhkube.service.validation import read_request
from tests.unit.service_samples import AVAILABLE, SIZES, server
from tests.unit.test_kubeflow import json_values

LAUNCH = next(route for route in ROUTES if route.name == "renku.launch")
FORGE = "https://git.example.org"
COMMIT = "8368d4455c7d8c1d2f7a6d0fbd5b2a5c39c07b51"
README = {"namespace": "andi", "project": "public-test-project", "commit_sha": COMMIT}
"""The request of its README, with a commit."""
OPTIONS = {"profile": "lab", "repository": f"{FORGE}/andi/public-test-project", "commit": COMMIT}


def launched(body):
    return read_launch(read_request(LAUNCH, {}, {}, json.dumps(body).encode()).body)


def options_of(**body):
    return user_options(launched(README | body), FORGE, AVAILABLE)


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ({}, {}),
        ({"namespace": "Andi", "project": "Public-Test-Project"}, {}),
        ({"branch": "Main"}, {"branch": "Main"}),
        ({"image": "registry.example.org/lab:w_45"}, {"image": "registry.example.org/lab:w_45"}),
        ({"resource_class_id": 1}, {"size": "large"}),
        ({"resource_class_id": 2}, {"size": "small"}),
        ({"serverOptions": {"cpu_request": 1, "mem_request": "2G"}}, {"size": "large"}),
        ({"serverOptions": {"cpu_request": "500m", "gpu_request": 1, "disk_request": "5G"}}, {"size": "gpu"}),
        ({"serverOptions": {"defaultUrl": "/lab", "lfs_auto_fetch": True}}, {"lfs": True}),
        ({"lfs_auto_fetch": True, "default_url": "/lab", "storage": 1, "notebook": None}, {"lfs": True}),
        ({"environment_variables": {"A": "b"}}, {"environment": {"A": "b"}}),
        ({"cloudstorage": [], "user_secrets": {}}, {}),
    ],
)
def test_each_field_of_a_launch_becomes_an_option(body, options):
    assert options_of(**body) == OPTIONS | options


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cloudstorage": [{"source_path": "x"}]}, "cloudstorage"),
        ({"user_secrets": {"user_secret_ids": []}}, "user_secrets"),
        ({"default_url": "/rstudio"}, "default_url"),
        ({"serverOptions": {"defaultUrl": "/rstudio"}}, "default_url"),
        ({"resource_class_id": 0}, "resource_class_id"),
        ({"resource_class_id": 9}, "resource_class_id"),
        ({"serverOptions": {"cpu_request": 99}}, "size"),
        ({"serverOptions": {"mem_request": "much"}}, "serverOptions.mem_request"),
        ({"commit_sha": "../x"}, "commit_sha"),
        ({"namespace": "../x"}, "namespace"),
        ({"project": "x?y"}, "project"),
        ({"environment_variables": {"A": 1}}, "environment_variables.A"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(body, field):
    with pytest.raises((OptionError, Refusal)) as refused:
        options_of(**body)
    assert refused.value.field == field


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(LAUNCH.body["properties"], json_values)))
def test_any_json_is_options_or_a_sentence(body):
    try:
        options = options_of(**body)
    except (Refusal, OptionError) as error:
        said, options = error.message, OPTIONS
    else:
        said = "Done."
    assert said.endswith(".")
    assert OPTIONS.keys() <= options.keys()


def test_the_same_commit_has_the_same_name_and_another_has_another():
    launch = launched(README)
    assert session_name("ada", launch) == session_name("ada", launched(README | {"branch": "master"}))
    others = [launched(README | {"branch": "main"}), launched(README | {"commit_sha": "a" * 40})]
    assert len({session_name("ada", each) for each in (launch, *others)} | {session_name("eve", launch)}) == 4


@pytest.mark.parametrize(
    ("user", "project", "begins"),
    [
        ("ada", "study", "ada-study-"),
        ("4ever", "study", "n4ever-study-"),
        ("a-very-long-name", "a.project_with-a-long.name", "a-very-long--a-project-with-a-lon-"),
    ],
)
def test_a_name_is_short_and_begins_with_a_letter(user, project, begins):
    name = session_name(user, launched(README | {"project": project}))
    assert name.startswith(begins)
    assert len(name) <= 42


RENKUS = server(
    "ada-study-1a2b3c4d",
    options={"repository": f"{FORGE}/group/sub/Study", "branch": "main", "commit": COMMIT, "size": "small"},
)


def test_a_session_has_the_keys_of_the_readme_and_of_later():
    session = session_view(RENKUS, AVAILABLE, FORGE, "https://hub.example.org")
    assert session["url"] == "https://hub.example.org/user/ada/ada-study-1a2b3c4d/"
    assert session["state"] == {"pod_name": "ada-study-1a2b3c4d-0"}
    status = session["status"]
    assert (status["state"], status["phase"], status["ready"], status["step"]) == (
        "running",
        "Running",
        True,
        "Ready",
    )
    assert (status["totalNumContainers"], status["readyNumContainers"]) == (2, 2)
    assert {each["status"] for each in status["details"]} == {"ready"}
    assert session["resources"] == {
        "cpu": "0.5",
        "memory": "2.15G",
        "requests": {"cpu": 0.5, "memory": "2.15G", "gpu": 0},
        "usage": {},
    }
    assert session["annotations"] == {
        "renku.io/namespace": "group/sub",
        "renku.io/projectName": "study",
        "renku.io/branch": "main",
        "renku.io/commit-sha": COMMIT,
        "renku.io/default_image_used": "True",
        "renku.io/repository": f"{FORGE}/group/sub/Study",
        "renku.io/git-host": "git.example.org",
        "renku.io/servername": "ada-study-1a2b3c4d",
        "renku.io/lastActivityDate": "2026-11-29T11:00:00+00:00",
        "renku.io/resourceClassId": "2",
    }


@pytest.mark.parametrize(
    ("state", "started"), [("running", "2026-11-29T10:00:00+00:00"), ("stopped", "2026-11-29T11:00:00+00:00")]
)
def test_each_session_has_a_time_that_every_python_reads(state, started):
    assert session_view(server(state=state), AVAILABLE, FORGE, "")["started"] == started


@pytest.mark.parametrize(
    ("state", "unsaved", "said"),
    [
        ("some", [(3, 0)], ("true", "true")),
        ("some", [(0, 1)], ("false", "false")),
        ("some", [(None, None), (1, 0)], ("true", "false")),
        ("none", [], ("false", "true")),
        ("unknown", [(None, None)], None),
    ],
)
def test_a_paused_session_says_what_is_known_of_unsaved_work(state, unsaved, said):
    repositories = [{"path": "x", "changed": changed, "unpushed": unpushed} for changed, unpushed in unsaved]
    told = {"state": state, "asked": "2026-11-29T12:00:00Z", "repositories": repositories}
    annotations = session_view(server(state="stopped", unsaved=told), AVAILABLE, FORGE, "")["annotations"]
    found = [annotations.get(f"renku.io/hibernation{name}") for name in ("Date", "Dirty", "Synchronized")]
    assert found == (["2026-11-29T12:00:00+00:00", *said] if said else [None] * 3)
    running = session_view(server(unsaved=told), AVAILABLE, FORGE, "")["annotations"]
    assert "renku.io/hibernationDate" not in running


@pytest.mark.parametrize(
    ("state", "told", "phase"),
    [
        ("running", "running", "Running"),
        ("starting", "starting", "Pending"),
        ("stopping", "stopping", "Running"),
        ("stopped", "hibernated", ""),
        ("failed", "failed", "Failed"),
    ],
)
def test_each_state_is_told_in_both_words(state, told, phase):
    status = session_view(server(state=state), AVAILABLE, FORGE, "")["status"]
    assert (status["state"], status["phase"]) == (told, phase)


@pytest.mark.parametrize(
    ("state", "statuses"),
    [
        ("starting", ["ready", "ready", "executing", "waiting"]),
        ("failed", ["ready", "ready", "failed", "waiting"]),
    ],
)
def test_the_steps_of_a_start_are_told(state, statuses):
    steps = [{"name": "created", "seconds": 0.1}, {"name": "scheduled", "seconds": 0.1}]
    view = server(state=state, steps=steps, failure={"reason": "ImagePullBackOff"})
    status = session_view(view, AVAILABLE, FORGE, "")["status"]
    assert [each["status"] for each in status["details"]] == statuses
    assert (status["step"], status["reason"]) == ("Scheduled", "ImagePullBackOff")
    assert status["stopping"] is False
    nowhere = server(state="failed", steps=steps, failure={"reason": "Unschedulable"})
    assert session_view(nowhere, AVAILABLE, FORGE, "")["status"]["step"] == "Unschedulable"


def test_a_missing_image_is_a_warning():
    view = session_view(server(warnings=["Soon."]), AVAILABLE, FORGE, "", image_is_missing=True)
    said = [each["message"] for each in view["status"]["warnings"]]
    assert said == ["Server was started using the default image.", "Soon."]


@pytest.mark.parametrize(
    ("options", "image", "used", "is_said"),
    [
        ({"repository": f"{FORGE}/a/b"}, "registry.example.org/lab:w_46", "True", True),
        # The image of the commit.
        ({"repository": f"{FORGE}/a/b"}, "registry.example.org/a/b:8368d44", "False", False),
        ({"repository": f"{FORGE}/a/b", "image": "w_46"}, "registry.example.org/lab:w_46", "False", False),
        # Not known yet, and a server that is nobody's session.
        ({"repository": f"{FORGE}/a/b"}, "", "True", False),
        ({}, "registry.example.org/lab:w_46", "True", False),
    ],
)
def test_a_session_with_the_hubs_image_says_so_as_long_as_it_lives(options, image, used, is_said):
    session = session_view(server(options=options, image=image), AVAILABLE, FORGE, "")
    assert session["annotations"]["renku.io/default_image_used"] == used
    assert len(session["status"]["warnings"]) == is_said


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, True),
        ({"namespace": "Group/Sub", "project": "STUDY"}, True),
        ({"branch": "main", "commit_sha": COMMIT.upper()}, True),
        ({"branch": "Main"}, False),
        ({"project": "other"}, False),
        ({"commit_sha": "0" * 40}, False),
    ],
)
def test_a_list_is_filtered_by_annotations(filters, found):
    assert is_of(session_view(RENKUS, AVAILABLE, FORGE, ""), filters) == found


def test_another_forges_repository_is_no_project():
    view = server(options={"repository": "https://elsewhere.example.org/ada/study"})
    assert session_view(view, AVAILABLE, FORGE, "")["annotations"]["renku.io/projectName"] == ""


def test_server_options_are_made_of_the_sizes():
    told = server_options(SIZES)
    assert told["cpu_request"]["options"] == [0.5, 2.0, 4.0]
    assert (told["cpu_request"]["default"], told["mem_request"]["default"]) == (0.5, "2.15G")
    assert (told["gpu_request"]["options"], told["defaultUrl"]["options"]) == ([0, 1], ["/lab"])
    assert "cpu_request" not in server_options([])


def test_stopped_servers_with_unsaved_work_are_autosaves():
    some = {"state": "some", "asked": "2026-11-29T12:00:00Z"}
    servers = [
        RENKUS | {"state": "stopped", "unsaved": some},
        RENKUS | {"state": "running", "unsaved": some},
        RENKUS | {"state": "stopped", "unsaved": {"state": "none"}},
        RENKUS | {"state": "stopped"},
    ]
    found = autosave_views(servers, "Group/sub/Study", FORGE)
    assert found == {
        "pvsSupport": True,
        "autosaves": [
            {
                "name": "ada-study-1a2b3c4d",
                "branch": "main",
                "commit": COMMIT[:7],
                "date": "2026-11-29T12:00:00+00:00",
                "pvs": True,
            }
        ],
    }
    assert autosave_views(servers, "group/study", FORGE)["autosaves"] == []


def test_the_version_has_renkus_shape():
    told = version_view("1.2.3", has_guests=True)
    assert told["versions"][0]["data"]["anonymousSessionsEnabled"] is True
    assert (told["name"], told["versions"][0]["version"]) == ("renku-notebooks", "1.2.3")


def test_each_route_is_done_by_a_method_of_its_name():
    asked = [route.name for route in ROUTES if route.name not in RenkuHandler.open_routes]
    assert [name for name in asked if not hasattr(RenkuHandler, f"_{name.partition('.')[2]}")] == []

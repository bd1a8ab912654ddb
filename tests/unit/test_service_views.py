"""What the service says of servers, disks and events, made of what the hub and the cluster tell."""

from http import HTTPStatus

import pytest
from kubernetes_asyncio.client import ApiException

from jhkube.pod.home import HOME_VOLUME
from jhkube.service.claim_views import check_growth, check_unused, claim_view
from jhkube.service.event_views import event_views
from jhkube.service.hub_answers import HubFailure, HubServer, HubServers, HubSize
from jhkube.service.ownership import claims_of, pod_of, pods_of
from jhkube.service.pod_metrics import usage_view
from jhkube.service.refusals import Refusal, cluster_refusal
from jhkube.service.routes import ROUTES
from jhkube.service.server_views import (
    MEMORY_WARNING,
    elsewhere_views,
    gpu_views,
    group_server_view,
    kept_log_view,
    server_view,
    state_of,
)
from jhkube.service.validation import answer_problem
from jhkube.watch.unsaved import Unsaved
from tests.hub.service_world import claim, event, pod

BY_NAME = {route.name: route for route in ROUTES}
FAILURE = HubFailure("The image lab:x does not exist. Choose another.", "ErrImagePull", "not found")

MEMORY_END = HubFailure("Too little memory.", "OOMKilled", "container notebook: exit code 137")
LARGER = HubSize("medium", "Medium", "2 cores, 4 GiB memory")

UNSAVED = Unsaved.from_answer(
    {"repositories": [{"path": "work/paper", "changed": 2, "unpushed": 1}], "complete": True},
    "2026-11-30T04:10:00Z",
)


def server(**facts):
    return HubServer(name=facts.pop("name", "gpu"), user="ada", **facts)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, "stopped"),
        ({"pending": "spawn"}, "starting"),
        ({"pending": "spawn", "failure": FAILURE}, "starting"),
        ({"is_ready": True}, "running"),
        ({"is_ready": True, "pending": "stop"}, "stopping"),
        ({"failure": FAILURE}, "failed"),
    ],
)
def test_a_servers_state_is_one_of_five(facts, state):
    assert state_of(server(**facts)) == state
    for view, route in ((server_view(server(**facts), None), "server"),):
        assert answer_problem(BY_NAME[route], view) == ""
    assert answer_problem(BY_NAME["group_servers"], {"servers": [group_server_view(server(**facts))]}) == ""


def test_a_server_of_a_guest_that_is_stopped_does_not_say_that_its_disk_stays():
    guest = HubServer(name="", user="guest-" + "a2" * 10)
    assert server_view(guest, None)["message"] == "Your server is stopped. Files of guests are not kept."
    assert server_view(server(), None)["message"] == "Your server is stopped. Its disk stays."


def test_a_failed_server_says_what_to_do_and_keeps_the_clusters_words():
    view = server_view(server(failure=FAILURE), None)
    assert view["message"] == FAILURE.message
    assert (view["failure"]["reason"], view["failure"]["detail"]) == ("ErrImagePull", "not found")


@pytest.mark.parametrize(
    ("phases", "waiting_for", "said"),
    [
        ((), "", "waiting for the cluster"),
        ((("created", 0.1),), "", "a node with room"),
        ((("created", 0.1), ("scheduled", 2.0)), "", "gets its image"),
        ((("created", 0.1),), "No node has room; waiting.", "No node has room; waiting."),
    ],
)
def test_a_start_says_what_it_waits_for(phases, waiting_for, said):
    view = server_view(server(pending="spawn", phases=phases, waiting_for=waiting_for), None)
    assert said in view["message"]
    assert [(each["name"], each["seconds"]) for each in view["steps"]] == list(phases)


def test_a_container_that_was_ended_for_its_memory_is_a_warning():
    running = pod("jupyter-ada--gpu", "ada", "gpu", "github:1")
    running["status"]["containerStatuses"] = [
        {"name": "notebook", "state": {"running": {}}, "lastState": {"terminated": {"reason": "OOMKilled"}}}
    ]
    view = server_view(server(is_ready=True, larger_size=LARGER), running)
    assert view["warnings"] == [MEMORY_WARNING]
    assert view["larger_size"] == LARGER.to_json()
    assert answer_problem(BY_NAME["server"], view) == ""
    running["status"]["containerStatuses"][0]["lastState"] = {}
    assert server_view(server(is_ready=True, larger_size=LARGER), running)["larger_size"] is None


@pytest.mark.parametrize(
    ("state", "limit", "is_told", "is_offered"),
    [
        ({"is_ready": True}, 4 * 2**30, True, True),
        # The node was full: a larger size would not help.
        ({"is_ready": True}, None, True, False),
        ({}, 4 * 2**30, False, False),
    ],
)
def test_a_kernel_that_was_ended_for_the_servers_memory_is_a_warning(state, limit, is_told, is_offered):
    said = {"repositories": [], "complete": True, "memory": {"ended": "2026-11-30T14:32:07Z", "limit": limit}}
    unsaved = Unsaved.from_answer(said, "2026-11-30T14:33:00Z")
    view = server_view(server(**state, unsaved=unsaved, larger_size=LARGER), None)
    assert view["warnings"] == ([str(unsaved.memory)] if is_told else [])
    assert view["larger_size"] == (LARGER.to_json() if is_offered else None)
    assert answer_problem(BY_NAME["server"], view) == ""


@pytest.mark.parametrize(
    ("facts", "is_offered"),
    [
        ({"ended": MEMORY_END}, True),
        ({"failure": MEMORY_END}, True),
        ({"failure": FAILURE}, False),
        ({"ended": MEMORY_END, "pending": "spawn"}, False),
        ({}, False),
    ],
)
def test_after_too_little_memory_the_next_size_is_offered(facts, is_offered):
    view = server_view(server(**facts, larger_size=LARGER), None)
    assert view["larger_size"] == (LARGER.to_json() if is_offered else None)
    assert answer_problem(BY_NAME["server"], view) == ""


def test_a_view_shows_no_environment():
    assert "the-token-of-the-server" not in str(
        server_view(server(is_ready=True), pod("p", "ada", "gpu", "github:1"))
    )


def test_unsaved_work_is_a_warning_and_of_a_stopped_server_says_when_it_was_seen():
    said = "Work in work/paper (2 changed files, 1 commit not pushed) is only on your disk."
    running, stopped = (server_view(server(is_ready=ready, unsaved=UNSAVED), None) for ready in (True, False))
    assert running["warnings"][0].startswith(said)
    assert stopped["warnings"][0].startswith(f"Before your server stopped (2026-11-30 04:10 UTC): {said}")
    for view in (running, stopped):
        assert answer_problem(BY_NAME["server"], view) == ""
        assert (view["unsaved"]["state"], view["unsaved"]["message"]) == ("some", view["warnings"][0])


def test_no_unsaved_work_is_no_warning():
    saved = Unsaved.from_answer({"repositories": [], "complete": True}, "2026-11-30T04:10:00Z")
    view = server_view(server(is_ready=True, unsaved=saved), None)
    assert (view["unsaved"]["state"], view["warnings"]) == ("none", [])


@pytest.mark.parametrize(
    ("tail", "text", "truncated"), [(1, "two\n", True), (2, "one\ntwo\n", False), (9, "one\ntwo\n", False)]
)
def test_the_log_of_a_failed_start_is_shown_from_its_end(tail, text, truncated):
    kept = {
        "container": "home",
        "text": "one\ntwo\n",
        "truncated": False,
        "ended": "2026-11-30T05:12:59+00:00",
        "start": True,
    }
    view = kept_log_view(kept, tail)
    assert answer_problem(BY_NAME["log"], view) == ""
    assert (view["text"], view["truncated"]) == (text, truncated)
    assert "the start that failed at 2026-11-30 05:12 UTC" in view["message"]
    assert "ended by itself" in kept_log_view(kept | {"start": False}, tail)["message"]
    assert kept_log_view(kept | {"truncated": True}, 9)["truncated"]


def size(name, gpus, resource="nvidia.com/gpu"):
    return {"value": name, "gpus": gpus, "gpu_resource": resource if gpus else ""}


@pytest.mark.parametrize(
    ("ceiling", "most", "sizes"), [(None, 4, ["one", "four"]), (2, 1, ["one"]), (0, 0, []), (4, 4, ["one", "four"])]
)
def test_gpus_are_those_of_sizes_below_the_ceiling(ceiling, most, sizes):
    options = {
        "ceiling": {"gpus": ceiling},
        "gpu_resources": ["amd.com/gpu", "nvidia.com/gpu"],
        "sizes": [size("small", 0), size("one", 1), size("four", 4)],
    }
    views = gpu_views(options)
    assert answer_problem(BY_NAME["gpus"], {"gpus": views}) == ""
    assert views == [
        {"resource": "amd.com/gpu", "allowed": False, "most": 0, "sizes": []},
        {"resource": "nvidia.com/gpu", "allowed": bool(sizes), "most": most, "sizes": sizes},
    ]


def test_what_the_hub_writes_is_what_the_service_reads():
    written = HubServers(
        servers=(
            server(phases=(("created", 0.1),), failure=FAILURE, options={"size": "small"}),
            server(name="", unsaved=UNSAVED, ended=MEMORY_END, larger_size=LARGER, is_image_gone=True),
        ),
        subject="github:1",
        namespace="labs",
        hub_version="6.1.1",
        named_servers=True,
        hub="a",
        hub_urls={"a": "https://hub.example.org/a/"},
    )
    assert HubServers.from_json(written.to_json()) == written


def test_servers_at_other_hubs_are_told_with_where_they_are():
    def at(hub, name, phase, **more):
        made = pod(name, "ada", name, "github:1")
        annotations = made["metadata"]["annotations"] | ({"jhkube/hub": hub} if hub else {})
        made["metadata"] |= {"annotations": annotations, **more}
        return {**made, "status": {"phase": phase}}

    pods = [
        at("b", "gpu", "Running"),
        at("b", "", "Running", deletionTimestamp="2026-11-30T12:00:00Z"),
        at("c", "", "Pending"),
        at("c", "old", "Failed"),
        at("a", "here", "Running"),
        at("", "before", "Running"),
    ]
    views = elsewhere_views(pods, "a", {"b": "https://hub.example.org/b/"})
    assert [tuple(view.values()) for view in views] == [
        ("", "b", "https://hub.example.org/b/", "stopping"),
        ("gpu", "b", "https://hub.example.org/b/", "running"),
        ("", "c", "", "starting"),
    ]
    assert answer_problem(BY_NAME["servers"], {"servers": [], "elsewhere": views}) == ""


# Whose something is.


@pytest.mark.parametrize("subject", ["", "github:2"])
def test_nothing_is_somebodys_without_their_id(subject):
    pods, claims = [pod("a", "ada", "", "github:1"), pod("b", "ada", "", "")], [claim("c", "ada", "", "")]
    assert pods_of(pods, subject) == []
    assert claims_of(claims, subject) == []
    assert pod_of(pods, subject, "ada", "") is None


def test_a_pod_is_found_by_id_name_and_server():
    pods = [pod("a", "ada", "", "github:1"), pod("b", "ada", "gpu", "github:1"), pod("c", "eve", "gpu", "github:1")]
    assert pod_of(pods, "github:1", "ada", "gpu") is pods[1]
    assert pod_of(pods, "github:1", "ada", "other") is None


def test_of_two_pods_the_one_that_stays_counts():
    going, staying = pod("a", "ada", "", "github:1"), pod("a", "ada", "", "github:1")
    going["metadata"]["deletionTimestamp"] = "2026-11-29T12:00:00Z"
    assert pod_of([going, staying], "github:1", "ada", "") is staying


@pytest.mark.parametrize(
    ("uses", "told"),
    [
        ([{"usage": {"cpu": "1500m", "memory": "2Gi"}}], (1.5, 2 * 2**30)),
        (
            [{"usage": {"cpu": "250000001n", "memory": "1000Ki"}}, {"usage": {"cpu": "0", "memory": "24Ki"}}],
            (0.25, 2**20),
        ),
        ([{"usage": {"cpu": "much", "memory": "2Gi"}}], None),
        ([{"usage": {"memory": "2Gi"}}], None),
        ([{"name": "notebook"}], None),
        (None, None),
    ],
)
def test_what_a_server_uses_is_what_its_containers_use(uses, told):
    running = pod("jupyter-ada", "ada", "", "github:1")
    others = pod("jupyter-kay", "kay", "", "github:3")
    metrics = {"metadata": running["metadata"], "timestamp": "2026-11-30T14:32:07Z", "containers": uses}
    found = usage_view(running, [metrics])
    assert (found and (found["cores"], found["memory"])) == told
    assert usage_view(others, [metrics]) is None
    view = server_view(server(is_ready=True), running, usage=found)
    assert view["usage"] == found
    assert answer_problem(BY_NAME["server"], view) == ""
    assert server_view(server(), None, usage=found)["usage"] is None


# Disks.


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "ready"),
        ({"status": {"phase": "Pending"}}, "waiting"),
        ({"status": {"phase": "Lost"}}, "lost"),
        ({"status": {"phase": "Bound", "capacity": {"storage": "5Gi"}}}, "growing"),
    ],
)
def test_a_disk_says_its_state(change, state):
    view = claim_view(claim("claim-ada", "ada", "", "github:1") | change, [])
    assert view["state"] == state
    assert answer_problem(BY_NAME["claim"], view) == ""


def test_free_space_is_told_by_the_server_whose_home_it_is():
    on_it = pod("jupyter-ada", "ada", "", "github:1", "claim-ada")
    on_it["spec"]["volumes"][0]["name"] = HOME_VOLUME
    beside = pod("jupyter-ada--gpu", "ada", "gpu", "github:1", "claim-ada")
    disk = claim("claim-ada", "ada", "", "github:1")
    for pods, free, told in (
        ([beside, on_it], {"": 7, "gpu": 9}, 7),
        ([beside], {"": 7, "gpu": 9}, None),
        ([on_it], {}, None),
    ):
        view = claim_view(disk, pods, free)
        assert view["free_bytes"] == told
        assert answer_problem(BY_NAME["claim"], view) == ""


def test_a_disk_that_has_no_class_and_says_nothing_of_a_server_has_a_view():
    bare = claim("claim-ada", "ada", "", "github:1")
    bare["metadata"]["annotations"] = {"jhkube/subject": "github:1"}
    del bare["spec"]["storageClassName"]
    view = claim_view(bare, [])
    assert (view["storage_class"], view["server"]) == ("", None)


@pytest.mark.parametrize(
    ("wanted", "largest", "grows", "status"),
    [
        ("20Gi", "50Gi", True, None),
        ("20Gi", "50Gi", False, 409),
        ("10Gi", "50Gi", True, 400),
        ("10240Mi", "50Gi", True, 400),
        ("51Gi", "50Gi", True, 400),
        ("20Gi", "", True, 403),
    ],
)
def test_a_disk_grows_as_far_as_the_operator_allows(wanted, largest, grows, status):
    asked = (claim("claim-ada", "ada", "", "github:1"), wanted, largest, grows)
    if status is None:
        check_growth(*asked)
        return
    with pytest.raises(Refusal) as refused:
        check_growth(*asked)
    assert (refused.value.status, refused.value.field) == (status, "size")


def used(pods, *servers):
    disk = claim("claim-ada", "ada", "", "github:1")
    with pytest.raises(Refusal) as refused:
        check_unused(disk, pods, HubServers(servers, subject="github:1"))
    assert refused.value.status == HTTPStatus.CONFLICT
    return refused.value.message


def test_a_disk_in_use_is_not_deleted():
    mine = pod("jupyter-ada--gpu", "ada", "gpu", "github:1", "claim-ada")
    others = pod("helper", "", "", "", "claim-ada")
    assert "“gpu” uses this disk" in used([mine, others])
    assert "not one of your servers" in used([others])
    assert "Your default server uses this disk" in used([], server(name="", pending="spawn"))


def test_a_disk_of_a_pod_that_ended_or_is_elsewhere_is_free():
    over, elsewhere = (pod("p", "ada", "gpu", "github:1", "claim-ada") for _ in range(2))
    over["status"]["phase"] = "Succeeded"
    elsewhere["metadata"]["namespace"] = "others"
    check_unused(claim("claim-ada", "ada", "", "github:1"), [over, elsewhere], HubServers((), subject="github:1"))


# Events and refusals.


def test_events_are_of_the_very_pod_in_order_and_without_secrets():
    later = event("jupyter-ada", "Started", "Started container notebook")
    later["lastTimestamp"] = "2026-11-29T12:05:00Z"
    pulling = event("jupyter-ada", "Pulling", "Pulling image from https://ada:mumble@registry.example.org")
    found = event_views([later, pulling, event("another", "Pulling", "…")], "uid-of-jupyter-ada")
    assert [each["reason"] for each in found] == ["Pulling", "Started"]
    assert "mumble" not in str(found)
    assert answer_problem(BY_NAME["events"], {"events": found}) == ""
    assert event_views([later], "") == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ApiException(status=404, reason="Not Found"), 404),
        (ApiException(status=409, reason="Conflict"), 409),
        (ApiException(status=422, reason="Invalid"), 400),
        (ApiException(status=403, reason="Forbidden"), 503),
        (ApiException(status=500, reason="Internal"), 503),
        (ApiException(status=429, reason="Too many"), 503),
        (TimeoutError(), 503),
    ],
)
def test_an_error_of_the_cluster_is_a_refusal_in_words(error, status):
    refusal = cluster_refusal(error, "list pods")
    assert (refusal.status, refusal.message[-1]) == (status, ".")


def test_what_is_not_as_it_was_asked_for_stays_visible():
    made = pod("p", "ada", "gpu", "github:1")
    made["metadata"].setdefault("annotations", {}).update(
        {
            "jhkube/warning": "Your server runs Weekly 46.",
            "jhkube/repository": "https://github.com/a/b",
            "jhkube/repository-folder": "b",
        }
    )
    made.setdefault("status", {})["initContainerStatuses"] = [
        {"name": "jhkube-repository", "state": {"terminated": {"exitCode": 0, "message": "kept"}}}
    ]
    warnings = server_view(server(is_ready=True), made)["warnings"]
    assert warnings[0] == "Your server runs Weekly 46."
    assert warnings[1].startswith(
        "The folder “b” with the repository https://github.com/a/b was in your home already."
    )

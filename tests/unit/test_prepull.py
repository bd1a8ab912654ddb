"""The prepuller's decisions: which images, where, what the pods say of them, and what is left out."""

from __future__ import annotations

import os
import platform
import subprocess

import pytest
from traitlets import TraitError
from traitlets.config import Config

from jhkube.images.image_name import full_name
from jhkube.images.offer_rules import parse_offers
from jhkube.options_form.sizes import parse_sizes
from jhkube.pod.nodes import Placement, placement_of
from jhkube.prepull.config import PrepullerConfig
from jhkube.prepull.manifests import (
    HASH_ANNOTATION,
    HELPERS,
    PrepullSettings,
    container_name,
    daemon_set,
    helper_program,
    placement_in,
)
from jhkube.prepull.observed import images_on_nodes, observed
from jhkube.prepull.plan import Backoff, Backoffs, ImageState, Observed, Plan, PulledImage, plan_of, wanted_images
from jhkube.prepull.prepuller import Prepuller, PrepullerError, other_owner
from jhkube.watch.nodes import ReadyImages
from tests.menus import menu
from tests.unit.pod_security import restricted_violations

LAB = "registry.example/lab"
A, B, C = (PulledImage(f"{LAB}@sha256:{letter * 64}", f"{LAB}:{letter}") for letter in "abc")
SETTINGS = PrepullSettings("jhkube-prepull", "hub", Placement(), "amd64", 10, "pause:1", ("account",), "low")


# Which images.


def wanted(count=10, groups=None):
    rules = parse_offers(
        [
            {"kinds": {"weekly": 2}, "default": ["recommended"]},
            {"groups": ["staff"], "kinds": {"daily": 1}, "pinned": ["exp_pinned"]},
        ]
    )
    tags = {
        **{"recommended": "sha256:r", "w_2026_44": "sha256:r"},
        **{"w_2026_46": "sha256:46", "w_2026_45": "sha256:45", "d_2026_11_19": "sha256:d", "exp_pinned": "sha256:e"},
        "unknown": "",
    }
    found = wanted_images(menu({LAB: tags}, 1_795_000_000.0), rules, count, groups)
    return [image.reference.removeprefix(f"{LAB}:") for image in found]


def test_first_comes_what_is_chosen_beforehand_then_what_is_pinned_then_the_rest():
    assert wanted() == ["w_2026_44", "exp_pinned", "w_2026_46", "w_2026_45", "d_2026_11_19"]


def test_no_more_than_the_count():
    assert wanted(count=2) == ["w_2026_44", "exp_pinned"]
    assert wanted(count=0) == []


def test_the_offers_of_some_groups_alone():
    assert wanted(groups=["students"]) == ["w_2026_44", "w_2026_46", "w_2026_45"]
    assert "exp_pinned" in wanted(groups=["students", "staff"])


def test_what_failed_is_tried_last_and_not_before_its_time():
    backoffs = {A.image: Backoff("gone", 100.0)}
    assert plan_of([A, B], backoffs, 99.0) == Plan((B,), ((A, backoffs[A.image]),))
    assert plan_of([A, B], backoffs, 100.0) == Plan((B, A))


def test_a_plan_is_the_same_after_it_was_written():
    plan = Plan((A,), ((B, Backoff("gone", 1.5)),))
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("text", ["{}", "[]", '{"images": [{}], "skipped": []}', "no"])
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(ValueError):
        Plan.from_json(text)


# Where.


def node(name="node1", taints=(), ready="True", unschedulable=False, images=(), **labels):
    return {
        "metadata": {"name": name, "labels": labels, "resourceVersion": "1"},
        "spec": {"taints": list(taints), "unschedulable": unschedulable},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}, {"type": "DiskPressure", "status": "False"}],
            "images": [{"names": [image]} for image in images],
        },
    }


def place(sizes=(), **labs):
    parsed = parse_sizes([{"name": f"s{n}", "cores": 1, "memory": "1G", **size} for n, size in enumerate(sizes)])
    return placement_of(parsed, **{"node_selector": {}, **labs})


GPU = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
PLACES = [
    pytest.param(place(), node(), True, id="anywhere"),
    pytest.param(place(), node(ready="False"), False, id="not on a node that is not ready"),
    pytest.param(place(), node(unschedulable=True), False, id="not on a cordoned node"),
    pytest.param(place(), node(taints=[GPU]), False, id="not on a tainted node"),
    pytest.param(place(), node(taints=[{**GPU, "effect": "PreferNoSchedule"}]), True, id="a preference is no bar"),
    pytest.param(place(tolerations=[{"key": "gpu", "operator": "Exists"}]), node(taints=[GPU]), True, id="tolerated"),
    pytest.param(place(tolerations=[{"operator": "Exists"}]), node(taints=[GPU]), True, id="all is tolerated"),
    pytest.param(place(tolerations=[{"key": "gpu", "value": "no"}]), node(taints=[GPU]), False, id="another value"),
    pytest.param(
        place(tolerations=[{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}]),
        node(taints=[GPU]),
        False,
        id="another effect",
    ),
    pytest.param(
        place([{"tolerations": [{"key": "gpu", "value": "yes"}]}]), node(taints=[GPU]), True, id="by a size"
    ),
    pytest.param(place(node_selector={"pool": "labs"}), node(pool="labs"), True),
    pytest.param(place(node_selector={"pool": "labs"}), node(pool="core"), False),
    pytest.param(place([{"node_selector": {"a": "1"}}, {"node_selector": {"b": "1"}}]), node(b="1"), True),
    pytest.param(place([{"node_selector": {"a": "1"}}, {"node_selector": {"b": "1"}}]), node(c="1"), False),
    pytest.param(place([{"node_selector": {"a": "1"}}, {}]), node(), True, id="a size that runs anywhere"),
    pytest.param(place([{"node_selector": {"a": "1"}}], node_selector={"pool": "labs"}), node(a="1"), False),
    pytest.param(place([{"node_selector": {"a": "1"}}], node_selector={"pool": "x"}), node(a="1", pool="x"), True),
    *(
        pytest.param(place(required_terms=[{"matchExpressions": [{"key": "n", **expression}]}]), node(n="5"), fits)
        for expression, fits in (
            ({"operator": "In", "values": ["4", "5"]}, True),
            ({"operator": "NotIn", "values": ["4", "5"]}, False),
            ({"operator": "Exists"}, True),
            ({"operator": "DoesNotExist"}, False),
            ({"operator": "Gt", "values": ["4"]}, True),
            ({"operator": "Lt", "values": ["4"]}, False),
        )
    ),
    pytest.param(
        place(required_terms=[{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node1"]}]}]),
        node(),
        True,
    ),
]


@pytest.mark.parametrize(("placement", "where", "fits"), PLACES)
def test_a_node_takes_labs(placement, where, fits):
    assert placement.admits(where) is fits


@pytest.mark.parametrize(("placement", "where", "fits"), PLACES)
def test_the_daemon_set_goes_where_labs_go(placement, where, fits):
    written = placement_in(daemon_set(PrepullSettings("n", "hub", placement, "amd64", 1, "pause:1"), Plan()))
    where["metadata"]["labels"] |= {"kubernetes.io/arch": "amd64"}
    assert written.admits(where) is fits
    where["metadata"]["labels"] |= {"kubernetes.io/arch": "arm64"}
    assert not written.admits(where)


# What is made.


def test_the_pods_pull_one_after_the_other_as_nobody_and_then_rest():
    made = daemon_set(SETTINGS, Plan((A, B)))
    pod = made["spec"]["template"]["spec"]
    assert [container["image"] for container in pod["initContainers"]] == [A.image, B.image]
    assert [container["image"] for container in pod["containers"]] == ["pause:1"]
    assert pod["imagePullSecrets"] == [{"name": "account"}]
    assert pod["priorityClassName"] == "low"
    assert made["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 10}}
    assert restricted_violations({"spec": pod}) == []
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert pod["terminationGracePeriodSeconds"] == 0
    labels = {"app.kubernetes.io/name": "jhkube", "app.kubernetes.io/component": "prepuller"}
    assert made["metadata"]["labels"].items() >= labels.items()
    for container in pod["initContainers"]:
        (mount,) = container["volumeMounts"]
        assert (mount["name"], mount["readOnly"]) == (pod["volumes"][0]["name"], True)
        assert container["command"] == [f"{mount['mountPath']}/{SETTINGS.architecture}"]


def test_what_is_left_out_changes_the_daemon_set_and_not_its_pods():
    made = [daemon_set(SETTINGS, Plan((A,), skipped)) for skipped in ((), ((B, Backoff("gone", 1.0)),))]
    assert made[0]["spec"] == made[1]["spec"]
    assert len({each["metadata"]["annotations"][HASH_ANNOTATION] for each in made}) == 2


def test_the_helper_is_a_program_that_ends_well(tmp_path):
    path = tmp_path / "helper"
    path.write_bytes(helper_program({"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]))
    path.chmod(0o555)
    assert subprocess.run([path], env={}, check=False).returncode == os.EX_OK


def test_there_is_a_helper_for_the_architectures_of_docker_stacks():
    assert set(HELPERS) == {"amd64", "arm64"}


@pytest.mark.parametrize("name", ["", "x" * 64, "Labs", "-x", "x-", "a.b"])
def test_a_name_that_can_be_no_label_is_refused_with_what_would_be_right(name):
    with pytest.raises(TraitError, match=r"c\.Prepuller\.name should be at most 63 small letters"):
        PrepullerConfig(name=name)
    assert PrepullerConfig(name="x" * 63).name == "x" * 63


async def test_nodes_of_a_processor_that_there_is_no_helper_for_are_refused(kubeconfig):
    arm = Prepuller(config=Config({"ImageMenu": {"platform": "linux/arm64"}}))
    assert arm.settings.architecture == "arm64"
    with pytest.raises(
        PrepullerError, match=r"platform is 'linux/s390x'.*only for nodes of linux/amd64 or linux/arm64"
    ):
        Prepuller(config=Config({"ImageMenu": {"platform": "linux/s390x"}}))


OWNER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "jhkube-prepuller", "uid": "1"}


@pytest.mark.parametrize(
    ("owners", "mine", "other"),
    [
        ([], OWNER, None),
        ([], None, None),
        ([OWNER], OWNER | {"uid": "2"}, None),
        ([OWNER], None, "Deployment jhkube-prepuller"),
        ([OWNER | {"name": "hub-b"}], OWNER, "Deployment hub-b"),
    ],
)
def test_a_daemon_set_is_of_another_prepuller_by_its_owners_name(owners, mine, other):
    assert other_owner({"metadata": {"name": "x", "ownerReferences": owners}}, mine) == other
    assert other_owner(None, mine) is None


# What the pods say.

NOT_FOUND = 'rpc error: code = NotFound desc = failed to resolve reference "x": not found'
RESET = "failed to do request: read tcp 10.1.2.3:40312->198.51.100.4:443: read: connection reset by peer"
UNREACHABLE = "failed to do request: dial tcp 10.0.0.1:443: connect: connection refused"
SAID = [
    pytest.param({"terminated": {"exitCode": 0}}, ImageState.PRESENT, "", 0, id="it ended well"),
    pytest.param({"running": {}}, ImageState.PRESENT, "", 0),
    pytest.param({"waiting": {"reason": "PodInitializing"}}, ImageState.PULLING, "", 0),
    pytest.param({"waiting": {"reason": "ErrImagePull", "message": NOT_FOUND}}, ImageState.FAILED, "not found", 0),
    pytest.param({"waiting": {"reason": "ErrImagePull", "message": UNREACHABLE}}, ImageState.FAILED, "refused", 60),
    pytest.param({"waiting": {"reason": "ErrImagePull", "message": RESET}}, ImageState.FAILED, "reset", 60),
    pytest.param(
        {"waiting": {"reason": "ErrImagePull", "message": "no space left on device"}},
        ImageState.FAILED,
        "no space",
        60,
        id="another node may have room",
    ),
    pytest.param(
        {"waiting": {"reason": "RunContainerError", "message": "exec"}},
        ImageState.FAILED,
        "does not start",
        60,
        id="another node may start it",
    ),
    pytest.param({"terminated": {"exitCode": 128, "message": "x"}}, ImageState.FAILED, "does not start", 60),
]


def pod(*states, images=(A, B), node="node1", **metadata):
    names = [container_name(image) for image in images]
    return {
        "metadata": {"name": "p", "creationTimestamp": "2026-11-20T10:00:00Z", **metadata},
        "spec": {
            "nodeName": node,
            "initContainers": [{"name": name, "image": i.image} for name, i in zip(names, images, strict=True)],
        },
        "status": {"initContainerStatuses": [{"name": n, "state": s} for n, s in zip(names, states, strict=False)]},
    }


@pytest.mark.parametrize(("state", "expected", "why", "patience"), SAID)
def test_a_container_tells_of_its_image(state, expected, why, patience):
    found = observed(pod(state, {"waiting": {"reason": "PodInitializing"}}), 60.0)
    assert found[A.image].state is expected
    assert why in found[A.image].why
    assert found[A.image].patience == patience
    after = ImageState.PULLING if expected is ImageState.PRESENT else ImageState.WAITING
    assert found[B.image].state is after


def test_a_pod_that_has_not_begun_is_waited_for():
    assert {each.state for each in observed(pod()).values()} == {ImageState.WAITING}


TOO_MANY = "0/3 nodes are available: 1 Too many pods, 2 node(s) didn't match Pod's node affinity/selector."


def test_of_a_pod_that_is_not_let_to_its_node_the_table_says_why():
    there = {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["full"]}]}]}
    waits = pod(node=None)
    waits["spec"]["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": there}}
    refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": TOO_MANY}
    waits["status"] = {"phase": "Pending", "conditions": [refused]}
    put_out = pod(node="node2")
    put_out["status"] = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource"}
    shown = rows(Plan((A,)), [waits, put_out, pod(node="node1")], [node("node1"), node("node2")])
    assert shown == {
        ("a", "full"): ("waiting", f"Unschedulable: {TOO_MANY}"),
        ("a", "node1"): ("waiting", ""),
        ("a", "node2"): ("waiting", "Evicted: The node was low on resource"),
    }


def rows(plan, pods, nodes):
    made = daemon_set(SETTINGS, plan)
    table = images_on_nodes(made, pods, [each | {"metadata": _amd64(each)} for each in nodes])
    return {(row.reference.rpartition(":")[2], row.node): (row.state.value, row.why) for row in table}


def _amd64(node):
    return node["metadata"] | {"labels": node["metadata"]["labels"] | {"kubernetes.io/arch": "amd64"}}


def test_the_table_has_each_image_on_each_node():
    plan = Plan((A, B), ((C, Backoff("not found", 0.0)),))
    nodes = [node("node1"), node("node2", images=[A.image, C.image])]
    done, waits = {"terminated": {"exitCode": 0}}, {"waiting": {"reason": "PodInitializing"}}
    assert rows(plan, [pod(done, waits)], nodes) == {
        ("a", "node1"): ("present", ""),
        ("a", "node2"): ("present", ""),
        ("b", "node1"): ("pulling", ""),
        ("b", "node2"): ("waiting", ""),
        ("c", "node1"): ("failed", "not found; tried again at 00:00:00 UTC"),
        ("c", "node2"): ("present", ""),
    }


def test_an_image_that_a_node_with_many_does_not_report_may_be_there_until_its_pod_tells():
    full = node(images=[f"{LAB}:{number}" for number in range(50)])
    told = "it may be there: the node reports only 50 images"
    assert rows(Plan((A,)), [], [full]) == {("a", "node1"): ("waiting", told)}
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    held_up = pod(images=[A])
    held_up["status"] = {"conditions": [condition]}
    assert rows(Plan((A,)), [held_up], [full]) == {("a", "node1"): ("waiting", f"Unschedulable: 0/1 nodes; {told}")}
    assert rows(Plan((A,)), [held_up], [node()]) == {("a", "node1"): ("waiting", "Unschedulable: 0/1 nodes")}
    pulling = pod({"waiting": {"reason": "PodInitializing"}})
    assert rows(Plan((A, B)), [pulling], [full]) == {("a", "node1"): ("pulling", ""), ("b", "node1"): ("waiting", "")}


def test_of_two_pods_of_a_node_the_newer_counts_and_one_that_goes_does_not():
    bad, done = {"waiting": {"reason": "ErrImagePull", "message": "x"}}, {"terminated": {"exitCode": 0}}
    newer = {"creationTimestamp": "2026-11-20T11:00:00Z"}
    pods = [pod(done, images=[A], **newer), pod(bad, images=[A])]
    assert rows(Plan((A,)), pods, [node()]) == {("a", "node1"): ("present", "")}
    pods = [pod(bad, images=[A], deletionTimestamp="2026-11-20T11:00:00Z")]
    assert rows(Plan((A,)), pods, [node()]) == {("a", "node1"): ("waiting", "")}


# What is left out.

FAILED, PASSING = Observed(ImageState.FAILED, "not found"), Observed(ImageState.FAILED, "refused", 60.0)


def test_what_cannot_pass_is_left_out_at_once_and_tried_again_later():
    backoffs = Backoffs(retry_after=100.0)
    assert backoffs.note([{A.image: FAILED}], {A.image}, 10.0) == [A.image]
    assert backoffs.by_image == {A.image: Backoff("not found", 110.0)}
    assert backoffs.note([{A.image: FAILED}], {A.image}, 50.0) == [], "the old pods still say so"
    assert backoffs.next_look(60.0, 50.0) == 60.0
    assert backoffs.note([{A.image: FAILED}], {A.image}, 110.0) == [A.image]


def test_what_may_pass_is_given_time():
    backoffs = Backoffs(retry_after=100.0)
    assert backoffs.note([{A.image: PASSING}], {A.image}, 10.0) == []
    assert backoffs.next_look(60.0, 10.0) == 60.0
    assert backoffs.note([], {A.image}, 40.0) == [], "it passed"
    assert backoffs.note([{A.image: PASSING}], {A.image}, 50.0) == []
    assert backoffs.note([{A.image: PASSING}], {A.image}, 110.0) == [A.image]


def test_of_what_the_nodes_say_the_worst_counts():
    assert Backoffs(1.0).note([{A.image: PASSING}, {A.image: FAILED}], {A.image}, 0.0) == [A.image]


def test_one_nodes_trouble_with_an_image_that_another_has_leaves_nothing_out():
    backoffs, there = Backoffs(1.0), {A.image: Observed(ImageState.PRESENT)}
    for now in (0.0, 1000.0):
        assert backoffs.note([there, {A.image: PASSING}], {A.image}, now) == []
    assert backoffs.next_look(60.0, 1000.0) is None
    assert backoffs.note([there, {A.image: FAILED}], {A.image}, 1000.0) == [A.image], "a new node would not get it"


def test_images_that_nobody_wants_any_more_are_forgotten():
    backoffs = Backoffs(retry_after=100.0)
    backoffs.note([{A.image: FAILED}], {A.image}, 0.0)
    backoffs.note([{A.image: FAILED}], {B.image}, 1.0)
    assert backoffs.by_image == {}
    assert backoffs.next_look(60.0, 1.0) is None


# What is ready.


async def test_ready_is_what_all_nodes_have_that_take_labs():
    ready = ReadyImages(placement=Placement())
    assert not ready.has(A.image)
    ready._put("/node1", node("node1", images=[A.image, B.image]))
    ready._put("/node2", node("node2", images=[A.image]))
    ready._put("/node3", node("node3", unschedulable=True))
    assert ready.has(A.image)
    assert not ready.has(B.image)
    ready._put("/node2", node("node2", images=[B.image]))
    assert ready.has(B.image)
    ready._remove("/node2", node("node2"))
    assert ready.has(A.image)
    ready._put("/node1", node("node1", ready="False", images=[A.image]))
    assert not ready.has(A.image)


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("docker.io/debian:12", "docker.io/library/debian:12"),
        ("quay.io/jupyter/lab:1", "quay.io/jupyter/lab:1"),
        (A.image, A.image),
        ("<none>@<none>", "<none>@<none>"),
    ],
)
def test_images_are_compared_as_nodes_name_them(written, named):
    assert full_name(written) == named

"""Servers of a hub's people by custom resource: what is done for one, how it stands, and which operator works."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from kubernetes_asyncio.client.exceptions import ApiException

from jhkube.operator import fresh, peering, server_work
from jhkube.operator.cluster import Cluster
from jhkube.operator.conditions import Outcome, Phase
from jhkube.operator.crds import custom_resource_definitions
from jhkube.operator.hub import Hub, HubAway, HubRefusal
from jhkube.operator.known import Known
from jhkube.operator.peering import NotOurs, Peering, has_priority
from jhkube.operator.server_spec import read_server
from jhkube.operator.server_status import MOST_STARTS, SLOW, Action, Memory, next_step, server_status
from jhkube.operator.servers import FINALIZER, Servers
from jhkube.operator.work import Backoff
from jhkube.operator_models import ConfigError
from jhkube.service.hub_answers import HubFailure, HubServer, HubServers

NOW = datetime(2026, 11, 30, 8, 50, tzinfo=UTC)
FULL = HubFailure("There is no room for your server. Try again later.", "FailedScheduling", "0/1 nodes")


def body(generation=1, status=None, **spec):
    return {
        "metadata": {"name": "ada", "namespace": "course", "uid": "uid-1", "generation": generation},
        "spec": {"user": "ada", "server": "course", "options": {"size": "small"}, **spec},
        **({"status": status} if status else {}),
    }


def hub_server(state="stopped", **more):
    pending = {"starting": "spawn", "stopping": "stop"}.get(state, "")
    began = {"started": time(-3600)} if state == "running" else {}
    return HubServer("course", "ada", **{"pending": pending, "is_ready": state == "running", **began, **more})


def time(seconds):
    return (NOW + timedelta(seconds=seconds)).isoformat()


def looked(resource, server, now=NOW):
    """Return what is done for a resource, and the resource with the status that it then has."""
    asked, memory = read_server(resource), Memory.of(resource)
    generation = resource["metadata"]["generation"]
    step = next_step(asked, memory, generation, server, now)
    if step.action is Action.START:
        memory = memory.started(asked, generation, now, is_made=server is None)
    elif step.outcome.phase is Phase.RUNNING:
        memory = memory.running(asked, server, now)
    return step, {**resource, "status": server_status(step.outcome, resource, memory, now, server)}


def lived(*servers, resource=None, every=1.0):
    """Return what is done for a resource while the hub says this of its server, one after the other."""
    resource, steps = resource or body(), []
    for number, server in enumerate(servers):
        step, resource = looked(resource, server, NOW + timedelta(seconds=number * every))
        steps.append((step.action.value, step.outcome.phase.value, step.outcome.reason))
    return steps, resource


# What a resource asks for.


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"user": ""}, "spec.user: should be a name at the hub"),
        ({"user": ".."}, "spec.user: should be a name at the hub"),
        ({"user": "a/b"}, "spec.user: should be a name at the hub"),
        ({"server": "."}, "spec.server: should be a name at the hub"),
        ({"server": "../x"}, "spec.server: should be a name at the hub"),
        ({"options": ["small"]}, "spec.options: should be options of the hub by name"),
        ({"running": "yes"}, "spec.running: should be True or False"),
        ({"idleSeconds": 1}, "spec.idleSeconds: should be a whole number of seconds from 60"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence_here_and_by_the_definition(spec, said):
    with pytest.raises(ConfigError) as refused:
        read_server(body(**spec))
    assert str(refused.value).startswith(said)
    (definition,) = [each for each in custom_resource_definitions() if each["spec"]["group"] == "jhkube.dev"]
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert not Draft202012Validator(schema).is_valid(body(**spec)["spec"])
    for name in ("ada", "a.b", ".a", "..a", "...", "ada@example.org"):
        assert Draft202012Validator(schema).is_valid(body(user=name)["spec"])
        assert read_server(body(user=name)).user == name


def test_the_default_server_is_the_one_without_a_name():
    assert (
        read_server({"spec": {"user": "ada"}}).name == read_server({"spec": {"user": "ada", "server": ""}}).name == ""
    )


# A life.


def test_a_server_is_made_started_and_runs():
    steps, resource = lived(None, hub_server("starting"), hub_server("running", url="/user/ada/course/"))
    assert steps == [
        ("start", "Pending", "Starting"),
        ("none", "Pending", "Starting"),
        ("none", "Running", "Running"),
    ]
    status = resource["status"]
    assert (status["made"], status["state"], status["url"]) == (True, "running", "/user/ada/course/")
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Ready": "True",
        "Progressing": "False",
        "Failed": "False",
    }
    memory = Memory.of(resource)
    public = server_status(
        Outcome(Phase.RUNNING, "Running", "…"), resource, memory, NOW, hub_server("running", url="/u/"), "https://hub"
    )
    assert public["url"] == "https://hub/u/"


def test_the_start_says_what_the_hub_says():
    _, resource = lived(None, hub_server("starting", waiting_for="Your server waits for a larger node."))
    assert resource["status"]["message"] == "Your server waits for a larger node."


def test_a_server_that_runs_already_is_taken_as_it_is_and_not_removed():
    steps, resource = lived(hub_server("running"))
    assert steps == [("none", "Running", "Running")]
    assert "made" not in resource["status"]
    assert Memory.of(resource).options == read_server(resource).options_hash


def test_other_options_restart_it_and_the_status_says_so():
    _, resource = lived(None, hub_server("running"))
    changed = {**resource, **body(generation=2, options={"size": "large"})}
    changed["status"] = resource["status"]
    steps, after = lived(
        *(hub_server("running"), hub_server("stopping"), hub_server(), hub_server("starting"), hub_server("running")),
        resource=changed,
    )
    assert steps == [
        ("stop", "Restarting", "SpecChanged"),
        ("none", "Restarting", "SpecChanged"),
        ("start", "Restarting", "SpecChanged"),
        ("none", "Restarting", "SpecChanged"),
        ("none", "Running", "Running"),
    ]
    assert after["status"]["observedGeneration"] == 2
    # Whatever else was changed leaves it alone.
    quicker = body(generation=2, idleSeconds=7200) | {"status": resource["status"]}
    assert looked(quicker, hub_server("running"))[0].action is Action.NONE


def test_running_false_stops_it_at_any_moment_and_true_starts_it_again():
    _, resource = lived(None, hub_server("running"))
    off = body(generation=2, running=False) | {"status": resource["status"]}
    for state in ("running", "starting"):
        assert looked(off, hub_server(state))[0].action is Action.STOP
    steps, stopped = lived(hub_server("running"), hub_server("stopping"), hub_server(), resource=off)
    assert steps == [("stop", "Pending", "Stopping"), ("none", "Pending", "Stopping"), ("none", "Stopped", "Stopped")]
    on = body(generation=3) | {"status": stopped["status"]}
    assert looked(on, hub_server())[0].action is Action.START


def test_one_that_nobody_uses_is_stopped_and_stays_so_until_somebody_wants_it():
    _, resource = lived(None, hub_server("running"), resource=body(idleSeconds=3600))
    used = hub_server("running", started=time(-9000), last_activity=time(-3590))
    step, _ = looked(resource, used)
    assert (step.action, step.wait) == (Action.NONE, 10.5)
    unused = replace(used, last_activity=time(-3601))
    steps, stopped = lived(unused, hub_server("stopping"), hub_server(), hub_server(), resource=resource)
    assert steps == [
        ("stop", "Pending", "Idle"),
        ("none", "Pending", "Idle"),
        ("none", "Stopped", "Idle"),
        ("none", "Stopped", "Idle"),
    ]
    assert stopped["status"]["message"].startswith("Nobody has used the server for 1 hour, so it was stopped.")
    # One that was just started has not been used yet.
    assert looked(stopped, replace(unused, started=time(-5)))[0].outcome.phase is Phase.RUNNING
    again = body(generation=2, idleSeconds=3600, running=True) | {"status": stopped["status"]}
    assert looked(again, hub_server())[0].action is Action.START


def test_one_that_was_stopped_at_the_hub_stays_stopped():
    stopped = 2 * [("none", "Stopped", "StoppedAtHub")]
    steps, _ = lived(None, hub_server("running"), hub_server("stopping"), hub_server(), hub_server())
    assert steps[2:] == [("none", "Pending", "StoppedAtHub"), *stopped]
    # A stop that nobody has seen.
    steps, _ = lived(None, hub_server("running"), hub_server(), hub_server())
    assert steps[2:] == stopped


def test_one_that_ended_on_its_own_is_started_again_less_and_less_often():
    ended = hub_server(ended=HubFailure("Your server used too much memory.", "OOMKilled", ""))
    steps, resource = lived(None, hub_server("running", started=time(0)), ended)
    assert steps[-1] == ("none", "Failed", "OOMKilled")
    assert resource["status"]["message"] == "Your server used too much memory."
    # It had run for a while: the next start is at once.
    steps, _ = lived(None, hub_server("running", started=time(-601)), ended)
    assert steps[-1] == ("start", "Pending", "Starting")


def test_a_start_that_fails_is_tried_again_a_few_times():
    failed, resource, starts, now = hub_server(failure=FULL), body(), [], NOW
    for _ in range(2000):
        step, resource = looked(resource, failed, now)
        if step.action is Action.START:
            starts.append((now - NOW).total_seconds())
        now += timedelta(seconds=step.wait)
    assert len(starts) == MOST_STARTS
    pauses = [after - before for before, after in pairwise(starts)]
    assert [pause >= least for pause, least in zip(pauses, (30, 60, 120, 240), strict=True)] == [True] * 4
    assert resource["status"]["message"] == FULL.message
    assert resource["status"]["phase"] == "Failed"
    # A change begins from the start.
    changed = body(generation=2) | {"status": resource["status"]}
    step, changed = looked(changed, failed, now)
    assert (step.action, changed["status"]["attempts"]) == (Action.START, 1)


def test_a_start_that_a_hub_has_forgotten_is_asked_for_again():
    steps, resource = lived(None, hub_server("starting"), hub_server(), hub_server())
    assert [action for action, *_ in steps] == ["start", "none", "start", "none"]
    assert resource["status"]["phase"] == "Failed"
    assert resource["status"]["message"].startswith("The server did not start, and the hub does not know why.")


# Which operator works.


@pytest.mark.parametrize(
    ("peers", "ours"),
    [
        ({}, True),
        ({"me": {"priority": 5, "lastseen": time(-1), "lifetime": 60}}, True),
        ({"older": {"priority": 4, "lastseen": time(-1), "lifetime": 60}}, True),
        ({"newer": {"priority": 6, "lastseen": time(-1), "lifetime": 60}}, False),
        ({"dead": {"priority": 6, "lastseen": time(-61), "lifetime": 60}}, True),
        ({"odd": {"priority": 6, "lastseen": "yesterday"}}, True),
        ({"nothing": None, "newer": {"priority": 6, "lastseen": time(-1), "lifetime": None}}, True),
        ({"endless": {"priority": 6, "lastseen": time(-1), "lifetime": 1e300}}, True),
    ],
)
def test_the_newest_operator_that_lives_works(peers, ours):
    assert has_priority([{"metadata": {"name": "jhkube-operator"}, "status": peers}], 5, NOW) is ours
    assert has_priority([{"metadata": {"name": "jhkube-operator"}}], 5, NOW)


class Peers(Cluster):
    """Peering objects with these operators, or an API server that refuses to show them."""

    def __init__(self, peers):
        super().__init__()
        self.peers, self.looks = peers, 0

    async def peerings(self, name):
        self.looks += 1
        await asyncio.sleep(0)
        if self.peers is None:
            raise ApiException(status=404, reason="Not Found")
        return [{"metadata": {"name": name}, "status": self.peers}]


NEWER = {"newer": {"priority": 6, "lastseen": "2999-01-01T00:00:00Z", "lifetime": 60}}


async def test_nothing_is_written_or_asked_of_a_hub_while_another_operator_works(monkeypatch):
    monkeypatch.setattr(peering, "GOOD_FOR", -1.0)
    peers = Peers(NEWER)
    before_write = Peering(peers, "jhkube-operator", 5).before_write
    own, hub = Cluster(["course"], before_write), Hub("http://127.0.0.1:1", Path("none"), before_write)
    resource = {"apiVersion": "jhkube.dev/v1", "kind": "JupyterServer", **body()}
    resource["metadata"]["resourceVersion"] = "7"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": resource["metadata"]}
    writes = (
        lambda: own.create(secret),
        lambda: own.replace(secret, secret),
        lambda: own.patch_secret("course", "ada", []),
        lambda: own.delete(secret),
        lambda: own.put_finalizers(resource, []),
        lambda: own.patch_status(resource, {}),
        lambda: own.post_event(resource, "Normal", "Reason", "…"),
        lambda: hub.start("ada", "course", None, "6.1.1"),
        lambda: hub.stop("ada", "course"),
        lambda: hub.remove("ada", "course"),
    )
    try:
        for write in writes:
            with pytest.raises(NotOurs):
                await write()
        # An API server that does not say who works is another matter than one that knows no such resource.
        peers.peers = None
        for write in writes:
            with pytest.raises(ConnectionError, match="which operator works could not be read: 404 Not Found"):
                await write()
    finally:
        await hub.close()


async def test_many_who_ask_at_once_who_works_cost_one_request(monkeypatch):
    own = Peering(peers := Peers(NEWER), "jhkube-operator", 5)
    assert await own.is_ours()
    monkeypatch.setattr(own, "_looked", own._looked - 60)
    assert await asyncio.gather(*(own.is_ours() for _ in range(20))) == [False] * 20
    assert peers.looks == 1


# What is written and asked, with a hub and an API server that answer as a test says.


class Notes(Cluster):
    """Notes what is written, and gives it back as the API server would."""

    def __init__(self):
        super().__init__(["course"])
        self.written = []

    async def patch_status(self, body, status):
        self.written.append(("status", status["phase"]))
        return {**body, "status": {name: value for name, value in status.items() if value is not None}}

    async def put_finalizers(self, body, finalizers):
        self.written.append(("finalizers", finalizers))
        return {**body, "metadata": {**body["metadata"], "finalizers": finalizers}}

    async def post_event(self, body, kind, reason, message):
        self.written.append((kind, reason))


class Answers:
    """A hub's answers: what it says of the servers, or how it refuses; and what it was asked to do."""

    def __init__(self, *servers, refusal=None, made="2026-11-01T08:00:00"):
        self.found = HubServers(tuple(servers), hub_version="6.1.1", named_servers=True, account_made=made)
        self.refusal, self.asked, self.looks = refusal, [], 0

    async def servers(self, user):
        self.looks += 1
        if self.refusal:
            raise self.refusal
        return self.found

    async def close(self):
        pass

    async def stop(self, user, server):
        self.asked.append(("stop", user, server))

    async def remove(self, user, server):
        self.asked.append(("remove", user, server))


def resource_of(uid, created, status=None, **metadata):
    resource = {"apiVersion": "jhkube.dev/v1", "kind": "JupyterServer", **body(status=status)}
    own = {"name": uid, "uid": uid, "creationTimestamp": created, "resourceVersion": "1", **metadata}
    return {**resource, "metadata": {**resource["metadata"], **own}}


async def reconciled(hub, *resources):
    """Return what is written when the last of these resources is looked at."""
    cluster, known = Notes(), Known()
    for each in resources:
        known.put(each)
    wait = await Servers(cluster, known, hub, "").reconcile(f"course/{resources[-1]['metadata']['name']}")
    return cluster.written, wait


def has_run(phase="Running", reason="Running"):
    _, resource = lived(None, hub_server("running"))
    account = {"account": "2026-11-01T08:00:00"}
    outcome = Outcome(Phase(phase), reason, "…")
    return {**server_status(outcome, resource, Memory.of(resource), NOW), **account}


async def test_a_stopped_server_is_left_alone_while_the_hub_refuses():
    refusal = HubRefusal("TokenRefused", "The hub does not allow this.")
    stopped = resource_of("ada", "2026-11-30T08:00:00Z", has_run("Stopped", "Idle"))
    assert await reconciled(Answers(refusal=refusal), stopped) == ([], SLOW)
    runs = resource_of("ada", "2026-11-30T08:00:00Z", has_run())
    written, _ = await reconciled(Answers(refusal=refusal), runs)
    assert written == [("status", "Failed"), ("Warning", "TokenRefused")]


DELETED = {"deletionTimestamp": "2026-11-30T08:49:00Z", "finalizers": ["example.org/other", FINALIZER]}
FREED = [("finalizers", ["example.org/other"])]


async def test_a_resource_that_is_deleted_goes_after_its_server():
    going = resource_of("ada", "2026-11-30T08:00:00Z", has_run(), **DELETED)
    hub = Answers(hub_server("running"))
    assert await reconciled(hub, going) == ([], 1.0)
    assert hub.asked == [("remove", "ada", "course")]
    hub = Answers(hub_server("stopping"))
    assert await reconciled(hub, going) == ([], 1.0)
    assert hub.asked == []
    assert (await reconciled(Answers(), going))[0] == FREED
    # One that was there before is only stopped.
    had = {name: value for name, value in has_run().items() if name != "made"}
    hub = Answers(hub_server("running"))
    assert await reconciled(hub, resource_of("ada", "2026-11-30T08:00:00Z", had, **DELETED)) == ([], 1.0)
    assert hub.asked == [("stop", "ada", "course")]


async def test_a_resource_that_is_deleted_leaves_what_is_not_its_own():
    going = resource_of("ada", "2026-11-30T08:00:00Z", has_run(), **DELETED)
    # The server of another person of the name.
    hub = Answers(hub_server("running"), made="2026-11-29T08:00:00")
    assert (await reconciled(hub, going))[0] == FREED
    # That of an earlier resource.
    earlier = resource_of("earlier", "2026-11-30T07:00:00Z", has_run())
    second = Answers(hub_server("running"))
    assert (await reconciled(second, earlier, going))[0] == FREED
    assert hub.asked == second.asked == []
    # Somebody whom the hub does not know any more, which is told; a token that is refused is waited for.
    gone = Answers(refusal=HubRefusal("NoSuchUser", "The hub has no account ada.", is_final=True))
    assert (await reconciled(gone, going))[0] == [("Warning", "NoSuchUser"), *FREED]
    refused = Answers(refusal=HubRefusal("TokenRefused", "The hub does not allow this."))
    written, wait = await reconciled(refused, going)
    assert (written, wait) == ([("status", "Failed"), ("Warning", "TokenRefused")], SLOW)
    assert (await reconciled(Answers(refusal=HubAway("…")), going))[0] == []


async def test_of_two_for_one_server_the_earlier_counts():
    first = resource_of("first", "2026-11-30T08:00:00Z", has_run())
    second = resource_of("second", "2026-11-30T08:00:01Z")
    written, _ = await reconciled(Answers(hub_server("running")), first, second)
    assert written == [("status", "Failed"), ("Warning", "Duplicate")]


# A start that does not begin.

BUSY = HubRefusal("HubBusy", "Too many servers start at the moment.", is_momentary=True)
QUOTA = HubFailure("Your server needs more than your quota has left.", "Forbidden", "exceeded quota")
OPTIONS = HubFailure("There is no size 'huge' to choose.")


@pytest.mark.parametrize(
    ("refusal", "failure", "told", "removed", "attempts"),
    [
        # The hub answers a start that fails at once as it answers a refusal: by the failure's status, or as an error.
        (HubRefusal("HubBusy", "…", is_momentary=True), QUOTA, ("Failed", "Forbidden", QUOTA.message), False, 1),
        (HubRefusal("Refused", "…", is_final=True), FULL, ("Failed", FULL.reason, FULL.message), False, 1),
        (
            HubRefusal("StartFailed", "It ended."),
            HubFailure("No room."),
            ("Failed", "StartFailed", "No room."),
            False,
            1,
        ),
        (HubRefusal("StartFailed", "It ended."), None, ("Failed", "StartFailed", "It ended."), False, 1),
        # A refusal has made nothing.
        (BUSY, None, ("Pending", "HubBusy", BUSY.message), False, 0),
        (HubRefusal("Refused", OPTIONS.message), OPTIONS, ("Failed", "Refused", OPTIONS.message), True, 0),
        (HubRefusal("Refused", "No more servers."), None, ("Failed", "Refused", "No more servers."), True, 0),
    ],
)
async def test_a_start_that_fails_at_once_is_no_refusal(refusal, failure, told, removed, attempts):
    hub, cluster, known = Answers(), Notes(), Known()
    known.put(resource_of("ada", "2026-11-30T08:00:00Z"))

    async def start(*_):
        hub.found = replace(hub.found, servers=(hub_server(failure=failure),))
        raise refusal

    async def check(*_):
        pass

    hub.start, hub.check = start, check
    servers = Servers(cluster, known, hub, "")
    await servers.reconcile("course/ada")
    memory = Memory.of(known.get("course/ada"))
    assert (memory.phase, memory.reason, memory.message) == told
    assert (hub.asked == [("remove", "ada", "course")], memory.attempts) == (removed, attempts)
    assert memory.is_made is bool(attempts or refusal is BUSY)
    if attempts:
        # The next look leaves it until its time has come, and says the same.
        written = len(cluster.written)
        wait = await servers.reconcile("course/ada")
        assert cluster.written[written:] == []
        assert 1 < wait <= 30


class Listed(Notes):
    """Lists of what there is now, for watches that have missed changes."""

    def __init__(self, *there):
        super().__init__()
        self.there, self.lists, self.told = list(there), 0, {}

    async def listed(self, kind, **_):
        self.lists += 1
        return list(self.there)

    async def patch_status(self, body, status):
        self.told[body["metadata"]["name"]] = status["conditions"][0]["reason"]
        return await super().patch_status(body, status)


class Turns:
    """Which of two operators works, as a test says, and how often it was the other one."""

    ours, others = True, 0

    async def is_ours(self):
        self.others += not self.ours
        return self.ours

    async def before_write(self):
        pass


@asynccontextmanager
async def at_work(monkeypatch, cluster, hub, turns):
    """Give the operator's work for servers, while it is done."""
    monkeypatch.setattr(fresh, "SETTLING", 0.0)
    monkeypatch.setattr(server_work, "Hub", lambda *_: hub)
    own = server_work.ServerWork(cluster, turns, server_work.HubOptions("", Path("none")))
    running = asyncio.create_task(own.run())
    yield own
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def until(is_so):
    async with asyncio.timeout(240):
        while not is_so():
            await asyncio.sleep(0)


async def test_what_was_deleted_while_a_watch_was_away_is_forgotten(monkeypatch):
    first = resource_of("first", "2026-11-30T08:00:00Z", has_run())
    second = resource_of("second", "2026-11-30T08:00:01Z")
    cluster = Listed(first, second)
    async with at_work(monkeypatch, cluster, Answers(hub_server("running")), Turns()) as own:
        # The later one comes first in the list, and waits for the rest of it.
        own.saw(None, second)
        own.saw(None, first)
        await until(lambda: "second" in cluster.told)
        assert cluster.told["second"] == "Duplicate"
        # The watch begins again, and nothing tells that the first is gone.
        cluster.there = [resource_of("second", "2026-11-30T08:00:01Z", generation=2, resourceVersion="3")]
        own.saw(None, *cluster.there)
        await until(lambda: cluster.told["second"] == "Running")


async def test_a_list_that_cannot_be_understood_is_asked_for_again(monkeypatch):
    monkeypatch.setattr(fresh, "Backoff", lambda **_: Backoff(free=100, first=1.0, longest=1.0))
    runs = resource_of("ada", "2026-11-30T08:00:00Z", has_run())
    cluster, hub = Listed(None), Answers(hub_server("running"))
    async with at_work(monkeypatch, cluster, hub, Turns()) as own:
        own.saw(None, runs)
        await until(lambda: cluster.lists > 1)
        assert hub.looks == 0
        cluster.there = [runs]
        await until(lambda: hub.looks)


async def test_an_operator_that_works_again_looks_at_all_resources(monkeypatch):
    runs = resource_of("ada", "2026-11-30T08:00:00Z", has_run())
    changed = resource_of("ada", "2026-11-30T08:00:00Z", has_run(), generation=2, resourceVersion="3")
    cluster, hub, turns = Listed(runs), Answers(hub_server("running")), Turns()
    async with at_work(monkeypatch, cluster, hub, turns) as own:
        own.saw(None, runs)
        await until(lambda: hub.looks)
        # What waits while another operator works is dropped.
        turns.ours = False
        own.saw("MODIFIED", changed)
        await until(lambda: turns.others)
        turns.ours, looks, cluster.there = True, hub.looks, [changed]
        own.saw(None, changed)
        await until(lambda: hub.looks > looks)

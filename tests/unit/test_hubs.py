"""Which of several hubs is whose, and how people get there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kubernetes_asyncio.client import ApiException
from traitlets import TraitError

from jhkube.home_leases import HomeInUse
from jhkube.hubs import first_page, hub_of, parse_hubs
from jhkube.operator_models import ConfigError
from jhkube.spawner_config import SpawnerConfig
from jhkube.spawner_options import StartRefused
from tests.unit.test_spawner_ownership import ADA, spawner_of

A = {"name": "a", "url": "https://hub.example.org/a/"}
B = {"name": "b", "url": "https://hub.example.org/b/"}
PEOPLE = [f"person-{number}" for number in range(2000)]


def whose(hubs, name, *groups):
    hub = hub_of(parse_hubs(hubs), name, groups)
    return hub.name if hub else None


def test_a_name_wins_over_a_group_and_a_group_over_the_hash():
    hubs = [A | {"share": 0}, B | {"groups": ["physics"], "users": ["ada"]}, A | {"name": "c", "groups": ["ops"]}]
    assert whose(hubs, "grace", "physics", "ops") == "b"
    assert whose(hubs, "grace", "ops") == "c"
    assert whose(hubs, "ada", "ops") == "b"


def test_where_no_hub_is_for_the_rest_they_are_nobodys():
    assert whose([A | {"share": 0}, B | {"share": 0, "users": ["ada"]}], "grace") is None


def test_people_are_spread_by_the_shares_and_stay_where_they_are():
    two = [A, B | {"share": 3}]
    before = {name: whose(two, name) for name in PEOPLE}
    # Three quarters of 2,000, by a margin of six standard deviations (19).
    assert 1380 < list(before.values()).count("b") < 1620
    after = {name: whose([*two, A | {"name": "c"}], name) for name in PEOPLE}
    moved = {name for name in PEOPLE if before[name] != after[name]}
    assert moved == {name for name in PEOPLE if after[name] == "c"}
    assert 280 < len(moved) < 520
    # A hash that changes with a release would move everybody at once.
    assert [before[name] for name in PEOPLE[:8]] == [whose(list(reversed(two)), name) for name in PEOPLE[:8]]
    assert "".join(before[name] for name in PEOPLE[:24]) == "bbbbabbbaabbbbabbbbbbbbb"


@pytest.mark.parametrize(
    ("hubs", "said"),
    [
        ([A | {"name": "A"}], "hubs[0].name: should be a DNS label of at most 20 characters"),
        ([A | {"name": "x" * 21}], "hubs[0].name: should be a DNS label"),
        ([A | {"url": "hub.example.org/a"}], "hubs[0] (a).url: should be a URL that ends with a slash"),
        ([A | {"share": -1}], "hubs[0] (a).share: should be a number from 0 to 1000"),
        ([A | {"share": float("nan")}], "hubs[0] (a).share: should be a number from 0 to 1000"),
        ([A, A], "hubs[1].name: 'a' is the name of a hub before it"),
        ([A | {"users": ["ada"]}, B | {"users": ["ada"]}], "hubs: 'ada' is among the users of both 'a' and 'b'"),
        ([A | {"weight": 2}], "hubs[0]: there is no field 'weight'"),
        ([A | {"name": "ml"}, B | {"name": "ml-gpu"}], "hubs: the name 'ml-gpu' begins with that of 'ml'"),
    ],
)
def test_a_list_that_cannot_be_is_refused_by_the_field(hubs, said):
    with pytest.raises(TraitError) as refused:
        SpawnerConfig(hubs=hubs)
    assert f"c.JHKubeSpawner.{said}" in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"home_lease": True}, "home_lease needs hub_name"),
        ({"hubs": [A], "hub_name": "b"}, "hubs needs hub_name, the name of one of them, not 'b'"),
        ({"hub_name": "a", "home_lease": True, "start_ahead": "form"}, "home_lease does not go with start_ahead"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        SpawnerConfig(**settings).check_together()
    SpawnerConfig(hub_name="a", hubs=[A, B], home_lease=True).check_together()


@pytest.mark.usefixtures("kubeconfig")
async def test_a_home_that_is_taken_before_its_namespace_is_made_needs_another_for_its_lease():
    more = {"hub_name": "a", "home_lease": True, "enable_user_namespaces": True}
    with pytest.raises(ConfigError, match="home_lease needs home_lease_namespace where each person has a namespace"):
        spawner_of(ADA, **more).check_together()
    spawner_of(ADA, home_lease_namespace="homes", **more).check_together()


@pytest.mark.usefixtures("kubeconfig")
async def test_what_is_of_somebody_who_belongs_to_another_hub_is_not_deleted():
    assert await spawner_of(ADA, hub_name="a", hubs=[A, B | {"users": ["ada"]}])._is_elsewhere()
    assert not await spawner_of(ADA, hub_name="b", hubs=[A, B | {"users": ["ada"]}])._is_elsewhere()


def test_people_who_open_another_hub_get_to_a_page_of_their_own_that_sends_nobody_on():
    hubs = parse_hubs([A | {"share": 0}, B | {"users": ["ada"], "groups": ["physics"], "share": 0}])

    def opened(user, here="a", otherwise=""):
        return first_page(hubs, here, otherwise)(SimpleNamespace(current_user=user))

    physics = [SimpleNamespace(name="physics")]
    ada, grace = SimpleNamespace(name="ada", groups=[]), SimpleNamespace(name="grace", groups=physics)
    assert opened(ada) == opened(grace) == "https://hub.example.org/b/hub/spawn"
    assert opened(ada, "b", "/b/hub/home") == "/b/hub/home"
    assert opened(ada, "b", lambda handler: f"/{handler.current_user.name}") == "/ada"
    # Nobody has logged in yet; JupyterHub then asks for that.
    assert opened(None) == ""
    assert opened(SimpleNamespace(name="maryam", groups=[])) == ""
    # A guest's account is at this hub alone, whatever the hash says.
    assert opened(SimpleNamespace(name="guest-k3v5w2hq7m4n6b2xz5tr", groups=physics)) == ""


@pytest.mark.usefixtures("kubeconfig")
async def test_the_names_of_pods_tell_the_hub_and_those_of_homes_do_not():
    spawner, other = spawner_of(ADA, hub_name="a"), spawner_of(ADA)
    assert (spawner.pod_name, other.pod_name) == ("jupyter-a-ada", "jupyter-ada")
    assert spawner.pvc_name == other.pvc_name == "claim-ada"
    assert spawner_of(ADA, hub_name="a", pod_name_template="lab-{user_server}").pod_name == "lab-ada"


@pytest.mark.usefixtures("kubeconfig")
async def test_a_start_at_another_hub_is_refused_with_where_to_go():
    with pytest.raises(StartRefused) as refused:
        spawner_of(ADA, hub_name="a", hubs=[A, B | {"users": ["ada"]}])._check_whose()
    words = "Your servers run at the hub b (https://hub.example.org/b/). Start them there."
    assert refused.value.jupyterhub_message == words
    spawner_of(ADA, hub_name="b", hubs=[A, B | {"users": ["ada"]}])._check_whose()
    spawner_of(ADA, hub_name="a")._check_whose()


@pytest.mark.usefixtures("kubeconfig")
async def test_a_home_that_another_hub_has_is_refused_in_a_sentence():
    spawner = spawner_of(ADA, hub_name="b", home_lease=True, hubs=[A, B])
    said = [
        spawner._refused_home(HomeInUse("a")),
        spawner._refused_home(HomeInUse("c", seconds=90)),
        spawner._unknown_home(ApiException(status=403)),
        spawner._unknown_home(ValueError("the Lease x was changed")),
    ]
    assert [each.jupyterhub_message.partition(". ")[0] for each in said] == [
        "Your home is in use by your server at the hub a (https://hub.example.org/a/)",
        "A server at the hub c is starting with your home",
        "This hub may not see whether another hub uses your home",
        "Nobody can tell whether another hub uses your home",
    ]
    # Nothing tells whose home it is, or no hub waits for the pod.
    for refusing in (spawner, spawner_of(None, hub_name="b", home_lease=True)):
        # A pod that is only shown takes none.
        await refusing._reserve_home()
        refusing._takes_home = True
        with pytest.raises(StartRefused):
            await refusing._reserve_home()
    await spawner_of(None, hub_name="b")._reserve_home()

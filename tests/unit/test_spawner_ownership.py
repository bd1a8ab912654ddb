"""What is found under a person's name is compared with the person before anything of theirs reaches it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from jupyterhub import orm as hub_orm
from traitlets.config import Config

from jhkube.checks.configuration import configuration_results
from jhkube.checks.configured import ConfiguredHub
from jhkube.identity import UserIdentity
from jhkube.spawner import JHKubeSpawner
from jhkube.watch.reflectors import ClaimReflector

pytestmark = pytest.mark.usefixtures("kubeconfig")

ADA, EVE = (UserIdentity("ada", number, number, f"github:{number}") for number in (1, 2))


def auth_state(identity, token="gho_x"):
    return {"jhkube_identity": identity.to_dict(), "access_token": token}


def spawner_of(identity, *, states=None, pod=None, **settings):
    """Return a spawner of the account `ada`, with what the hub's database knows of its servers, by name."""
    records = {name: hub_orm.Spawner(name=name, state=state) for name, state in (states or {"": {}}).items()}
    user = SimpleNamespace(
        name="ada", id=1, url="/user/ada/", groups=(), orm_user=SimpleNamespace(orm_spawners=records)
    )
    hub = SimpleNamespace(public_host="", url="", base_url="", api_url="")
    made = JHKubeSpawner(
        _mock=True,
        config=Config({"JHKubeSpawner": settings}),
        user=user,
        hub=hub,
        orm_spawner=records[""],
        namespace="labs",
    )
    made.load_state(records[""].state or {})
    if identity is not None:
        made._learn(auth_state(identity))
    JHKubeSpawner.reflectors["pods", "labs"] = SimpleNamespace(pods={"labs/jupyter-ada": pod} if pod else {})
    return made


@pytest.fixture(autouse=True)
def no_pods():
    yield
    JHKubeSpawner.reflectors.pop(("pods", "labs"), None)


def pod_of(subject):
    annotations = {"jhkube/subject": subject} if subject else {}
    return {"metadata": {"name": "jupyter-ada", "namespace": "labs", "uid": "0-1", "annotations": annotations}}


async def test_a_look_that_hangs_is_made_again_as_every_request_of_a_start_is():
    spawner = spawner_of(ADA, k8s_api_request_timeout=1)
    calls = []

    async def look():
        calls.append("a look")
        if len(calls) == 1:
            await asyncio.Event().wait()
        return "an answer"

    assert await asyncio.wait_for(spawner._retried(look), 120) == "an answer"
    assert len(calls) == 2


async def test_a_token_never_reaches_a_pod_that_was_made_for_somebody_else():
    spawner = spawner_of(ADA, pod=pod_of(ADA.subject))
    assert spawner.made_for == ADA.subject
    with pytest.raises(PermissionError, match="the pod was made for github:1"):
        await spawner.renew_token(auth_state(EVE, "gho_eve"))
    # What a start under way is made from stays the old one's, too.
    assert (spawner._identity, spawner._token) == (ADA, "gho_x")


async def test_a_late_renewal_of_the_old_owner_does_not_reach_the_new_ones_pod():
    spawner = spawner_of(EVE, pod=pod_of(EVE.subject))
    with pytest.raises(PermissionError, match="the pod was made for github:2"):
        await spawner.renew_token(auth_state(ADA, "gho_ada"))
    with pytest.raises(PermissionError):
        await spawner.renew_token({"access_token": "gho_nobody"})
    assert spawner._identity == EVE


async def test_a_start_that_has_made_no_pod_yet_learns_its_own_persons_token_and_no_others():
    spawner = spawner_of(ADA)
    with pytest.raises(PermissionError):
        await spawner.renew_token(auth_state(EVE, "gho_eve"))
    await spawner.renew_token(auth_state(ADA, "gho_new"))
    assert (spawner._identity, spawner._token) == (ADA, "gho_new")


async def test_a_pod_that_was_made_for_nobody_in_particular_is_given_nothing():
    # It would have to connect to an API server, and there is none.
    await spawner_of(ADA, pod=pod_of("")).renew_token(auth_state(ADA))
    await spawner_of(None).renew_token(auth_state(ADA))


async def test_a_new_claim_says_whose_it_is():
    assert spawner_of(ADA).get_pvc_manifest().metadata.annotations["jhkube/subject"] == "github:1"


@pytest.mark.parametrize(
    ("identity", "settings"), [(None, {}), (ADA, {"pvc_name_template": "homes", "remember_pvc_name": False})]
)
async def test_a_claim_of_nobody_or_of_several_says_nothing(identity, settings):
    assert "jhkube/subject" not in spawner_of(identity, **settings).get_pvc_manifest().metadata.annotations


@pytest.mark.parametrize(
    ("states", "settings", "adopts"),
    [
        ({"": {}}, {}, False),
        ({"": {}}, {"adopt_claims": True}, True),
        ({"": {"kubespawner_version": "7.1.0", "pvc_name": "claim-ada"}}, {}, True),
        ({"": {"kubespawner_version": "7.1.0", "pod_name": "jupyter-ada"}}, {}, False),
        # Written by KubeSpawner 6, which kept no names of claims.
        ({"": {"pod_name": "jupyter-ada"}}, {}, True),
        ({"": {}, "second": {"kubespawner_version": "7.1.0", "pvc_name": "claim-ada"}}, {}, True),
        ({"": {}, "second": {"kubespawner_version": "7.1.0", "pvc_name": "claim-ada--second"}}, {}, False),
    ],
)
async def test_a_claim_without_a_word_is_adopted_where_the_hubs_database_knows_it(states, settings, adopts):
    assert spawner_of(ADA, states=states, **settings)._adopts_claim is adopts


async def test_the_claim_of_an_older_kubespawner_is_looked_at_before_it_is_taken():
    user = {"": {"pod_name": "jupyter-ada-5f"}}
    spawner = spawner_of(ADA, states=user, pvc_name_template="claim-{username}")
    spawner.user.name = "ada_l"
    spawner.pvc_name = "claim-ada-l---1"
    assert spawner._legacy_claim({"labs/claim-ada-5fl": {}}) == "claim-ada-5fl"
    assert spawner._legacy_claim({"labs/claim-ada-5fl": {}, "labs/claim-ada-l---1": {}}) == ""
    assert spawner._legacy_claim({}) == ""


def test_the_watch_of_claims_keeps_whose_they_are_and_no_other_annotation():
    claim = {
        "metadata": {"name": "claim-ada", "annotations": {"jhkube/subject": "github:1", "x": "y"}},
        "spec": {},
    }
    slim = ClaimReflector._slim(None, claim)
    assert slim["metadata"] == {"name": "claim-ada", "annotations": {"jhkube/subject": "github:1"}}


async def test_jhkube_check_tells_that_claims_are_adopted():
    config = Config({"JupyterHub": {"spawner_class": "jhkube"}, "JHKubeSpawner": {"adopt_claims": True}})
    told = [each.text for each in configuration_results(ConfiguredHub(config))]
    assert any(text.startswith("adopt_claims: a claim without its owner's id") for text in told), told
    config.JHKubeSpawner.adopt_claims = False
    assert not any("adopt_claims" in each.text for each in configuration_results(ConfiguredHub(config)))

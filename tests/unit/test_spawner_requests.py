"""What a start does with refusals of the API server that are about to pass: over real sockets."""

import pytest
from kubernetes_asyncio.client import ApiException, V1ObjectMeta, V1PersistentVolumeClaim, V1Pod, V1Secret
from traitlets.config import Config

from jhkube.objects import create_secret
from jhkube.spawner import JHKubeSpawner
from jhkube.watch.patience import Patience
from jhkube.watch.start import Start
from tests.unit.api_server import ScriptedServer, status

pytestmark = pytest.mark.usefixtures("kubeconfig")

NO_ACCOUNT = status(
    403,
    'pods "jupyter-ada" is forbidden: error looking up service account labs/default: serviceaccount "default" '
    "not found",
    "Forbidden",
    "pods",
)
NO_NUMBERS = status(
    403,
    'pods "jupyter-ada" is forbidden: status unknown for quota: jhkube, resources: limits.memory,pods',
    "Forbidden",
    "pods",
)
COLLISION = status(
    409,
    'Operation cannot be fulfilled on resourcequotas "jhkube": the object has been modified; please apply your '
    "changes to the latest version and try again",
    "Conflict",
    "resourcequotas",
)
MOMENTARY = {
    "busy": status(429, "too many requests", "TooManyRequests"),
    "database": status(500, "etcdserver: request timed out", "InternalError"),
    "slow": status(504, "Timeout: request did not complete within the allotted duration", "Timeout"),
    "no account yet": NO_ACCOUNT,
    "no numbers yet": NO_NUMBERS,
    "collision": COLLISION,
}
EXISTS = status(409, 'object "x" already exists', "AlreadyExists")
FORBIDDEN = status(403, 'User "hub" cannot create resource', "Forbidden")


class _User:
    name, id, url, groups = "ada", 1, "/user/ada/", ()


class _Hub:
    public_host = url = base_url = api_url = "http://hub"


def spawner_of(api):
    config = Config({"KubeSpawner": {"namespace": "labs", "k8s_api_request_retry_timeout": 5}})
    spawner = JHKubeSpawner(_mock=True, config=config, user=_User(), hub=_Hub())
    spawner.api = api
    spawner.pod_start = Start(spawner, Patience())
    return spawner


@pytest.fixture
async def server():
    return ScriptedServer()


@pytest.fixture
async def spawner(server):
    async with server.running() as api:
        yield spawner_of(api)


async def make_claim(spawner):
    claim = V1PersistentVolumeClaim(metadata=V1ObjectMeta(name="claim-ada"))
    return await spawner._make_create_pvc_request(claim, 5)


async def make_pod(spawner):
    return await spawner._make_create_pod_request(V1Pod(metadata=V1ObjectMeta(name="jupyter-ada")), 5)


async def make_secret(spawner):
    secret = V1Secret(metadata=V1ObjectMeta(name="certificates"))
    return await spawner._make_create_resource_request("secret", secret)


CALLS = {
    "persistentvolumeclaims": make_claim,
    "pods": make_pod,
    "secrets": make_secret,
}


@pytest.mark.parametrize("refusal", MOMENTARY.values(), ids=MOMENTARY)
@pytest.mark.parametrize("what", CALLS)
async def test_a_momentary_refusal_is_asked_again(server, spawner, what, refusal):
    server.answers["POST", what] = [refusal, refusal, {"metadata": {"name": "x", "uid": "1"}}]
    assert [await CALLS[what](spawner) for _ in range(2)] == [False, False]
    assert "trying again" in spawner.pod_start.finding.meanwhile
    assert await CALLS[what](spawner)
    assert server.asked == [("POST", what)] * 3
    assert spawner.pod_start.finding is None, "what has passed is no reason of a later failure"


@pytest.mark.parametrize("refusal", MOMENTARY.values(), ids=MOMENTARY)
async def test_a_namespace_is_asked_for_again(server, spawner, refusal):
    server.answers["POST", "namespaces"] = [refusal, EXISTS]
    await spawner._ensure_namespace()
    assert server.asked == [("POST", "namespaces")] * (1 if refusal is COLLISION else 2)


@pytest.mark.parametrize("what", CALLS)
async def test_a_refusal_that_stays_ends_the_start_at_once(server, spawner, what):
    server.answers["POST", what] = [FORBIDDEN]
    server.answers["GET", "claim-ada"] = server.answers["GET", "certificates"] = [status(404)]
    with pytest.raises(ApiException, match="403"):
        await CALLS[what](spawner)
    assert server.asked.count(("POST", what)) == 1


async def test_a_claim_that_is_there_is_taken_even_where_the_quota_is_used_up(server, spawner):
    server.answers["POST", "persistentvolumeclaims"] = [EXISTS, FORBIDDEN]
    server.answers["GET", "claim-ada"] = [{"metadata": {"name": "claim-ada"}, "code": 200}]
    assert await make_claim(spawner)
    assert await make_claim(spawner)


async def test_a_namespace_that_never_gets_ready_ends_the_start_with_its_sentence(server, spawner):
    spawner.k8s_api_request_retry_timeout = 1
    server.answers["POST", "namespaces"] = [MOMENTARY["database"]]
    with pytest.raises(TimeoutError):
        await spawner._ensure_namespace()
    assert "did not answer as it should" in spawner.pod_start.finding.message


async def test_a_collision_at_a_quota_replaces_no_secret(server, spawner):
    server.answers["POST", "secrets"] = [COLLISION]
    with pytest.raises(ApiException, match="409"):
        await create_secret(spawner.api, "labs", V1Secret(metadata=V1ObjectMeta(name="git")))
    assert server.asked == [("POST", "secrets")]

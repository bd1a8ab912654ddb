"""Kubeflow's and Renku's APIs on a hub whose cluster is away: what the hub alone knows is told all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.hub import renku_clients
from tests.hub.running import RunningHub
from tests.hub.service_hub import SPAWNER, SUBJECTS, ServiceBrowser, ServiceHub, start_service

pytestmark = pytest.mark.hub_versions

FORGE = "https://git.example.org"

FROM_REPOSITORIES = f"""
from jhkube.options_form.environment import parse_environment_names
from jhkube.options_form.repositories import Repositories, parse_repository_hosts

class FromRepositories(LabSpawner):
    async def available(self):
        return Available(
            sizes=self.own_sizes(),
            repositories=Repositories(parse_repository_hosts([{FORGE!r}])),
            variables=parse_environment_names(["SURVEY"]),
        )

c.JupyterHub.spawner_class = FromRepositories
"""

GATEWAYS = """
ACTS = ["access:services!service=jhkube", "servers", "access:servers", "read:users:name"]
for name, scopes in (
    ("gateway", [*ACTS, "custom:jhkube:kubeflow-userid!user=ada"]),
    ("monitor", ACTS),
):
    c.JupyterHub.services.append({"name": name, "api_token": name * 6})
    c.JupyterHub.load_roles.append({"name": name, "services": [name], "scopes": scopes})
"""
"""A gateway that asks for people by a header, and another service without the scope for that."""

SPACE = "kubeflow/api/namespaces/ada"


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServiceHub]:
    hubs: list[RunningHub] = []

    async def start(config: Any, **more: Any) -> RunningHub:
        hub = RunningHub(tmp_path_factory.mktemp("doors"), config, **more)
        hubs.append(hub)
        await hub.start()
        return hub

    try:
        made = await start_service(
            start,
            python_settings=SPAWNER + FROM_REPOSITORIES + GATEWAYS,
            JHKUBE_MY_SERVERS_KUBEFLOW="true",
            JHKUBE_MY_SERVERS_RENKU_FORGE=FORGE,
        )
        for name, subject in SUBJECTS.items():
            await made.add(name, subject)
        yield made
    finally:
        for hub in hubs:
            await hub.stop()


async def ask(service: ServiceHub, method: str, path: str, body: Any = None, who: str = "ada") -> tuple[int, Any]:
    headers = {"Authorization": f"token {service.tokens[who]}"}
    async with aiohttp.request(method, f"{service.url}{path}", headers=headers, json=body) as answer:
        return answer.status, await answer.json() if answer.content_type == "application/json" else None


async def test_a_notebook_is_made_stopped_started_and_removed(service: ServiceHub):
    async def asked(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return await ask(service, method, path, body, "kay")

    status, answer = await asked("GET", "kubeflow/healthz/readiness")
    assert (status, answer) == (200, {"success": True, "status": 200, "user": ""})
    notebooks = "kubeflow/api/namespaces/kay/notebooks"
    body = {"name": "study", "cpu": "2", "memory": "3Gi"}
    status, answer = await asked("POST", notebooks, body)
    assert (status, answer["success"], answer["user"]) == (200, True, "kay"), answer
    await service.reach("kay", "study", "running")
    status, answer = await asked("GET", notebooks)
    (row,) = answer["notebooks"]
    assert (row["name"], row["cpu"], row["memory"], row["status"]["phase"]) == ("study", "2", "4Gi", "ready")
    assert (await asked("POST", notebooks, body))[0] == 409
    assert (await asked("PATCH", f"{notebooks}/study", {"stopped": True}))[0] == 200
    await service.reach("kay", "study", "stopped")
    assert (await asked("PATCH", f"{notebooks}/study", {"stopped": True}))[0] == 409
    assert (await asked("PATCH", f"{notebooks}/study", {"stopped": False}))[0] == 200
    await service.reach("kay", "study", "running")
    status, answer = await asked("GET", "renku/notebooks/servers")
    assert (answer["servers"]["study"]["status"]["state"], status) == ("running", 200)
    assert (await asked("PATCH", "renku/notebooks/servers/study", {"state": "hibernated"}))[0] == 200
    await service.reach("kay", "study", "stopped")
    assert (await asked("DELETE", f"{notebooks}/study"))[0] == 200
    status, answer = await asked("GET", f"{notebooks}/study")
    assert (status, answer["success"], answer["log"].startswith("You have no server “study”.")) == (404, False, True)


async def test_strangers_and_an_absent_cluster_are_answered_within_the_frame(service: ServiceHub):
    # What only reads would wait for the cluster a while.
    status, answer = await ask(service, "DELETE", f"{SPACE}/pvcs/claim-ada--none")
    assert (status, answer["status"], answer["log"][-1]) == (504, 504, ".")
    assert (await ask(service, "DELETE", "renku/notebooks/servers/none"))[0] == 404
    assert (await ask(service, "GET", "kubeflow/api/namespaces/eve/notebooks"))[0] == 403
    async with aiohttp.request(
        "GET", f"{service.url}{SPACE}/notebooks", headers={"kubeflow-userid": "ada"}
    ) as answer:
        assert (answer.status, (await answer.json())["user"]) == (401, "")


async def test_a_browser_shows_its_cookie_and_the_xsrf_header(service: ServiceHub):
    space = f"/services/jhkube/{SPACE}"
    script = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
    async with ServiceBrowser(service, "ada") as browser:
        await browser.open("/services/jhkube/")

        async def status_of(method: str, path: str, **headers: str) -> int:
            sent = {"json": {"stopped": True}} if method == "PATCH" else {}
            return (await browser.open(f"{space}{path}", method=method, headers=script | headers, **sent))[0]

        # Where the hub has one host for all, a page of anybody's server is of the same origin.
        assert await status_of("GET", "/notebooks") == 401
        assert (await browser.open(f"{space}/notebooks"))[0] == 200
        cookie = next(each for each in browser.session.cookie_jar if each.key == "XSRF-TOKEN")
        assert (cookie["path"], cookie["samesite"]) == ("/services/jhkube/kubeflow", "Strict")
        assert not cookie["httponly"]
        token = {"X-XSRF-TOKEN": cookie.value}
        assert await status_of("GET", "/notebooks", **token) == 200
        assert await status_of("PATCH", "/notebooks/none", **token) == 404
        assert await status_of("PATCH", "/notebooks/none", **{"X-XSRF-TOKEN": "made up"}) == 401
        assert await status_of("PATCH", "/notebooks/none") == 401
        connect = f"{service.url}kubeflow/notebook/ada/~/"
        async with browser.session.get(connect, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, "/user/ada/")


async def test_the_header_of_a_person_counts_only_from_a_gateway_with_the_scope_for_it(service: ServiceHub):
    async def asked(caller: str, *people: str, space: str = "ada", method: str = "GET") -> tuple[int, str]:
        headers = [("Authorization", f"token {caller}"), *(("kubeflow-userid", each) for each in people)]
        body = {"name": "study"} if method == "POST" else None
        url = f"{service.url}kubeflow/api/namespaces/{space}/notebooks"
        async with aiohttp.request(method, url, headers=headers, json=body) as answer:
            told = await answer.json()
            assert (told["status"], told["success"]) == (answer.status, answer.status < 400)
            return answer.status, told["user"]

    gateway, ada = "gateway" * 6, service.tokens["ada"]
    assert await asked(gateway, "ada") == (200, "ada")
    assert await asked(gateway, ":ada", method="POST") == (200, "ada")
    await service.reach("ada", "study", "running")
    # The hub lets this gateway ask for ada and for nobody else.
    assert await asked(gateway, "eve", space="eve") == (404, "eve")
    assert await asked(gateway, "nobody", space="nobody") == (404, "nobody")
    assert (await asked(gateway))[0] == 401
    assert (await asked(gateway, "ada", "eve"))[0] == 401
    assert (await asked("monitor" * 6, "ada"))[0] == 403
    assert await asked(ada, "eve") == (200, "ada")
    # What a page of another site can make a browser send without asking: the gateway adds its token all the same.
    url, plain = f"{service.url}kubeflow/api/namespaces/ada/notebooks", {"Content-Type": "text/plain"}
    for strange in (plain, {"Content-Type": "application/json", "Sec-Fetch-Site": "same-site"}):
        headers = {"Authorization": f"token {gateway}", "kubeflow-userid": "ada", **strange}
        async with aiohttp.request("POST", url, headers=headers, data='{"name": "other"}') as answer:
            assert (answer.status, "its own site" in await answer.text()) == (403, True)
    async with aiohttp.request(
        "GET", f"{service.url}api/servers", headers={"Authorization": f"token {gateway}", "kubeflow-userid": "ada"}
    ) as answer:
        # Only at a front door.
        assert answer.status == 403


async def test_a_gateway_asks_renkus_api_in_the_same_way(service: ServiceHub):
    async def asked(*headers: tuple[str, str]) -> tuple[int, Any]:
        url = f"{service.url}renku/notebooks/servers"
        async with aiohttp.request("GET", url, headers=headers) as answer:
            return answer.status, await answer.json()

    gateway = ("Authorization", f"Bearer {'gateway' * 6}")
    status, answer = await asked(gateway, ("kubeflow-userid", "ada"))
    assert (status, [*answer]) == (200, ["servers"])
    for status, *headers in (
        (404, gateway, ("kubeflow-userid", "eve")),
        (401, gateway),
        (401, gateway, ("Renku-Auth-Access-Token", "ada")),
        (401, ("Renku-Auth-Id-Token", "ada"), ("kubeflow-userid", "ada")),
        (403, ("Authorization", f"token {'monitor' * 6}"), ("kubeflow-userid", "ada")),
    ):
        found, answer = await asked(*headers)
        assert (found, answer["error"]["code"]) == (status, 1000 + status), (headers, answer)


@pytest.mark.parametrize("client", renku_clients.CLIENTS, ids=lambda client: client.__name__)
async def test_renkus_own_clients_find_what_they_read(service: ServiceHub, client: renku_clients.Client):
    """Each request that a client of Renku makes, in its order, and each field that it reads of the answer."""
    await client(renku_clients.Api(f"{service.url}renku/notebooks", service.tokens["eve"]))

"""Kubeflow's and Renku's APIs on a hub whose cluster is away: what the hub alone knows is told all the same."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.hub.conftest import StartHub
from tests.hub.service_hub import SPAWNER, SUBJECTS, ServiceBrowser, ServiceHub, start_service

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


@pytest.fixture
async def service(start_hub: StartHub) -> ServiceHub:
    made = await start_service(
        start_hub,
        python_settings=SPAWNER + GATEWAYS,
        JHKUBE_MY_SERVERS_KUBEFLOW="true",
        JHKUBE_MY_SERVERS_RENKU_FORGE="https://git.example.org",
    )
    await made.add("ada", SUBJECTS["ada"])
    return made


async def ask(service: ServiceHub, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"token {service.tokens['ada']}"}
    async with aiohttp.request(method, f"{service.url}{path}", headers=headers, json=body) as answer:
        return answer.status, await answer.json() if answer.content_type == "application/json" else None


async def test_a_notebook_is_made_stopped_started_and_removed(service: ServiceHub):
    status, answer = await ask(service, "GET", "kubeflow/healthz/readiness")
    assert (status, answer) == (200, {"success": True, "status": 200, "user": ""})
    body = {"name": "study", "cpu": "2", "memory": "3Gi"}
    status, answer = await ask(service, "POST", f"{SPACE}/notebooks", body)
    assert (status, answer["success"], answer["user"]) == (200, True, "ada"), answer
    await service.reach("ada", "study", "running")
    status, answer = await ask(service, "GET", f"{SPACE}/notebooks")
    (row,) = answer["notebooks"]
    assert (row["name"], row["cpu"], row["memory"], row["status"]["phase"]) == ("study", "2", "4Gi", "ready")
    assert (await ask(service, "POST", f"{SPACE}/notebooks", body))[0] == 409
    assert (await ask(service, "PATCH", f"{SPACE}/notebooks/study", {"stopped": True}))[0] == 200
    await service.reach("ada", "study", "stopped")
    assert (await ask(service, "PATCH", f"{SPACE}/notebooks/study", {"stopped": True}))[0] == 409
    assert (await ask(service, "PATCH", f"{SPACE}/notebooks/study", {"stopped": False}))[0] == 200
    await service.reach("ada", "study", "running")
    status, answer = await ask(service, "GET", "renku/notebooks/servers")
    assert (answer["servers"]["study"]["status"]["state"], status) == ("running", 200)
    assert (await ask(service, "PATCH", "renku/notebooks/servers/study", {"state": "hibernated"}))[0] == 200
    await service.reach("ada", "study", "stopped")
    assert (await ask(service, "DELETE", f"{SPACE}/notebooks/study"))[0] == 200
    status, answer = await ask(service, "GET", f"{SPACE}/notebooks/study")
    assert (status, answer["success"], answer["log"].startswith("You have no server “study”.")) == (404, False, True)


async def test_strangers_and_an_absent_cluster_are_answered_within_the_frame(service: ServiceHub):
    async with asyncio.timeout(180):
        (kubeflow, answer), (renku, _) = await asyncio.gather(
            ask(service, "GET", f"{SPACE}/pvcs"), ask(service, "DELETE", "renku/notebooks/servers/none")
        )
    assert (kubeflow, answer["status"], answer["log"][-1]) == (504, 504, ".")
    assert renku == 404
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
    await service.add("eve", SUBJECTS["eve"])

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
        # Only at Kubeflow's door.
        assert answer.status == 403


async def test_doors_that_are_off_are_not_there(start_hub: StartHub):
    service = await start_service(start_hub, python_settings=SPAWNER)
    await service.add("ada", SUBJECTS["ada"])
    for path in ("kubeflow/healthz/readiness", "renku/health"):
        assert (await ask(service, "GET", path))[0] == 404

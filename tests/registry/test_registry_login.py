"""How the client logs in to Debian's docker-registry: by Basic, by tokens that end, and never elsewhere."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jhkube.images.registry.client import Registry
from jhkube.images.registry.credentials import RegistryCredentials
from jhkube.images.registry.errors import RegistryDenied, RegistryError, RegistryGarbled, RegistryUnreachable

from .conftest import StartRegistry
from .servers import (
    BASIC,
    BCRYPT,
    PASSWORD,
    USER,
    Front,
    Pusher,
    RealRegistry,
    TokenServer,
    certificate_for,
)


def credentials_for(host: str, password: str = PASSWORD) -> RegistryCredentials:
    pair = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return RegistryCredentials.from_docker_config({"auths": {host: {"auth": pair}}})


@pytest_asyncio.fixture
async def basic_registry(start_registry: StartRegistry, tmp_path: Path) -> RealRegistry:
    (tmp_path / "htpasswd").write_text(f"{USER}:{BCRYPT}\n")
    return await start_registry(auth={"htpasswd": {"realm": "tests", "path": str(tmp_path / "htpasswd")}})


@pytest_asyncio.fixture
async def token_server(tmp_path: Path) -> AsyncIterator[TokenServer]:
    server = await TokenServer(tmp_path / "tokens").start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def token_registry(start_registry: StartRegistry, token_server: TokenServer) -> RealRegistry:
    registry = await start_registry(auth=token_server.auth)
    registry.seed("team/lab", ["w_2026_46", "w_2026_47"])
    registry.seed("team/other", ["latest"])
    return registry


async def test_basic_credentials_open_a_registry_with_htpasswd(basic_registry: RealRegistry) -> None:
    push = Pusher(f"http://{basic_registry.host}", headers={"Authorization": BASIC})
    pushed = await push.image("team/lab", "w_2026_46")
    async with Registry(basic_registry.host, credentials=credentials_for(basic_registry.host)) as registry:
        assert await registry.tags("team/lab") == ["w_2026_46"]
        assert await registry.digest("team/lab", "w_2026_46") == pushed
        # refused once, and then nobody has to ask any more
        assert registry.requests["tags"] == 2
        assert registry.requests["manifests"] == 1


async def test_without_credentials_the_operator_reads_that_there_are_none(basic_registry: RealRegistry) -> None:
    async with Registry(basic_registry.host, credentials=credentials_for("elsewhere.example")) as registry:
        with pytest.raises(RegistryDenied, match="none are configured"):
            await registry.tags("team/lab")


async def test_wrong_credentials_are_refused_and_not_told(basic_registry: RealRegistry) -> None:
    credentials = credentials_for(basic_registry.host, "wrong horse")
    async with Registry(basic_registry.host, credentials=credentials) as registry:
        with pytest.raises(RegistryDenied) as refused:
            await registry.tags("team/lab")
    assert "horse" not in str(refused.value)
    assert "horse" not in repr(credentials)


async def test_a_token_opens_a_registry_with_token_auth(
    token_registry: RealRegistry, token_server: TokenServer
) -> None:
    credentials = credentials_for(token_registry.host)
    async with Registry(token_registry.host, credentials=credentials, token_servers=[token_server.host]) as registry:
        assert sorted(await registry.tags("team/lab")) == ["w_2026_46", "w_2026_47"]
        await registry.digest("team/lab", "w_2026_46")
        assert len(token_server.seen) == 1
        await registry.tags("team/other")
    assert token_server.seen == [
        ("tests, and more", ["repository:team/lab:pull"], BASIC),
        ("tests, and more", ["repository:team/other:pull"], BASIC),
    ]


async def test_tokens_are_renewed_before_they_end(token_registry: RealRegistry, token_server: TokenServer) -> None:
    token_server.says = 1  # so that the registry, which takes it for longer, does not have to say so
    front = await Front(token_registry.host).start()
    async with Registry(
        front.host, credentials=credentials_for(front.host), token_servers=[token_server.host]
    ) as registry:
        began = time.monotonic()
        async with asyncio.timeout(240):
            while len(token_server.seen) < 4:
                await registry.digest("team/lab", "w_2026_46")
                await asyncio.sleep(0.1)
        # Each is used for most of its time.
        assert time.monotonic() - began >= 3 * 0.75
    assert [seen.status for seen in front.seen].count(401) == 1  # the first request of all
    await front.stop()


async def test_a_token_that_ended_too_early_is_renewed_once(
    token_registry: RealRegistry, token_server: TokenServer
) -> None:
    token_server.life, token_server.says = 5.0, 3600  # the registry takes it for 5 s
    front = await Front(token_registry.host).start()
    async with Registry(
        front.host, credentials=credentials_for(front.host), token_servers=[token_server.host]
    ) as registry:
        await registry.digest("team/lab", "w_2026_46")
        before = len(token_server.seen)
        await asyncio.sleep(6.5)
        token_server.life = 600.0
        await asyncio.gather(*(registry.digest("team/lab", "w_2026_47") for _ in range(8)))
    assert len(token_server.seen) == before + 1
    await front.stop()


async def test_many_requests_at_once_share_a_token(token_registry: RealRegistry, token_server: TokenServer) -> None:
    async with Registry(
        token_registry.host, credentials=credentials_for(token_registry.host), token_servers=[token_server.host]
    ) as registry:
        await asyncio.gather(*(registry.digest("team/lab", "w_2026_47") for _ in range(20)))
    assert len(token_server.seen) == 1


async def test_refused_credentials_at_the_token_server_are_not_told(
    token_registry: RealRegistry, token_server: TokenServer
) -> None:
    credentials = credentials_for(token_registry.host, "wrong horse")
    async with Registry(token_registry.host, credentials=credentials, token_servers=[token_server.host]) as registry:
        with pytest.raises(RegistryDenied, match=f"{token_server.host} answers HTTP 401") as refused:
            await registry.tags("team/lab")
    assert "horse" not in str(refused.value)


async def test_a_token_server_on_another_host_learns_nothing_unless_it_is_configured(
    token_registry: RealRegistry, token_server: TokenServer
) -> None:
    async with Registry(token_registry.host, credentials=credentials_for(token_registry.host)) as registry:
        with pytest.raises(RegistryDenied, match=f"{token_server.host}, another host than its own"):
            await registry.tags("team/lab")
    assert token_server.seen == []


async def test_a_token_server_at_the_registrys_own_address_needs_no_configuration(front: Front) -> None:
    async def both(request: web.Request) -> web.Response:
        if request.path == "/token":
            assert request.query.getall("scope") == ["repository:team/lab:pull,push", "registry:catalog:*"]
            return web.json_response({"access_token": "of-the-old-name"})
        if request.headers.get("Authorization") == "Bearer of-the-old-name":
            return web.json_response({"tags": ["a"]})
        challenge = (
            f'Bearer realm="http://{front.host}/token",service="x",'
            'scope="repository:team/lab:pull,push registry:catalog:*", error="insufficient, as yet"'
        )
        return web.Response(status=401, headers={"WWW-Authenticate": f'Basic realm="a, b", {challenge}'})

    front.instead = both
    async with Registry(front.host) as registry:
        assert await registry.tags("team/lab") == ["a"]


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_token_server_that_sends_us_on_is_followed_at_its_own_address_only(
    front: Front, elsewhere: bool
) -> None:
    stranger = await Front().start()
    place = f"http://{stranger.host}" if elsewhere else ""

    async def with_a_slash(request: web.Request) -> web.Response:
        if request.path == "/token":
            return web.Response(status=301, headers={"Location": f"{place}/token/?{request.query_string}"})
        if request.path == "/token/":
            assert request.headers["Authorization"] == BASIC
            assert request.query["scope"] == "repository:team/lab:pull"
            return web.json_response({"token": "x"})
        if request.headers.get("Authorization") == "Bearer x":
            return web.json_response({"tags": ["a"]})
        challenge = f'Bearer realm="http://{front.host}/token",service="x"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    front.instead = with_a_slash
    async with Registry(front.host, credentials=credentials_for(front.host)) as registry:
        if elsewhere:
            with pytest.raises(RegistryDenied, match="answers HTTP 301"):
                await registry.tags("team/lab")
        else:
            assert await registry.tags("team/lab") == ["a"]
    assert stranger.seen == []
    await stranger.stop()


async def test_an_identity_token_is_sent_in_a_form_and_never_in_an_address(front: Front) -> None:
    forms = []

    async def both(request: web.Request) -> web.Response:
        if request.path == "/token":
            forms.append((request.method, request.query_string, dict(await request.post())))
            return web.json_response({"access_token": "fresh"})
        if request.headers.get("Authorization") == "Bearer fresh":
            return web.json_response({"tags": ["a"]})
        challenge = f'Bearer realm="http://{front.host}/token",service="x"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    front.instead = both
    credentials = RegistryCredentials.from_docker_config({"auths": {front.host: {"identitytoken": "long-lived"}}})
    async with Registry(front.host, credentials=credentials) as registry:
        assert await registry.tags("team/lab") == ["a"]
    [(method, query, form)] = forms
    assert (method, query) == ("POST", "")
    assert (form["grant_type"], form["refresh_token"]) == ("refresh_token", "long-lived")


def token_registry_at(front: Front, answer: object, realm: str = "") -> None:
    """Make a front a registry with a token server that answers so."""

    async def both(request: web.Request) -> web.Response:
        if request.path == "/token":
            return web.Response(body=json.dumps(answer).encode(), content_type="application/json")
        if request.headers.get("Authorization") == "Bearer good":
            return web.json_response({"tags": ["a"]})
        challenge = f'Bearer realm="{realm or f"http://{front.host}/token"}",service="x"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    front.instead = both


@pytest.mark.parametrize("life", [10**400, -(10**400), float("inf"), float("nan"), "300", None, [], True, 0])
async def test_a_token_may_be_said_to_live_for_any_time(front: Front, life: object) -> None:
    token_registry_at(front, {"token": "good", "expires_in": life})
    async with Registry(front.host) as registry:
        assert await registry.tags("team/lab") == ["a"]


@pytest.mark.parametrize(
    "realm", ["http://", "http:///token", "http://[/", "http://h:99999/", "nowhere", "http://\u2028/"]
)
async def test_a_realm_that_is_no_address_is_an_error(front: Front, realm: str) -> None:
    token_registry_at(front, {"token": "good"}, realm)
    async with Registry(front.host) as registry:
        with pytest.raises(RegistryDenied, match="names no address of a token server"):
            await registry.tags("team/lab")


async def test_a_realm_that_is_no_host_name_is_an_error_where_it_is_configured_too(front: Front) -> None:
    token_registry_at(front, {"token": "good"}, "http://a..b/token")
    async with Registry(front.host, token_servers=["a..b"], retries=0) as registry:
        with pytest.raises(RegistryError, match=r"a\.\.b (cannot be asked|does not answer)"):
            await registry.tags("team/lab")


async def test_what_is_remembered_of_repositories_is_bounded(front: Front) -> None:
    token_registry_at(front, {"token": "good", "expires_in": 3600})
    async with Registry(front.host) as registry:
        for number in range(300):
            await registry.tags(f"typed/name{number}")
        kept = registry._authorizer
        assert {len(kept._learnt), len(kept._tokens), len(kept._renewals)} == {256}


async def test_other_accounts_are_used_without_a_new_client(basic_registry: RealRegistry) -> None:
    push = Pusher(f"http://{basic_registry.host}", headers={"Authorization": BASIC})
    await push.image("team/lab", "w_2026_46")
    async with Registry(basic_registry.host, credentials=credentials_for(basic_registry.host, "wrong")) as registry:
        with pytest.raises(RegistryDenied):
            await registry.tags("team/lab")
        registry.use_credentials(credentials_for(basic_registry.host))
        assert await registry.tags("team/lab") == ["w_2026_46"]


async def test_a_redirect_to_another_host_carries_no_credentials(basic_registry: RealRegistry) -> None:
    push = Pusher(f"http://{basic_registry.host}", headers={"Authorization": BASIC})
    digest = await push.image("team/lab", "latest", config={"created": "2026-11-20T00:00:00Z"})
    store = await Front(basic_registry.host).start()
    front = await Front(basic_registry.host).start()

    async def blobs_elsewhere(request: web.Request) -> web.Response | None:
        if "/blobs/" not in request.path:
            return None
        assert request.headers["Authorization"] == BASIC
        return web.Response(status=307, headers={"Location": f"http://{store.host}{request.path}"})

    async def add_login(request: web.Request) -> web.Response:
        async with (
            aiohttp.ClientSession(headers={"Authorization": BASIC}) as session,
            session.get(f"http://{basic_registry.host}{request.path}") as answer,
        ):
            return web.Response(body=await answer.read())

    front.instead, store.instead = blobs_elsewhere, add_login
    async with Registry(front.host, credentials=credentials_for(front.host)) as registry:
        details = await registry.image_details("team/lab", digest)
    assert details.created is not None
    assert ["Authorization" in seen.headers for seen in store.seen] == [False]
    await front.stop()
    await store.stop()


@pytest.mark.parametrize(
    "location",
    [
        "",
        "file:///etc/passwd",
        "http://[",
        "http://",
        "http:///x",
        "http://h:99999/",
        "/v2/team/lab/manifests/latest",
    ],
)
async def test_a_redirect_to_nowhere_is_an_error(front: Front, location: str) -> None:
    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": location})

    front.instead = redirect
    async with Registry(front.host) as registry:
        with pytest.raises(RegistryGarbled):
            await registry.tags("team/lab")
    assert len(front.seen) <= 6


async def test_a_registry_with_tls_is_trusted_by_its_own_ca(start_registry: StartRegistry, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "ca.pem").write_bytes(certificate_for("registry", key).public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = {"certificate": str(tmp_path / "ca.pem"), "key": str(tmp_path / "key.pem")}
    server = await start_registry(http={"tls": tls})
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    await Pusher(f"https://{server.host}", ssl=trusting).image("team/lab", "latest")
    async with Registry(f"https://{server.host}", ca_file=tmp_path / "ca.pem") as registry:
        assert await registry.tags("team/lab") == ["latest"]
    async with Registry(f"https://{server.host}") as registry:
        with pytest.raises(RegistryUnreachable, match="cannot be trusted"):
            await registry.tags("team/lab")
        assert registry.requests["tags"] == 1  # a certificate does not get better by asking again

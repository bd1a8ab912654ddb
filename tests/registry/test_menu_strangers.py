"""What one registry, one account or one person does to a menu, and that the others do not notice."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from kubernetes_asyncio import client

from jhkube.checks.registry import registry_results
from jhkube.images.image_name import NoSuchImage
from jhkube.images.menu import ImageMenu
from jhkube.images.registry.client import Registry
from jhkube.images.registry.credentials import pull_secret_content
from tests.waiting import until

from .conftest import MakeMenu, weeklies
from .servers import Front, RealRegistry, SlowPipe

CUSTOM = [{"kinds": {"weekly": 1}, "custom_images": [r"(127\.0\.0\.1|localhost):\d+/.*"]}]


@pytest_asyncio.fixture
async def stranger() -> AsyncIterator[Front]:
    front = await Front().start()
    yield front
    await front.stop()


@pytest_asyncio.fixture
async def hanging_up() -> AsyncIterator[str]:
    """A server that closes each connection once it was asked."""

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def listed(menu: ImageMenu) -> None:
    """Refresh a menu that gives up early until the one image is there: on a busy machine, that may take a few."""
    async with asyncio.timeout(240):
        await menu.refresh()
        while not menu.offer_for([]).entries:
            await menu.refresh()
    assert len(menu.offer_for([]).entries) == 1


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (307, {"Location": "http://"}, b""),
        (307, {"Location": "http://h:99999/"}, b""),
        (401, {"WWW-Authenticate": 'Bearer realm="http:///token"'}, b""),
        (
            401,
            {"WWW-Authenticate": 'Bearer realm="{own}/token"'},
            b'{"token": "x", "expires_in": 1' + b"0" * 400 + b"}",
        ),
        (200, {"Link": '<http://[>; rel="next"'}, b'{"tags": ["a"]}'),
        (200, {"Content-Encoding": "gzip"}, b"not packed"),
        (200, {}, b"[" * 100_000),
        (200, {}, b'{"tags": [' + b"[]," * 1_000_000 + b"[]]}"),
        (503, {"Retry-After": "1" * 400}, b""),
        (503, {"Retry-After": "infinity"}, b""),
    ],
)
async def test_an_odd_registry_is_shown_as_failed_and_the_others_are_listed(
    stranger: Front,
    open_registry: RealRegistry,
    repository: str,
    make_menu: MakeMenu,
    status: int,
    headers: dict[str, str],
    body: bytes,
) -> None:
    open_registry.seed(repository, ["w_2026_46"])
    sent = {name: value.replace("{own}", f"http://{stranger.host}") for name, value in headers.items()}

    async def odd(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.path == "/token" else status, headers=sent, body=body)

    stranger.instead = odd
    menu = make_menu(f"{stranger.host}/lab", f"{open_registry.host}/{repository}")
    await menu.refresh()
    assert menu.is_settled
    assert [entry.tag.tag for entry in menu.offer_for([]).entries] == ["w_2026_46"]
    assert [error.split(": ")[0] for error in menu.current.errors] == [f"{stranger.host}/lab"]


async def test_a_registry_that_hangs_up_is_shown_as_failed(
    hanging_up: str, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, ["w_2026_46"])
    menu = make_menu(f"{hanging_up}/lab", f"{open_registry.host}/{repository}", offers=CUSTOM)
    await menu.refresh()
    assert "does not answer" in menu.current.errors[0]
    assert len(menu.offer_for([]).entries) == 1
    with pytest.raises(NoSuchImage, match="cannot be checked now"):
        await menu.check_custom_image(f"{hanging_up}/team/lab:x", menu.offer_for([]))


async def test_an_error_that_nobody_thought_of_ends_at_its_repository(
    open_registry: RealRegistry,
    repository: str,
    make_menu: MakeMenu,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    open_registry.seed(repository, ["w_2026_46"])
    tags = Registry.tags

    async def failing(registry: Registry, path: str) -> list[str]:
        if path == "odd":
            raise ZeroDivisionError("by a registry")
        return await tags(registry, path)

    monkeypatch.setattr(Registry, "tags", failing)
    menu = make_menu(f"{open_registry.host}/odd", f"{open_registry.host}/{repository}")
    menu.on_change(lambda _: 1 // 0)
    await menu.refresh()
    assert len(menu.offer_for([]).entries) == 1
    assert "gives no usable answer" in menu.current.errors[0]
    assert "ZeroDivisionError: by a registry" in caplog.text


@pytest.mark.parametrize("result", [KeyError("hush"), ValueError("hush"), None, 7, ["hush"], {"auths": ["hush"]}])
async def test_a_loader_that_fails_costs_a_warning_without_its_words(
    open_registry: RealRegistry,
    repository: str,
    make_menu: MakeMenu,
    caplog: pytest.LogCaptureFixture,
    result: object,
) -> None:
    open_registry.seed(repository, ["w_2026_46"])

    def load() -> object:
        if isinstance(result, Exception):
            raise result
        return result

    menu = make_menu(f"{open_registry.host}/{repository}", credentials_loader=load)
    await menu.refresh()
    assert menu.is_settled
    assert len(menu.offer_for([]).entries) == 1
    assert "accounts for the registries were not read" in caplog.text
    assert "hush" not in caplog.text
    with pytest.raises(ValueError):
        await menu.configured_accounts()


async def test_a_loader_that_never_returns_is_given_up(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, ["w_2026_46"])
    menu = make_menu(
        f"{open_registry.host}/{repository}", credentials_loader=asyncio.Event().wait, refresh_timeout=0.5
    )
    await listed(menu)


async def test_a_function_that_blocks_holds_up_nobody_and_is_called_once_at_a_time(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, ["w_2026_46"])
    go_on, calls = threading.Event(), 0

    def load() -> dict[str, object]:
        nonlocal calls
        calls += 1
        go_on.wait()
        return {"auths": {"quay.io": {"username": "ada", "password": "x"}}}

    menu = make_menu(f"{open_registry.host}/{repository}", credentials_loader=load, refresh_timeout=0.5)
    try:
        await menu.refresh()
        await listed(menu)
        assert calls == 1
    finally:
        go_on.set()
    assert "quay.io" in (await menu.configured_accounts()).accounts


@pytest.mark.parametrize("error", [StopIteration, SystemExit])
async def test_a_loader_cannot_end_the_hub(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu, error: type[BaseException]
) -> None:
    def load() -> object:
        raise error("hush")

    menu = make_menu(f"{open_registry.host}/{repository}", credentials_loader=load)
    with pytest.raises(ValueError, match=f"^c.ImageMenu.credentials_loader raised {error.__name__}$"):
        await menu.configured_accounts()


async def test_a_function_may_return_a_coroutine(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    async def load() -> dict[str, object]:
        return {"auths": {"quay.io": {"username": "ada", "password": "x"}}}

    menu = make_menu(f"{open_registry.host}/{repository}", credentials_loader=lambda: load())
    both = await asyncio.gather(menu.configured_accounts(), menu.configured_accounts())
    assert all("quay.io" in each.accounts for each in both)


async def test_an_entry_of_the_accounts_that_cannot_be_read_is_told_once(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu, caplog: pytest.LogCaptureFixture
) -> None:
    accounts = {"auths": {"bad.example": {"auth": "!"}, "quay.io": {"username": "a", "password": "b"}}}
    menu = make_menu(f"{open_registry.host}/{repository}", credentials_loader=lambda: accounts)
    await menu.refresh()
    await menu.refresh()
    assert caplog.text.count("entry for bad.example is left out") == 1


async def test_the_check_names_an_entry_that_cannot_be_read(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, ["w_2026_46"])
    menu = make_menu(
        f"{open_registry.host}/{repository}", credentials_loader=lambda: {"auths": {"bad.example": {"auth": "!"}}}
    )
    fault, answer = [result async for result in registry_results(menu)]
    assert "entry for bad.example is left out" in fault.text
    assert "answers; 1 image is offered" in answer.text


async def test_an_api_server_that_hangs_up_is_an_error_that_names_the_secret(hanging_up: str) -> None:
    async def read() -> None:
        # the client is the loop's, so this loop is its own
        before = client.Configuration.get_default_copy()
        client.Configuration.set_default(client.Configuration(host=f"http://{hanging_up}"))
        try:
            await pull_secret_content("pull", "labs")
        finally:
            client.Configuration.set_default(before)

    with pytest.raises(ValueError, match="the Secret labs/pull cannot be read: the API server does not answer"):
        await asyncio.to_thread(asyncio.run, read())


async def test_pages_without_end_keep_no_other_registry_from_being_listed(
    stranger: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, ["w_2026_46"])

    async def endless(request: web.Request) -> web.Response:
        await asyncio.sleep(0.01)
        number = int(request.query.get("page", "0")) + 1
        link = {"Link": f'<{request.path}?page={number}>; rel="next"'}
        return web.json_response({"tags": [f"w_2026_{number}"]}, headers=link)

    stranger.instead = endless
    menu = make_menu(f"{stranger.host}/lab", f"{open_registry.host}/{repository}", refresh_timeout=1)
    await listed(menu)
    assert "does not answer" in menu.current.errors[0]
    assert "did not answer everything in 1 s" in str(menu.failures[f"{stranger.host}/lab"])


async def test_what_was_learnt_before_a_refresh_was_given_up_is_kept(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, weeklies(46, 47))

    async def one_hangs(request: web.Request) -> web.Response | None:
        if request.path.endswith("w_2026_46"):
            await asyncio.sleep(600)
        return None

    front.instead = one_hangs
    menu = make_menu(f"{front.host}/{repository}", refresh_timeout=2)
    async with asyncio.timeout(240):
        # On a busy machine, one refresh may be given up before it has learnt anything.
        while not any(entry.digest for entry in menu.offer_for([]).entries):
            await menu.refresh()
            assert "did not answer everything in 2 s" in str(menu.failures[f"{front.host}/{repository}"])
    newest, older = menu.offer_for([]).entries
    assert newest.digest
    assert not older.digest


async def test_a_registry_that_drips_holds_only_its_own_connections(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    digests = open_registry.seed(repository, weeklies(1, 47))
    pipe = await SlowPipe(open_registry.port, bytes_per_second=0).start()
    slow = [f"{pipe.host}/part{number}" for number in range(9)]
    menu = make_menu(*slow, f"{open_registry.host}/{repository}", concurrency=2, request_timeout=600)
    refresh = asyncio.create_task(menu.refresh())
    async with asyncio.timeout(240):
        while len(menu.offer_for([]).entries) < 2:
            await asyncio.sleep(0.05)
        chosen = menu.offer_for([]).find("w_2026_03")
        assert chosen is not None
        assert (await menu.resolved(chosen)).digest == digests["w_2026_03"]
    assert not refresh.done()
    await menu.stop()
    await pipe.stop()


async def test_people_who_wait_do_not_wait_for_the_background(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, weeklies(1, 47))
    menu = make_menu(f"{front.host}/{repository}", concurrency=1, request_timeout=600)
    await menu.refresh()

    asked = asyncio.Event()

    async def lists_hang(request: web.Request) -> web.Response | None:
        if "/tags/" in request.path:
            asked.set()
            await asyncio.sleep(600)
        return None

    front.instead = lists_hang
    refresh = asyncio.create_task(menu.refresh())
    chosen = menu.offer_for([]).find("w_2026_03")
    assert chosen is not None
    async with asyncio.timeout(240):
        await asked.wait()
        assert (await menu.resolved(chosen)).digest
    assert not refresh.done()
    await menu.stop()


async def test_sixteen_look_ups_of_a_typed_image_hold_nobody_up(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, weeklies(46, 47))
    pipe = await SlowPipe(open_registry.port, bytes_per_second=0).start()
    menu = make_menu(f"{front.host}/{repository}", offers=CUSTOM, request_timeout=600)

    async def typed(host: str) -> str:
        return (await menu.check_custom_image(f"{host}/{repository}:w_2026_46", menu.offer_for([]))).digest

    look_ups = [asyncio.create_task(typed(pipe.host)) for _ in range(16)]
    await until(lambda: pipe.connections)
    async with asyncio.timeout(240):
        await menu.refresh()
        assert menu.current.errors == ()
        assert await typed(f"localhost:{open_registry.port}") == await typed(front.host)
    assert not any(each.done() for each in look_ups)
    await pipe.stop()
    results = await asyncio.gather(*look_ups, return_exceptions=True)
    assert all(isinstance(result, NoSuchImage) for result in results)
    assert [registry.host for registry in menu._clients] == [front.host, front.host]


async def test_accounts_that_change_close_no_client_under_somebody_who_waits(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    digests = open_registry.seed(repository, weeklies(1, 47))
    passwords = iter("abcdef")
    menu: ImageMenu = make_menu(
        f"{front.host}/{repository}",
        credentials_loader=lambda: {"auths": {front.host: {"username": "u", "password": next(passwords)}}},
        request_timeout=600,
    )
    await menu.refresh()

    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(request: web.Request) -> web.Response | None:
        if request.path.endswith("w_2026_03"):
            asked.set()
            await go_on.wait()
        return None

    front.instead = slowly
    chosen = menu.offer_for([]).find("w_2026_03")
    assert chosen is not None
    waiting = asyncio.create_task(menu.resolved(chosen))
    async with asyncio.timeout(240):
        await asked.wait()
    await menu.refresh()
    assert not waiting.done()
    go_on.set()
    assert (await waiting).digest == digests["w_2026_03"]
    assert json.dumps(menu.requests)

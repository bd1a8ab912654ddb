"""The menu while its registry is stopped, slow, emptied, garbled or refuses; and the menu that is kept on disk."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
import time
from pathlib import Path

import pytest
from aiohttp import web

from jhkube.images.image_name import NoSuchImage
from jhkube.images.menu import ImageMenu
from tests.ports import free_port
from tests.waiting import until

from .conftest import ONE_OF_EACH, MakeMenu, StartRegistry, weeklies
from .servers import BCRYPT, PASSWORD, USER, Front, Pusher, RealRegistry, SlowPipe


def shown(menu: ImageMenu) -> list[str]:
    return [entry.tag.tag for entry in menu.current.entries]


async def test_a_registry_that_stops_leaves_the_menu_and_one_that_is_back_brings_it_up_to_date(
    start_registry: StartRegistry, make_menu: MakeMenu, caplog: pytest.LogCaptureFixture
) -> None:
    registry = await start_registry()
    registry.seed("lab", weeklies(45, 46))
    menu = make_menu(f"{registry.host}/lab", refresh_interval=0.2)
    menu.start()
    await until(lambda: shown(menu) == ["w_2026_46", "w_2026_45"])
    refreshed = menu.current.refreshed_at
    registry.stop()
    await until(lambda: bool(menu.current.errors))
    assert shown(menu) == ["w_2026_46", "w_2026_45"]
    assert menu.current.errors == (
        f"{registry.host}/lab: Its registry does not answer; the list shows the images that it had before.",
    )
    assert menu.current.refreshed_at is not None
    assert refreshed is not None
    assert menu.current.refreshed_at < time.time()
    assert "does not answer" in str(menu.failures[f"{registry.host}/lab"])
    registry.seed("lab", ["w_2026_47"])
    await registry.start()
    await until(lambda: not menu.current.errors)
    assert shown(menu) == ["w_2026_47", "w_2026_46", "w_2026_45"]
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) <= 1


async def test_a_registry_that_fails_half_way_loses_nothing(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, weeklies(45, 46))
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    open_registry.seed(repository, ["w_2026_47"])

    async def no_manifests(request: web.Request) -> web.Response | None:
        return web.Response(status=403) if "/manifests/" in request.path else None

    front.instead = no_manifests
    await menu.refresh()
    assert shown(menu) == ["w_2026_47", "w_2026_46", "w_2026_45"]
    assert menu.current.find("w_2026_46").digest  # type: ignore[union-attr]
    [error] = menu.current.errors
    assert "does not let the hub in" in error
    front.instead = None
    await menu.refresh()
    assert menu.current.errors == ()
    assert menu.current.find("w_2026_47").digest  # type: ignore[union-attr]


async def test_a_slow_registry_keeps_nobody_waiting(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, weeklies(1, 47))
    pipe = await SlowPipe(open_registry.port, bytes_per_second=0).start()
    menu = make_menu(f"{pipe.host}/{repository}", f"{front.host}/{repository}", request_timeout=120)
    refresh = asyncio.create_task(menu.refresh())
    await until(lambda: len(menu.current.entries) == 47)  # the other one's, long before the refresh ends
    assert not refresh.done()
    assert len(menu.offer_for([]).entries) == 2
    pipe.bytes_per_second = 50_000
    await refresh
    assert len(menu.current.entries) == 94
    assert menu.current.errors == ()
    await pipe.stop()


async def test_the_menu_is_as_old_as_its_oldest_part(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, ["w_2026_46"])
    menu = make_menu(f"{open_registry.host}/{repository}", f"{front.host}/{repository}", "127.0.0.1:1/never")
    await menu.refresh()
    first, after = menu.current.refreshed_at, time.time()
    assert first is not None

    async def closed(request: web.Request) -> web.Response:
        return web.Response(status=403)

    front.instead = closed
    await menu.refresh()
    assert menu.current.refreshed_at is not None
    assert first <= menu.current.refreshed_at <= after
    assert [error.split(":")[0] for error in menu.current.errors] == ["127.0.0.1", "127.0.0.1"]


async def test_a_repository_that_is_emptied_is_believed_at_the_third_time(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, weeklies(45, 46))
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    open_registry.empty(repository)
    for _ in range(2):
        await menu.refresh()
        assert shown(menu) == ["w_2026_46", "w_2026_45"]
        assert len(menu.current.errors) == 1
    await menu.refresh()
    assert menu.current.entries == ()
    assert menu.current.errors == ()
    open_registry.seed(repository, ["w_2026_47"])
    await menu.refresh()
    assert shown(menu) == ["w_2026_47"]


async def test_a_later_page_that_is_missing_empties_nothing(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, weeklies(41, 47))
    front = await Front(open_registry.host, page_size=3).start()
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    assert len(shown(menu)) == 7

    async def first_page_alone(request: web.Request) -> web.Response | None:
        return web.Response(status=404) if "last" in request.query else None

    front.instead = first_page_alone
    for _ in range(4):
        await menu.refresh()
        assert len(shown(menu)) == 7
        assert "gives no usable answer" in menu.current.errors[0]
    front.instead = None
    await menu.refresh()
    assert menu.current.errors == ()
    await front.stop()


async def test_a_registry_that_came_back_without_its_volume_is_doubted_too(
    start_registry: StartRegistry, make_menu: MakeMenu
) -> None:
    registry = await start_registry()
    registry.seed("lab", ["w_2026_46"])
    menu = make_menu(f"{registry.host}/lab")
    await menu.refresh()
    registry.stop()
    registry.storage.rename(registry.directory / "aside")
    await registry.start()
    await menu.refresh()
    assert shown(menu) == ["w_2026_46"]
    assert len(menu.current.errors) == 1
    registry.stop()
    (registry.directory / "aside").rename(registry.storage)
    await registry.start()
    await menu.refresh()
    assert (shown(menu), menu.current.errors) == (["w_2026_46"], ())


async def test_a_tag_whose_file_is_damaged_costs_only_itself(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    digests = open_registry.seed(repository, ["recommended", "w_2026_45", "w_2026_46"])
    file = open_registry.repository_directory(repository) / "_manifests/tags/recommended/current/link"
    link = file.read_text()
    file.write_text("")  # a crash leaves such a file, and the registry answers HTTP 500 for it
    menu = make_menu(f"{open_registry.host}/{repository}", describe_images=True)
    for _ in range(2):
        await menu.refresh()
        assert menu.failures == {}
        offered = menu.offer_for([]).entries
        assert [entry.digest for entry in offered] == [digests["w_2026_46"], digests["w_2026_45"]]
        assert all(entry.details for entry in offered)
    file.write_text(link)
    await menu.refresh()
    assert digests["recommended"] in [entry.digest for entry in menu.offer_for([]).entries]


async def test_a_registry_that_fails_at_every_tag_is_shown_as_failed(
    open_registry: RealRegistry, front: Front, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, weeklies(1, 47))

    async def broken(request: web.Request) -> web.Response | None:
        return web.Response(status=500) if "/manifests/" in request.path else None

    front.instead = broken
    menu = make_menu(f"{front.host}/{repository}", offers=[{"kinds": {"weekly": 47}}])
    await menu.refresh()
    assert "does not answer" in menu.current.errors[0]
    assert front.count("manifests") < 47 * 4 / 2  # it is not asked for all


@pytest.mark.parametrize("body", [b"<html>maintenance</html>", b"{}", b'{"tags": 7}', b""])
async def test_a_garbled_answer_leaves_the_menu(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu, body: bytes
) -> None:
    open_registry.seed(repository, ["w_2026_46"])
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()

    async def garbled(request: web.Request) -> web.Response:
        return web.Response(body=body)

    front.instead = garbled
    await menu.refresh()
    assert shown(menu) == ["w_2026_46"]
    assert "gives no usable answer; the list shows the images that it had before" in menu.current.errors[0]


async def test_a_repository_that_never_was_is_said_not_to_be_there(
    open_registry: RealRegistry, make_menu: MakeMenu
) -> None:
    menu = make_menu(f"{open_registry.host}/no/such")
    assert not menu.is_settled
    await menu.refresh()
    assert menu.is_settled
    assert menu.current.errors == (
        f"{open_registry.host}/no/such: Its registry says that there is no such repository.",
    )
    assert menu.current.refreshed_at is None


async def test_a_hub_that_starts_while_the_registry_is_down_has_the_menu_of_before(
    start_registry: StartRegistry, make_menu: MakeMenu, tmp_path: Path
) -> None:
    registry = await start_registry()
    pusher = Pusher(f"http://{registry.host}")
    await pusher.image("lab", "w_2026_46", "recommended", config={"created": "2026-11-20T08:00:00Z"}, layers=(9,))
    registry.seed("lab", weeklies(40, 45))
    settings = {"cache_file": str(tmp_path / "menu.json"), "describe_images": True}
    before = make_menu(f"{registry.host}/lab", **settings)
    await before.refresh()
    registry.stop()
    menu = make_menu(f"{registry.host}/lab", **settings)
    assert menu.current.entries == before.current.entries
    assert menu.is_settled
    assert menu.current.refreshed_at == before.current.refreshed_at
    assert [entry.image for entry in menu.offer_for([]).entries] == [
        entry.image for entry in before.offer_for([]).entries
    ]
    details = menu.current.find("recommended").details  # type: ignore[union-attr]
    assert details is not None
    assert details.created is not None
    await menu.refresh()
    assert menu.current.entries == before.current.entries
    assert len(menu.current.errors) == 1


async def test_a_hub_that_starts_again_asks_for_no_digest_twice(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu, tmp_path: Path
) -> None:
    open_registry.seed(repository, weeklies(1, 47))
    settings = {"cache_file": str(tmp_path / "menu.json"), "describe_images": True}
    await make_menu(f"{front.host}/{repository}", **settings).refresh()
    front.forget()
    await make_menu(f"{front.host}/{repository}", **settings).refresh()
    assert (front.count(), front.count("tags")) == (1, 1)


async def test_the_kept_menu_is_for_the_hubs_eyes_and_without_secrets(
    start_registry: StartRegistry, make_menu: MakeMenu, tmp_path: Path
) -> None:
    (tmp_path / "htpasswd").write_text(f"{USER}:{BCRYPT}\n")
    registry = await start_registry(auth={"htpasswd": {"realm": "x", "path": str(tmp_path / "htpasswd")}})
    registry.seed("lab", ["w_2026_46"])
    file = tmp_path / "menu.json"
    accounts = {"auths": {registry.host: {"username": USER, "password": PASSWORD}}}
    menu = make_menu(f"{registry.host}/lab", cache_file=str(file), credentials_loader=lambda: accounts)
    await menu.refresh()
    assert shown(menu) == ["w_2026_46"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    assert [path.name for path in tmp_path.glob("*menu*")] == ["menu.json"]


GOOD = {"refreshed_at": 1.0, "tags": ["w_2026_46"], "digests": {}, "unnamed": [], "details": {}}

DETAILS = {"created": None, "size": 1, "title": "", "description": "", "version": "", "architectures": []}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param('{"version": 1, "repositories": {"', id="half a file"),
        pytest.param("[]", id="a list"),
        pytest.param('{"version": 2, "repositories": {}}', id="of a later version"),
        pytest.param('{"version": 1, "repositories": {"localhost:1/lab": []}}', id="no listing"),
        pytest.param({**GOOD, "tags": ["<script>"]}, id="no tag"),
        pytest.param({**GOOD, "tags": None}, id="no tags"),
        pytest.param({**GOOD, "digests": {"w_2026_46": ["latest", 1]}}, id="no digest"),
        pytest.param({**GOOD, "digests": {"w_2026_46": 7}}, id="digests of another shape"),
        pytest.param({**GOOD, "refreshed_at": "yesterday"}, id="no time"),
        pytest.param({**GOOD, "details": {"x": {"created": "never"}}}, id="no details"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param("[" * 100_000, id="deep nesting"),
        pytest.param({**GOOD, "refreshed_at": float("inf")}, id="an infinite time"),
        pytest.param({**GOOD, "refreshed_at": float("nan")}, id="a time that is no number"),
        pytest.param({**GOOD, "refreshed_at": 10**400}, id="a time of 400 digits"),
        pytest.param({**GOOD, "refreshed_at": -1}, id="a time before time"),
        pytest.param({**GOOD, "digests": {"w_2026_46": ["", float("nan")]}}, id="a digest asked for at no time"),
        pytest.param({**GOOD, "missing": {"w_2026_46": 7}}, id="missing since no time"),
        pytest.param({**GOOD, "missing": []}, id="missing of another shape"),
        pytest.param({**GOOD, "details": {"x": {**DETAILS, "size": float("inf")}}}, id="an infinite size"),
        pytest.param({**GOOD, "details": {"x": {**DETAILS, "title": 7}}}, id="a title that is no text"),
        pytest.param({**GOOD, "unnamed": [1, "a"]}, id="aliases of different kinds"),
    ],
)
async def test_a_kept_menu_that_cannot_be_read_is_left_aside_with_a_warning(
    tmp_path: Path, make_menu: MakeMenu, caplog: pytest.LogCaptureFixture, content: str | bytes | dict[str, object]
) -> None:
    file = tmp_path / "menu.json"
    if isinstance(content, dict):
        content = json.dumps({"version": 1, "repositories": {"localhost:1/lab": content}})
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    menu = make_menu("localhost:1/lab", cache_file=str(file))
    assert menu.current.entries == ()
    assert f"kept in {file} is not used" in caplog.text


async def test_a_part_of_the_kept_menu_that_is_damaged_costs_only_itself(tmp_path: Path, make_menu: MakeMenu) -> None:
    file = tmp_path / "menu.json"
    parts = {"localhost:1/lab": {"tags": 7}, "localhost:1/other": {**GOOD, "tags": ["w_2026_46", "w_2026_46"]}}
    file.write_text(json.dumps({"version": 1, "repositories": parts}))
    menu = make_menu("localhost:1/lab", "localhost:1/other", cache_file=str(file))
    assert shown(menu) == ["w_2026_46"]


async def test_a_kept_menu_of_tomorrow_is_of_now(tmp_path: Path, make_menu: MakeMenu) -> None:
    file = tmp_path / "menu.json"
    tomorrow = time.time() + 86400
    digests = {"w_2026_46": ["sha256:" + "a" * 64, tomorrow]}
    naive = {"sha256:" + "a" * 64: {**DETAILS, "created": "2026-11-20T08:00:00", "title": "x"}}
    listing = {**GOOD, "refreshed_at": tomorrow, "digests": digests, "details": naive}
    file.write_text(json.dumps({"version": 1, "repositories": {"localhost:1/lab": listing}}))
    menu = make_menu("localhost:1/lab", cache_file=str(file))
    assert menu.current.refreshed_at is not None
    assert menu.current.refreshed_at <= time.time()
    [entry] = menu.current.entries
    assert entry.details is not None
    assert entry.details.created is not None
    assert entry.details.created.tzinfo is not None


async def test_a_place_that_cannot_be_written_costs_a_warning_only(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu, caplog: pytest.LogCaptureFixture
) -> None:
    open_registry.seed(repository, ["w_2026_46"])
    menu = make_menu(f"{open_registry.host}/{repository}", cache_file="/nowhere/menu.json")
    await menu.refresh()
    assert shown(menu) == ["w_2026_46"]
    assert "is not kept in /nowhere/menu.json" in caplog.text


async def test_accounts_that_change_are_used_at_the_next_refresh(
    start_registry: StartRegistry, make_menu: MakeMenu, tmp_path: Path
) -> None:
    (tmp_path / "htpasswd").write_text(f"{USER}:{BCRYPT}\n")
    registry = await start_registry(auth={"htpasswd": {"realm": "x", "path": str(tmp_path / "htpasswd")}})
    registry.seed("lab", ["w_2026_46"])
    file = tmp_path / "config.json"
    menu = make_menu(f"{registry.host}/lab", credentials_file=str(file))
    await menu.refresh()
    assert "does not let the hub in" in menu.current.errors[0]
    file.write_text(json.dumps({"auths": {registry.host: {"username": USER, "password": PASSWORD}}}))
    await menu.refresh()
    assert (shown(menu), menu.current.errors) == (["w_2026_46"], ())
    file.write_text("half a fi")
    await menu.refresh()
    assert menu.current.errors == ()


CUSTOM = [{"kinds": {"weekly": 1}, "custom_images": [r"127\.0\.0\.1:\d+/team/.*"]}]


async def test_a_typed_image_that_exists_is_run_by_its_digest(
    open_registry: RealRegistry, pusher: Pusher, make_menu: MakeMenu
) -> None:
    digest = await pusher.image("team/typed", "mine")
    menu = make_menu(offers=CUSTOM)
    name = f"{open_registry.host}/team/typed"
    for image in (f"{name}:mine", f"{name}@{digest}", f" {name}:mine "):
        entry = await menu.check_custom_image(image, menu.offer_for([]))
        assert entry.image == f"{name}@{digest}"


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("{host}/team/typed:gone", "There is no such tag: the registry has no {host}/team/typed:gone"),
        ("{host}/team/nothing", "There is no such tag: the registry has no {host}/team/nothing:latest"),
        ("{host}/other/typed:mine", "This image is not allowed on this hub"),
        ("x.{host}/team/typed:mine", "This image is not allowed on this hub"),
        ("{host}/team/typed:mine; evil", "This is not an image"),
        ("{host}/team/../other:mine", "This is not an image"),
        ("registry.example:99999/x", "This is not an image"),
        ("a..b/x", "This is not an image"),
        ("", "This is not an image"),
    ],
)
async def test_a_typed_image_that_cannot_be_had_is_refused_with_a_sentence(
    open_registry: RealRegistry, pusher: Pusher, make_menu: MakeMenu, image: str, sentence: str
) -> None:
    await pusher.image("team/typed", "mine")
    menu = make_menu(offers=CUSTOM)
    with pytest.raises(NoSuchImage) as refused:
        await menu.check_custom_image(image.format(host=open_registry.host), menu.offer_for([]))
    assert sentence.format(host=open_registry.host) in str(refused.value)


async def test_a_typed_image_whose_registry_is_down_is_refused_at_once(make_menu: MakeMenu) -> None:
    menu = make_menu(offers=CUSTOM, request_timeout=600)
    async with asyncio.timeout(240):
        with pytest.raises(NoSuchImage, match="cannot be checked now"):
            await menu.check_custom_image(f"127.0.0.1:{free_port()}/team/lab:x", menu.offer_for([]))


async def test_a_typed_image_whose_registry_says_nothing_is_refused_in_time(
    open_registry: RealRegistry, make_menu: MakeMenu
) -> None:
    pipe = await SlowPipe(open_registry.port, bytes_per_second=0).start()
    menu = make_menu(offers=CUSTOM, request_timeout=0.5)
    with pytest.raises(NoSuchImage, match="cannot be checked now"):
        await menu.check_custom_image(f"{pipe.host}/team/lab:x", menu.offer_for([]))
    await pipe.stop()


async def test_a_tag_that_is_gone_when_it_is_chosen_is_said_to_be_gone(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    digests = open_registry.seed(repository, weeklies(1, 47))
    menu = make_menu(f"{open_registry.host}/{repository}", offers=ONE_OF_EACH)
    await menu.refresh()
    chosen = menu.offer_for([]).find("w_2026_01")
    assert chosen is not None
    open_registry.delete_manifest(repository, digests["w_2026_01"])
    open_registry.untag(repository, "w_2026_01")
    with pytest.raises(NoSuchImage, match="no such tag"):
        await menu.resolved(chosen)

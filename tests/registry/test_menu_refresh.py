"""The menu beside a real registry: what a refresh asks, and what the menu then says."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from jhkube.images.entries import Menu
from jhkube.images.image_tag import TagKind
from jhkube.images.menu_cache import Missing
from jhkube.prepull.plan import wanted_images
from tests.waiting import until

from .conftest import MakeMenu, StartRegistry, weeklies
from .servers import Front, Pusher, RealRegistry


def texts(menu: Menu) -> list[list[str]]:
    """Return the tags of each entry."""
    return [[tag.tag for tag in entry.tags] for entry in menu.entries]


async def test_the_menu_has_every_tag_newest_first(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, ["w_2026_46", "something", "w_2026_47", "d_2026_11_20", "r27_0_1", "w_2026_09"])
    menu = make_menu(f"{front.host}/{repository}")
    began = time.time()
    assert menu.current.entries == ()
    await menu.refresh()
    assert texts(menu.current) == [
        ["r27_0_1"],
        ["w_2026_47"],
        ["w_2026_46"],
        ["w_2026_09"],
        ["d_2026_11_20"],
        ["something"],
    ]
    assert menu.current.errors == ()
    assert menu.current.refreshed_at is not None
    assert began <= menu.current.refreshed_at <= time.time()


async def test_what_is_offered_is_run_by_the_digest_that_was_pushed(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    digests = open_registry.seed(repository, weeklies(40, 47))
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    assert [entry.image for entry in menu.offer_for([]).entries] == [
        f"{front.host}/{repository}@{digests['w_2026_47']}",
        f"{front.host}/{repository}@{digests['w_2026_46']}",
    ]


async def test_a_first_refresh_asks_for_the_pages_and_for_what_is_offered(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, [*weeklies(1, 47), "latest", "r27_0_1"])
    front = await Front(open_registry.host, page_size=10).start()
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    # latest names no other image here, so that the others are looked through for it once
    offered = {"latest", "r27_0_1", "w_2026_47", "w_2026_46"}
    assert front.count("tags") == 5
    assert offered <= {seen.path.split("/")[-1] for seen in front.seen}
    assert front.count("manifests") == len({seen.path for seen in front.seen if seen.what == "manifests"})
    await front.stop()


async def test_of_several_hubs_with_one_cache_file_one_asks_and_the_others_read(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu, tmp_path: Path
) -> None:
    open_registry.seed(repository, weeklies(45, 46))
    name = f"{front.host}/{repository}"
    shared = {"cache_file": str(tmp_path / "menu.json"), "shared_cache": True, "refresh_interval": 0.3}
    first, second = make_menu(name, **shared), make_menu(name, **shared)
    first.start()
    await until(lambda: first.current.refreshed_at is not None)
    open_registry.seed(repository, ["w_2026_47"])
    await until(lambda: len(first.current.entries) == 3)
    second.start()
    await until(lambda: len(second.current.entries) == 3)
    assert [entry.image for entry in second.offer_for([]).entries] == [
        entry.image for entry in first.offer_for([]).entries
    ]
    # Which of them asks does not matter.
    open_registry.seed(repository, ["w_2026_48"])
    await until(lambda: len(first.current.entries) == len(second.current.entries) == 4)
    await first.stop()
    # The other one goes on alone.
    open_registry.seed(repository, ["w_2026_49"])
    await until(lambda: len(second.current.entries) == 5)


async def test_a_hub_that_cannot_reach_the_registry_leaves_the_shared_file_to_others(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu, tmp_path: Path
) -> None:
    open_registry.seed(repository, weeklies(45, 46))
    name = f"{front.host}/{repository}"
    shared = {"cache_file": str(tmp_path / "menu.json"), "shared_cache": True}
    cut_off, other = make_menu(name, **shared), make_menu(name, **shared)
    await cut_off.refresh()
    assert await other._take_over() == []
    assert (texts(other.current), other.requests) == (texts(cut_off.current), {})
    assert await other._take_over() == other._sources
    written = (tmp_path / "menu.json").read_bytes()

    async def denied(request: web.Request) -> web.Response:
        return web.Response(status=403)

    front.instead = denied
    await cut_off.refresh()
    assert cut_off.current.errors
    assert (tmp_path / "menu.json").read_bytes() == written
    front.instead = None
    open_registry.seed(repository, ["w_2026_47"])
    await other.refresh()
    assert await cut_off._take_over() == []
    assert (texts(cut_off.current), cut_off.current.errors) == (texts(other.current), ())


async def test_a_hub_that_takes_over_the_menu_reads_its_own_accounts(
    open_registry: RealRegistry, repository: str, make_menu: MakeMenu, tmp_path: Path
) -> None:
    open_registry.seed(repository, weeklies(45, 46))
    read: list[str] = []

    async def load() -> dict[str, object]:
        read.append("")
        return {}

    shared = {"cache_file": str(tmp_path / "menu.json"), "shared_cache": True}
    name = f"{open_registry.host}/{repository}"
    one, other = make_menu(name, **shared), make_menu(name, credentials_loader=load, **shared)
    await one.refresh()
    assert await other._take_over() == []
    assert read


async def test_a_repository_that_fails_keeps_no_other_one_out_of_the_shared_file(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu, tmp_path: Path
) -> None:
    open_registry.seed(repository, weeklies(45, 46))
    good, failing = f"{open_registry.host}/{repository}", f"{front.host}/{repository}-b"
    shared = {"cache_file": str(tmp_path / "menu.json"), "shared_cache": True}
    first, second = (make_menu(good, failing, **shared) for _ in range(2))
    await first.refresh()
    assert list(first.failures) == [failing]
    # What the first one has learnt is not asked again; the other repository may answer this hub.
    assert [source.name for source in await second._take_over()] == [failing]
    assert (texts(second.current), second.requests) == (texts(first.current), {})
    written = (tmp_path / "menu.json").read_bytes()
    await second._refresh_once([source for source in second._sources if source.name == failing])
    assert list(second.failures) == [failing]
    assert (tmp_path / "menu.json").read_bytes() == written, "it is the first one's turn to read only after news"

    open_registry.seed(f"{repository}-b", ["w_2026_47"])
    await second.refresh()
    assert second.failures == {}

    async def denied(request: web.Request) -> web.Response:
        return web.Response(status=403)

    front.instead = denied
    open_registry.seed(repository, ["w_2026_48"])
    # The first one is cut off: it has the answer of the second one, and leaves it in the file.
    await first.refresh()
    assert (first.failures, ["w_2026_47"] in texts(first.current)) == ({}, True)
    assert [source.name for source in await second._take_over()] == [failing]
    assert ["w_2026_48"] in texts(second.current)
    assert ["w_2026_47"] in texts(make_menu(good, failing, **shared).current)


async def test_an_unchanged_repository_of_10_000_tags_costs_its_pages_alone(
    open_registry: RealRegistry, make_menu: MakeMenu
) -> None:
    first = datetime(1995, 1, 1, tzinfo=UTC)
    days = (first + timedelta(days=number) for number in range(10_000))
    open_registry.seed("team/large", [f"d_{day:%Y_%m_%d}" for day in days])
    front = await Front(open_registry.host, page_size=1000).start()
    menu = make_menu(f"{front.host}/team/large", offers=[{"kinds": {"daily": 5}}])
    await menu.refresh()
    assert (front.count("tags"), front.count("manifests")) == (10, 5)
    front.forget()
    before = menu.current
    await menu.refresh()
    assert (front.count("tags"), front.count()) == (10, 10)
    assert menu.current.entries is before.entries
    await front.stop()


async def test_an_unchanged_alias_costs_one_answer_without_a_body(
    front: Front, pusher: Pusher, repository: str, make_menu: MakeMenu
) -> None:
    await pusher.image(repository, "recommended", "w_2026_46")
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    front.forget()
    await menu.refresh()
    assert [(seen.method, seen.path.split("/")[-1], seen.status) for seen in front.seen] == [
        ("GET", "list", 200),
        ("HEAD", "recommended", 200),
    ]


async def test_an_alias_is_shown_as_what_it_points_at(
    front: Front, pusher: Pusher, repository: str, make_menu: MakeMenu
) -> None:
    await pusher.image(repository, "w_2026_46", "recommended", "w_2026_46_rsp19")
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    [entry] = menu.current.entries
    assert entry.tag.kind is TagKind.WEEKLY
    assert {tag.tag for tag in entry.tags} == {"w_2026_46", "recommended", "w_2026_46_rsp19"}
    assert entry.display_name.startswith("Recommended (Weekly 2026, week 46")


async def test_an_alias_that_moved_is_noticed_at_the_next_refresh(
    front: Front, pusher: Pusher, repository: str, make_menu: MakeMenu
) -> None:
    await pusher.image(repository, "w_2026_46", "recommended")
    new = await pusher.image(repository, "w_2026_47")
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    assert menu.current.find("recommended") is menu.current.find("w_2026_46")
    await pusher.image(repository, "recommended", marker="w_2026_47")
    await menu.refresh()
    recommended = menu.current.find("recommended")
    assert recommended is not None
    assert (recommended.tag.tag, recommended.digest) == ("w_2026_47", new)


async def test_an_alias_of_an_image_that_is_not_offered_is_named_all_the_same(
    front: Front, open_registry: RealRegistry, pusher: Pusher, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, weeklies(1, 47))
    await pusher.image(repository, "w_2026_20", "recommended")
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    assert menu.current.find("recommended") is menu.current.find("w_2026_20")
    front.forget()
    await menu.refresh()
    assert front.count("manifests") == 1


async def test_an_alias_that_no_tag_shares_is_looked_for_once(
    front: Front, open_registry: RealRegistry, pusher: Pusher, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, weeklies(1, 47))
    await pusher.image(repository, "recommended")
    menu = make_menu(f"{front.host}/{repository}", alias_search_limit=30)
    await menu.refresh()
    assert front.count("manifests") == 1 + 2 + 30
    front.forget()
    await menu.refresh()
    assert front.count("manifests") == 1
    # a tag that comes later may be the one
    await pusher.image(repository, "w_2026_10_c0045", marker="recommended")
    await menu.refresh()
    assert menu.current.find("recommended") is menu.current.find("w_2026_10_c0045")


async def test_a_new_tag_is_in_the_menu_and_a_gone_one_is_not(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, weeklies(44, 46))
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    open_registry.seed(repository, ["w_2026_47"])
    open_registry.untag(repository, "w_2026_46")
    front.forget()
    await menu.refresh()
    assert texts(menu.current) == [["w_2026_47"], ["w_2026_45"], ["w_2026_44"]]
    assert front.count("manifests") == 1  # that of the week before was known


async def test_an_offer_is_full_although_two_tags_are_one_image(
    front: Front, open_registry: RealRegistry, pusher: Pusher, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, weeklies(40, 45))
    await pusher.image(repository, "w_2026_47", "w_2026_46")
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    entries = menu.offer_for([]).entries
    assert [entry.tag.tag for entry in entries] == ["w_2026_47", "w_2026_45"]
    assert all(entry.digest for entry in entries)


async def test_a_tag_whose_image_was_deleted_is_not_offered(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    digests = open_registry.seed(repository, weeklies(44, 47))
    open_registry.delete_manifest(repository, digests["w_2026_47"])
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    assert [entry.tag.tag for entry in menu.offer_for([]).entries] == ["w_2026_46", "w_2026_45"]
    assert menu.current.errors == ()


async def test_an_alias_whose_image_was_deleted_is_not_offered(
    front: Front, open_registry: RealRegistry, pusher: Pusher, repository: str, make_menu: MakeMenu
) -> None:
    digest = await pusher.image(repository, "recommended")
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    assert len(menu.offer_for([]).entries) == 1
    open_registry.delete_manifest(repository, digest)
    await menu.refresh()
    assert menu.offer_for([]).entries == ()


@pytest.mark.parametrize("restart", [False, True])
async def test_a_tag_that_is_listed_before_its_image_is_there_is_offered_at_the_next_refresh(
    front: Front,
    open_registry: RealRegistry,
    repository: str,
    make_menu: MakeMenu,
    tmp_path: Path,
    restart: bool,
) -> None:
    open_registry.seed(repository, weeklies(46, 47))
    settings = {"cache_file": str(tmp_path / "menu.json")}

    async def not_yet(request: web.Request) -> web.Response | None:
        return web.Response(status=404) if request.path.endswith("w_2026_47") else None

    front.instead = not_yet
    menu = make_menu(f"{front.host}/{repository}", **settings)
    await menu.refresh()
    assert [entry.tag.tag for entry in menu.offer_for([]).entries] == ["w_2026_46"]
    front.instead = None
    if restart:
        menu = make_menu(f"{front.host}/{repository}", **settings)
    await menu.refresh()
    assert [entry.tag.tag for entry in menu.offer_for([]).entries] == ["w_2026_47", "w_2026_46"]


async def test_a_tag_that_has_long_had_no_image_is_asked_for_rarely_across_restarts(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu, tmp_path: Path
) -> None:
    digests = open_registry.seed(repository, weeklies(46, 47))
    open_registry.delete_manifest(repository, digests["w_2026_47"])
    file = tmp_path / "menu.json"
    name = f"{front.host}/{repository}"
    await make_menu(name, cache_file=str(file)).refresh()
    kept = json.loads(file.read_text())
    now = time.time()
    for last, asked in ((now - 500, 0), (now - 5000, 1)):
        kept["repositories"][name]["missing"] = {"w_2026_47": [last - 1000, last]}
        file.write_text(json.dumps(kept))
        front.forget()
        await make_menu(name, cache_file=str(file)).refresh()
        assert front.count("manifests") == asked


def test_what_is_missing_is_asked_for_after_as_long_as_it_has_been_missing() -> None:
    assert Missing(1000, 1000).again_at(86400) == 1000
    assert Missing(1000, 1300).again_at(86400) == 1600
    assert Missing(0, 1_000_000).again_at(86400) == 1_086_400


async def test_one_image_that_the_registry_does_not_give_costs_only_itself(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, ["latest", *weeklies(45, 47)])

    async def some(request: web.Request) -> web.Response | None:
        status = {"latest": 451, "w_2026_47": 403}.get(request.path.split("/")[-1])
        return web.Response(status=status) if status else None

    front.instead = some
    menu = make_menu(f"{front.host}/{repository}")
    for _ in range(2):
        await menu.refresh()
    assert menu.current.errors == ()
    assert [entry.tag.tag for entry in menu.offer_for([]).entries] == ["w_2026_46", "w_2026_45"]
    assert all(entry.digest for entry in menu.offer_for([]).entries)


async def test_signatures_are_not_offered(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    attached = [f"sha256-{'a' * 64}{end}" for end in ("", ".sig", ".att", ".sbom")]
    open_registry.seed(repository, ["w_2026_47", "sha-abc1234", *attached])
    menu = make_menu(f"{front.host}/{repository}", offers=[{"kinds": {"weekly": 9, "build": 9, "other": 9}}])
    await menu.refresh()
    assert [entry.tag.tag for entry in menu.current.entries] == ["w_2026_47", "sha-abc1234"]
    wanted = wanted_images(menu.current, menu.rules, 99)
    assert [image.reference.split(":")[-1] for image in wanted] == ["w_2026_47", "sha-abc1234"]


def test_a_repository_of_docker_hub_is_asked_for_by_its_whole_name(make_menu: MakeMenu) -> None:
    [source] = make_menu("docker.io/python")._sources
    assert (source.name, source.host, source.path) == ("docker.io/python", "docker.io", "library/python")


async def test_a_tag_that_was_pushed_anew_is_noticed_when_it_is_checked_again(
    front: Front, pusher: Pusher, repository: str, make_menu: MakeMenu
) -> None:
    await pusher.image(repository, "w_2026_47", marker="first")
    menu = make_menu(f"{front.host}/{repository}", recheck_after=0.0)
    await menu.refresh()
    second = await pusher.image(repository, "w_2026_47", marker="second")
    await menu.refresh()
    assert [entry.digest for entry in menu.current.entries] == [second]


async def test_tags_that_are_said_to_move_are_asked_for_like_aliases(
    front: Front, pusher: Pusher, repository: str, make_menu: MakeMenu
) -> None:
    await pusher.image(repository, "exp_mine", marker="first")
    menu = make_menu(f"{front.host}/{repository}", moving_tags=["exp_*"])
    await menu.refresh()
    second = await pusher.image(repository, "exp_mine", marker="second")
    await menu.refresh()
    assert [entry.digest for entry in menu.current.entries] == [second]


async def test_offered_images_are_described_once(
    front: Front, pusher: Pusher, repository: str, make_menu: MakeMenu
) -> None:
    for week in (45, 46, 47):
        await pusher.image(repository, f"w_2026_{week}", layers=(week,), config={"created": "2026-11-20T08:00:00Z"})
    menu = make_menu(f"{front.host}/{repository}", describe_images=True)
    await menu.refresh()
    described = {entry.tag.tag: entry.details for entry in menu.current.entries}
    assert described["w_2026_47"] is not None
    assert described["w_2026_47"].created == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert described["w_2026_45"] is None
    front.forget()
    await menu.refresh()
    assert front.count() == front.count("tags") == 1


@pytest.mark.parametrize("answer", [(404, b""), (403, b""), (200, b"<html>Maintenance</html>")])
async def test_an_image_that_cannot_be_described_once_is_described_later(
    front: Front, pusher: Pusher, repository: str, make_menu: MakeMenu, answer: tuple[int, bytes]
) -> None:
    bad = await pusher.image(repository, "w_2026_47", config={"created": "2026-11-20T08:00:00Z"})
    await pusher.image(repository, "w_2026_46", config={"created": "2026-11-13T08:00:00Z"})

    async def once(request: web.Request) -> web.Response | None:
        return web.Response(status=answer[0], body=answer[1]) if request.path.endswith(bad) else None

    front.instead = once
    menu = make_menu(f"{front.host}/{repository}", describe_images=True)
    await menu.refresh()
    described = {entry.tag.tag: entry.details for entry in menu.current.entries}
    assert described["w_2026_47"] is None
    assert described["w_2026_46"] is not None
    front.instead = None
    await menu.refresh()
    assert all(entry.details and entry.details.created for entry in menu.current.entries)


async def test_half_a_character_of_a_title_stops_no_form(
    pusher: Pusher, repository: str, make_menu: MakeMenu
) -> None:
    labels = {"Labels": {"org.opencontainers.image.title": "Lab \ud800"}}
    await pusher.image(repository, "w_2026_47", config={"config": labels, "architecture": "\udfff"})
    menu = make_menu(f"{pusher.base.removeprefix('http://')}/{repository}", describe_images=True)
    await menu.refresh()
    [entry] = menu.current.entries
    assert entry.details is not None
    assert (entry.details.title, entry.details.architectures) == ("Lab ?", ("?",))


async def test_repositories_of_two_registries_are_one_menu(
    front: Front, open_registry: RealRegistry, repository: str, start_registry: StartRegistry, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, ["w_2026_46"])
    other = await start_registry()
    other.seed("gpu", ["w_2026_47", "w_2026_46"])
    menu = make_menu(f"{front.host}/{repository}", f"{other.host}/gpu")
    await menu.refresh()
    assert [entry.reference for entry in menu.current.entries] == [
        f"{front.host}/{repository}:w_2026_46",
        f"{other.host}/gpu:w_2026_47",
        f"{other.host}/gpu:w_2026_46",
    ]
    first = menu.current.find("w_2026_46")
    second = menu.current.find(f"{other.host}/gpu:w_2026_46")
    assert first is not None
    assert second is not None
    assert (first.repository, second.repository) == (f"{front.host}/{repository}", f"{other.host}/gpu")


async def test_a_registry_sees_no_more_requests_than_allowed_for_all_its_repositories(
    front: Front, open_registry: RealRegistry, make_menu: MakeMenu
) -> None:
    front.delay = 0.01
    names = [f"team/part{number}" for number in range(4)]
    for name in names:
        open_registry.seed(name, weeklies(1, 47))
    menu = make_menu(*(f"{front.host}/{name}" for name in names), concurrency=3, offers=[{"kinds": {"weekly": 9}}])
    await menu.refresh()
    assert len(menu.offer_for([]).entries) == 36
    assert front.most_at_once == 3


async def test_two_refreshes_at_once_are_one(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, ["w_2026_46"])
    menu = make_menu(f"{front.host}/{repository}")
    await asyncio.gather(menu.refresh(), menu.refresh(), menu.refresh())
    assert front.count("tags") == 1


async def test_in_the_background_a_new_tag_comes_within_an_interval(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    open_registry.seed(repository, ["w_2026_46"])
    menu = make_menu(f"{front.host}/{repository}", refresh_interval=0.2)
    seen: list[Menu] = []
    menu.on_change(seen.append)
    menu.start()
    menu.start()
    await until(lambda: len(menu.current.entries) == 1)
    open_registry.seed(repository, ["w_2026_47"])
    await until(lambda: len(menu.current.entries) == 2)
    assert [len(menu.entries) for menu in seen][-1] == 2
    front.forget()
    began = time.monotonic()
    await until(lambda: front.count("tags") >= 10)
    # Two background tasks would ask twice as often.
    assert front.count("tags") <= 1.2 * (time.monotonic() - began) / 0.2 + 2
    await menu.stop()
    await front.rest()
    front.forget()
    await asyncio.sleep(0.5)
    assert front.count() == 0


async def test_a_tag_of_all_tags_is_asked_for_when_it_is_chosen_and_kept(
    front: Front, open_registry: RealRegistry, repository: str, make_menu: MakeMenu
) -> None:
    digests = open_registry.seed(repository, weeklies(1, 47))
    menu = make_menu(f"{front.host}/{repository}")
    await menu.refresh()
    chosen = menu.offer_for([]).find("w_2026_03")
    assert chosen is not None
    assert chosen.digest == ""
    front.forget()
    assert (await menu.resolved(chosen)).image == f"{front.host}/{repository}@{digests['w_2026_03']}"
    assert front.count() == 1
    await menu.refresh()
    again = menu.offer_for([]).find("w_2026_03")
    assert again is not None
    assert await menu.resolved(again) is again
    assert front.count("manifests") == 1

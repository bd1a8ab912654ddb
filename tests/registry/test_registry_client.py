"""What the registry client asks of Debian's docker-registry, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime

import pytest
from aiohttp import web

from jhkube.options_form.image_details import read_details
from jhkube.options_form.registry import (
    Registry,
    RegistryDenied,
    RegistryError,
    RegistryGarbled,
    RegistryNotFound,
    RegistryUnreachable,
)
from tests.ports import free_port

from .servers import Front, Pusher, RealRegistry, SlowPipe, digest_of

CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2026-11-20T10:11:12.123456789Z",
    "config": {
        "Labels": {
            "org.opencontainers.image.title": "Science lab",
            "org.opencontainers.image.description": "Everything  for\nweekly work",
            "org.opencontainers.image.version": "2026.46",
        }
    },
}


async def test_an_open_registry_tells_its_tags(open_registry: RealRegistry, pusher: Pusher, repository: str) -> None:
    await pusher.image(repository, "w_2026_46", "recommended", "r27_0_1")
    async with Registry(open_registry.host) as registry:
        assert sorted(await registry.tags(repository)) == ["r27_0_1", "recommended", "w_2026_46"]


@pytest.mark.parametrize("absolute_links", [False, True])
async def test_the_tags_of_all_pages_are_told(
    open_registry: RealRegistry, repository: str, absolute_links: bool
) -> None:
    open_registry.seed(repository, [f"w_2026_{week:02}" for week in range(1, 48)])
    front = await Front(open_registry.host, page_size=10, absolute_links=absolute_links).start()
    async with Registry(front.host) as registry:
        assert len(set(await registry.tags(repository))) == 47
    assert front.count("tags") == 5
    await front.stop()


async def test_pages_that_carry_an_etag_are_not_sent_twice(open_registry: RealRegistry, repository: str) -> None:
    open_registry.seed(repository, [f"w_2026_{week:02}" for week in range(1, 48)])
    front = await Front(open_registry.host, page_size=20, etags=True).start()
    async with Registry(front.host) as registry:
        first = await registry.tags(repository)
        received = registry.bytes_received
        assert await registry.tags(repository) == first
        assert registry.bytes_received == received
        open_registry.seed(repository, ["w_2026_48"])
        assert set(await registry.tags(repository)) == {*first, "w_2026_48"}
    assert [seen.status for seen in front.seen] == [200] * 3 + [304] * 3 + [304, 304, 200]
    await front.stop()


async def test_a_page_on_another_host_is_not_asked_for(front: Front, repository: str) -> None:
    elsewhere = await Front().start()

    async def link(request: web.Request) -> web.Response:
        target = f'<http://{elsewhere.host}/v2/{repository}/tags/list?last=a>; rel="next"'
        return web.json_response({"tags": ["a"]}, headers={"Link": target})

    front.instead = link
    async with Registry(front.host) as registry:
        with pytest.raises(RegistryGarbled, match=f"another host, {elsewhere.host}"):
            await registry.tags(repository)
    assert elsewhere.seen == []
    await elsewhere.stop()


async def test_pages_that_lead_in_a_circle_end(front: Front, repository: str) -> None:
    async def link(request: web.Request) -> web.Response:
        return web.json_response({"tags": ["a"]}, headers={"Link": f'<{request.path}?n=1>; rel="next"'})

    front.instead = link
    async with Registry(front.host) as registry:
        with pytest.raises(RegistryGarbled, match="circle"):
            await registry.tags(repository)
    assert front.count("tags") == 2


async def test_pages_without_end_are_given_up(front: Front, repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jhkube.options_form.registry.MAX_PAGES", 20)
    monkeypatch.setattr("jhkube.options_form.registry.MAX_TAGS", 100)

    async def endless(request: web.Request) -> web.Response:
        page = int(request.query.get("page", "0"))
        tags = [f"t{page}-{place}" for place in range(int(request.query["n"]))]
        return web.json_response(
            {"tags": tags}, headers={"Link": f'<{request.path}?n=1&page={page + 1}>; rel="next"'}
        )

    front.instead = endless
    for size, pages in ((1, 21), (90, 12)):
        before = front.count("tags")
        async with Registry(front.host, page_size=size) as registry:
            with pytest.raises(RegistryGarbled, match="has no end"):
                await registry.tags(repository)
        assert front.count("tags") - before == pages


async def test_a_next_page_that_is_no_address_is_an_error(front: Front, repository: str) -> None:
    async def link(request: web.Request) -> web.Response:
        return web.json_response({"tags": ["a"]}, headers={"Link": '<http://[>; rel="next"'})

    front.instead = link
    async with Registry(front.host) as registry:
        with pytest.raises(RegistryGarbled, match="has no address"):
            await registry.tags(repository)


@pytest.mark.parametrize("created", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
async def test_no_day_that_an_image_names_is_too_much(
    pusher: Pusher, open_registry: RealRegistry, created: str
) -> None:
    digest = await pusher.image("bold", "a", config={**CONFIG, "created": created}, layers=(7,))
    async with Registry(open_registry.host) as registry:
        assert (await registry.image_details("bold", digest)).created is None


def test_a_size_that_no_descriptor_can_have_counts_for_nothing() -> None:
    assert read_details({}, {"layers": [{"size": 10**400}, {"size": 7}]}).size == 7


async def test_a_tag_stands_for_the_digest_that_was_pushed(
    open_registry: RealRegistry, pusher: Pusher, repository: str
) -> None:
    pushed = await pusher.image(repository, "w_2026_46")
    async with Registry(open_registry.host) as registry:
        assert await registry.digest(repository, "w_2026_46") == pushed
        assert await registry.digest(repository, pushed) == pushed


async def test_a_digest_that_is_known_is_asked_for_conditionally(
    front: Front, pusher: Pusher, repository: str
) -> None:
    old = await pusher.image(repository, "recommended", marker="old")
    async with Registry(front.host) as registry:
        assert await registry.digest(repository, "recommended", known=old) == old
        new = await pusher.image(repository, "recommended", marker="new")
        assert await registry.digest(repository, "recommended", known=old) == new != old
    assert [(seen.method, seen.status) for seen in front.seen] == [("HEAD", 304), ("HEAD", 200)]


async def test_a_registry_that_sends_no_digest_has_it_worked_out(front: Front, repository: str) -> None:
    manifest = b'{"schemaVersion": 2}'

    async def bare(request: web.Request) -> web.Response:
        return web.Response(body=manifest)

    front.instead = bare
    async with Registry(front.host) as registry:
        assert await registry.digest(repository, "any") == digest_of(manifest)


async def test_a_registry_without_head_is_asked_by_get(front: Front, pusher: Pusher, repository: str) -> None:
    pushed = await pusher.image(repository, "latest")

    async def no_head(request: web.Request) -> web.Response | None:
        return web.Response(status=405) if request.method == "HEAD" else None

    front.instead = no_head
    async with Registry(front.host) as registry:
        assert await registry.digest(repository, "latest") == pushed


async def test_what_is_not_there_is_said_not_to_be_there(
    open_registry: RealRegistry, pusher: Pusher, repository: str
) -> None:
    await pusher.image(repository, "latest")
    async with Registry(open_registry.host) as registry:
        with pytest.raises(RegistryNotFound, match=f"{repository}:gone"):
            await registry.digest(repository, "gone")
        with pytest.raises(RegistryNotFound, match="nowhere"):
            await registry.tags("nowhere")


async def test_an_image_tells_its_size_age_and_labels(
    open_registry: RealRegistry, pusher: Pusher, repository: str
) -> None:
    digest = await pusher.image(repository, "latest", config=CONFIG, layers=(1000, 234))
    async with Registry(open_registry.host) as registry:
        details = await registry.image_details(repository, digest)
    assert details.created == datetime(2026, 11, 20, 10, 11, 12, 123456, UTC)
    assert details.size == 1234 + len(json.dumps(CONFIG))
    assert (details.title, details.version) == ("Science lab", "2026.46")
    assert details.description == "Everything for weekly work"
    assert details.architectures == ("amd64",)


@pytest.mark.parametrize(("platform", "size"), [("linux/amd64", 100), ("linux/arm64", 3000)])
async def test_an_index_is_described_by_its_platforms_image(
    open_registry: RealRegistry, pusher: Pusher, repository: str, platform: str, size: int
) -> None:
    images = {
        "unknown/unknown": {"config": {"made": "attestation"}},
        "linux/arm64": {"config": {**CONFIG, "architecture": "arm64"}, "layers": (3000,)},
        "linux/amd64": {"config": {"architecture": "amd64", "os": "linux"}, "layers": (100,)},
    }
    title = {"org.opencontainers.image.title": "For all machines"}
    pushed = await pusher.index(repository, "latest", images=images, annotations=title)
    async with Registry(open_registry.host, platform=platform) as registry:
        digest = await registry.digest(repository, "latest")
        details = await registry.image_details(repository, digest)
    assert digest == pushed
    assert details.size == size + len(json.dumps(images[platform]["config"]))
    assert details.title == ("Science lab" if platform == "linux/arm64" else "For all machines")
    assert details.architectures == ("arm64", "amd64")


async def test_content_that_does_not_have_its_digest_is_refused(
    front: Front, pusher: Pusher, repository: str
) -> None:
    digest = await pusher.image(repository, "latest")

    async def other(request: web.Request) -> web.Response:
        return web.json_response({"schemaVersion": 2, "layers": []})

    front.instead = other
    async with Registry(front.host) as registry:
        with pytest.raises(RegistryGarbled, match="another digest"):
            await registry.image_details(repository, digest)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>Sign in to the guest network</html>", id="a portal's page"),
        pytest.param(b'{"tags": ["a", ', id="half an answer"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="no tags in it"),
        pytest.param(b'{"tags": "latest"}', id="tags that are a text"),
        pytest.param(b'{"tags": {"latest": 1}}', id="tags that are a dict"),
        pytest.param(b"[" * 100_000, id="deep nesting"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
    ],
)
async def test_a_garbled_list_of_tags_is_an_error(front: Front, repository: str, body: bytes) -> None:
    async def garbled(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    front.instead = garbled
    async with Registry(front.host) as registry:
        with pytest.raises(RegistryGarbled, match=repository):
            await registry.tags(repository)


async def test_texts_that_can_be_no_tag_are_left_out(front: Front, repository: str) -> None:
    async def odd(request: web.Request) -> web.Response:
        return web.json_response({"tags": ["fine", "<b>", "", "a/b", 7, None, "x" * 129, "a b", "ok\n"]})

    front.instead = odd
    async with Registry(front.host) as registry:
        assert await registry.tags(repository) == ["fine"]


async def test_an_answer_without_end_is_cut_off(front: Front, repository: str) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 2**20)

    front.instead = endless
    async with Registry(front.host) as registry:
        with pytest.raises(RegistryGarbled, match="more than 32 MiB"):
            await registry.tags(repository)


async def test_a_registry_that_is_down_is_unreachable() -> None:
    async with Registry(f"127.0.0.1:{free_port()}", retries=1) as registry:
        with pytest.raises(RegistryUnreachable, match="does not answer"):
            await registry.tags("lab")
        assert registry.requests["tags"] == 2


async def test_a_registry_that_says_nothing_is_given_up(open_registry: RealRegistry) -> None:
    pipe = await SlowPipe(open_registry.port, bytes_per_second=0).start()
    started = time.monotonic()
    async with Registry(pipe.host, retries=0, timeout=0.3) as registry:
        with pytest.raises(RegistryUnreachable, match="no answer in time"):
            await registry.tags("lab")
    assert time.monotonic() - started < 2
    await pipe.stop()


async def test_a_registry_that_drips_is_given_up(open_registry: RealRegistry, repository: str) -> None:
    open_registry.seed(repository, [f"w_2026_{week:02}" for week in range(1, 48)])
    pipe = await SlowPipe(open_registry.port, bytes_per_second=20).start()
    async with Registry(pipe.host, retries=0, timeout=0.3) as registry:
        with pytest.raises(RegistryUnreachable, match="no answer in time"):
            await registry.tags(repository)
    await pipe.stop()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_failure_that_passes_is_not_noticed(
    front: Front, pusher: Pusher, repository: str, status: int
) -> None:
    await pusher.image(repository, "latest")

    async def fail_once(request: web.Request) -> web.Response | None:
        return web.Response(status=status) if not front.seen else None

    front.instead = fail_once
    async with Registry(front.host) as registry:
        assert await registry.tags(repository) == ["latest"]
    assert [seen.status for seen in front.seen] == [status, 200]


async def test_retry_after_is_waited_for(front: Front, pusher: Pusher, repository: str) -> None:
    await pusher.image(repository, "latest")

    async def later(request: web.Request) -> web.Response | None:
        return web.Response(status=429, headers={"Retry-After": "2"}) if not front.seen else None

    front.instead = later
    started = time.monotonic()
    async with Registry(front.host) as registry:
        await registry.tags(repository)
    assert time.monotonic() - started >= 2


async def test_a_registry_that_asks_for_a_long_rest_has_it(front: Front, repository: str) -> None:
    async def much_later(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "3600"})

    front.instead = much_later
    async with Registry(front.host) as registry:
        for _ in range(3):
            with pytest.raises(RegistryUnreachable, match="left alone for 3600 s"):
                await registry.tags(repository)
    assert len(front.seen) == 1


async def test_no_more_requests_are_under_way_than_allowed(front: Front, open_registry: RealRegistry) -> None:
    digests = open_registry.seed("team/many", [f"w_2026_{week:02}" for week in range(1, 41)])
    front.delay = 0.02
    async with Registry(front.host, concurrency=3) as registry:
        found = await asyncio.gather(*(registry.digest("team/many", tag) for tag in digests))
    assert found == list(digests.values())
    assert front.most_at_once == 3


@pytest.mark.parametrize(
    ("url", "host", "origin"),
    [
        ("quay.io", "quay.io", "https://quay.io"),
        ("localhost:5000", "localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000", "127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("registry.internal:5000", "registry.internal:5000", "https://registry.internal:5000"),
        ("http://registry.internal:5000/", "registry.internal:5000", "http://registry.internal:5000"),
        ("docker.io", "docker.io", "https://registry-1.docker.io"),
    ],
)
def test_a_registry_is_asked_by_tls_unless_it_is_here_or_said_otherwise(url: str, host: str, origin: str) -> None:
    registry = Registry(url)
    assert (registry.host, str(registry.origin)) == (host, origin)


@pytest.mark.parametrize("url", ["", "ftp://quay.io", "http://quay.io/v2", "https://"])
def test_what_is_no_registrys_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not the address of a registry"):
        Registry(url)


def test_all_failures_are_one_family() -> None:
    assert all(
        issubclass(kind, RegistryError)
        for kind in (RegistryUnreachable, RegistryDenied, RegistryNotFound, RegistryGarbled)
    )

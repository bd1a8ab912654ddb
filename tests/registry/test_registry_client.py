"""What the registry client asks of Debian's docker-registry, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
import tracemalloc
from datetime import UTC, datetime

import pytest
from aiohttp import web

from jhkube.images.details import LARGEST, read_details
from jhkube.images.registry import tag_pages
from jhkube.images.registry.client import Registry
from jhkube.images.registry.credentials import RegistryCredentials
from jhkube.images.registry.errors import (
    RegistryDenied,
    RegistryError,
    RegistryGarbled,
    RegistryNotFound,
    RegistryUnreachable,
)
from jhkube.images.registry.tag_pages import tags_in
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
        assert await registry.tags(repository) == first
        open_registry.seed(repository, ["w_2026_48"])
        assert set(await registry.tags(repository)) == {*first, "w_2026_48"}
    assert [seen.status for seen in front.seen] == [200] * 3 + [304, 304, 200] * 2
    await front.stop()


async def test_an_etag_of_a_full_page_does_not_hide_the_page_after_it(
    open_registry: RealRegistry, repository: str
) -> None:
    open_registry.seed(repository, ["w_2026_01", "w_2026_02"])
    front = await Front(open_registry.host, page_size=2, etags=True).start()
    async with Registry(front.host) as registry:
        await registry.tags(repository)
        open_registry.seed(repository, ["w_2026_03", "w_2026_04"])
        assert len(await registry.tags(repository)) == 4
        open_registry.seed(repository, ["w_2026_05"])
        assert len(await registry.tags(repository)) == 5
    await front.stop()


async def test_the_link_of_an_unchanged_page_is_followed(front: Front, repository: str) -> None:
    async def moved(request: web.Request) -> web.Response:
        if request.query.get("page"):
            return web.json_response({"tags": [f"on-{request.query['page']}"]})
        unchanged = "If-None-Match" in request.headers
        headers = {"ETag": '"x"', "Link": f'<{request.path}?page={"new" if unchanged else "old"}>; rel="next"'}
        return (
            web.Response(status=304, headers=headers)
            if unchanged
            else web.json_response({"tags": ["a"]}, headers=headers)
        )

    front.instead = moved
    async with Registry(front.host) as registry:
        assert await registry.tags(repository) == ["a", "on-old"]
        assert await registry.tags(repository) == ["a", "on-new"]


@pytest.mark.parametrize(
    "link",
    [
        '<{path}?last=b>; rel="next"',
        "<{path}?last=b>; rel=next",
        '<{path}?last=b>;REL="Next"',
        '<{path}?last=b>; rel="next last"',
        '< {path}?last=b >; title="a, <b>; rel=first"; rel="next"',
        '<{path}>; rel="first", <{path}?last=b>; rel="next"',
        '<{path}?last=a,b>; rel="next"',
        '<?n=2&last=b>; rel="next"',
        '<http://127.0.0.1{path}?last=b&n=0>; rel="next"',
        # not as it should be, so the page is asked for by its last tag
        '{path}?last=b; rel="next"',
        '<http://[>; rel="next"',
        "<{path}?last=b>; rel='next'",
        '<{path}?last=b>; rel="next',
        '<{path}>; rel="first", <{path}?last=b>; rel=“next”',
    ],
)
async def test_the_next_page_is_found_however_the_link_is_written(front: Front, repository: str, link: str) -> None:
    async def two_pages(request: web.Request) -> web.Response:
        if "last" in request.query:
            return web.json_response({"tags": ["c"]})
        return web.json_response({"tags": ["a", "b"]}, headers={"Link": link.format(path=request.path)})

    front.instead = two_pages
    async with Registry(front.host) as registry:
        assert await registry.tags(repository) == ["a", "b", "c"]


async def test_links_without_end_stop_nobody(front: Front, repository: str) -> None:
    links = ["<" * 8000, "<x>" + ";" * 8000, "<x>;rel" + " " * 8000 + "x", "<x>; rel=" + '"' * 7999, "<x>," * 2000]

    async def many(request: web.Request) -> web.Response:
        response = web.json_response({"tags": ["a"]})
        for link in links:
            response.headers.add("Link", link)
        return response

    front.instead = many
    async with Registry(front.host) as registry:
        began = time.process_time()
        assert await registry.tags(repository) == ["a"]
        assert time.process_time() - began < 1


async def test_a_page_on_another_host_is_not_asked_for(front: Front, repository: str) -> None:
    elsewhere = await Front().start()
    place = f"localhost:{elsewhere.port}"

    async def link(request: web.Request) -> web.Response:
        target = f'<http://{place}/v2/{repository}/tags/list?last=a>; rel="next"'
        return web.json_response({"tags": ["a"]}, headers={"Link": target})

    front.instead = link
    async with Registry(front.host) as registry:
        with pytest.raises(RegistryGarbled, match=f"another host, {place}"):
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
    assert front.count("tags") == 3  # the third begins after the last tag


@pytest.mark.parametrize("status", [400, 403, 404])
@pytest.mark.parametrize("place", ["", "http://localhost:1", "http://["])
async def test_a_link_that_leads_nowhere_is_replaced_by_the_last_tag(
    open_registry: RealRegistry, repository: str, status: int, place: str
) -> None:
    tags = [f"w_2026_{week:02}" for week in range(1, 8)]
    open_registry.seed(repository, tags)
    front = await Front(open_registry.host, page_size=3).start()

    async def opaque(request: web.Request) -> web.Response | None:
        if "cursor" in request.query:
            return web.Response(status=status)
        page = [tag for tag in tags if tag > request.query.get("last", "")][:3]
        link = {"Link": f'<{place}{request.path}?cursor={page[-1]}>; rel="next"'} if page[-1] != tags[-1] else {}
        return web.json_response({"tags": page}, headers=link)

    front.instead = opaque
    async with Registry(front.host) as registry:
        assert await registry.tags(repository) == tags
    await front.stop()


async def test_a_later_page_that_is_missing_is_not_a_missing_repository(front: Front, repository: str) -> None:
    async def only_first(request: web.Request) -> web.Response:
        if "last" in request.query:
            return web.Response(status=404)
        return web.json_response({"tags": ["a"]}, headers={"Link": f'<{request.path}?last=a>; rel="next"'})

    front.instead = only_first
    async with Registry(front.host) as registry:
        with pytest.raises(RegistryGarbled, match="a later page"):
            await registry.tags(repository)


async def test_a_link_to_another_port_of_the_registry_is_asked_at_the_port_that_is_known(
    front: Front, repository: str
) -> None:
    async def behind_a_proxy(request: web.Request) -> web.Response:
        if "last" in request.query:
            return web.json_response({"tags": ["b"]})
        return web.json_response(
            {"tags": ["a"]}, headers={"Link": f'<https://127.0.0.1:5000{request.path}?last=a>; rel="next"'}
        )

    front.instead = behind_a_proxy
    async with Registry(front.host) as registry:
        assert await registry.tags(repository) == ["a", "b"]


async def test_a_link_behind_a_redirect_is_followed_there_without_credentials(
    open_registry: RealRegistry, repository: str
) -> None:
    open_registry.seed(repository, ["a", "b", "c"])
    mirror = await Front(open_registry.host, page_size=2).start()
    front = await Front().start()
    place = f"localhost:{mirror.port}"

    async def elsewhere(request: web.Request) -> web.Response:
        if "last" in request.query:
            return web.Response(status=400)
        if "Authorization" not in request.headers:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return web.Response(status=307, headers={"Location": f"http://{place}{request.path_qs}"})

    front.instead = elsewhere
    credentials = RegistryCredentials.from_docker_config({"auths": {front.host: {"username": "u", "password": "p"}}})
    async with Registry(front.host, credentials=credentials) as registry:
        assert await registry.tags(repository) == ["a", "b", "c"]
    assert [("Authorization" in seen.headers, seen.status) for seen in mirror.seen] == [(False, 200)] * 2
    await mirror.stop()
    await front.stop()


async def test_pages_without_end_are_given_up(front: Front, repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jhkube.images.registry.tag_pages.MAX_PAGES", 20)
    monkeypatch.setattr("jhkube.images.registry.tag_pages.MAX_TAGS", 100)

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
    assert read_details({}, {"layers": [{"size": LARGEST}, {"size": LARGEST}]}).size == LARGEST


async def test_a_tag_stands_for_the_digest_that_was_pushed(
    open_registry: RealRegistry, pusher: Pusher, repository: str
) -> None:
    pushed = await pusher.image(repository, "w_2026_46")
    async with Registry(open_registry.host) as registry:
        assert await registry.digest(repository, "w_2026_46") == pushed
        assert await registry.digest(repository, pushed) == pushed


async def test_a_tag_whose_image_is_gone_is_not_said_to_be_unchanged(
    open_registry: RealRegistry, pusher: Pusher, repository: str
) -> None:
    digest = await pusher.image(repository, "recommended")
    async with Registry(open_registry.host) as registry:
        assert await registry.digest(repository, "recommended") == digest
        open_registry.delete_manifest(repository, digest)
        with pytest.raises(RegistryNotFound):
            await registry.digest(repository, "recommended")


@pytest.mark.parametrize("digest", ["sha256:" + "a" * 64, "sha512:" + "b" * 128])
async def test_a_digest_stands_for_itself_whatever_the_registry_calls_it(
    front: Front, repository: str, digest: str
) -> None:
    async def another(request: web.Request) -> web.Response:
        return web.json_response({}, headers={"Docker-Content-Digest": "sha256:" + "0" * 64})

    front.instead = another
    async with Registry(front.host) as registry:
        assert await registry.digest(repository, digest) == digest


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Sign in</html>",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"schemaVersion": 2, "x": [' + b"[]," * 500_000 + b"[]]}",
    ],
)
async def test_what_is_no_manifest_has_no_digest(front: Front, repository: str, body: bytes) -> None:
    async def portal(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/html")

    front.instead = portal
    async with Registry(front.host) as registry:
        with pytest.raises(RegistryGarbled, match="its manifest"):
            await registry.digest(repository, "any")


async def test_a_registry_that_sends_no_digest_has_it_worked_out(front: Front, repository: str) -> None:
    manifest = b'{"schemaVersion": 2}'

    async def bare(request: web.Request) -> web.Response:
        return web.Response(body=manifest)

    front.instead = bare
    async with Registry(front.host) as registry:
        assert await registry.digest(repository, "any") == digest_of(manifest)


@pytest.mark.parametrize("status", [400, 405, 501])
async def test_a_registry_without_head_is_asked_by_get(
    front: Front, pusher: Pusher, repository: str, status: int
) -> None:
    pushed = await pusher.image(repository, "latest")

    async def no_head(request: web.Request) -> web.Response | None:
        return web.Response(status=status) if request.method == "HEAD" else None

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
        pytest.param(b'{"tags": ["latest", 7, null]}', id="not only texts"),
        pytest.param(b'{"tags": ["latest", ["x"]]}', id="a list in the list"),
        pytest.param(b'{"tags": [' + b"[]," * 1_000_000 + b"[]]}", id="many lists in the list"),
        pytest.param(b'{"tags": ["' + b"x" * 2**20, id="half a large answer"),
        pytest.param(b'{"x": [' + b"[]," * 300_000 + b'[]], "tags": 7}', id="a large answer without tags"),
        pytest.param(b'{"name": "' + b"x" * 2**20 + b'\xff"}', id="a large answer that is no text"),
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
        return web.json_response({"tags": ["fine", "<b>", "", "a/b", "x" * 129, "a b", "ok\n"]})

    front.instead = odd
    async with Registry(front.host) as registry:
        assert await registry.tags(repository) == ["fine"]


async def test_a_large_page_is_read_while_others_have_their_turn(
    front: Front, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = [f"d_2026_01_01-{number:06}" for number in range(40_000)]
    more = {"manifest": {f"sha256:{number}": {"tag": [f"]{{{number}"], "size": -1.5e3} for number in range(5_000)}}

    async def large(request: web.Request) -> web.Response:
        return web.json_response(
            {"child": [], **more, "tags": [*tags, "caf\u00e9", 'a"b'], "name": repository, "x": None}
        )

    front.instead = large
    readers = []

    def noting(body: bytes) -> list[str]:
        readers.append((len(body) > tag_pages.DECODED_WHOLE, threading.current_thread()))
        return tags_in(body)

    monkeypatch.setattr(tag_pages, "tags_in", noting)
    async with Registry(front.host) as registry:
        assert await registry.tags(repository) == tags
    ((is_large, thread),) = readers
    assert is_large
    assert thread is not threading.main_thread()


async def test_30_MB_of_lists_stop_nobody(front: Front, repository: str) -> None:
    body = b'{"tags": [' + b"[]," * 10_000_000 + b"[]]}"

    async def lists(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    front.instead = lists
    async with Registry(front.host) as registry:
        before = time.process_time()
        with pytest.raises(RegistryGarbled, match="no list of texts"):
            await registry.tags(repository)
        # decoding all of it takes over 10 s of processor time
        assert time.process_time() - before < 5


@pytest.mark.parametrize("level", [1, 9])
async def test_a_packed_answer_is_unpacked_to_the_limit_and_no_further(
    front: Front, repository: str, level: int
) -> None:
    sent = gzip.compress(b'{"tags": ["a"]}', level)

    async def packed(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "gzip"
        return web.Response(body=sent, headers={"Content-Encoding": "gzip"})

    front.instead = packed
    async with Registry(front.host) as registry:
        assert await registry.tags(repository) == ["a"]
        sent = gzip.compress(b"0" * 2**26, level)
        tracemalloc.start()
        with pytest.raises(RegistryGarbled, match="more than 32 MiB"):
            await registry.tags(repository)
        assert tracemalloc.get_traced_memory()[1] < 3 * 2**25
        tracemalloc.stop()
        sent = b"not packed"
        with pytest.raises(RegistryGarbled, match="gzip cannot unpack"):
            await registry.tags(repository)


async def test_an_answer_packed_in_another_way_is_refused(front: Front, repository: str) -> None:
    async def brotli(request: web.Request) -> web.Response:
        return web.Response(body=b"x", headers={"Content-Encoding": "br"})

    front.instead = brotli
    async with Registry(front.host) as registry:
        with pytest.raises(RegistryGarbled, match="compressed by 'br'"):
            await registry.tags(repository)


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
    async with asyncio.timeout(120), Registry(pipe.host, retries=0, timeout=0.3) as registry:
        with pytest.raises(RegistryUnreachable, match="no answer in time"):
            await registry.tags("lab")
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


@pytest.mark.parametrize("asked", ["250", "3600", "31536000"])
async def test_a_registry_that_asks_for_a_long_rest_has_it_for_five_minutes_at_most(
    front: Front, repository: str, asked: str
) -> None:
    async def much_later(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": asked})

    front.instead = much_later
    async with Registry(front.host) as registry:
        for _ in range(3):
            with pytest.raises(RegistryUnreachable, match=f"left alone for {min(int(asked), 300)} s"):
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

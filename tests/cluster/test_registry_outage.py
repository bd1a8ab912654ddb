"""The registry stops, comes back, slows down and is emptied under a running hub: what the form says meanwhile."""

import asyncio
import re

import pytest

from tests.registry.servers import Pusher, RealRegistry, SlowPipe

LOADING = "c.ImageMenu.request_timeout = 5\nc.ImageMenu.refresh_jitter = 0\n"


@pytest.fixture(scope="module")
async def registry(tmp_path_factory):
    registry = RealRegistry(tmp_path_factory.mktemp("outage-registry"))
    await registry.start()
    yield registry
    registry.stop()


@pytest.fixture(scope="module")
async def pipe(registry):
    pipe = SlowPipe(registry.port, 10_000_000)
    await pipe.start()
    yield pipe
    await pipe.stop()


@pytest.fixture(scope="module")
async def hub(new_hub, registry, pipe):
    pusher = Pusher(f"http://{registry.host}")
    await pusher.image("lab", "w_2026_45", "recommended", marker="45")
    await pusher.image("lab", "w_2026_46", marker="46")
    return await new_hub("outage", LOADING, JHKUBE_REPOSITORIES=f"{pipe.host}/lab", JHKUBE_MENU_INTERVAL="0.5")


@pytest.fixture
async def form(hub, someone):
    person = await someone(hub, "guest-12")

    async def text():
        async with person.session.get(f"{hub.url}/hub/spawn") as answer:
            assert answer.status == 200
            page = await answer.text()
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("</header>")[2] or page))

    async def until(pattern, seconds=240):
        async with asyncio.timeout(seconds):
            while not re.search(pattern, shown := await text()):
                await asyncio.sleep(0.2)
        return shown

    return until


async def test_the_form_follows_the_registry_through_everything(form, registry, pipe, hub):
    """One story, since each state of the menu comes from the one before."""
    await form(r"^(?!.*not answer).*Weekly 2026, week 46")

    registry.stop()
    shown = await form("does not answer|did not answer")
    assert "Weekly 2026, week 46" in shown, "the last good list stays"

    await hub.kill()
    await hub.start()
    shown = await form("Weekly 2026, week 46")
    assert re.search("does not answer|did not answer", await form("does not answer|did not answer"))

    await registry.start()
    await Pusher(f"http://{registry.host}").image("lab", "w_2026_47", marker="47")
    await form(r"^(?!.*not answer).*Weekly 2026, week 47")

    pipe.bytes_per_second = 0
    shown = await form("not answer")
    assert "Weekly 2026, week 47" in shown
    pipe.bytes_per_second = 10_000_000
    await form(r"^(?!.*not answer).*Weekly 2026, week 47")

    registry.empty("lab")
    shown = await form(r"^(?!.*Weekly 2026, week 47)")
    assert "Traceback" not in hub.log.partition("outage")[2]


async def test_the_hub_answers_while_the_registry_hangs(pipe, hub, someone):
    # It hangs from the hub's start on, and longer than anybody would wait.
    pipe.bytes_per_second = 0
    hanging = LOADING.replace("= 5", "= 3600") + "c.ImageMenu.refresh_timeout = 3600\n"
    hub.config.write_text(hub.config.read_text().replace(LOADING, hanging))
    await hub.kill()
    try:
        await hub.start()
        person = await someone(hub, "guest-13")
        async with asyncio.timeout(240):
            for _ in range(20):
                assert (await person.api("GET", "/user"))[0] == 200, "nobody waits for a registry"
                await asyncio.sleep(0.05)
    finally:
        pipe.bytes_per_second = 10_000_000

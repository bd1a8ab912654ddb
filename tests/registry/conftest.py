"""Registries to ask: one open one for the session, and whatever a test starts for itself."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from jhkube.images.menu import ImageMenu

from .servers import Front, Pusher, RealRegistry

if shutil.which("docker-registry") is None:
    pytest.exit("docker-registry is missing: `make test` installs it, or `apt-get install docker-registry`", 2)

_numbers = count()


@pytest_asyncio.fixture(scope="session")
async def open_registry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealRegistry]:
    registry = RealRegistry(tmp_path_factory.mktemp("open-registry"))
    await registry.start()
    yield registry
    registry.stop()


@pytest.fixture
def pusher(open_registry: RealRegistry) -> Pusher:
    return Pusher(f"http://{open_registry.host}")


@pytest.fixture
def repository() -> str:
    """A repository's path that no other test has."""
    return f"team/lab{next(_numbers)}"


@pytest_asyncio.fixture
async def front(open_registry: RealRegistry) -> AsyncIterator[Front]:
    """A counting proxy before the open registry."""
    front = await Front(open_registry.host).start()
    yield front
    await front.stop()


StartRegistry = Callable[..., Awaitable[RealRegistry]]


@pytest.fixture
def start_registry(tmp_path: Path) -> Iterator[StartRegistry]:
    """Starts a registry of a test's own, with more configuration."""
    started: list[RealRegistry] = []

    async def start(**config: Any) -> RealRegistry:
        registry = RealRegistry(tmp_path / f"registry{len(started)}", **config)
        started.append(registry)
        return await registry.start()

    yield start
    for registry in started:
        registry.stop()


ONE_OF_EACH = [{"kinds": {"alias": "all", "release": 1, "weekly": 2}, "all_tags": True}]

MakeMenu = Callable[..., ImageMenu]


@pytest_asyncio.fixture
async def make_menu() -> AsyncIterator[MakeMenu]:
    """Makes menus that are not kept on disk, unless they are told where, and that wait long for their registries."""
    made: list[ImageMenu] = []

    def make(*repositories: str, **config: Any) -> ImageMenu:
        settings = {"cache_file": "", "describe_images": False, "offers": ONE_OF_EACH}
        settings |= {"request_timeout": 120, "refresh_timeout": 600} | config
        made.append(ImageMenu(repositories=list(repositories), **settings))
        return made[-1]

    yield make
    for menu in made:
        await menu.stop()


def weeklies(first: int, last: int) -> list[str]:
    return [f"w_2026_{week:02}" for week in range(first, last + 1)]

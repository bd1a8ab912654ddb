"""Registries to ask: one open one for the session, and whatever a test starts for itself."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from .servers import Front, Pusher, RealRegistry

if shutil.which("docker-registry") is None:
    pytest.skip("Debian's docker-registry is not installed", allow_module_level=True)

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

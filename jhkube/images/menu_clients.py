"""The clients that ask registries for a menu, and the accounts that they use."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from threading import Thread
from typing import Any
from weakref import WeakKeyDictionary

from .menu_config import ImageMenuConfig
from .registry.client import Registry
from .registry.credentials import RegistryCredentials, pull_secret_content

__all__ = ["MenuClients", "configured_accounts", "new_registry"]


class MenuClients:
    """A client for each registry of the menu, and a second one for people who wait.

    Each client has connections and slots of its own, so that a slow registry keeps only itself busy, and a
    person never waits for the background. A registry that is not of the menu has a client while somebody waits
    for it, which all who wait for it share.

    Parameters
    ----------
    own
        The hosts of the menu.
    make
        Makes a client of a host.
    """

    def __init__(self, own: Collection[str], make: Callable[[str], Registry]) -> None:
        self._own = frozenset(own)
        self._make = make
        self._background: dict[str, Registry] = {}
        self._waited_for: dict[str, Registry] = {}
        self._waiting: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Registry]:
        yield from self._background.values()
        yield from self._waited_for.values()

    def background(self, host: str) -> Registry:
        """Return the client that refreshes the menu."""
        if host not in self._background:
            self._background[host] = self._make(host)
        return self._background[host]

    @asynccontextmanager
    async def waited_for(self, host: str) -> AsyncIterator[Registry]:
        """Give a client to somebody who waits; raises ValueError where there can be no such host."""
        if host not in self._waited_for:
            self._waited_for[host] = self._make(host)
        client = self._waited_for[host]
        self._waiting[host] += 1
        try:
            yield client
        finally:
            self._waiting[host] -= 1
            if not self._waiting[host]:
                del self._waiting[host]
                if host not in self._own and self._waited_for.get(host) is client:
                    del self._waited_for[host]
                    await client.close()

    def use_credentials(self, credentials: RegistryCredentials) -> None:
        """Have all clients log in by these accounts from now on."""
        for client in self:
            client.use_credentials(credentials)

    async def close(self) -> None:
        """Close all connections."""
        clients = list(self)
        self._background.clear()
        self._waited_for.clear()
        for client in clients:
            await client.close()


def new_registry(config: ImageMenuConfig, host: str, credentials: RegistryCredentials) -> Registry:
    """Return a client of a registry, as the menu's settings say; raises ValueError for what cannot be a host."""
    insecure = host in map(str.lower, config.insecure_registries)
    return Registry(
        f"http://{host}" if insecure else host,
        credentials=credentials,
        ca_file=config.ca_file or None,
        concurrency=config.concurrency,
        timeout=config.request_timeout,
        token_servers=config.token_servers,
        platform=config.platform,
    )


async def configured_accounts(config: ImageMenuConfig) -> RegistryCredentials:
    """Return all accounts that are configured; of two for one place, the one that was read last.

    Raises
    ------
    OSError
        Where a file cannot be read, or a source does not answer in time.
    ValueError
        Where a source holds no docker configuration, or the operator's function fails. The message never has a
        part of the content.
    """
    found = []
    async with asyncio.timeout(config.refresh_timeout):
        if config.credentials_file:
            found.append(await asyncio.to_thread(RegistryCredentials.from_docker_config, config.credentials_file))
        if config.credentials_secret:
            namespace, _, name = config.credentials_secret.rpartition("/")
            found.append(RegistryCredentials.from_docker_config(await pull_secret_content(name, namespace)))
        if config.credentials_loader is not None:
            found.append(RegistryCredentials.from_docker_config(await _loaded(config)))
    accounts = {place: credential for each in found for place, credential in each.accounts.items()}
    return RegistryCredentials(accounts, tuple(fault for each in found for fault in each.faults))


_calls: WeakKeyDictionary[ImageMenuConfig, asyncio.Task[Any]] = WeakKeyDictionary()
"""Calls of loaders that have not come back yet."""


async def _loaded(config: ImageMenuConfig) -> Any:
    """Return what the operator's function returns; whoever asks while it runs waits for the same call.

    A function that never comes back would otherwise cost a thread at every refresh.
    """
    call = _calls.get(config)
    if call is None or call.done():
        call = asyncio.create_task(_call(config.credentials_loader, config.refresh_timeout))
        # So that an error that nobody waits for any more is not logged.
        call.add_done_callback(lambda done: done.cancelled() or done.exception())
        _calls[config] = call
    return await asyncio.shield(call)


async def _call(loader: Callable[[], Any], timeout: float) -> Any:
    """Call a coroutine function here, and any other function in a thread; `timeout` (seconds) is for a coroutine."""
    try:
        loaded = loader() if inspect.iscoroutinefunction(loader) else await _called_in_thread(loader)
        if not inspect.isawaitable(loaded):
            return loaded
        async with asyncio.timeout(timeout):
            return await loaded
    except _LoaderFailed:
        raise
    except Exception as error:
        raise _LoaderFailed(error) from None


class _LoaderFailed(ValueError):
    """The operator's function raised; the error's text is left out, as it may hold what was about to be returned."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"c.ImageMenu.credentials_loader raised {type(error).__name__}")


def _called_in_thread(function: Callable[[], Any]) -> asyncio.Future[Any]:
    """Call a function in a thread that does not keep the process from ending."""
    outcome: Future[Any] = Future()
    outcome.set_running_or_notify_cancel()

    def call() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:
            # Not the error itself: a StopIteration or a SystemExit does harm in an event loop.
            outcome.set_exception(_LoaderFailed(error))

    Thread(target=call, name="credentials_loader", daemon=True).start()
    return asyncio.wrap_future(outcome)

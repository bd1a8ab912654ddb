"""The clients that ask registries for a menu, and the accounts that they use."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager

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
            try:
                loaded = config.credentials_loader()
                content = await loaded if inspect.isawaitable(loaded) else loaded
            except Exception as error:
                # its text may hold what it was about to return
                raise ValueError(f"c.ImageMenu.credentials_loader raised {type(error).__name__}") from None
            found.append(RegistryCredentials.from_docker_config(content))
    accounts = {place: credential for each in found for place, credential in each.accounts.items()}
    return RegistryCredentials(accounts, tuple(fault for each in found for fault in each.faults))

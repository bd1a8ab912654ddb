"""The clients that ask registries for a menu: for the background, and apart from it for people who wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager

from .registry.client import Registry, RegistryCredentials

__all__ = ["MenuClients"]


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

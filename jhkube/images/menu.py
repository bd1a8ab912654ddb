"""Which images are offered now: refreshed in the background, kept on disk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from .entries import Menu, MenuEntry
from .image_name import NoSuchImage, is_digest, split_image
from .image_tag import ImageTag, TagKind
from .menu_cache import Listing, MenuFile
from .menu_clients import MenuClients, configured_accounts, new_registry
from .menu_config import ImageMenuConfig
from .menu_reports import measured, note_state, refresh_sentence
from .menu_source import MenuSource, SourceSettings
from .offer_rules import OfferRule, parse_offers
from .offers import Offer, offer_for
from .registry.credentials import RegistryCredentials
from .registry.errors import RegistryDenied, RegistryError, RegistryGarbled, RegistryNotFound
from .scheme_config import schemes_from_config
from .tags import parse_tag

__all__ = ["ImageMenu"]

PROMPT_RETRIES: Final = 0
"""How often a registry is asked again while a user waits."""


class ImageMenu(ImageMenuConfig):
    """The images of one or several repositories, kept up to date while nobody waits.

    `start` begins to refresh in the background, once per process; `current` is the menu as it is known, at
    once and without any input or output.

    Examples
    --------
    >>> menu = ImageMenu(repositories=["localhost:5000/lab"], cache_file="")
    >>> await menu.refresh()
    >>> [entry.display_name for entry in menu.offer_for(["astronomy"]).entries]
    ['Recommended (Weekly 2026, week 46 (9–15 Nov))']
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rules = parse_offers(self.offers)
        self._settings = SourceSettings(
            rules=self._rules,
            schemes=schemes_from_config(self.schemes, self.aliases, self.custom_schemes),
            concurrency=self.concurrency,
            moving_tags=tuple(self.moving_tags),
            recheck_after=self.recheck_after,
            refresh_timeout=self.refresh_timeout,
            alias_search_limit=self.alias_search_limit,
        )
        self._sources = [MenuSource(name, self._settings) for name in dict.fromkeys(self.repositories)]
        hosts = [source.host for source in self._sources]
        self._clients = MenuClients(hosts, lambda host: new_registry(self, host, self._credentials))
        self._credentials = RegistryCredentials()
        self._listeners: list[Callable[[Menu], None]] = []
        self._refreshing: asyncio.Task[None] | None = None
        self._background: asyncio.Task[None] | None = None
        self._settled = False
        self._menu = Menu()
        self._file = MenuFile(Path(self.cache_file)) if self.cache_file else None
        for source, listing in self._kept().items():
            source.restore(listing)
        self._publish()

    @property
    def rules(self) -> tuple[OfferRule, ...]:
        """The operator's rules, read."""
        return self._rules

    @property
    def current(self) -> Menu:
        """The menu as it is known now, at once."""
        return self._menu

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to wait for: true where the menu was kept on disk, or once a refresh has ended."""
        return self._settled or self._menu.refreshed_at is not None

    @property
    def failures(self) -> dict[str, RegistryError]:
        """Why the last refresh of a repository failed, for the operator, by repository."""
        return {source.name: source.error for source in self._sources if source.error is not None}

    @property
    def requests(self) -> dict[str, int]:
        """How many requests were sent to registries, by what they were for."""
        total: dict[str, int] = {}
        for registry in self._clients:
            for what, count in registry.requests.items():
                total[what] = total.get(what, 0) + count
        return total

    @property
    def bytes_received(self) -> int:
        """How many bytes the answers of registries had."""
        return sum(registry.bytes_received for registry in self._clients)

    def offer_for(self, groups: Collection[str], *, prefer_named: bool = False) -> Offer:
        """Return what somebody of these hub groups can choose from now.

        Parameters
        ----------
        groups
            The hub groups.
        prefer_named
            Whether offers for everybody count only where no offer names one of the groups.
        """
        return offer_for(self.current, self.rules, groups, prefer_named=prefer_named)

    def on_change(self, listener: Callable[[Menu], None]) -> None:
        """Have a function called with each new menu."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Begin to refresh in the background; nothing where that was begun already."""
        if self._background is None or self._background.done():
            self._background = asyncio.get_running_loop().create_task(self._keep_fresh())

    async def stop(self) -> None:
        """End what `start` began, and close the connections."""
        tasks = [task for task in (self._background, self._refreshing) if task is not None]
        self._background = self._refreshing = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._clients.close()

    async def _keep_fresh(self) -> None:
        while True:
            try:
                if left := await self._take_over():
                    await self._refresh_once(left)
            except Exception:
                self.log.exception("The image menu was not refreshed")
            jitter = random.uniform(-self.refresh_jitter, self.refresh_jitter)
            await asyncio.sleep(self.refresh_interval * (1 + jitter))

    async def refresh(self) -> None:
        """Bring the menu up to date; never raises because of a registry. Two at once are one."""
        await self._refresh_once(self._sources)

    async def _refresh_once(self, sources: Collection[MenuSource]) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh(sources))
        await asyncio.shield(self._refreshing)

    async def _refresh(self, sources: Collection[MenuSource]) -> None:
        try:
            await self._read_credentials()
            await asyncio.gather(*(self._refresh_source(source) for source in sources))
        finally:
            self._settled = True
        has_learnt = any(source.error is None for source in sources)
        if self.shared_cache and self.failures:
            # Where this hub cannot reach a registry, another one may: what that one wrote is not lost.
            await self._read_news([source for source in self._sources if source.error is not None])
        if has_learnt or not self.shared_cache:
            await self._write_cache()

    async def _refresh_source(self, source: MenuSource) -> None:
        """Refresh one repository and show at once what came of it: another one may be slow."""
        registry = self._clients.background(source.host)
        before = source.error
        with measured(source):
            await source.refresh(registry)
        if source.error is not None and type(source.error) is not type(before):
            # A garbled answer with a cause is one that nobody thought of.
            cause = source.error.__cause__ if isinstance(source.error, RegistryGarbled) else None
            self.log.warning("The tags of %s were not refreshed: %s", source.name, source.error, exc_info=cause)
        elif source.error is None and before is not None:
            self.log.info("The tags of %s are refreshed again", source.name)
        self._publish()
        if self.describe_images and source.error is None:
            failure = await source.describe(registry)
            if failure is not None:
                self.log.info("Images of %s are not described: %s", source.name, failure)
            self._publish()

    def _publish(self) -> None:
        """Make what the repositories know the menu, and tell those who want to know."""
        sources, before = self._sources, self._menu
        for source in sources:
            note_state(source)
        parts = tuple(source.part for source in sources)
        changed = parts != before.parts
        answered = [source.refreshed_at for source in sources if source.refreshed_at is not None]
        self._menu = replace(
            Menu.of(parts) if changed else before,
            refreshed_at=min(answered, default=None),
            errors=tuple(refresh_sentence(source) for source in sources if source.error is not None),
        )
        if changed or self._menu.errors != before.errors:
            for listener in self._listeners:
                try:
                    listener(self._menu)
                except Exception:
                    self.log.exception("What follows the image menu failed")

    async def resolved(self, entry: MenuEntry) -> MenuEntry:
        """Return an image with its digest; ask the registry only where nobody did before.

        What is offered at once has its digest. This asks for one of "all tags", once; the answer is kept.

        Raises
        ------
        NoSuchImage
            Where the registry has it no more, or does not answer.
        """
        if entry.digest:
            return entry
        host, path, _ = split_image(entry.reference)
        digest = await self._digest_for_user(host, path, entry.tag.tag)
        for source in self._sources:
            if source.name == entry.repository:
                source.learn(entry.tag.tag, digest)
        return replace(entry, digest=digest)

    async def check_custom_image(self, image: str, offer: Offer) -> MenuEntry:
        """Return a typed image as an entry with its digest, if it may be had and exists.

        Parameters
        ----------
        image
            As it was typed: `registry.example.org/team/lab:tag`, or with `@sha256:…`.
        offer
            What the user is offered, with the patterns for typed images.

        Raises
        ------
        NoSuchImage
            With a sentence for the user: it is not allowed, does not exist, or could not be looked up.
        """
        image = image.strip()
        host, path, reference = split_image(image)
        if not offer.allows_custom(image):
            raise NoSuchImage("This image is not allowed on this hub.")
        digest = await self._digest_for_user(host, path, reference)
        if is_digest(reference):
            tag = ImageTag(reference, TagKind.OTHER, f"Image {digest[7:19]}")
        else:
            tag = parse_tag(reference, self._settings.schemes)
        return MenuEntry(f"{host}/{path}", tag, digest)

    async def _digest_for_user(self, host: str, path: str, reference: str) -> str:
        """Ask once, and say what came of it to the user who waits."""
        image = f"{host}/{path}{'@' if is_digest(reference) else ':'}{reference}"
        try:
            async with asyncio.timeout(self.request_timeout):
                if not self._settled:
                    await self._read_credentials()
                async with self._clients.waited_for(host) as registry:
                    return await registry.digest(path, reference, retries=PROMPT_RETRIES)
        except RegistryNotFound:
            raise NoSuchImage(f"There is no such tag: the registry has no {image}.") from None
        except RegistryDenied as error:
            self.log.warning("%s was asked for, and the registry refused: %s", image, error)
            raise NoSuchImage(f"The registry does not let the hub see {image}.") from None
        except Exception as error:
            self.log.warning(
                "%s was asked for and could not be looked up: %s",
                image,
                error or "no answer in time",
                exc_info=not isinstance(error, RegistryError | TimeoutError),
            )
            raise NoSuchImage(
                f"The image {image} cannot be checked now: its registry does not answer. "
                "Choose an image from the list, or try again later."
            ) from None

    async def _read_credentials(self) -> None:
        """Read the accounts again; where that fails, go on with those there are."""
        try:
            accounts = await self.configured_accounts()
        except Exception as error:
            why = str(error) if isinstance(error, OSError | ValueError) else ""
            self.log.warning("The accounts for the registries were not read: %s", why or type(error).__name__)
            return
        for fault in accounts.faults:
            if fault not in self._credentials.faults:
                self.log.warning("%s", fault)
        if accounts != self._credentials:
            self._clients.use_credentials(accounts)
        self._credentials = accounts

    async def configured_accounts(self) -> RegistryCredentials:
        """Return the accounts for the registries; raises OSError or ValueError where they cannot be read."""
        return await configured_accounts(self)

    def _kept(self) -> dict[MenuSource, Listing]:
        """Return what the file has of each repository, as far as it can be read."""
        if self._file is None:
            return {}
        try:
            listings, faults = self._file.read(self.repositories)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            self.log.warning("The menu kept in %s is not used: %s", self.cache_file, error)
            return {}
        for name, fault in faults.items():
            self.log.warning("What is kept in %s is not used for %s: %s", self.cache_file, name, fault)
        return {source: listings[source.name] for source in self._sources if source.name in listings}

    async def _take_over(self) -> list[MenuSource]:
        """Take over what other hubs have written; return the repositories that are left for this one to ask.

        Those are all, where no other hub has written the file since this one last read or wrote it.
        """
        if not self.shared_cache or self._file is None or not await asyncio.to_thread(self._file.is_changed):
            return self._sources
        # This hub asks for typed images itself.
        await self._read_credentials()
        taken = await self._read_news(self._sources)
        return [source for source in self._sources if source not in taken]

    async def _read_news(self, sources: Collection[MenuSource]) -> list[MenuSource]:
        """Take over what the file has of some repositories that this hub did not learn; return which those are.

        An answer that is another hub's has another time. If that hub's clock is ahead, it counts as new each time.
        """
        kept = await asyncio.to_thread(self._kept)
        taken = []
        for source in sources:
            listing = kept.get(source)
            if listing is not None and listing.refreshed_at not in (None, source.refreshed_at):
                await source.take_over(listing)
                taken.append(source)
        self._settled = self._settled or bool(taken)
        self._publish()
        return taken

    async def _write_cache(self) -> None:
        """Keep the menu, and that it was good at this time."""
        if self._file is None:
            return
        listings = {source.name: source.listing() for source in self._sources}
        try:
            await asyncio.to_thread(self._file.write, listings)
        except (OSError, ValueError) as error:
            self.log.warning("The menu is not kept in %s: %s", self.cache_file, error)

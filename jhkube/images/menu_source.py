"""One repository of the menu: what is known of it, and how that is brought up to date."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice, zip_longest

from .details import ImageDetails
from .entries import Menu, MenuEntry, MenuPart, build_part
from .image_name import is_digest, split_repository
from .image_tag import TagKind
from .menu_cache import KnownDigest, Listing, Missing
from .offer_rules import OfferRule
from .offers import offered_to_anybody
from .registry.client import Registry
from .registry.errors import (
    RegistryDenied,
    RegistryError,
    RegistryFailing,
    RegistryGarbled,
    RegistryNotFound,
    RegistryUnreachable,
)
from .schemes import TagScheme
from .tags import KnownTags, read_tags

__all__ = ["MenuSource", "SourceSettings"]

ROUNDS = 6
"""How often more digests are asked for, because known ones showed two tags to be one image."""

FAILURES = 8
"""How many tags a registry may fail at (HTTP 500) before any other is had, until it counts as failing as a whole."""

EMPTY_ANSWERS = 3
"""How often in a row a repository that had tags must say that it has none, before it is believed."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What is the same for all repositories of a menu."""

    rules: tuple[OfferRule, ...]
    """What is offered: these images' digests must be known."""

    schemes: tuple[TagScheme, ...]
    """How tags are read."""

    concurrency: int
    """How many requests are under way for one repository at most."""

    moving_tags: tuple[str, ...]
    """Patterns of tags that, like aliases, are asked for at every refresh."""

    recheck_after: float
    """Seconds after which the digest of an offered tag is asked for again."""

    refresh_timeout: float
    """Seconds after which a refresh of one repository is given up, and so is describing its images."""

    alias_search_limit: int
    """How many digests are asked for at most to find what an alias points at."""


class MenuSource:
    """One repository's part of the menu.

    Nothing is lost by a refresh that fails, whenever it fails: what was learnt up to then stays.
    """

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self.name = name
        """With its registry's host: `localhost:5000/lab`."""
        self.host, self.path = split_repository(name)
        self.part = MenuPart(name)
        self.refreshed_at: float | None = None
        self.error: RegistryError | None = None
        """Why the last refresh did not do all it should; None where it did."""
        self._settings = settings
        self._known = KnownTags()
        self._digests: dict[str, KnownDigest] = {}
        self._missing: dict[str, Missing] = {}
        self._details: dict[str, ImageDetails] = {}
        self._unnamed: set[str] = set()
        self._empty_answers = 0
        self._failed: dict[str, RegistryError] = {}
        self._changed = False

    def listing(self) -> Listing:
        """Return what is known, as it is kept on disk."""
        return Listing(
            tags=tuple(self._known.tags),
            refreshed_at=self.refreshed_at,
            digests=dict(self._digests),
            unnamed=frozenset(self._unnamed),
            missing=dict(self._missing),
            details=dict(self._details),
        )

    def restore(self, listing: Listing) -> None:
        """Begin with what was kept on disk."""
        self._note(listing)
        self._take(read_tags(listing.tags, self._known, self._settings.schemes, self._settings.moving_tags))
        self.part = self._builder()()
        self._changed = False

    async def take_over(self, listing: Listing) -> None:
        """Go on with what another hub has learnt; the registry has answered it."""
        settings = self._settings
        known = await asyncio.to_thread(read_tags, listing.tags, self._known, settings.schemes, settings.moving_tags)
        self._note(listing)
        self._take(known)
        self.error = None
        await self._rebuild()

    def _note(self, listing: Listing) -> None:
        self._digests = dict(listing.digests)
        self._unnamed = set(listing.unnamed)
        self._missing = dict(listing.missing)
        # An image that says nothing of itself is asked again: earlier versions kept a failure like that.
        self._details = {digest: known for digest, known in listing.details.items() if known != ImageDetails()}
        self.refreshed_at = listing.refreshed_at

    async def refresh(self, registry: Registry) -> None:
        """Bring what is known up to date; on failure note the error and keep what there is.

        Asked are the pages of tags, each moving tag, each offered tag whose digest is not known or was last asked
        for long ago, each tag that had no image and is due again, and, for an alias that moved to a digest which no
        known tag has, further tags until one has it.
        """
        self.error = await self._failure(self._refresh(registry))
        if self.error is None:
            self.refreshed_at = time.time()
        rebuilt = await self._failure(self._rebuild())
        self.error = self.error or rebuilt

    async def _failure(self, work: Awaitable[None]) -> RegistryError | None:
        """Do some work and return what ended it early: whatever a registry sends ends here."""
        limit = self._settings.refresh_timeout
        try:
            async with asyncio.timeout(limit):
                await work
        except RegistryError as error:
            return error
        except TimeoutError:
            return RegistryUnreachable(f"{self.name}: the registry did not answer everything in {limit:g} s")
        except Exception as error:
            failure = RegistryGarbled(f"{self.name}: {type(error).__name__} while its answers were read")
            failure.__cause__ = error
            return failure
        return None

    async def _refresh(self, registry: Registry) -> None:
        known = await self._listed(registry)
        if known.tags is not self._known.tags:
            self._take(known)
        self._failed = {}
        answered = await self._ask(registry, dict.fromkeys([*self._known.moving, *self._due_again()]))
        stale = time.time() - self._settings.recheck_after
        for _ in range(ROUNDS):
            await self._rebuild()
            wanted = [tag for entry in self._offered() for tag in self._to_ask(entry, stale)]
            if not wanted:
                break
            answered += await self._ask(registry, wanted)
        answered += await self._name_aliases(registry, known.new)
        news = [error for text, error in self._failed.items() if text not in self._missing]
        if news and not answered:
            raise news[0]
        for text in self._failed:
            if text not in self._digests or text in self._missing:
                self.learn(text, "")  # the others are had, so this is one image's trouble

    def _due_again(self) -> list[str]:
        """Return the tags that had no image and are to be asked for again."""
        return [text for text, known in self._digests.items() if not known.digest and self._is_due(text)]

    def _is_due(self, key: str) -> bool:
        missing = self._missing.get(key)
        return missing is None or missing.again_at(self._settings.recheck_after) <= time.time()

    async def _listed(self, registry: Registry) -> KnownTags:
        """Return the tags that the registry lists; that there are none any more is doubted twice."""
        before, settings = self._known, self._settings
        try:
            listed = await registry.tags(self.path)
        except RegistryNotFound:
            if not before.tags:
                raise
            listed = []
        known = await asyncio.to_thread(read_tags, listed, before, settings.schemes, settings.moving_tags)
        if known.tags or not before.tags:
            self._empty_answers = 0
            return known
        self._empty_answers += 1
        if self._empty_answers < EMPTY_ANSWERS:
            raise RegistryGarbled(
                f"{self.name}: the registry says that it has no tags any more; the {len(before.tags)} it had "
                f"are kept until it has said so {EMPTY_ANSWERS} times"
            )
        return known

    def _take(self, known: KnownTags) -> None:
        """Go on with these tags; forget what is known of those that are gone."""
        self._known = known
        self._digests = {text: digest for text, digest in self._digests.items() if text in known.tags}
        self._missing = {key: found for key, found in self._missing.items() if key in known.tags or is_digest(key)}
        self._changed = True

    def _offered(self) -> Iterable[MenuEntry]:
        menu = Menu.of([self.part])
        return offered_to_anybody(menu, self._settings.rules, datetime.now(UTC).date()).values()

    def _to_ask(self, entry: MenuEntry, stale: float) -> Iterator[str]:
        """Yield an offered image's tags whose digests are not known, or were asked for before `stale`."""
        for tag in entry.tags:
            known = self._digests.get(tag.tag)
            if tag.tag not in self._failed and (known is None or known.asked_at < stale):
                yield tag.tag

    async def _ask(self, registry: Registry, texts: Iterable[str]) -> int:
        """Ask for digests; return for how many there was an answer, and note the others."""
        answered = 0

        async def ask(text: str) -> None:
            nonlocal answered
            try:
                digest = await registry.digest(self.path, text)
            except RegistryNotFound:
                digest = ""  # listed, but deleted or not there yet: not offered until it is asked for again
            except (RegistryDenied, RegistryGarbled, RegistryFailing) as error:
                self._failed[text] = error
                if isinstance(error, RegistryFailing) and not answered and len(self._failed) >= FAILURES:
                    raise  # not at one tag, but as a whole
                return
            answered += 1
            self.learn(text, digest)

        await _all(ask, texts, self._settings.concurrency)
        return answered

    def learn(self, text: str, digest: str) -> None:
        """Note what a tag stands for now."""
        known = self._digests.get(text)
        self._digests[text] = KnownDigest(digest, time.time())
        if digest:
            self._missing.pop(text, None)
        else:
            self._note_missing(text)
        if known is None or known.digest != digest:
            self._changed = True

    def _note_missing(self, key: str) -> None:
        """Note that the registry does not have what a tag or a digest names."""
        before, now = self._missing.get(key), time.time()
        self._missing[key] = Missing(now if before is None else before.since, now)

    async def _name_aliases(self, registry: Registry, new: Collection[str]) -> int:
        """Look for the tags that aliases point at, where none of the known digests is theirs.

        Returns for how many tags there was an answer.
        """
        moving = set(self._known.moving)
        images = (self.part.by_tag[text] for text in self._known.moving if text in self.part.by_tag)
        nameless = {entry.digest for entry in images if moving.issuperset(tag.tag for tag in entry.tags)}
        nameless.discard("")
        self._unnamed &= nameless
        answered = 0
        if not nameless:
            return answered
        fresh = set(new) if nameless <= self._unnamed else None
        candidates = islice(self._candidates(fresh), self._settings.alias_search_limit)
        while nameless and (batch := list(islice(candidates, 2 * self._settings.concurrency))):
            answered += await self._ask(registry, batch)
            nameless -= {self._digests[text].digest for text in batch if text in self._digests}
        self._unnamed |= nameless
        return answered

    def _candidates(self, among: Collection[str] | None) -> Iterator[str]:
        """Yield what an alias may point at: the newest release, weekly, daily …, then the next of each."""
        kinds: dict[TagKind, list[str]] = {}
        for tag in self._known.order:
            if tag.tag not in self._digests and (among is None or tag.tag in among):
                kinds.setdefault(tag.kind, []).append(tag.tag)
        for texts in zip_longest(*kinds.values()):
            yield from filter(None, texts)

    async def describe(self, registry: Registry) -> RegistryError | None:
        """Ask for the details of what is offered, each image once; return what ended it early."""
        failure = await self._failure(self._describe(registry))
        return await self._failure(self._rebuild()) or failure

    async def _describe(self, registry: Registry) -> None:
        async def ask(digest: str) -> None:
            try:
                self._details[digest] = await registry.image_details(self.path, digest)
            except (RegistryNotFound, RegistryDenied, RegistryGarbled, RegistryFailing):
                self._note_missing(digest)
            else:
                self._missing.pop(digest, None)
                self._changed = True

        used = {known.digest for known in self._digests.values()}
        self._details = {digest: known for digest, known in self._details.items() if digest in used}
        self._missing = {key: known for key, known in self._missing.items() if key in self._known.tags or key in used}
        unknown = {entry.digest for entry in self._offered() if entry.digest} - self._details.keys()
        await _all(ask, filter(self._is_due, unknown), self._settings.concurrency)

    async def _rebuild(self) -> None:
        """Make the images again in a thread, if anything changed."""
        if self._changed:
            self._changed = False
            self.part = await asyncio.to_thread(self._builder())

    def _builder(self) -> Callable[[], MenuPart]:
        """Return what makes the images of what is known now, whatever is learnt while it does."""
        digests = {text: known.digest for text, known in self._digests.items()}
        return partial(build_part, self.name, self._known.order, digests, dict(self._details), self.part)


async def _all(work: Callable[[str], Awaitable[None]], items: Iterable[str], concurrency: int) -> None:
    """Do something with each item, so many at a time; the first failure ends it and is raised."""
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await work(item)

    tasks = [asyncio.ensure_future(worker()) for _ in range(concurrency)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""A repository's tags, page by page, as the registry's links lead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from yarl import URL

from .._gently import gently
from ..image_tag import LEGAL_TAG
from .http import (
    Answer,
    Recent,
    RegistryError,
    RegistryGarbled,
    RegistryNotFound,
    RegistryUnreachable,
    place_of,
)
from .tag_list import MAX_TAGS, tags_in

__all__ = ["TagPages"]

MAX_PAGES = 10_000
"""A list of tags that goes on for longer than this is not one."""


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of tags as it was last answered, to be asked for again by its ETag."""

    etag: str
    tags: tuple[str, ...]
    last: str
    """The last text on it; the next page begins after it."""
    next_url: URL | None
    answered_by: URL
    """The address that sent it, which a redirect may have led to."""


Ask = Callable[[str, URL, Mapping[str, str]], Awaitable[Answer]]
"""Asks for a page of a repository, with headers; raises RegistryError for any status but 200 and 304."""


class TagPages:
    """Reads the tags of one registry's repositories (OCI distribution specification, Listing Tags).

    Parameters
    ----------
    host
        The registry as images name it.
    origin
        Its address.
    page_size
        How many tags to ask for at a time; registries may send fewer.
    ask
        Sends a request.
    """

    def __init__(self, host: str, origin: URL, page_size: int, ask: Ask) -> None:
        self._host = host
        self._origin = origin
        self._page_size = page_size
        self._ask = ask
        self._known: Recent[str, dict[URL, _Page]] = Recent()

    async def tags(self, repository: str) -> list[str]:
        """Return a repository's tags; those that no image can be pulled by are left out.

        Raises
        ------
        RegistryError
            RegistryNotFound only where the first page says so; else as the failure is.
        """
        name = f"{self._host}/{repository}"
        before = self._known.pop(repository, {})
        url = self._address(repository)
        page = await self._page(name, url, before.get(url))
        pages = {url: page}
        count = len(page.tags)
        while page.next_url is not None:
            url, page = await self._next(repository, page, pages, before)
            pages[url] = page
            count += len(page.tags)
            if len(pages) > MAX_PAGES or count > MAX_TAGS:
                raise RegistryGarbled(f"{name}: its list of tags has no end: {count} on {len(pages)} pages so far")
        self._known[repository] = {url: page for url, page in pages.items() if page.etag}
        return list(dict.fromkeys(tag for page in pages.values() for tag in page.tags))

    def _address(self, repository: str, last: str = "") -> URL:
        query = {"n": str(self._page_size)} | ({"last": last} if last else {})
        return (self._origin / "v2" / repository / "tags/list").with_query(query)

    async def _next(
        self, repository: str, page: _Page, pages: Mapping[URL, _Page], before: Mapping[URL, _Page]
    ) -> tuple[URL, _Page]:
        """Return the page after a page: as its link says, or by the last tag where the link leads nowhere."""
        name = f"{self._host}/{repository}"
        url = None
        try:
            url = self._linked(name, page)
            if url in pages:
                raise RegistryGarbled(f"{name}: the pages of its tags lead in a circle")
            return url, await self._page(name, url, before.get(url))
        except RegistryUnreachable:
            raise
        except RegistryNotFound:
            failure: RegistryError = RegistryGarbled(f"{name}: the registry does not have a later page of its tags")
        except RegistryError as error:
            failure = error
        own = self._address(repository, page.last)
        if not page.last or own == url or own in pages:
            raise failure
        try:
            found = await self._page(name, own, None)
        except RegistryError:
            raise failure from None
        seen = {tag for each in pages.values() for tag in each.tags}
        if found.tags and seen.issuperset(found.tags):
            raise failure  # it does not know `last`, and begins again
        return own, found

    def _linked(self, name: str, page: _Page) -> URL:
        """Return the address of the next page, at the registry itself or where its redirect led.

        Behind a proxy a registry may not know its own scheme and port, so a link to its host is taken to be to the
        address that we know.
        """
        link = page.next_url
        if link is None or not link.host or link.scheme not in ("http", "https"):
            raise RegistryGarbled(f"{name}: its next page of tags has no address")
        if link.host == self._origin.host:
            return self._origin.join(link.relative())
        if link.origin() == page.answered_by.origin():
            return link.with_user(None)
        raise RegistryGarbled(f"{name}: its next page of tags is on another host, {place_of(link)}")

    async def _page(self, name: str, url: URL, before: _Page | None) -> _Page:
        """Return a page; conditionally where there was one after it.

        An ETag may stand for the tags of the page alone, so that the last one stays "unchanged" when a page comes
        after it.
        """
        headers = {"Accept": "application/json"}
        if before is not None and before.next_url is not None:
            headers["If-None-Match"] = before.etag
        answer = await self._ask(name.partition("/")[2], url, headers)
        if answer.status == 304 and before is not None:
            return replace(before, next_url=answer.next_url or before.next_url)
        try:
            listed = await gently(tags_in(answer.body))
        except ValueError as error:
            raise RegistryGarbled(f"{name}: its list of tags {error}") from None
        is_tag = LEGAL_TAG.fullmatch
        tags = tuple(tag for tag in listed if is_tag(tag))
        last = listed[-1] if listed else ""
        return _Page(answer.headers.get("ETag", ""), tags, last, answer.next_url, answer.url)

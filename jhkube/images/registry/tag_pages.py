"""A repository's tags, page by page, as the registry's links lead."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from yarl import URL

from ..image_tag import LEGAL_TAG
from .errors import RegistryError, RegistryGarbled, RegistryNotFound, RegistryUnreachable
from .http import Answer, Recent, place_of

__all__ = ["TagPages", "decoded", "tags_in"]

SMALL = 2**16
"""Bytes of a page that are read on the event loop: a millisecond's work. Longer ones are read in a thread."""

DECODED_WHOLE = 2**19
"""Bytes of JSON that are decoded at once. The decoder lets no other thread run, so that more than these, some
milliseconds' work, are read text by text."""

MAX_BRACKETS = 50_000
MAX_COMMAS = 200_000
"""What no manifest or configuration comes near. Decoding more of them would stop the event loop for seconds."""

MAX_TAGS = 1_000_000
"""A list of tags that goes on longer than this is not one."""

# Possessive quantifiers, which keep no way back: one text of 30 MB is read in a moment.
_STRING = re.compile(r'\s*+"([^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+)"')
_COLON = re.compile(r"\s*+:\s*+")
_COMMA = re.compile(r"\s*+,\s*+")
_OPENING = re.compile(r"\s*+\{")
_CLOSING = re.compile(r"\s*+\}\s*+")
_LIST_END = re.compile(r"\s*+\]")
_SCALAR = re.compile(r'-?[0-9][0-9.eE+-]*+|true|false|null|"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_NESTING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{}]')

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
        found = [page.tags for page in pages.values()]
        return await asyncio.to_thread(_each_once, found) if len(found) > 1 else _each_once(found)

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
            # A large page takes longer than the event loop may be kept; a small one less than a thread costs.
            large = len(answer.body) > SMALL
            tags, last = await asyncio.to_thread(_legal_tags, answer.body) if large else _legal_tags(answer.body)
        except ValueError as error:
            raise RegistryGarbled(f"{name}: its list of tags {error}") from None
        return _Page(answer.headers.get("ETag", ""), tags, last, answer.next_url, answer.url)


def _each_once(pages: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(chain.from_iterable(pages)))


def _legal_tags(body: bytes) -> tuple[tuple[str, ...], str]:
    """Return the tags of a page by which an image can be pulled, and the last text on it, whatever it is."""
    listed = tags_in(body)
    return tuple(tag for tag in listed if LEGAL_TAG.fullmatch(tag)), listed[-1] if listed else ""


def decoded(body: bytes) -> Any:
    """Return what a JSON document holds.

    Raises
    ------
    ValueError
        Where it is not JSON that can be read, or has more parts than any document of a registry; the message is
        the predicate of a sentence.
    """
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS or body.count(b",") > MAX_COMMAS:
        raise ValueError("has too many parts")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None


def tags_in(body: bytes) -> list[str]:
    """Return the texts of a page's list of tags, in the registry's order; some may be no tags.

    Raises
    ------
    ValueError
        Where it is not JSON, or has no list of texts in it; the message is the predicate of a sentence.
    """
    if len(body) > DECODED_WHOLE:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise ValueError("is not JSON") from None
        return _large(text)
    data = decoded(body)
    listed = data.get("tags", ...) if isinstance(data, dict) else ...
    if listed is None:
        return []  # Docker's registry writes null for none
    if not isinstance(listed, list) or not all(isinstance(tag, str) for tag in listed):
        raise ValueError("has no list of texts in it")
    return listed


def _large(text: str) -> list[str]:
    """Read an object's members one by one; what is not the list of tags is skipped, not decoded."""
    found: list[str] | None = None
    opening = _OPENING.match(text)
    place = opening.end() if opening else 0
    while opening:
        key = _STRING.match(text, place)
        colon = key and _COLON.match(text, key.end())
        if not key or not colon:
            break
        place = colon.end()
        if key[1] == "tags":
            found = []
            place = _texts(text, place, found)
        else:
            place = _skipped(text, place)
        if _CLOSING.fullmatch(text, place):
            if found is None:
                raise ValueError("has no list of texts in it")
            return found
        comma = _COMMA.match(text, place)
        if not comma:
            break
        place = comma.end()
    raise ValueError("is not JSON")


def _texts(text: str, place: int, found: list[str]) -> int:
    """Read a list of texts; returns where it ends."""
    if text.startswith("null", place):
        return place + 4
    if not text.startswith("[", place):
        raise ValueError("has no list of texts in it")
    place += 1
    if empty := _LIST_END.match(text, place):
        return empty.end()
    while True:
        if len(found) > MAX_TAGS:
            raise ValueError(f"has no end: more than {MAX_TAGS} on one page")
        string = _STRING.match(text, place)
        if string is None:
            raise ValueError("has no list of texts in it")
        found.append(decoded(string[0].encode()) if "\\" in string[1] else string[1])
        place = string.end()
        comma = _COMMA.match(text, place)
        if comma is None:
            break
        place = comma.end()
    end = _LIST_END.match(text, place)
    if end is None:
        raise ValueError("is not JSON")
    return end.end()


def _skipped(text: str, place: int) -> int:
    """Return where a value ends that begins here."""
    if scalar := _SCALAR.match(text, place):
        return scalar.end()
    if text[place : place + 1] not in ("[", "{"):
        raise ValueError("is not JSON")
    depth = 0
    for token in _NESTING.finditer(text, place):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
            if depth == 0:
                return token.end()
    raise ValueError("is not JSON")

"""A list in pages and a watch that comes back, of any kind of object."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import aiohttp
from kubernetes_asyncio.client.exceptions import ApiException
from kubespawner.reflector import ResourceReflector
from traitlets import Any as AnyTrait
from traitlets import Int

from jhkube.metrics import WATCH_FAILURES, WATCHES_LOST
from jhkube.watch.packed import PackedObjects, object_key

__all__ = ["WatchReflector"]

_FIRST_PAGE = 50
_PAGE_SIZES = range(20, 1001)
_SLICE = 0.01
"""For how long, in seconds, changes are read before other work of the hub gets its turn."""
_LONGEST_DELAY = 30.0
_LONGEST_DELAY_WAITED_FOR = 3.0


class _Expired(Exception):
    """The API server no longer knows the version we want to go on from (HTTP 410): list again."""


class _Dropped(Exception):
    """The connection of a watch that had begun broke: nothing is wrong with the version to go on from."""


class WatchReflector(ResourceReflector):
    """A local copy of some objects, kept by one list and then by watching.

    It differs from its parent: a list comes in pages, each small enough not to hold up the hub. A watch that ends, or
    whose connection breaks, continues where it was, without a list. Only `stop` ends it, so `restart_seconds` and
    `on_failure` of the parent have no effect. Callers can subscribe to the changes of one object (`subscribe`).

    After any other error there is a new list: an API server that was away may have another database, as after a
    restore of etcd. A watch that continues from a version which that database does not have yet sees nothing, and no
    error.
    """

    timeout_seconds = Int(
        60,
        config=True,
        help="""
        How many seconds the API server keeps a watch open.

        A watch that ends continues where it was; this costs one request. A connection that broke without notice, as
        behind a load balancer that was replaced, is noticed this many seconds later, or five seconds after a pod was
        created that does not show up.

        For example, in a cluster with thousands of hubs::

            c.WatchReflector.timeout_seconds = 300
        """,
    )

    page_bytes = Int(
        400_000,
        config=True,
        help="""
        About how many bytes one page of a list should have.

        The hub does nothing else while it reads a page: about 10 ms by default. For example, on a slow machine::

            c.WatchReflector.page_bytes = 200_000
        """,
    )

    resources = AnyTrait(help="""The objects: a mapping of "namespace/name" to a dict, read-only.""")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        # KubeSpawner waits for this one where it finds the reflector started; `loaded` is what jhkube waits for.
        self.first_load_future.set_result(None)
        self._loaded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.resources = PackedObjects()
        self._version: str | None = None
        self._response: aiohttp.ClientResponse | None = None
        self._subscribers: dict[str, set[asyncio.Event]] = {}
        self._trouble_since: float | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether the objects are there."""
        return self._loaded.done() and self._loaded.exception() is None

    async def start(self) -> None:
        """Begin; returns when the first try to load the objects has ended, also where it failed or was stopped.

        KubeSpawner ends the hub where this fails and users have namespaces of their own. `loaded` says what it failed
        with.
        """
        if self.watch_task and not self.watch_task.done():
            raise RuntimeError(f"Task watching for {self.kind} is already running")
        WATCHES_LOST.labels(self.kind)
        self.watch_task = asyncio.create_task(self._run(), name=f"watch {self.kind} {self.namespace}")
        # The reflector has said why, and goes on trying.
        await asyncio.wait([self._loaded])

    async def loaded(self) -> None:
        """Return when the objects are there.

        Raises
        ------
        Exception
            What the latest try to load them failed with: `ApiException`, or an error of the connection. The
            reflector goes on trying, so to call this again is to wait for the next try. After `stop` there is none,
            and the error is `aiohttp.ClientConnectionError`.
        """
        # A start that is cancelled while it waits must not cancel it for the others.
        await asyncio.shield(self._loaded)

    async def stop(self) -> None:
        """End the watch, and wake whoever waits for a change so that they look for another reflector."""
        self._stopping = True
        if self.watch_task:
            self.watch_task.cancel()
            await asyncio.wait([self.watch_task])
            self.watch_task = None
        if not self._loaded.done():
            self._loaded.set_exception(aiohttp.ClientConnectionError(f"the watch of {self._where} was stopped"))
            self._loaded.exception()  # nobody need be waiting
        self._set_recovered()
        for waiting in self._subscribers.values():
            for wake in waiting:
                wake.set()

    @contextmanager
    def subscribe(self, key: str, wake: asyncio.Event) -> Iterator[None]:
        """Within the block, `wake` is set at each change of the pod "namespace/name", or of its events."""
        waiting = self._subscribers.setdefault(key, set())
        waiting.add(wake)
        try:
            yield
        finally:
            waiting.discard(wake)
            if not waiting and self._subscribers.get(key) is waiting:
                del self._subscribers[key]

    def reconnect(self) -> None:
        """Connect and list again: for a caller who knows of a change that the watch does not show."""
        self._version = None
        if self._response is not None:
            self._response.close()

    def _notify(self, key: str) -> None:
        for wake in self._subscribers.get(key, ()):
            wake.set()

    @property
    def _where(self) -> str:
        return f"{self.kind} in {'all namespaces' if self.omit_namespace else self.namespace}"

    async def _run(self) -> None:
        """List once, then watch for ever."""
        failures = 0
        while not self._stopping:
            connected = time.monotonic()
            try:
                if self._version is None:
                    self._version = await self._load()
                    if not self.is_loaded:
                        self._loaded.set_result(None)
                await self._watch(self._version)
                failures = 0
            except _Expired:
                self.log.info("The watch of %s is too far behind, listing again", self._where)
                self._version = None
                # Backoff, in case every watch is answered so.
                failures = failures + 1 if time.monotonic() - connected < 1 else 0
            except asyncio.CancelledError:
                raise
            except _Dropped as dropped:
                failures = 1 if time.monotonic() - connected > _LONGEST_DELAY else failures + 1
                self._note_trouble(dropped.__cause__ or dropped, failures)
            except Exception as error:
                self._version = None
                failures = 1 if time.monotonic() - connected > _LONGEST_DELAY else failures + 1
                self._note_trouble(error, failures)
            if failures:
                longest = _LONGEST_DELAY_WAITED_FOR if self._subscribers else _LONGEST_DELAY
                await asyncio.sleep(min(longest, 0.1 * 2 ** min(failures, 10)) * random.uniform(0.5, 1))

    def _note_trouble(self, error: BaseException, failures: int) -> None:
        """Say it once when it begins and once in a while, never with a traceback for what a network does."""
        if not self.is_loaded:
            self._loaded.set_exception(error)
            self._loaded.exception()  # nobody need be waiting
            self._loaded = asyncio.get_running_loop().create_future()
        if self._trouble_since is None:
            self._trouble_since = time.monotonic()
            WATCHES_LOST.labels(self.kind).inc()
        WATCH_FAILURES.labels(self.kind).inc()
        expected = isinstance(error, aiohttp.ClientError | ApiException | TimeoutError | OSError)
        if failures == 1 or failures % 10 == 0:
            said = f"{error.status} {error.reason}" if isinstance(error, ApiException) else str(error)
            self.log.warning(
                "Lost the watch of %s, trying again (%d): %s",
                self._where,
                failures,
                said or type(error).__name__,
                exc_info=None if expected else error,
            )

    def _note_recovery(self) -> None:
        if self._trouble_since is not None:
            self.log.info("The watch of %s is back after %.1f s", self._where, time.monotonic() - self._trouble_since)
            self._set_recovered()

    def _set_recovered(self) -> None:
        if self._trouble_since is not None:
            self._trouble_since = None
            WATCHES_LOST.labels(self.kind).dec()

    async def _load(self) -> str:
        """Replace the objects by those the API server has; returns the version to watch from."""
        fresh = PackedObjects()
        had = cast(PackedObjects, self.resources)
        limit, token, version = _FIRST_PAGE, "", ""
        while True:
            body = await self._page(limit, token)
            count, version, token = self._read_page(body, had, fresh)
            if count:
                limit = min(max(int(self.page_bytes / (len(body) / count)), _PAGE_SIZES.start), _PAGE_SIZES.stop - 1)
            if not token:
                break
            await asyncio.sleep(0)
        self._replace(had, fresh)
        return version

    def _read_page(self, body: bytes, had: PackedObjects, fresh: PackedObjects) -> tuple[int, str, str]:
        """Take the objects of a page; returns how many, the list's version and the token for the next page."""
        page = json.loads(body)
        for item in page["items"]:
            key = object_key(item)
            self._note_listed(key, item)
            if not fresh.keep(key, had, item["metadata"]["resourceVersion"]):
                fresh.put(key, self._slim(item))
        metadata = page["metadata"]
        return len(page["items"]), metadata["resourceVersion"], metadata.get("continue") or ""

    async def _page(self, limit: int, token: str) -> bytes:
        """One page of the list, as the API server sent it.

        No resourceVersion is given: with "0", as KubeSpawner asks, the API server takes the list from its
        cache and servers before 1.31 then ignore the limit (kubernetes.io, "API concepts", resource
        versions).
        """
        response = await self._request(
            limit=limit, _request_timeout=self.request_timeout, **({"_continue": token} if token else {})
        )
        async with response:
            return await response.read()

    async def _watch(self, version: str) -> None:
        """Follow the changes since a version until the server ends the watch."""
        seconds = int(self.timeout_seconds * random.uniform(0.8, 1.2)) or 1
        response = await self._request(
            watch=True,
            allow_watch_bookmarks=True,
            resource_version=version,
            timeout_seconds=seconds,
            _request_timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=seconds + 10),
        )
        self._response = response
        try:
            self._note_recovery()
            rest = b""
            turn = time.monotonic()
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line:
                        self._apply(json.loads(line))
                    if time.monotonic() - turn > _SLICE:
                        await asyncio.sleep(0)
                        turn = time.monotonic()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _Dropped from error
        finally:
            self._response = None
            response.close()

    async def _request(self, **arguments: Any) -> aiohttp.ClientResponse:
        if not self.omit_namespace:
            arguments["namespace"] = self.namespace
        method = getattr(self.api, self.list_method_name)
        response: aiohttp.ClientResponse = await method(
            label_selector=self.label_selector,
            field_selector=self.field_selector,
            _preload_content=False,
            **arguments,
        )
        if response.status == 410:
            response.close()
            raise _Expired
        if response.status != 200:
            async with response:
                await response.read()
            raise ApiException(status=response.status, reason=response.reason)
        return response

    def _apply(self, change: Mapping[str, Any]) -> None:
        """Take one line of the watch."""
        item = change["object"]
        match change["type"]:
            case "ERROR":
                if item.get("code") == 410:
                    raise _Expired
                raise ApiException(status=item.get("code"), reason=item.get("message"))
            case "BOOKMARK":
                pass
            case "DELETED":
                self._remove(object_key(item), item)
            case _:
                self._put(object_key(item), item)
        # Not where `reconnect` asked for a list meanwhile.
        if self._version is not None:
            self._version = item["metadata"]["resourceVersion"]

    def _slim(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return item

    def _note_listed(self, key: str, item: Mapping[str, Any]) -> None:
        """Called for each object of a list, before the list replaces what was there."""

    def _put(self, key: str, item: Mapping[str, Any]) -> None:
        cast(PackedObjects, self.resources).put(key, self._slim(item))
        self._notify(key)

    def _remove(self, key: str, item: Mapping[str, Any]) -> None:
        cast(PackedObjects, self.resources).drop(key)
        self._notify(key)

    def _replace(self, had: PackedObjects, fresh: PackedObjects) -> None:
        self.resources = fresh
        for key in list(self._subscribers):
            if had.version(key) != fresh.version(key):
                self._notify(key)

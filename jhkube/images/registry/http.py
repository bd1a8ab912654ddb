"""Requests to registries over HTTP: how long, how many, how often; nothing of what they ask."""

from __future__ import annotations

import asyncio
import random
import re
import ssl
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.request import getproxies

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from jhkube._version import __version__
from jhkube.retry_after import retry_after

from .errors import (
    RegistryFailing,
    RegistryGarbled,
    RegistryUnreachable,
)

__all__ = [
    "Answer",
    "Recent",
    "Transport",
    "goes_directly",
    "host_and_origin",
    "next_link",
    "place_of",
    "proxy_for",
]

TRANSIENT = frozenset({429, 500, 502, 503, 504})
"""Statuses of a registry that may well answer the next time."""


_ADDRESS_WITH_PORT = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^:]+):(?P<port>\d+)")

# <https://quay.io/v2/a/tags/list?last=x>; rel="next", </…>; rel=last
_LINK = re.compile(r'<(?P<address>[^<>]*+)>(?P<parameters>(?:[^,"<]|"[^"]*+")*+)')
_RELATION = re.compile(r';\s*+rel\s*+=\s*+(?:"([^"]*+)"|([^\s;,"]++))', re.IGNORECASE)

# …; rel='next', …; rel="next: a relation that is not written as it should be
_UNREADABLE_NEXT = re.compile(r";\s*+rel\s*+=\s*+[^\w\s]{0,2}(?:[a-z]{1,20} )?next\b", re.IGNORECASE)

GZIP = 16 + zlib.MAX_WBITS
"""The format that zlib is to read."""

REMEMBERED = 256
"""For how many repositories or hosts is remembered what they said: a name may be one that a person typed."""

K = TypeVar("K")
V = TypeVar("V")


class Recent(dict[K, V]):
    """A dict of the last `REMEMBERED` things that were written into it."""

    def __setitem__(self, key: K, value: V) -> None:
        self.pop(key, None)
        super().__setitem__(key, value)
        while len(self) > REMEMBERED:
            del self[next(iter(self))]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end."""

    url: URL
    """The address that answered."""
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    next_url: URL | None
    """The Link header's `next`; without a host where what it says is not an address."""


class Transport:
    """Sends requests, so many at once, again where a failure may pass; follows nothing and logs nothing.

    The parameters are those of `Registry`.
    """

    def __init__(
        self,
        *,
        ca_file: str | Path | None,
        slots: asyncio.Semaphore,
        timeout: float,
        retries: int,
        patience: float,
    ) -> None:
        self.requests: Counter[str] = Counter()
        """Requests sent, by what they were for."""
        self.bytes_received = 0
        """Bytes of the answers' bodies."""
        self._slots = slots
        self._ca_file = ca_file
        self._timeout = aiohttp.ClientTimeout(
            total=6 * timeout, connect=timeout, sock_connect=timeout, sock_read=timeout
        )
        self._retries = retries
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None
        self._quiet_until: Recent[str, float] = Recent()

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(
        self,
        what: str,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        *,
        limit: int,
        retries: int | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request until it is answered, or it has been tried often enough.

        Raises
        ------
        RegistryUnreachable
            Where there was no answer but such as may be another the next time; RegistryFailing where the last was
            HTTP 500.
        RegistryGarbled
            Where the answer is longer than `limit` bytes or compressed in another way than it may be, or where
            there can be no such request.
        """
        left = self._retries if retries is None else retries
        delay = 0.5
        while True:
            kind: type[RegistryUnreachable] = RegistryUnreachable
            self._check_quiet(url)
            try:
                async with self._slots:
                    answer = await self._exchange(what, method, url, headers, limit, form)
            except aiohttp.ClientSSLError as error:
                raise RegistryUnreachable(f"{place_of(url)} cannot be trusted: {error}") from error
            except ValueError:
                # A host of a challenge or a redirect that is no host name; the text may be about a header.
                raise RegistryGarbled(f"{place_of(url)} cannot be asked: it is not a valid address") from None
            except (aiohttp.ClientError, OSError) as error:
                wait, failure = delay, f"{place_of(url)} does not answer: {_reason(error)}"
            else:
                if answer.status not in TRANSIENT:
                    return answer
                failure = f"{place_of(url)} answers HTTP {answer.status}"
                kind = RegistryFailing if answer.status == 500 else RegistryUnreachable
                asked = retry_after(answer.headers.get("Retry-After"), time.time())
                wait = delay if asked is None else asked
                if wait > self._patience:
                    self._quiet_until[place_of(url)] = time.monotonic() + wait
                    self._check_quiet(url)
            if left <= 0:
                raise kind(failure)
            left -= 1
            delay *= 2
            await asyncio.sleep(wait + random.uniform(0, delay / 4))

    def _check_quiet(self, url: URL) -> None:
        left = self._quiet_until.get(place_of(url), 0.0) - time.monotonic()
        if left > 0:
            raise RegistryUnreachable(f"{place_of(url)} asks to be left alone for {left:.0f} s more")

    async def _exchange(
        self,
        what: str,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        limit: int,
        form: Mapping[str, str] | None,
    ) -> Answer:
        if self._session is None:
            self._session = self._new_session()
        self.requests[what] += 1
        async with self._session.request(
            method, url, headers=headers, data=form, allow_redirects=False, proxy=proxy_for(url)
        ) as response:
            body = await _body(response, limit)
            self.bytes_received += len(body)
            links = response.headers.getall("Link", [])
            return Answer(url, response.status, response.headers, body, next_link(response.url, links))

    def _new_session(self) -> aiohttp.ClientSession:
        tls = True if self._ca_file is None else ssl.create_default_context(cafile=self._ca_file)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=0),
            timeout=self._timeout,
            # a cookie would be a credential that none of the rules here know of
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"jhkube/{__version__}", "Accept-Encoding": "gzip"},
            # some versions of aiohttp unpack without a limit
            auto_decompress=False,
        )


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return an answer's body, unpacked; at no time are there many more bytes of it than the limit."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise RegistryGarbled(f"{place_of(response.url)} answers compressed by {encoding[:20]!r}, not by gzip")
    unpacker = zlib.decompressobj(GZIP) if "gzip" in encoding else None
    body = bytearray()
    async for chunk in response.content.iter_any():
        try:
            body += unpacker.decompress(chunk, limit + 1 - len(body)) if unpacker is not None else chunk
        except zlib.error:
            raise RegistryGarbled(f"{place_of(response.url)} answers what gzip cannot unpack") from None
        if len(body) > limit:
            raise RegistryGarbled(f"{place_of(response.url)} answers with more than {limit / 2**20:g} MiB")
    return bytes(body)


def next_link(here: URL, headers: Iterable[str]) -> URL | None:
    """Return where the `next` of Link headers leads (RFC 8288); None where there is none.

    An address without a host stands for a link that cannot be read, so that a list is not taken to end there.

    Examples
    --------
    >>> next_link(URL("https://quay.io/v2/a/tags/list"), ['<?last=x>; Rel="Next"'])
    URL('https://quay.io/v2/a/tags/list?last=x')
    """
    for header in headers:
        for link in _LINK.finditer(header):
            relations = (quoted or bare for quoted, bare in _RELATION.findall(link["parameters"]))
            if any("next" in relation.lower().split() for relation in relations):
                try:
                    return here.join(URL(link["address"].strip()))
                except ValueError:
                    return URL()
        if _UNREADABLE_NEXT.search(header):
            return URL()
    return None


def host_and_origin(url: str) -> tuple[str, URL]:
    """Return the name of a registry and the address of its API, from its name in an image or from an address.

    Raises
    ------
    ValueError
        For what is not the address of a registry.
    """
    if "://" not in url:
        host = url.split("/")[0].rsplit(":", 1)[0].strip("[]")
        loopback = host in ("localhost", "::1") or host.startswith("127.")
        url = f"{'http' if loopback else 'https'}://{url}"
    address = URL(url)
    if address.scheme not in ("http", "https") or not address.host or address.path not in ("", "/"):
        raise ValueError(f"{url!r} is not the address of a registry, such as quay.io or http://registry:5000")
    host = place_of(address)
    if host in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        return "docker.io", URL("https://registry-1.docker.io")
    return host, address.origin()


def place_of(url: URL) -> str:
    """Return an address's host, with its port where that is not the scheme's own: `localhost:5000`."""
    host = (url.host or "").lower()
    host = f"[{host}]" if ":" in host else host
    return host if url.is_default_port() else f"{host}:{url.port}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"HTTP {error.status}"  # its text has the address of the proxy, which may have a password
    return str(getattr(error, "os_error", None) or error) or type(error).__name__


def proxy_for(url: URL) -> str | None:
    """Return the proxy that the environment names; aiohttp's own way would read ~/.netrc too."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme)
    if not proxy or url.host is None or goes_directly(url, proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def goes_directly(url: URL, no_proxy: str) -> bool:
    """Return whether NO_PROXY, or being this machine, exempts an address from the proxy.

    The forms are those of Go's `httpproxy` package, which kubelet and containerd use: a name and all below it,
    `.name` or `*.name`, an address, a range of addresses, each of the names and addresses with or without a
    port, and `*`. Unlike there, `.example.org` also means `example.org`, as it does for curl and Python.

    Examples
    --------
    >>> goes_directly(URL("https://10.3.4.5:5000"), "10.0.0.0/8,registry.example.org:5000")
    True
    """
    host = (url.host or "").lower().rstrip(".")
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for entry in re.split(r"[,\s]+", no_proxy.lower()):
        if entry == "*":
            return True
        place = entry
        if parts := _ADDRESS_WITH_PORT.fullmatch(entry):
            if int(parts["port"]) != url.port:
                continue
            place = parts["host"]
        place = place.strip("[]").rstrip(".")
        if not place:
            continue
        if address is None:
            if host == place.removeprefix(".") or host.endswith("." + place.removeprefix("*").removeprefix(".")):
                return True
        else:
            try:
                if address in ip_network(place, strict=False):
                    return True
            except ValueError:
                continue
    return False

"""The OCI distribution API: the tags, digests and details of a registry's images."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import ssl
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from jhkube._version import __version__

from ._registry_auth import Authorizer, RegistryCredentials

__all__ = [
    "ImageDetails",
    "Registry",
    "RegistryCredentials",
    "RegistryDenied",
    "RegistryError",
    "RegistryGarbled",
    "RegistryNotFound",
    "RegistryUnreachable",
    "is_digest",
]

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
"""A manifest of manifests, one for each platform."""

MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""One platform's image."""

ACCEPT = ", ".join((*INDEX_TYPES, *MANIFEST_TYPES))

TRANSIENT = frozenset({429, 500, 502, 503, 504})
"""Statuses of a registry that may well answer the next time."""

PAIRED_TOKEN_SERVERS = {
    "docker.io": ("auth.docker.io",),
    "registry.gitlab.com": ("gitlab.com",),
}
"""Public registries whose tokens come from another host that is known to be theirs."""

MAX_TAGS_BODY = 32 * 2**20
MAX_MANIFEST_BODY = 4 * 2**20
"""The distribution specification has registries refuse larger manifests (Pushing Manifests)."""
MAX_TEXT = 500
"""Characters of a label that are kept."""

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def is_digest(text: str) -> bool:
    """Whether a text is a digest that images are run by: `sha256:` or `sha512:` and its hex."""
    return _DIGEST.fullmatch(text) is not None


class RegistryError(Exception):
    """A registry did not give what it was asked for; the message is a sentence for the operator."""


class RegistryUnreachable(RegistryError):
    """It did not answer, or asked to be left alone for a while."""


class RegistryDenied(RegistryError):
    """It answered that this is not for us."""


class RegistryNotFound(RegistryError):
    """It answered that it has no such repository, tag or digest."""


class RegistryGarbled(RegistryError):
    """What it answered is not what the distribution specification says."""


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """What a registry tells about an image, for people to read."""

    created: datetime | None = None
    """When it was built, in UTC; None where the image does not say."""

    size: int = 0
    """Bytes that a node pulls for one platform: configuration and layers, compressed."""

    title: str = ""
    """The label org.opencontainers.image.title, or the annotation of that name."""

    description: str = ""
    """The label org.opencontainers.image.description, or the annotation."""

    version: str = ""
    """The label org.opencontainers.image.version, or the annotation."""

    architectures: tuple[str, ...] = ()
    """For which processors there is an image: `("amd64", "arm64")`."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """One HTTP answer, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    next_url: URL | None
    """The Link header's `next`."""


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of tags as it was last answered, to be asked for again by its ETag."""

    etag: str
    tags: tuple[str, ...]
    next_url: URL | None


class Registry:
    """A client of one registry, by the OCI distribution specification 1.1 and Docker's Registry API v2.

    It logs in as it is asked to: not at all, by Basic, or by a bearer token that it fetches and renews.
    Credentials go to the registry's own origin and to its token server only, whatever a Link, a redirect or a
    challenge says. One client belongs to one event loop.

    Parameters
    ----------
    url
        The registry as images name it (`quay.io`, `localhost:5000`, `docker.io`), or its address with `http://`
        or `https://`. Without a scheme it is https, but for the loopback host.
    credentials
        Accounts, from a docker configuration.
    ca_file
        A PEM file with the certificates that are trusted instead of the system's.
    concurrency
        How many requests are under way at most; or a semaphore, to share that number between registries.
    timeout
        Seconds without a byte after which a request is given up; a whole request may take six times as long.
    retries
        How often a request is sent again after a failure that may pass (no answer, 429, 5xx): half a second
        later, then after twice that, or as long as Retry-After says.
    patience
        The longest Retry-After, in seconds, that is waited for; after a longer one the registry is not asked
        again until then.
    token_servers
        Hosts (`auth.example.org` or `auth.example.org:5001`), other than the registry itself, that it may
        send us to for a token.
    platform
        `os/architecture` whose image of a multi-architecture index the details are of.

    Examples
    --------
    >>> async with Registry("quay.io") as registry:
    ...     tags = await registry.tags("jupyter/base-notebook")
    ...     digest = await registry.digest("jupyter/base-notebook", tags[-1])
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: RegistryCredentials | None = None,
        ca_file: str | Path | None = None,
        concurrency: int | asyncio.Semaphore = 8,
        timeout: float = 10.0,
        retries: int = 3,
        patience: float = 30.0,
        token_servers: Iterable[str] = (),
        platform: str = "linux/amd64",
        page_size: int = 1000,
    ) -> None:
        self.host, self.origin = _host_and_origin(url)
        self.requests: Counter[str] = Counter()
        """Requests sent, by what they were for: tags, manifests, blobs, token."""
        self.bytes_received = 0
        self._slots = asyncio.Semaphore(concurrency) if isinstance(concurrency, int) else concurrency
        self._ca_file = ca_file
        self._timeout = aiohttp.ClientTimeout(
            total=6 * timeout, connect=timeout, sock_connect=timeout, sock_read=timeout
        )
        self._retries = retries
        self._patience = patience
        self._platform = platform
        self._page_size = page_size
        self._session: aiohttp.ClientSession | None = None
        self._pages: dict[str, dict[URL, _Page]] = {}
        self._quiet_until = 0.0
        self._authorizer = Authorizer(
            self.host,
            self.origin,
            credentials or RegistryCredentials(),
            (*PAIRED_TOKEN_SERVERS.get(self.host, ()), *token_servers),
            self._fetch_token,
            lambda why: RegistryDenied(f"the registry {self.host} does not let us in: {why}"),
        )

    async def __aenter__(self) -> Registry:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def tags(self, repository: str) -> list[str]:
        """Return a repository's tags, of all pages, in the registry's order.

        A page that carries an ETag is asked for conditionally the next time. Texts that no image can be
        pulled by are left out.

        Raises
        ------
        RegistryError
            RegistryNotFound where there is no such repository; else as the failure is.
        """
        url: URL | None = self._url(f"{repository}/tags/list", n=str(self._page_size))
        before = self._pages.get(repository, {})
        pages: dict[URL, _Page] = {}
        while url is not None:
            if url in pages:
                raise RegistryGarbled(f"{self.host}/{repository}: the pages of its tags lead in a circle")
            page = await self._tags_page(repository, url, before.get(url))
            pages[url] = page
            url = page.next_url
        self._pages[repository] = {url: page for url, page in pages.items() if page.etag}
        if len(pages) == 1:
            return list(page.tags)
        return list(dict.fromkeys(tag for page in pages.values() for tag in page.tags))

    async def _tags_page(self, repository: str, url: URL, before: _Page | None) -> _Page:
        headers = {"Accept": "application/json"}
        if before is not None:
            headers["If-None-Match"] = before.etag
        answer = await self._get("tags", repository, url, headers=headers, limit=MAX_TAGS_BODY)
        if answer.status == 304 and before is not None:
            return before
        self._expect(answer, f"{self.host}/{repository}")
        data = _json(answer.body, f"{self.host}/{repository}: its list of tags")
        listed = data.get("tags", ...) if isinstance(data, dict) else ...
        if listed is None:
            listed = []  # Docker's registry writes null for none
        if not isinstance(listed, list):
            raise RegistryGarbled(f"{self.host}/{repository}: its list of tags has no tags in it")
        is_tag = _TAG.fullmatch
        tags = tuple(tag for tag in listed if isinstance(tag, str) and is_tag(tag))
        return _Page(answer.headers.get("ETag", ""), tags, self._next(repository, answer.next_url))

    def _next(self, repository: str, link: URL | None) -> URL | None:
        """Return a page's address at our own origin: behind a proxy a registry may not know its scheme."""
        if link is None:
            return None
        own_port = link.explicit_port in (None, self.origin.explicit_port)
        if link.host != self.origin.host or not (own_port or link.port == self.origin.port):
            raise RegistryGarbled(
                f"{self.host}/{repository}: its next page of tags is on another host, {link.authority}"
            )
        return self.origin.join(link.relative())

    async def digest(
        self, repository: str, reference: str, *, known: str = "", retries: int | None = None
    ) -> str:
        """Return the digest that a tag (or a digest) stands for now: a multi-architecture index's own.

        Parameters
        ----------
        repository
            The repository's path: `team/lab`.
        reference
            A tag or a digest.
        known
            The digest that it had before: a registry with ETags then answers an unchanged one with 304.
        retries
            How often to ask again, where it is not as often as the client does: a user may be waiting.
        """
        name = f"{self.host}/{repository}:{reference}"
        url = self._url(f"{repository}/manifests/{reference}")
        headers = {"Accept": ACCEPT}
        if known:
            headers["If-None-Match"] = f'"{known}"'
        ask = partial(
            self._get, "manifests", repository, url, headers=headers, limit=MAX_MANIFEST_BODY, retries=retries
        )
        answer = await ask(method="HEAD")
        if answer.status == 304 and known:
            return known
        if answer.status in (400, 405):
            answer = await ask()  # there are registries without HEAD
        self._expect(answer, name)
        digest = answer.headers.get("Docker-Content-Digest", "")
        if is_digest(digest):
            return digest
        if not answer.body:
            answer = await ask()
            self._expect(answer, name)
        return "sha256:" + hashlib.sha256(answer.body).hexdigest()

    async def image_details(self, repository: str, digest: str) -> ImageDetails:
        """Return what the registry tells about an image; of an index, about the client's platform."""
        manifest = await self._manifest(repository, digest)
        annotations = [manifest.get("annotations")]
        architectures: tuple[str, ...] = ()
        if isinstance(manifest.get("manifests"), list):
            children = [child for child in map(_platform_manifest, manifest["manifests"]) if child]
            if not children:
                return ImageDetails()
            architectures = tuple(dict.fromkeys(platform.partition("/")[2] for platform, _ in children))
            chosen = dict(reversed(children)).get(self._platform, children[0][1])
            manifest = await self._manifest(repository, chosen)
            annotations.insert(0, manifest.get("annotations"))
        described = manifest.get("config")
        if not isinstance(described, dict) or not isinstance(described.get("digest"), str):
            return ImageDetails(architectures=architectures)  # a schema 1 manifest, or no image at all
        blob = await self._content(repository, "blobs", described["digest"], {})
        config = _json(blob, f"{self.host}/{repository}@{digest}: its configuration")
        config = config if isinstance(config, dict) else {}
        inner = config.get("config")
        labels = [inner.get("Labels") if isinstance(inner, dict) else None, *annotations]
        layers = manifest.get("layers")
        if not architectures and isinstance(config.get("architecture"), str) and config["architecture"]:
            architectures = (config["architecture"][:MAX_TEXT],)
        return ImageDetails(
            created=_instant(config.get("created")),
            size=_size(described) + sum(map(_size, layers if isinstance(layers, list) else [])),
            title=_label(labels, "title"),
            description=_label(labels, "description"),
            version=_label(labels, "version"),
            architectures=architectures,
        )

    async def _manifest(self, repository: str, digest: str) -> dict[str, Any]:
        body = await self._content(repository, "manifests", digest, {"Accept": ACCEPT})
        data = _json(body, f"{self.host}/{repository}@{digest}: its manifest")
        if not isinstance(data, dict):
            raise RegistryGarbled(f"{self.host}/{repository}@{digest}: its manifest is no JSON object")
        return data

    async def _content(self, repository: str, kind: str, digest: str, headers: Mapping[str, str]) -> bytes:
        """Return what a digest names, after having checked that it is that."""
        name = f"{self.host}/{repository}@{digest}"
        if not is_digest(digest):
            raise RegistryGarbled(f"{self.host}/{repository}: {digest[:100]!r} is not a digest")
        url = self._url(f"{repository}/{kind}/{digest}")
        answer = await self._get(kind, repository, url, headers=headers, limit=MAX_MANIFEST_BODY)
        self._expect(answer, name)
        algorithm, _, expected = digest.partition(":")
        if hashlib.new(algorithm, answer.body).hexdigest() != expected:
            raise RegistryGarbled(f"{name}: what the registry sent has another digest")
        return answer.body

    def _url(self, path: str, **query: str) -> URL:
        return (self.origin / "v2" / path).with_query(query)

    def _expect(self, answer: _Answer, name: str) -> None:
        """Turn every status but 200 into the error that it is."""
        if answer.status == 200:
            return
        if answer.status == 404:
            raise RegistryNotFound(f"the registry has no {name}")
        if answer.status in (401, 403):
            raise RegistryDenied(f"the registry does not let us see {name} (HTTP {answer.status})")
        raise RegistryGarbled(f"the registry answers HTTP {answer.status} when asked for {name}")

    async def _get(
        self,
        what: str,
        repository: str,
        url: URL,
        *,
        headers: Mapping[str, str],
        limit: int,
        method: str = "GET",
        retries: int | None = None,
    ) -> _Answer:
        """Ask the registry, logging in and following redirects; other hosts are never told who we are."""
        send = partial(self._send, what, method, limit=limit, retries=retries)
        authorization = await self._authorizer.header(repository)
        answer = await send(url, _with_authorization(headers, authorization))
        if answer.status == 401:
            challenges = answer.headers.getall("WWW-Authenticate", [])
            authorization = await self._authorizer.answer(repository, challenges, authorization)
            answer = await send(url, _with_authorization(headers, authorization))
        for _ in range(5):
            if answer.status not in (301, 302, 303, 307, 308):
                break
            here, url = url, url.join(URL(answer.headers.get("Location", "")))
            if url.scheme not in ("http", "https") or (here.scheme, url.scheme) == ("https", "http"):
                raise RegistryGarbled(f"{self.host}/{repository}: the registry sends us on to {url.scheme}:")
            own = url.origin() == self.origin
            answer = await send(url, _with_authorization(headers, authorization if own else None))
        return answer

    async def _send(
        self,
        what: str,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        *,
        limit: int,
        retries: int | None = None,
        form: Mapping[str, str] | None = None,
    ) -> _Answer:
        """Send a request until it is answered, or it has been tried often enough."""
        left = self._retries if retries is None else retries
        delay = 0.5
        while True:
            self._check_quiet()
            try:
                async with self._slots:
                    answer = await self._exchange(what, method, url, headers, limit, form)
            except aiohttp.ClientSSLError as error:
                raise RegistryUnreachable(f"{url.authority} cannot be trusted: {error}") from error
            except (aiohttp.ClientError, OSError) as error:
                wait, failure = delay, f"{url.authority} does not answer: {_reason(error)}"
            else:
                if answer.status not in TRANSIENT:
                    return answer
                failure = f"{url.authority} answers HTTP {answer.status}"
                asked = _retry_after(answer.headers)
                wait = delay if asked is None else asked
                if wait > self._patience:
                    self._quiet_until = time.monotonic() + wait
                    self._check_quiet()
            if left <= 0:
                raise RegistryUnreachable(failure)
            left -= 1
            delay *= 2
            await asyncio.sleep(wait + random.uniform(0, delay / 4))

    def _check_quiet(self) -> None:
        left = self._quiet_until - time.monotonic()
        if left > 0:
            raise RegistryUnreachable(f"the registry {self.host} asks to be left alone for {left:.0f} s")

    async def _exchange(
        self,
        what: str,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        limit: int,
        form: Mapping[str, str] | None,
    ) -> _Answer:
        if self._session is None:
            self._session = self._new_session()
        self.requests[what] += 1
        async with self._session.request(
            method, url, headers=headers, data=form, allow_redirects=False, proxy=_proxy(url)
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise RegistryGarbled(f"{url.authority} answers with more than {limit // 2**20} MiB")
            self.bytes_received += len(body)
            link = response.links.get("next")
            next_url = None if link is None else URL(str(link["url"]))
            return _Answer(response.status, response.headers, bytes(body), next_url)

    def _new_session(self) -> aiohttp.ClientSession:
        tls = True if self._ca_file is None else ssl.create_default_context(cafile=self._ca_file)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=0),
            timeout=self._timeout,
            # a cookie would be a credential that none of the rules here know of
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"jhkube/{__version__}"},
        )

    async def _fetch_token(
        self, method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Any:
        answer = await self._send("token", method, url, headers, limit=MAX_MANIFEST_BODY, form=form)
        if answer.status != 200:
            raise RegistryDenied(
                f"the registry {self.host} does not let us in: its token server {url.authority} answers "
                f"HTTP {answer.status}"
            )
        return _json(answer.body, f"the token server {url.authority}: its answer")


def _host_and_origin(url: str) -> tuple[str, URL]:
    if "://" not in url:
        host = url.split("/")[0].rsplit(":", 1)[0].strip("[]")
        loopback = host in ("localhost", "::1") or host.startswith("127.")
        url = f"{'http' if loopback else 'https'}://{url}"
    address = URL(url)
    if address.scheme not in ("http", "https") or not address.host or address.path not in ("", "/"):
        raise ValueError(f"{url!r} is not the address of a registry, such as quay.io or http://registry:5000")
    host = address.authority.rpartition("@")[2].lower()
    if host in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        return "docker.io", URL("https://registry-1.docker.io")
    return host, address.origin()


def _with_authorization(headers: Mapping[str, str], authorization: str | None) -> dict[str, str]:
    return dict(headers) if authorization is None else {**headers, "Authorization": authorization}


def _proxy(url: URL) -> str | None:
    """Return the proxy that the environment names; aiohttp's own way would read ~/.netrc too."""
    proxies = getproxies()
    if url.host is None or url.scheme not in proxies or proxy_bypass(url.host):
        return None
    return None if url.host == "localhost" or url.host.startswith("127.") else proxies[url.scheme]


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(getattr(error, "os_error", None) or error) or type(error).__name__


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return a Retry-After header's seconds from now (RFC 9110, section 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _json(body: bytes, what: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise RegistryGarbled(f"{what} is not JSON") from None


def _platform_manifest(child: Any) -> tuple[str, str] | None:
    """Return an index entry's platform and digest; None for attestations and what else is no image."""
    platform = child.get("platform") if isinstance(child, dict) else None
    digest = child.get("digest") if isinstance(child, dict) else None
    if not isinstance(platform, dict) or not isinstance(digest, str):
        return None
    system, architecture = platform.get("os"), platform.get("architecture")
    if (
        not isinstance(system, str)
        or not isinstance(architecture, str)
        or "unknown" in (system, architecture)
    ):
        return None
    return f"{system}/{architecture}"[:MAX_TEXT], digest


def _size(descriptor: Any) -> int:
    size = descriptor.get("size") if isinstance(descriptor, dict) else None
    return size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else 0


def _label(sources: Iterable[Any], name: str) -> str:
    for labels in sources:
        value = labels.get(f"org.opencontainers.image.{name}") if isinstance(labels, dict) else None
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())[:MAX_TEXT]
    return ""


def _instant(text: Any) -> datetime | None:
    """Return a time of RFC 3339; None for what is none, and for the zero that reproducible builds write."""
    if not isinstance(text, str):
        return None
    try:
        instant = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError:
        return None
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return None if instant.year <= 1980 else instant.astimezone(UTC)

"""The OCI distribution API: the tags, digests and details of a registry's images."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from yarl import URL

from ..details import ImageDetails, described_config, platform_digests, read_details
from ..image_name import is_digest
from .auth import Authorizer
from .credentials import RegistryCredentials
from .errors import RegistryDenied, RegistryGarbled, RegistryNotFound
from .http import Answer, Transport, host_and_origin, place_of
from .tag_pages import TagPages, decoded

__all__ = ["Registry"]

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

PAIRED_TOKEN_SERVERS = {
    "docker.io": ("auth.docker.io",),
    "registry.gitlab.com": ("gitlab.com",),
}
"""Public registries whose tokens come from another host that is known to be theirs."""

REDIRECTS = 5
"""How often a request is sent on at most."""

REDIRECTED = frozenset({301, 302, 303, 307, 308})

MAX_TAGS_BODY = 32 * 2**20
MAX_MANIFEST_BODY = 4 * 2**20
"""The distribution specification has registries refuse larger manifests (Pushing Manifests)."""

MAX_TOKEN_BODY = 64 * 2**10
"""No server takes a header as long as a token of this size."""


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
        How many requests are under way at most.
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
        concurrency: int = 8,
        timeout: float = 10.0,
        retries: int = 3,
        patience: float = 30.0,
        token_servers: Iterable[str] = (),
        platform: str = "linux/amd64",
        page_size: int = 1000,
    ) -> None:
        self.host, self.origin = host_and_origin(url)
        self._transport = Transport(
            ca_file=ca_file,
            slots=asyncio.Semaphore(concurrency),
            timeout=timeout,
            retries=retries,
            patience=patience,
        )
        self._platform = platform
        self._tag_pages = TagPages(self.host, self.origin, page_size, self._ask_for_page)
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
        await self._transport.close()

    def use_credentials(self, credentials: RegistryCredentials) -> None:
        """Log in by these accounts from now on; requests that are under way go on as they began."""
        self._authorizer.use_credentials(credentials)

    @property
    def requests(self) -> Mapping[str, int]:
        """How many requests were sent, by what they were for: tags, manifests, blobs, token."""
        return self._transport.requests

    @property
    def bytes_received(self) -> int:
        """How many bytes the answers' bodies had."""
        return self._transport.bytes_received

    async def tags(self, repository: str) -> list[str]:
        """Return a repository's tags, of all pages, in the registry's order.

        A page that carries an ETag is asked for conditionally the next time, unless it is the last. Texts that no
        image can be pulled by are left out.

        Raises
        ------
        RegistryError
            RegistryNotFound where there is no such repository; else as the failure is.
        """
        return await self._tag_pages.tags(repository)

    async def _ask_for_page(self, repository: str, url: URL, headers: Mapping[str, str]) -> Answer:
        answer = await self._get("tags", repository, url, headers=headers, limit=MAX_TAGS_BODY)
        if answer.status != 304 or "If-None-Match" not in headers:
            self._expect(answer, f"{self.host}/{repository}")
        return answer

    async def digest(self, repository: str, reference: str, *, retries: int | None = None) -> str:
        """Return the digest that a tag (or a digest) stands for now: a multi-architecture index's own.

        It is not asked conditionally: a registry may answer 304 by the tag alone, when the image is gone.

        Parameters
        ----------
        repository
            The repository's path: `team/lab`.
        reference
            A tag or a digest.
        retries
            How often to ask again, where it is not as often as the client does: a user may be waiting.
        """
        name = f"{self.host}/{repository}{'@' if is_digest(reference) else ':'}{reference}"
        url = self.origin / "v2" / repository / "manifests" / reference
        ask = partial(
            self._get,
            "manifests",
            repository,
            url,
            headers={"Accept": ACCEPT},
            limit=MAX_MANIFEST_BODY,
            retries=retries,
        )
        answer = await ask(method="HEAD")
        if answer.status in (400, 405, 501):
            answer = await ask()  # there are registries without HEAD
        self._expect(answer, name)
        if is_digest(reference):
            return reference  # whatever the registry calls it
        digest = answer.headers.get("Docker-Content-Digest", "")
        if is_digest(digest):
            return digest
        if not answer.body:
            answer = await ask()
            self._expect(answer, name)
        _manifest_in(answer.body, name)
        return "sha256:" + hashlib.sha256(answer.body).hexdigest()

    async def image_details(self, repository: str, digest: str) -> ImageDetails:
        """Return what the registry tells about an image; of an index, about the client's platform."""
        manifest, index = await self._manifest(repository, digest), None
        platforms = platform_digests(manifest)
        if platforms is not None:
            if not platforms:
                return ImageDetails()
            index = manifest
            manifest = await self._manifest(repository, dict(platforms).get(self._platform, platforms[0][1]))
        described = described_config(manifest)
        if described is None:
            return read_details(None, manifest, index)
        blob = await self._content(repository, "blobs", described, {})
        config = _json(blob, f"{self.host}/{repository}@{digest}: its configuration")
        return read_details(config, manifest, index)

    async def _manifest(self, repository: str, digest: str) -> dict[str, Any]:
        body = await self._content(repository, "manifests", digest, {"Accept": ACCEPT})
        return _manifest_in(body, f"{self.host}/{repository}@{digest}")

    async def _content(self, repository: str, kind: str, digest: str, headers: Mapping[str, str]) -> bytes:
        """Return what a digest names, after having checked that it is that."""
        name = f"{self.host}/{repository}@{digest}"
        if not is_digest(digest):
            raise RegistryGarbled(f"{self.host}/{repository}: {digest[:100]!r} is not a digest")
        url = self.origin / "v2" / repository / kind / digest
        answer = await self._get(kind, repository, url, headers=headers, limit=MAX_MANIFEST_BODY)
        self._expect(answer, name)
        algorithm, _, expected = digest.partition(":")
        if hashlib.new(algorithm, answer.body).hexdigest() != expected:
            raise RegistryGarbled(f"{name}: what the registry sent has another digest")
        return answer.body

    def _expect(self, answer: Answer, name: str) -> None:
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
    ) -> Answer:
        """Ask the registry, logging in and following redirects; other hosts are never told who we are."""
        send = partial(self._transport.send, what, method, limit=limit, retries=retries)
        own = url.origin() == self.origin
        authorization = await self._authorizer.header(repository) if own else None
        answer = await send(url, _with_authorization(headers, authorization))
        if answer.status == 401 and own:
            challenges = answer.headers.getall("WWW-Authenticate", [])
            authorization = await self._authorizer.answer(repository, challenges, authorization)
            answer = await send(url, _with_authorization(headers, authorization))
        for _ in range(REDIRECTS):
            if answer.status not in REDIRECTED:
                break
            url = self._redirected(repository, url, answer.headers.get("Location", ""))
            own = url.origin() == self.origin
            answer = await send(url, _with_authorization(headers, authorization if own else None))
        return answer

    def _redirected(self, repository: str, here: URL, location: str) -> URL:
        try:
            url = here.join(URL(location))
            url.origin()
        except ValueError:
            url = URL()
        if url.scheme not in ("http", "https") or (here.scheme == "https" and url.scheme != "https"):
            raise RegistryGarbled(f"{self.host}/{repository}: the registry sends us on to no https address")
        return url

    async def _fetch_token(
        self, method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Any:
        send = partial(self._transport.send, "token", method, headers=headers, limit=MAX_TOKEN_BODY, form=form)
        answer, asked = await send(url=url), url
        # A slash at the end, say. It stays at the same place, so that the account does.
        for _ in range(REDIRECTS if method == "GET" else 0):
            if answer.status not in REDIRECTED:
                break
            asked = self._redirected("token", asked, answer.headers.get("Location", ""))
            if asked.origin() != url.origin():
                break
            answer = await send(url=asked)
        if answer.status != 200:
            raise RegistryDenied(
                f"the registry {self.host} does not let us in: its token server {place_of(url)} answers "
                f"HTTP {answer.status}"
            )
        return _json(answer.body, f"the token server {place_of(url)}: its answer")


def _with_authorization(headers: Mapping[str, str], authorization: str | None) -> dict[str, str]:
    return dict(headers) if authorization is None else {**headers, "Authorization": authorization}


def _manifest_in(body: bytes, name: str) -> dict[str, Any]:
    """Return what a manifest says; a login page in a registry's stead is none."""
    data = _json(body, f"{name}: its manifest")
    if not isinstance(data, dict) or "schemaVersion" not in data:
        raise RegistryGarbled(f"{name}: its manifest is not a JSON object with a schemaVersion")
    return data


def _json(body: bytes, what: str) -> Any:
    try:
        return decoded(body)
    except ValueError as error:
        raise RegistryGarbled(f"{what} {error}") from None

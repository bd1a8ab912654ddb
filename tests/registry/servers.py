"""Debian's docker-registry, a token server, and things that stand in a registry's way; on loopback ports."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import jwt
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.ports import free_port
from tests.waiting import until

USER, PASSWORD = "puller", "right horse"
BCRYPT = "$2b$05$lE2QJnZkLP25IZ61JsgkrObGqaMC9aF4bMC5HZYdtqAViwUDWI2TW"
"""PASSWORD, as htpasswd -B writes it."""

BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


class RealRegistry:
    """A docker-registry process with its own storage."""

    def __init__(self, directory: Path, *, address: str = "127.0.0.1", **config: Any) -> None:
        self.directory = directory
        self.storage = directory / "storage"
        self.address = address
        self.port = free_port()
        self.host = f"{address}:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        http = {"addr": self.host, **config.pop("http", {})}
        self.scheme = "https" if "tls" in http else "http"
        content = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self.storage)}, "delete": {"enabled": True}},
            "http": http,
            **config,
        }
        (directory / "config.yml").write_text(yaml.safe_dump(content))

    async def start(self) -> RealRegistry:
        log = (self.directory / "log").open("ab")
        self._process = subprocess.Popen(
            ["docker-registry", "serve", str(self.directory / "config.yml")], stdout=log, stderr=log
        )
        log.close()
        latest = time.monotonic() + 240
        while self._process.poll() is None and time.monotonic() < latest:
            try:
                _, writer = await asyncio.open_connection(self.address, self.port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return self
        raise RuntimeError((self.directory / "log").read_text())

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(120)
            self._process = None

    def repository_directory(self, repository: str) -> Path:
        return self.storage / "docker/registry/v2/repositories" / repository

    def empty(self, repository: str) -> None:
        """Take all tags away, as an administrator with a shell does."""
        tags = self.repository_directory(repository) / "_manifests/tags"
        shutil.rmtree(tags)
        tags.mkdir()

    def untag(self, repository: str, tag: str) -> None:
        shutil.rmtree(self.repository_directory(repository) / "_manifests/tags" / tag)

    def delete_manifest(self, repository: str, digest: str) -> None:
        """Leave the tags of an image, and take the image away."""
        algorithm, _, name = digest.partition(":")
        shutil.rmtree(self.repository_directory(repository) / "_manifests/revisions" / algorithm / name)
        shutil.rmtree(self.storage / "docker/registry/v2/blobs" / algorithm / name[:2] / name)

    def seed(self, repository: str, tags: Iterable[str]) -> dict[str, str]:
        """Write many one-tag images into the storage at once; return their digests by tag."""
        store = _Storage(self, repository)
        return {tag: store.tag(tag, json.dumps(manifest_of(tag)[0]).encode()) for tag in tags}


class _Storage:
    """The layout of distribution's filesystem driver (registry/storage/paths.go), where it is quicker than PUT."""

    def __init__(self, registry: RealRegistry, repository: str) -> None:
        self._blobs = registry.storage / "docker/registry/v2/blobs"
        self._repository = registry.repository_directory(repository)
        config = manifest_of("any")[1]
        self._write_blob(config)
        self._link(self._repository / "_layers/sha256" / hashlib.sha256(config).hexdigest(), config)
        (self._repository / "_uploads").mkdir(parents=True, exist_ok=True)

    def _write_blob(self, content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        path = self._blobs / "sha256" / name[:2] / name / "data"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name

    def _link(self, directory: Path, content: bytes) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "link").write_text("sha256:" + hashlib.sha256(content).hexdigest())

    def tag(self, tag: str, manifest: bytes) -> str:
        name = self._write_blob(manifest)
        manifests = self._repository / "_manifests"
        self._link(manifests / "revisions/sha256" / name, manifest)
        self._link(manifests / "tags" / tag / "current", manifest)
        return f"sha256:{name}"


def manifest_of(
    marker: str,
    *,
    config: Mapping[str, Any] | None = None,
    layers: Iterable[int] = (),
    annotations: Mapping[str, str] | None = None,
) -> tuple[dict[str, Any], bytes]:
    """Return an image's manifest, told from others by its marker, and its configuration's bytes."""
    blob = json.dumps(config or {"architecture": "amd64", "os": "linux"}).encode()
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor("application/vnd.oci.image.config.v1+json", blob),
        "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar+gzip", b"x" * size) for size in layers],
        "annotations": {"marker": marker, **(annotations or {})},
    }, blob


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass
class Pusher:
    """Pushes images by the distribution API, as `docker push` does."""

    base: str
    headers: Mapping[str, str] = field(default_factory=dict)
    ssl: Any = True

    async def blob(self, session: aiohttp.ClientSession, repository: str, content: bytes) -> None:
        async with session.post(f"{self.base}/v2/{repository}/blobs/uploads/", ssl=self.ssl) as answer:
            assert answer.status == 202, await answer.text()
            location = answer.headers["Location"]
        joiner = "&" if "?" in location else "?"
        address = f"{location}{joiner}digest={quote(digest_of(content))}"
        async with session.put(aiohttp.client.URL(address, encoded=True), data=content, ssl=self.ssl) as answer:
            assert answer.status == 201, await answer.text()

    async def image(self, repository: str, *tags: str, marker: str = "", **image: Any) -> str:
        """Push an image under tags; return its digest."""
        manifest, config = manifest_of(marker or tags[0], **image)
        async with aiohttp.ClientSession(headers=self.headers) as session:
            await self.blob(session, repository, config)
            for size in image.get("layers", ()):
                await self.blob(session, repository, b"x" * size)
            return await self._manifest(session, repository, tags, OCI_MANIFEST, manifest)

    async def index(self, repository: str, *tags: str, images: Mapping[str, Mapping[str, Any]], **more: Any) -> str:
        """Push an index of an image for each platform, with an attestation beside; return its digest."""
        children = []
        async with aiohttp.ClientSession(headers=self.headers) as session:
            for platform, image in images.items():
                manifest, config = manifest_of(f"{tags[0]} {platform}", **image)
                await self.blob(session, repository, config)
                for size in image.get("layers", ()):
                    await self.blob(session, repository, b"x" * size)
                body = json.dumps(manifest).encode()
                await self._manifest(session, repository, [digest_of(body)], OCI_MANIFEST, manifest)
                system, _, architecture = platform.partition("/")
                children.append(
                    _descriptor(OCI_MANIFEST, body) | {"platform": {"os": system, "architecture": architecture}}
                )
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children, **more}
            return await self._manifest(session, repository, tags, OCI_INDEX, index)

    async def _manifest(
        self,
        session: aiohttp.ClientSession,
        repository: str,
        references: Iterable[str],
        media_type: str,
        manifest: Mapping[str, Any],
    ) -> str:
        body = json.dumps(manifest).encode()
        for reference in references:
            async with session.put(
                f"{self.base}/v2/{repository}/manifests/{reference}",
                data=body,
                headers={"Content-Type": media_type},
                ssl=self.ssl,
            ) as answer:
                assert answer.status == 201, await answer.text()
        return digest_of(body)


@dataclass(frozen=True)
class Seen:
    """A request that came in, and how it was answered."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int

    @property
    def what(self) -> str:
        return "tags" if "/tags/list" in self.path else self.path.split("/")[-2]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class Front:
    """A reverse proxy before a registry that counts, and does what that registry's own server does not.

    Debian's registry lists all tags in one page without an ETag; with `page_size` and `etags` this lists them
    as newer registries do.
    """

    def __init__(
        self,
        target: str = "",
        *,
        page_size: int | None = None,
        etags: bool = False,
        absolute_links: bool = False,
    ) -> None:
        self.target = target
        self.page_size = page_size
        self.etags = etags
        self.absolute_links = absolute_links
        self.delay = 0.0
        self.seen: list[Seen] = []
        self.most_at_once = 0
        self.instead: Handler | None = None
        """Answers in the registry's stead, or returns None."""
        self._now = 0
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"

    async def start(self) -> Front:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._session = aiohttp.ClientSession(auto_decompress=False)
        # What a test lets hang is not waited for at its end.
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def rest(self) -> None:
        """Return when no request is under way: one whose client has gone goes on here."""
        await until(lambda: not self._now)

    def count(self, what: str | None = None, method: str | None = None) -> int:
        """How many requests came since `forget`."""
        return sum(
            1
            for seen in self.seen
            if (what is None or seen.what == what) and (method is None or seen.method == method)
        )

    def forget(self) -> None:
        self.seen.clear()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        status = 0
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
            response = await self.instead(request) if self.instead else None
            if response is None:
                response = await self._pass_on(request)
            status = response.status
            return response
        finally:
            self._now -= 1
            self.seen.append(Seen(request.method, request.path, dict(request.headers), status))

    async def _pass_on(self, request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        async with self._session.request(
            request.method,
            f"http://{self.target}{request.path_qs}",
            headers=headers,
            data=await request.read(),
            allow_redirects=False,
        ) as answer:
            body = await answer.read()
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date")
            }
            if request.path.endswith("/tags/list") and answer.status == 200:
                return self._page(request, json.loads(body))
            if request.method == "HEAD" and "Content-Length" in answer.headers:
                kept["Content-Length"] = answer.headers["Content-Length"]
            return web.Response(status=answer.status, headers=kept, body=body)

    def _page(self, request: web.Request, listed: Mapping[str, Any]) -> web.Response:
        tags = listed["tags"]
        headers = {}
        if self.page_size is not None:
            size = min(self.page_size, int(request.query.get("n", self.page_size)))
            rest = [tag for tag in sorted(tags or []) if tag > request.query.get("last", "")]
            tags = rest[:size]
            if len(rest) > size:
                link = f"{request.path}?n={size}&last={tags[-1]}"
                if self.absolute_links:
                    link = f"http://{self.host}{link}"
                headers["Link"] = f'<{link}>; rel="next"'
        if self.etags:
            etag = f'"{hashlib.sha256(json.dumps(tags).encode()).hexdigest()}"'
            headers["ETag"] = etag
            if request.headers.get("If-None-Match") == etag:
                return web.Response(status=304, headers=headers)
        return web.json_response({**listed, "tags": tags}, headers=headers)


class TokenServer:
    """A token server by distribution's token specification, with tokens that live as long as it is told."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.life = 600.0
        """Seconds."""
        self.says = 600
        """The `expires_in` that it says."""
        self.clock_skew = 60.0
        """Seconds by which tokens are dated back: Debian's registry accepts a token for 60 s after its end."""
        self.seen: list[tuple[str, list[str], str]] = []
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.realm = f"http://{self.host}/token"
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = certificate_for("token signer", self._key)
        self._x5c = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
        self.bundle = directory / "token-root.pem"
        self.bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    @property
    def auth(self) -> dict[str, Any]:
        """The registry's `auth` configuration that trusts this server."""
        return {
            "token": {
                "realm": self.realm,
                "service": "tests, and more",
                "issuer": "the tests",
                "rootcertbundle": str(self.bundle),
            }
        }

    async def start(self) -> TokenServer:
        app = web.Application()
        app.router.add_get("/token", self._handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        scopes = request.query.getall("scope", [])
        sent = request.headers.get("Authorization", "")
        self.seen.append((request.query.get("service", ""), scopes, sent))
        if sent != BASIC:
            return web.json_response({"errors": [{"code": "UNAUTHORIZED"}]}, status=401)
        return web.json_response({"token": self.token(scopes), "expires_in": self.says})

    def token(self, scopes: Iterable[str]) -> str:
        now = time.time() - self.clock_skew
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        claims = {
            "iss": "the tests",
            "sub": USER,
            "aud": "tests, and more",
            "exp": int(now + self.life),
            "nbf": int(now - 10),
            "iat": int(now),
            "jti": str(len(self.seen)),
            "access": access,
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"x5c": [self._x5c]})


def certificate_for(name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return a certificate that a key signs for itself, for a name and the loopback address."""
    import ipaddress

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )


class SlowPipe:
    """A TCP proxy through which so many bytes a second pass; at 0, none at all."""

    def __init__(self, target_port: int, bytes_per_second: int) -> None:
        self.bytes_per_second = bytes_per_second
        self._target_port = target_port
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        """How many came."""

    async def start(self) -> SlowPipe:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        return self

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        back, forth = await asyncio.open_connection("127.0.0.1", self._target_port)
        for source, sink, slow in ((reader, forth, False), (back, writer, True)):
            task = asyncio.create_task(self._copy(source, sink, slow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, slow: bool) -> None:
        try:
            while data := await source.read(max(1, self.bytes_per_second // 10) if slow else 65536):
                while slow and not self.bytes_per_second:
                    await asyncio.sleep(0.05)
                sink.write(data)
                await sink.drain()
                if slow:
                    await asyncio.sleep(0.1)
        except OSError:
            pass
        finally:
            sink.close()

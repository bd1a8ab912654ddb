"""Images that no node has ever seen, and the prepuller as an account of its own that is listened to."""

from __future__ import annotations

import asyncio
import io
import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from kubernetes_asyncio import client

from tests.registry.servers import OCI_MANIFEST, Pusher, digest_of

JHKUBE = Path(sys.executable).parent / "jhkube"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


@dataclass
class Repository:
    """A repository of the cluster's registry."""

    registry: str
    path: str

    def __post_init__(self) -> None:
        self.pusher = Pusher(
            f"{'http' if self.registry.startswith(('localhost', '127.')) else 'https'}://{self.registry}"
        )

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.path}"

    async def push_bare(self, *tags: str, **config: Any) -> str:
        """Push an image of one file: no shell, nothing to run; return its digest."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            content = secrets.token_bytes(1000)
            member = tarfile.TarInfo("data")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        layer = stream.getvalue()
        body = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
            **config,
        }
        return await self._push(tags, body, [_descriptor(LAYER, layer)], layer)

    async def push_tiny(self, *tags: str, **config: Any) -> str:
        """Push the tiny image under a digest of its own, with its layers; return the digest."""
        base = self.pusher.base
        async with aiohttp.ClientSession() as session:
            headers = {"Accept": OCI_MANIFEST}
            async with session.get(f"{base}/v2/tiny/manifests/1.0", headers=headers) as answer:
                manifest = json.loads(await answer.read())
            async with session.get(f"{base}/v2/tiny/blobs/{manifest['config']['digest']}") as answer:
                body = json.loads(await answer.read())
            for layer in manifest["layers"]:
                query = {"mount": layer["digest"], "from": "tiny"}
                async with session.post(f"{base}/v2/{self.path}/blobs/uploads/", params=query) as answer:
                    assert answer.status == 201, await answer.text()
        body["config"] |= {"Labels": {"marker": secrets.token_hex(8)}, **config}
        return await self._push(tags, body, manifest["layers"])

    async def _push(self, tags: Any, config: dict[str, Any], layers: list[dict[str, Any]], *blobs: bytes) -> str:
        content = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _descriptor(CONFIG, content),
            "layers": layers,
        }
        async with aiohttp.ClientSession() as session:
            for blob in (content, *blobs):
                await self.pusher.blob(session, self.path, blob)
            return await self.pusher._manifest(session, self.path, tags, OCI_MANIFEST, manifest)

    async def take_config_away(self, digest: str) -> bytes:
        """Delete the configuration of an image, so that it can be listed and not pulled; return it."""
        base = f"{self.pusher.base}/v2/{self.path}"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{base}/manifests/{digest}", headers={"Accept": OCI_MANIFEST}) as answer:
                config = json.loads(await answer.read())["config"]["digest"]
            async with session.get(f"{base}/blobs/{config}") as answer:
                content = await answer.read()
            async with session.delete(f"{base}/blobs/{config}") as answer:
                assert answer.status == 202, await answer.text()
        return content

    async def put_back(self, content: bytes) -> None:
        """Undo `take_config_away`."""
        async with aiohttp.ClientSession() as session:
            await self.pusher.blob(session, self.path, content)


@dataclass
class Listener:
    """The API server, with a note of each request's verb and resource."""

    target: str
    ssl: ssl.SSLContext
    seen: set[tuple[str, str, str]] = field(default_factory=set)
    port: int = 0

    async def __aenter__(self) -> Listener:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.ssl, limit=0))
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        self.seen.add(self._verb(request))
        headers = {
            name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers
        }
        async with self._session.request(
            request.method,
            f"{self.target}{request.path_qs}",
            headers=headers,
            data=await request.read(),
            timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response

    @staticmethod
    def _verb(request: web.Request) -> tuple[str, str, str]:
        """Return API group, resource and verb, as a rule of RBAC names them."""
        parts = request.path.strip("/").split("/")
        group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
        if rest[0] == "namespaces":
            rest = rest[2:]
        verb = {"POST": "create", "PUT": "update", "DELETE": "delete", "PATCH": "patch"}.get(request.method)
        if verb is None:
            verb = "get" if len(rest) > 1 else "watch" if "watch" in request.query else "list"
        return group, rest[0], verb


@dataclass
class Account:
    """A ServiceAccount with some rules, as a kubeconfig."""

    core: Any
    namespace: str
    name: str

    async def make(self, rules: Any, cluster_rules: Any) -> None:
        """Make the account, and bind the rules to it."""
        rbac = client.RbacAuthorizationV1Api(self.core.api_client)
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}
        await self.core.create_namespaced_service_account(self.namespace, {"metadata": {"name": self.name}})
        about = {"metadata": {"name": self.name}}
        bound = {"apiGroup": "rbac.authorization.k8s.io", "name": self.name}
        await rbac.create_namespaced_role(self.namespace, about | {"rules": list(rules)})
        await rbac.create_namespaced_role_binding(
            self.namespace, about | {"roleRef": bound | {"kind": "Role"}, "subjects": [subject]}
        )
        await rbac.create_cluster_role(about | {"rules": list(cluster_rules)})
        await rbac.create_cluster_role_binding(
            about | {"roleRef": bound | {"kind": "ClusterRole"}, "subjects": [subject]}
        )

    async def remove(self) -> None:
        """Remove what does not go with the namespace."""
        rbac = client.RbacAuthorizationV1Api(self.core.api_client)
        await rbac.delete_cluster_role(self.name)
        await rbac.delete_cluster_role_binding(self.name)

    async def kubeconfig(self, path: Path, server: str) -> Path:
        """Write a kubeconfig with a token of the account, for the API server at an address."""
        token = await self.core.create_namespaced_service_account_token(
            self.name, self.namespace, {"spec": {"audiences": [], "expirationSeconds": 3600}}
        )
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "u", "user": {"token": token.status.token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(json.dumps(content))
        return path


@dataclass
class Command:
    """`jhkube prepull` with a configuration and an account."""

    config: Path
    kubeconfig: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def environ(self) -> dict[str, str]:
        return os.environ | {"KUBECONFIG": str(self.kubeconfig), "NO_PROXY": "127.0.0.1,localhost"}

    def start(self) -> None:
        """Start to keep the images on the nodes."""
        with self.log.open("ab") as log:
            command = [JHKUBE, "prepull", "--config", self.config]
            self.process = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal, and return its exit status."""
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(how)
        return await asyncio.to_thread(process.wait, 240)

    async def status(self, *arguments: str) -> tuple[int, str]:
        """Return exit status and output of `--status`."""
        done = await asyncio.create_subprocess_exec(
            JHKUBE,
            *("prepull", "--status", "--config", self.config, *arguments),
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await done.communicate()
        return done.returncode or 0, output.decode()

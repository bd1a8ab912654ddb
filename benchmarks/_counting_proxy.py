"""A proxy before the API server that counts requests, so that nobody is counted by their own word.

    python -m benchmarks._counting_proxy

It prints its port. The first part of a path is who asks: `/KubeSpawner/api/v1/…`. `GET /counts/KubeSpawner` returns
how many requests of each kind came since the last time it was asked. It has the credentials of the kubeconfig and
speaks plain HTTP to this machine only.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter, defaultdict

import aiohttp
from aiohttp import web
from kubernetes_asyncio import client, config

KINDS = ("pods", "events", "secrets", "services", "persistentvolumeclaims", "namespaces")
NOT_PASSED = {"host", "content-length", "transfer-encoding", "connection", "keep-alive"}


def what(request: web.Request) -> str:
    """Return the kind of a request: `watch pods`, `list events`, `post secrets`."""
    parts = request.path.split("/")
    kind = next((kind for kind in reversed(KINDS) if kind in parts[-2:]), "other")
    if request.query.get("watch") in ("true", "True", "1"):
        return f"watch {kind}"
    if request.method == "GET" and parts[-1] == kind:
        return f"list {kind}"
    return f"{request.method.lower()} {kind}"


class CountingProxy:
    """Passes everything on, and counts it."""

    def __init__(self, server: str, session: aiohttp.ClientSession, headers: dict[str, str]) -> None:
        self._server, self._session, self._headers = server, session, headers
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)

    async def counts(self, request: web.Request) -> web.Response:
        """Return and forget the counts of one that asks."""
        return web.json_response(self._counts.pop(request.match_info["who"], {}))

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, and its answer back as it comes."""
        who, path = request.match_info["who"], request.rel_url.raw_path_qs.split("/", 2)[2]
        self._counts[who][what(request)] += 1
        headers = {name: value for name, value in request.headers.items() if name.lower() not in NOT_PASSED}
        async with self._session.request(
            request.method,
            aiohttp.client.URL(f"{self._server}/{path}", encoded=True),
            headers=headers | self._headers,
            data=await request.read(),
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in NOT_PASSED}
            response = web.StreamResponse(status=answer.status, headers=kept)
            # A hub that ends leaves its watches.
            with contextlib.suppress(aiohttp.ClientConnectionResetError):
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            return response


async def main() -> None:
    """Serve until the process is ended."""
    configuration = client.Configuration()
    await config.load_kube_config(client_configuration=configuration)
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    token = configuration.api_key.get("BearerToken")
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=0),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
    ) as session:
        proxy = CountingProxy(configuration.host, session, {"Authorization": token} if token else {})
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_get("/counts/{who}", proxy.counts)
        app.router.add_route("*", "/{who}/{path:.*}", proxy.pass_on)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

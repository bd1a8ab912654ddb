"""A hub whose parts speak TLS among themselves (`JupyterHub.internal_ssl`): its pods do, too."""

import asyncio

from tests.pods import in_pod, pod_of

EXTRA = """
import asyncio
import os
import socket

c.JupyterHub.internal_ssl = True
c.JupyterHub.trusted_alt_names = ["IP:" + os.environ["JHKUBE_HUB_CONNECT_HOST"]]
c.ConfigurableHTTPProxy.api_url = os.environ["JHKUBE_PROXY_API_URL"].replace("http:", "https:")

# A hub outside of the cluster does not know the names of the cluster's services: ports of localhost stand for them.
c.KubeSpawner.ssl_alt_names_include_local = True
ports = {}


def url_by_port(spawner, pod):
    uid = pod["metadata"]["uid"]
    if uid not in ports:
        listener = socket.create_server(("127.0.0.1", 0))
        ports[uid] = listener.getsockname()[1]
        address = pod["status"]["podIP"]

        async def serve(reader, writer):
            try:
                there = await asyncio.open_connection(address, 8888)
            except OSError:
                writer.transport.abort()
                return
            await asyncio.gather(copy(reader, there[1]), copy(there[0], writer), return_exceptions=True)

        asyncio.ensure_future(asyncio.start_server(serve, sock=listener))
    return f"https://localhost:{ports[uid]}"


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


c.KubeSpawner.get_pod_url = url_by_port
"""


async def test_hub_proxy_and_pod_trust_each_others_certificates_alone(new_hub, someone, cluster):
    hub = await new_hub("internal-ssl", EXTRA)
    person = await someone(hub, "guest-14")
    await person.started()
    async with person.session.get(f"{hub.url}/user/guest-14/api") as answer:
        assert answer.status == 200, "through the proxy"
    pod = await pod_of(cluster.core, cluster.namespace, "guest-14")
    name = pod.metadata.name
    asked = "import urllib.request as r; r.urlopen(f'https://localhost:8888/user/guest-14/api')"
    refused = await in_pod(cluster.namespace, name, f'python3 -c "{asked}" 2>&1 | tail -n 1')
    assert "CERTIFICATE_VERIFY_FAILED" in refused
    service = await cluster.core.read_namespaced_service(name, cluster.namespace)
    secret = await cluster.core.read_namespaced_secret(name, cluster.namespace)
    assert [owner.uid for each in (service, secret) for owner in each.metadata.owner_references] == [
        pod.metadata.uid
    ] * 2
    await person.stop()
    async with asyncio.timeout(180):
        while any(each.metadata.name == name for each in await certificates(cluster)):
            await asyncio.sleep(0.5)


async def certificates(cluster):
    """Return the Secrets that there are."""
    return (await cluster.core.list_namespaced_secret(cluster.namespace)).items

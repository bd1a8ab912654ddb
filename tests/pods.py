"""Looking into pods: commands run there, and what the API server says about them."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from kubernetes_asyncio import client
from kubernetes_asyncio.stream import WsApiClient


async def in_pod(namespace: str, pod: str, script: str, *, container: str = "notebook", timeout: float = 300) -> str:
    """Return what a shell script prints in a pod, standard error with it and in the order in which it was written."""
    async with asyncio.timeout(timeout), WsApiClient() as api:
        output = await client.CoreV1Api(api).connect_get_namespaced_pod_exec(
            pod,
            namespace,
            container=container,
            command=["/bin/sh", "-c", f"exec 2>&1\n{script}"],
            stderr=True,
            stdin=False,
            stdout=True,
            tty=False,
        )
    return str(output)


async def pod_of(core: Any, namespace: str, user: str, server: str = "") -> Any:
    """Return a user's pod, or None where there is none."""
    pods = await core.list_namespaced_pod(namespace, label_selector="component=singleuser-server")
    for pod in pods.items:
        annotations = pod.metadata.annotations or {}
        if (
            annotations.get("hub.jupyter.org/username") == user
            and annotations.get("hub.jupyter.org/servername", "") == server
        ):
            return pod
    return None


async def new_namespace(core: Any, name: str) -> None:
    """Create a namespace, and return when it takes pods: its service account comes a moment after it."""
    await core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    probe = {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "probe", "image": "probe"}]}}
    async with asyncio.timeout(300):
        while True:
            try:
                await core.create_namespaced_pod(name, probe, dry_run="All")
            except client.ApiException:
                await asyncio.sleep(0.1)
            else:
                return


async def devcluster(*words: str) -> None:
    """Run a verb of the development cluster, as `devcluster("kill", "apiserver")`."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "devcluster", *words)
    assert await process.wait() == 0

"""The culler and the pods of the cluster: the size of a server that was started without options is its pod's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.cluster.api_proxy import kubeconfig_for
from tests.cluster.conftest import Proxied
from tests.hub.conftest import StartHub, start_hub
from tests.hub.test_culler import SERVICES, SETTINGS, left, start_server

__all__ = ["start_hub"]


def pod_of(server: str, size: str) -> dict[str, Any]:
    """Return the pod of a server, as far as the culler looks; no scheduler takes it."""
    name, _, own = server.partition("/")
    annotations = {"hub.jupyter.org/username": name, "hub.jupyter.org/servername": own}
    labels = {"component": "singleuser-server", "jhkube/size": size}
    return {
        "metadata": {"name": f"jupyter-{name}-{own}x", "labels": labels, "annotations": annotations},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "notebook", "image": "none"}]},
    }


async def test_a_server_that_was_started_without_options_has_the_size_of_its_pod(
    proxied: Proxied,
    start_hub: StartHub,
    tmp_path: Path,
) -> None:
    # What was asked for by the last one is not what its pod was made with.
    for server, size in (("ada/", "gpu"), ("ada/batch", "batch"), ("ada/forged", "gpu")):
        await proxied.core.create_namespaced_pod(proxied.namespace, pod_of(server, size))
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(kubeconfig_for(proxied.proxy.url))
    culler = {
        "JHKUBE_CULLER": "true",
        "JHKUBE_CULLER_TIMEOUT": "3600",
        "JHKUBE_CULLER_EVERY": "1",
        "JHKUBE_CULLER_SIZES": json.dumps({"gpu": 1, "batch": 3600}),
        "JHKUBE_NAMESPACE": proxied.namespace,
        "KUBECONFIG": str(kubeconfig),
    }
    hub = await start_hub(SETTINGS, python_settings=f"load_subconfig({str(SERVICES)!r})", environ=culler)
    assert (await hub.api("POST", "/users/ada"))[0] == 201
    await start_server(hub, "ada/")
    await start_server(hub, "ada/batch")
    await start_server(hub, "ada/forged", size="batch")
    async with asyncio.timeout(120):
        while await left(hub) != {"ada/batch"}:
            await asyncio.sleep(0.2)
    assert set(proxied.proxy.paths) == {f"GET /api/v1/namespaces/{proxied.namespace}/pods"}

"""From Start to a usable lab: with the image still to be pulled, and with it on the node; in turn, in one run.

    python benchmarks/prepull.py [--rounds 5] [--image REPOSITORY:TAG]

Read is the time from the hub's taking the request to the server's being ready and in the proxy. Before each cold
start every image of the same repository is removed from the node, since images of one repository share layers. The
development cluster's registry is on the same machine: what is left of a pull there is unpacking. A network, and a
registry that others use, come on top.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import subprocess
import tempfile
import time

import aiohttp
from kubernetes_asyncio import client, config
from spawn import GATEWAY, NAMESPACE, OURS, REGISTRY, Clock, Hub, Scenario, any_lab, emptied, stopped

from devcluster.settings import Settings

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


async def with_digest(image: str) -> tuple[str, int]:
    """Return an image by its digest, and how many bytes of layers it has."""
    repository, _, tag = image.rpartition(":")
    path = repository.partition("/")[2]
    url = f"http://{REGISTRY}/v2/{path}/manifests/{tag}"
    async with aiohttp.request("GET", url, headers={"Accept": MANIFEST}) as answer:
        manifest = await answer.json(content_type=None)
        digest = answer.headers["Docker-Content-Digest"]
    return f"{repository}@{digest}", sum(layer["size"] for layer in manifest["layers"])


def remove(repository: str) -> None:
    """Remove every image of a repository from the node, under all names that containerd has for it."""
    ctr = ("ctr", "-a", str(Settings.load().containerd), "-n", "k8s.io", "images")
    listed = subprocess.run([*ctr, "ls"], capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    names = {line.split()[0]: line.split()[2] for line in listed}
    digests = {digest for name, digest in names.items() if name.startswith((f"{repository}@", f"{repository}:"))}
    gone = [name for name, digest in names.items() if digest in digests]
    if gone:
        subprocess.run([*ctr, "rm", "--sync", *gone], capture_output=True, check=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--image", help="the image of a lab, with a tag; by default any of `lab` in the registry")
    options = parser.parse_args()
    await config.load_kube_config()
    async with client.ApiClient() as api:
        try:
            await client.CoreV1Api(api).create_namespace({"metadata": {"name": NAMESPACE}})
        except client.ApiException as error:
            if error.status != 409:
                raise
    await emptied()
    image, size = await with_digest(options.image or await any_lab())
    scenario = Scenario("prepull", 1, image, probed=True)
    clock = Clock()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: clock, (GATEWAY, 0))
    hub = Hub(
        OURS, scenario, image, transport.get_extra_info("sockname")[1], tempfile.mkdtemp(prefix="jhkube-bench-")
    )
    took: dict[str, list[float]] = {"cold": [], "warm": []}
    try:
        await hub.up()
        await hub.call("POST", "/users/bench")
        await once(hub, clock)
        for _ in range(options.rounds):
            for kind, times in took.items():
                if kind == "cold":
                    remove(image.partition("@")[0])
                times.append(await once(hub, clock))
                print(f"{kind} {times[-1]:.2f} s", flush=True)
    finally:
        await hub.down()
        transport.close()
        await emptied()
    print(
        f"\n{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}, {size / 1e6:.0f} MB layers\n"
    )
    print("| the image | starts | Start → usable lab: median | least | most |\n|---|--:|--:|--:|--:|")
    for kind, times in took.items():
        print(
            f"| {kind} | {len(times)} | {statistics.median(times):.2f} s | {min(times):.2f} s | {max(times):.2f} s |"
        )


async def once(hub: Hub, clock: Clock) -> float:
    """Start and stop a server; return the seconds from the request to its being ready."""
    clock.times.clear()
    await hub.call("POST", "/users/bench/server")
    async with asyncio.timeout(600):
        while ("ready", "bench") not in clock.times:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    seconds = clock.times["ready", "bench"] - clock.times["requested", "bench"]
    await stopped(hub, ["bench"])
    return seconds


if __name__ == "__main__":
    asyncio.run(main())

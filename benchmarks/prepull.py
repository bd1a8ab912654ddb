"""From Start to a lab that is ready: with its image on the node, and with the image still to be pulled; by turns.

    python -m benchmarks.prepull [--rounds 4]

Before each start that pulls, every image of the lab's registry is removed from the node, since images share layers,
once the containers of them are gone. The development cluster's registry is on the node itself: what is left of a pull
there is unpacking. A network, and a registry that others use, come on top.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
from pathlib import Path

from kubernetes_asyncio import client, config

from devcluster.build import binaries
from devcluster.images import lab_image
from devcluster.settings import Settings

from .hubs import run
from .rows import Row, emit, quantile, say
from .spawn import KINDS, OURS, Bench, Result, counting_proxy, ignored, namespace

SETTINGS = Settings.load()
CTR = (str(binaries(SETTINGS) / "ctr"), "-a", str(SETTINGS.containerd), "-n", "k8s.io")
PERSON = "person0"


def listed(kind: str) -> list[list[str]]:
    """Return what containerd has of a kind, a list of columns for each."""
    lines = subprocess.run([*CTR, kind, "ls"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split() for line in lines[1:]]


def remove(registry: str) -> None:
    """Remove every image of a registry from the node, once no container holds its layers."""
    mine = f"{registry}/"
    while any(columns[1].startswith(mine) for columns in listed("containers")):
        time.sleep(1)
    # Each has several names: by tag, by digest, and by its configuration's digest alone.
    digests = {columns[0]: columns[2] for columns in listed("images")}
    gone = {digest for name, digest in digests.items() if name.startswith(mine)}
    names = [name for name, digest in digests.items() if digest in gone]
    if names:
        subprocess.run([*CTR, "images", "rm", "--sync", *names], capture_output=True, check=True)


def megabytes(image: str) -> float:
    """Return the size of an image's layers, as they are pulled."""
    inspect = ["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{image}"]
    manifest = json.loads(subprocess.run(inspect, capture_output=True, text=True, check=True).stdout)
    return float(sum(layer["size"] for layer in manifest["layers"]) / 1e6)


def median(result: Result) -> float:
    """Return the median from the request to a server that is ready, in seconds."""
    return quantile([a + b for a, b in zip(result.to_answer, result.to_ready, strict=True)], 0.5)


async def main() -> None:
    """Measure, and print rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="one round")
    options = parser.parse_args()
    await config.load_kube_config()
    image = lab_image(SETTINGS)
    registry, size = image.partition("/")[0], round(megabytes(image))
    on_node, pulled = Result(), Result()
    folder = Path(tempfile.mkdtemp(prefix="jhkube-bench-"))
    say(f"the hub's log is in {folder}")
    async with client.ApiClient() as api, counting_proxy() as proxy:
        core = client.CoreV1Api(api)
        try:
            async with Bench(KINDS["lab"], core, folder, proxy, [OURS]) as bench:
                await bench.add([PERSON])
                # The first spawn of a hub starts its watches; that is not what is measured.
                await bench.round(OURS, [PERSON], Result())
                for number in range(1 if options.quick else options.rounds):
                    await asyncio.to_thread(remove, registry)
                    await bench.round(OURS, [PERSON], pulled)
                    await bench.round(OURS, [PERSON], on_node)
                    took, without = pulled.to_answer[-1], on_node.to_answer[-1]
                    say(f"round {number + 1}: pulled {took:.1f} s, on the node {without:.1f} s")
        finally:
            with ignored(404):
                await core.delete_namespace(namespace(OURS))
    group, measure = "A lab whose image is on the node", "request → ready, median"
    emit(Row(group, "it has to be pulled", measure, size, "MB of layers", "s", median(on_node), median(pulled)))


if __name__ == "__main__":
    run(main())

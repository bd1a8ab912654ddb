"""`jhkube prepull`: keep the menu's images on the nodes, or say which are there."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from kubernetes_asyncio.client import ApiException
from kubespawner.clients import shared_client
from traitlets.config import Config

from jhkube.checks.configured import load_cluster_configuration
from jhkube.commands.frame import CommandError, set_up
from jhkube.kube import API_ERRORS, FORBIDDEN, error_text, plain_items
from jhkube.prepull.manifests import selector
from jhkube.prepull.observed import ImageOnNode, images_on_nodes
from jhkube.prepull.plan import ImageState
from jhkube.prepull.prepuller import Prepuller, PrepullerError

__all__ = ["add_arguments", "run"]

DONE, INCOMPLETE = 0, 1
"""The exit status: all images are on all nodes, or the prepuller was ended; some are not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command is told to its parser."""
    set_up(
        parser,
        run,
        "Keep the first images of the menu on every node on which labs can run. It runs until it is stopped, and then"
        " deletes the objects that it created. With --status, print which image is on which node. The exit status is"
        " then 0 if all images are on all nodes, 1 if one is missing or no prepuller runs, and 2 if the command"
        " cannot find out.",
    )
    parser.add_argument("--status", action="store_true", help="print which image is on which node and exit")
    parser.add_argument("--json", action="store_true", help="with --status: print JSON")


def run(config: Config, arguments: argparse.Namespace) -> int:
    """Keep the images on the nodes until a signal comes, or print the status; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="[%(levelname)1.1s %(asctime)s] %(message)s")
    if arguments.json and not arguments.status:
        raise CommandError("--json is for --status: without it nothing is printed")
    load_cluster_configuration()
    try:
        return asyncio.run(_status(config, arguments.json) if arguments.status else _keep(config))
    except PrepullerError as error:
        raise CommandError(str(error)) from None


async def _keep(config: Config) -> int:
    stop = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, stop.set)
    await Prepuller(config=config).run(stop)
    return DONE


async def _status(config: Config, as_json: bool) -> int:
    settings = Prepuller(config=config).settings
    where = f"{settings.namespace}/{settings.name}"
    try:
        rows = await _rows(settings.name, settings.namespace)
    except API_ERRORS as error:
        raise PrepullerError(f"the status of {where} cannot be read: {error_text(error)}") from None
    if rows is None:
        print(f"There is no DaemonSet {where}: no prepuller runs.", file=sys.stderr)
        if as_json:
            print("[]")
        return INCOMPLETE
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        _print_table(rows)
    return DONE if all(row.state is ImageState.PRESENT for row in rows) else INCOMPLETE


async def _rows(name: str, namespace: str) -> tuple[ImageOnNode, ...] | None:
    """Return the table; None where there is no DaemonSet."""
    apps, core = shared_client("AppsV1Api"), shared_client("CoreV1Api")
    # By a list, as the prepuller itself does: its account may not get single ones.
    found = await plain_items(apps.list_namespaced_daemon_set, namespace, field_selector=f"metadata.name={name}")
    if not found:
        return None
    labels = ",".join(f"{key}={value}" for key, value in selector(name).items())
    pods = await plain_items(core.list_namespaced_pod, namespace, label_selector=labels)
    try:
        nodes = await plain_items(core.list_node)
    except ApiException as error:
        if error.status != FORBIDDEN:
            raise
        print("This account may not list nodes: the table shows only what the pods say.", file=sys.stderr)
        nodes = []
    return images_on_nodes(found[0], pods, nodes)


def _print_table(rows: Sequence[ImageOnNode]) -> None:
    table = [("IMAGE", "NODE", "STATE", "WHY")]
    table += [(row.reference, row.node, row.state.value, row.why) for row in rows]
    widths = [max(len(line[column]) for line in table) for column in range(3)]
    for *cells, why in table:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        print("  ".join([*padded, why]).rstrip())
    images, nodes = len({row.image for row in rows}), len({row.node for row in rows})
    counts = Counter(row.state.value for row in rows)
    said = ", ".join(f"{counts[state]} {state.value}" for state in ImageState if counts[state]) or "nothing to pull"
    print(f"\nImages: {images}, nodes: {nodes}: {said}.")

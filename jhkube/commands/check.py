"""`jhkube check`: looks before the users do, and says what to do about each fault."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from traitlets.config import Config

from jhkube.checks.configuration import CONFIGURATION
from jhkube.checks.report import as_json, table
from jhkube.checks.result import Result, Status
from jhkube.checks.run import ImageChoice, check_hub
from jhkube.checks.secrets import redactor
from jhkube.commands.configuration import ConfigurationError, load_configuration
from jhkube.configured import ConfiguredHub

__all__ = ["add_parser", "run"]

RIGHT, WRONG, NOT_RUN = 0, 1, 2
"""The exit status: nothing failed; something did; the configuration cannot be read, so nothing was looked at."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line's parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "check",
        help="look before the users do: configuration, cluster, storage, registry, provider, image",
        description="Look whether the hub of this configuration will work, with the environment and the account that "
        "the hub has, and say what to do about each fault. The exit status is 0 where nothing failed, 1 where "
        "something did, 2 where the configuration cannot be read.",
    )
    parser.add_argument("--config", type=Path, default=Path("jupyterhub_config.py"), help="the hub's configuration")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--image", default="", help="look into this image, not into the one that is offered first")
    parser.add_argument("--no-pod", action="store_true", help="start no pod to look into an image")
    parser.add_argument(
        "--image-timeout", type=float, default=180.0, metavar="SECONDS", help="how long that pod may take (180)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what was found and return the exit status."""
    # What would be logged is told below, with what to do about it.
    logging.basicConfig(handlers=[logging.NullHandler()])
    config = Config()
    try:
        config = load_configuration(arguments.config)
    except ConfigurationError as error:
        remedy = "Correct it; the hub would not start either."
        _print([CONFIGURATION.failed(str(error), remedy)], config, arguments)
        return NOT_RUN
    choice = ImageChoice(not arguments.no_pod, arguments.image, arguments.image_timeout)
    try:
        results = asyncio.run(_checked(config, choice))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("jhkube check: ended before it was done", file=sys.stderr)
        return NOT_RUN
    _print(results, config, arguments)
    return WRONG if any(each.status is Status.FAILED for each in results) else RIGHT


async def _checked(config: Config, choice: ImageChoice) -> list[Result]:
    task = asyncio.current_task()
    assert task is not None
    # So that the pod of an image is removed by whatever ends this.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await check_hub(ConfiguredHub(config), choice)


def _print(results: Sequence[Result], config: Config, arguments: argparse.Namespace) -> None:
    redacted = redactor(config, os.environ)
    shown = [replace(each, text=redacted(each.text), remedy=redacted(each.remedy)) for each in results]
    if arguments.json:
        print(json.dumps(as_json(shown), indent=2, ensure_ascii=False))
        return
    # https://no-color.org
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(table(shown, coloured=coloured, width=shutil.get_terminal_size((120, 24)).columns))

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

from traitlets.config import Config

from jhkube.checks.configuration import CONFIGURATION
from jhkube.checks.configured import ConfiguredHub
from jhkube.checks.report import as_json, table
from jhkube.checks.result import Result, Status
from jhkube.checks.run import ImageChoice, OtherAccounts, check_hub
from jhkube.commands.frame import set_up
from jhkube.redaction import redactor

__all__ = ["add_arguments", "run"]

RIGHT, FAILED = 0, 1
"""The exit status: nothing failed; something did. Where the configuration cannot be read, nothing is looked at."""


LONGEST = 3600
"""Seconds that a look into an image may take at the most."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command is told to its parser."""
    set_up(
        parser,
        run,
        "Check whether a hub with this configuration will work, and say what to do about each fault. Run it with the "
        "environment and the account of the hub. The exit status is 0 if nothing failed, 1 if something failed, and "
        "2 if the configuration cannot be read.",
        tell=_told,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--image", default="", help="check this image, and not the one that is offered first")
    parser.add_argument(
        "--my-servers-token",
        type=argparse.FileType(encoding="utf-8"),
        metavar="FILE",
        help="a file with a token of the account of the service My servers, to check the rights of that account",
    )
    parser.add_argument(
        "--operator-token",
        type=argparse.FileType(encoding="utf-8"),
        metavar="FILE",
        help="a file with a token of the account of `jhkube operator`, to check the rights of that account",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--operator-namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="a namespace in which the operator works; may be repeated (default: the namespace of the servers)",
    )
    where.add_argument("--operator-all-namespaces", action="store_true", help="the operator works in all namespaces")
    parser.add_argument("--no-pod", action="store_true", help="skip the check of the image, which starts a pod")
    parser.add_argument(
        "--image-timeout",
        type=_seconds,
        default=180.0,
        metavar="SECONDS",
        help="how many seconds the pod of that check may take (default: 180)",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds up to {LONGEST}")
    return seconds


def run(config: Config, arguments: argparse.Namespace) -> int:
    """Print what was found and return the exit status."""
    # What would be logged is told below, with what to do about it.
    logging.basicConfig(handlers=[logging.NullHandler()])
    choice = ImageChoice(not arguments.no_pod, arguments.image, arguments.image_timeout)
    tokens = [
        given.read().strip() if given else "" for given in (arguments.my_servers_token, arguments.operator_token)
    ]
    namespaces = (None,) if arguments.operator_all_namespaces else tuple(arguments.operator_namespace)
    others = OtherAccounts(tokens[0], tokens[1], namespaces)
    results = asyncio.run(_checked(config, choice, others))
    redacted = redactor(config, os.environ)
    _print([replace(each, text=redacted(each.text), remedy=redacted(each.remedy)) for each in results], arguments)
    return FAILED if any(each.status is Status.FAILED for each in results) else RIGHT


async def _checked(config: Config, choice: ImageChoice, others: OtherAccounts) -> list[Result]:
    task = asyncio.current_task()
    assert task is not None
    # So that the pod of an image is removed by whatever ends this.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await check_hub(ConfiguredHub(config), choice, others)


def _told(text: str, arguments: argparse.Namespace) -> None:
    _print([CONFIGURATION.failed(text, "Put it right first: nothing else was looked at.")], arguments)


def _print(results: Sequence[Result], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(json.dumps(as_json(results), indent=2, ensure_ascii=False))
        return
    # https://no-color.org
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(table(results, coloured=coloured, width=shutil.get_terminal_size((120, 24)).columns))

"""What every command has: the configuration, and an end that is a sentence, without a traceback or a secret."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from traitlets import TraitError
from traitlets.config import Config

from jhkube.checks.report import sentence
from jhkube.checks.secrets import redactor
from jhkube.commands import INTERRUPTED
from jhkube.commands.configuration import CommandError, load_configuration
from jhkube.configured import NoClusterConfigured

__all__ = ["CLOSED", "WRONG", "Run", "Tell", "add_command", "run_command"]

WRONG = 2
"""The exit status where the configuration or an argument is at fault, as argparse has it."""

CLOSED = 141
"""The exit status where nobody reads on, as shells tell of SIGPIPE."""

Run = Callable[[Config, argparse.Namespace], int]
"""A command: the configuration and the arguments, to the exit status."""

Tell = Callable[[str, argparse.Namespace], None]
"""How a command says that it could not do its work."""


def add_command(commands: Any, name: str, run: Run, *, tell: Tell | None = None, **texts: str) -> Any:
    """Add a command to the command line's parser, and return its own parser.

    Parameters
    ----------
    commands
        The parser's subparsers.
    name
        What an operator types.
    run
        The command.
    tell
        How it says what kept it from its work; on standard error by default.
    texts
        Its `help` and `description`.
    """
    parser = commands.add_parser(name, **texts)
    parser.add_argument(
        "--config", type=Path, default=Path("jupyterhub_config.py"), metavar="FILE", help="the hub's configuration"
    )
    parser.set_defaults(command=name, run=run, tell=tell or _on_standard_error)
    return parser


def run_command(arguments: argparse.Namespace) -> int:
    """Run a command and return its exit status, whatever happens."""
    config = Config()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # In a locale that has no arrows, one is printed as a question mark.
            stream.reconfigure(errors="replace")
    try:
        config = load_configuration(arguments.config)
        status: int = arguments.run(config, arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python closes its output once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except (KeyboardInterrupt, asyncio.CancelledError):
        _on_standard_error("ended before it was done", arguments)
        return INTERRUPTED
    except Exception as error:
        arguments.tell(redactor(config, os.environ)(_said(error)), arguments)
        return WRONG
    return status


def _said(error: Exception) -> str:
    if isinstance(error, CommandError | NoClusterConfigured | TraitError | ValueError):
        return sentence(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__} in {place.filename}, line {place.lineno}: {sentence(error)}. Nobody expected this: "
        "if the configuration does not explain it, report it."
    )


def _on_standard_error(text: str, arguments: argparse.Namespace) -> None:
    print(f"jhkube {arguments.command}: {text}", file=sys.stderr)

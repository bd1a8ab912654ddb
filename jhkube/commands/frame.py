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

from traitlets import TraitError
from traitlets.config import Config

from jhkube.checks.configured import ConfigurationError, NoClusterConfigured, load_configuration
from jhkube.checks.report import sentence
from jhkube.commands import INTERRUPTED
from jhkube.redaction import redactor

__all__ = [
    "CLOSED",
    "WRONG",
    "CommandError",
    "Run",
    "Tell",
    "run_command",
    "set_up",
]

WRONG = 2
"""The exit status where the configuration or an argument is at fault, as argparse has it."""

CLOSED = 141
"""The exit status where nobody reads on, as shells tell of SIGPIPE."""

Run = Callable[[Config, argparse.Namespace], int]
"""A command: the configuration and the arguments, to the exit status."""

Tell = Callable[[str, argparse.Namespace], None]
"""How a command says that it could not do its work."""


class CommandError(Exception):
    """What keeps a command from its work; the message is for the operator."""


def set_up(
    parser: argparse.ArgumentParser, run: Run, description: str, *, tell: Tell | None = None, configured: bool = True
) -> None:
    """Give a command's parser what every command has.

    Parameters
    ----------
    parser
        The command's own parser.
    run
        The command.
    description
        What the command does, and what its exit status means.
    tell
        How it says what kept it from its work; on standard error by default.
    configured
        Whether it reads the hub's configuration.
    """
    parser.description = description
    if configured:
        parser.add_argument(
            "--config",
            type=Path,
            default=Path("jupyterhub_config.py"),
            metavar="FILE",
            help="the hub's configuration file (jupyterhub_config.py)",
        )
    else:
        parser.set_defaults(config=None)
    parser.set_defaults(command=parser.prog, run=run, tell=tell or _on_standard_error)


def run_command(arguments: argparse.Namespace) -> int:
    """Run a command and return its exit status, whatever happens."""
    config = Config()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # In a locale that has no arrows, one is printed as a question mark.
            stream.reconfigure(errors="replace")
    try:
        if arguments.config is not None:
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
    if isinstance(error, CommandError | ConfigurationError | NoClusterConfigured | TraitError | ValueError):
        return sentence(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__} in {place.filename}, line {place.lineno}: {sentence(error)}. Nobody expected this: "
        "if the configuration does not explain it, report it."
    )


def _on_standard_error(text: str, arguments: argparse.Namespace) -> None:
    print(f"{arguments.command}: {text}", file=sys.stderr)

"""`jhkube`: what an operator types."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from jhkube import __version__
from jhkube.commands import INTERRUPTED

__all__ = ["COMMANDS", "command_line", "main"]

COMMANDS = ("check", "menu", "prepull", "rekey", "show-pod")
"""Each is a module of `jhkube.commands`."""


def command_line(first: str = "") -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Parameters
    ----------
    first
        The first argument. Where it says already what is wanted, the other commands are not loaded: JupyterHub and
        the Kubernetes client, which some of them need, take seconds.
    """
    parser = argparse.ArgumentParser(prog="jhkube", description="Tools for the operators of a hub with jhkube.")
    parser.add_argument("--version", action="version", version=f"jhkube {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    wanted = (first,) if first in COMMANDS else () if first == "--version" else COMMANDS
    for name in wanted:
        import_module(f"jhkube.commands.{name.replace('-', '_')}").add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    # No traceback where somebody ends it while it loads.
    try:
        parsed = command_line(arguments[0] if arguments else "").parse_args(arguments)
        from jhkube.commands.frame import run_command
    except KeyboardInterrupt:
        return INTERRUPTED
    return run_command(parsed)


if __name__ == "__main__":
    sys.exit(main())

"""`jhkube`: what an operator types."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from jhkube import __version__
from jhkube.commands import check, menu, prepull, rekey, show_pod
from jhkube.commands.frame import run_command

__all__ = ["command_line", "main"]


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="jhkube", description="Tools for the operators of a hub with jhkube.")
    parser.add_argument("--version", action="version", version=f"jhkube {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check.add_parser(commands)
    menu.add_parser(commands)
    prepull.add_parser(commands)
    rekey.add_parser(commands)
    show_pod.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_command(command_line().parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())

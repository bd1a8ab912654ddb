"""`jhkube`: what an operator types."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from jhkube import __version__
from jhkube.commands import INTERRUPTED

__all__ = ["command_line", "main"]


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    # JupyterHub and the Kubernetes client take seconds to load: no traceback where somebody ends it meanwhile.
    from jhkube.commands import check, menu, prepull, rekey, show_pod

    parser = argparse.ArgumentParser(prog="jhkube", description="Tools for the operators of a hub with jhkube.")
    parser.add_argument("--version", action="version", version=f"jhkube {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (check, menu, prepull, rekey, show_pod):
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    try:
        parser = command_line()
        from jhkube.commands.frame import run_command
    except KeyboardInterrupt:
        return INTERRUPTED
    return run_command(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())

"""`jhkube`: what an operator types."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from jhkube import __version__
from jhkube.commands import INTERRUPTED
from jhkube.iri_grammar import leave_out_iri_grammar

__all__ = ["COMMANDS", "command_line", "main"]

COMMANDS = {
    "check": "find faults in configuration, cluster, storage, registry, provider and image",
    "menu": "print the images that people are offered now",
    "operator": "start notebooks and servers from custom resources",
    "prepull": "keep the menu's images on the nodes",
    "rekey": "encrypt every auth_state with the newest key",
    "show-pod": "print the pod that a start would create, without creating it",
}
"""What each command does. Each is a module of `jhkube.commands`."""


def command_line(*loaded: str) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Parameters
    ----------
    loaded
        The commands whose arguments are known to the parser. It knows only the names of the others: JupyterHub and
        the Kubernetes client, which commands import, take seconds to load.
    """
    parser = argparse.ArgumentParser(prog="jhkube", description="Commands for the operators of a hub with jhkube.")
    parser.add_argument("--version", action="version", version=f"jhkube {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name in loaded:
            import_module(f"jhkube.commands.{name.replace('-', '_')}").add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    # What comes before a command has no value, so the first word is the command.
    first = next((each for each in arguments if not each.startswith("-")), "")
    leave_out_iri_grammar()
    # No traceback where somebody ends it while it loads.
    try:
        parsed = command_line(first).parse_args(arguments)
        from jhkube.commands.frame import run_command
    except KeyboardInterrupt:
        return INTERRUPTED
    return run_command(parsed)


if __name__ == "__main__":
    sys.exit(main())

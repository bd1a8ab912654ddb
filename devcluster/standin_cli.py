"""Stand-ins from the command line: the options that all have, and running until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
from typing import Any

from devcluster.standin import StandIn
from devcluster.standin_tls import server_context

__all__ = ["run", "server_arguments", "standin_parser"]


def standin_parser(module: str, description: str | None, *, port: int) -> argparse.ArgumentParser:
    """Return a parser with the options of every stand-in; `port` is the default."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=port, help="port to listen on (default: %(default)s)")
    parser.add_argument("--public-url", help="the address that clients use, where it is another")
    parser.add_argument(
        "--control-token",
        default=os.environ.get("STANDIN_CONTROL_TOKEN"),
        help="asked for by /_control; better given as STANDIN_CONTROL_TOKEN",
    )
    parser.add_argument("--certificate", help="PEM file with certificate and key: serve https")
    return parser


def server_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Return a stand-in's server parameters from parsed options."""
    return {
        "host": options.host,
        "port": options.port,
        "public_url": options.public_url,
        "control_token": options.control_token,
        "ssl_context": server_context(options.certificate) if options.certificate else None,
    }


def run(standin: StandIn) -> None:
    """Serve until interrupted or terminated; print the address once connections are accepted."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(standin))


async def _serve(standin: StandIn) -> None:
    """Run a stand-in until it is interrupted or terminated."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with standin:
        print(f"listening on {standin.url}", flush=True)
        await stop.wait()

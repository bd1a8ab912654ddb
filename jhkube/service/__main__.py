"""The service's process: `python -m jhkube.service`, with the hub's variables of a service in the environment."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from jhkube.iri_grammar import leave_out_iri_grammar
from jhkube.service.early import early_answers


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the hub, or Kubernetes, ends this process.

    Parameters
    ----------
    arguments
        The command line without the program; that of the process if left out.
    """
    parser = argparse.ArgumentParser(prog="python -m jhkube.service", description="Run the service My servers.")
    parser.add_argument(
        "--hub-pid", type=int, default=0, help="the process of the hub that starts this one, to end when it has ended"
    )
    asked = parser.parse_args(arguments)
    listen = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    host = listen.hostname or "127.0.0.1"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, listen.port or 8080), family=family, backlog=128)
    leave_out_iri_grammar()
    with early_answers(listening):
        # Only now: it loads most of jupyterhub and of Kubernetes' client.
        from jhkube.service.app import serve
    asyncio.run(serve(os.environ, listening, asked.hub_pid))


if __name__ == "__main__":
    main()

"""The service's process: `python -m jhkube.service`, with the hub's variables of a service in the environment."""

from __future__ import annotations

import asyncio
import os
import socket
from urllib.parse import urlsplit

from jhkube.service.early import early_answers


def main() -> None:
    """Serve until the hub, or Kubernetes, ends this process."""
    listen = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    host = listen.hostname or "127.0.0.1"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, listen.port or 8080), family=family, backlog=128)
    with early_answers(listening):
        # Only now: it loads most of jupyterhub and of Kubernetes' client.
        from jhkube.service.app import serve
    asyncio.run(serve(os.environ, listening))


if __name__ == "__main__":
    main()

"""Ports for the servers that a test starts."""

import random
import socket

PORTS = range(12_000, 26_000)
"""Below those that the kernel gives to outgoing connections (32768 and up): one of them could be taken by anybody
between the moment in which it is found free and that in which its server listens."""


def free_port() -> int:
    """Return a TCP port on which nobody listens now, on any address of this machine."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port

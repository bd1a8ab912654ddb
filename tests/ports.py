"""Ports for the servers that a test starts."""

import random
import socket

PORTS = range(12_000, 26_000)
"""Below those that the kernel gives to outgoing connections (32768 and up): one of them could be taken by anybody
between the moment in which it is found free and that in which its server listens."""

_given: set[int] = set()


def free_port() -> int:
    """Return a TCP port on which nobody listens now, on any address of this machine; never the same one twice."""
    while True:
        port = random.choice(PORTS)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        _given.add(port)
        return port

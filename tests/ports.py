"""Ports for the servers that a test starts."""

import random
import socket

PORTS = range(12_000, 26_000)
"""Below those that the kernel gives to outgoing connections (32768 and up): one of them could be taken by anybody
between the moment in which it is found free and that in which its server listens."""

_claims: list[socket.socket] = []
"""What keeps the ports that were given from the other test processes of this machine, until this one ends."""


def free_port() -> int:
    """Return a TCP port on which nobody listens now, on any address of this machine; never the same one twice.

    It may be seconds until a server listens there. Meanwhile no other test process is given the port either: each
    claims it by an abstract socket's name, which one process can have, and which is free again when that ends.
    """
    while True:
        port = random.choice(PORTS)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0jhkube-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port

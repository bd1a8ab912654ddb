"""A program that ends at once and needs nothing of the image it runs in; pure.

An image that is pulled by a pod has to be started, and not every image has a shell. These few instructions are
mounted into each of them instead.
"""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["HELPERS", "helper_program"]

_ENTRY: Final = 0x400000
_HEADERS: Final = 64 + 56

# e_machine of the ELF header, and exit(0) as instructions
_MACHINES: Final = {
    # mov eax, 60; xor edi, edi; syscall
    "amd64": (62, bytes.fromhex("b83c000000 31ff 0f05")),
    # mov x8, #93; mov x0, #0; svc #0
    "arm64": (183, bytes.fromhex("a80b80d2 000080d2 010000d4")),
}


def helper_program(architecture: str) -> bytes:
    """Return a Linux program that exits with 0, for a node's architecture as Kubernetes calls it.

    It is an ELF file (https://refspecs.linuxfoundation.org/elf/elf.pdf) of one segment, without libraries.
    """
    machine, code = _MACHINES[architecture]
    size = _HEADERS + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        # 64 bits, little-endian, version 1
        b"\x7fELF\x02\x01\x01",
        2,  # an executable
        machine,
        1,
        _ENTRY + _HEADERS,
        64,  # where the segment's header is
        0,
        0,
        64,
        56,
        1,
        64,
        0,
        0,
    )
    # loaded as a whole, to be read and executed, at an address that any page size divides
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _ENTRY, _ENTRY, size, size, 0x10000)
    return header + segment + code


HELPERS: Final = tuple(_MACHINES)
"""The architectures that there is a program for."""

"""A disk of a person's own that a server mounts: which one, and where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["HOME", "MOST_DISKS", "OwnDisk", "default_path", "disk_path"]

HOME: Final = "~"
"""What stands for the home at the beginning of a path."""

MOST_DISKS: Final = 10
"""How many a server can mount."""

_PART: Final = r"/(?!\.{1,2}(?:/|\Z))[-A-Za-z0-9_.]{1,100}"
_PATH = re.compile(rf"~?(?:{_PART}){{1,10}}")

_SYSTEM: Final = frozenset(
    ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "root", "run", "sbin", "secrets")
) | {"sys", "usr", "var"}
"""The folders in which the system of an image is, and that of the secrets that people attach."""

_DISK_OF_SOMEBODY = re.compile(r"disk-.+?--(?=[^-])")
"""What My servers puts before the name of a disk, in a namespace of several people."""


@dataclass(frozen=True, slots=True)
class OwnDisk:
    """A claim, and where it is mounted."""

    claim: str
    """The claim's name: `disk-ada--data`."""

    path: str
    """Where it is in the server: `/disks/data`, or `~/data` below the home."""

    read_only: bool = False
    """Whether writing is refused."""


def disk_path(text: str) -> str:
    """Return where a disk is to be mounted.

    Raises
    ------
    ValueError
        Where it cannot be; the sentence is for the person who chose it.

    Examples
    --------
    >>> disk_path("~/data/"), disk_path("/disks/data")
    ('~/data', '/disks/data')
    """
    path = text.rstrip("/")
    if not _PATH.fullmatch(path):
        raise ValueError("a disk is mounted at a path such as '~/data' or '/disks/data'")
    if path.split("/")[1] in _SYSTEM and not path.startswith(HOME):
        raise ValueError("there is the system of your server; choose a path such as '~/data' or '/disks/data'")
    return path


def default_path(claim: str) -> str:
    """Return where a disk is mounted if nobody says where.

    Examples
    --------
    >>> default_path("disk-ada--data"), default_path("claim-ada")
    ('/disks/data', '/disks/claim-ada')
    """
    return f"/disks/{_DISK_OF_SOMEBODY.sub('', claim, count=1)}"

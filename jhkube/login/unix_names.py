"""Names that unix takes for accounts and groups, different for what is different; pure."""

from __future__ import annotations

import hashlib
import re

__all__ = ["MAXIMUM_LENGTH", "RESERVED_NAMES", "account_name", "group_name"]

MAXIMUM_LENGTH = 32
"""The most characters that shadow's tools and utmp take in a name (useradd(8), groupadd(8))."""

_SYSTEM = """
root daemon bin sys sync adm tty disk lp mail news uucp man proxy kmem dialout fax voice cdrom floppy tape
sudo wheel admin audio dip www-data backup operator list irc src shadow utmp video sasl plugdev staff games
users nogroup nobody input kvm render sgx docker podman lxd ssh sshd netdev crontab messagebus polkitd
systemd-journal systemd-network systemd-resolve systemd-timesync _ssh _apt ftp postfix postgres mysql
"""
RESERVED_NAMES = frozenset(_SYSTEM.split())
"""Names with a meaning on a system: sudo's rules go by a group's name, whatever its number."""

# Valid names as shadow has them, in lower case, with no dot (some tools split at it) and no digits alone.
_VALID = re.compile(r"(?![0-9]+\Z)[a-z0-9_][a-z0-9_-]*")
_HASH_LENGTH = 8


def group_name(name: str) -> str:
    """Return a valid unix group name for a group that a provider knows by `name`.

    A name that is valid stays as it is, in lower case; the colon of a team becomes an underscore, which no
    organization on GitHub has. Any other name gets a hash of the whole at its end, so that two groups do not
    become one. Names that differ only in case are one group to GitHub, and one name here.

    Examples
    --------
    >>> group_name("Observatory"), group_name("observatory:night-shift")
    ('observatory', 'observatory_night-shift')
    >>> group_name("sudo")
    'sudo-24e5e1c2'
    """
    lowered = name.lower()
    plain = lowered.replace(":", "_", 1) if "_" not in lowered.partition(":")[0] else lowered
    if _VALID.fullmatch(plain) and len(plain) <= MAXIMUM_LENGTH and plain not in RESERVED_NAMES:
        return plain
    return _with_hash(re.sub(r"[^a-z0-9_-]+", "-", plain), lowered)


def account_name(name: str) -> str:
    """Return the unix account's name of a hub user: the same, unless the passwd file could not hold it.

    Raises
    ------
    ValueError
        Where the name is one of the system's own.
    """
    if name.lower() in RESERVED_NAMES:
        raise ValueError(f"{name!r} is the name of a system account")
    if re.fullmatch(r"(?![-+~.])[^\s:/,\"\\\x00-\x1f]+", name) and name.isprintable() and len(name.encode()) <= 255:
        return name
    return _with_hash(re.sub(r"[^\w@.-]+", "-", name).strip("-+~."), name)


def _with_hash(readable: str, name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
    kept = readable[: MAXIMUM_LENGTH - _HASH_LENGTH - 1].strip("-_") or "x"
    return f"{kept}-{digest}"

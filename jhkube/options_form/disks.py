"""Disks of a person's own that a server mounts: which ones somebody asks for, and where."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from jhkube.own_disks import MOST_DISKS, OwnDisk, default_path, disk_path

from .option_values import OptionError, flag_value, listed, question, shown, text_value

__all__ = ["disk_text", "kept_disks", "read_disks"]

FIELD: Final = "disks"
KEYS: Final = ("name", "path", "read_only")

MAKE_ONE: Final = " Make it in My servers. If you have made it already, try again in a minute."

READ_ONLY: Final = ":ro"
"""What a disk ends with that is written as a text and cannot be written to."""


def read_disks(options: Mapping[str, Any], claims: Sequence[str] | None) -> tuple[OwnDisk, ...]:
    """Return the disks that options ask for.

    Parameters
    ----------
    options
        The `user_options`. A disk is an object with `name` and optionally `path` and `read_only`, or a text such as
        `data`, `data:~/data` or `data:/disks/data:ro`.
    claims
        The names of the person's own claims; None where none of them can be mounted on this hub.

    Raises
    ------
    OptionError
        For the first that cannot be taken.
    """
    asked = options.get(FIELD)
    if asked is None:
        return ()
    if not isinstance(asked, list | tuple):
        raise OptionError(FIELD, f"The disks should be a list, not {shown(asked)}.")
    if asked and claims is None:
        raise OptionError(FIELD, "Disks of your own cannot be mounted on this hub: leave them out.")
    if len(asked) > MOST_DISKS:
        raise OptionError(FIELD, f"A server can mount {MOST_DISKS} disks. Choose fewer.")
    disks = tuple(_disk(each, claims or ()) for each in asked)
    for field, values in (("disk", [each.claim for each in disks]), ("path", [each.path for each in disks])):
        if twice := next((value for value in values if values.count(value) > 1), ""):
            raise OptionError(FIELD, f"The {field} {shown(twice)} is chosen twice. Choose it once.")
    return disks


def _disk(asked: Any, claims: Collection[str]) -> OwnDisk:
    if isinstance(asked, str):
        asked = _of_text(asked)
    if not isinstance(asked, Mapping):
        raise OptionError(FIELD, f"A disk should be an object such as {{'name': 'data'}}, not {shown(asked)}.")
    for key in asked:
        if key not in KEYS:
            raise OptionError(FIELD, f"A disk has no field {shown(key)}. There are {listed(KEYS)}.")
    try:
        name, path = text_value(asked, "name", ""), text_value(asked, "path", None)
        read_only = flag_value(asked, "read_only")
    except OptionError as error:
        raise OptionError(FIELD, error.message) from None
    if name not in claims:
        hint = question(name, claims) or (f" There are {listed(claims)}." if claims else MAKE_ONE)
        raise OptionError(FIELD, f"You have no disk {shown(name)}.{hint}")
    if path is None:
        return OwnDisk(name, default_path(name), read_only)
    try:
        return OwnDisk(name, disk_path(path), read_only)
    except ValueError as error:
        raise OptionError(FIELD, f"{shown(path)} cannot be the place of a disk: {error}.") from None


def _of_text(text: str) -> dict[str, Any]:
    name, _, path = text.removesuffix(READ_ONLY).partition(":")
    return {"name": name, "path": path or None, "read_only": text.endswith(READ_ONLY)}


def disk_text(disk: OwnDisk) -> str:
    """Return a disk as a text, as `read_disks` takes it.

    Examples
    --------
    >>> disk_text(OwnDisk("data", "~/data", read_only=True))
    'data:~/data:ro'
    """
    return f"{disk.claim}:{disk.path}{READ_ONLY if disk.read_only else ''}"


def kept_disks(options: Mapping[str, Any], claims: Sequence[str] | None) -> tuple[tuple[OwnDisk, ...], list[str]]:
    """Return the disks of an earlier choice that there are now, and the names of the others."""
    asked = options.get(FIELD)
    kept: list[OwnDisk] = []
    lost: list[str] = []
    for each in asked if isinstance(asked, list | tuple) else ():
        try:
            kept += read_disks({FIELD: [each]}, claims)
        except OptionError:
            lost.append(str(each.get("name", "")) if isinstance(each, Mapping) else str(each))
    try:
        return read_disks({FIELD: [*map(disk_text, kept)]}, claims), lost
    except OptionError:
        return (), [*lost, *(each.claim for each in kept)]

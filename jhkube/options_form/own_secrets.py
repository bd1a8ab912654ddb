"""Secrets of a person's own that a server gets: which ones somebody asks for, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .option_values import OptionError, listed, question, shown

__all__ = ["kept_secrets", "read_secrets"]

MAKE_ONE: Final = " Make it in My servers. If you have made it already, try again in a minute."


def read_secrets(options: Mapping[str, Any], secrets: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the secrets that options ask for.

    Parameters
    ----------
    options
        The `user_options`.
    secrets
        The names of those that the person has; None where the hub has none of anybody.

    Raises
    ------
    OptionError
        For the first that cannot be taken.
    """
    names = options.get("secrets")
    if names is None:
        return ()
    if not isinstance(names, list | tuple):
        raise OptionError("secrets", f"The secrets should be a list of names, not {shown(names)}.")
    if names and secrets is None:
        raise OptionError("secrets", "Secrets of your own cannot be attached on this hub: leave them out.")
    known = secrets or ()
    for name in names:
        if not isinstance(name, str) or name not in known:
            hint = question(str(name), known) or (f" There are {listed(known)}." if known else MAKE_ONE)
            raise OptionError("secrets", f"You have no secret {shown(name)}.{hint}")
    return tuple(name for name in known if name in names)


def kept_secrets(options: Mapping[str, Any], secrets: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
    """Return the secrets of an earlier choice that there are now, and the names of the others."""
    names = options.get("secrets")
    asked = [str(name) for name in names] if isinstance(names, list | tuple) else []
    known = secrets or ()
    return tuple(name for name in known if name in asked), [name for name in asked if name not in known]

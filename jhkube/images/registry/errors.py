"""Why a registry did not give what it was asked for."""

from __future__ import annotations

__all__ = [
    "RegistryDenied",
    "RegistryError",
    "RegistryFailing",
    "RegistryGarbled",
    "RegistryNotFound",
    "RegistryUnreachable",
]


class RegistryError(Exception):
    """A registry did not give what it was asked for; the message is a sentence for the operator."""


class RegistryUnreachable(RegistryError):
    """It did not answer, or asked to be left alone for a while."""


class RegistryFailing(RegistryUnreachable):
    """It answered HTTP 500 each time: it fails as a whole, or at one tag or image, whose file is damaged."""


class RegistryDenied(RegistryError):
    """It answered that this is not for us."""


class RegistryNotFound(RegistryError):
    """It answered that it has no such repository, tag or digest."""


class RegistryGarbled(RegistryError):
    """What it answered is not what the distribution specification says."""

"""Who a user is: the identity that the authenticators establish and the pod is built from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "AUTH_STATE_KEY",
    "GUEST_PREFIX",
    "GUEST_SUBJECT",
    "SUBJECT_ANNOTATION",
    "UnixGroup",
    "UserIdentity",
    "is_guest_name",
    "made_for",
]

AUTH_STATE_KEY = "jhkube_identity"
"""The key of auth_state under which the identity is kept, as `UserIdentity.to_dict` gives it."""

SUBJECT_ANNOTATION = "jhkube/subject"
"""The annotation of a pod, a Secret, a claim or a namespace that says whose it is: the identity's `subject`."""

GUEST_PREFIX = "guest-"
"""How the hub's user name of a guest begins."""

GUEST_SUBJECT = "guest:"
"""How the subject of a guest begins; no provider has this prefix."""

# guest-k3v5w2hq7m4n6b2xz5tr: 100 random bits in the alphabet of base 32 (RFC 4648, section 6), in lower case.
_GUEST_NAME = re.compile(rf"{GUEST_PREFIX}[a-z2-7]{{20}}")

VERSION = 2
"""The version number written with an identity; raised when its shape changes.

Version 1 had no `login`.
"""


@dataclass(frozen=True, slots=True)
class UnixGroup:
    """A group as the pod sees it."""

    name: str
    """A valid unix group name, at most 32 characters."""

    gid: int
    """The numeric group id."""


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """A person, as unix and git know them."""

    name: str
    """The hub's user name, as far as it can be the unix account's; different for different users."""

    uid: int
    """The numeric user id."""

    gid: int
    """The primary group's numeric id."""

    subject: str
    """The provider's own immutable id of the person, prefixed by the provider: `github:1234`."""

    full_name: str = ""
    """The person's display name; empty where the provider has none."""

    email: str = ""
    """The primary verified e-mail address; empty where none is known."""

    groups: tuple[UnixGroup, ...] = ()
    """Supplemental groups, most important first."""

    login: str = ""
    """The name that the person has at the provider, in its own spelling; it may change."""

    def to_dict(self) -> dict[str, Any]:
        """Return the identity as plain JSON values, with the version of their shape."""
        return {
            "version": VERSION,
            "name": self.name,
            "uid": self.uid,
            "gid": self.gid,
            "subject": self.subject,
            "full_name": self.full_name,
            "email": self.email,
            "groups": [[group.name, group.gid] for group in self.groups],
            "login": self.login,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> UserIdentity:
        """Return the identity that `to_dict` wrote, by this version or an older one.

        Raises
        ------
        ValueError
            Where a field is missing or no value of its kind, or a newer version wrote it.
        """
        version = data.get("version")
        if type(version) is not int or not 1 <= version <= VERSION:
            raise ValueError(f"an identity of version {version!r}; this jhkube reads versions 1 to {VERSION}")
        try:
            return cls(
                name=str(data["name"]),
                uid=_number(data["uid"]),
                gid=_number(data["gid"]),
                subject=str(data["subject"]),
                full_name=str(data["full_name"]),
                email=str(data["email"]),
                groups=tuple(UnixGroup(str(name), _number(gid)) for name, gid in data["groups"]),
                login=str(data["login"]) if version >= 2 else "",
            )
        except KeyError as error:
            raise ValueError(f"an identity without {error}") from None
        except TypeError as error:
            raise ValueError(f"an identity that is malformed: {error}") from None


def is_guest_name(name: str) -> bool:
    """Say whether a hub's user name is one that only guests have: nobody who logs in at a provider gets it.

    Examples
    --------
    >>> is_guest_name("guest-k3v5w2hq7m4n6b2xz5tr"), is_guest_name("guest-lecturer")
    (True, False)
    """
    return _GUEST_NAME.fullmatch(name) is not None


def made_for(made: Mapping[str, Any] | None) -> str:
    """Return the subject for which an object of the cluster was made; empty where there is none, or it has no word.

    Parameters
    ----------
    made
        The object as the API server has it (camelCase keys), or None.

    Examples
    --------
    >>> made_for({"metadata": {"name": "claim-ada", "annotations": {"jhkube/subject": "github:1234"}}})
    'github:1234'
    """
    annotations = (made or {}).get("metadata", {}).get("annotations") or {}
    return str(annotations.get(SUBJECT_ANNOTATION, ""))


def _number(value: Any) -> int:
    # A uid that is text, or True, would be some other number for who reads it next.
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"an identity with {value!r} where a number belongs")
    return value

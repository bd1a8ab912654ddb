"""Which of several hubs a person's servers run on: by name, by group, or by a hash of the name."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Any, Final

from pydantic import Field, Strict, field_validator

from jhkube.identity import is_guest_name
from jhkube.operator_errors import not_wanted
from jhkube.operator_models import ConfigError, NamedModel, read_named
from jhkube.operator_types import Groups, Line, Wanted

__all__ = ["Hub", "first_page", "hub_of", "parse_hubs"]

LONGEST_NAME: Final = 20
"""Characters of a hub's name, which is a part of the names of pods."""

Share = Annotated[
    float, Strict(), Field(ge=0, le=1000, allow_inf_nan=False), Wanted("a number from 0 to 1000, such as 1")
]


class Hub(NamedModel):
    """One of several hubs that serve the same people."""

    url: Line
    """Where people reach it: `https://hub.example.org/a/`."""

    users: Groups = frozenset()
    """The user names of people who belong to it, whatever their groups are."""

    groups: Groups = frozenset()
    """The hub groups whose members belong to it."""

    share: Share = 1.0
    """Its part of all other people, compared with the shares of the other hubs; 0 for none of them."""

    @field_validator("name")
    @classmethod
    def _label(cls, name: str) -> str:
        if not is_hub_name(name):
            raise not_wanted(f"a DNS label of at most {LONGEST_NAME} characters, such as 'a' or 'physics'")
        return name

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        if not url.startswith(("https://", "http://")) or not url.endswith("/"):
            raise not_wanted("a URL that ends with a slash, such as 'https://hub.example.org/a/'")
        return url


def is_hub_name(name: str) -> bool:
    """Return whether a text can be a hub's name.

    Examples
    --------
    >>> is_hub_name("physics"), is_hub_name("Physics"), is_hub_name("-a")
    (True, False, False)
    """
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    return 0 < len(name) <= LONGEST_NAME and allowed.issuperset(name) and name.strip("-") == name


def parse_hubs(config: Any) -> tuple[Hub, ...]:
    """Return the operator's list of hubs as values.

    Raises
    ------
    ConfigError
        Where an entry cannot be used, two have one name, or a person or group is named by two of them.
    """
    hubs = read_named(Hub, "hubs", config, "hub")
    for one in hubs:
        for other in hubs:
            # Pods of both would have the same names: gpu-ada's at the one and ada's at the other.
            if other.name.startswith(f"{one.name}-"):
                raise ConfigError(f"hubs: the name {other.name!r} begins with that of {one.name!r}: choose another")
    for field in ("users", "groups"):
        seen: dict[str, str] = {}
        for hub in hubs:
            for each in sorted(getattr(hub, field)):
                if each in seen:
                    raise ConfigError(f"hubs: {each!r} is among the {field} of both {seen[each]!r} and {hub.name!r}")
                seen[each] = hub.name
    return hubs


def hub_of(hubs: Sequence[Hub], name: str, groups: Collection[str]) -> Hub | None:
    """Return the hub that a person belongs to; None where none of them is for this person.

    A hub that names the person comes first, then the first hub in the list that names one of their groups. All others
    are spread by a hash of their name, in proportion to the shares. If a hub is added, only those people change their
    hub that go to the new one; if one is removed, only its own people do (rendezvous hashing).

    Parameters
    ----------
    hubs
        The hubs; every hub has the same list.
    name
        The hub's user name of the person.
    groups
        The person's hub groups.

    Examples
    --------
    >>> hubs = parse_hubs([{"name": "a", "url": "https://x.org/a/"}, {"name": "b", "url": "https://x.org/b/",
    ...     "groups": ["physics"]}])
    >>> hub_of(hubs, "ada", ["physics"]).name
    'b'
    """
    for hub in hubs:
        if name in hub.users:
            return hub
    for hub in hubs:
        if hub.groups.intersection(groups):
            return hub
    return max((hub for hub in hubs if hub.share > 0), key=lambda hub: _weight(hub, name), default=None)


def _weight(hub: Hub, name: str) -> float:
    """Return a number that is largest for each of several hubs as often as their shares say.

    The shares' rule: https://www.ietf.org/archive/id/draft-ietf-bess-weighted-hrw-00.html
    """
    digest = hashlib.sha256(f"{hub.name}\0{name}".encode()).digest()
    # Over 0 and under 1, with all the bits that a float has.
    uniform = (int.from_bytes(digest[:8]) // 2**11 + 0.5) / 2**53
    return -hub.share / math.log(uniform)


def first_page(hubs: Sequence[Hub], here: str, otherwise: Any = "") -> Callable[[Any], str]:
    """Return what `JupyterHub.default_url` takes so that people who open any hub get to their own one.

    Parameters
    ----------
    hubs
        The hubs; every hub has the same list.
    here
        The name of this hub.
    otherwise
        The `default_url` for people who belong here: a text, or a function of a handler.

    Examples
    --------
    >>> c.JupyterHub.default_url = first_page(parse_hubs(c.JHKubeSpawner.hubs), "a")  # doctest: +SKIP
    """

    def url(handler: Any) -> str:
        user = handler.current_user
        # A guest has an account at this hub alone.
        is_known = user is not None and not is_guest_name(user.name)
        hub = hub_of(hubs, user.name, [group.name for group in user.groups]) if is_known else None
        if hub is None or hub.name == here:
            return str(otherwise(handler) if callable(otherwise) else otherwise)
        # A page that is not the other hub's first one: hubs whose lists differ would send people back and forth.
        return f"{hub.url}hub/spawn"

    return url

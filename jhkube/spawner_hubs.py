"""What an operator configures about several hubs for the same people: the traits of JHKubeSpawner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from traitlets import Bool, List, Unicode, validate
from traitlets.config import Configurable

from jhkube.hubs import Hub, is_hub_name, parse_hubs
from jhkube.operator_models import ConfigError, checked_trait

__all__ = ["HubsConfig"]


def _check_name(name: str) -> None:
    if name and not is_hub_name(name):
        raise ValueError(f"should be a DNS label of at most 20 characters, such as 'a', not {name!r}")


_PARSERS: Final[dict[str, Callable[[Any], object]]] = {"hub_name": _check_name, "hubs": parse_hubs}
"""What reads a trait, and raises ValueError where it cannot be used."""


class HubsConfig(Configurable):
    """The traits of `JHKubeSpawner` about several hubs."""

    hub_name = Unicode(
        help="""
        The name of this hub, if several hubs serve the same people: a DNS label that no other of them has. It is a
        part of the names of pods, unless `pod_name_template` is set. See [the guide to several
        hubs](../howto/several-hubs.md).

        For example::

            c.JHKubeSpawner.hub_name = "a"
        """,
    ).tag(config=True)

    hubs: Any = List(
        help="""
        All hubs that serve the same people, and who belongs to which. The list is the same on every hub. Each entry
        has a `name` and a `url`. Optional fields are `users` (user names), `groups` (hub groups) and `share`. A
        person belongs to the hub that names them, or else to the first one that names one of their groups. All other
        people are spread by a hash of their names, in proportion to the shares (1 by default; 0 is none). A person
        can start servers only on their own hub.

        For example::

            c.JHKubeSpawner.hubs = [
                {"name": "a", "url": "https://hub.example.org/a/"},
                {"name": "b", "url": "https://hub.example.org/b/", "share": 2, "groups": ["observatory:ml"]},
            ]
        """,
    ).tag(config=True)

    home_lease = Bool(
        False,
        help="""
        Whether only one hub at a time uses a home. A Lease next to the claim says which hub has it. While a server
        uses the home, the other hubs refuse to start one. It needs `hub_name`. The hub's account needs `get`,
        `create` and `update` on `leases`.

        For example::

            c.JHKubeSpawner.home_lease = True
        """,
    ).tag(config=True)

    home_lease_namespace = Unicode(
        help="""
        The namespace of these Leases. By default it is that of the pods. Set it if hubs with different namespaces for
        pods have the same homes, on NFS.

        For example::

            c.JHKubeSpawner.home_lease_namespace = "homes"
        """,
    ).tag(config=True)

    @validate(*_PARSERS)
    def _usable_hubs(self, proposal: Any) -> Any:
        return checked_trait("c.JHKubeSpawner", proposal, _PARSERS[proposal["trait"].name])

    def parsed_hubs(self) -> tuple[Hub, ...]:
        """Return the hubs as values."""
        return parse_hubs(self.hubs)

    def check_hubs(self) -> None:
        """Check the traits with each other and with `start_ahead`.

        Raises
        ------
        ConfigError
            Where they do not go together; it names the trait.
        """
        if self.home_lease and not self.hub_name:
            raise ConfigError("c.JHKubeSpawner.home_lease needs hub_name: a Lease names the hub that uses the home")
        if self.hubs and self.hub_name not in {hub.name for hub in self.parsed_hubs()}:
            raise ConfigError(f"c.JHKubeSpawner.hubs needs hub_name, the name of one of them, not {self.hub_name!r}")
        if self.home_lease and getattr(self, "enable_user_namespaces", False) and not self.home_lease_namespace:
            raise ConfigError(
                "c.JHKubeSpawner.home_lease needs home_lease_namespace where each person has a namespace: a home is"
                " taken before its person's namespace is made"
            )
        if self.home_lease and getattr(self, "start_ahead", "off") != "off":
            raise ConfigError(
                "c.JHKubeSpawner.home_lease does not go with start_ahead: a pod that waits for a start would have the"
                " home, and keep its person from starting at another hub"
            )

"""What an operator configures about guests: people who try the hub without an account at the provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from traitlets import Bool, HasTraits, Integer, Tuple, Unicode

from jhkube.identity import GUEST_PREFIX
from jhkube.login.findings import Finding

__all__ = ["GuestTraits"]

REPORTED_EVERY: Final = 900
"""Seconds that a guest can be at work before the hub surely knows it: servers report every five minutes."""


class GuestTraits(HasTraits):
    """The traits that all authenticators have about guests."""

    guest_login = Bool(
        False,
        config=True,
        help="""
        Whether people without an account at the provider can try the hub as guests, at `/hub/guest-login` and by a
        button on the login page. A guest has a random user name and is in no group but `guest_group`. Their home is
        not kept. After `guest_idle_timeout` the hub removes them with all their data. See [the guide to
        guests](../howto/guests.md).

        Example::

            c.GitHubOrgAuthenticator.guest_login = True
        """,
    )

    guest_group = Unicode(
        "guests",
        config=True,
        help="""
        The hub group of all guests, and of nobody else: people from the provider are not in it, whatever their
        groups are called. Images, sizes, ceilings and volumes for guests name this group.

        Example::

            c.GitHubOrgAuthenticator.guest_group = "visitors"
        """,
    )

    guest_idle_timeout = Integer(
        3600,
        min=1,
        config=True,
        help="""
        Seconds without activity after which a guest is removed: their servers, files and tokens, and their account.
        JupyterHub hears of activity every five minutes, so use at least 900.

        Example::

            c.GitHubOrgAuthenticator.guest_idle_timeout = 1800
        """,
    )

    guest_max_age = Integer(
        86_400,
        min=0,
        config=True,
        help="""
        Seconds after which a guest is removed even if they are at work. 0 is no limit.

        Example::

            c.GitHubOrgAuthenticator.guest_max_age = 4 * 3600
        """,
    )

    guest_limit = Integer(
        50,
        min=1,
        config=True,
        help="""
        The number of guests that there can be at the same time.

        Example::

            c.GitHubOrgAuthenticator.guest_limit = 10
        """,
    )

    guests_per_address = Integer(
        5,
        min=1,
        config=True,
        help="""
        The number of guests that one address can become within an hour. An IPv6 address counts by its first 64 bits.
        The hub sees the true addresses only if it knows the proxies in front of it
        (`c.JupyterHub.trusted_downstream_ips`). Many people can have one address, for example a class.

        Example::

            c.GitHubOrgAuthenticator.guests_per_address = 40
        """,
    )

    guests_per_hour = Integer(
        100,
        min=1,
        config=True,
        help="""
        The number of guests that can arrive within an hour, from all addresses together.

        Example::

            c.GitHubOrgAuthenticator.guests_per_hour = 20
        """,
    )

    guest_ids = Tuple(
        Integer(),
        Integer(),
        default_value=(2_100_000_000, 2_139_999_999),
        config=True,
        help="""
        The first and the last uid of guests; a guest's gid is the same number. A person from the provider whose uid,
        gid or group lies in this range cannot log in while there are guests.

        Example::

            c.GitHubOrgAuthenticator.guest_ids = (2_000_000, 2_099_999)
        """,
    )

    @property
    def guest_ids_range(self) -> range:
        """The numbers of guests."""
        first, last = self.guest_ids
        return range(first, last + 1)

    def taken_ids(self) -> Mapping[str, range]:
        """Return the ranges of numbers that other traits give to people and groups, by the trait's name."""
        return {}

    def guest_findings(self) -> Iterator[Finding]:
        """Return what is wrong or doubtful in the settings of guests; nothing where there are none."""
        if not self.guest_login:
            return
        config: Any = self
        for trait, what in (("enable_auth_state", "identity"), ("manage_groups", "group")):
            if not getattr(config, trait):
                yield Finding("guest_login", f"needs {trait}: guests would have no {what}, and so no limits")
        if not self.guest_group:
            yield Finding("guest_group", "is empty: guests need a group, which gives them their limits")
        first, last = self.guest_ids
        if not config.minimum_id <= first <= last <= config.maximum_id:
            yield Finding("guest_ids", "is no range between minimum_id and maximum_id")
        elif last - first + 1 < 2 * self.guest_limit:
            yield Finding("guest_ids", "has too few numbers: there should be at least twice as many as guest_limit")
        try:
            ranges = self.taken_ids()
        except ValueError:
            # Another finding is about them.
            ranges = {}
        for trait, taken in ranges.items():
            if first < taken.stop and taken.start <= last:
                yield Finding("guest_ids", f"overlaps with {trait} ({taken.start} to {taken.stop - 1})")
        if not config.validate_username(f"{GUEST_PREFIX}{'a' * 20}"):
            yield Finding("username_pattern", f"refuses the names of guests, which are {GUEST_PREFIX}…")
        if self.guest_group in config.admin_groups | config.allowed_groups:
            text = f"is in admin_groups or allowed_groups: name another group than {self.guest_group!r} there"
            yield Finding("guest_group", text)
        if self.guest_idle_timeout < REPORTED_EVERY:
            text = f"is below {REPORTED_EVERY} s: the hub hears of activity every five minutes, so guests at work may"
            yield Finding("guest_idle_timeout", f"{text} be removed", is_error=False)

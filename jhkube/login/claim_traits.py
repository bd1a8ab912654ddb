"""What an operator configures about a provider whose claims have groups and numbers: CILogon, OpenID Connect."""

from __future__ import annotations

from collections.abc import Iterator

from traitlets import Dict, Integer, List, Set, Tuple, Unicode

from jhkube.login.names import group_name
from jhkube.login.numbers import DerivedIds, Numbers, UnknownNumber
from jhkube.login.traits import Finding, LoginTraits, common_findings

__all__ = ["ClaimTraits"]

SHORTEST_SECRET = 32
"""Characters of `number_secret`."""


class ClaimTraits(LoginTraits):
    """The traits about claims, and the values they stand for."""

    login_service: str
    issuer: str

    @property
    def subject_prefix(self) -> str:
        """What comes before `sub` in an identity's subject: `cilogon:`."""
        raise NotImplementedError

    groups_claim = Unicode(
        "isMemberOf",
        config=True,
        help=r"""
        The claim with a person's groups: a list of strings, one string, a string with `;` between groups, or a list
        of objects. In a string `\;` is a semicolon of a group's name. Dots lead into objects.

        Example::

            c.CILogonGroupAuthenticator.groups_claim = "eduperson.entitlements"
        """,
    )

    group_name_key = Unicode(
        "name",
        config=True,
        help="""
        Where the groups are objects, the key of the name.

        Example::

            c.CILogonGroupAuthenticator.group_name_key = "display"
        """,
    )

    group_gid_key = Unicode(
        "id",
        config=True,
        help="""
        Where the groups are objects, the key of the number; one that is no number is not used.

        Example::

            c.CILogonGroupAuthenticator.group_gid_key = "gidNumber"
        """,
    )

    denied_groups = Set(
        Unicode(),
        config=True,
        help="""
        Groups whose members do not come in, by the names that `group_rules` gives; denying wins over every kind of
        allowing, also over `allow_all` and `admin_users`. A group that the rules leave out is compared by the name
        that the provider has for it.

        Example::

            c.CILogonGroupAuthenticator.denied_groups = {"suspended"}
        """,
    )

    uid_claims = List(
        Unicode(),
        default_value=["uidNumber"],
        config=True,
        help="""
        Claims that may have the uid; the first that is there counts. Where none is, the uid is derived from `sub`.

        Example::

            c.CILogonGroupAuthenticator.uid_claims = ["uidNumber", "uid_number"]
        """,
    )

    gid_claims = List(
        Unicode(),
        default_value=["gidNumber"],
        config=True,
        help="""
        Claims that may have the primary group's gid; the first that is there counts. Where none is, the person has a
        group of their own with the uid's number.

        Example::

            c.CILogonGroupAuthenticator.gid_claims = ["gidNumber"]
        """,
    )

    uids = Dict(
        key_trait=Unicode(),
        value_trait=Integer(),
        config=True,
        help="""
        The uid of some people, by `sub`; it wins over claims. Numbers in `uid_range` and `gid_range` are refused.

        Example::

            c.CILogonGroupAuthenticator.uids = {"http://cilogon.org/serverA/users/6180339": 48231}
        """,
    )

    gids = Dict(
        key_trait=Unicode(),
        value_trait=Integer(),
        config=True,
        help="""
        The gid of some groups, by the name that `group_rules` gives; it wins over claims.

        Example::

            c.CILogonGroupAuthenticator.gids = {"observatory": 70001}
        """,
    )

    uid_range = Tuple(
        Integer(),
        Integer(),
        default_value=(100_000_000, 1_099_999_999),
        config=True,
        help="""
        The first and the last uid that is derived from `sub`: the first, plus the first 8 bytes (big-endian) of the
        SHA-256 of `jhkube:uid:<sub>`, modulo the size of the range. Among 1,000 people of a billion numbers two would
        share one with a chance of 1 in 2,000; then the second is refused, and `uids` helps. Set it before people
        have files.

        Example::

            c.CILogonGroupAuthenticator.uid_range = (200_000, 999_999)
        """,
    )

    gid_range = Tuple(
        Integer(),
        Integer(),
        default_value=(1_100_000_000, 2_099_999_999),
        config=True,
        help="""
        The first and the last gid that is derived from a group's unix name, in the same way as `uid_range`, from
        `jhkube:gid:<name>`. Set `number_secret`: this hash has no key, so it keeps nobody from choosing a name by its
        number.

        Example::

            c.CILogonGroupAuthenticator.gid_range = (1_000_000, 1_999_999)
        """,
    )

    number_secret = Unicode(
        config=True,
        help="""
        A secret of the site from which uids and gids are derived together with the name: HMAC-SHA-256 instead of
        SHA-256. Use the same on all hubs that share files, keep it as long as the files, and tell it to nobody.

        It is recommended wherever people can name groups. Without it everybody can compute the numbers: a group name
        whose gid is that of a group of yours is found in seconds. At least 32 characters, as `openssl rand -hex 32`
        makes them. Set it before people have files: it changes all derived numbers.

        Example::

            c.CILogonGroupAuthenticator.number_secret = "…"  # 64 characters
        """,
    )

    @property
    def numbers(self) -> Numbers:
        """Where uids and gids come from."""
        return Numbers(
            uids=DerivedIds("uid", *self.uid_range, secret=self.number_secret),
            gids=DerivedIds("gid", *self.gid_range, secret=self.number_secret),
            minimum=self.minimum_id,
            maximum=self.maximum_id,
            uid_table=self.uids,
            gid_table=self.gids,
        )

    def uid_of(self, subject: str) -> int:
        """Return the uid of the person with an id such as `cilogon:SUB`; raises `UnknownNumber` for another id."""
        if subject.startswith(self.subject_prefix) and subject != self.subject_prefix:
            key, numbers = subject.removeprefix(self.subject_prefix), self.numbers
            return numbers.uid_table[key] if key in numbers.uid_table else numbers.uids(key)
        raise UnknownNumber(
            f"with {self.login_service} the uid is a claim's, or derived from `sub`: give it as --subject "
            f"{self.subject_prefix}SUB"
        )

    def gid_of(self, group: str) -> int | None:
        """Return the gid of a group of the hub, where no claim says another."""
        numbers = self.numbers
        return numbers.gid_table[group] if group in numbers.gid_table else numbers.gids(group_name(group))

    def findings(self) -> Iterator[Finding]:
        """Return what is wrong or doubtful in the configuration as a whole."""
        yield from common_findings(self, ("allowed_groups",), ("denied_groups",))
        if not self.number_secret:
            text = (
                "is not set, so everybody can compute derived gids, and find a group name that has the gid of "
                "another group; set it before people have files"
            )
            yield Finding("number_secret", text, is_error=False)
        elif len(self.number_secret) < SHORTEST_SECRET:
            text = (
                f"has fewer than {SHORTEST_SECRET} characters and could be guessed; `openssl rand -hex 32` makes one"
            )
            yield Finding("number_secret", text)
        try:
            self.numbers  # noqa: B018
        except ValueError as error:
            yield Finding("uid_range", str(error))

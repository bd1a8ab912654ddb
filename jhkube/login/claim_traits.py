"""What an operator configures about a provider whose claims have groups and numbers: CILogon, OpenID Connect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from traitlets import Dict, Integer, List, Tuple, Unicode

from jhkube.login.findings import Finding, common_findings
from jhkube.login.names import group_name
from jhkube.login.numbers import DerivedIds, Numbers, UnknownNumber
from jhkube.login.traits import LoginTraits, TextSet

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
        of objects. In a string, `\;` is a semicolon in a group's name. A dot selects a key of an object.

        Example::

            c.CILogonGroupAuthenticator.groups_claim = "eduperson.entitlements"
        """,
    )

    group_name_key = Unicode(
        "name",
        config=True,
        help="""
        The key of a group's name, if the groups are objects.

        Example::

            c.CILogonGroupAuthenticator.group_name_key = "display"
        """,
    )

    group_gid_key = Unicode(
        "id",
        config=True,
        help="""
        The key of a group's gid, if the groups are objects. A value that is not a number is ignored.

        Example::

            c.CILogonGroupAuthenticator.group_gid_key = "gidNumber"
        """,
    )

    denied_groups = TextSet(
        Unicode(),
        config=True,
        help="""
        Groups whose members may not log in, with the names that `group_rules` gives. Denying wins over every kind of
        allowing, including `allow_all` and `admin_users`. A group that the rules leave out is compared by the
        provider's name for it.

        Example::

            c.CILogonGroupAuthenticator.denied_groups = {"suspended"}
        """,
    )

    uid_claims = List(
        Unicode(),
        default_value=["uidNumber"],
        config=True,
        help="""
        Claims with the uid. The first one that exists counts. Without any, the uid is derived from `sub`.

        Example::

            c.CILogonGroupAuthenticator.uid_claims = ["uidNumber", "uid_number"]
        """,
    )

    gid_claims = List(
        Unicode(),
        default_value=["gidNumber"],
        config=True,
        help="""
        Claims with the primary group's gid. The first one that exists counts. Without any, the person has their own
        group, whose gid is the uid.

        Example::

            c.CILogonGroupAuthenticator.gid_claims = ["gidNumber"]
        """,
    )

    uids = Dict(
        key_trait=Unicode(),
        value_trait=Integer(),
        config=True,
        help="""
        The uids of certain people, by `sub`. They win over claims. Numbers in `uid_range` and `gid_range` are
        refused.

        Example::

            c.CILogonGroupAuthenticator.uids = {"http://cilogon.org/serverA/users/6180339": 48231}
        """,
    )

    gids = Dict(
        key_trait=Unicode(),
        value_trait=Integer(),
        config=True,
        help="""
        The gids of certain groups, by the name that `group_rules` gives. They win over claims.

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
        SHA-256 of `jhkube:uid:<sub>`, modulo the size of the range. With 1,000 people and a billion numbers, the
        probability that two people get the same number is 1 in 2,000. Then the second person is refused, and `uids`
        can give them another number. Set it before people have files.

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
        `jhkube:gid:<name>`. Set `number_secret` too: this hash has no key, so anybody can choose a group name that
        gets a given number.

        Example::

            c.CILogonGroupAuthenticator.gid_range = (1_000_000, 1_999_999)
        """,
    )

    number_secret = Unicode(
        config=True,
        help="""
        A secret of the site from which uids and gids are derived together with the name: HMAC-SHA-256 instead of
        SHA-256. Use the same secret on all hubs that share files, keep it as long as the files, and keep it private.

        It is recommended wherever people can choose names of groups. Without it anybody can compute the numbers, and
        can find a group name with the gid of one of your groups in seconds. It needs at least 32 characters, for
        example from `openssl rand -hex 32`. Set it before people have files, because it changes all derived numbers.

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

    def taken_ids(self) -> Mapping[str, range]:
        """Return the ranges of derived numbers."""
        ranges = {"uid_range": self.uid_range, "gid_range": self.gid_range}
        return {name: range(first, last + 1) for name, (first, last) in ranges.items()}

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

# mypy: allow-untyped-calls
"""What both authenticators are told about groups and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import isawaitable
from typing import Any, ClassVar

from jupyterhub import crypto
from traitlets import Bool, Dict, Integer, List, TraitError, Unicode, validate

from jhkube.identity import AUTH_STATE_KEY, UserIdentity
from jhkube.login.claims import ClaimError, claim, groups_in, text_claim
from jhkube.login.errors import NoAccount, OddClaim, Refused
from jhkube.login.findings import Finding
from jhkube.login.group_rules import GroupRules, check_patterns
from jhkube.login.known import stamp
from jhkube.login.same_person import SamePerson

__all__ = ["MEMBERSHIPS_KEY", "AccountConfig"]

MEMBERSHIPS_KEY = "jhkube_memberships"
"""The key of auth_state for the provider's own names of the groups that a person is in."""


KEY_HELP = (
    "`openssl rand -hex 32` makes a key; to change it, set the new one and the old one with a semicolon in between, "
    "run `jhkube rekey`, and take the old one away."
)


class AccountConfig(SamePerson):
    """Groups, their order, and what an operator is told at start."""

    never_in_names: ClassVar[str] = ""
    """Characters that no group of this provider has in its name."""

    group_rules = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(allow_none=True),
        config=True,
        help=r"""
        What the hub's groups are called: regular expressions for the provider's names, matched as a whole, in order.
        The first that matches gives the name (with `\1` for its first parenthesis); None leaves the group out, and
        then it is no unix group either. A group that no rule matches keeps its name, unless a rule can give it:
        below, an organization that somebody calls `staff` is left out.

        Example::

            c.GitHubOrgAuthenticator.group_rules = {
                "observatory": "staff",
                "observatory:(.*)": r"staff-\1",
                "telescope-ops:.*": None,
            }
        """,
    )

    group_priority = List(
        Unicode(),
        config=True,
        help="""
        Which unix groups come first: regular expressions for the provider's names. NFS with AUTH_SYS carries 16
        groups, so those that count on file servers belong here.

        Example::

            c.GitHubOrgAuthenticator.group_priority = ["observatory(:.*)?", "telescope-ops"]
        """,
    )

    group_limit = Integer(
        16,
        min=0,
        config=True,
        help="""
        How many unix groups file servers understand: a warning names those of a person that are beyond. The default
        is that of NFS with AUTH_SYS (RFC 5531, appendix A). 0 asks for no warning.

        Example::

            c.GitHubOrgAuthenticator.group_limit = 32
        """,
    )

    minimum_id = Integer(
        1000,
        min=1,
        config=True,
        help="""
        The lowest uid and gid given; those below belong to the system. What the provider says is never given
        silently another number: it is refused, or moved by a setting.

        Example::

            c.GitHubOrgAuthenticator.minimum_id = 10_000
        """,
    )

    maximum_id = Integer(
        2**31 - 1,
        min=1,
        max=2**31 - 1,
        config=True,
        help="""
        The highest uid and gid given; Kubernetes takes none above the default.

        Example::

            c.GitHubOrgAuthenticator.maximum_id = 1_999_999_999
        """,
    )

    show_allowed = Bool(
        False,
        config=True,
        help="""
        Whether the page for somebody who is refused names the organizations, teams or groups that would admit them.

        Example::

            c.GitHubOrgAuthenticator.show_allowed = True
        """,
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._told_beyond: dict[str, list[str]] = {}
        if self.parent is not None and self.enable_auth_state:
            # The hub will not start either, but names no trait and no way out.
            try:
                crypto.CryptKeeper.instance().check_available()
            except crypto.EncryptionUnavailable as error:
                self.log.error("%s.enable_auth_state: %s. %s", type(self).__name__, error, KEY_HELP)

    @property
    def rules(self) -> GroupRules:
        """What the groups are called."""
        return GroupRules.parse(self.group_rules, never=self.never_in_names)

    @validate("group_rules")
    def _validate_group_rules(self, proposal: Any) -> Any:
        return self.checked(proposal, lambda value: GroupRules.parse(value, never=self.never_in_names))

    @validate("group_priority")
    def _validate_group_priority(self, proposal: Any) -> Any:
        return self.checked(proposal, lambda value: check_patterns(value, never=self.never_in_names))

    def checked(self, proposal: Any, check: Any) -> Any:
        """Return a trait's new value, or let the error that `check` raises name the trait."""
        try:
            check(proposal["value"])
        except ValueError as error:
            raise TraitError(f"{type(self).__name__}.{proposal['trait'].name}: {error}") from None
        return proposal["value"]

    def user_info_to_username(self, user_info: dict[str, Any]) -> str:
        """Return upstream's name; refuse one that would be another line of the log, or unreadable in it.

        Raises
        ------
        OddClaim
            Where the claim that the name is made of is missing, or no text.
        """
        try:
            self.check_claims(user_info)
            name = str(super().user_info_to_username(user_info))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # Also what a `username_claim` of the operator's own raises for an answer that it does not expect.
            raise self.odd_claim("somebody", user_info, error) from None
        if not name.isprintable():
            raise self.no_account(repr(name), ValueError("the name has characters that cannot be printed"))
        return name

    def check_claims(self, user_info: dict[str, Any]) -> None:
        """Raise `ClaimError` where what the name is made of cannot be used."""
        if isinstance(self.username_claim, str):
            text_claim(user_info, self.username_claim)

    async def get_user_groups(self, auth_state: dict[str, Any]) -> set[str]:
        """Return the hub's groups: the provider's, or those of `auth_state_groups_key`, as `group_rules` has them."""
        key = self.auth_state_groups_key
        if not key:
            return self.rules.apply(auth_state[MEMBERSHIPS_KEY])
        if callable(key):
            value = key(auth_state)
            value = await value if isawaitable(value) else value
        else:
            value = claim(auth_state, key)
        if value is None:
            self.log.error("auth_state_groups_key: there is no %s in auth_state", key)
        try:
            return self.rules.apply(group.name for group in groups_in(value))
        except ClaimError as error:
            self.log.error("auth_state_groups_key: %s: %s", key, error)
            return set()

    def keep(self, auth_state: dict[str, Any], identity: UserIdentity, memberships: Iterable[str]) -> None:
        """Leave in auth_state who the person is, and which of the provider's groups they are in."""
        auth_state[AUTH_STATE_KEY] = identity.to_dict()
        auth_state[MEMBERSHIPS_KEY] = list(memberships)
        stamp(auth_state, {})
        beyond = [group.name for group in identity.groups[self.group_limit :]] if self.group_limit else []
        if beyond and self._told_beyond.get(identity.subject) != beyond:
            self._told_beyond[identity.subject] = beyond
            self.log.warning(
                "%s is in %d groups, of which file servers see %d; beyond are: %s. group_priority orders them",
                *(identity.name, len(identity.groups), self.group_limit, ", ".join(beyond)),
            )

    def no_account(self, name: str, error: Exception) -> Refused:
        """Return the refusal of a person for whom there are no numbers, once the operators can read why."""
        self.log.error("%s cannot be given an account: %s", name, error)
        return NoAccount("This hub cannot give you an account. Please tell its operators: their log says why.")

    def odd_claim(self, name: str, user_info: Mapping[str, Any], error: Exception) -> OddClaim:
        """Return the refusal of a person about whom the provider's answer is odd, once the log says so."""
        what = str(error) if isinstance(error, ClaimError) else f"username_claim: {type(error).__name__}"
        subject = str(user_info.get("sub") or user_info.get("id"))
        self.log.error("%s cannot be given an account: %s (the answer is about %r)", name, what, subject[:255])
        return OddClaim(self.login_service, what)

    @property
    def operators_text(self) -> str:
        """The operators' own words for who is refused; empty where they set none."""
        text = str(self.custom_403_message)
        return "" if text == self.traits()["custom_403_message"].default_value else text

    def findings(self) -> Iterable[Finding]:
        """Return what is wrong or doubtful in the configuration as a whole."""
        return ()

    def check_allow_config(self) -> None:
        """Do what upstream does at the hub's start; then stop it for mistakes, and warn of what is doubtful."""
        super().check_allow_config()
        errors = []
        for finding in self.findings():
            text = f"{type(self).__name__}.{finding.trait}: {finding.text}"
            if finding.is_error:
                errors.append(text)
            else:
                self.log.warning("%s", text)
        if errors:
            raise TraitError("; ".join(errors))

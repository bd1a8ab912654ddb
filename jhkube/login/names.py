"""What the provider's groups and people are called here: an operator's rules, and names that unix takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

__all__ = [
    "MAXIMUM_LENGTH",
    "RESERVED_NAMES",
    "GroupRules",
    "account_name",
    "by_priority",
    "check_patterns",
    "group_name",
]


_SPECIAL = frozenset(r".^$*+?{}[]\|()")
_ANYTHING = "(?s:.*)"
_EVERYTHING = frozenset({".*", ".+", "(.*)", "(.+)"})


@dataclass(frozen=True, slots=True)
class GroupRules:
    """An ordered list of patterns with what a group that matches is called."""

    rules: tuple[tuple[re.Pattern[str], str | None], ...] = ()

    @classmethod
    def parse(cls, rules: Mapping[str, str | None], *, never: str = "") -> Self:
        """Return the rules that a configuration has.

        Parameters
        ----------
        rules
            Regular expressions, each with the group's new name, or None to leave the group out.
        never
            Characters that no name of this provider has: a pattern with one of them matches nothing.

        Raises
        ------
        ValueError
            For what is no regular expression, and for a rule that no group can ever come to.
        """
        parsed: list[tuple[re.Pattern[str], str | None]] = []
        for text, name in rules.items():
            try:
                pattern = re.compile(text)
                if name is not None:
                    # A reference to a group that the pattern does not have is found only by using it.
                    re.compile(f"{text}|").fullmatch("").expand(name)  # type: ignore[union-attr]
            except re.error as error:
                raise ValueError(f"{text!r}: {name!r} is not a valid rule: {error}") from None
            if name == "":
                raise ValueError(f"{text!r} gives groups an empty name; None leaves them out")
            if any(character in never for character in text):
                raise ValueError(f"{text!r} can never match: no group here has one of {never!r} in its name")
            is_plain = not _SPECIAL & set(text)
            for earlier, _ in parsed:
                if earlier.pattern in _EVERYTHING or (is_plain and earlier.fullmatch(text)):
                    raise ValueError(f"{text!r} can never match: the rule {earlier.pattern!r} before it takes all")
            parsed.append((pattern, name))
        return cls(tuple(parsed))

    def __call__(self, group: str) -> str | None:
        """Return what a group is called here, None where it is left out; the first rule that matches decides.

        A group that no rule matches keeps its name, unless a rule can give that name to others: whoever founds an
        organization of that name at the provider must not be among them.
        """
        for pattern, name in self.rules:
            match = pattern.fullmatch(group)
            if match:
                return None if name is None else match.expand(name) or None
        return None if self._keeps_for_others(group) else group

    def can_give(self, name: str) -> bool:
        """Say whether there can be a group that is called `name` here."""
        return self._gives(name) or self(name) == name

    def _gives(self, name: str) -> bool:
        return any(
            given is not None and re.fullmatch(_template_pattern(given), name) is not None for _, given in self.rules
        )

    def _keeps_for_others(self, group: str) -> bool:
        """Whether a rule can give a name that is this group's, or is the same one to unix and to some databases."""
        names = {group, group_name(group)}
        return any(
            re.fullmatch(_template_pattern(given), name, re.IGNORECASE) is not None
            for _, given in self.rules
            if given is not None
            for name in names
        )

    @property
    def leaves_out_the_rest(self) -> bool:
        """Whether no group keeps its name though a rule says nothing of it: some rule can give any name."""
        names = (name for _, name in self.rules if name is not None)
        any_name = any(_template_pattern(name) == _ANYTHING for name in names)
        return any_name and self.rules[-1][0].pattern not in _EVERYTHING

    def apply(self, groups: Iterable[str]) -> set[str]:
        """Return what the groups are called here, without those that are left out."""
        return {name for group in groups if (name := self(group)) is not None}


def check_patterns(patterns: Iterable[str], *, never: str = "") -> None:
    """Raise ValueError for what is no regular expression, or can match no group."""
    GroupRules.parse(dict.fromkeys(patterns), never=never)


def by_priority(names: Iterable[str], priority: Iterable[str]) -> list[str]:
    """Return names by the first pattern of `priority` that matches each, the others behind; stable otherwise."""
    patterns = [re.compile(text) for text in priority]

    def rank(name: str) -> int:
        return next((index for index, pattern in enumerate(patterns) if pattern.fullmatch(name)), len(patterns))

    return sorted(names, key=rank)


def _template_pattern(template: str) -> str:
    """Return a pattern for what a rule's template can become: any text stands for its references."""
    parts = re.split(r"\\(?:[0-9]+|g<\w+>)", template)
    return _ANYTHING.join(re.escape(part) for part in parts)


MAXIMUM_LENGTH = 32
"""The most characters that shadow's tools and utmp take in a name (useradd(8), groupadd(8))."""

_SYSTEM = """
root daemon bin sys sync adm tty disk lp mail news uucp man proxy kmem dialout fax voice cdrom floppy tape
sudo wheel admin audio dip www-data backup operator list irc src shadow utmp video sasl plugdev staff games
users nogroup nobody input kvm render sgx docker podman lxd ssh sshd netdev crontab messagebus polkitd
systemd-journal systemd-network systemd-resolve systemd-timesync _ssh _apt ftp postfix postgres mysql
"""
RESERVED_NAMES = frozenset(_SYSTEM.split())
"""Names with a meaning on a system: sudo's rules go by a group's name, whatever its number."""

# Valid names as shadow has them, in lower case, with no dot (some tools split at it) and no digits alone.
_VALID = re.compile(r"(?![0-9]+\Z)[a-z0-9_][a-z0-9_-]*")
_HASH_LENGTH = 8


def group_name(name: str) -> str:
    """Return a valid unix group name for a group that a provider knows by `name`.

    A name that is valid stays as it is, in lower case; the colon of a team becomes an underscore, which no
    organization on GitHub has. Any other name gets a hash of the whole at its end, so that two groups do not
    become one. Names that differ only in case are one group to GitHub, and one name here.

    Examples
    --------
    >>> group_name("Observatory"), group_name("observatory:night-shift")
    ('observatory', 'observatory_night-shift')
    >>> group_name("sudo")
    'sudo-24e5e1c2'
    """
    lowered = name.lower()
    plain = lowered.replace(":", "_", 1) if "_" not in lowered.partition(":")[0] else lowered
    if _VALID.fullmatch(plain) and len(plain) <= MAXIMUM_LENGTH and plain not in RESERVED_NAMES:
        return plain
    return _with_hash(re.sub(r"[^a-z0-9_-]+", "-", plain), lowered)


def account_name(name: str) -> str:
    """Return the unix account's name of a hub user: the same, unless the passwd file could not hold it.

    Raises
    ------
    ValueError
        Where the name is one of the system's own.
    """
    if name.lower() in RESERVED_NAMES:
        raise ValueError(f"{name!r} is the name of a system account")
    if re.fullmatch(r"(?![-+~.])[^\s:/,\"\\\x00-\x1f]+", name) and name.isprintable() and len(name.encode()) <= 255:
        return name
    return _with_hash(re.sub(r"[^\w@.-]+", "-", name).strip("-+~."), name)


def _with_hash(readable: str, name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
    kept = readable[: MAXIMUM_LENGTH - _HASH_LENGTH - 1].strip("-_") or "x"
    return f"{kept}-{digest}"

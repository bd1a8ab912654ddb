"""Lists of organizations and teams as operators write them, and what GitHub hides from them; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Hidden", "any_of", "may_hide", "name_of"]

MOST_HIDDEN = 1000
"""Ids that are read from a header at the most."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Organizations that GitHub does not show, since they ask for single sign-on (SAML)."""

    ids: frozenset[int] = frozenset()
    """Which; empty where GitHub does not say."""

    link: str = ""
    """Where the person can sign in to one of them; empty where GitHub names no such place."""

    @classmethod
    def parse(cls, header: str | None, github_url: str) -> Hidden | None:
        """Return what an X-GitHub-SSO header says; None where it says that nothing is hidden.

        https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api

        Parameters
        ----------
        header
            `partial-results; organizations=21955855,20582480`, or `required; url=https://github.com/orgs/…`.
        github_url
            Where GitHub is: no link that leads elsewhere is taken.
        """
        kind, *parameters = (part.strip() for part in (header or "").split(";"))
        if kind not in ("partial-results", "required"):
            return None
        named = dict(part.partition("=")[::2] for part in parameters)
        ids = re.findall(r"[0-9]{1,18}", named.get("organizations", ""))[:MOST_HIDDEN]
        link = named.get("url", "")
        is_githubs = link.isprintable() and urlsplit(link)[:2] == urlsplit(github_url)[:2]
        return cls(frozenset(map(int, ids)), link if is_githubs else "")

    def __or__(self, other: Hidden | None) -> Hidden:
        if other is None:
            return self
        # Where one list does not say which are missing, any can be.
        ids = self.ids | other.ids if self.ids and other.ids else frozenset()
        return Hidden(ids, self.link or other.link)


def name_of(entry: str) -> str:
    """Return the name in an entry, `lab` in `lab#21955855`."""
    return entry.partition("#")[0]


def any_of(entries: Iterable[str], groups: Mapping[str, int | None]) -> bool:
    """Say whether entries name one of the groups: by its id where the entry has one, and else by its name.

    Parameters
    ----------
    entries
        `org`, `org:team`, `org#id` or `org:team#id`.
    groups
        The groups of a person by GitHub's names, each with its id; teams are numbered apart from organizations.
    """
    # GitHub's names differ by more than their case.
    names = {name.lower() for name in groups}
    ids = {(":" in name, number) for name, number in groups.items()}
    for entry in entries:
        name, _, number = entry.partition("#")
        if (":" in name, int(number)) in ids if number else name.lower() in names:
            return True
    return False


def may_hide(hidden: Hidden, entries: Collection[str]) -> bool:
    """Say whether one of the entries can be among what is hidden: what has no organization's id, always can."""
    for entry in entries:
        name, _, number = entry.partition("#")
        if not hidden.ids or not number or ":" in name or int(number) in hidden.ids:
            return True
    return False

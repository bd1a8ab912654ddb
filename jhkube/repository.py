"""A git repository that a server starts from: its address, and what of it, each checked."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

__all__ = ["Repository", "branch_name", "commit_id", "repository_url"]

LONGEST_FOLDER: Final = 100
"""Characters of the folder's name: shorter than any file system's limit, with room for what git adds."""

# One part of a path. No percent sign: what is escaped there would be read twice, by git and by its server.
_PART: Final = r"[A-Za-z0-9_.~][A-Za-z0-9_.~-]{0,254}"
_PATH = re.compile(rf"{_PART}(?:/{_PART}){{0,19}}")

_COMMIT = re.compile(r"[0-9a-f]{7,40}|[0-9a-f]{64}")
"""A commit, by its whole hash (SHA-1 or SHA-256) or at least by as much of it as git shows."""

# https://git-scm.com/docs/git-check-ref-format, rules 1 to 9; of an option it is told by the hyphen.
_NO_BRANCH = re.compile(r"^[-/.]|[\s~^:?*\[\\\x00-\x20\x7f]|\.\.|@\{|//|/\.|\.lock(?:/|$)|[/.]$|^@$")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository to clone before a server starts, every part checked."""

    url: str
    """The address, with neither user nor password: `https://github.com/observatory/notes`."""

    branch: str = ""
    """The branch or tag; empty for the repository's default branch."""

    commit: str = ""
    """The commit in lower-case hexadecimal, 7 to 40 or 64 digits; empty for the newest of the branch."""

    submodules: bool = False
    """Whether its submodules are cloned too."""

    lfs: bool = False
    """Whether the files that git-lfs keeps are fetched."""

    @property
    def host(self) -> str:
        """The host, with its port where that is not the scheme's own."""
        return urlsplit(self.url).netloc

    @property
    def path(self) -> str:
        """The path without `.git`: `observatory/notes`."""
        return urlsplit(self.url).path.strip("/").removesuffix(".git")

    @property
    def folder(self) -> str:
        """The folder in the home that it is cloned to: one name, neither hidden nor an option of a command.

        Examples
        --------
        >>> Repository("https://github.com/observatory/.github").folder
        'github'
        """
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", self.path.rpartition("/")[2])
        return name.lstrip(".-")[:LONGEST_FOLDER] or "repository"


def repository_url(text: str, hosts: Collection[str]) -> str:
    """Return the address of a repository, as it is cloned.

    Parameters
    ----------
    text
        What somebody typed, or a link said.
    hosts
        The hosts that the operator allows, with their scheme: `https://github.com`.

    Raises
    ------
    ValueError
        Where it is not the address of a repository, or of one that is allowed; with a sentence for the person. It
        never shows a password.

    Examples
    --------
    >>> repository_url("https://GitHub.com/observatory/notes/", ["https://github.com"])
    'https://github.com/observatory/notes'
    """
    example = f"{next(iter(hosts), 'https://github.com')}/observatory/notes"
    wrong = ValueError(f"This is not the address of a repository, such as {example}.")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise wrong
    scheme, separator, rest = text.partition("://")
    host, _, path = rest.partition("/")
    if not separator:
        raise wrong
    if "@" in host:
        raise ValueError("Leave the user name and the password out of the repository's address.")
    base, path = f"{scheme.lower()}://{host.lower()}", path.removesuffix("/")
    if base not in hosts:
        raise ValueError(f"Repositories can be cloned from {', '.join(hosts)} on this hub, and from no other host.")
    parts = path.split("/")
    if not _PATH.fullmatch(path) or {".", "..", ".git"} & set(parts):
        raise wrong
    return f"{base}/{path}"


def branch_name(text: str) -> str:
    """Return the name of a branch or tag.

    Raises
    ------
    ValueError
        Where git could have no branch of this name; with a sentence for the person.
    """
    if not text.isprintable() or _NO_BRANCH.search(text):
        raise ValueError("This cannot be the name of a branch, such as main or feature/plots.")
    return text


def commit_id(text: str) -> str:
    """Return a commit in lower-case hexadecimal.

    Raises
    ------
    ValueError
        Where it is not one; with a sentence for the person.
    """
    commit = text.lower()
    if not _COMMIT.fullmatch(commit):
        raise ValueError("A commit is written in 7 to 40 hexadecimal digits, such as 1f3c9a2.")
    return commit

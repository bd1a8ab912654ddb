"""The menu as a value: which images there are, each once, with all its names; pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from .registry import ImageDetails
from .tags import ImageTag, TagKind

__all__ = ["Menu", "MenuEntry", "build_entries"]

KIND_RANK = {kind: rank for rank, kind in enumerate(TagKind)}
MAIN_RANK = KIND_RANK | {TagKind.ALIAS: len(KIND_RANK)}
"""Which of an image's tags says best what it is: a release before a weekly, an alias last."""


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One image of the menu."""

    repository: str
    """The repository with its registry's host: `localhost:5000/lab`."""

    tag: ImageTag
    """The tag that says best what the image is."""

    digest: str = ""
    """What is run, `sha256:…`; of a multi-architecture image the index's. Empty while nobody needed it."""

    aliases: tuple[ImageTag, ...] = ()
    """The other tags of the same digest: `recommended`, or the weekly that became a release."""

    details: ImageDetails | None = None
    """What the registry tells about the image, where it was asked."""

    @property
    def reference(self) -> str:
        """The image as people name it: `localhost:5000/lab:w_2026_46`."""
        return f"{self.repository}:{self.tag.tag}"

    @property
    def image(self) -> str:
        """The image as a pod runs it: `localhost:5000/lab@sha256:…`.

        An entry of "all tags" may have no digest yet. It is then its reference; `ImageMenu.resolved` finds
        the digest.
        """
        return f"{self.repository}@{self.digest}" if self.digest else self.reference

    @property
    def tags(self) -> tuple[ImageTag, ...]:
        """All tags of the image, the one that says best what it is first."""
        return (self.tag, *self.aliases)

    @property
    def display_name(self) -> str:
        """The image's name for people: `Recommended (Weekly 2026, week 46)`."""
        names = [tag.display_name for tag in self.aliases if tag.kind is TagKind.ALIAS]
        if not names:
            return self.tag.display_name
        return f"{', '.join(names)} ({self.tag.display_name})"


class _Index:
    """What is looked up in a menu, worked out once for its entries."""

    def __init__(self, entries: tuple[MenuEntry, ...]) -> None:
        self.entries = entries
        self.filtered: dict[Hashable, tuple[MenuEntry, ...]] = {}

    @cached_property
    def by_name(self) -> Mapping[str, MenuEntry]:
        names: dict[str, MenuEntry] = {}
        for entry in reversed(self.entries):
            for tag in entry.tags:
                names[tag.tag] = entry
                names[f"{entry.repository}:{tag.tag}"] = entry
            if entry.digest:
                names[entry.image] = entry
        return names

    @cached_property
    def by_kind(self) -> Mapping[tuple[str, TagKind], tuple[tuple[ImageTag, MenuEntry], ...]]:
        groups: dict[tuple[str, TagKind], list[tuple[ImageTag, MenuEntry]]] = {}
        for entry in self.entries:
            for tag in entry.tags:
                groups.setdefault((entry.repository, tag.kind), []).append((tag, entry))
        for group in groups.values():
            group.sort(key=lambda pair: pair[0].order, reverse=True)
        return {key: tuple(group) for key, group in groups.items()}

    @cached_property
    def repositories(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.repository for entry in self.entries))


@dataclass(frozen=True, eq=False)
class Menu:
    """The images there are, as they were last listed. Two menus are the same if they are one object."""

    entries: tuple[MenuEntry, ...] = ()
    """By repository in the configured order, newest first in each."""

    refreshed_at: float | None = None
    """When every repository had last answered, in seconds since 1970; None before that."""

    errors: tuple[str, ...] = ()
    """A sentence that a user may read for each repository that did not answer as it should."""

    _index: _Index = field(default_factory=lambda: _Index(()), repr=False)

    def __post_init__(self) -> None:
        if self._index.entries is not self.entries:
            object.__setattr__(self, "_index", _Index(self.entries))

    def find(self, text: str) -> MenuEntry | None:
        """Return the image of a tag, a `repository:tag`, or a `repository@digest`.

        A tag alone means that of the first repository that has it.
        """
        return self._index.by_name.get(text)

    def of_kind(self, repository: str, kind: TagKind) -> Sequence[tuple[ImageTag, MenuEntry]]:
        """Return a repository's tags of one kind with their images, newest first."""
        return self._index.by_kind.get((repository, kind), ())

    def filtered(self, key: Hashable, keep: Callable[[MenuEntry], bool]) -> tuple[MenuEntry, ...]:
        """Return the entries that are kept; worked out once for each key, which stands for the function."""
        found = self._index.filtered.get(key)
        if found is None:
            found = self._index.filtered[key] = tuple(filter(keep, self.entries))
        return found

    @property
    def repositories(self) -> tuple[str, ...]:
        """The repositories that have an image here, in order."""
        return self._index.repositories


def build_entries(
    repository: str,
    tags: Iterable[ImageTag],
    digests: Mapping[str, str],
    details: Mapping[str, ImageDetails],
    before: Mapping[str, MenuEntry],
) -> Iterator[MenuEntry]:
    """Yield a repository's images, each at the place of the tag that says best what it is.

    Parameters
    ----------
    repository
        With its registry's host.
    tags
        All tags, newest first.
    digests
        The digests that are known, by tag.
    details
        The details that are known, by digest.
    before
        Images of an earlier build by tag; what did not change is taken from there.
    """
    tags = tuple(tags)
    same: dict[str, list[ImageTag]] = {}
    if digests:
        for tag in tags:
            digest = digests.get(tag.tag)
            if digest:
                same.setdefault(digest, []).append(tag)
    main = {digest: min(group, key=_main_rank) for digest, group in same.items()}
    for tag in tags:
        digest = digests.get(tag.tag, "")
        if not digest:
            entry = before.get(tag.tag)
            yield entry if entry is not None and not entry.digest else MenuEntry(repository, tag)
        elif main[digest] is tag:
            aliases = tuple(other for other in same[digest] if other is not tag)
            yield MenuEntry(repository, tag, digest, aliases, details.get(digest))


def _main_rank(tag: ImageTag) -> tuple[int, bool]:
    return MAIN_RANK[tag.kind], bool(tag.architecture)

"""The menu as a value: which images there are, each once, with all its names."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from .details import ImageDetails
from .image_tag import ImageTag, TagKind
from .tags import sort_tags

__all__ = ["Menu", "MenuEntry", "MenuPart", "build_part"]

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


@dataclass(frozen=True, eq=False)
class MenuPart:
    """One repository's images, with what is looked up among them."""

    repository: str
    """With its registry's host."""

    entries: tuple[MenuEntry, ...] = ()
    """Newest first."""

    by_tag: Mapping[str, MenuEntry] = field(default_factory=dict, repr=False)
    """The image of each tag."""

    by_kind: Mapping[TagKind, Sequence[ImageTag]] = field(default_factory=dict, repr=False)
    """The tags of each kind, newest first."""

    _kept: dict[Hashable, tuple[MenuEntry, ...]] = field(default_factory=dict, repr=False)

    def find(self, reference: str) -> MenuEntry | None:
        """Return the image of a tag or of a digest."""
        found = self.by_tag.get(reference)
        if found is None and ":" in reference:
            found = next((entry for entry in self.entries if entry.digest == reference), None)
        return found

    def filtered(self, key: Hashable, keep: Callable[[MenuEntry], bool]) -> tuple[MenuEntry, ...]:
        """Return the images that are kept; worked out once for each key, which stands for the function."""
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = tuple(filter(keep, self.entries))
        return kept


@dataclass(frozen=True, eq=False)
class Menu:
    """The images there are, as they were last listed. Two menus are the same if they are one object."""

    entries: tuple[MenuEntry, ...] = ()
    """By repository in the configured order, newest first in each."""

    refreshed_at: float | None = None
    """How old the oldest part is, in seconds since 1970; None before any repository answered."""

    errors: tuple[str, ...] = ()
    """A sentence that a user may read for each repository that did not answer as it should."""

    parts: tuple[MenuPart, ...] = field(default=(), repr=False)
    """The entries by repository; worked out from them where they are not given."""

    def __post_init__(self) -> None:
        if self.entries and not self.parts:
            object.__setattr__(self, "parts", tuple(_parts(self.entries)))

    @classmethod
    def of(cls, parts: Sequence[MenuPart], refreshed_at: float | None = None, errors: tuple[str, ...] = ()) -> Menu:
        """Return the menu of some repositories' images."""
        return cls(_joined([part.entries for part in parts]), refreshed_at, errors, tuple(parts))

    def find(self, text: str) -> MenuEntry | None:
        """Return the image of a tag, a `repository:tag`, or a `repository@digest`.

        A tag alone means that of the first repository that has it.
        """
        for part in self.parts:
            found = part.by_tag.get(text)
            if found is not None:
                return found
            if text.startswith(part.repository) and text[len(part.repository) :][:1] in (":", "@"):
                found = part.find(text[len(part.repository) + 1 :])
                if found is not None:
                    return found
        return None

    def filtered(self, key: Hashable, keep: Callable[[MenuEntry], bool]) -> tuple[MenuEntry, ...]:
        """Return the entries that are kept; worked out once for each key, which stands for the function."""
        return _joined([part.filtered(key, keep) for part in self.parts])


def _joined(parts: Sequence[tuple[MenuEntry, ...]]) -> tuple[MenuEntry, ...]:
    return parts[0] if len(parts) == 1 else tuple(chain.from_iterable(parts))


def _parts(entries: Sequence[MenuEntry]) -> Iterator[MenuPart]:
    """Yield the repositories' parts of entries that nobody has parted yet."""
    groups: dict[str, list[MenuEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.repository, []).append(entry)
    for repository, group in groups.items():
        by_tag = {tag.tag: entry for entry in group for tag in entry.tags}
        by_kind: dict[TagKind, list[ImageTag]] = {}
        for tag in sort_tags(tag for entry in group for tag in entry.tags):
            by_kind.setdefault(tag.kind, []).append(tag)
        yield MenuPart(repository, tuple(group), by_tag, by_kind)


def build_part(
    repository: str,
    tags: Sequence[ImageTag],
    digests: Mapping[str, str],
    details: Mapping[str, ImageDetails],
    before: MenuPart,
) -> MenuPart:
    """Return a repository's images, each at the place of the tag that says best what it is.

    Parameters
    ----------
    repository
        With its registry's host.
    tags
        All tags, newest first.
    digests
        What is known of tags: a digest, or an empty text for a tag without an image, which is left out.
    details
        The details that are known, by digest.
    before
        The part as it was; images that did not change are taken from there.
    """
    images = _images(repository, tags, digests, details)
    entries: list[MenuEntry] = []
    by_tag: dict[str, MenuEntry] = {}
    by_kind: dict[TagKind, list[ImageTag]] = {}
    old = before.by_tag
    for tag in tags:
        text = tag.tag
        digest = digests.get(text)
        if digest is None:
            known = old.get(text)
            entry = known if known is not None and not known.digest else MenuEntry(repository, tag)
            entries.append(entry)
        elif digest:
            entry = images[digest]
            if entry.tag is tag:
                entries.append(entry)
        else:
            continue
        by_tag[text] = entry
        by_kind.setdefault(tag.kind, []).append(tag)
    return MenuPart(repository, tuple(entries), by_tag, by_kind)


def _images(
    repository: str,
    tags: Sequence[ImageTag],
    digests: Mapping[str, str],
    details: Mapping[str, ImageDetails],
) -> dict[str, MenuEntry]:
    """Return the images whose digests are known, by digest."""
    if not digests:
        return {}
    same: dict[str, list[ImageTag]] = {}
    for tag in tags:
        digest = digests.get(tag.tag)
        if digest:
            same.setdefault(digest, []).append(tag)
    images = {}
    for digest, group in same.items():
        main = min(group, key=_main_rank)
        aliases = tuple(tag for tag in group if tag is not main)
        images[digest] = MenuEntry(repository, main, digest, aliases, details.get(digest))
    return images


def _main_rank(tag: ImageTag) -> tuple[int, bool]:
    return MAIN_RANK[tag.kind], bool(tag.architecture)

"""What the form shows, ready for its template: every text made, every box known to be checked or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jhkube.images.offers import Offer
from jhkube.own_disks import OwnDisk, default_path

from .choice import Available, Choice
from .chosen import nearest_choice
from .disks import disk_text
from .image_rows import Freshness, ImageGroup, freshness, image_groups, moving_names, short_text
from .option_values import OptionError
from .repositories import REPOSITORY_KEYS

__all__ = ["CUSTOM_IMAGE", "OWN_IMAGE", "SEARCHED_IMAGE", "FormView", "form_view"]

SEARCHED_IMAGE: Final = "*tag"
"""The value of the image field that stands for the tag typed next to it; no tag can have an asterisk."""

CUSTOM_IMAGE: Final = "*custom"
"""The value of the image field that stands for the image typed next to it."""

OWN_IMAGE: Final = "*repository"
"""The value of the image field that stands for the image of the repository."""


@dataclass(frozen=True, slots=True)
class RepositoryFields:
    """What stands in the fields of a repository."""

    hosts: str
    """The hosts that it can be from, for people: `github.com, gitlab.com`."""

    example: str
    """An address of one of them."""

    values: Mapping[str, Any]
    """Text or truth value by option; nothing of an earlier start, since a repository is cloned once."""

    has_image: bool
    """Whether repositories can have images of their own."""

    is_open: bool
    """Whether the fields are shown at once."""


@dataclass(frozen=True, slots=True)
class VariableField:
    """The field of an environment variable."""

    name: str
    display_name: str
    description: str
    values: tuple[str, ...]
    """The values to choose from; empty for a text."""

    value: str


@dataclass(frozen=True, slots=True)
class DiskField:
    """The box of a disk."""

    name: str
    path: str
    text: str
    """What the box sends."""

    is_checked: bool


@dataclass(frozen=True, slots=True)
class FormView:
    """Everything that the template needs."""

    profile: str
    """The slug of the profile that is checked."""

    profiles: tuple[Mapping[str, Any], ...]
    groups: tuple[ImageGroup, ...] | None
    """The images; None where the hub's image is fixed."""

    search_count: int
    """How many images can be searched; 0 where the list is all there is."""

    custom_allowed: bool
    image_field: str
    """Which of the image fields is checked: empty for the list, or what is typed or the repository's own."""

    image_text: str
    """What stands in the typed field."""

    sizes: tuple[Any, ...]
    size: str
    presets: tuple[Any, ...]
    checked_presets: frozenset[str]
    repository: RepositoryFields | None
    """None where servers cannot start from a repository."""

    variables: tuple[VariableField, ...]
    secrets: tuple[str, ...]
    """The names of the person's own secrets."""

    checked_secrets: frozenset[str]
    disks: tuple[DiskField, ...]
    """The person's own disks."""

    offers_reset: bool
    offers_debug: bool
    reset_environment: bool
    debug: bool
    freshness: Freshness | None
    extra: Mapping[str, str] = field(default_factory=dict)
    """The options of the static profile that is checked."""

    errors: Mapping[str, str] = field(default_factory=dict)
    """A sentence by field, for what was refused."""

    notices: Mapping[str, str] = field(default_factory=dict)
    """A sentence by field, for what of the last choice is gone, and what else there is to know."""


def form_view(
    available: Available, options: Any, errors: Sequence[OptionError], now: float, notices: Mapping[str, str]
) -> FormView:
    """Return what the form shows to somebody who may choose from this; the parameters are those of
    `render`."""
    choice, gone = nearest_choice(options, available)
    by_field = {error.field: error.message for error in errors}
    images = available.images
    text, image_field = choice.image, ""
    if images is not None:
        refused = options.get("image") if isinstance(options, Mapping) and "image" in by_field else None
        text = refused if isinstance(refused, str) else text
        image_field = _image_field(text, images)
    repository = _repository(available, options if errors else None)
    if repository and repository.has_image and repository.values["repository"] and options.get("image") is None:
        image_field = OWN_IMAGE
    return FormView(
        profile=choice.profile,
        profiles=available.profiles,
        groups=None if images is None else image_groups(available, images, "" if image_field else text, now),
        search_count=_search_count(images),
        custom_allowed=images is not None and images.custom_allowed,
        image_field=image_field,
        image_text=text,
        sizes=available.sizes,
        size=choice.size.name if choice.size else "",
        presets=available.presets,
        checked_presets=frozenset(preset.name for preset in choice.presets),
        repository=repository,
        secrets=available.secrets or (),
        checked_secrets=frozenset(choice.secrets),
        disks=_disks(available, choice),
        variables=_variables(available, choice, options if errors else None),
        offers_reset=available.reset_environment,
        offers_debug=available.debug,
        # A fresh environment is asked for once, not at every start that follows.
        reset_environment=choice.reset_environment and bool(errors),
        debug=choice.debug,
        freshness=None if images is None else freshness(images, now),
        extra=_typed(options) if errors else choice.extra,
        errors=by_field,
        notices={} if errors else {**notices, **_notices(gone, choice)},
    )


def _typed(options: Any) -> dict[str, str]:
    """Return refused options as they were typed."""
    given = options.items() if isinstance(options, Mapping) else ()
    return {str(key): value for key, value in given if isinstance(value, str)}


def _repository(available: Available, refused: Any) -> RepositoryFields | None:
    """Return the fields of a repository, with what was asked for and refused."""
    hosts = available.repositories.hosts
    if not hosts:
        return None
    given: Mapping[str, Any] = refused if isinstance(refused, Mapping) else {}
    values = {key: given.get(key) for key in REPOSITORY_KEYS}
    texts = {key: value if isinstance(value, str) else "" for key, value in values.items()}
    flags = {key: values[key] is True for key in ("submodules", "lfs")}
    return RepositoryFields(
        hosts=", ".join(host.partition("://")[2] for host in hosts),
        example=f"{hosts[0]}/observatory/notes",
        values={**texts, **flags},
        has_image=available.repositories.image is not None and available.images is not None,
        is_open=any(texts.values()) or any(flags.values()),
    )


def _variables(available: Available, choice: Choice, refused: Any) -> tuple[VariableField, ...]:
    given = refused.get("environment") if isinstance(refused, Mapping) else None
    values: Mapping[str, Any] = given if isinstance(given, Mapping) else choice.environment
    return tuple(
        VariableField(each.name, each.display_name, each.description, each.values, str(values.get(each.name) or ""))
        for each in available.variables
    )


def _search_count(images: Offer | None) -> int:
    """Return how many images the search has; 0 where the list shows them all."""
    if images is None or not images.all_entries_allowed or len(images.all_entries) <= len(images.entries):
        return 0
    return len(images.all_entries)


def _image_field(text: str, images: Offer) -> str:
    """Return where a text belongs: on the list, into the search, or into the field for an image of one's
    own."""
    found = images.find(text)
    if (found is not None and found in images.entries) or not text:
        return ""
    if images.custom_allowed and (not _search_count(images) or (found is None and "/" in text)):
        return CUSTOM_IMAGE
    return SEARCHED_IMAGE if _search_count(images) else ""


def _notices(gone: Mapping[str, str], choice: Choice) -> dict[str, str]:
    """Return a sentence for each part of the last choice that is gone."""
    notices = {}
    for name, last in gone.items():
        said = f", {short_text(last)}," if last else ""
        if name == "image" and choice.entry is not None:
            now = ", ".join(moving_names(choice.entry)) or choice.entry.tag.display_name
            notices[name] = f"Your last image{said} is not available any more; {now} is chosen."
        elif name == "size" and choice.size is not None:
            notices[name] = f"Your last size{said} is not available any more; {choice.size.display_name} is chosen."
        elif name in ("profile", "presets", "environment", "secrets", "disks"):
            notices[name] = "Some of what you chose last time is not available any more."
    return notices


def _disks(available: Available, choice: Choice) -> tuple[DiskField, ...]:
    """Return the boxes of the person's disks; one of the last choice stays where it was mounted."""
    chosen = {each.claim: each for each in choice.disks}
    offered = {name: chosen.get(name) or OwnDisk(name, default_path(name)) for name in available.disks or ()}
    return tuple(DiskField(name, each.path, disk_text(each), name in chosen) for name, each in offered.items())

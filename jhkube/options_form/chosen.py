"""`user_options`, whichever way they came in, checked: what they ask for, or what is left of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jhkube.images.entries import MenuEntry
from jhkube.images.image_name import is_image
from jhkube.images.image_tag import TagKind
from jhkube.images.offers import Offer

from .choice import KEYS, LAB, Available, Choice
from .disks import kept_disks, read_disks
from .environment import kept_environment, read_environment
from .option_values import OptionError, flag_value, listed, profile_values, question, shown, text_value, there_are
from .own_secrets import kept_secrets, read_secrets
from .presets import Preset
from .repositories import read_repository
from .sizes import Size, default_size

__all__ = ["chosen", "entry_value", "larger_size", "nearest_choice"]


def chosen(options: Any, available: Available) -> Choice:
    """Return what `user_options` ask for, whichever way they came in.

    Parameters
    ----------
    options
        What came by the form, by REST or from the last start: anything that JSON can say. `None`, and an
        option that is missing or `None`, stand for the default.
    available
        What the person may choose from.

    Raises
    ------
    OptionError
        For the first option that cannot be taken.
    """
    if options is None:
        options = {}
    if not isinstance(options, Mapping):
        raise OptionError("", f"The options should be an object such as {{'size': 'small'}}, not {shown(options)}.")
    slug = _profile(options, available)
    if slug != LAB:
        return _static_choice(slug, options, available)
    for key in options:
        if key not in KEYS:
            hint = question(str(key), KEYS) or f" There are {', '.join(KEYS)}."
            raise OptionError("", f"There is no option {shown(key)}.{hint}")
    image, entry = _image(options, available)
    repository = read_repository(options, available.repositories)
    return Choice(
        image=image,
        entry=entry,
        is_custom=bool(image) and entry is None,
        size=_size(options, available.sizes),
        presets=_presets(options, available.presets),
        repository=repository,
        own_image=available.repositories.own_image(repository) if _leaves_image(options, available) else "",
        environment=read_environment(options, available.variables),
        secrets=read_secrets(options, available.secrets),
        disks=read_disks(options, available.disks),
        reset_environment=_flag(options, "reset_environment", available.reset_environment),
        debug=_flag(options, "debug", available.debug),
    )


def nearest_choice(options: Any, available: Available) -> tuple[Choice, dict[str, str]]:
    """Return what is left of `user_options` that may be of another day, and the names of the options that
    are gone.

    Parameters
    ----------
    options
        As `chosen` takes them.
    available
        What the person may choose from now.

    Returns
    -------
    tuple of Choice and dict
        The choice, with the default in place of what cannot be taken, and by option what was asked for in
        vain.
    """
    asked: Mapping[str, Any] = options if isinstance(options, Mapping) else {}
    gone: dict[str, str] = {}

    def kept(field: str, read: Callable[[Mapping[str, Any]], Any], otherwise: Any = None) -> Any:
        for attempt in (asked, {}):
            try:
                return read(attempt)
            except OptionError:
                if field in attempt:
                    gone[field] = str(attempt[field])
        return otherwise

    slug = kept("profile", lambda given: _profile(given, available), LAB)
    if slug != LAB:
        try:
            return _static_choice(slug, asked, available), gone
        except OptionError as error:
            return Choice(profile=slug), gone | {error.field: str(asked.get(error.field, ""))}
    image, entry = kept("image", lambda given: _image(given, available), ("", None))
    # A repository is cloned once, and not at every start that follows.
    environment, unset = kept_environment(asked, available.variables)
    if unset:
        gone["environment"] = listed(unset)
    secrets, lost = kept_secrets(asked, available.secrets)
    if lost:
        gone["secrets"] = listed(lost)
    disks, away = kept_disks(asked, available.disks)
    if away:
        gone["disks"] = listed(away)
    choice = Choice(
        image=image,
        entry=entry,
        is_custom=bool(image) and entry is None,
        size=kept("size", lambda given: _size(given, available.sizes)),
        presets=kept("presets", lambda given: _presets(given, available.presets), ()),
        environment=environment,
        secrets=secrets,
        disks=disks,
        reset_environment=kept(
            "reset_environment", lambda given: _flag(given, "reset_environment", available.reset_environment)
        ),
        debug=kept("debug", lambda given: _flag(given, "debug", available.debug)),
    )
    return choice, gone


def larger_size(options: Any, available: Available, most_memory: float | None = None) -> Size | None:
    """Return the next size with more memory than that of the last start, for a server that had too little.

    Parameters
    ----------
    options
        The `user_options` of the last start.
    available
        What the person may choose from now.
    most_memory
        The bytes that all of their servers may have together; None for no ceiling.

    Returns
    -------
    Size or None
        One with as many GPUs of the same kind; None where there is none, or the last size is not offered any more.
    """
    choice, gone = nearest_choice(options, available)
    size = choice.size
    if choice.profile != LAB or size is None or "size" in gone:
        return None
    larger = [
        each
        for each in available.sizes
        if each.memory > size.memory
        and each.gpus == size.gpus
        and (not size.gpus or each.gpu_resource == size.gpu_resource)
        and (most_memory is None or each.memory <= most_memory)
    ]
    return min(larger, key=lambda each: (each.memory, each.cores < size.cores, each.cores), default=None)


def entry_value(entry: MenuEntry, images: Offer) -> str:
    """Return what `user_options` say for an image of the menu, as short as it can be without meaning another.

    Where a moving name such as `recommended` points at the image, it is that name: who takes "Recommended"
    gets what is recommended at the next start too.
    """
    moving = next((tag.tag for tag in entry.tags if tag.kind is TagKind.ALIAS), entry.tag.tag)
    found = images.find(moving)
    if found is not None and found.reference == entry.reference:
        return moving
    return f"{entry.repository}:{moving}"


def _profile(options: Mapping[str, Any], available: Available) -> str:
    slug: str = text_value(options, "profile", available.default_profile)
    slugs = [LAB, *(str(each["slug"]) for each in available.profiles)]
    if slug not in slugs:
        raise OptionError("profile", f"There is no profile {shown(slug)} to choose; {there_are(slugs)}.")
    return slug


def _image(options: Mapping[str, Any], available: Available) -> tuple[str, MenuEntry | None]:
    images = available.images
    text = text_value(options, "image", "").strip()
    if images is None:
        if text:
            raise OptionError("image", "The image cannot be chosen on this hub: leave it out.")
        return "", None
    if options.get("image") is None:
        if images.default is None:
            raise OptionError("image", _nothing_offered(images))
        return entry_value(images.default, images), images.default
    if not text:
        raise OptionError("image", "Type the image's name, or choose one from the list.")
    entry = images.find(text)
    if entry is not None:
        return text, entry
    if images.custom_allowed:
        if not is_image(text):
            raise OptionError(
                "image",
                f"{shown(text)} is not the name of an image, such as 'registry.example/lab:tag'.",
            )
        if images.allows_custom(text):
            return text, None
        raise OptionError("image", f"The image {shown(text)} is not among those allowed on this hub.")
    if not images.entries:
        raise OptionError("image", _nothing_offered(images))
    raise OptionError("image", f"There is no image {shown(text)} to choose.{_hint(text, images)}")


def _leaves_image(options: Mapping[str, Any], available: Available) -> bool:
    """Say whether the image is left to the hub, which then looks for one of the repository's own."""
    return available.images is not None and options.get("image") is None


def _nothing_offered(images: Offer) -> str:
    if images.refreshed_at is None:
        return "There is no list of images yet: the registry has not answered. Try again in a minute."
    return "No image is available to you. Ask the hub's operators."


def _hint(text: str, images: Offer) -> str:
    """Ask whether another image was meant: one of those offered, since comparing 10,000 names takes a while."""
    return question(text, [tag.tag for entry in images.entries for tag in entry.tags])


def _size(options: Mapping[str, Any], sizes: Sequence[Size]) -> Size | None:
    name = text_value(options, "size", None)
    if name is None:
        return default_size(sizes)
    for size in sizes:
        if size.name == name:
            return size
    if not sizes:
        raise OptionError("size", "The size cannot be chosen on this hub: leave it out.")
    raise OptionError("size", f"There is no size {shown(name)} to choose; {there_are(size.name for size in sizes)}.")


def _presets(options: Mapping[str, Any], presets: Sequence[Preset]) -> tuple[Preset, ...]:
    names = options.get("presets")
    if names is None:
        return tuple(preset for preset in presets if preset.is_default)
    if not isinstance(names, list | tuple):
        raise OptionError("presets", f"The presets should be a list of names, not {shown(names)}.")
    known = [preset.name for preset in presets]
    for name in names:
        if not isinstance(name, str) or name not in known:
            there = there_are(known) if known else "there are none"
            raise OptionError("presets", f"There is no preset {shown(name)} to choose; {there}.")
    return tuple(preset for preset in presets if preset.name in names)


def _flag(options: Mapping[str, Any], field: str, is_offered: bool) -> bool:
    value = flag_value(options, field)
    if value and not is_offered:
        raise OptionError(field, f"The option {field!r} is not offered on this hub.")
    return value


def _static_choice(slug: str, options: Mapping[str, Any], available: Available) -> Choice:
    profile = next(each for each in available.profiles if each["slug"] == slug)
    return Choice(profile=slug, extra=profile_values(profile, options))

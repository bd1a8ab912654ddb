"""What somebody may choose from → the `profile_list` of KubeSpawner, which then applies it; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from slugify import slugify

from jhkube.operator_fields import ConfigError, Fields, read_items

from .choice import LAB, Available, Choice, OptionError, available_for, chosen, entry_value, nearest_choice
from .overrides import merged, option_overrides, preset_overrides, size_overrides
from .sizes import default_size

__all__ = [
    "LAB",
    "Available",
    "Choice",
    "ConfigError",
    "OptionError",
    "available_for",
    "chosen",
    "entry_value",
    "nearest_choice",
    "parse_profiles",
    "profile_list",
]

LAB_NAME = "Lab"
"""What people read as the computed profile's name, where others stand beside it."""

LAB_DESCRIPTION = "Choose the image and the size yourself."

FIELDS = (
    "slug",
    "display_name",
    "description",
    "default",
    "kubespawner_override",
    "profile_options",
    "groups",
)


def parse_profiles(config: Any) -> tuple[dict[str, Any], ...]:
    """Return an operator's static profiles, each with its slug.

    Parameters
    ----------
    config
        A list in the shape of KubeSpawner's `profile_list`, or a dict of such profiles. Beside its fields a
        profile can have `groups`: the hub groups that see it.

    Raises
    ------
    ConfigError
        For a profile that KubeSpawner could not show or apply, or two of one slug.
    """
    if isinstance(config, Mapping):
        config = [config[key] for key in sorted(config)]
    profiles: list[dict[str, Any]] = []
    for where, item in read_items("profile_list", config):
        fields = Fields(where, item, FIELDS)
        name = fields.text("display_name")
        if not name:
            raise fields.wrong("display_name", "a text")
        slug = fields.text("slug") or slugify(name)
        if not slug or slug == LAB or slug in [each["slug"] for each in profiles]:
            raise ConfigError(f"{where}.slug: {slug!r} is the slug of another profile already")
        profiles.append(
            {
                **item,
                "slug": slug,
                "display_name": name,
                "groups": sorted(fields.words("groups")),
                "profile_options": _profile_options(where, item.get("profile_options")),
            }
        )
    return tuple(profiles)


def profile_list(available: Available, choice: Choice | None = None) -> list[dict[str, Any]]:
    """Return the profiles in the shape of KubeSpawner's `profile_list`.

    The computed profile `lab` comes first; its options are `image` and `size`. Only what is offered becomes
    a choice, however many tags there are.

    Parameters
    ----------
    available
        What the person may choose from.
    choice
        What they chose, at a spawn: its image is then among the choices and both options default to it, and
        its presets and check boxes become overrides of the profile. `choice.to_options()` are the
        `user_options` to go with it.
    """
    is_static_default = available.default_profile != LAB
    lab: dict[str, Any] = {
        "slug": LAB,
        "display_name": LAB_NAME,
        "description": LAB_DESCRIPTION,
        "default": not is_static_default,
        "kubespawner_override": {},
        "profile_options": {},
    }
    if choice is not None and choice.profile == LAB:
        lab["kubespawner_override"] = merged(
            preset_overrides(choice.presets),
            option_overrides(reset_environment=choice.reset_environment, debug=choice.debug),
        )
    images = _image_option(available, choice)
    if images["choices"] or "unlisted_choice" in images:
        lab["profile_options"]["image"] = images
    sizes = _size_option(available, choice)
    if sizes["choices"]:
        lab["profile_options"]["size"] = sizes
    static = [{key: value for key, value in each.items() if key != "groups"} for each in available.profiles]
    return [lab, *static]


def _image_option(available: Available, choice: Choice | None) -> dict[str, Any]:
    option: dict[str, Any] = {"display_name": "Image", "choices": {}}
    images = available.images
    if images is None:
        return option
    taken = choice.image if choice is not None and choice.profile == LAB else ""
    for entry in images.entries:
        option["choices"][entry_value(entry, images)] = {
            "display_name": entry.display_name,
            "default": not taken and entry == images.default,
            "kubespawner_override": {"image": entry.image},
        }
    if choice is not None and taken:
        option["choices"][taken] = {
            "display_name": choice.entry.display_name if choice.entry else taken,
            "default": True,
            "kubespawner_override": {"image": choice.entry.image if choice.entry else taken},
        }
    elif images.all_entries_allowed or images.custom_allowed:
        option["unlisted_choice"] = {
            "enabled": True,
            "display_name": "Image",
            "display_name_in_choices": "Another image…",
            "kubespawner_override": {"image": "{value}"},
        }
    return option


def _size_option(available: Available, choice: Choice | None) -> dict[str, Any]:
    taken = choice.size if choice is not None and choice.size is not None else default_size(available.sizes)
    return {
        "display_name": "Size",
        "choices": {
            size.name: {
                "display_name": f"{size.display_name}: {size.summary}",
                "default": size == taken,
                "kubespawner_override": size_overrides(size),
            }
            for size in available.sizes
        },
    }


def _profile_options(where: str, options: Any) -> dict[str, Any]:
    """Refuse options that KubeSpawner would trip over, and mark the default of each."""
    checked: dict[str, Any] = {}
    for name, option in (options or {}).items():
        place = f"{where}.profile_options.{name}"
        if not isinstance(option, Mapping):
            raise ConfigError(f"{place}: should be a dict, not {option!r}")
        choices = {key: dict(value) for key, value in (option.get("choices") or {}).items()}
        unlisted = option.get("unlisted_choice") or {}
        if not choices and not unlisted.get("enabled"):
            raise ConfigError(f"{place}: needs choices, or an unlisted_choice that is enabled")
        if choices and not any(value.get("default") for value in choices.values()):
            next(iter(choices.values()))["default"] = True
        try:
            re.compile(unlisted.get("validation_regex") or "")
        except re.error as error:
            raise ConfigError(f"{place}.unlisted_choice.validation_regex: {error}") from None
        checked[str(name)] = {"display_name": str(name), **option, "choices": choices}
    return checked

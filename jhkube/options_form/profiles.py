"""The `profile_list` of KubeSpawner: the computed profile, and those that the operator wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import ConfigDict, Field, model_validator
from slugify import slugify

from jhkube.operator_models import ConfigError, OperatorModel, read_list
from jhkube.operator_types import Flag, Groups, Line, Regex, Text

from .choice import LAB, Available, Choice
from .chosen import entry_value
from .environment import literal_environment
from .overrides import merged, option_overrides, preset_overrides, size_overrides
from .sizes import default_size

__all__ = ["parse_profiles", "profile_list"]

LAB_NAME: Final = "Lab"
"""What people read as the computed profile's name, where there are others."""

LAB_DESCRIPTION: Final = "Choose the image and the size yourself."


class UnlistedChoice(OperatorModel):
    """A value that may be typed; see KubeSpawner's `profile_list` for the fields that it reads itself."""

    model_config = ConfigDict(extra="allow")

    enabled: Flag = False
    validation_regex: Regex = ""


class ProfileOption(OperatorModel):
    """One option of a profile, as KubeSpawner reads it: choices, or a value that may be typed."""

    model_config = ConfigDict(extra="allow")

    choices: dict[str, dict[str, Any]] = Field(default_factory=dict)
    unlisted_choice: UnlistedChoice = UnlistedChoice()

    @model_validator(mode="after")
    def _has_something_to_choose(self) -> Self:
        if not self.choices and not self.unlisted_choice.enabled:
            raise ValueError("needs choices, or an unlisted_choice that is enabled")
        return self


class StaticProfile(OperatorModel):
    """A profile that the operator wrote, in addition to the computed one."""

    slug: Line = ""
    display_name: Text
    description: Line = ""
    is_default: Flag = Field(default=False, alias="default")
    kubespawner_override: dict[str, Any] = Field(default_factory=dict)
    profile_options: dict[str, ProfileOption] = Field(default_factory=dict)
    groups: Groups = frozenset()


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
    for index, profile in enumerate(read_list(StaticProfile, "profile_list", config)):
        name = " ".join(profile.display_name.split())
        slug = profile.slug or slugify(name)
        if not slug:
            raise ConfigError(f"profile_list[{index}].slug: should be given: {name!r} has no letters to make one of")
        if slug == LAB or slug in [each["slug"] for each in profiles]:
            raise ConfigError(f"profile_list[{index}].slug: {slug!r} is the slug of another profile already")
        profiles.append(
            {
                **config[index],
                "slug": slug,
                "display_name": name,
                "groups": sorted(profile.groups),
                "profile_options": _with_defaults(config[index].get("profile_options") or {}),
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
            {"environment": literal_environment(choice.environment)} if choice.environment else {},
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


def _with_defaults(options: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a profile's options with a name for people and a default choice for each."""
    whole: dict[str, Any] = {}
    for name, option in options.items():
        choices = {key: dict(value) for key, value in (option.get("choices") or {}).items()}
        if choices and not any(value.get("default") for value in choices.values()):
            next(iter(choices.values()))["default"] = True
        whole[str(name)] = {"display_name": str(name), **option, "choices": choices}
    return whole

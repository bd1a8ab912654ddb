"""The `profile_list` of KubeSpawner for what somebody may choose from, and the overrides of what they chose."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from pydantic import ConfigDict, Field, model_validator
from slugify import slugify

from jhkube.operator_models import ConfigError, OperatorModel, read_list
from jhkube.operator_types import Flag, Groups, Line, Regex, Text

from .choice import (
    LAB,
    Available,
    Choice,
    OptionError,
    available_for,
    chosen,
    entry_value,
    larger_size,
    nearest_choice,
)
from .environment import literal_environment
from .presets import Preset
from .sizes import Size, default_size

__all__ = [
    "FRESH_ENVIRONMENT",
    "LAB",
    "Appended",
    "Available",
    "Choice",
    "ConfigError",
    "OptionError",
    "available_for",
    "chosen",
    "entry_value",
    "larger_size",
    "nearest_choice",
    "parse_profiles",
    "profile_list",
    "without_templates",
]

LAB_NAME: Final = "Lab"
"""What people read as the computed profile's name, where there are others."""

LAB_DESCRIPTION: Final = "Choose the image and the size yourself."

FRESH_FOLDER: Final = "/tmp/jhkube-fresh"
"""Where packages and settings of a fresh environment go."""

FRESH_ENVIRONMENT: Final = {
    "JHKUBE_RESET_ENVIRONMENT": "true",
    "PYTHONUSERBASE": f"{FRESH_FOLDER}/python",
    "JUPYTER_CONFIG_DIR": f"{FRESH_FOLDER}/jupyter/config",
    "JUPYTER_DATA_DIR": f"{FRESH_FOLDER}/jupyter/data",
    "JUPYTERLAB_SETTINGS_DIR": f"{FRESH_FOLDER}/jupyter/settings",
    "JUPYTERLAB_WORKSPACES_DIR": f"{FRESH_FOLDER}/jupyter/workspaces",
    "IPYTHONDIR": f"{FRESH_FOLDER}/ipython",
    "R_LIBS_USER": f"{FRESH_FOLDER}/r",
}
"""What sets a person's own packages and settings aside for one start, in any image, and touches no file.

An image whose start script wants to do more looks at `JHKUBE_RESET_ENVIRONMENT`; that of `images/lab` moves things
out of the way instead and takes the variables that are below `FRESH_FOLDER` back.
"""

# What KubeSpawner fills into volumes, labels and environment; every other brace is text.
TEMPLATE_FIELDS: Final = frozenset(
    f"{{{name}}}"
    for name in (
        *(
            f"{form}{name}"
            for form in ("", "safe_", "escaped_")
            for name in ("username", "servername", "user_server")
        ),
        *(
            "unescaped_username",
            "unescaped_servername",
            "userid",
            "hubnamespace",
            "namespace",
            "pod_name",
            "pvc_name",
        ),
    )
)


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


@dataclass(frozen=True, slots=True)
class Appended:
    """An override that adds to a list trait of KubeSpawner, where a plain value would replace it.

    KubeSpawner calls it with the spawner. Applied twice, it adds once.
    """

    trait: str
    """The trait's name: `tolerations`, `volumes`, `volume_mounts`."""

    items: tuple[Any, ...]
    """What is added, as Kubernetes writes it."""

    def __call__(self, spawner: Any) -> list[Any] | dict[str, Any]:
        current = getattr(spawner, self.trait)
        if isinstance(current, Mapping):
            added = {f"jhkube-{index:03}": item for index, item in enumerate(self.items)}
            return {**current, **{key: item for key, item in added.items() if item not in current.values()}}
        return [*current, *(item for item in self.items if item not in current)]


def without_templates(value: Any) -> Any:
    """Return a value that KubeSpawner's `str.format` leaves as it was meant.

    Braces are doubled in every text, except around the fields that KubeSpawner documents, such as
    `{username}`.
    """
    if isinstance(value, str):
        parts = re.split(r"(\{[a-z_]+\})", value)
        return "".join(
            part if part in TEMPLATE_FIELDS else part.replace("{", "{{").replace("}", "}}") for part in parts
        )
    if isinstance(value, Mapping):
        return {key: without_templates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_templates(item) for item in value]
    return value


def size_overrides(size: Size) -> dict[str, Any]:
    """Return limits, guarantees and the choice of nodes that a size stands for."""
    overrides: dict[str, Any] = {
        "cpu_limit": size.cores,
        "cpu_guarantee": size.cores_guarantee,
        "mem_limit": size.memory,
        "mem_guarantee": size.memory_guarantee,
    }
    if size.gpus:
        # An extended resource cannot be overcommitted: its request has to be its limit.
        gpus = {size.gpu_resource: str(size.gpus)}
        overrides |= {"extra_resource_limits": gpus, "extra_resource_guarantees": dict(gpus)}
    if size.node_selector:
        overrides["node_selector"] = dict(size.node_selector)
    if size.tolerations:
        overrides["tolerations"] = Appended("tolerations", tuple(dict(each) for each in size.tolerations))
    return overrides


def preset_overrides(presets: Sequence[Preset]) -> dict[str, Any]:
    """Return what the checked presets add; of two that set one variable, the later wins."""
    overrides: dict[str, Any] = {}
    for preset in presets:
        for trait, values in (
            ("environment", preset.environment),
            ("extra_labels", preset.labels),
            ("extra_annotations", preset.annotations),
        ):
            if values:
                overrides.setdefault(trait, {}).update(without_templates(values))
    for trait in ("volumes", "volume_mounts"):
        items: list[Any] = []
        for preset in presets:
            items += [item for item in without_templates(getattr(preset, trait)) if item not in items]
        if items:
            overrides[trait] = Appended(trait, tuple(items))
    return overrides


def option_overrides(*, reset_environment: bool, debug: bool) -> dict[str, Any]:
    """Return what the two check boxes set."""
    overrides: dict[str, Any] = {}
    if reset_environment:
        overrides["environment"] = dict(FRESH_ENVIRONMENT)
    if debug:
        overrides["debug"] = True
    return overrides


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return several overrides as one: dicts are merged, of other values the last one wins."""
    whole: dict[str, Any] = {}
    for part in parts:
        for trait, value in part.items():
            if isinstance(value, Mapping) and isinstance(whole.get(trait), Mapping):
                whole[trait] = {**whole[trait], **value}
            else:
                whole[trait] = value
    return whole

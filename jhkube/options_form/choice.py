"""What a person can choose from, and what they chose, as values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jhkube.images.entries import MenuEntry
from jhkube.images.offers import Offer
from jhkube.own_disks import OwnDisk
from jhkube.repository import Repository

from .environment import Variable, variables_for
from .presets import Preset, presets_for
from .repositories import NO_REPOSITORIES, REPOSITORY_KEYS, Repositories
from .sizes import Size, sizes_for

__all__ = ["KEYS", "LAB", "Available", "Choice", "available_for"]

LAB: Final = "lab"
"""The slug of the computed profile."""

KEYS: Final = (
    *("profile", "image", "size", "presets"),
    *REPOSITORY_KEYS,
    *("environment", "secrets", "disks", "reset_environment", "debug"),
)
"""The options of the computed profile."""


@dataclass(frozen=True, slots=True)
class Available:
    """Everything that one person may choose from."""

    images: Offer | None = None
    """The images; None on a hub whose image is fixed in its configuration."""

    sizes: tuple[Size, ...] = ()
    """The sizes, in the operator's order."""

    presets: tuple[Preset, ...] = ()
    """The presets, in the operator's order."""

    profiles: tuple[Mapping[str, Any], ...] = ()
    """The operator's static profiles, as `profiles.parse_profiles` returns them."""

    repositories: Repositories = NO_REPOSITORIES
    """The repositories that a server may start from."""

    variables: tuple[Variable, ...] = ()
    """The environment variables that may be set, in the operator's order."""

    secrets: tuple[str, ...] | None = None
    """The names of the person's own secrets; None where the hub has none of anybody."""

    disks: tuple[str, ...] | None = None
    """The names of the person's own claims; None where none of them can be mounted on this hub."""

    reset_environment: bool = True
    """Whether the form has a box to start with a fresh environment."""

    debug: bool = True
    """Whether the form has a box for debug messages."""

    is_ready: Callable[[str], bool] = field(default=lambda image: False, compare=False)
    """Whether an image, as a pod runs it, is on all nodes already."""

    @property
    def default_profile(self) -> str:
        """The slug of the profile that is taken where nobody says anything."""
        return next((str(each["slug"]) for each in self.profiles if each.get("default")), LAB)


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody chose, with everything looked up."""

    profile: str = LAB
    """The profile's slug."""

    image: str = ""
    """The image as it was asked for: a tag, or a reference; empty where the hub's image is fixed."""

    entry: MenuEntry | None = None
    """The menu's entry; None for a custom image, or a static profile."""

    is_custom: bool = False
    """Whether the image is a reference of the person's own, still to be looked up at its registry."""

    size: Size | None = None
    """The size; None where none are configured, or for a static profile."""

    presets: tuple[Preset, ...] = ()
    """The presets that were checked."""

    repository: Repository | None = None
    """The repository to clone before the server starts."""

    own_image: str = ""
    """The repository's own image: taken in the place of `image` if it can be, which is still to be looked up."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """The environment variables to set."""

    secrets: tuple[str, ...] = ()
    """The names of the person's own secrets to attach."""

    disks: tuple[OwnDisk, ...] = ()
    """The person's own disks to mount."""

    reset_environment: bool = False
    """Whether the environment is to be fresh."""

    debug: bool = False
    """Whether the server is to log more."""

    warning: str = ""
    """What is not as it was asked for, in a sentence for the person; mostly empty."""

    extra: Mapping[str, str] = field(default_factory=dict)
    """The options of a static profile, in KubeSpawner's own names."""

    def to_options(self) -> dict[str, Any]:
        """Return the choice as complete `user_options`."""
        if self.profile != LAB:
            return {"profile": self.profile, **self.extra}
        options: dict[str, Any] = {"profile": self.profile}
        if self.image:
            options["image"] = self.image
        if self.size:
            options["size"] = self.size.name
        options["presets"] = [preset.name for preset in self.presets]
        if self.repository:
            asked = (self.repository.url, *(getattr(self.repository, key) for key in REPOSITORY_KEYS[1:]))
            options |= {key: value for key, value in zip(REPOSITORY_KEYS, asked, strict=True) if value}
        if self.environment:
            options["environment"] = dict(self.environment)
        if self.secrets:
            options["secrets"] = list(self.secrets)
        if self.disks:
            options["disks"] = [
                {"name": each.claim, "path": each.path, "read_only": each.read_only} for each in self.disks
            ]
        return options | {"reset_environment": self.reset_environment, "debug": self.debug}


def available_for(
    groups: Collection[str],
    images: Offer | None,
    sizes: Sequence[Size],
    presets: Sequence[Preset] = (),
    profiles: Sequence[Mapping[str, Any]] = (),
    *,
    repositories: Repositories = NO_REPOSITORIES,
    variables: Sequence[Variable] = (),
    secrets: Sequence[str] | None = None,
    disks: Sequence[str] | None = None,
    reset_environment: bool = True,
    debug: bool = True,
    is_ready: Callable[[str], bool] = lambda image: False,
) -> Available:
    """Return what somebody in these hub groups may choose from; `images` is the offer for the same groups."""
    mine = frozenset(groups)
    return Available(
        images=images,
        sizes=sizes_for(groups, sizes),
        presets=presets_for(groups, presets),
        profiles=tuple(each for each in profiles if not each.get("groups") or mine & set(each["groups"])),
        repositories=repositories,
        variables=variables_for(groups, variables),
        secrets=None if secrets is None else tuple(secrets),
        disks=None if disks is None else tuple(disks),
        reset_environment=reset_environment,
        debug=debug,
        is_ready=is_ready,
    )

"""What a link may start by itself, and what a person has to confirm in the form."""

from __future__ import annotations

from jhkube.repository import Repository

from .choice import LAB, Available, Choice
from .option_values import UNLISTED, OptionError, listed, shown
from .sizes import Size, default_size

__all__ = ["check_link"]


def check_link(choice: Choice, available: Available) -> None:
    """Raise OptionError where a link asks for more than an image of the menu and a size no larger than the default.

    Any web page can send a browser to a link. What it asks for stays in the form, so that the person can start it
    when they have looked at it.

    Parameters
    ----------
    choice
        What the link stands for.
    available
        What the person may choose from.
    """
    typed, asked = _typed(choice), _asked(choice, available)
    everything = typed | asked
    if not everything:
        return
    words, field = listed(everything.values()), next(iter(everything))
    if typed:
        raise OptionError(
            field,
            f"A link asks for {words}. Start it only if you trust who made the link: it can use your files and your "
            "access to git.",
        )
    raise OptionError(field, f"A link asks for {words}. Press Start only if you want that.")


def _typed(choice: Choice) -> dict[str, str]:
    """Return the texts that are on no list, by field: who follows a link has not seen them."""
    typed = {key.removesuffix(UNLISTED): shown(text) for key, text in choice.extra.items() if key.endswith(UNLISTED)}
    if choice.is_custom:
        typed = {"image": shown(choice.image)} | typed
    if choice.repository:
        typed["repository"] = _clone(choice.repository)
    return typed


def _clone(repository: Repository) -> str:
    """Return what becomes of a repository, for who has not typed it."""
    what = f"the repository {repository.url}"
    if repository.branch:
        what += f" (branch {shown(repository.branch)})"
    if repository.commit:
        what += f" at the commit {repository.commit}"
    return f"{what}, which is copied into the folder {shown(repository.folder)} of your home"


def _asked(choice: Choice, available: Available) -> dict[str, str]:
    """Return what costs more than a start by default, or does more, by field."""
    asked: dict[str, str] = {}
    if choice.profile != available.default_profile:
        asked["profile"] = f"the profile {_profile_name(choice.profile, available)}"
    if choice.profile != LAB:
        return asked | _listed_values(choice, available)
    if choice.size is not None and not _is_within(choice.size, default_size(available.sizes)):
        asked["size"] = f"the size {choice.size.display_name} ({choice.size.summary})"
    if presets := [preset.display_name for preset in choice.presets if not preset.is_default]:
        asked["presets"] = listed(shown(name) for name in presets)
    if choice.environment:
        asked["environment"] = listed(
            f"the variable {name} = {shown(text)}" for name, text in choice.environment.items()
        )
    if choice.secrets:
        asked["secrets"] = f"your secret{'s' if len(choice.secrets) > 1 else ''} {listed(choice.secrets)}"
    if choice.disks:
        asked["disks"] = (
            f"your disk{'s' if len(choice.disks) > 1 else ''} {listed(each.claim for each in choice.disks)}"
        )
    if choice.reset_environment:
        asked["reset_environment"] = "a fresh environment, which sets your own packages and settings aside"
    return asked


def _profile_name(slug: str, available: Available) -> str:
    names = (str(each["display_name"]) for each in available.profiles if each["slug"] == slug)
    return shown(next(names, "Lab"))


def _listed_values(choice: Choice, available: Available) -> dict[str, str]:
    """Return what of an operator's own profile is not its default, by field."""
    profile = next(each for each in available.profiles if each["slug"] == choice.profile)
    values = {}
    for name, option in profile["profile_options"].items():
        value = choice.extra.get(name)
        if value is not None and not option["choices"][value].get("default"):
            label = option["choices"][value].get("display_name", value)
            values[name] = f"{option['display_name']} {shown(label)}"
    return values


def _is_within(size: Size, default: Size | None) -> bool:
    """Say whether a size has and reserves no more than the default one, on the same nodes."""
    return (
        default is not None
        and (size.node_selector, size.tolerations) == (default.node_selector, default.tolerations)
        and size.cores <= default.cores
        and size.memory <= default.memory
        and size.cores_guarantee <= default.cores_guarantee
        and size.memory_guarantee <= default.memory_guarantee
        and size.gpus <= default.gpus
        and (not size.gpus or size.gpu_resource == default.gpu_resource)
    )

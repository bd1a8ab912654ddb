"""The form: HTML for what somebody may choose from, and `user_options` from what the browser sends back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .choice import LAB, Available
from .form_view import CUSTOM_IMAGE, OWN_IMAGE, SEARCHED_IMAGE, form_view
from .option_values import UNLISTED, OptionError
from .tag_index import tag_index

__all__ = ["AheadQuestions", "options_from_form", "render"]

VARIABLE_PREFIX: Final = "environment-"
"""What stands before a variable's name in the name of its field."""

OPTION_PREFIX: Final = "profile-option-"
"""What KubeSpawner's own form puts before the name of a profile's option."""

TRUE: Final = frozenset({"on", "true", "1", "yes"})
"""What a checked box sends, and what people write into a link."""


@dataclass(frozen=True, slots=True)
class AheadQuestions:
    """What the form's script asks the hub about the pod that is made while the form is read."""

    url: str
    """Where it asks."""

    follows: bool = False
    """Whether it tells the hub what was chosen, so that the pod follows."""


def render(
    available: Available,
    options: Any = None,
    *,
    now: float,
    errors: Sequence[OptionError] = (),
    notices: Mapping[str, str] = MappingProxyType({}),
    ahead: AheadQuestions | None = None,
) -> str:
    """Return the inside of the hub's spawn form.

    Parameters
    ----------
    available
        What the person may choose from.
    options
        The `user_options` to begin with: those of the last start, or those that were just refused. What
        cannot be taken any more is said to be gone, and the default is chosen in its place.
    now
        The time in seconds since 1970.
    errors
        Why the options were refused, each shown at its field with what was typed left as it was; empty for a
        form that is shown for the first time.
    notices
        What else the person should know, a sentence by field.
    ahead
        What the form's script asks while it is read; None for nothing.
    """
    view = form_view(available, options, errors, now, notices)
    index = tag_index(available.images.all_entries) if view.search_count and available.images else None
    names = {"lab": LAB, "unlisted": UNLISTED, "option_prefix": OPTION_PREFIX, "variable_prefix": VARIABLE_PREFIX}
    page: str = _template().render(view=view, index=index, ahead=ahead, **names)
    # JSON can say half of a character, which no page can be sent with; remembered, it would end every form to come.
    return page.encode(errors="replace").decode()


def options_from_form(formdata: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the `user_options` that a form, or a link such as `/hub/spawn?opt-image=w_2026_46`, stands for.

    Nothing is checked here but the form's own encoding; that is for `chosen`. Fields that are not the form's
    are left out.

    Parameters
    ----------
    formdata
        Lists of values by field, as the hub hands them over.
    """
    # jupyterhub 6 takes this prefix off a link's options, jupyterhub 5 does not know it.
    formdata = {name.removeprefix("opt-"): values for name, values in formdata.items()}
    options: dict[str, Any] = {}
    profile = _last(formdata, "profile")
    if profile is not None:
        options["profile"] = profile
    options |= _profile_options(formdata, profile)
    if profile not in (None, LAB):
        return options
    image = _last(formdata, "image")
    if image in (SEARCHED_IMAGE, CUSTOM_IMAGE):
        typed = "image_tag" if image == SEARCHED_IMAGE else "image_custom"
        image = (_last(formdata, typed) or "").strip()
    if image not in (None, OWN_IMAGE):
        options["image"] = image
    size = _last(formdata, "size")
    if size is not None:
        options["size"] = size
    if "presets" in formdata:
        options["presets"] = [name for name in formdata["presets"] if name]
    if "secrets" in formdata:
        options["secrets"] = [name for name in formdata["secrets"] if name]
    if "disks" in formdata:
        options["disks"] = [text for text in formdata["disks"] if text]
    for field in ("repository", "branch", "commit"):
        if text := (_last(formdata, field) or "").strip():
            options[field] = text
    if variables := _variables(formdata):
        options["environment"] = variables
    for flag in ("submodules", "lfs", "reset_environment", "debug"):
        value = _last(formdata, flag)
        if value is not None:
            options[flag] = str(value).lower() in TRUE
    return options


def _profile_options(formdata: Mapping[str, Sequence[Any]], profile: str | None) -> dict[str, str]:
    """Return the chosen profile's options, from fields named as KubeSpawner's own form names them."""
    prefix = f"{OPTION_PREFIX}{profile or LAB}--"
    options: dict[str, str] = {}
    for name in formdata:
        if not name.startswith(prefix) or name.endswith(UNLISTED):
            continue
        option = name.removeprefix(prefix)
        value = _last(formdata, name)
        typed = _last(formdata, f"{name}{UNLISTED}")
        if value == UNLISTED.lstrip("-") or value is None:
            if typed is not None:
                options[f"{option}{UNLISTED}"] = typed.strip()
        else:
            options[option] = value
    for name in formdata:
        # A front end may send the typed value alone, and an option may have nothing but one.
        option = name.removeprefix(prefix).removesuffix(UNLISTED)
        if name.startswith(prefix) and name.endswith(UNLISTED) and name.removesuffix(UNLISTED) not in formdata:
            options[f"{option}{UNLISTED}"] = (_last(formdata, name) or "").strip()
    if profile in (None, LAB):
        # The computed profile has one name for an image, listed or typed.
        options = {name.removesuffix(UNLISTED): value for name, value in options.items()}
    return options


def _variables(formdata: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the variables that have a value; a field that is left empty sets none."""
    fields = [name for name in formdata if name.startswith(VARIABLE_PREFIX)]
    return {name.removeprefix(VARIABLE_PREFIX): value for name in fields if (value := _last(formdata, name))}


def _last(formdata: Mapping[str, Sequence[Any]], field: str) -> Any:
    values = formdata.get(field)
    return values[-1] if values else None


@cache
def _template() -> Any:
    environment = Environment(
        autoescape=True,
        loader=PackageLoader("jhkube.options_form"),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    static = files("jhkube.options_form") / "static"
    for name in ("form.css", "form.js", "ahead.js"):
        # Ours, and inlined: the form needs no handler of its own to be served from.
        environment.globals[name.replace(".", "_")] = Markup((static / name).read_text("utf-8"))
    return environment.get_template("form.html")

"""The settings that the sample configuration reads: from the environment, and from z2jh's `custom.jhkube`."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from jhkube.deployment.setting_models import Values
from jhkube.deployment.setting_types import FromEnvironment, Spelling

__all__ = ["SETTINGS", "Setting", "SettingError", "Settings"]

PREFIX: Final = "JHKUBE_"
"""What every environment variable of the configuration begins with."""

RESERVED: Final = "JHKUBE_DEV_"
"""Variables of the development cluster and the tests: not the hub's, so never refused by it."""

CHART: Final = "custom.jhkube"
"""Where the settings are in the chart's values."""

_SERVICE_LINK: Final = re.compile(
    r"[A-Z0-9_]+_((SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)\w*)=.*|PORT=(tcp|udp)://.*)"
)
"""What Kubernetes adds to a pod's environment for each Service: one named `jhkube-hub` gives `JHKUBE_HUB_PORT`."""

_SPOKEN: Final = {
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}


class SettingError(ValueError):
    """Settings that are not known, or have values that cannot be; a line for each."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that an operator may set."""

    name: str
    """Its name under `custom.jhkube` in the chart's values, with a dot between levels: `github.clientId`."""

    variable: str
    """The environment variable that sets it; the environment wins over the chart."""

    spelling: Spelling
    """What its value can be, in words, and how the environment writes it."""

    default: Any
    """The value where nothing sets it."""

    help: str
    """What it does, in one line."""


def _settings() -> Iterator[Setting]:
    for section in Values.model_fields.values():
        for field in section.annotation.model_fields.values():  # type: ignore[union-attr]
            (spelling,) = (each for each in field.metadata if isinstance(each, Spelling))
            yield Setting(f"{section.alias}.{field.alias}", field.title, spelling, field.default, field.description)


SETTINGS: Final = tuple(_settings())
"""Every setting, in the order of the files that read them."""

_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
_BY_VARIABLE: Final = {setting.variable: setting for setting in SETTINGS}


class Settings(Mapping[str, Any]):
    """The settings' values by name: `settings["github.clientId"]`.

    Parameters
    ----------
    environ
        The environment.
    chart
        The chart's `custom.jhkube`, nested; None where no chart runs the hub.

    Raises
    ------
    SettingError
        For every name that is not known, and every value that is malformed; it says the full name and the nearest
        right one, and never the value, which may be a secret.
    """

    def __init__(self, environ: Mapping[str, str], chart: Mapping[str, Any] | None = None) -> None:
        self.in_chart = chart is not None
        """Whether the chart runs the hub."""
        problems: list[str] = []
        self._set = _of_chart(chart or {}, problems) | _of_environment(environ, problems)
        if problems:
            raise SettingError("\n".join(problems))
        self._values = {setting.name: setting.default for setting in SETTINGS} | self._set

    @classmethod
    def load(cls) -> Settings:
        """Return this process's settings: its environment, over the chart's values where it runs in z2jh."""
        try:
            from z2jh import get_config  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            return cls(os.environ)
        return cls(os.environ, get_config(CHART, {}))

    def unless_charts(self, name: str) -> Any:
        """Return a value; None where nothing sets it and the chart, which runs the hub, has a value of its own."""
        return None if self.in_chart and name not in self._set else self._values[name]

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _of_chart(chart: Any, problems: list[str]) -> dict[str, Any]:
    """Return what the chart sets, by name; what is wrong with it is added to the problems."""
    try:
        return _flat(Values.model_validate(chart))
    except ValidationError as error:
        problems += dict.fromkeys(_chart_problem(each["loc"], chart) for each in error.errors())
        return {}


def _chart_problem(place: tuple[int | str, ...], chart: Any) -> str:
    value = chart
    for key in place[:2]:
        # A key that is not a text is no setting, and pydantic has made a text of it here.
        value = value.get(key) if isinstance(value, Mapping) else None
    name = ".".join(map(str, place[:2]))
    if setting := _BY_NAME.get(name):
        found = _spoken(value)
        other = "" if found == _spoken(setting.default) else f", and not {found}"
        return f"{CHART}.{name}: should be {setting.spelling.words}{other}"
    path = f"{name}." if name else ""
    inside = [each.removeprefix(path) for each in _BY_NAME if each.startswith(path)]
    if inside:
        return f"{CHART}.{name}".rstrip(".") + f": should be a mapping of settings: {', '.join(inside)}"
    return _unknown(f"{CHART}.{name}", [f"{CHART}.{each}" for each in _BY_NAME])


def _of_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """Return what the environment sets, by name; what is wrong with it is added to the problems."""
    tree: dict[str, dict[str, Any]] = {}
    unknown = []
    for variable, text in environ.items():
        # A variable that is set to nothing counts as not set.
        if not text.strip() or _SERVICE_LINK.fullmatch(f"{variable}={text}"):
            continue
        if variable in _BY_VARIABLE:
            level, _, key = _BY_VARIABLE[variable].name.partition(".")
            tree.setdefault(level, {})[key] = FromEnvironment(text)
        elif variable.startswith(PREFIX) and not variable.startswith(RESERVED):
            unknown.append(_unknown(variable, [name for name in _BY_VARIABLE if name.startswith(PREFIX)]))
    values: dict[str, Any] = {}
    try:
        values = _flat(Values.model_validate(tree))
    except ValidationError as error:
        for name in dict.fromkeys(".".join(map(str, each["loc"][:2])) for each in error.errors()):
            setting = _BY_NAME[name]
            problems.append(f"{setting.variable}: should be {setting.spelling.words}{setting.spelling.in_text}")
    problems += unknown
    return values


def _flat(values: Values) -> dict[str, Any]:
    """Return what was set, by name."""
    return {
        f"{Values.model_fields[level].alias}.{type(section).model_fields[field].alias}": getattr(section, field)
        for level, section in values
        for field in section.model_fields_set
    }


def _spoken(value: Any) -> str:
    return _SPOKEN.get(type(value), "nothing")


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{name}: unknown setting{hint}"

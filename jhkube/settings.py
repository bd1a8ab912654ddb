"""The settings that the sample configuration reads: from the environment, and from z2jh's `custom.jhkube`."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from jhkube.setting_table import SETTINGS, Setting

__all__ = ["SETTINGS", "Setting", "SettingError", "Settings", "chart_schema"]

PREFIX: Final = "JHKUBE_"
"""What every environment variable of the configuration begins with."""

RESERVED: Final = "JHKUBE_DEV_"
"""Variables of the development cluster and the tests: not the hub's, so never refused by it."""

CHART: Final = "custom.jhkube"
"""Where the settings are in the chart's values."""


class SettingError(ValueError):
    """Settings that are not known, or have values that cannot be; a line for each."""


_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
_BY_VARIABLE: Final = {setting.variable: setting for setting in SETTINGS}
_NAMES_AND_LEVELS: Final = _BY_NAME.keys() | {name.rpartition(".")[0] for name in _BY_NAME}

_SERVICE_LINK: Final = re.compile(
    r"[A-Z0-9_]+_((SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)\w*)=.*|PORT=(tcp|udp)://.*)"
)
"""What Kubernetes adds to a pod's environment for each Service: one named `jhkube-hub` gives `JHKUBE_HUB_PORT`."""


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
        self._problems: list[str] = []
        self.in_chart = chart is not None
        """Whether the chart runs the hub."""
        self._set = dict(self._of_chart(chart or {}, "")) | dict(self._of_environment(environ))
        if self._problems:
            raise SettingError("\n".join(self._problems))
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

    def _of_environment(self, environ: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        for variable, text in environ.items():
            # A variable that is set to nothing counts as not set.
            if not text.strip() or _SERVICE_LINK.fullmatch(f"{variable}={text}"):
                continue
            if variable in _BY_VARIABLE:
                setting = _BY_VARIABLE[variable]
                yield from self._taken(variable, setting, setting.kind.read, text)
            elif variable.startswith(PREFIX) and not variable.startswith(RESERVED):
                self._problems.append(_unknown(variable, [name for name in _BY_VARIABLE if name.startswith(PREFIX)]))

    def _of_chart(self, tree: Any, path: str) -> Iterator[tuple[str, Any]]:
        """Yield the values of a level of the chart; null counts as not set, as it does for Helm."""
        if not isinstance(tree, Mapping):
            inside = ", ".join(name.removeprefix(path) for name in _BY_NAME if name.startswith(path))
            self._problems.append(f"{f'{CHART}.{path}'.rstrip('.')}: should be a mapping of settings: {inside}")
            return
        for key, value in tree.items():
            name = f"{path}{key}"
            if value is None and name in _NAMES_AND_LEVELS:
                continue
            if name in _BY_NAME:
                yield from self._taken(f"{CHART}.{name}", _BY_NAME[name], _BY_NAME[name].kind.checked, value)
            elif name in _NAMES_AND_LEVELS:
                yield from self._of_chart(value, f"{name}.")
            else:
                self._problems.append(_unknown(f"{CHART}.{name}", [f"{CHART}.{each}" for each in _BY_NAME]))

    def _taken(
        self, where: str, setting: Setting, read: Callable[[Any], Any], given: Any
    ) -> Iterator[tuple[str, Any]]:
        try:
            yield setting.name, read(given)
        except ValueError as error:
            self._problems.append(f"{where}: should be {error}")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{name} is no setting of jhkube{hint}"


def chart_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the chart's `custom.jhkube`, by which its values are checked."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_level()}
    for setting in SETTINGS:
        *groups, last = setting.name.split(".")
        level = schema
        for group in groups:
            level = level["properties"].setdefault(group, _level())
        # As in `Settings`, null counts as not set.
        value = {"anyOf": [dict(setting.kind.schema), {"type": "null"}]}
        level["properties"][last] = {"description": setting.help, "default": setting.default, **value}
    return schema


def _level() -> dict[str, Any]:
    return {"type": ["object", "null"], "additionalProperties": False, "properties": {}}

"""A server extension: the schemas of JupyterLab's settings are checked once, and while the pod waits for its start.

JupyterLab's page asks for all settings before it shows anything. The server checks every schema against the rules for
schemas then, which takes three quarters of the answer's time, and the answer to everything else waits behind it.
"""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft7Validator
from jupyter_core.paths import jupyter_path
from jupyterlab.commands import get_app_dir
from jupyterlab_server import settings_utils


class CheckedOnce:
    """A validator of which `check_schema` passes over what it has found right before."""

    def __init__(self) -> None:
        self._right: set[str] = set()

    def __call__(self, schema: Any) -> Draft7Validator:
        """Return what checks settings by a schema."""
        return Draft7Validator(schema)

    def check_schema(self, schema: Any) -> None:
        """Check a schema.

        Raises
        ------
        jsonschema.SchemaError
            Where it is wrong.
        """
        text = json.dumps(schema, sort_keys=True)
        if text not in self._right:
            Draft7Validator.check_schema(schema)
            self._right.add(text)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "lab_settings"}]


def _load_jupyter_server_extension(_: Any) -> None:
    _check_once()


def _check_once() -> None:
    if not isinstance(settings_utils.Validator, CheckedOnce):
        settings_utils.Validator = CheckedOnce()


def _jhkube_prepare_start() -> None:
    # Called in a pod that waits for its start.
    _check_once()
    folder = get_app_dir()
    settings_utils.get_settings(
        f"{folder}/settings", f"{folder}/schemas", "", labextensions_path=jupyter_path("labextensions")
    )

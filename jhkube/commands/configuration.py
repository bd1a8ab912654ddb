"""Reading the hub's configuration without a hub."""

from __future__ import annotations

from pathlib import Path

from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

__all__ = ["ConfigurationError", "load_configuration"]


class ConfigurationError(Exception):
    """A configuration that the hub could not start with; the message is for the operator."""


def load_configuration(path: Path) -> Config:
    """Return what a `jupyterhub_config.py` sets.

    Raises
    ------
    ConfigurationError
        Where the file is missing, or fails.
    """
    if not path.is_file():
        raise ConfigurationError(f"there is no configuration file {path}: name it with --config")
    try:
        return PyFileConfigLoader(path.name, str(path.parent.resolve())).load_config()
    except Exception as error:
        # Whatever the operator's own code raises; the hub would fail with the same.
        raise ConfigurationError(f"{path} fails: {type(error).__name__}: {error}") from error

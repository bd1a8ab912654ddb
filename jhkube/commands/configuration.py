"""Reading the hub's configuration without a hub."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path

from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from jhkube.checks.secrets import redactor

__all__ = ["CommandError", "ConfigurationError", "load_configuration"]


class CommandError(Exception):
    """What keeps a command from its work; the message is for the operator."""


class ConfigurationError(CommandError):
    """A configuration that the hub could not start with; the message is for the operator."""


def load_configuration(path: Path) -> Config:
    """Return what a `jupyterhub_config.py` sets.

    Raises
    ------
    ConfigurationError
        Where the file is missing, or fails; its secrets, as far as they were set by then, are not in the message.
    """
    try:
        is_file = path.is_file()
    except OSError as error:
        raise ConfigurationError(f"the configuration file {path}: {error.strerror}") from None
    if not is_file:
        raise ConfigurationError(f"there is no configuration file {path}: name it with --config")
    loader = PyFileConfigLoader(path.name, str(path.parent.resolve()))
    try:
        # What it prints, as the chart's does, is no part of a manifest or of JSON.
        with redirect_stdout(sys.stderr):
            return loader.load_config()
    except (Exception, SystemExit) as error:
        # Whatever the operator's own code raises; the hub would fail with the same.
        text = f"{_place(error, path)} fails: {type(error).__name__}: {error}"
        raise ConfigurationError(redactor(loader.config, os.environ)(text)) from error


def _place(error: BaseException, path: Path) -> str:
    """Return the file and the line of the configuration that an error comes from."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno},"
    # The innermost file that was loaded as configuration; what it called is of no help.
    lines = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name == "<module>" and "load_subconfig" in frame.f_globals
    ]
    return f"{lines[-1][0]}, line {lines[-1][1]}," if lines else str(path)

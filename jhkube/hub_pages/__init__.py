"""jhkube's pages of the hub: templates that extend the hub's own, and how a hub comes to use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from traitlets.config import LazyConfigValue

__all__ = ["TEMPLATES", "add_templates"]

TEMPLATES: Final = str(Path(__file__).with_name("templates"))
"""The folder of the templates, for `c.JupyterHub.template_paths`."""


def add_templates(config: Any) -> None:
    """Let the hub use jhkube's pages. Templates of the operator's own that are configured already win over them.

    Parameters
    ----------
    config
        The configuration, `c` in a configuration file.
    """
    paths = config.JupyterHub.template_paths
    if isinstance(paths, LazyConfigValue):
        # The hub's own folder is the trait's default, and would win over what comes after it.
        paths.prepend([TEMPLATES])
    elif TEMPLATES not in paths:
        paths.append(TEMPLATES)

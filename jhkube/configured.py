"""The hub that a configuration describes, without starting it: its classes and settings, made when asked for."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any

from jupyterhub.app import JupyterHub
from jupyterhub.crypto import CryptKeeper
from traitlets.config import Config

from jhkube.options_form.menu import ImageMenu
from jhkube.spawner import JHKubeSpawner

__all__ = ["ConfiguredHub"]


class ConfiguredHub:
    """What a `jupyterhub_config.py` comes to.

    Nothing listens, no database is opened and no file written. Each attribute is made at its first use and raises
    what the hub would stop with (TraitError, ValueError).

    Parameters
    ----------
    config
        What the configuration sets.
    """

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def app(self) -> JupyterHub:
        """JupyterHub itself, with its settings alone."""
        return JupyterHub(config=self.config, log=logging.getLogger("traitlets"))

    @cached_property
    def hub(self) -> Any:
        """The hub's addresses."""
        self.app.init_hub()
        return self.app.hub

    @cached_property
    def authenticator(self) -> Any:
        """Who lets people in."""
        return self.app.authenticator_class(config=self.config)

    @property
    def spawner_class(self) -> Any:
        """What starts servers."""
        return self.app.spawner_class

    @property
    def is_jhkube(self) -> bool:
        """Whether servers are started by jhkube."""
        return issubclass(self.spawner_class, JHKubeSpawner)

    @cached_property
    def spawner(self) -> Any:
        """A spawner of nobody's, for its settings; made within an event loop. None where it is not jhkube's."""
        return self.spawner_class(_mock=True, config=self.config) if self.is_jhkube else None

    @cached_property
    def menu(self) -> ImageMenu:
        """The image menu, neither read from disk nor written to it."""
        return ImageMenu(config=self.config, cache_file="")

    @cached_property
    def keys(self) -> CryptKeeper:
        """The keys that auth_state is encrypted with."""
        return CryptKeeper(config=self.config)

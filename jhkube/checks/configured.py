"""The hub that a configuration file describes, without starting it: classes and settings, made when asked for."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from contextlib import redirect_stdout
from functools import cached_property
from pathlib import Path
from typing import Any

from jupyterhub.app import JupyterHub
from jupyterhub.crypto import CryptKeeper
from kubernetes_asyncio.config import kube_config
from kubespawner.clients import load_config
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from jhkube.images.menu import ImageMenu
from jhkube.redaction import redactor
from jhkube.spawner import JHKubeSpawner

__all__ = [
    "ConfigurationError",
    "ConfiguredHub",
    "NoClusterConfigured",
    "load_cluster_configuration",
    "load_configuration",
]


class ConfigurationError(Exception):
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


class NoClusterConfigured(Exception):
    """Neither a service account nor a kubeconfig tells of a cluster; the message says why, and what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}. {remedy}")
        self.message, self.remedy = message, remedy


def load_cluster_configuration() -> None:
    """Have the Kubernetes client know its cluster, as KubeSpawner does when it is made.

    Raises
    ------
    NoClusterConfigured
        Where there is nothing to know it from.
    """
    try:
        load_config(host=None, ssl_ca_cert=None, verify_ssl=None)
    except Exception as error:
        # A kubeconfig is read as it comes: each wrong part of it fails in a way of its own.
        paths = kube_config.KUBE_CONFIG_DEFAULT_LOCATION.split(os.pathsep)
        if any(Path(path).expanduser().exists() for path in paths):
            said = " ".join(str(error).split())
            message = f"the kubeconfig {':'.join(paths)} cannot be used: {type(error).__name__}: {said}"
        else:
            message = f"no cluster is configured: there is no kubeconfig {':'.join(paths)}"
        raise NoClusterConfigured(
            message, "Run this in the hub's pod, with its service account; elsewhere name a kubeconfig by KUBECONFIG."
        ) from None


class ConfiguredHub:
    """What a `jupyterhub_config.py` comes to.

    Nothing listens, no database is opened and no file written. Each attribute is made at its first use and raises
    what the hub would stop with (TraitError, ValueError); the spawner NoClusterConfigured, too.

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
        if not self.is_jhkube:
            return None
        load_cluster_configuration()
        return self.spawner_class(_mock=True, config=self.config)

    @cached_property
    def menu(self) -> ImageMenu:
        """The image menu, neither read from disk nor written to it."""
        return ImageMenu(config=self.config, cache_file="")

    @cached_property
    def keys(self) -> CryptKeeper:
        """The keys that auth_state is encrypted with."""
        return CryptKeeper(config=self.config)

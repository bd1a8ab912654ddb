"""Stands for the module of this name that the chart mounts beside its configuration: the values, by dotted name."""

from functools import cache
from pathlib import Path

import yaml

SECRET = Path("/usr/local/etc/jupyterhub/secret")


@cache
def _values():
    return yaml.safe_load((SECRET / "values.yaml").read_text())


def get_config(name, default=None):
    """Return a value of the chart: `get_config("custom.jhkube")`."""
    value = _values()
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            return default
        value = value[key]
    return value


def get_secret_value(name):
    """Return what the chart's Secret has under a key."""
    return (SECRET / name).read_text()

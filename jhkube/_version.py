"""The version of jhkube."""

__version__ = "0.1.0.dev0"

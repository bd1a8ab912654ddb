"""jhkube: a JupyterHub spawner and authenticators for Kubernetes."""

from jhkube._version import __version__

__all__ = ["__version__"]

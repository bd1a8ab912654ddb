"""jhkube's build; everything that can be said declaratively is in pyproject.toml."""

from setuptools import setup

setup()

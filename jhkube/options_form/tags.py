"""The public name of `parse_tag`, which `jhkube.images.tags` defines."""

from jhkube.images.tags import parse_tag

__all__ = ["parse_tag"]

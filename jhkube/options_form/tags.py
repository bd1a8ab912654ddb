"""The public name of `parse_tag`, which reads a tag; `jhkube.images.tags` defines it."""

from jhkube.images.tags import DEFAULT_SCHEMES, ImageTag, TagKind, parse_tag, schemes_from_config, sort_tags

__all__ = ["DEFAULT_SCHEMES", "ImageTag", "TagKind", "parse_tag", "schemes_from_config", "sort_tags"]

"""What can be run: the images that registries have, and which of them are offered to whom."""

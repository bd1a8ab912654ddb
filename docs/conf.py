"""Sphinx configuration of jhkube's documentation."""

from jhkube import __version__

project = "jhkube"
author = "The jhkube contributors"
project_copyright = "2026, the jhkube contributors"
version = release = __version__

extensions = ["autodoc_traits", "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "description"
nitpicky = False

html_theme = "pydata_sphinx_theme"
html_title = "jhkube"
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
}

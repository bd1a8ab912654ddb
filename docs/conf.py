"""Sphinx configuration of jhkube's documentation."""

import sys
from pathlib import Path

from jhkube import __version__

# The extension, and devcluster, which is not installed.
sys.path[:0] = [str(Path(__file__).parent / "_ext"), str(Path(__file__).parents[1])]

project = "jhkube"
author = "The jhkube contributors"
project_copyright = "2026, the jhkube contributors"
version = release = __version__

extensions = ["jhkube_reference", "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_preserve_defaults = True
# The help texts of traits mark code by single backticks, as Markdown does.
default_role = "literal"

toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = "jhkube"
html_static_path = ["_static"]
html_css_files = ["jhkube.css"]
# Pages with no others below them have nothing to list at their side.
html_sidebars = {"tutorial*": [], "troubleshooting": []}
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
}

"""Sphinx: `make docs`."""

project = "rlaw"
author = "The rlaw authors"
copyright = "2026, the rlaw authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "rlaw"
html_static_path = []
autodoc_member_order = "bysource"

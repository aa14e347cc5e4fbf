"""How Sphinx builds the documentation: make docs."""

from importlib.metadata import version as read_version

project = "tintype"
author = copyright = "The tintype authors"
release = version = read_version("tintype")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode", "numpydoc", "myst_parser"]
exclude_patterns = ["_build"]

html_theme = "alabaster"
html_theme_options = {"description": "Rebuild image and other file datasets", "page_width": "1100px"}

autodoc_member_order = "bysource"
# Classes are documented whole where they stand; numpydoc's own lists of members would repeat them.
numpydoc_show_class_members = False

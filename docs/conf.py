"""How Sphinx makes a site of this folder: ``make docs``. Neither build nor site asks a network."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "Mavis"
author = "the Mavis engineers"
release = version_of("mavis-ops")

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["README.md"]
nitpicky = True  # a link that leads nowhere is an error

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

html_theme = "furo"
html_title = "Mavis"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["mavis.css"]
html_js_files = ["mavis.js"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None  # the same sources make the same bytes
html_show_search_summary = False  # from files, pages cannot be fetched for it
html_permalinks_icon = "#"
smartquotes = False  # quotes in text are copied into terminals, too
pygments_style = "a11y-light"
pygments_dark_style = "a11y-dark"
html_theme_options = {"top_of_page_buttons": []}
